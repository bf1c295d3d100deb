//! How names are joined: sides with what lies on them, findings with their organs.

use super::fold::{Gap, Token};
use super::lexicon::Lexicon;
use super::mention::Mention;
use super::scan::{Atom, What};
use super::term::{Side, Term};
use super::words::{Role, Words};

/// Organs that one finding is told of, and findings of one organ.
const MOST_LISTED: usize = 8;

/// A side as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    One(Side),
    Both,
}

/// A term in the atoms from `from` to `to`.
#[derive(Clone, Copy, Debug)]
struct Found {
    from: usize,
    to: usize,
    term: &'static Term,
    side: Option<Side>,
    adjective: bool,
    /// The structure in which a finding is said to lie.
    place: Option<&'static Term>,
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
    /// All mentions, in the order of the text.
    pub fn mentions(&self) -> Vec<Mention> {
        let mut mentions: Vec<Mention> = Vec::new();
        let mut at = 0;
        while at < self.atoms.len() {
            let found = self.subjects(at);
            if let Some(last) = found.last() {
                at = last.to;
                mentions.extend(found.iter().map(|found| self.mention(found)));
            } else {
                mentions.extend(self.other_side(at, mentions.last()));
                at += 1;
            }
        }
        mentions
    }

    fn mention(&self, found: &Found) -> Mention {
        let atoms = &self.atoms[found.from..found.to];
        let first = &self.tokens[atoms[0].tokens.0];
        let last = &self.tokens[atoms[atoms.len() - 1].tokens.1 - 1];
        let corrected = atoms.iter().any(|atom| atom.corrected);
        let mut end = last.bytes.end;
        let named = &self.text[first.bytes.start..end];
        let open = named.contains(['(', '（']) && !named.contains([')', '）']);
        if let Some(close) = self.text[end..]
            .chars()
            .next()
            .filter(|c| open && matches!(c, ')' | '）'))
        {
            end += close.len_utf8();
        }
        let own = found.term.organ();
        Mention {
            bytes: first.bytes.start..end,
            term: found.term,
            side: found.side.or(found.term.side()),
            place: found
                .place
                .filter(|&place| own != Some(place) && own != place.unsided()),
            read_as: corrected.then(|| found.term.name().to_owned()),
        }
    }

    /// What begins at an atom: an organ, a finding, or several of them that share a word.
    fn subjects(&self, at: usize) -> Vec<Found> {
        if let Some(finding) = self.finding(at) {
            return self.finding_and_places(finding);
        }
        if let Some(organ) = self.prefixed(at) {
            return vec![organ];
        }
        let Some(organ) = self.organ(at) else {
            return Vec::new();
        };
        // "Hepatic or splenic lesions"
        let mut organs = vec![organ];
        while let Some(last) = organs
            .last()
            .filter(|o| o.adjective && organs.len() < MOST_LISTED)
        {
            let Some(next) = self.after_and(last.to).and_then(|next| self.organ(next)) else {
                break;
            };
            organs.push(next);
        }
        for organs in [&organs[..], &organs[..1]] {
            let last = organs[organs.len() - 1];
            let next = self.skip(last.to, &[Role::Modifier]);
            if let Some(finding) = self
                .name(next)
                .filter(|f| f.is_finding() && self.close(next))
            {
                let joined = self.organs_and_finding(organs, finding, next + 1);
                if !joined.is_empty() {
                    return self.further_findings(joined, last.term);
                }
            }
        }
        if organ.adjective && self.close(organ.to) {
            // "Abdominal lymph nodes", "abdominal aortic dissection": the second word is the subject.
            let mut found = self.subjects(organ.to);
            if let Some(first) = found.first_mut().filter(|first| first.from == organ.to) {
                first.from = organ.from;
                return found;
            }
        }
        vec![organ]
    }

    /// "Liver lesion", or one for each of several organs; none where the finding is not of that organ.
    fn organs_and_finding(
        &self,
        organs: &[Found],
        finding: &'static Term,
        to: usize,
    ) -> Vec<Found> {
        let mut joined: Vec<Found> = Vec::new();
        for organ in organs {
            let Some(found) = self.joined(finding, organ) else {
                return Vec::new();
            };
            joined.push(found);
        }
        if let Some(last) = joined.last_mut() {
            last.to = to;
            if let Some(place) = self.place(to) {
                // "Pulmonary nodule in the right upper lobe"
                if let Some(refined) = self.joined(last.term, &place) {
                    *last = Found {
                        from: last.from,
                        side: refined.side.or(last.side),
                        ..refined
                    };
                    return joined;
                }
            }
            if let (None, Some((said, to))) = (last.side, self.side_after(to, last.term)) {
                *last = Found {
                    to,
                    ..sided(*last, said)
                };
            }
        }
        joined
    }

