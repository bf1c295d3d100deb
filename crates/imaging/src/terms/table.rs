//! The tables of terms, as rows.

use crate::geometry::BodyLevel;

use super::names::{Name, Sides, all_names, list};
use super::term::{Code, Kind};

const ANATOMY: &str = include_str!("../../../../assets/terms/anatomy.tsv");
const FINDINGS: &str = include_str!("../../../../assets/terms/findings.tsv");
const GENERIC: &str = include_str!("../../../../assets/terms/generic_findings.tsv");

/// A structure or a group.
#[derive(Debug)]
pub(super) struct Structure {
    pub name: &'static str,
    pub kind: Kind,
    pub sides: Sides,
    pub levels: Option<[BodyLevel; 2]>,
    pub whole: &'static str,
    /// Whether it is one of the parts that together are the whole.
    pub makes_up: bool,
    pub members: Vec<&'static str>,
    pub colour: Option<[u8; 3]>,
    pub code: Option<Code>,
    pub names: Vec<Name>,
}

/// A kind of finding that can be in many organs.
#[derive(Debug)]
pub(super) struct Generic {
    pub name: &'static str,
    /// Whether it is about the size of the organ, so that what holds for a part does not hold for the whole.
    pub size: bool,
    pub colour: Option<[u8; 3]>,
    pub code: Option<Code>,
    /// Words that make a finding of the organ that follows: "enlarged", "fractured".
    pub prefixes: Vec<&'static str>,
    pub names: Vec<Name>,
}

/// A finding with a name of its own.
#[derive(Debug)]
pub(super) struct Finding {
    pub name: &'static str,
    pub organ: &'static str,
    /// The organs and kinds of finding that it is.
    pub same_as: Vec<(&'static str, &'static str)>,
    pub colour: Option<[u8; 3]>,
    pub code: Option<Code>,
    pub names: Vec<Name>,
}

/// All rows, and what is wrong with the tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub structures: Vec<Structure>,
    pub generic: Vec<Generic>,
    pub findings: Vec<Finding>,
    pub faults: Vec<String>,
}

impl Tables {
    /// The built-in tables; rows that cannot be read are left out and told.
    pub fn read() -> Self {
        let mut tables = Self::default();
        for row in rows(ANATOMY) {
            let read = structure(&row);
            tables.keep(read, &row, |t| &mut t.structures);
        }
        for row in rows(GENERIC) {
            let read = generic(&row);
            tables.keep(read, &row, |t| &mut t.generic);
        }
        for row in rows(FINDINGS) {
            let read = finding(&row);
            tables.keep(read, &row, |t| &mut t.findings);
        }
        tables
    }

    fn keep<T>(
        &mut self,
        read: Result<T, String>,
        row: &[&str],
        list: fn(&mut Self) -> &mut Vec<T>,
    ) {
        match read {
            Ok(read) => list(self).push(read),
            Err(what) => self.faults.push(format!("{:?}: {what}", row.first())),
        }
    }
}

/// The rows below the header, split at tabs.
pub(super) fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

fn structure(row: &[&'static str]) -> Result<Structure, String> {
    let &[
        name,
        kind,
        sides,
        levels,
        whole,
        members,
        colour,
        code,
        adjectives,
        names,
        abroad,
    ] = row
    else {
        return Err("must have eleven fields".to_owned());
    };
    Ok(Structure {
        name,
        kind: match kind {
            "organ" => Kind::Organ,
            "vessel" => Kind::Vessel,
            "bone" => Kind::Bone,
            "muscle" => Kind::Muscle,
            "tissue" => Kind::Tissue,
            "space" => Kind::Space,
            _ => return Err(format!("no such kind: {kind:?}")),
        },
        sides: match sides {
            "" => Sides::None,
            "paired" => Sides::Paired,
            "left" => Sides::Left,
            "right" => Sides::Right,
            _ => return Err(format!("no such side: {sides:?}")),
        },
        levels: levels_of(levels)?,
        whole: whole.trim_start_matches('+'),
        makes_up: whole.starts_with('+'),
        members: list(members).collect(),
        colour: colour_of(colour)?,
        code: code_of(code)?,
        names: all_names(name, names, abroad, adjectives),
    })
}

fn generic(row: &[&'static str]) -> Result<Generic, String> {
    let &[name, about, colour, code, prefixes, names, abroad] = row else {
        return Err("must have seven fields".to_owned());
    };
    Ok(Generic {
        name,
        size: match about {
            "" => false,
            "size" => true,
            _ => return Err(format!("is about {about:?}, not size")),
        },
        colour: colour_of(colour)?,
        code: code_of(code)?,
        prefixes: list(prefixes).collect(),
        names: all_names(name, names, abroad, ""),
    })
}

fn finding(row: &[&'static str]) -> Result<Finding, String> {
    let &[name, organ, same_as, colour, code, names, abroad] = row else {
        return Err("must have seven fields".to_owned());
    };
    let pair = |entry: &'static str| {
        entry
            .split_once('+')
            .ok_or_else(|| format!("no organ+finding: {entry:?}"))
    };
    Ok(Finding {
        name,
        organ,
        same_as: list(same_as).map(pair).collect::<Result<_, _>>()?,
        colour: colour_of(colour)?,
        code: code_of(code)?,
        names: all_names(name, names, abroad, ""),
    })
}

/// `T10..L2`, where a bare number counts as [`BodyLevel`] does; an empty cell is none.
fn levels_of(cell: &str) -> Result<Option<[BodyLevel; 2]>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let level = |word: &str| {
        word.parse()
            .ok()
            .or_else(|| word.parse().ok().map(BodyLevel))
    };
    let levels = cell
        .split_once("..")
        .and_then(|(upper, lower)| Some([level(upper)?, level(lower)?]));
    match levels {
        Some([upper, lower]) if upper <= lower => Ok(levels),
        _ => Err(format!("no levels from above to below: {cell:?}")),
    }
}

/// `#rrggbb`; an empty cell is none.
fn colour_of(cell: &str) -> Result<Option<[u8; 3]>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let digits = cell.strip_prefix('#').filter(|digits| digits.len() == 6);
    let colour = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let [_, red, green, blue] = colour
        .ok_or_else(|| format!("no colour: {cell:?}"))?
        .to_be_bytes();
    Ok(Some([red, green, blue]))
}

/// A SNOMED CT code and its meaning; an empty cell is none.
fn code_of(cell: &'static str) -> Result<Option<Code>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    match cell.split_once(' ') {
        Some((value, meaning)) if value.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(Code {
            scheme: "SCT",
            value,
            meaning,
        })),
        _ => Err(format!("no code and meaning: {cell:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let tables = Tables::read();
        assert_eq!(tables.faults, Vec::<String>::new());
        assert!(tables.structures.len() > 250);
        assert!(tables.findings.len() > 120);
        assert!(tables.generic.len() > 30);
    }

    #[test]
    fn cells_are_checked() {
        assert_eq!(
            levels_of("T10..L2"),
            Ok(Some([BodyLevel(17.0), BodyLevel(21.0)]))
        );
        assert!(levels_of("L2..T10").is_err());
        assert_eq!(
            levels_of("32..47"),
            Ok(Some([BodyLevel(32.0), BodyLevel(47.0)]))
        );
        assert_eq!(colour_of("#ff8000"), Ok(Some([255, 128, 0])));
        assert!(colour_of("ff8000").is_err());
        assert!(code_of("abc Liver").is_err());
    }
}
