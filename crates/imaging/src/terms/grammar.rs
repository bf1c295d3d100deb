//! How names are joined: findings with their organs, and several of either.

use super::mention::Mention;
use super::reader::{Found, Reader, Said, sided};
use super::scan::What;
use super::term::Term;
use super::words::Role;

/// Organs that one finding is told of, and findings of one organ.
const MOST_LISTED: usize = 8;

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
        if let Some(found) = self.organs_before_named(&organs) {
            return found;
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
        let corrected = self.atoms[organ.from..organ.to].iter().any(|a| a.corrected);
        if organ.adjective && !corrected && self.close(organ.to) {
            // "Abdominal lymph nodes", "abdominal aortic dissection": the second word is the subject.
            let mut found = self.subjects(organ.to);
            if let Some(first) = found.first_mut().filter(|first| first.from == organ.to) {
                first.from = organ.from;
                return found;
            }
        }
        vec![organ]
    }

    /// "Pleural or pericardial effusion": the finding's kind is that of all, whatever name the last one has.
    fn organs_before_named(&self, organs: &[Found]) -> Option<Vec<Found>> {
        let last = organs.last().filter(|organ| organ.adjective)?;
        let named = self
            .after_and(last.to)
            .and_then(|next| self.finding(next))?;
        let generic = named.term.generic()?;
        let joined = organs.iter().map(|organ| self.joined(generic, organ));
        joined.chain([Some(named)]).collect()
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
            let after = self
                .side_after(first.to, first.term)
                .filter(|_| first.side.is_none());
            let first = after.map_or(first, |(said, to)| Found {
                to,
                ..sided(first, said)
            });
            if let Some(organ) = organ_said(first.term) {
                return self.further_findings(vec![first], organ);
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
}

/// The organ of a finding whose name is made of the organ's and the kind's, as "liver lesion" is.
fn organ_said(finding: &'static Term) -> Option<&'static Term> {
    let organ = finding.organ()?;
    (finding.name() == format!("{organ} {}", finding.generic()?)).then_some(organ)
}