    /// "Liver lesions or cysts": the second finding is of the same organ.
    fn further_findings(&self, mut found: Vec<Found>, organ: &'static Term) -> Vec<Found> {
        while let Some(last) = found.last().filter(|_| found.len() < MOST_LISTED) {
            let Some(from) = self
                .after_and(last.to)
                .map(|next| self.skip(next, &[Role::Modifier]))
            else {
                break;
            };
            let generic = self.name(from).filter(|f| self.lexicon.is_generic(f));
            // "Liver lesions or stones in the kidney"
            let elsewhere = self.place(from + 1).is_some();
            let Some(term) = generic
                .filter(|_| !elsewhere)
                .and_then(|f| self.join(f, organ))
            else {
                break;
            };
            let side = organ.side();
            found.push(Found {
                from,
                to: from + 1,
                term,
                side,
                adjective: false,
                place: Some(organ),
            });
        }
        found
    }

    /// A finding with what follows: "lesions or cysts in the liver and the spleen".
    fn finding_and_places(&self, first: Found) -> Vec<Found> {
        let mut findings = vec![first];
        while let Some(last) = findings.last().filter(|_| findings.len() < MOST_LISTED) {
            let Some(next) = self.after_and(last.to).and_then(|next| self.finding(next)) else {
                break;
            };
            if !self.lexicon.is_generic(next.term) || !self.lexicon.is_generic(last.term) {
                break;
            }
            findings.push(next);
        }
        let end = findings[findings.len() - 1].to;
        let Some(place) = self.place(end) else {
            if let (None, Some((said, to))) = (first.side, self.side_after(first.to, first.term)) {
                return vec![Found {
                    to,
                    ..sided(first, said)
                }];
            }
            return vec![first];
        };
        let mut places = vec![place];
        while let Some(last) = places.last().filter(|_| places.len() < MOST_LISTED) {
            let next = self
                .after_and(last.to)
                .map(|n| self.skip(n, &[Role::In, Role::Article, Role::Place]));
            let Some(next) = next.and_then(|next| self.organ(next)) else {
                break;
            };
            // "A lesion in the liver and kidney stones"
            let own = self.skip(next.to, &[Role::Modifier]);
            if self.close(own) && self.name(own).is_some_and(Term::is_finding) {
                break;
            }
            places.push(next);
        }
        let mut found = Vec::new();
        for (p, place) in places.iter().enumerate() {
            for (f, finding) in findings.iter().enumerate() {
                let Some(joined) = self.joined(finding.term, place) else {
                    // Not of this organ: the finding stays alone, and the place is read for itself.
                    return vec![first];
                };
                let side = joined.side.or(finding.side);
                let from = if p == 0 { finding.from } else { place.from };
                let to = if p == 0 && f + 1 < findings.len() {
                    finding.to
                } else {
                    place.to
                };
                let one = Found { from, to, ..joined };
                found.push(
                    side.filter(|_| joined.side.is_none())
                        .map_or(one, |side| sided(one, Said::One(side))),
                );
            }
        }
        found
    }

    /// A finding in the place of an organ.
    fn joined(&self, finding: &'static Term, organ: &Found) -> Option<Found> {
        let term = self.join(finding, organ.term)?;
        let found = Found {
            term,
            adjective: false,
            place: Some(organ.term),
            ..*organ
        };
        let side = organ.side.filter(|_| term.side().is_none());
        Some(side.map_or(found, |side| sided(found, Said::One(side))))
    }

