//! Single names among the words around them, and the sides that are said of them.

use super::fold::{Gap, Token};
use super::lexicon::Lexicon;
use super::mention::Mention;
use super::scan::{Atom, What};
use super::term::{Side, Term};
use super::words::{Role, Words};

/// A side as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    One(Side),
    Both,
}

/// A term in the atoms from `from` to `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub from: usize,
    pub to: usize,
    pub term: &'static Term,
    pub side: Option<Side>,
    pub adjective: bool,
    /// The structure in which a finding is said to lie.
    pub place: Option<&'static Term>,
}

/// Reads mentions from atoms.
pub(super) struct Reader<'a> {
    pub lexicon: &'static Lexicon,
    pub words: &'a Words,
    pub text: &'a str,
    pub tokens: &'a [Token],
    pub atoms: &'a [Atom],
}

impl Reader<'_> {
    /// A finding with its side before it: "left simple cyst".
    pub fn finding(&self, at: usize) -> Option<Found> {
        let (said, next) = match self.side(at) {
            Some((said, next)) => (Some(said), self.skip(next, &[Role::Modifier])),
            None => (None, at),
        };
        let term = self.name(next).filter(|term| term.is_finding())?;
        let letter = matches!(self.atoms[at].what, What::Letter(_));
        if said.is_some() && (!self.close(next) || letter && next > at + 1) {
            return None;
        }
        let found = Found {
            from: at,
            to: next + 1,
            term,
            side: None,
            adjective: false,
            place: None,
        };
        Some(said.map_or(found, |said| sided(found, said)))
    }

    /// A structure with its side before or after it.
    pub fn organ(&self, at: usize) -> Option<Found> {
        let (said, next) = match self.side(at) {
            Some((said, next)) => (Some(said), self.skip(next, &[Role::Modifier])),
            None => (None, at),
        };
        let What::Name { term, adjective } = self.atoms.get(next)?.what else {
            return None;
        };
        if term.is_finding() {
            return None;
        }
        let mut found = Found {
            from: at,
            to: next + 1,
            term,
            side: None,
            adjective,
            place: None,
        };
        let has_sides = term.on(Side::Left).is_some();
        let letter = matches!(self.atoms[at].what, What::Letter(_));
        match said {
            Some(_) if !self.close(next) => return None,
            Some(_) if letter && (!has_sides || next > at + 1) => return None,
            Some(Said::One(side)) if term.side() == Some(side.other()) => return None,
            Some(Said::Both) if !has_sides && !term.is_group() => return None,
            Some(said) => found = sided(found, said),
            None => {}
        }
        // "Middle lobe right" says its own side again.
        let fits = |said: Said| term.side().is_none_or(|own| said == Said::One(own));
        let after = self
            .side_after(found.to, term)
            .filter(|(after, _)| said.is_none() && fits(*after));
        if let Some((said, to)) = after {
            found = Found {
                to,
                ..sided(found, said)
            };
        }
        Some(found)
    }

    /// "Left", "left-sided", "left and right", "both": the side said and the atom after it.
    pub fn side(&self, at: usize) -> Option<(Said, usize)> {
        let side_of = |at: usize| match self.atoms.get(at)?.what {
            What::Side(side) | What::Letter(side) => Some(side),
            _ => None,
        };
        if matches!(self.atoms.get(at)?.what, What::Both) {
            let next = self.skip(at + 1, &[Role::In, Role::Article, Role::SideWord]);
            let more = self.side(next).filter(|(said, _)| *said == Said::Both);
            return Some((Said::Both, more.map_or(next, |(_, next)| next)));
        }
        let side = side_of(at)?;
        let next = self.skip(at + 1, &[Role::SideWord]);
        let joined = self.is(next, Role::And) || self.is(next, Role::Than);
        let other = if joined {
            self.skip(next + 1, &[Role::Article])
        } else {
            next
        };
        let bound = joined || self.gap(other) == Gap::Join || self.ideograph(other);
        if bound && side_of(other) == Some(side.other()) {
            return Some((Said::Both, self.skip(other + 1, &[Role::SideWord])));
        }
        Some((Said::One(side), next))
    }

    /// "(left)", "on the left side", "kidney left": a side after its noun, and the atom after it.
    pub fn side_after(&self, at: usize, term: &Term) -> Option<(Said, usize)> {
        let has_sides = term.on(Side::Left).is_some() || term.side().is_some() || term.is_finding();
        let letter = |at: usize| matches!(self.atoms[at].what, What::Letter(_));
        if self.gap(at) == Gap::Paren {
            return self.side(at).filter(|_| has_sides);
        }
        if !self.close(at) {
            return None;
        }
        if self.is(at, Role::In) {
            let side_at = self.skip(at + 1, &[Role::In, Role::Article]);
            let (said, next) = self
                .side(side_at)
                .filter(|_| self.close(side_at) && !letter(side_at))?;
            return (!self.names_follow(next)).then_some((said, next));
        }
        let (said, next) = self.side(at).filter(|_| has_sides)?;
        let bound = self.gap(at) == Gap::Join;
        let last = next >= self.atoms.len() || self.gap(next) > Gap::Join;
        (bound
            || if letter(at) {
                last
            } else {
                !self.names_follow(next)
            })
        .then_some((said, next))
    }

    /// "The left kidney or the right": the other side of what was named before.
    pub fn other_side(&self, at: usize, before: Option<&Mention>) -> Option<Mention> {
        let before = before?;
        let What::Side(side) = self.atoms[at].what else {
            return None;
        };
        let back = (0..at).rev().find(|&n| !self.is(n, Role::Article))?;
        let joined = self.is(back, Role::And) || self.is(back, Role::Than);
        let term = before.term.unsided()?.on(side)?;
        (joined && before.term.side() == Some(side.other())).then(|| Mention {
            bytes: self.tokens[self.atoms[at].tokens.0].bytes.clone(),
            term,
            side: Some(side),
            place: None,
            read_as: None,
        })
    }

    pub fn names_follow(&self, at: usize) -> bool {
        let next = self.skip(at, &[Role::Modifier, Role::Place]);
        self.close(next) && matches!(self.atoms[next].what, What::Name { .. } | What::Prefix(_))
    }

    /// The atom after "and" or a comma and what articles follow.
    pub fn after_and(&self, at: usize) -> Option<usize> {
        let comma = self.gap(at) == Gap::Comma;
        let and = self.is(at, Role::And) && self.gap(at) <= Gap::Comma;
        let next = if and { at + 1 } else { at };
        let next = self.skip(next, &[Role::Article]);
        let stroke = self.gap(at) == Gap::Join;
        ((comma || and || stroke) && next < self.atoms.len()).then_some(next)
    }

    pub fn name(&self, at: usize) -> Option<&'static Term> {
        match self.atoms.get(at)?.what {
            What::Name { term, .. } => Some(term),
            _ => None,
        }
    }

    /// The first atom from `at` on that has none of the roles.
    pub fn skip(&self, mut at: usize, roles: &[Role]) -> usize {
        while roles.iter().any(|&role| self.is(at, role)) && self.gap(at) <= Gap::Comma {
            at += 1;
        }
        at
    }

    pub fn is(&self, at: usize, role: Role) -> bool {
        self.atoms.get(at).is_some_and(|atom| {
            matches!(atom.what, What::Word)
                && self.words.has(&self.tokens[atom.tokens.0].word, role)
        })
    }

    pub fn gap(&self, at: usize) -> Gap {
        let atom = self.atoms.get(at);
        atom.map_or(Gap::Stop, |atom| self.tokens[atom.tokens.0].gap)
    }

    /// Whether nothing parts an atom from the one before.
    pub fn close(&self, at: usize) -> bool {
        self.gap(at) <= Gap::Join
    }

    pub fn ideograph(&self, at: usize) -> bool {
        let atom = self.atoms.get(at);
        atom.is_some_and(|atom| self.tokens[atom.tokens.0].is_ideograph())
    }
}

/// A term on the side that is said.
pub(super) fn sided(found: Found, said: Said) -> Found {
    match said {
        Said::One(side) => Found {
            term: found.term.on(side).unwrap_or(found.term),
            side: Some(side),
            ..found
        },
        Said::Both => Found {
            side: None,
            ..found
        },
    }
}
