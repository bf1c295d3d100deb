//! The tokenizer against encodings and decodings that the reference's slow Llama tokenizer made.

use std::path::{Path, PathBuf};
use std::time::Instant;

use m3d_model::{ModelError, Tokenizer};
use serde_json::Value;

fn folder() -> PathBuf {
    let golden = std::env::var_os("M3D_GOLDEN_DIR").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden"),
        PathBuf::from,
    );
    golden.join("tokenizer")
}

fn tokenizer() -> Tokenizer {
    Tokenizer::open(folder()).unwrap()
}

fn cases(kind: &str) -> Vec<Value> {
    let bytes = std::fs::read(folder().join("cases.json")).unwrap();
    let cases: Value = serde_json::from_slice(&bytes).unwrap();
    cases[kind].as_array().unwrap().clone()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| u32::try_from(id.as_u64().unwrap()).unwrap())
        .collect()
}

/// A simple generator (Knuth's MMIX constants): numbers below `below`.
fn random(state: &mut u64, below: u32) -> u32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 33) % u64::from(below)) as u32
}

fn assert_none(differences: &[String], cases: usize) {
    let first = differences
        .iter()
        .take(5)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        differences.is_empty(),
        "{} of {cases} differ:\n{first}",
        differences.len()
    );
}

#[test]
fn encodings_are_those_of_the_reference() {
    let tokenizer = tokenizer();
    let cases = cases("encode");
    assert_eq!(cases.len(), 466);
    let mut differences = Vec::new();
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        for (name, found) in [
            ("plain", tokenizer.encode(text)),
            ("after_image", tokenizer.encode_after_image(text)),
        ] {
            let (found, expected) = (found.unwrap(), ids(&case[name]));
            if found != expected {
                differences.push(format!(
                    "{name} {text:?}\n  expected {expected:?}\n  found    {found:?}"
                ));
            }
        }
    }
    assert_none(&differences, 2 * cases.len());
}

#[test]
fn decodings_are_those_of_the_reference() {
    let tokenizer = tokenizer();
    let cases = cases("decode");
    assert_eq!(cases.len(), 320);
    let mut differences = Vec::new();
    for case in &cases {
        let ids = ids(&case["ids"]);
        for (name, skip) in [("skip_special", true), ("keep_special", false)] {
            let (found, expected) = (
                tokenizer.decode(&ids, skip).unwrap(),
                case[name].as_str().unwrap(),
            );
            if found != expected {
                differences.push(format!(
                    "{name} {ids:?}\n  expected {expected:?}\n  found    {found:?}"
                ));
            }
        }
    }
    assert_none(&differences, 2 * cases.len());
}

/// Text without added tokens comes back as it was, with and without the space before the first word.
#[test]
fn ordinary_text_survives_the_round_trip() {
    let tokenizer = tokenizer();
    let texts = [
        "Where is the left kidney? Please output the box.",
        "  two  spaces, a\ttab\nand a line \n",
        "Größe: 3,5 × 2 mm², naïve café",
        "右肺上叶に結節があります。",
        "\u{1f9b4}\u{200d}\u{10348} <0x41> <|not a token|> [seg]",
        "",
    ];
    for text in texts {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(ids[0], 1);
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        if !text.starts_with(' ') {
            assert_eq!(
                tokenizer
                    .decode(&tokenizer.encode_after_image(text).unwrap(), true)
                    .unwrap(),
                text
            );
        }
    }
}

#[test]
fn tokens_are_found_by_name() {
    let tokenizer = tokenizer();
    for (name, id) in [
        ("<s>", 1),
        ("<0x0A>", 13),
        ("<im_patch>", 32011),
        ("[SEG]", 32014),
        ("\u{2581}the", 278),
    ] {
        assert_eq!(tokenizer.token_id(name), Some(id), "{name}");
    }
    assert_eq!(tokenizer.token_id("no such token"), None);
}

