//! Text to words that can be compared: one case, no accents, one spelling for British and American words.

use std::ops::Range;

/// Letters of a text that are looked at; a question is shorter.
pub(super) const LETTERS_READ: usize = 6000;

/// What lies between two words; the greater, the more it parts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing, or a space.
    Space,
    /// A hyphen, an underscore or a stroke.
    Join,
    /// A parenthesis.
    Paren,
    /// A comma.
    Comma,
    /// The end of a sentence, and what else is no part of one.
    Stop,
}

/// One word of a text, or one Chinese character.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Where it is in the text.
    pub bytes: Range<usize>,
    /// The word as it is compared.
    pub word: String,
    /// Written in capitals only.
    pub capitals: bool,
    /// What lies before it.
    pub gap: Gap,
}

impl Token {
    /// Whether the word is one character of a script without spaces.
    pub fn is_ideograph(&self) -> bool {
        self.word.chars().next().is_some_and(is_ideograph)
    }
}

/// The words of the first [`LETTERS_READ`] characters.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut gap = Gap::Stop;
    // Whether the last token may still grow.
    let mut open = false;
    let mut letters = text.char_indices().take(LETTERS_READ).peekable();
    while let Some((at, raw)) = letters.next() {
        let end = at + raw.len_utf8();
        let letter = half_width(raw);
        if is_ideograph(letter) {
            push(&mut tokens, at..end, &letter.to_string(), false, gap);
            (gap, open) = (Gap::Space, false);
        } else if letter.is_alphanumeric() {
            let folded = fold_letter(letter);
            let capital = !letter.is_lowercase();
            match tokens.last_mut().filter(|_| open) {
                Some(token) => {
                    token.bytes.end = end;
                    token.word.push_str(&folded);
                    token.capitals &= capital;
                }
                None => push(&mut tokens, at..end, &folded, capital, gap),
            }
            (gap, open) = (Gap::Space, true);
        } else if is_mark(letter) {
            if let Some(token) = tokens.last_mut().filter(|_| open) {
                token.bytes.end = end;
                if letter == '\u{308}' && token.word.ends_with(['a', 'o', 'u']) {
                    token.word.push('e');
                }
            }
        } else if matches!(letter, '\'' | '\u{2019}') && open {
            // The liver's edge, Crohn's: the s is no word.
            let possessive = letters.next_if(|&(_, c)| c.eq_ignore_ascii_case(&'s'));
            let goes_on = letters.peek().is_some_and(|(_, c)| c.is_alphanumeric());
            if let (Some((at, s)), true) = (possessive, goes_on) {
                push(&mut tokens, at..at + 1, &fold_letter(s), false, Gap::Join);
                (gap, open) = (Gap::Space, true);
            } else {
                (gap, open) = (Gap::Space, false);
            }
        } else {
            gap = gap.max(gap_of(letter));
            open = false;
        }
    }
    for token in &mut tokens {
        token.word = one_spelling(&token.word);
    }
    tokens
}

fn push(tokens: &mut Vec<Token>, bytes: Range<usize>, word: &str, capitals: bool, gap: Gap) {
    tokens.push(Token {
        bytes,
        word: word.to_owned(),
        capitals,
        gap,
    });
}

/// Chinese characters and kana; Korean is written with spaces.
pub fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Full-width forms of ASCII as ASCII.
fn half_width(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(letter as u32 - 0xfee0).unwrap_or(letter),
        '\u{3000}' => ' ',
        _ => letter,
    }
}

fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

fn gap_of(letter: char) -> Gap {
    match letter {
        '-' | '_' | '\u{2010}'..='\u{2015}' | '/' | '&' | '+' | '\'' | '\u{2019}' => Gap::Join,
        '(' | ')' | '[' | ']' => Gap::Paren,
        ',' | '\u{3001}' => Gap::Comma,
        c if c.is_whitespace() && c != '\n' && c != '\r' => Gap::Space,
        _ => Gap::Stop,
    }
}

/// Lower case without accents.
fn fold_letter(letter: char) -> String {
    let mut folded = String::new();
    for letter in letter.to_lowercase() {
        match letter {
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ą' => folded.push('a'),
            'ç' | 'ć' | 'č' => folded.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => folded.push('e'),
            'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => folded.push('i'),
            'ñ' | 'ń' | 'ň' => folded.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' => folded.push('o'),
            'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' => folded.push('u'),
            'ý' | 'ÿ' => folded.push('y'),
            'š' | 'ś' => folded.push('s'),
            'ž' | 'ź' | 'ż' => folded.push('z'),
            'ä' | 'æ' => folded.push_str("ae"),
            'ö' | 'ø' | 'œ' => folded.push_str("oe"),
            'ü' => folded.push_str("ue"),
            'ß' => folded.push_str("ss"),
            mark if is_mark(mark) => {}
            other => folded.push(other),
        }
    }
    folded
}

/// British and American words alike: oesophagus and esophagus, tumour and tumor, disc and disk.
fn one_spelling(word: &str) -> String {
    if !word.is_ascii() || word.len() > 40 {
        return word.to_owned();
    }
    let mut word = word.replace("ae", "e").replace("oe", "e");
    for (british, american) in [("tumour", "tumor"), ("goitre", "goiter"), ("ise", "ize")] {
        if word.contains(british) {
            word = word.replace(british, american);
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|t| t.word).collect()
    }

    #[test]
    fn spellings_and_accents_are_one() {
        assert_eq!(words("Oesophagus"), words("ESOPHAGUS"));
        assert_eq!(words("Ösophagus"), words("O\u{308}sophagus"));
        assert_eq!(words("h\u{ed}gado"), words("hi\u{301}gado"));
        assert_eq!(words("ＬＩＶＥＲ"), ["liver"]);
        assert_eq!(words("hæmatoma tumour"), words("hematoma tumor"));
        assert_eq!(
            words("the patient's left-sided Crohn’s"),
            ["the", "patient", "left", "sided", "crohn"]
        );
    }

    #[test]
    fn characters_without_spaces_stand_alone() {
        let tokens = tokens("请分割L3椎体");
        assert_eq!(tokens.len(), 6);
        assert_eq!(tokens[3].word, "l3");
        assert!(tokens[0].is_ideograph() && !tokens[3].is_ideograph());
        assert_eq!(&"请分割L3椎体"[tokens[4].bytes.clone()], "椎");
    }

    #[test]
    fn gaps_tell_what_parts_words() {
        let gaps: Vec<Gap> = tokens("a b-c (d), e. f").iter().map(|t| t.gap).collect();
        let expected = [
            Gap::Stop,
            Gap::Space,
            Gap::Join,
            Gap::Paren,
            Gap::Comma,
            Gap::Stop,
        ];
        assert_eq!(gaps, expected);
    }
}
