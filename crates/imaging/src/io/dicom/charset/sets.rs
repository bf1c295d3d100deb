//! The tables: names and escape sequences of the character sets (PS3.3 tables C.12-2 to C.12-5).

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252,
    WINDOWS_1254,
};

/// What a name of (0008,0005) stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    /// ISO-IR 6 alone.
    Ascii,
    /// A set whose eight-bit codes hold from the beginning.
    Base(&'static Encoding),
    /// A set that allows no escapes and no others beside it.
    Alone(&'static Encoding),
    /// A set that is reached by escape sequences only.
    Extension(&'static Encoding),
    /// No name known.
    Unknown,
}

/// Names without their `ISO_IR` or `ISO 2022 IR`. Latin-1, -5 and Thai are read as Microsoft's supersets,
/// JIS X 0201 as Shift_JIS, KS X 1001 and GB 2312 as the supersets in use.
const NAMES: [(&str, Declared); 25] = [
    ("6", Declared::Ascii),
    ("100", Declared::Base(WINDOWS_1252)),
    ("101", Declared::Base(ISO_8859_2)),
    ("109", Declared::Base(ISO_8859_3)),
    ("110", Declared::Base(ISO_8859_4)),
    ("144", Declared::Base(ISO_8859_5)),
    ("127", Declared::Base(ISO_8859_6)),
    ("126", Declared::Base(ISO_8859_7)),
    ("138", Declared::Base(ISO_8859_8)),
    ("148", Declared::Base(WINDOWS_1254)),
    ("203", Declared::Base(ISO_8859_15)),
    ("166", Declared::Base(WINDOWS_874)),
    ("13", Declared::Base(SHIFT_JIS)),
    ("14", Declared::Base(SHIFT_JIS)),
    ("192", Declared::Alone(UTF_8)),
    ("GB18030", Declared::Alone(GB18030)),
    ("GBK", Declared::Alone(GBK)),
    ("87", Declared::Extension(EUC_JP)),
    ("159", Declared::Extension(EUC_JP)),
    ("149", Declared::Extension(EUC_KR)),
    ("58", Declared::Extension(GBK)),
    // The CCITT's Chinese set holds GB 2312 at the same codes.
    ("165", Declared::Extension(GBK)),
    ("UTF8", Declared::Alone(UTF_8)),
    ("ASCII", Declared::Ascii),
    ("SHIFTJIS", Declared::Base(SHIFT_JIS)),
];

/// The set of a name, however it is spelt: case, spaces, hyphens and underscores do not matter, and
/// neither does `2022`. Names of the Internet are known too.
pub(super) fn declared(name: &[u8]) -> Declared {
    let name = String::from_utf8_lossy(name);
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_uppercase();
    let mut short = letters.as_str();
    for prefix in ["ISO", "2022", "IR", "2022"] {
        short = short.strip_prefix(prefix).unwrap_or(short);
    }
    let short = short.trim_start_matches('0');
    if let Some((_, set)) = NAMES.iter().find(|(known, _)| *known == short) {
        return *set;
    }
    let label = |name: &str| Encoding::for_label(name.as_bytes());
    match label(name).or_else(|| label(&letters)) {
        // Only sets that hold ASCII, and no switches of their own, can be those of a data set.
        Some(set) if set.is_ascii_compatible() => Declared::Base(set),
        _ => Declared::Unknown,
    }
}

/// Seven-bit codes that become those of an encoding when their high bits are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shifted {
    pub(super) encoding: &'static Encoding,
    /// Bytes of one character.
    pub(super) width: usize,
    /// What the encoding puts before each code.
    prefix: &'static [u8],
}

impl Shifted {
    const fn pairs(encoding: &'static Encoding) -> Self {
        Self {
            encoding,
            width: 2,
            prefix: &[],
        }
    }

    /// The code of the first character; `None` where there are no such seven-bit codes.
    pub(super) fn code(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let code = bytes.get(..self.width)?;
        let is_code = code.iter().all(|byte| (0x21..=0x7E).contains(byte));
        let high = code.iter().map(|byte| byte | 0x80);
        is_code.then(|| self.prefix.iter().copied().chain(high).collect())
    }
}

/// What an escape sequence does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Designation {
    /// Seven-bit codes are of this set from here on; `None`: ASCII.
    G0(Option<Shifted>),
    /// Eight-bit codes are of this set from here on.
    G1(&'static Encoding),
    /// No sequence of a character set.
    Unknown,
}

const KANA: Shifted = Shifted {
    encoding: SHIFT_JIS,
    width: 1,
    prefix: &[],
};
const SUPPLEMENTARY_KANJI: Shifted = Shifted {
    encoding: EUC_JP,
    width: 2,
    prefix: &[0x8F],
};

/// Sequences without their ESC. Some are not the standard's, and are found.
const ESCAPES: [(&[u8], Designation); 28] = [
    (b"(B", Designation::G0(None)),
    (b"(J", Designation::G0(None)),
    (b"(I", Designation::G0(Some(KANA))),
    (b"$B", Designation::G0(Some(Shifted::pairs(EUC_JP)))),
    (b"$@", Designation::G0(Some(Shifted::pairs(EUC_JP)))),
    (b"$(B", Designation::G0(Some(Shifted::pairs(EUC_JP)))),
    (b"$(D", Designation::G0(Some(SUPPLEMENTARY_KANJI))),
    (b"$(C", Designation::G0(Some(Shifted::pairs(EUC_KR)))),
    (b"$A", Designation::G0(Some(Shifted::pairs(GBK)))),
    (b"$(A", Designation::G0(Some(Shifted::pairs(GBK)))),
    (b"$(E", Designation::G0(Some(Shifted::pairs(GBK)))),
    (b")I", Designation::G1(SHIFT_JIS)),
    (b"$)B", Designation::G1(EUC_JP)),
    (b"$)C", Designation::G1(EUC_KR)),
    (b"$)A", Designation::G1(GBK)),
    (b"$)E", Designation::G1(GBK)),
    (b"-A", Designation::G1(WINDOWS_1252)),
    (b"-B", Designation::G1(ISO_8859_2)),
    (b"-C", Designation::G1(ISO_8859_3)),
    (b"-D", Designation::G1(ISO_8859_4)),
    (b"-F", Designation::G1(ISO_8859_7)),
    (b"-G", Designation::G1(ISO_8859_6)),
    (b"-H", Designation::G1(ISO_8859_8)),
    (b"-L", Designation::G1(ISO_8859_5)),
    (b"-M", Designation::G1(WINDOWS_1254)),
    (b"-T", Designation::G1(WINDOWS_874)),
    (b"-b", Designation::G1(ISO_8859_15)),
    (b"%G", Designation::G1(UTF_8)),
];

/// The escape sequence at the start of `bytes`, and its length; an unknown one is its ESC alone.
pub(super) fn escape(bytes: &[u8]) -> (Designation, usize) {
    let rest = bytes.get(1..).unwrap_or_default();
    let known = ESCAPES.iter().find(|(code, _)| rest.starts_with(code));
    known.map_or((Designation::Unknown, 1), |(code, designation)| {
        (*designation, 1 + code.len())
    })
}

/// How many bytes the character at the start of `bytes` should have, by the first two of them.
pub(super) fn code_length(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let (first, second) = (bytes[0], bytes.get(1).copied().unwrap_or(0));
    if first.is_ascii() || encoding.is_single_byte() {
        1
    } else if encoding == UTF_8 {
        match first {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        }
    } else if encoding == SHIFT_JIS && (0xA0..=0xDF).contains(&first) {
        1
    } else if encoding == EUC_JP && first == 0x8F {
        3
    } else if [GB18030, GBK].contains(&encoding) && second.is_ascii_digit() {
        4
    } else {
        2
    }
}