    /// A finding in an organ: "lesion" and "liver" are the liver lesion; a finding with a name of its own stays itself,
    /// on the organ's side, if it belongs there.
    fn join(&self, finding: &'static Term, organ: &'static Term) -> Option<&'static Term> {
        if self.lexicon.is_generic(finding) {
            return Some(self.lexicon.finding_in(organ, finding));
        }
        if let (Some(own), Some(generic)) = (finding.organ(), finding.generic()) {
            // "Pancreas lesion in the head of the pancreas"
            let within = organ.whole().is_some_and(|whole| whole == own);
            if within || organ.unsided().is_some_and(|pair| pair == own) {
                return Some(self.lexicon.finding_in(organ, generic));
            }
        }
        let lies_here = self.lexicon.lies_in(finding, organ);
        let side = || organ.side().and_then(|side| finding.on(side));
        lies_here.then(|| side().unwrap_or(finding))
    }

    /// "In the upper pole of the left kidney": the organ after a finding.
    fn place(&self, at: usize) -> Option<Found> {
        if !self.is(at, Role::In) || !self.close(at) {
            return None;
        }
        let mut next = at;
        while self.close(next)
            && [Role::In, Role::Article, Role::Place]
                .iter()
                .any(|&role| self.is(next, role))
        {
            next += 1;
        }
        self.organ(next).filter(|_| self.close(next))
    }

    /// "Enlarged left kidney"
    fn prefixed(&self, at: usize) -> Option<Found> {
        let What::Prefix(finding) = self.atoms.get(at)?.what else {
            return None;
        };
        let next = self.skip(at + 1, &[Role::Article, Role::Modifier]);
        let organ = self.organ(next).filter(|_| self.close(next))?;
        let after = self.skip(organ.to, &[Role::Modifier]);
        if self.close(after) && self.name(after).is_some_and(Term::is_finding) {
            return None;
        }
        Some(Found {
            from: at,
            ..self.joined(finding, &organ)?
        })
    }

    /// A finding with its side before it: "left simple cyst".
    fn finding(&self, at: usize) -> Option<Found> {
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
    fn organ(&self, at: usize) -> Option<Found> {
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
        let open = said.is_none() && term.side().is_none();
        let after = self.side_after(found.to, term).filter(|_| open);
        if let Some((said, to)) = after {
            found = Found {
                to,
                ..sided(found, said)
            };
        }
        Some(found)
    }

    /// "Left", "left-sided", "left and right", "both": the side said and the atom after it.
    fn side(&self, at: usize) -> Option<(Said, usize)> {
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
    fn side_after(&self, at: usize, term: &Term) -> Option<(Said, usize)> {
        let has_sides = term.on(Side::Left).is_some() || term.is_finding();
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
    fn other_side(&self, at: usize, before: Option<&Mention>) -> Option<Mention> {
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

    fn names_follow(&self, at: usize) -> bool {
        let next = self.skip(at, &[Role::Modifier, Role::Place]);
        self.close(next) && matches!(self.atoms[next].what, What::Name { .. } | What::Prefix(_))
    }

    /// The atom after "and" or a comma and what articles follow.
    fn after_and(&self, at: usize) -> Option<usize> {
        let comma = self.gap(at) == Gap::Comma;
        let and = self.is(at, Role::And) && self.gap(at) <= Gap::Comma;
        let next = if and { at + 1 } else { at };
        let next = self.skip(next, &[Role::Article]);
        let stroke = self.gap(at) == Gap::Join;
        ((comma || and || stroke) && next < self.atoms.len()).then_some(next)
    }

    fn name(&self, at: usize) -> Option<&'static Term> {
        match self.atoms.get(at)?.what {
            What::Name { term, .. } => Some(term),
            _ => None,
        }
    }

    /// The first atom from `at` on that has none of the roles.
    fn skip(&self, mut at: usize, roles: &[Role]) -> usize {
        while roles.iter().any(|&role| self.is(at, role)) && self.gap(at) <= Gap::Comma {
            at += 1;
        }
        at
    }

    fn is(&self, at: usize, role: Role) -> bool {
        self.atoms.get(at).is_some_and(|atom| {
            matches!(atom.what, What::Word)
                && self.words.has(&self.tokens[atom.tokens.0].word, role)
        })
    }

    fn gap(&self, at: usize) -> Gap {
        let atom = self.atoms.get(at);
        atom.map_or(Gap::Stop, |atom| self.tokens[atom.tokens.0].gap)
    }

    /// Whether nothing parts an atom from the one before.
    fn close(&self, at: usize) -> bool {
        self.gap(at) <= Gap::Join
    }

    fn ideograph(&self, at: usize) -> bool {
        let atom = self.atoms.get(at);
        atom.is_some_and(|atom| self.tokens[atom.tokens.0].is_ideograph())
    }
}

/// A term on the side that is said.
fn sided(found: Found, said: Said) -> Found {
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
