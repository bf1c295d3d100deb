//! The standard's own examples against pydicom, and what writers get wrong.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{CharacterSet, TextKind};

fn decode(set: &str, bytes: &[u8]) -> String {
    CharacterSet::from_values(set.as_bytes()).decode(bytes, TextKind::Values)
}

fn decode_name(set: &str, bytes: &[u8]) -> String {
    CharacterSet::from_values(set.as_bytes()).decode(bytes, TextKind::Name)
}

#[test]
fn the_examples_of_the_standard_are_read_as_pydicom_reads_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/charsets.tsv");
    let table = fs::read_to_string(path).expect("the golden is beside the tests");
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[source, set, kind, hex, expected] = columns.as_slice() else {
            panic!("five columns: {line}");
        };
        let kind = match kind {
            "name" => TextKind::Name,
            "values" => TextKind::Values,
            _ => TextKind::Text,
        };
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let text = CharacterSet::from_values(set.as_bytes()).decode(&bytes, kind);
        let text = text.replace('\\', "\\\\").replace('\r', "\\r");
        let text = text.replace('\n', "\\n").replace('\t', "\\t");
        assert_eq!(text, expected, "{source} in {set}");
        rows += 1;
    }
    assert!(rows >= 50, "{rows} rows");
}

#[test]
fn misspelt_names_are_known() {
    let latin1 = [
        "ISO_IR 100",
        "ISO-IR 100",
        "ISO IR 100",
        "ISO_IR_100",
        "iso_ir 100",
        "ISOIR100",
        "IR 100",
        "ISO 2022 IR 100",
        "ISO_2022_IR_100",
        "ISO2022IR100",
        " ISO_IR 100 ",
        "ISO_IR 100\0",
        "ISO 8859-1",
        "ISO8859-1",
        "latin1",
    ];
    for name in latin1 {
        assert_eq!(decode(name, b"Sch\xe4del"), "Schädel", "{name}");
        // What is no valid UTF-8 would be read so anyway: compare the sets too.
        let set = CharacterSet::from_values(name.as_bytes());
        assert_eq!(set, CharacterSet::from_values(b"ISO_IR 100"), "{name}");
    }
    for name in [
        "ISO_IR 192",
        "ISO_IR_192",
        "ISO-IR-192",
        "UTF8",
        "UTF-8",
        "utf-8",
        "ISO 2022 IR 192",
    ] {
        let set = CharacterSet::from_values(name.as_bytes());
        assert_eq!(set, CharacterSet::from_values(b"ISO_IR 192"), "{name}");
    }
    for name in [
        "ISO 2022 IR 149",
        "ISO2022IR 149",
        "ISO_IR 149",
        "iso-2022-ir-149",
    ] {
        assert_eq!(decode(name, b"CT \xba\xb9\xba\xce"), "CT 복부", "{name}");
    }
    assert_eq!(decode("GB2312", b"\xb8\xb9\xb2\xbf"), "腹部");
    assert_eq!(decode("ISO 2022 58", b"\xb8\xb9\xb2\xbf"), "腹部");
    assert_eq!(decode("windows-1251", b"\xcc\xee\xe7\xe3"), "Мозг");
}

#[test]
fn sets_of_one_byte_need_no_escape_as_the_only_value() {
    assert_eq!(decode("ISO 2022 IR 148", b"Kafatas\xfd"), "Kafatası");
    assert_eq!(decode("ISO 2022 IR 144", b"\xbc\xde\xd7\xd3"), "Мозг");
    assert_eq!(decode("ISO_IR 203", b"10 \xa4 \xbd"), "10 € œ");
    assert_eq!(decode("\\ISO 2022 IR 203", b"\x1b-b\xa4"), "€");
    assert_eq!(decode("ISO 2022 IR 13", b"\xd4\xcf\xc0\xde"), "ﾔﾏﾀﾞ");
    assert_eq!(
        decode("\\ISO 2022 IR 13", b"CT \x1b)I\xd4\xcf\xc0\xde"),
        "CT ﾔﾏﾀﾞ"
    );
}

#[test]
fn the_second_byte_of_a_character_is_no_delimiter() {
    // Shift_JIS under ISO_IR 13: the second byte of 表 is a backslash.
    assert_eq!(decode("ISO_IR 13", b"\x94\x5c\x95\x5c\\CT"), "能表\\CT");
    // GBK and GB 18030: the second byte of 乗 is a backslash, that of 乛 a circumflex.
    assert_eq!(decode_name("GBK", b"\x81\x5c^\x81\x5e"), "乗^乛");
    assert_eq!(decode_name("GB18030", b"\x81\x5c^\x81\x5e"), "乗^乛");
    // JIS X 0208: 春 begins with an equals sign, ま ends with a circumflex.
    let name = decode_name("\\ISO 2022 IR 87", b"Haru=\x1b$B=U$^\x1b(B^\x1b$B=U\x1b(B");
    assert_eq!(name, "Haru=春ま^春");
}

