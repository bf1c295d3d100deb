//! Words as NLTK's `word_tokenize` cuts them: sentences, then the Penn Treebank's rules with NLTK's additions
//! (`NLTKWordTokenizer`). Each rule is a pass over the characters, in NLTK's order.

use super::sentences::sentences;
use super::text::{is_digit, is_space, is_word, is_word_of_re, words};

/// The words and signs of a text.
pub fn word_tokenize(text: &str) -> Vec<String> {
    sentences(text).iter().flat_map(|s| tokenize(s)).collect()
}

fn tokenize(sentence: &[char]) -> Vec<String> {
    let mut text = opening_quotes(sentence);
    text = punctuation(text);
    text = pad(&text, |c| {
        matches!(c, '[' | ']' | '(' | ')' | '{' | '}' | '<' | '>')
    });
    text = pad_pairs(&text, '-');
    text.insert(0, ' ');
    text.push(' ');
    text = closing_quotes(&text);
    text = contractions(&text);
    words(&text)
}

fn opening_quotes(text: &[char]) -> Vec<char> {
    // Runs of backticks are one quote.
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let run = text[at..].iter().take_while(|&&c| c == '`').count();
        if run > 0 {
            out.push(' ');
            out.extend(&text[at..at + run]);
            out.push(' ');
        } else if matches!(c, '\u{ab}' | '\u{201c}' | '\u{2018}' | '\u{201e}') {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
        at += run.max(1);
    }
    if out.first() == Some(&'"') {
        out.splice(0..1, ['`', '`']);
    }
    let out = pad_pairs(&out, '`');
    let out = quotes_behind_brackets(&out);
    split_leading_apostrophes(&out)
}

/// `([ \(\[{<])("|'{2})` to a bracket and an opening quote.
fn quotes_behind_brackets(text: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        out.push(c);
        at += 1;
        if !matches!(c, ' ' | '(' | '[' | '{' | '<') {
            continue;
        }
        let quote = match text.get(at..) {
            Some(['"', ..]) => 1,
            Some(['\'', '\'', ..]) => 2,
            _ => continue,
        };
        out.extend(" `` ".chars());
        at += quote;
    }
    out
}

/// An apostrophe before a word is set apart, unless it begins `'s`, `'ll` and the like.
fn split_leading_apostrophes(text: &[char]) -> Vec<char> {
    const ENDINGS: [&str; 8] = ["re", "ve", "ll", "m", "t", "s", "d", "n"];
    let mut out = Vec::with_capacity(text.len());
    for (at, &c) in text.iter().enumerate() {
        out.push(c);
        let rest = &text[at + 1..];
        let after_word = at.checked_sub(1).is_some_and(|n| is_word(text[n]));
        let before_word = rest.first().is_some_and(|&c| is_word(c));
        let is_ending = |ending: &&str| {
            begins(rest, ending) && !rest.get(ending.len()).is_some_and(|&c| is_word(c))
        };
        if c == '\'' && !after_word && before_word && !ENDINGS.iter().any(is_ending) {
            out.push(' ');
        }
    }
    out
}

/// Whether a text begins with these small ASCII letters and signs, in any case.
fn begins(text: &[char], with: &str) -> bool {
    let mut letters = text.iter();
    with.chars()
        .all(|c| letters.next().is_some_and(|l| l.eq_ignore_ascii_case(&c)))
}

fn punctuation(text: Vec<char>) -> Vec<char> {
    let wide = |c: char| {
        matches!(
            c,
            ']' | ')' | '}' | '>' | '"' | '\'' | '\u{bb}' | '\u{201d}' | '\u{2019}' | ' '
        )
    };
    let text = last_full_stop(text, wide, " ");
    let text = split_before_non_digit(&text);
    let text = last_colon(text);
    let text = pad_runs_of_stops(&text);
    let text = pad(&text, |c| matches!(c, ';' | '@' | '#' | '$' | '%' | '&'));
    let text = pad(&text, |c| matches!(c, '\u{2012}'..='\u{2015}'));
    let narrow = |c: char| matches!(c, ']' | ')' | '}' | '>' | '"' | '\'');
    let text = last_full_stop(text, narrow, "");
    let text = pad(&text, |c| matches!(c, '?' | '!'));
    let text = spaced_apostrophes(&text);
    pad(&text, |c| c == '*')
}

/// Spaces around each character that fits.
fn pad(text: &[char], fits: impl Fn(char) -> bool) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &c in text {
        if fits(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    out
}

/// Spaces around two of a sign.
fn pad_pairs(text: &[char], sign: char) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        if c == sign && text.get(at + 1) == Some(&sign) {
            out.extend([' ', sign, sign, ' ']);
            at += 2;
        } else {
            out.push(c);
            at += 1;
        }
    }
    out
}

