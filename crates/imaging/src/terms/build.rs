//! From the tables to the terms and their names.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::fold::{is_ideograph, tokens};
use super::lexicon::Lexicon;
use super::names::{Name, Sides, Sort, plural};
use super::phrases::{Phrases, Use};
use super::table::{Finding, Generic, Structure, Tables};
use super::term::{Kind, Links, Side, Term};
use super::words::Words;

impl Lexicon {
    /// Reads the tables; rows that cannot be read are left out and told.
    pub(super) fn of(tables: &Tables, words: Words) -> Self {
        let mut drafts: Vec<Term> = tables.structures.iter().flat_map(structure_terms).collect();
        let structures = drafts.len();
        drafts.extend(tables.generic.iter().map(generic_term));
        let paired: HashMap<&str, &Structure> =
            tables.structures.iter().map(|s| (s.name, s)).collect();
        for finding in &tables.findings {
            drafts.extend(finding_terms(finding, paired.get(finding.organ).copied()));
        }
        // Terms refer to one another for as long as the program runs.
        let terms: &'static [Term] = Box::leak(drafts.into_boxed_slice());
        let mut lexicon = Self {
            terms,
            by_name: terms
                .iter()
                .enumerate()
                .map(|(n, term)| (term.name(), n))
                .collect(),
            structures,
            generic: tables.generic.len(),
            groups: HashMap::new(),
            sizes: tables.generic.iter().map(|g| g.size).collect(),
            named: HashMap::new(),
            places: HashMap::new(),
            made: Vec::new(),
            phrases: Phrases::default(),
            words,
            faults: [&tables.faults[..]].concat(),
        };
        lexicon.faults.append(&mut lexicon.words.faults.clone());
        lexicon
            .made
            .resize_with(structures * lexicon.generic, OnceLock::new);
        lexicon.link(tables);
        lexicon.index(tables);
        lexicon
    }

