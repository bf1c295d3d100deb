//! Small words that join names, and ordinary words that are no names.

use std::collections::HashMap;

use super::fold::tokens;
use super::names::list;
use super::table::rows;
use super::term::Side;

const WORDS: &str = include_str!("../../../../assets/terms/words.tsv");

/// What a small word does between names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The, a, his.
    Article,
    /// And, or, versus.
    And,
    /// Than, with: joins two sides that are compared.
    Than,
    /// Of, in: what follows is where a finding lies.
    In,
    /// Side, sided.
    SideWord,
    /// Large, focal: may stand between an organ and its finding.
    Modifier,
    /// Upper, pole: may stand before the organ in which a finding lies.
    Place,
    /// Left or right, whole words and abbreviations.
    Side(Side),
    /// L or R alone.
    Letter(Side),
    /// Both, bilateral.
    Both,
    /// An ordinary word, which is never corrected.
    Common,
}

/// The small words and their roles.
#[derive(Debug, Default)]
pub(super) struct Words {
    roles: HashMap<String, Vec<Role>>,
    /// Phrases that hold a name and do not mean it: "bone window".
    pub phrases: Vec<&'static str>,
    pub faults: Vec<String>,
}

impl Words {
    pub fn read() -> Self {
        let mut words = Self::default();
        for row in rows(WORDS) {
            let &[role, entries] = &row[..] else {
                words.faults.push(format!("cannot be read: {row:?}"));
                continue;
            };
            let role = match role {
                "article" => Role::Article,
                "and" => Role::And,
                "than" => Role::Than,
                "in" => Role::In,
                "side" => Role::SideWord,
                "modifier" => Role::Modifier,
                "place" => Role::Place,
                "left" => Role::Side(Side::Left),
                "right" => Role::Side(Side::Right),
                "l" => Role::Letter(Side::Left),
                "r" => Role::Letter(Side::Right),
                "both" => Role::Both,
                "common" => Role::Common,
                "phrase" => {
                    words.phrases.extend(list(entries));
                    continue;
                }
                _ => {
                    words.faults.push(format!("no such role: {role:?}"));
                    continue;
                }
            };
            for token in tokens(entries) {
                let roles = words.roles.entry(token.word).or_default();
                if !roles.contains(&role) {
                    roles.push(role);
                }
            }
        }
        words
    }

    /// Whether a word has a role; numbers are modifiers.
    pub fn has(&self, word: &str, role: Role) -> bool {
        let number = role == Role::Modifier && word.starts_with(|c: char| c.is_ascii_digit());
        number
            || self
                .roles
                .get(word)
                .is_some_and(|roles| roles.contains(&role))
    }

    /// Every word that has a role.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }
}
