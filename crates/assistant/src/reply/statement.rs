//! The sentences of an answer, each with what it is about.

use std::ops::Range;

use m3d_imaging::terms::{Lexicon, Term};

/// A sentence of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The sentence. A number that nobody measured stands as `[not measured]`.
    pub text: String,
    /// What it is about, by the lexicon's name.
    pub subject: Option<&'static Term>,
    /// The name of the place it is tied to, where one was found.
    pub place: Option<String>,
    /// Whether a model wrote it, so that nothing here has checked it.
    pub by_model: bool,
}

/// Stands for a number with its unit that a model wrote and nobody measured.
pub const NOT_MEASURED: &str = "[not measured]";

impl Statement {
    /// A sentence of this program's own.
    pub(super) fn own(text: impl Into<String>, subject: Option<&'static Term>) -> Self {
        Self {
            text: text.into(),
            subject,
            place: None,
            by_model: false,
        }
    }
}

/// What a model wrote, sentence by sentence: without raw tokens, numbers that nobody measured struck out.
pub(super) fn statements_of(text: &str) -> Vec<Statement> {
    let plain = without_tokens(text);
    let one = |sentence: &str| {
        let sentence = without_measures(sentence.trim());
        let mentions = Lexicon::built_in().mentions(&sentence);
        // A finding tells more of what a sentence is about than the organ that heads it.
        let finding = mentions.iter().find(|m| m.term.is_finding());
        let subject = finding.or(mentions.first()).map(|m| m.term);
        Statement {
            text: sentence,
            subject,
            place: None,
            by_model: true,
        }
    };
    let sentences = sentences(&plain).into_iter().map(|range| &plain[range]);
    sentences
        .filter(|sentence| sentence.chars().any(char::is_alphanumeric))
        .map(one)
        .collect()
}

/// The sentences of a text: to a full stop, a question or exclamation mark that a space follows, or to a line's end.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|&(_, next)| next);
        let ends = match letter {
            '\n' | '。' | '！' | '？' => true,
            '.' | '!' | '?' => next.is_none_or(char::is_whitespace),
            _ => false,
        };
        if ends {
            found.push(start..at + letter.len_utf8());
            start = at + letter.len_utf8();
        }
    }
    found.push(start..text.len());
    found
}

/// A text without `[SEG]` and without boxes as models write them.
fn without_tokens(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', '<']) {
        out.push_str(&rest[..at]);
        let opened = &rest[at..];
        let close = if opened.starts_with('[') { ']' } else { '>' };
        let Some(end) = opened.find(close) else {
            rest = opened;
            break;
        };
        let inside = &opened[1..end];
        let is_token = inside == "SEG"
            || inside.starts_with("bx_")
            || inside.starts_with("im_")
            || inside
                .split(',')
                .all(|part| part.trim().parse::<f64>().is_ok());
        if !is_token {
            out.push_str(&opened[..=end]);
        }
        rest = &opened[end + 1..];
    }
    out.push_str(rest);
    let words: Vec<&str> = out.split_inclusive('\n').collect();
    let joined: Vec<String> = words
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    joined.join("\n").replace(" .", ".").replace(" ,", ",")
}

/// Units behind which a number is a measurement.
const UNITS: [&str; 13] = [
    "mm",
    "cm",
    "ml",
    "cc",
    "hu",
    "percent",
    "%",
    "mm3",
    "cm3",
    "m",
    "l",
    "millimetres",
    "centimetres",
];

/// A sentence with every measurement in it (a number and its unit, or several joined by "x") as [`NOT_MEASURED`].
fn without_measures(sentence: &str) -> String {
    let words: Vec<&str> = sentence.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if let Some((count, tail)) = measure_at(&words[at..]) {
            out.push(format!("{NOT_MEASURED}{tail}"));
            at += count;
        } else {
            out.push(words[at].to_owned());
            at += 1;
        }
    }
    out.join(" ")
}

/// How many words make a measurement at the start, and the punctuation behind it.
fn measure_at<'a>(words: &[&'a str]) -> Option<(usize, &'a str)> {
    let bare = |word: &'a str| word.trim_end_matches(['.', ',', ';', ':', ')']);
    let tail = |word: &'a str| &word[bare(word).len()..];
    let is_number = |word: &str| {
        let mut parts = word.split(['x', '×', '-', '–']);
        word.starts_with(|c: char| c.is_ascii_digit())
            && parts.all(|part| part.is_empty() || part.parse::<f64>().is_ok())
    };
    let is_unit = |word: &str| UNITS.contains(&word.to_lowercase().as_str());
    // "166mm", "40%".
    let first = words.first()?;
    let glued = bare(first);
    let digits = glued.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    if digits.len() < glued.len() && is_number(digits) && is_unit(&glued[digits.len()..]) {
        return Some((1, tail(first)));
    }
    let mut count = 0;
    while let Some(word) = words.get(count) {
        let joins = count > 0 && matches!(*word, "x" | "×" | "to" | "by");
        if !(joins || is_number(bare(word))) {
            break;
        }
        count += 1;
        if !joins && !tail(word).is_empty() {
            return None;
        }
    }
    let unit = words.get(count).filter(|_| count > 0)?;
    let leading = bare(unit);
    let is_measure = is_unit(leading);
    is_measure.then(|| (count + 1, tail(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_struck_out_and_counts_of_things_stay() {
        for (text, wanted) in [
            (
                "splenomegaly with a length of 166 mm.",
                "splenomegaly with a length of [not measured].",
            ),
            (
                "of 12 x 14 mm in the upper pole",
                "of [not measured] in the upper pole",
            ),
            (
                "about 40 percent loss of height",
                "about [not measured] loss of height",
            ),
            (
                "a 3cm cyst, two stones",
                "a [not measured] cyst, two stones",
            ),
            ("a fracture of L2 and 3 ribs", "a fracture of L2 and 3 ribs"),
            ("12 to 14 mm, stable", "[not measured], stable"),
        ] {
            assert_eq!(without_measures(text), wanted);
        }
    }

    #[test]
    fn raw_tokens_never_stay() {
        for (text, wanted) in [
            ("Sure, it is  [SEG] .", "Sure, it is."),
            (
                "It is <bx_start>[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]<bx_end>.",
                "It is.",
            ),
            ("A [sic] note, x < y", "A [sic] note, x < y"),
        ] {
            assert_eq!(without_tokens(text), wanted);
        }
        let found =
            statements_of("Liver: normal. Spleen: splenomegaly with a length of 166 mm.\nEnd");
        let texts: Vec<&str> = found.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Liver: normal.",
                "Spleen: splenomegaly with a length of [not measured].",
                "End"
            ]
        );
        assert_eq!(found[0].subject.map(Term::name), Some("liver"));
        assert_eq!(found[1].subject.map(Term::name), Some("splenomegaly"));
    }
}
