//! Names as the tables write them.

/// Which sides a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sides {
    None,
    /// One on each side.
    Paired,
    Left,
    Right,
}

/// A name as the tables write it.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub text: &'static str,
    /// Only of the one on this side (`L=LUL`), or only of both together (`B=`).
    pub side: Option<Sides>,
    /// Read only in capitals, because the word in lower case is another one (`!PE`).
    pub capitals: bool,
    /// A common misspelling whose words are ordinary ones (`~plural effusion`).
    pub misspelt: bool,
    pub sort: Sort,
}

/// What sort of word a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// An English noun, whose plural is formed.
    English,
    /// Latin, Chinese, German and others.
    Abroad,
    /// "Hepatic".
    Adjective,
}

/// The entries of a cell.
pub(super) fn list(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// A row's name and its other names.
pub(super) fn all_names(
    name: &'static str,
    english: &'static str,
    abroad: &'static str,
    adjectives: &'static str,
) -> Vec<Name> {
    let mut names = vec![name_of(name, Sort::English)];
    for (cell, sort) in [
        (english, Sort::English),
        (abroad, Sort::Abroad),
        (adjectives, Sort::Adjective),
    ] {
        names.extend(list(cell).map(|text| name_of(text, sort)));
    }
    names
}

fn name_of(entry: &'static str, sort: Sort) -> Name {
    let marks = [
        ("L=", Sides::Left),
        ("R=", Sides::Right),
        ("B=", Sides::Paired),
    ];
    let mark = marks
        .iter()
        .find_map(|&(mark, side)| Some((Some(side), entry.strip_prefix(mark)?)));
    let (side, entry) = mark.unwrap_or((None, entry));
    Name {
        text: entry.trim_start_matches(['!', '~']),
        side,
        capitals: entry.starts_with('!'),
        misspelt: entry.starts_with('~'),
        sort,
    }
}

/// The regular plural of an English name; none where there is none.
pub(super) fn plural(name: &str) -> Option<String> {
    let last = name.rsplit([' ', '-']).next()?;
    let of = [" of ", " in ", " the ", " around ", " from "];
    let no_noun = matches!(last, "left" | "right");
    if !last.is_ascii()
        || no_noun
        || last.ends_with(|c: char| c.is_ascii_digit())
        || of.iter().any(|w| name.contains(w))
    {
        return None;
    }
    let body = &name[..name.len() - 1];
    let ends = |endings: &[&str]| endings.iter().any(|e| last.ends_with(e));
    Some(if ends(&["sis", "xis"]) {
        format!("{}es", &name[..name.len() - 2])
    } else if ends(&["s", "x", "z", "ch", "sh"]) {
        format!("{name}es")
    } else if last.ends_with('y') && !ends(&["ay", "ey", "oy", "uy"]) {
        format!("{body}ies")
    } else {
        format!("{name}s")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_regular() {
        for (one, many) in [
            ("kidney", "kidneys"),
            ("ovary", "ovaries"),
            ("metastasis", "metastases"),
            ("pelvis", "pelvises"),
            ("abscess", "abscesses"),
            ("stone", "stones"),
            ("LN", "LNs"),
        ] {
            assert_eq!(plural(one).as_deref(), Some(many));
        }
        assert_eq!(plural("rib 5"), None);
        assert_eq!(plural("head of the pancreas"), None);
    }
}
