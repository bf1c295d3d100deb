//! What Python means by space, letter and digit, on which the tokenizers agree.

/// Python's `str.isspace`: Unicode's white space and the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `\w` of the library `regex`, which NLTK matches with: letters, decimal digits and the underscore.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphabetic() || is_digit(c) || c == '_'
}

/// `\w` of Python's own `re`, which also holds other numbers, as in `5²`.
pub(super) fn is_word_of_re(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `\d` of a regular expression: decimal digits, of the scripts that are likely here.
pub(super) fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{966}'..='\u{96f}' | '\u{ff10}'..='\u{ff19}')
}

/// The words between spaces.
pub(super) fn words(chars: &[char]) -> Vec<String> {
    chars
        .split(|&c| is_space(c))
        .filter(|word| !word.is_empty())
        .map(|word| word.iter().collect())
        .collect()
}

/// The words of a text for comparing names: lower case, everything but letters and digits a space.
pub(super) fn plain_words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
