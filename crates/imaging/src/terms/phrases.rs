//! Names as they are looked up: the folded words of a name, written together.

use std::collections::HashMap;

use super::fold::{Token, tokens};
use super::spelling::Spelling;
use super::term::Term;

/// Words of the longest name that is looked for.
pub(super) const LONGEST: usize = 9;

/// What a phrase stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// None: a phrase that holds a name and does not mean it.
    pub term: Option<&'static Term>,
    pub adjective: bool,
    pub misspelt: bool,
    capitals: bool,
    /// Where its words end in the key, as bits.
    ends: u64,
}

/// How a name may be used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    pub adjective: bool,
    pub misspelt: bool,
    pub capitals: bool,
}

/// All phrases, and the words they are made of.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    entries: HashMap<String, Entry>,
    /// Words that make a finding of the organ that follows.
    pub prefixes: HashMap<String, &'static Term>,
    pub spelling: Spelling,
    pub faults: Vec<String>,
}

impl Phrases {
    /// A name of a term, or a phrase without meaning.
    pub fn insert(&mut self, name: &str, term: Option<&'static Term>, used: Use) {
        let words = tokens(name);
        let Some(key) = key_of(words.iter().map(|t| t.word.as_str())) else {
            self.faults.push(format!("no words: {name:?}"));
            return;
        };
        if words.len() > LONGEST {
            self.faults.push(format!("too long: {name:?}"));
        }
        let entry = Entry {
            term,
            adjective: used.adjective,
            misspelt: used.misspelt,
            capitals: used.capitals,
            ends: ends_of(words.iter().map(|t| t.word.as_str())),
        };
        match self.entries.get_mut(&key) {
            None => {
                self.entries.insert(key, entry);
            }
            Some(old) if old.term == term => {
                // The freest use wins.
                old.adjective &= entry.adjective;
                old.capitals &= entry.capitals;
                old.misspelt &= entry.misspelt;
                old.ends |= entry.ends;
            }
            Some(old) => {
                let fault = format!("{name:?} is {:?} and {term:?}", old.term);
                self.faults.push(fault);
            }
        }
    }

    /// Lets misspelt words be corrected to those of a name.
    pub fn learn(&mut self, name: &str) {
        for token in tokens(name) {
            self.spelling.learn(&token.word);
        }
    }

    /// What a row of words stands for; `words` are the words themselves or their corrections.
    pub fn find(&self, tokens: &[Token], words: &[&str], any_case: bool) -> Option<Entry> {
        let entry = self.entries.get(&key_of(words.iter().copied())?)?;
        let shouted = any_case || tokens.iter().all(|t| t.capitals);
        let usable = (shouted || !entry.capitals) && self.may_join(entry.ends, tokens, words);
        usable.then_some(*entry)
    }

    /// Whether words that are parts of one word of a name may be joined: "gall bladder" and "L 3" may, "he art" may not.
    fn may_join(&self, ends: u64, tokens: &[Token], words: &[&str]) -> bool {
        let numeric = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
        let is_end = |at: usize| at == 0 || ends & bit(at) != 0;
        let mut at = 0;
        words
            .iter()
            .zip(tokens)
            .enumerate()
            .all(|(n, (word, token))| {
                if is_article(word) {
                    return true;
                }
                let whole = is_end(at) && is_end(at + word.len());
                at += word.len();
                let long = word.len() > 2 && !self.spelling.is_common(word);
                let numbered = numeric(word) || words.get(n + 1).is_some_and(|next| numeric(next));
                whole || long || numbered || token.is_ideograph()
            })
    }
}

/// The bits of the places in a key at which words end.
fn ends_of<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    let mut at = 0;
    words
        .filter(|word| !is_article(word))
        .fold(0, |ends, word| {
            at += word.len();
            ends | bit(at)
        })
}

fn bit(at: usize) -> u64 {
    1_u64.checked_shl(at as u32).unwrap_or(0)
}

/// Words that names are compared without.
pub(super) fn is_article(word: &str) -> bool {
    matches!(word, "the" | "a" | "an")
}

/// The words written together; none where nothing is left, or where an article stands at an end.
fn key_of<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut key = String::new();
    let mut last = "the";
    for word in words {
        if key.is_empty() && is_article(word) {
            return None;
        }
        if !is_article(word) {
            key.push_str(word);
        }
        last = word;
    }
    (!is_article(last)).then_some(key)
}