    fn find(&mut self, name: &str, from: &str) -> Option<&'static Term> {
        let found = self.by_name.get(name).map(|&n| &self.terms[n]);
        if found.is_none() {
            self.faults
                .push(format!("{from:?} names {name:?}, which is nothing"));
        }
        found
    }

    /// Sets what each term is to the others.
    fn link(&mut self, tables: &Tables) {
        let mut links: HashMap<&'static str, Links> = HashMap::new();
        let sides = [(Side::Left, "left"), (Side::Right, "right")];
        let findings = tables.findings.iter().map(|f| (f.name, f.organ));
        let pairs: Vec<(&str, &str)> = tables
            .structures
            .iter()
            .map(|s| (s.name, ""))
            .chain(findings)
            .collect();
        for (name, organ) in pairs {
            let organ = if organ.is_empty() {
                None
            } else {
                self.find(organ, name)
            };
            let Some(pair) = self.find(name, name) else {
                continue;
            };
            links.entry(pair.name()).or_default().organ = organ;
            for (side, word) in sides {
                let Some(&one) = self.by_name.get(format!("{word} {name}").as_str()) else {
                    continue;
                };
                let one = &self.terms[one];
                if one.side() != Some(side) || pair.side().is_some() {
                    continue;
                }
                let linked = links.entry(one.name()).or_default();
                linked.unsided = Some(pair);
                linked.organ = organ.map(|organ| self.on(organ, word));
                let linked = links.entry(pair.name()).or_default();
                linked.sided[side as usize] = Some(one);
                if pair.kind() != Kind::Finding {
                    linked.members.push(one);
                }
            }
        }
        for row in &tables.structures {
            for &member in &row.members {
                let Some(member) = self.find(member, row.name) else {
                    continue;
                };
                links.entry(row.name).or_default().members.push(member);
                if let Some(&group) = self.by_name.get(row.name) {
                    self.groups
                        .entry(member.name())
                        .or_default()
                        .push(&self.terms[group]);
                }
            }
            if row.whole.is_empty() {
                continue;
            }
            let Some(whole) = self.find(row.whole, row.name) else {
                continue;
            };
            let ones: &[&str] = if row.sides == Sides::Paired {
                &["left", "right", ""]
            } else {
                &[""]
            };
            for &word in ones {
                let whole = self.on(whole, word);
                let name = if word.is_empty() {
                    row.name.to_owned()
                } else {
                    format!("{word} {}", row.name)
                };
                let Some(part) = self.find(&name, row.name) else {
                    continue;
                };
                links.entry(part.name()).or_default().whole = Some(whole);
                // Of a single whole the pair's parts are left and right; of a pair, each side has its own.
                if word.is_empty() && row.sides == Sides::Paired {
                    continue;
                }
                let linked = links.entry(whole.name()).or_default();
                linked.parts.push(part);
                if row.makes_up {
                    linked.made_of.push(part);
                }
            }
        }
        self.link_findings(tables, &mut links);
        for term in self.terms {
            let linked = links.remove(term.name()).unwrap_or_default();
            // Nothing was set before: each name is one term's.
            let _ = term.links.set(linked);
        }
    }

    fn link_findings(&mut self, tables: &Tables, links: &mut HashMap<&'static str, Links>) {
        for row in &tables.findings {
            let Some(&number) = self.by_name.get(row.name) else {
                continue;
            };
            let finding = &self.terms[number];
            let mut places: Vec<usize> = self.by_name.get(row.organ).copied().into_iter().collect();
            for &(organ, generic) in &row.same_as {
                let (Some(organ), Some(generic)) =
                    (self.find(organ, row.name), self.find(generic, row.name))
                else {
                    continue;
                };
                let (Some(o), Some(g)) = (self.structure(organ), self.kind_of_finding(generic))
                else {
                    self.faults
                        .push(format!("{:?} is no organ and kind of finding", row.name));
                    continue;
                };
                places.push(o);
                if self.named.insert((o, g), finding).is_some() {
                    self.faults.push(format!("{organ} {generic} has two names"));
                }
                if organ.name() == row.organ {
                    for name in [
                        finding.name(),
                        &format!("left {finding}"),
                        &format!("right {finding}"),
                    ] {
                        if let Some(&n) = self.by_name.get(name) {
                            links
                                .entry(self.terms[n].name())
                                .or_default()
                                .generic
                                .get_or_insert(generic);
                        }
                    }
                }
            }
            self.places.insert(number, places);
        }
        // An enlarged lymph node is what is meant by one.
        if let Some(enlarged) = self
            .find("enlargement", "lymph node")
            .and_then(|e| self.kind_of_finding(e))
        {
            for row in tables
                .structures
                .iter()
                .filter(|s| [s.name, s.whole].contains(&"lymph node"))
            {
                for word in ["", "left ", "right "] {
                    if let Some(&n) = self.by_name.get(format!("{word}{}", row.name).as_str()) {
                        self.named.insert((n, enlarged), &self.terms[n]);
                    }
                }
            }
        }
    }

    /// The term on a side, if it has sides; `word` is left, right or empty.
    fn on(&self, term: &'static Term, word: &str) -> &'static Term {
        let name = format!("{word} {term}");
        self.by_name
            .get(name.as_str())
            .map_or(term, |&n| &self.terms[n])
    }

    /// Enters all names.
    fn index(&mut self, tables: &Tables) {
        let structures = tables.structures.iter().map(|s| (s.name, &s.names));
        let generic = tables.generic.iter().map(|g| (g.name, &g.names));
        let findings = tables.findings.iter().map(|f| (f.name, &f.names));
        for (name, names) in structures.chain(generic).chain(findings) {
            for entry in names {
                let term = match entry.side {
                    Some(Sides::Left) => self.find(&format!("left {name}"), name),
                    Some(Sides::Right) => self.find(&format!("right {name}"), name),
                    _ => self.find(name, name),
                };
                let used = Use {
                    adjective: entry.sort == Sort::Adjective,
                    misspelt: entry.misspelt,
                    capitals: entry.capitals,
                };
                let plural = plural(entry.text).filter(|_| entry.sort == Sort::English);
                for name in [Some(entry.text), plural.as_deref()].into_iter().flatten() {
                    self.phrases.insert(name, term, used);
                    if is_corrected_to(entry) {
                        self.phrases.learn(name);
                    }
                }
            }
        }
        for row in &tables.generic {
            let Some(finding) = self.find(row.name, row.name) else {
                continue;
            };
            for token in row.prefixes.iter().flat_map(|word| tokens(word)) {
                self.phrases.spelling.learn(&token.word);
                self.phrases.prefixes.insert(token.word, finding);
            }
        }
        for phrase in &self.words.phrases {
            self.phrases.insert(phrase, None, Use::default());
        }
        for side in ["left", "right", "bilateral"] {
            self.phrases.spelling.learn(side);
        }
        for word in self.words.all() {
            self.phrases.spelling.protect(word);
        }
    }
}

