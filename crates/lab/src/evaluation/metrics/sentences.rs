//! Sentences as NLTK's Punkt finds them (Kiss and Strunk, 2006), without what it learns from a corpus: there are no
//! known abbreviations, collocations or sentence starters. A full stop ends a sentence unless it belongs to an
//! initial, to a number before a small letter, or to an ellipsis.

use super::text::{is_digit, is_space};

/// The sentences of a text, with the closing quotes and brackets behind them.
pub(super) fn sentences(text: &str) -> Vec<Vec<char>> {
    let chars: Vec<char> = text.chars().collect();
    let spans = realign(&chars, &spans(&chars));
    spans
        .into_iter()
        .filter(|(start, end)| start < end)
        .map(|(start, end)| chars[start..end].to_vec())
        .collect()
}

/// A sign that may end a sentence, with what stands around it.
struct Candidate {
    /// Where the word before the sign begins.
    word: usize,
    /// The sign.
    at: usize,
    /// One past what follows: a sign, or spaces and a word.
    past: usize,
    /// Where the next word begins, where one follows behind spaces.
    next: Option<usize>,
}

const fn is_end(c: char) -> bool {
    matches!(c, '.' | '?' | '!')
}

/// Signs that no word holds.
fn is_non_word(c: char) -> bool {
    matches!(
        c,
        ')' | '"' | ';' | '}' | ']' | '*' | ':' | '@' | '\'' | '(' | '{' | '[' | '?' | '!'
    ) || is_curly_quote(c)
}

const fn is_curly_quote(c: char) -> bool {
    matches!(
        c,
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\u{ab}' | '\u{bb}'
    )
}

fn run(chars: &[char], from: usize, fits: impl Fn(char) -> bool) -> usize {
    chars[from.min(chars.len())..]
        .iter()
        .position(|&c| !fits(c))
        .map_or(chars.len(), |n| from + n)
}

/// Candidates whose words do not overlap; of several on one word the last.
fn candidates(chars: &[char]) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    // The word before the last candidate.
    let (mut word_start, mut word_end) = (0, 0);
    for at in (0..chars.len()).filter(|&at| is_end(chars[at])) {
        let behind = at + 1;
        let (past, next) = match chars.get(behind) {
            Some(&c) if is_non_word(c) => (behind + 1, None),
            Some(&c) if is_space(c) => {
                let next = run(chars, behind, is_space);
                if next == chars.len() {
                    continue;
                }
                (run(chars, next, |c| !is_space(c)), Some(next))
            }
            _ => continue,
        };
        let between = &chars[word_end..at];
        let ascii_space = |c: &char| matches!(c, ' ' | '\t'..='\r');
        let word = match between.iter().rposition(ascii_space) {
            // A space right at the front counts as none.
            None | Some(0) => word_start,
            Some(n) => word_end + n + 1,
        };
        if word < word_end {
            kept.pop();
        }
        kept.push(Candidate {
            word,
            at,
            past,
            next,
        });
        (word_start, word_end) = (word, at);
    }
    kept
}

/// From where to where sentences go, before quotes are given back to them.
fn spans(chars: &[char]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut start = 0;
    for candidate in candidates(chars) {
        if ends_sentence(&chars[candidate.word..candidate.past]) {
            spans.push((start, candidate.at + 1));
            start = candidate.next.unwrap_or(candidate.at + 1);
        }
    }
    let end = chars
        .iter()
        .rposition(|&c| !is_space(c))
        .map_or(0, |n| n + 1);
    spans.push((start, end.max(start)));
    spans
}

/// Moves closing quotes and brackets to the sentence before them.
fn realign(chars: &[char], spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut moved = 0;
    for (n, &(start, end)) in spans.iter().enumerate() {
        let start = start + moved;
        moved = 0;
        let closing = spans
            .get(n + 1)
            .and_then(|&(from, to)| Some((from, closing(&chars[from..to])?)));
        match closing {
            Some((from, (signs, all))) => {
                out.push((start, from + signs));
                moved = all;
            }
            None => out.push((start, end)),
        }
    }
    out
}

/// How many closing signs a text begins with, and the same with the spaces behind them; `None` unless spaces, a
/// double dash or the end follows.
fn closing(text: &[char]) -> Option<(usize, usize)> {
    let is_closing = |c: char| matches!(c, '"' | '\'' | ')' | ']' | '}') || is_curly_quote(c);
    let signs = run(text, 0, is_closing);
    let all = run(text, signs, is_space);
    let dash = text[signs..].starts_with(&['-', '-']);
    (signs > 0 && (all > signs || dash || signs == text.len())).then_some((signs, all))
}

