//! The tokenizer of M3D-CLIP's texts against encodings that the reference's slow BERT tokenizer made.

use std::path::{Path, PathBuf};

use m3d_model::WordPieceTokenizer;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    limit: usize,
    ids: Vec<u32>,
}

fn folder() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/wordpiece")
}

fn tokenizer() -> WordPieceTokenizer {
    WordPieceTokenizer::open(folder()).unwrap()
}

#[test]
fn encodings_are_those_of_the_reference() {
    let tokenizer = tokenizer();
    let text = std::fs::read(folder().join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&text).unwrap();
    assert!(cases.len() > 500);
    let mut differences = Vec::new();
    for Case { text, limit, ids } in &cases {
        let found = tokenizer.encode(text, *limit).unwrap();
        if found != *ids {
            differences.push(format!("{text:?} within {limit}: {found:?} is not {ids:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
}

#[test]
fn typed_special_tokens_are_text() {
    let tokenizer = tokenizer();
    let ids = tokenizer.encode("liver [SEP] [PAD]", 512).unwrap();
    let end = *ids.last().unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == end).count(), 1);
    assert!(!ids.contains(&tokenizer.padding()));
}

#[test]
fn no_limit_is_exceeded() {
    let tokenizer = tokenizer();
    let long = "liver,spleen ".repeat(100_000);
    let word = "肺".repeat(200_000);
    for text in ["", "liver", &long, &word] {
        for limit in [0, 1, 2, 3, 77, 512] {
            let ids = tokenizer.encode(text, limit).unwrap();
            assert!(ids.len() <= limit.max(2));
            let (first, last) = (ids[0], *ids.last().unwrap());
            assert_eq!([first, last], *tokenizer.encode("", 2).unwrap());
        }
    }
}

#[test]
fn broken_vocabularies_are_refused_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let refusal = || {
        let message = WordPieceTokenizer::open(place.path())
            .unwrap_err()
            .to_string();
        assert!(
            !message.contains('\n') && message.contains("vocab.txt"),
            "{message}"
        );
        message
    };
    refusal();
    let path = place.path().join("vocab.txt");
    std::fs::write(&path, b"[PAD]\n\xff\xfe\n").unwrap();
    refusal();
    let whole = std::fs::read_to_string(folder().join("vocab.txt")).unwrap();
    for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] {
        std::fs::write(&path, whole.replacen(token, "x", 1)).unwrap();
        assert!(refusal().contains(token));
    }
    std::fs::write(&path, &whole).unwrap();
    let tokenizer = WordPieceTokenizer::open(place.path()).unwrap();
    assert_eq!(tokenizer.vocabulary_size(), 357);
}
