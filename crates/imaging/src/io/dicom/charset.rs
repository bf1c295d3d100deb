//! Text as its Specific Character Set (0008,0005) writes it (PS3.3 C.12.1.1.2, PS3.5 6.1).
//!
//! A value is ISO 2022: seven-bit codes mean the set in G0, eight-bit codes the set in G1, and escape
//! sequences exchange either. Escapes are followed whether their set was declared or not: the byte ESC
//! has no other use in text. What remains unclear is read as what writers are known to do; no byte is
//! ever dropped.

mod sets;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8, WINDOWS_1252, WINDOWS_1254};

use sets::{Declared, Designation, Shifted};

const ESC: u8 = 0x1B;

/// What a text is, which decides where its character sets fall back to the first (PS3.5 6.1.2.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// A person's name (PN): `^`, `=` and the backslash delimit.
    Name,
    /// One or more values (LO, SH, UC): the backslash delimits.
    Values,
    /// One text (LT, ST, UT), in which the backslash is a character.
    Text,
}

impl TextKind {
    /// Whether `byte`, read as a character of its own, ends what an escape sequence has set.
    const fn resets(self, byte: u8) -> bool {
        match byte {
            b'\t' | b'\n' | 0x0C | b'\r' => true,
            b'^' | b'=' => matches!(self, Self::Name),
            b'\\' => !matches!(self, Self::Text),
            _ => false,
        }
    }
}

/// The sets of characters that a data set declares. An item of a sequence without a declaration of its
/// own has that of what holds it (PS3.5 7.5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CharacterSet {
    /// The eight-bit half of the first set; `None` where it is ASCII alone, unknown or not declared.
    base: Option<&'static Encoding>,
    /// The eight-bit halves of the sets after the first, or of a lone one that needs escapes.
    others: Vec<&'static Encoding>,
    /// A set that should stand alone and comes after another (PS3.3 C.12.1.1.2 forbids it).
    stray: Option<&'static Encoding>,
}

impl CharacterSet {
    /// The sets that the value of (0008,0005) names, by the standard's names or by how writers misspell
    /// them. What is not known counts as not declared.
    pub(super) fn from_values(value: &[u8]) -> Self {
        let mut set = Self::default();
        for (index, name) in value.split(|b| b"\\,;".contains(b)).enumerate() {
            match sets::declared(name) {
                Declared::Base(encoding) | Declared::Alone(encoding) if index == 0 => {
                    set.base = Some(encoding);
                }
                Declared::Alone(encoding) => set.stray = Some(encoding),
                Declared::Base(encoding) | Declared::Extension(encoding) => {
                    set.others.push(encoding);
                }
                Declared::Ascii | Declared::Unknown => {}
            }
        }
        set
    }

    /// The text of a value, without the padding at its end. Several values stay in one text with
    /// backslashes between them: they are split afterwards, since a backslash may be half a character
    /// in bytes.
    pub(super) fn decode(&self, bytes: &[u8], kind: TextKind) -> String {
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes;
        let mut state = State::default();
        while let Some(&first) = rest.first() {
            if first == ESC {
                let (designation, length) = sets::escape(rest);
                state.designate(designation, self.base);
                rest = &rest[length..];
            } else if state.is_first_set() {
                let end = rest.iter().position(|&b| b == ESC);
                let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
                self.decode_run(run, &mut text);
                rest = after;
            } else {
                rest = &rest[state.decode_one(rest, kind, self.base, &mut text)..];
            }
        }
        text.truncate(text.trim_end_matches([' ', '\0']).len());
        text
    }

    /// Bytes of the first set, where no escape is in force.
    fn decode_run(&self, run: &[u8], text: &mut String) {
        if run.is_ascii() {
            text.extend(run.iter().copied().map(char::from));
            return;
        }
        let stray = self.stray.filter(|set| looks_like(set, run));
        let encoding = match self.base {
            Some(base) if base.is_single_byte() => stray.unwrap_or(base),
            Some(base) => base,
            None => stray.unwrap_or_else(|| self.guess(run)),
        };
        // Latin letters in front of signs (Ã¤) are no words: the writer meant UTF-8.
        let is_latin = encoding == WINDOWS_1252 || encoding == WINDOWS_1254;
        if encoding == UTF_8 || is_latin && utf8_letters(run).is_some() {
            return decode_utf8(run, text);
        }
        match encoding.decode_without_bom_handling_and_without_replacement(run) {
            Some(whole) => text.push_str(&whole),
            None => decode_each(encoding, run, text),
        }
    }