/// A row's term, or the left, the right and the group of both.
fn structure_terms(row: &Structure) -> Vec<Term> {
    let term = |side: Option<Side>| Term {
        name: side.map_or(row.name.to_owned(), |side| {
            format!("{} {}", side.name(), row.name)
        }),
        kind: row.kind,
        side,
        levels: row.levels,
        colour: row.colour.map(|colour| shade(colour, side)),
        code: row.code,
        names: names_on(&row.names, side),
        links: OnceLock::new(),
    };
    match row.sides {
        Sides::None => vec![term(None)],
        Sides::Paired => vec![term(Some(Side::Left)), term(Some(Side::Right)), term(None)],
        Sides::Left => vec![Term {
            side: Some(Side::Left),
            ..term(None)
        }],
        Sides::Right => vec![Term {
            side: Some(Side::Right),
            ..term(None)
        }],
    }
}

/// The one on the right is a little darker, so that both can be told apart where they touch.
fn shade(colour: [u8; 3], side: Option<Side>) -> [u8; 3] {
    match side {
        Some(Side::Right) => colour.map(|part| part - part / 8),
        _ => colour,
    }
}

fn generic_term(row: &Generic) -> Term {
    Term {
        name: row.name.to_owned(),
        kind: Kind::Finding,
        side: None,
        levels: None,
        colour: row.colour,
        code: row.code,
        names: names_on(&row.names, None),
        links: OnceLock::new(),
    }
}

/// A row's finding, and the left and the right one where its organ has sides.
fn finding_terms(row: &Finding, organ: Option<&Structure>) -> Vec<Term> {
    let term = |side: Option<Side>| Term {
        name: side.map_or(row.name.to_owned(), |side| {
            format!("{} {}", side.name(), row.name)
        }),
        kind: Kind::Finding,
        side,
        levels: organ.and_then(|organ| organ.levels),
        colour: row.colour,
        code: row.code,
        names: names_on(&row.names, side),
        links: OnceLock::new(),
    };
    let mut terms = vec![term(None)];
    if organ.is_some_and(|organ| organ.sides == Sides::Paired) {
        terms.extend([Some(Side::Left), Some(Side::Right)].map(term));
    }
    terms
}

/// Whether misspelt words may be corrected to a name's: not to abbreviations, which lie close to everything, nor to
/// short words of languages in which the question most likely is not.
fn is_corrected_to(name: &Name) -> bool {
    let words = || name.text.split(|c: char| !c.is_alphanumeric());
    let abbreviation = words().any(|word| word.len() > 1 && !word.chars().any(char::is_lowercase));
    let long = name.sort != Sort::Abroad || words().all(|word| word.len() > 6);
    !name.misspelt && !abbreviation && long
}

/// The other names of a row's term, on a side with the side's word.
fn names_on(names: &[Name], side: Option<Side>) -> Vec<String> {
    let of = |name: &Name| match (side, name.side) {
        _ if name.misspelt => None,
        (None, None | Some(Sides::Paired)) => Some(name.text.to_owned()),
        (Some(Side::Left), Some(Sides::Left)) | (Some(Side::Right), Some(Sides::Right)) => {
            Some(name.text.to_owned())
        }
        (Some(side), None) if name.sort == Sort::English => {
            Some(format!("{} {}", side.name(), name.text))
        }
        (Some(side), None) if !name.text.is_ascii() && name.sort == Sort::Abroad => {
            let ideographs = name.text.chars().all(is_ideograph);
            let word = if side == Side::Left { '左' } else { '右' };
            ideographs.then(|| format!("{word}{}", name.text))
        }
        _ => None,
    };
    // The first is the name itself.
    names.iter().skip(1).filter_map(of).collect()
}