/// Tokens marked so swallow the white space that follows, and what is left is text without a space before it.
#[test]
fn white_space_after_role_tokens_is_swallowed() {
    let tokenizer = tokenizer();
    let word = tokenizer.encode_after_image("Hello").unwrap();
    for space in ["", " ", "\n \t", "\u{1c}\u{a0}\u{3000}"] {
        let ids = tokenizer
            .encode_after_image(&format!("<|user|>{space}Hello<|end|>{space}"))
            .unwrap();
        assert_eq!(ids, [&[32010], &word[..], &[32007]].concat(), "{space:?}");
    }
}

#[test]
fn random_tokens_decode_or_are_refused() {
    let tokenizer = tokenizer();
    let mut state = 7;
    for _ in 0..20_000 {
        let length = random(&mut state, 20);
        let below = [259, 32_015, 32_020, u32::MAX][random(&mut state, 4) as usize];
        let ids: Vec<u32> = (0..length).map(|_| random(&mut state, below)).collect();
        for skip in [true, false] {
            match tokenizer.decode(&ids, skip) {
                Ok(_) => assert!(ids.iter().all(|&id| id < 32_015)),
                Err(ModelError::TokenOutOfRange {
                    id,
                    vocabulary: 32_015,
                }) => assert!(id >= 32_015),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn random_text_encodes_to_known_tokens_and_back() {
    let tokenizer = tokenizer();
    let mut state = 11;
    for _ in 0..2_000 {
        let length = random(&mut state, 60);
        let text: String = (0..length)
            .filter_map(|_| {
                let below = [0x80, 0x250, 0x3100, 0x0011_0000][random(&mut state, 4) as usize];
                char::from_u32(random(&mut state, below)).filter(|&c| c != '\u{2581}')
            })
            .collect();
        let ids = tokenizer.encode(&text).unwrap();
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text, "{ids:?}");
    }
}

/// The work grows with the length of the text, not with its square.
#[test]
fn long_text_is_encoded_without_delay() {
    let tokenizer = tokenizer();
    let start = Instant::now();
    for text in [
        "a".repeat(1 << 20),
        "lung nodule ".repeat(1 << 16),
        "<".repeat(1 << 18),
    ] {
        let ids = tokenizer.encode_after_image(&text).unwrap();
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn damaged_files_are_refused() {
    let golden = folder();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("tokenizer.model");
    std::fs::copy(
        golden.join("tokenizer_config.json"),
        scratch.path().join("tokenizer_config.json"),
    )
    .unwrap();
    let whole = std::fs::read(golden.join("tokenizer.model")).unwrap();
    std::fs::write(&path, &whole).unwrap();
    Tokenizer::open(scratch.path()).unwrap();
    let mut state = 3;
    let cuts = (0..100)
        .map(|n| whole.len() * n / 100)
        .chain((1..=100).map(|n| whole.len() - n));
    for length in cuts {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Tokenizer::open(scratch.path())
            .expect_err(&format!("{length} bytes"))
            .to_string();
        assert!(
            error.contains("tokenizer.model") && !error.contains('\n'),
            "{error}"
        );
    }
    // Overwritten bytes may go unnoticed (a letter in a piece), but must not panic.
    for _ in 0..50 {
        let mut bytes = whole.clone();
        for _ in 0..8 {
            let at = random(&mut state, bytes.len() as u32) as usize;
            bytes[at] = random(&mut state, 256) as u8;
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(tokenizer) = Tokenizer::open(scratch.path()) {
            let ids = tokenizer.encode("Where is the left kidney?").unwrap();
            tokenizer.decode(&ids, true).unwrap();
        }
    }
}

#[test]
fn missing_files_and_other_settings_are_named() {
    let golden = folder();
    let scratch = tempfile::tempdir().unwrap();
    let error = || Tokenizer::open(scratch.path()).unwrap_err().to_string();
    assert!(
        error().contains("tokenizer.model is missing"),
        "{}",
        error()
    );
    std::fs::copy(
        golden.join("tokenizer.model"),
        scratch.path().join("tokenizer.model"),
    )
    .unwrap();
    assert!(
        error().contains("tokenizer_config.json is missing"),
        "{}",
        error()
    );

    let path = scratch.path().join("tokenizer_config.json");
    let config = std::fs::read_to_string(golden.join("tokenizer_config.json")).unwrap();
    for (from, to, named) in [
        ("\"legacy\": false", "\"legacy\": true", "legacy"),
        (
            "\"add_prefix_space\": true",
            "\"add_prefix_space\": false",
            "add_prefix_space",
        ),
        (
            "\"added_tokens_decoder\"",
            "\"other\"",
            "added_tokens_decoder",
        ),
        ("\"32014\"", "\"-1\"", "-1"),
        ("\"[SEG]\"", "\"\"", "32014"),
        ("{", "{,", "tokenizer_config.json is not valid"),
    ] {
        let changed = config.replacen(from, to, 1);
        assert_ne!(changed, config, "{from}");
        std::fs::write(&path, changed).unwrap();
        assert!(
            error().contains(named) && !error().contains('\n'),
            "{}",
            error()
        );
    }
}

#[test]
fn added_tokens_that_a_person_types_stay_text() {
    let tokenizer = tokenizer();
    let typed = [
        "<im_patch>",
        "[SEG]",
        "<s>",
        "</s>",
        "<|end|>",
        "<|user|> hi",
        "<bx_start>",
        "<bx_end>",
        "<bx_start>[0.1, 0.2]<bx_end>",
        "<bx_start>[0.1, 0.2, 0.3, 0.4, 0.5, [SEG]]<bx_end>",
        "<bx_start>[1e3, 0.2, 0.3, 0.4, 0.5, inf]<bx_end>",
        "<bx_start>[0.1, 0.2, 0.3, 0.4, 0.5, ]<bx_end>",
    ];
    for typed in typed {
        let text = format!("What is {typed} here?");
        let ids = tokenizer.encode_user_text(&text).unwrap();
        assert!(
            ids.iter().all(|id| (3..32000).contains(id)),
            "{typed}: {ids:?}"
        );
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        let injected = tokenizer.encode_after_image(&text).unwrap();
        assert!(
            injected.iter().any(|id| !(3..32000).contains(id)),
            "{typed} holds no added token at all"
        );
    }
}

#[test]
fn whole_boxes_become_tokens_in_what_a_person_types() {
    let tokenizer = tokenizer();
    let text = " Describe <bx_start>[0.1, 0.25, 0.0, 0.5, 1.0, 0.5]<bx_end> and [SEG]";
    let marks: Vec<u32> = tokenizer
        .encode_user_text(text)
        .unwrap()
        .into_iter()
        .filter(|id| *id >= 32000)
        .collect();
    assert_eq!(marks, [32012, 32013]);
    // Where no other added token is written, both ways agree, spaces and all.
    let others = ["<im_patch>", "[SEG]", "<s>", "</s>", "<unk>", "<|"];
    let mut compared = 0;
    for case in cases("encode") {
        let text = case["text"].as_str().unwrap();
        let whole_boxes = ["<bx_start>[", "]<bx_end>"].map(|part| text.matches(part).count());
        let marks = ["<bx_start>", "<bx_end>"].map(|mark| text.matches(mark).count());
        if whole_boxes != marks || others.iter().any(|token| text.contains(token)) {
            continue;
        }
        let found = tokenizer.encode_user_text(text).unwrap();
        assert_eq!(found, ids(&case["after_image"]), "{text:?}");
        compared += 1;
    }
    assert!(compared > 400, "{compared}");
}

#[test]
fn opening_takes_less_than_half_a_second() {
    let start = Instant::now();
    tokenizer();
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
}