    /// The most likely encoding of eight-bit codes that no set was declared for in the place where they
    /// stand: as often the escape sequence is missing as the declaration.
    fn guess(&self, run: &[u8]) -> &'static Encoding {
        let utf8 = std::str::from_utf8(run).ok();
        // Pairs of East Asian codes can look like UTF-8 characters of two bytes, hardly of three.
        let long = |c: char| c > '\u{07FF}';
        if utf8.is_some_and(|text| self.others.is_empty() || text.contains(long)) {
            return UTF_8;
        }
        let mut candidates = self.others.clone();
        if candidates.contains(&EUC_JP) {
            candidates.insert(0, SHIFT_JIS);
        }
        let fits = |set: &&'static Encoding| decodes(set, run);
        let declared = candidates.into_iter().find(fits);
        declared.unwrap_or(if utf8.is_some() { UTF_8 } else { WINDOWS_1252 })
    }
}

/// What escape sequences have set.
#[derive(Default)]
struct State {
    /// `None`: ASCII, or JIS X 0201 romaji, which is read as ASCII.
    g0: Option<Shifted>,
    /// `None`: the first set's.
    g1: Option<&'static Encoding>,
}

impl State {
    const fn is_first_set(&self) -> bool {
        self.g0.is_none() && self.g1.is_none()
    }

    fn designate(&mut self, designation: Designation, base: Option<&'static Encoding>) {
        match designation {
            Designation::G0(set) => self.g0 = set,
            Designation::G1(set) => self.g1 = Some(set).filter(|_| Some(set) != base),
            Designation::Unknown => {}
        }
    }

    /// One character; how many bytes it took.
    fn decode_one(
        &mut self,
        bytes: &[u8],
        kind: TextKind,
        base: Option<&'static Encoding>,
        text: &mut String,
    ) -> usize {
        let first = bytes[0];
        if let Some(set) = self.g0
            && let Some(code) = set.code(bytes)
            && let Some(found) = decode_strict(set.encoding, &code)
        {
            text.push_str(&found);
            return set.width;
        }
        if first.is_ascii() {
            if kind.resets(first) {
                *self = Self::default();
            }
            text.push(char::from(first));
            return 1;
        }
        // Pairs announced for G0 and written with eight bits, by mistake, are in the set of G0.
        let of_g0 = self.g0.map(|set| set.encoding);
        let encoding = self.g1.or(base).or(of_g0).unwrap_or(WINDOWS_1252);
        take(encoding, bytes, text)
    }
}

fn decode_strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(std::borrow::Cow::into_owned)
}

fn decodes(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .is_some()
}

/// One character of an encoding, or one byte as Windows-1252 where it is none; how many bytes it took.
fn take(encoding: &'static Encoding, bytes: &[u8], text: &mut String) -> usize {
    let length = sets::code_length(encoding, bytes);
    if let Some(code) = bytes.get(..length)
        && let Some(found) = decode_strict(encoding, code)
    {
        text.push_str(&found);
        return length;
    }
    text.push_str(&WINDOWS_1252.decode_without_bom_handling(&bytes[..1]).0);
    1
}

fn decode_each(encoding: &'static Encoding, mut bytes: &[u8], text: &mut String) {
    while !bytes.is_empty() {
        bytes = &bytes[take(encoding, bytes, text)..];
    }
}

/// UTF-8, and what is none in it as Windows-1252; a last character that was cut off is marked as such.
fn decode_utf8(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        let is_cut = bytes.ends_with(invalid)
            && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if is_cut && !text.is_ascii() {
            text.push(char::REPLACEMENT_CHARACTER);
        } else {
            text.push_str(&WINDOWS_1252.decode_without_bom_handling(invalid).0);
        }
    }
}

/// The text as UTF-8 where that shows a letter beyond ASCII.
fn utf8_letters(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let letter = |c: char| !c.is_ascii() && c.is_alphabetic();
    text.contains(letter).then_some(text)
}

/// Whether text is plainly in a set of several bytes: UTF-8, or eight-bit codes in pairs throughout.
fn looks_like(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    if encoding == UTF_8 {
        return utf8_letters(bytes).is_some();
    }
    // A pair by itself is as likely two Latin letters (öß), unless it would be one of the hanzi in use.
    let is_pairs = |run: &[u8]| match run {
        [first, _] => *first < 0xD8,
        _ => run.len().is_multiple_of(2),
    };
    bytes.split(u8::is_ascii).all(is_pairs) && decodes(encoding, bytes)
}

#[cfg(test)]
mod tests;
