//! BLEU-1 (Papineni et al., 2002) as the `bleu` of Hugging Face's `evaluate` 0.4 and sacrebleu 2.

use std::collections::HashMap;

use super::text::{is_space, words};

/// The counts that BLEU-1 is made of; those of many pairs add up to a corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Words of the prediction that the reference has too, each as often as both have it.
    pub matches: u64,
    /// Words of the prediction.
    pub predicted: u64,
    /// Words of the reference.
    pub reference: u64,
}

impl BleuCounts {
    /// The counts of one prediction against its reference, spaces at their ends left out, as sacrebleu does itself and
    /// the reference's benchmark before it calls `evaluate`.
    pub fn of(prediction: &str, reference: &str) -> Self {
        let predicted = tokenize_13a(prediction.trim_end_matches(is_space));
        let reference = tokenize_13a(reference.trim_end_matches(is_space));
        Self {
            matches: common(&predicted, &reference),
            predicted: predicted.len() as u64,
            reference: reference.len() as u64,
        }
    }

    /// The sum of two.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            matches: self.matches + other.matches,
            predicted: self.predicted + other.predicted,
            reference: self.reference + other.reference,
        }
    }

    /// Precision times brevity penalty, 0 to 1, without smoothing. 0 where a side has no words (`evaluate` divides
    /// by zero there).
    pub fn score(self) -> f64 {
        if self.matches == 0 || self.predicted == 0 || self.reference == 0 {
            return 0.0;
        }
        let (predicted, reference) = (self.predicted as f64, self.reference as f64);
        let penalty = if predicted > reference {
            1.0
        } else {
            (1.0 - reference / predicted).exp()
        };
        penalty * self.matches as f64 / predicted
    }
}

/// BLEU-1 of one sample, 0 to 1: `evaluate`'s `bleu` with `max_order=1` called for this pair alone, as the
/// reference's benchmark calls it before it averages.
pub fn bleu1(prediction: &str, reference: &str) -> f64 {
    BleuCounts::of(prediction, reference).score()
}

/// How many words two lists have in common, each as often as both have it.
pub(super) fn common(a: &[String], b: &[String]) -> u64 {
    let mut left: HashMap<&str, u64> = HashMap::new();
    for word in b {
        *left.entry(word).or_default() += 1;
    }
    let mut count = 0;
    for word in a {
        if let Some(n) = left.get_mut(word.as_str()).filter(|n| **n > 0) {
            *n -= 1;
            count += 1;
        }
    }
    count
}

/// The words of a text under `mteval-v13a`'s rules, as `tokenizer_13a` of `evaluate` and sacrebleu has them: signs set
/// apart, full stops and commas left inside numbers.
pub fn tokenize_13a(text: &str) -> Vec<String> {
    let mut text = text
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if text.contains('&') {
        text = text
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
    }
    let mut chars = vec![' '];
    for c in text.chars() {
        if is_sign(c) {
            chars.extend([' ', c, ' ']);
        } else {
            chars.push(c);
        }
    }
    chars.push(' ');
    let digit = |c: char| c.is_ascii_digit();
    let point = |c: char| matches!(c, '.' | ',');
    // Full stops and commas, but for those behind a digit; then those before anything but a digit.
    let chars = pairs(
        &chars,
        |a, b| !digit(a) && point(b),
        |a, b| [a, ' ', b, ' '],
    );
    let chars = pairs(
        &chars,
        |a, b| point(a) && !digit(b),
        |a, b| [' ', a, ' ', b],
    );
    let chars = pairs(&chars, |a, b| digit(a) && b == '-', |a, b| [a, ' ', b, ' ']);
    words(&chars)
}

/// The ASCII signs set apart everywhere: all but `.`, `,`, `-` and `'`.
fn is_sign(c: char) -> bool {
    matches!(c, '!'..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~')
}

/// Replaces neighbours that fit, from left to right, each character being part of at most one pair.
fn pairs(
    chars: &[char],
    fits: impl Fn(char, char) -> bool,
    replaced: impl Fn(char, char) -> [char; 4],
) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len() + chars.len() / 4);
    let mut rest = chars;
    while let Some((&a, behind)) = rest.split_first() {
        match behind.first() {
            Some(&b) if fits(a, b) => {
                out.extend(replaced(a, b));
                rest = &behind[1..];
            }
            _ => {
                out.push(a);
                rest = behind;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stay_whole_and_signs_do_not() {
        assert_eq!(
            tokenize_13a("A 3.5 mm, (left-sided) lesion; 5-6."),
            [
                "A",
                "3.5",
                "mm",
                ",",
                "(",
                "left-sided",
                ")",
                "lesion",
                ";",
                "5",
                "-",
                "6",
                "."
            ]
        );
        assert_eq!(tokenize_13a(" \n\t"), Vec::<String>::new());
    }

    #[test]
    fn a_short_answer_is_penalised_and_a_long_one_loses_precision() {
        assert_eq!(bleu1("the liver", "the liver"), 1.0);
        assert!((bleu1("liver", "the liver") - (-1.0_f64).exp()).abs() < 1e-12);
        assert_eq!(bleu1("the liver the liver", "the liver"), 0.5);
        assert_eq!(bleu1("", "liver"), 0.0);
        assert_eq!(bleu1("liver", ""), 0.0);
    }
}