#[test]
fn missing_escape_sequences_are_made_up_for() {
    // No escape sequence back to ASCII before the circumflex.
    let name = decode_name("\\ISO 2022 IR 87", b"\x1b$B;3ED^\x1b$BBB@O:");
    assert!(name.starts_with("山田^"), "{name}");
    // No second announcement after it.
    let korean = b"Hong^Gildong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7";
    assert_eq!(
        decode_name("\\ISO 2022 IR 149", korean),
        "Hong^Gildong=洪^吉洞"
    );
    // None at all.
    assert_eq!(decode("\\ISO 2022 IR 149", b"CT \xc8\xab"), "CT 홍");
    assert_eq!(
        decode("ISO 2022 IR 6\\ISO 2022 IR 58", b"CT \xb8\xb9\xb2\xbf"),
        "CT 腹部"
    );
    assert_eq!(
        decode("\\ISO 2022 IR 87", b"CT \x95\xa0\x95\x94"),
        "CT 腹部"
    );
    assert_eq!(decode("\\ISO 2022 IR 149", "CT 복부".as_bytes()), "CT 복부");
    // Eight-bit codes where seven-bit ones were announced.
    assert_eq!(
        decode("\\ISO 2022 IR 87", b"\x1b$B\xca\xa2\xc9\xf4\x1b(B"),
        "腹部"
    );
}

#[test]
fn escapes_are_followed_without_a_declaration() {
    assert_eq!(decode("", b"CT \x1b$)C\xba\xb9\xba\xce"), "CT 복부");
    assert_eq!(decode("", b"CT \x1b$BJ"), "CT J");
    assert_eq!(
        decode(
            "ISO 2022 IR 100\\ISO 2022 IR 165",
            b"CT \x1b$)E\xb8\xb9\xb2\xbf"
        ),
        "CT 腹部"
    );
    assert_eq!(
        decode(
            "ISO 2022 IR 6\\ISO 2022 IR 165",
            b"CT \x1b$(E89\x32\x3f\x1b(B"
        ),
        "CT 腹部"
    );
    // What is no sequence of a character set stays, without the ESC.
    assert_eq!(decode("", b"a\x1b[2Jb\x1b"), "a[2Jb");
}

#[test]
fn a_set_that_allows_no_others_may_come_second() {
    let set = "ISO_IR 100\\GB18030";
    assert_eq!(decode(set, b"CT \xb8\xb9\xb2\xbf"), "CT 腹部");
    assert_eq!(decode(set, b"CT Sch\xe4del"), "CT Schädel");
    assert_eq!(decode(set, b"CT Gr\xf6\xdfe"), "CT Größe");
    assert_eq!(decode("\\GB18030", b"CT \xb8\xb9\xb2\xbf"), "CT 腹部");
    assert_eq!(
        decode("ISO_IR 100\\ISO_IR 192", "CT 腹部".as_bytes()),
        "CT 腹部"
    );
    assert_eq!(
        decode("ISO_IR 100\\ISO_IR 192", b"CT Sch\xe4del"),
        "CT Schädel"
    );
    assert_eq!(
        decode("ISO_IR 192\\ISO 2022 IR 58", "CT 腹部".as_bytes()),
        "CT 腹部"
    );
}

#[test]
fn undeclared_text_is_utf8_or_windows_1252() {
    for set in [
        "",
        "ISO_IR 6",
        "ISO 2022 IR 6",
        "ISO-IR 999",
        "\0",
        "\\",
        "\u{fffd}",
    ] {
        assert_eq!(decode(set, b"CT Sch\xe4del"), "CT Schädel", "{set}");
        assert_eq!(
            decode(set, "CT Schädel 腹部".as_bytes()),
            "CT Schädel 腹部",
            "{set}"
        );
        assert_eq!(decode(set, b"\x80\x93CT\x94"), "€“CT”", "{set}");
    }
}

#[test]
fn utf8_and_latin1_are_told_apart_under_the_wrong_name() {
    assert_eq!(
        decode("ISO_IR 100", "Größe Schädel".as_bytes()),
        "Größe Schädel"
    );
    assert_eq!(decode("ISO_IR 148", "Kafatası".as_bytes()), "Kafatası");
    assert_eq!(decode("ISO_IR 100", b"\xabCAF\xc9\xbb"), "«CAFÉ»");
    assert_eq!(decode("ISO_IR 192", b"Sch\xe4del"), "Schädel");
    assert_eq!(decode("ISO_IR 192", b"gro\xdf"), "groß");
    // A text cut in the middle of a character.
    assert_eq!(decode("ISO_IR 192", b"\xe8\x85\xb9\xe9\x83"), "腹\u{fffd}");
}

#[test]
fn padding_ends_a_text() {
    assert_eq!(decode("ISO_IR 100", b" CT \0 "), " CT");
    assert_eq!(decode("", b""), "");
}

proptest! {
    #[test]
    fn no_bytes_are_lost_and_none_panic(set in 0..9_usize, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let sets = ["", "ISO_IR 100", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 87\\ISO 2022 IR 159",
            "\\ISO 2022 IR 149", "ISO_IR 100\\GB18030", "ISO_IR 13", "ISO_IR 166"];
        for kind in [TextKind::Name, TextKind::Values, TextKind::Text] {
            let text = CharacterSet::from_values(sets[set].as_bytes()).decode(&bytes, kind);
            // Four bytes make one character at most; an escape sequence of at most four makes none.
            let visible = bytes.iter().filter(|b| !b" \0".contains(b)).count();
            let escapes = bytes.split(|&b| b == 0x1b).count() - 1;
            prop_assert!((text.chars().count() + escapes) * 4 >= visible);
        }
    }

    #[test]
    fn ascii_is_read_as_it_is(text in "[ -~]{0,40}[!-~]") {
        for set in ["", "ISO_IR 100", "ISO_IR 192", "GBK", "ISO_IR 13", "\\ISO 2022 IR 87"] {
            prop_assert_eq!(&decode(set, text.as_bytes()), &text);
        }
    }
}