/// The full stop at the end, before closing signs and spaces, is set apart; `gap` comes behind it.
fn last_full_stop(text: Vec<char>, closes: impl Fn(char) -> bool, gap: &str) -> Vec<char> {
    let Some(at) = text.iter().rposition(|&c| c == '.') else {
        return text;
    };
    let Some(before) = at.checked_sub(1).map(|n| text[n]) else {
        return text;
    };
    let tail = &text[at + 1..];
    let closing = tail.iter().take_while(|&&c| closes(c)).count();
    if before == '.' || !tail[closing..].iter().all(|&c| is_space(c)) {
        return text;
    }
    let mut out = text[..at].to_vec();
    out.extend([' ', '.']);
    out.extend(gap.chars());
    out.extend(&tail[..closing]);
    out.push(' ');
    out
}

/// `([:,])([^\d])` to the sign with spaces around it.
fn split_before_non_digit(text: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        match text.get(at + 1) {
            Some(&next) if matches!(c, ':' | ',') && !is_digit(next) => {
                out.extend([' ', c, ' ', next]);
                at += 2;
            }
            _ => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

fn last_colon(mut text: Vec<char>) -> Vec<char> {
    if let Some(&c @ (':' | ',')) = text.last() {
        text.pop();
        text.extend([' ', c, ' ']);
    }
    text
}

fn pad_runs_of_stops(text: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 4);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let run = text[at..].iter().take_while(|&&c| c == '.').count();
        if run >= 2 {
            out.push(' ');
            out.extend(&text[at..at + run]);
            out.push(' ');
            at += run;
        } else {
            out.push(c);
            at += 1;
        }
    }
    out
}

/// `([^'])' ` to the apostrophe with spaces around it.
fn spaced_apostrophes(text: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 4);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        out.push(c);
        at += 1;
        if c != '\'' && text[at..].starts_with(&['\'', ' ']) {
            out.extend([' ', '\'', ' ']);
            at += 2;
        }
    }
    out
}

fn closing_quotes(text: &[char]) -> Vec<char> {
    let text = pad(text, |c| matches!(c, '\u{bb}' | '\u{201d}' | '\u{2019}'));
    let text = pad_pairs(&text, '\'');
    let mut plain = Vec::with_capacity(text.len() + 8);
    for &c in &text {
        if c == '"' {
            plain.extend([' ', '\'', '\'', ' ']);
        } else if is_space(c) {
            plain.push(' ');
        } else {
            plain.push(c);
        }
    }
    plain.dedup_by(|a, b| *a == ' ' && *b == ' ');
    let short = ["'s", "'S", "'m", "'M", "'d", "'D", "'"];
    let long = ["'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T"];
    split_endings(&split_endings(&plain, &short), &long)
}

/// `([^' ])(ENDING) ` with a space before the ending.
fn split_endings(text: &[char], endings: &[&str]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        out.push(c);
        at += 1;
        if matches!(c, '\'' | ' ') {
            continue;
        }
        let found = endings.iter().find(|ending| {
            let n = ending.chars().count();
            let rest = &text[at..];
            rest.get(n) == Some(&' ') && ending.chars().eq(rest[..n].iter().copied())
        });
        if let Some(ending) = found {
            out.push(' ');
            out.extend(ending.chars());
            out.push(' ');
            at += ending.chars().count() + 1;
        }
    }
    out
}

/// Words made of two: `cannot`, `gonna`, `'tis`.
fn contractions(text: &[char]) -> Vec<char> {
    let mut text = text.to_vec();
    for (first, second) in [
        ("can", "not"),
        ("d", "'ye"),
        ("gim", "me"),
        ("gon", "na"),
        ("got", "ta"),
        ("lem", "me"),
        ("more", "'n"),
        ("wan", "na"),
    ] {
        let needs_space = first == "wan";
        text = split_contraction(&text, first, second, |text, at, end| {
            let starts = at.checked_sub(1).is_none_or(|n| !is_word_of_re(text[n]));
            let ends = match text.get(end) {
                Some(&c) if needs_space => is_space(c),
                Some(&c) => !is_word_of_re(c),
                None => !needs_space,
            };
            starts && ends
        });
    }
    for second in ["is", "was"] {
        text = split_contraction(&text, "'t", second, |text, at, end| {
            at.checked_sub(1).is_some_and(|n| text[n] == ' ')
                && text.get(end).is_none_or(|&c| !is_word_of_re(c))
        });
    }
    text
}

fn split_contraction(
    text: &[char],
    first: &str,
    second: &str,
    stands_alone: impl Fn(&[char], usize, usize) -> bool,
) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 4);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let middle = at + first.len();
        let end = middle + second.len();
        if begins(&text[at..], first)
            && text.get(middle..).is_some_and(|rest| begins(rest, second))
            && stands_alone(text, at, end)
        {
            out.push(' ');
            out.extend(&text[at..middle]);
            out.push(' ');
            out.extend(&text[middle..end]);
            out.push(' ');
            at = end;
        } else {
            out.push(c);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_signs_and_contractions_come_apart() {
        assert_eq!(
            word_tokenize("The patient's liver isn't (yet) enlarged: 3.5 mm, \"ok\"."),
            [
                "The", "patient", "'s", "liver", "is", "n't", "(", "yet", ")", "enlarged", ":",
                "3.5", "mm", ",", "``", "ok", "''", "."
            ]
        );
        assert_eq!(
            word_tokenize("I cannot; gonna!"),
            ["I", "can", "not", ";", "gon", "na", "!"]
        );
    }
}
