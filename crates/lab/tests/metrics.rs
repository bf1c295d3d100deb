//! The measures of texts against what the public packages compute: sacrebleu, rouge-score, NLTK, bert-score. The cases
//! are made by `tests/golden/metrics/make_cases.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use m3d_lab::evaluation::metrics::{
    BertScorer, BleuCounts, WordNet, bleu1, meteor, rouge1, stem, word_tokenize,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Cases {
    corpus_bleu1: f64,
    #[serde(rename = "cases")]
    texts: Vec<Case>,
    stems: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Case {
    prediction: String,
    reference: String,
    words: Vec<String>,
    bleu1: f64,
    rouge1: f64,
    meteor: f64,
    meteor_wordnet: f64,
}

#[derive(Deserialize)]
struct BertCases {
    #[serde(rename = "cases")]
    texts: Vec<BertCase>,
}

#[derive(Deserialize)]
struct BertCase {
    prediction: String,
    reference: String,
    f1: f64,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/metrics")
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap()
}

/// Compares a measure of all cases; tells every one that differs.
fn compare(what: &str, measure: impl Fn(&Case) -> [f64; 2]) {
    let cases: Cases = read("cases.json");
    assert!(cases.texts.len() >= 100);
    let mut wrong = Vec::new();
    for case in &cases.texts {
        let [found, wanted] = measure(case);
        if (found - wanted).abs() >= 1e-9 {
            wrong.push(format!(
                "{:?} / {:?}: {found} is not {wanted}",
                case.prediction, case.reference
            ));
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn words_are_nltks() {
    let cases: Cases = read("cases.json");
    let mut wrong = Vec::new();
    for case in cases.texts {
        let found = word_tokenize(&case.prediction);
        if found != case.words {
            wrong.push(format!(
                "{:?}\n  {found:?}\n  {:?}",
                case.prediction, case.words
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stems_are_nltks() {
    let cases: Cases = read("cases.json");
    assert!(cases.stems.len() > 300);
    for (word, wanted) in cases.stems {
        assert_eq!(stem(&word), wanted, "{word}");
    }
}

#[test]
fn bleu_is_sacrebleus() {
    compare("bleu1", |c| [bleu1(&c.prediction, &c.reference), c.bleu1]);
    let cases: Cases = read("cases.json");
    let counts = cases.texts.iter().fold(BleuCounts::default(), |sum, c| {
        sum.and(BleuCounts::of(&c.prediction, &c.reference))
    });
    let (found, wanted) = (counts.score(), cases.corpus_bleu1);
    assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
}

#[test]
fn rouge_is_rouge_scores() {
    compare("rouge1", |c| {
        [rouge1(&c.prediction, &c.reference), c.rouge1]
    });
}

#[test]
fn meteor_is_nltks() {
    compare("meteor", |c| {
        [meteor(&c.prediction, &c.reference, None), c.meteor]
    });
    let wordnet = WordNet::open(&folder().join("wordnet")).unwrap();
    compare("meteor with synonyms", |c| {
        [
            meteor(&c.prediction, &c.reference, Some(&wordnet)),
            c.meteor_wordnet,
        ]
    });
    let cases: Cases = read("cases.json");
    let with_synonyms = |c: &&Case| (c.meteor - c.meteor_wordnet).abs() > 1e-6;
    let differing = cases.texts.iter().filter(with_synonyms).count();
    assert!(differing >= 3, "{differing} cases use synonyms");
}

#[test]
fn bertscore_is_bert_scores() {
    let scorer = BertScorer::open(&folder().join("bert")).unwrap();
    let cases: BertCases = read("bertscore.json");
    assert!(cases.texts.len() >= 30);
    for case in cases.texts {
        let found = scorer.f1(&case.prediction, &case.reference).unwrap();
        // Both sides are computed in f32.
        assert!(
            (found - case.f1).abs() < 2e-5,
            "{:?} / {:?}: {found} is not {}",
            case.prediction,
            case.reference,
            case.f1
        );
    }
}

#[test]
fn damaged_and_missing_helpers_are_told_in_one_line() {
    let empty = tempfile::tempdir().unwrap();
    let error = WordNet::open(empty.path()).unwrap_err().to_string();
    assert!(
        error.contains("index.noun") && !error.contains('\n'),
        "{error}"
    );
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder().join("wordnet")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    fs::write(copy.path().join("data.verb"), "00000021 03 v zz measure\n").unwrap();
    let error = WordNet::open(copy.path()).unwrap_err().to_string();
    assert!(error.contains("data.verb: line 1"), "{error}");
    let error = BertScorer::open(empty.path()).err().unwrap().to_string();
    assert!(
        error.contains("vocab.txt") && !error.contains('\n'),
        "{error}"
    );
}
