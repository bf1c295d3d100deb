//! A question's words, compared with those that requests are made of.

use std::ops::Range;

use m3d_imaging::terms::{edits, is_ideograph};

/// The words of a question outside of what the lexicon read in it, in lower case. Chinese characters are words of their
/// own. What the lexicon read stands as [`Words::NAMED`], so that phrases can say where it belongs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Words(Vec<String>);

/// The most letters that are looked at.
const LETTERS: usize = 4000;
/// Shorter words must be written right.
const SHORTEST_MISSPELT: usize = 5;

impl Words {
    /// Stands where the lexicon read something.
    pub const NAMED: &'static str = "\u{1}";

    pub fn new(text: &str, named: &[Range<usize>]) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut open = false;
        for (at, raw) in text.char_indices().take(LETTERS) {
            if let Some(range) = named.iter().find(|range| range.contains(&at)) {
                if range.start == at {
                    words.push(Self::NAMED.to_owned());
                }
                open = false;
                continue;
            }
            let alone = is_ideograph(raw);
            let continues = raw.is_alphanumeric() || (raw == '/' && open);
            if alone {
                words.push(raw.to_string());
                open = false;
            } else if continues {
                if !open {
                    words.push(String::new());
                }
                if let Some(word) = words.last_mut() {
                    word.extend(raw.to_lowercase());
                }
                open = true;
            } else if !matches!(raw, '\'' | '\u{2019}') {
                open = false;
            }
        }
        Self(words)
    }

    /// Whether any of the phrases occurs: words with spaces between, the last letters of a word left open by `*`, and
    /// `@` where something that was read has to stand. Words of five letters and more may be misspelt by one edit.
    pub fn have(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has(phrase))
    }

    fn has(&self, phrase: &str) -> bool {
        let pattern: Vec<String> = pattern_of(phrase);
        !pattern.is_empty()
            && self.0.windows(pattern.len()).any(|window| {
                let mut pairs = window.iter().zip(&pattern);
                pairs.all(|(word, wanted)| matches(word, wanted))
            })
    }

    /// Whether every word is one of these, or stands for what was read.
    pub fn are_only(&self, allowed: &[&str]) -> bool {
        self.0
            .iter()
            .all(|word| word == Self::NAMED || allowed.iter().any(|allowed| matches(word, allowed)))
    }
}

/// A phrase's words, its Chinese characters one by one.
fn pattern_of(phrase: &str) -> Vec<String> {
    let mut pattern: Vec<String> = Vec::new();
    for word in phrase.split(' ') {
        if word == "@" {
            pattern.push(Words::NAMED.to_owned());
        } else if word.chars().any(is_ideograph) {
            pattern.extend(word.chars().map(String::from));
        } else {
            pattern.push(word.to_owned());
        }
    }
    pattern
}

fn matches(word: &str, wanted: &str) -> bool {
    if let Some(stem) = wanted.strip_suffix('*') {
        return word.starts_with(stem)
            || (stem.len() > SHORTEST_MISSPELT
                && !is_ordinary(word)
                && word
                    .get(..stem.len())
                    .is_some_and(|head| is_one_edit_from(head, stem)));
    }
    word == wanted
        || (wanted.len() >= SHORTEST_MISSPELT
            && word.len() >= SHORTEST_MISSPELT - 1
            && !is_ordinary(word)
            && is_one_edit_from(word, wanted))
}

/// Words that are one edit from one that matters and mean something else.
fn is_ordinary(word: &str) -> bool {
    const ORDINARY: [&str; 47] = [
        "than", "then", "this", "that", "them", "they", "when", "were", "here", "there", "their",
        "these", "those", "with", "want", "what", "wall", "well", "make", "made", "take", "task",
        "much", "many", "point", "points", "port", "more", "most", "like", "live", "long", "lung",
        "last", "large", "largest", "side", "site", "sign", "note", "node", "some", "same", "such",
        "shown", "wide", "wife",
    ];
    ORDINARY.contains(&word)
}

/// Whether one letter more, less, another, or two swapped neighbours make one of the other.
fn is_one_edit_from(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|word| word.chars().collect::<Vec<_>>());
    edits(&a, &b, 1) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_with_one_slip_of_the_finger() {
        let words = Words::new(
            "Wheres teh livr, segmnet it. R/O stones",
            std::slice::from_ref(&(11..15)),
        );
        assert_eq!(words.0[2], Words::NAMED);
        assert!(words.have(&["wheres"]) && words.have(&["segment*"]) && words.have(&["r/o"]));
        assert!(words.have(&["wheres * @"]) || words.have(&["teh @"]));
        assert!(!words.have(&["measure*", "how big"]));
        let chinese = Words::new("请分割肝脏", std::slice::from_ref(&(9..15)));
        assert!(chinese.have(&["分割 @"]) && !chinese.have(&["割分"]));
    }

    #[test]
    fn one_edit_is_one_edit() {
        for (a, b, near) in [
            ("segmnet", "segment", true),
            ("spleeen", "spleen", true),
            ("meausre", "measure", true),
            ("mask", "mask", false),
            ("masque", "mask", false),
            ("abc", "cab", false),
            ("", "a", true),
        ] {
            assert_eq!(is_one_edit_from(a, b), near, "{a} {b}");
            assert_eq!(is_one_edit_from(b, a), near, "{b} {a}");
        }
    }
}
