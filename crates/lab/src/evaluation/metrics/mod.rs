//! The measures of M3D-Bench: pure functions of answers and truths. Each says which paper and which public package it
//! follows; `crates/lab/tests/metrics.rs` compares them with what those packages compute.

mod bertscore;
mod bleu;
mod boxes;
mod dice;
mod findings;
mod meteor;
mod names;
mod porter;
mod recall;
mod rouge;
mod sentences;
mod text;
mod treebank;
mod wordnet;

pub use bertscore::{BertScoreError, BertScorer};
pub use bleu::{BleuCounts, bleu1, tokenize_13a};
pub use boxes::{iou, reference_iou, written_box};
pub use dice::{hard_dice, soft_dice};
pub use findings::{FindingCounts, findings};
pub use meteor::{meteor, meteor_of_words};
pub use names::{NameList, has_letter, is_refusal};
pub use porter::stem;
pub use recall::{ranks, recall_at, transposed};
pub use rouge::rouge1;
pub use treebank::word_tokenize;
pub use wordnet::{WordNet, WordNetError};
