//! All terms, and finding them by name.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use super::fold::tokens;
use super::mention::Mention;
use super::phrases::{Phrases, is_article};
use super::reader::Reader;
use super::scan::scan;
use super::table::Tables;
use super::term::{Kind, Links, Term};
use super::words::Words;

/// Bytes of the longest phrase that is looked up by [`Lexicon::get`].
const LONGEST_NAME: usize = 200;

/// The terms and their names.
pub struct Lexicon {
    /// Structures and groups, then kinds of findings, then findings with a name of their own.
    pub(super) terms: &'static [Term],
    pub(super) by_name: HashMap<&'static str, usize>,
    pub(super) structures: usize,
    pub(super) generic: usize,
    /// The groups that each structure is a member of.
    pub(super) groups: HashMap<&'static str, Vec<&'static Term>>,
    /// Kinds of findings that are about the size of an organ.
    pub(super) sizes: Vec<bool>,
    /// Findings with a name of their own, by the organ and the kind of finding that they are.
    pub(super) named: HashMap<(usize, usize), &'static Term>,
    /// Where findings with a name of their own may be said to lie.
    pub(super) places: HashMap<usize, Vec<usize>>,
    /// Findings made of an organ and a kind of finding, in this order, as they are asked for.
    pub(super) made: Vec<OnceLock<Box<Term>>>,
    pub(super) phrases: Phrases,
    pub(super) words: Words,
    pub(super) faults: Vec<String>,
}

static BUILT_IN: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::of(&Tables::read(), Words::read()));

impl Lexicon {
    /// The program's lexicon; read once, when it is first asked for.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// All structures, groups, kinds of findings and findings with a name of their own; not those that an organ and a
    /// kind of finding make.
    pub fn terms(&self) -> &'static [Term] {
        self.terms
    }

    /// The term that a whole phrase names: "Lt kidney", "KIDNEY_LEFT", "hepatic lesions". Case, articles, spelling
    /// variants and small misspellings do not matter. None where it names nothing, or more than one thing.
    pub fn get(&'static self, name: &str) -> Option<&'static Term> {
        if name.len() > LONGEST_NAME {
            return None;
        }
        let tokens = tokens(name);
        let articles = tokens.iter().take_while(|t| is_article(&t.word)).count();
        let mentions = self.read(name, true);
        let [mention] = &mentions[..] else {
            return None;
        };
        let first = tokens.get(articles)?.bytes.start;
        let last = tokens.last()?.bytes.end;
        (mention.bytes.start == first && mention.bytes.end >= last).then_some(mention.term)
    }

    /// The terms that a text speaks of, in its order. Several may share words: "cysts in the liver and the spleen". Only
    /// the first few thousand characters are read.
    pub fn mentions(&'static self, text: &str) -> Vec<Mention> {
        self.read(text, false)
    }

    fn read(&'static self, text: &str, any_case: bool) -> Vec<Mention> {
        let tokens = tokens(text);
        let atoms = scan(&self.phrases, &self.words, &tokens, any_case);
        let reader = Reader {
            lexicon: self,
            words: &self.words,
            text,
            tokens: &tokens,
            atoms: &atoms,
        };
        reader.mentions()
    }

    /// The finding that a kind of finding is in an organ: of "kidney" and "stone" the kidney stone, of "L3 vertebra" and
    /// "fracture" the vertebral fracture. `generic` is one of those that [`Lexicon::is_generic`] tells; others are given
    /// back as they are.
    pub fn finding_in(
        &'static self,
        organ: &'static Term,
        generic: &'static Term,
    ) -> &'static Term {
        let (Some(o), Some(g)) = (self.structure(organ), self.kind_of_finding(generic)) else {
            return generic;
        };
        if let Some(named) = self.named_around(organ, g) {
            return organ
                .side()
                .and_then(|side| named.on(side))
                .unwrap_or(named);
        }
        self.made[o * self.generic + g].get_or_init(|| {
            let links = Links {
                organ: Some(organ),
                generic: Some(generic),
                ..Links::default()
            };
            Box::new(Term {
                name: format!("{organ} {generic}"),
                kind: Kind::Finding,
                side: organ.side(),
                levels: organ.levels(),
                colour: generic.colour(),
                code: None,
                names: Vec::new(),
                links: OnceLock::from(links),
            })
        })
    }

    /// The finding with a name of its own that a kind of finding is in a structure, or else in what this belongs to. What
    /// is about size is not true of the whole for being true of a part.
    fn named_around(&self, organ: &'static Term, generic: usize) -> Option<&'static Term> {
        let around = self.around(organ, !self.sizes[generic]);
        let mut numbers = around.iter().filter_map(|term| self.structure(term));
        numbers.find_map(|number| self.named.get(&(number, generic)).copied())
    }

    /// A structure and what it belongs to, the nearest first: the pair and, if asked for, the wholes and groups.
    fn around(&self, organ: &'static Term, wholes: bool) -> Vec<&'static Term> {
        let mut around = vec![organ];
        let mut at = 0;
        while let Some(&term) = around.get(at) {
            let groups = self.groups.get(term.name()).into_iter().flatten().copied();
            let larger = term.whole().into_iter().chain(groups).filter(|_| wholes);
            for next in term.unsided().into_iter().chain(larger) {
                if !around.contains(&next) {
                    around.push(next);
                }
            }
            at += 1;
        }
        around
    }

    /// Whether it is a kind of finding that can be in many organs: "lesion", "fracture".
    pub fn is_generic(&self, term: &Term) -> bool {
        self.kind_of_finding(term).is_some()
    }

    /// Whether a finding with a name of its own may be said to lie in a structure or a part of it.
    pub(super) fn lies_in(&self, finding: &'static Term, organ: &'static Term) -> bool {
        let finding = finding.unsided().unwrap_or(finding);
        let Some(places) = self
            .by_name
            .get(finding.name())
            .and_then(|f| self.places.get(f))
        else {
            return false;
        };
        let around = self.around(organ, true);
        let mut numbers = around.iter().filter_map(|term| self.structure(term));
        numbers.any(|number| places.contains(&number))
    }

    pub(super) fn structure(&self, term: &Term) -> Option<usize> {
        self.by_name
            .get(term.name())
            .copied()
            .filter(|&n| n < self.structures)
    }

    pub(super) fn kind_of_finding(&self, term: &Term) -> Option<usize> {
        let number = self
            .by_name
            .get(term.name())
            .copied()?
            .checked_sub(self.structures)?;
        (number < self.generic).then_some(number)
    }

    /// What is wrong with the tables; nothing, says a test.
    #[cfg(test)]
    pub(super) fn faults(&self) -> impl Iterator<Item = &String> {
        self.faults.iter().chain(&self.phrases.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_whole_and_no_two_terms_share_a_name() {
        let faults: Vec<&String> = Lexicon::built_in().faults().collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
