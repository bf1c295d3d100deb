//! What is meant by a phrase that names nothing.

use super::fold::tokens;
use super::lexicon::Lexicon;
use super::spelling::edits;
use super::term::Term;

impl Lexicon {
    /// Terms whose names look most like a phrase that names nothing, the likeliest first; at most `most`. `among` says
    /// which terms are of use, such as those that a model knows.
    pub fn nearest(
        &self,
        phrase: &str,
        most: usize,
        among: &dyn Fn(&Term) -> bool,
    ) -> Vec<&'static Term> {
        let phrase: Vec<String> = words_of(phrase);
        if phrase.is_empty() {
            return Vec::new();
        }
        let mut near: Vec<(f32, &'static Term)> = Vec::new();
        for term in self.terms.iter().filter(|term| among(term)) {
            let names = std::iter::once(term.name()).chain(term.names());
            let likeness = names
                .map(|name| likeness(&phrase, &words_of(name)))
                .fold(0.0, f32::max);
            if likeness > 0.4 {
                near.push((likeness, term));
            }
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.into_iter().take(most).map(|(_, term)| term).collect()
    }
}

fn words_of(phrase: &str) -> Vec<String> {
    let mut words = tokens(phrase);
    words.truncate(12);
    words.into_iter().map(|token| token.word).collect()
}

/// How alike two phrases are, from 0 to 1: the mean, over the words of both, of the likeness to the other's nearest word.
fn likeness(a: &[String], b: &[String]) -> f32 {
    let one_way = |a: &[String], b: &[String]| -> f32 {
        let best = |word: &String| {
            b.iter()
                .map(|other| word_likeness(word, other))
                .fold(0.0, f32::max)
        };
        a.iter().map(best).sum::<f32>() / a.len().max(1) as f32
    };
    0.5 * (one_way(a, b) + one_way(b, a))
}

fn word_likeness(a: &str, b: &str) -> f32 {
    let longest = a.len().max(b.len());
    let limit = longest / 2;
    let edits = edits(a.as_bytes(), b.as_bytes(), limit);
    if edits > limit {
        0.0
    } else {
        1.0 - edits as f32 / longest.max(1) as f32
    }
}