/// Whether a token of these ends a sentence and another follows.
fn ends_sentence(context: &[char]) -> bool {
    let mut tokens: Vec<&[char]> = Vec::new();
    for line in context.split(|&c| c == '\n') {
        tokens.extend(tokenize(line));
    }
    tokens
        .windows(2)
        .any(|pair| breaks(pair[0]) && !belongs_to_next(pair[0], pair[1]))
}

fn breaks(token: &[char]) -> bool {
    match token {
        [c] => is_end(*c),
        [.., before, '.'] => *before != '.',
        _ => false,
    }
}

/// Whether the full stop is that of an initial or of a number, by the token that follows.
fn belongs_to_next(token: &[char], next: &[char]) -> bool {
    let letter = |c: char| c.is_alphabetic() || c == '_';
    let initial = matches!(token, [c, '.'] if letter(*c));
    if !token.ends_with(&['.']) || !(initial || is_number(token)) {
        return false;
    }
    let sign = matches!(next, [';' | ':' | ',' | '.' | '!' | '?']);
    let (small, capital) = next
        .first()
        .map_or((false, false), |c| (c.is_lowercase(), c.is_uppercase()));
    sign || small || (initial && capital)
}

/// `-?[.,]?\d[\d,.-]*\.?`
fn is_number(token: &[char]) -> bool {
    let token = token.strip_prefix(&['-']).unwrap_or(token);
    let token = match token {
        ['.' | ',', rest @ ..] => rest,
        all => all,
    };
    match token {
        [first, rest @ ..] => {
            is_digit(*first)
                && rest
                    .iter()
                    .all(|&c| is_digit(c) || matches!(c, ',' | '.' | '-'))
        }
        [] => false,
    }
}

/// The tokens of a line, full stops left on their words.
fn tokenize(line: &[char]) -> Vec<&[char]> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < line.len() {
        if is_space(line[at]) {
            at += 1;
            continue;
        }
        let end = match several_signs(&line[at..]) {
            Some(n) => at + n,
            None if starts_word(line[at]) => word_end(line, at),
            None => at + 1,
        };
        tokens.push(&line[at..end]);
        at = end;
    }
    tokens
}

const fn starts_word(c: char) -> bool {
    !matches!(
        c,
        '(' | '"'
            | '`'
            | '{'
            | '['
            | ':'
            | ';'
            | '&'
            | '#'
            | '*'
            | '@'
            | ')'
            | '}'
            | ']'
            | '-'
            | ','
    )
}

fn word_end(line: &[char], start: usize) -> usize {
    let ends = |at: usize| match line.get(at) {
        None => true,
        Some(&c) => is_space(c) || is_non_word(c) || several_signs(&line[at..]).is_some(),
    };
    (start + 1..line.len())
        .find(|&at| ends(at) || (line[at] == ',' && ends(at + 1)))
        .unwrap_or(line.len())
}

/// The length of `--`, `..` or `. . .`.
fn several_signs(text: &[char]) -> Option<usize> {
    for sign in ['-', '.'] {
        let n = run(text, 0, |c| c == sign);
        if n >= 2 {
            return Some(n);
        }
    }
    let spaced =
        |at: usize| text.get(at) == Some(&'.') && text.get(at + 1).is_some_and(|&c| is_space(c));
    let mut at = 0;
    while spaced(at) {
        at += 2;
    }
    // The last full stop stands without a space; of one with a space behind it, the space is left.
    match (at >= 4, text.get(at) == Some(&'.')) {
        (true, true) => Some(at + 1),
        (true, false) if at >= 6 => Some(at - 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let lines = sentences(text);
        lines.iter().map(|s| s.iter().collect()).collect()
    }

    #[test]
    fn full_stops_end_sentences_and_figures_do_not() {
        assert_eq!(
            split("No lesion. A 3.5 mm stone is seen.  Normal."),
            ["No lesion.", "A 3.5 mm stone is seen.", "Normal."]
        );
        assert_eq!(
            split("See J. Doe (now). \"Then\": at level 5. of it."),
            ["See J. Doe (now).", "\"Then\": at level 5. of it."]
        );
        assert_eq!(split("(No stone.) Normal."), ["(No stone.)", "Normal."]);
        assert!(split("  ").is_empty());
    }
}
