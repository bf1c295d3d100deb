//! The names in a text, longest first, and the words between them.

use std::collections::HashMap;

use super::fold::{Gap, Token};
use super::phrases::{Entry, LONGEST, Phrases};
use super::term::{Side, Term};
use super::words::{Role, Words};

/// Misspelt words that are looked up in one text.
const MOST_CORRECTED: usize = 200;
/// Ways to correct one phrase that are tried.
const MOST_WAYS: usize = 16;

/// A run of tokens and what it is.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    /// The first token and the one after the last.
    pub tokens: (usize, usize),
    pub what: What,
    /// Whether spelling was corrected.
    pub corrected: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Name {
        term: &'static Term,
        adjective: bool,
    },
    /// "Enlarged": the finding it makes.
    Prefix(&'static Term),
    Side(Side),
    /// L or R alone.
    Letter(Side),
    Both,
    Word,
    /// A phrase that holds a name and does not mean it.
    Nothing,
}

/// Cuts a text into atoms. `any_case` reads abbreviations in any case.
pub(super) fn scan(
    phrases: &Phrases,
    words: &Words,
    tokens: &[Token],
    any_case: bool,
) -> Vec<Atom> {
    let corrections = corrections(phrases, tokens);
    let mut atoms = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (length, what, corrected) = match name_at(phrases, tokens, &corrections, at, any_case) {
            Some((length, entry, corrected)) => {
                let name = |term| What::Name {
                    term,
                    adjective: entry.adjective,
                };
                let what = entry.term.map_or(What::Nothing, name);
                (length, what, corrected || entry.misspelt)
            }
            None => word_at(phrases, words, &tokens[at], &corrections[at]),
        };
        atoms.push(Atom {
            tokens: (at, at + length),
            what,
            corrected,
        });
        at += length;
    }
    atoms
}

/// For each token the words that it may be misspelt for; none for those that are words.
fn corrections<'a>(phrases: &'a Phrases, tokens: &[Token]) -> Vec<Vec<&'a str>> {
    let mut seen: HashMap<&str, Vec<&'a str>> = HashMap::new();
    tokens
        .iter()
        .map(|token| {
            if let Some(known) = seen.get(token.word.as_str()) {
                return known.clone();
            }
            if seen.len() >= MOST_CORRECTED {
                return Vec::new();
            }
            let found = phrases.spelling.corrections(&token.word);
            seen.insert(&token.word, found.clone());
            found
        })
        .collect()
}

/// The longest name that begins at a token: its tokens, what it is, and whether it was corrected.
fn name_at(
    phrases: &Phrases,
    tokens: &[Token],
    corrections: &[Vec<&str>],
    at: usize,
    any_case: bool,
) -> Option<(usize, Entry, bool)> {
    let rest = &tokens[at..tokens.len().min(at + LONGEST)];
    let unbroken = rest
        .iter()
        .skip(1)
        .take_while(|t| t.gap <= Gap::Join)
        .count()
        + 1;
    (1..=unbroken).rev().find_map(|length| {
        let window = &tokens[at..at + length];
        let words: Vec<&str> = window.iter().map(|t| t.word.as_str()).collect();
        if let Some(entry) = phrases.find(window, &words, any_case) {
            return Some((length, entry, false));
        }
        let entry = corrected_name(phrases, window, &corrections[at..at + length])?;
        Some((length, entry, true))
    })
}

/// The one term that the corrections of a row of words can mean.
fn corrected_name(phrases: &Phrases, window: &[Token], corrections: &[Vec<&str>]) -> Option<Entry> {
    let ways = corrections
        .iter()
        .map(|c| c.len().max(1))
        .product::<usize>();
    if corrections.iter().all(Vec::is_empty) || ways > MOST_WAYS {
        return None;
    }
    let mut found: Option<Entry> = None;
    for way in 0..ways {
        let mut left = way;
        let words: Vec<&str> = window
            .iter()
            .zip(corrections)
            .map(|(token, corrections)| {
                let count = corrections.len().max(1);
                let word = corrections.get(left % count).copied();
                left /= count;
                word.unwrap_or(&token.word)
            })
            .collect();
        let Some(entry) = phrases.find(window, &words, false) else {
            continue;
        };
        if found.is_some_and(|found| found.term != entry.term) {
            return None;
        }
        found = Some(entry);
    }
    found.filter(|entry| entry.term.is_some())
}

/// A single word that is no name.
fn word_at(
    phrases: &Phrases,
    words: &Words,
    token: &Token,
    corrections: &[&str],
) -> (usize, What, bool) {
    let what = |word: &str| {
        if let Some(&finding) = phrases.prefixes.get(word) {
            return What::Prefix(finding);
        }
        for side in [Side::Left, Side::Right] {
            if words.has(word, Role::Side(side)) {
                return What::Side(side);
            }
            if words.has(word, Role::Letter(side)) {
                return What::Letter(side);
            }
        }
        if words.has(word, Role::Both) {
            return What::Both;
        }
        What::Word
    };
    match (what(&token.word), corrections) {
        (What::Word, &[correction]) => (1, what(correction), true),
        (found, _) => (1, found, false),
    }
}
