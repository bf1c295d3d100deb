//! METEOR (Lavie and Agarwal, 2007) as NLTK's `single_meteor_score` on `word_tokenize`d texts, which `evaluate` calls:
//! alpha 0.9, beta 3, gamma 0.5; equal words first, then equal stems, then WordNet's synonyms where it is there.

use std::collections::{HashMap, HashSet};

use super::porter::stem;
use super::treebank::word_tokenize;
use super::wordnet::WordNet;

const ALPHA: f64 = 0.9;
const BETA: f64 = 3.0;
const GAMMA: f64 = 0.5;

/// METEOR of a prediction, 0 to 1.
pub fn meteor(prediction: &str, reference: &str, wordnet: Option<&WordNet>) -> f64 {
    meteor_of_words(
        &word_tokenize(prediction),
        &word_tokenize(reference),
        wordnet,
    )
}

/// The same of texts that are already cut into words.
pub fn meteor_of_words(
    prediction: &[String],
    reference: &[String],
    wordnet: Option<&WordNet>,
) -> f64 {
    let aligned = align(prediction, reference, wordnet);
    if aligned.is_empty() {
        return 0.0;
    }
    let matches = aligned.len() as f64;
    let precision = matches / prediction.len() as f64;
    let recall = matches / reference.len() as f64;
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    let follows =
        |pair: &[(usize, usize)]| pair[1].0 == pair[0].0 + 1 && pair[1].1 == pair[0].1 + 1;
    let chunks = 1 + aligned.windows(2).filter(|pair| !follows(pair)).count();
    let penalty = GAMMA * (chunks as f64 / matches).powf(BETA);
    (1.0 - penalty) * mean
}

/// A word with its place.
type Placed = (usize, String);

/// Pairs of places of words that belong together, by the place in the prediction.
fn align(
    prediction: &[String],
    reference: &[String],
    wordnet: Option<&WordNet>,
) -> Vec<(usize, usize)> {
    let placed = |words: &[String]| -> Vec<Placed> {
        words.iter().map(|w| w.to_lowercase()).enumerate().collect()
    };
    let (mut left, mut right) = (placed(prediction), placed(reference));
    let mut pairs = Vec::new();
    let same = |word: &str| HashSet::from([word.to_owned()]);
    take_pairs(&mut left, &mut right, same, &mut pairs);
    // The stems stay for the last stage, as in NLTK.
    for (_, word) in left.iter_mut().chain(&mut right) {
        *word = stem(word);
    }
    take_pairs(&mut left, &mut right, same, &mut pairs);
    if let Some(wordnet) = wordnet {
        let synonyms = |word: &str| wordnet.synonyms(word);
        take_pairs(&mut left, &mut right, synonyms, &mut pairs);
    }
    pairs.sort_unstable();
    pairs
}

/// From the last word of the prediction to the first: takes the last free word of the reference that one of the
/// names of the word equals.
fn take_pairs(
    left: &mut Vec<Placed>,
    right: &mut Vec<Placed>,
    names: impl Fn(&str) -> HashSet<String>,
    pairs: &mut Vec<(usize, usize)>,
) {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (n, (_, word)) in right.iter().enumerate() {
        places.entry(word).or_default().push(n);
    }
    let (mut taken_left, mut taken_right) = (HashSet::new(), HashSet::new());
    for (n, (place, word)) in left.iter().enumerate().rev() {
        let names = names(word);
        let best = names
            .iter()
            .filter_map(|name| Some((*places.get(name.as_str())?.last()?, name)))
            .max();
        if let Some((at, name)) = best {
            if let Some(free) = places.get_mut(name.as_str()) {
                free.pop();
            }
            taken_left.insert(n);
            taken_right.insert(at);
            pairs.push((*place, right[at].0));
        }
    }
    drop(places);
    leave(left, &taken_left);
    leave(right, &taken_right);
}

fn leave(words: &mut Vec<Placed>, taken: &HashSet<usize>) {
    let mut n = 0;
    words.retain(|_| {
        n += 1;
        !taken.contains(&(n - 1))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples in NLTK's own documentation.
    #[test]
    fn nltks_examples() {
        let score = |prediction: &str, reference: &str| {
            let words =
                |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
            meteor_of_words(&words(prediction), &words(reference), None)
        };
        let first = score(
            "It is a guide to action which ensures that the military always obeys the commands of the party",
            "It is a guide to action that ensures that the military will forever heed Party commands",
        );
        assert!((first - 0.6944).abs() < 5e-5, "{first}");
        assert_eq!(score("non matching hypothesis", "this is a cat"), 0.0);
    }
}
