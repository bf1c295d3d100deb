//! Dates in a text.

/// A day: year, month, day.
type Day = (u32, u32, u32);

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// What a text says of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    One(Day),
    /// Day and month may be either way round.
    Either(Day, Day),
    /// There is no such day.
    None,
}

/// What is odd about the dates of a text, beside the date of its study (`YYYYMMDD`; empty where it is not known). `earlier`:
/// the text speaks of earlier studies.
pub(super) fn check(text: &str, study_date: &str, earlier: bool) -> Vec<String> {
    let study = study_day(study_date);
    let mut found = Vec::new();
    for (shown, read) in dates(text) {
        let days = match read {
            Read::None => {
                found.push(format!("{shown}: there is no such day"));
                continue;
            }
            Read::One(day) => vec![day],
            Read::Either(a, b) => {
                found.push(format!("{shown}: day and month may be taken either way; write {}-{:02}-{:02} or {}-{:02}-{:02}", a.0, a.1, a.2, b.0, b.1, b.2));
                vec![a, b]
            }
        };
        let Some(study) = study else {
            continue;
        };
        let (y, m, d) = study;
        if days.iter().all(|day| *day > study) {
            found.push(format!(
                "{shown}: after the study, which is of {y}-{m:02}-{d:02}"
            ));
        } else if earlier && days == [study] {
            found.push(format!(
                "{shown}: the date of this study, not of an earlier one"
            ));
        }
    }
    found
}

fn study_day(date: &str) -> Option<Day> {
    let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    let part = |range: std::ops::Range<usize>| date[range].parse().ok();
    is_date
        .then(|| Some((part(0..4)?, part(4..6)?, part(6..8)?)))
        .flatten()
        .filter(|day| is_day(*day))
}

fn is_day((year, month, day): Day) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1850..2200).contains(&year) && (1..=12).contains(&month) && (1..=days).contains(&day)
}

fn read(day: Day) -> Read {
    if is_day(day) {
        Read::One(day)
    } else {
        Read::None
    }
}

/// The dates that a text names: 2024-02-29, 2024/02/29, 29.02.2024, 02/29/2024, 29 Feb 2024, February 29, 2024.
fn dates(text: &str) -> Vec<(String, Read)> {
    let words: Vec<&str> = text.split_whitespace().map(bare).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if let Some(read) = in_figures(word) {
            found.push(((*word).to_owned(), read));
        }
        let Some(month) = month(word) else {
            continue;
        };
        let next = |n: usize| words.get(at + n).copied();
        let before = at
            .checked_sub(1)
            .and_then(|before| day_of_month(words[before]));
        let (day, year) = match (before, next(1).and_then(year)) {
            (Some(day), Some(year)) => (day, year),
            _ => match (next(1).and_then(day_of_month), next(2).and_then(year)) {
                (Some(day), Some(year)) => (day, year),
                _ => continue,
            },
        };
        let shown = format!("{day} {word} {year}");
        found.push((shown, read((year, month, day))));
    }
    found
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

fn month(word: &str) -> Option<u32> {
    let lower = word.to_lowercase();
    let known = (1..)
        .zip(MONTHS)
        .find(|(_, month)| lower.starts_with(month));
    // "May" is a word of its own, and "decreased" begins with a month.
    let long = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let (number, short) = known?;
    let name = long[number as usize - 1];
    (lower == short || lower == name || (number == 9 && lower == "sept")).then_some(number)
}

fn day_of_month(word: &str) -> Option<u32> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = &word[digits.len()..];
    let ordinal = ["", "st", "nd", "rd", "th"].contains(&ending);
    digits.parse().ok().filter(|_| ordinal && digits.len() <= 2)
}

fn year(word: &str) -> Option<u32> {
    word.parse().ok().filter(|_| word.len() == 4)
}

/// A date in figures alone; none where it is none.
fn in_figures(word: &str) -> Option<Read> {
    let sign = word.chars().find(|c| !c.is_ascii_digit())?;
    if !matches!(sign, '-' | '.' | '/') {
        return None;
    }
    let parts: Vec<&str> = word.split(sign).collect();
    let [a, b, c] = parts[..] else {
        return None;
    };
    let number = |part: &str| part.parse::<u32>().ok();
    let (x, y, z) = (number(a)?, number(b)?, number(c)?);
    match (a.len(), b.len(), c.len()) {
        (4, 1..=2, 1..=2) => Some(read((x, y, z))),
        (1..=2, 1..=2, 4) if sign == '.' || sign == '-' => Some(read((z, y, x))),
        (1..=2, 1..=2, 4) => Some(match ((z, y, x), (z, x, y)) {
            (day_first, month_first) if x == y => read(day_first).max_of(read(month_first)),
            (day_first, month_first) if is_day(day_first) && is_day(month_first) => {
                Read::Either(day_first, month_first)
            }
            (day_first, month_first) => read(day_first).max_of(read(month_first)),
        }),
        _ => None,
    }
}

impl Read {
    /// The one that is a day.
    fn max_of(self, other: Self) -> Self {
        if self == Self::None { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_none_or_come_after_the_study_are_told() {
        for (text, earlier, wanted) in [
            ("CT of 2024-01-30.", true, 0),
            ("CT of 2024-02-30.", true, 1),
            ("CT of 2023-02-29.", true, 1),
            ("CT of 30.01.2024, stable.", true, 0),
            ("CT of 01/30/2024 and 30/01/2024", true, 0),
            ("CT of 02/01/2024", true, 1),
            ("CT of 01/01/2024", true, 0),
            ("CT of 13/13/2023", true, 1),
            ("CT of March 12, 2025", true, 1),
            ("CT of 12th March 2023", true, 0),
            ("CT of 31 April 2023", true, 1),
            ("CT of 2024-02-29", true, 1),
            ("CT of 2024-02-29", false, 0),
            ("It may be 12 mm; decreased by 2 to 3.5", false, 0),
            ("L1-2, segments 5/6/7, 1.2.3", false, 0),
        ] {
            let found = check(text, "20240229", earlier);
            assert_eq!(found.len(), wanted, "{text}: {found:?}");
        }
        // Where the study has no date only days that are none are told.
        assert_eq!(check("2031-01-01, 2031-13-01", "", true).len(), 1);
    }
}
