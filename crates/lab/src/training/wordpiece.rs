//! A small vocabulary of pieces for M3D-CLIP's texts, in the form of BERT's `vocab.txt`.

use std::collections::{BTreeMap, BTreeSet};

/// The pieces that stand for no text, in BERT's order.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// Words seen less often are spelt.
const LEAST_COUNT: u64 = 4;

/// At most `limit` pieces: the special ones, every printable ASCII character at the beginning of a word and inside
/// one, then whole words of the corpus, the most frequent first. What is no word of the corpus is spelt.
pub(super) fn learn_pieces<'t>(corpus: impl Iterator<Item = &'t str>, limit: usize) -> Vec<String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for text in corpus {
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let mut words: Vec<(String, u64)> = counts.into_iter().collect();
    // Among equals the first in the alphabet.
    words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let characters = (33_u8..127).map(char::from).filter(|c| !c.is_uppercase());
    let single = characters.flat_map(|c| [c.to_string(), format!("##{c}")]);
    let mut pieces: Vec<String> = SPECIAL
        .map(str::to_owned)
        .into_iter()
        .chain(single)
        .collect();
    let known: BTreeSet<String> = pieces.iter().cloned().collect();
    let words = words
        .into_iter()
        .filter(|(word, count)| *count >= LEAST_COUNT && !word.is_empty() && !known.contains(word));
    let room = limit.saturating_sub(pieces.len());
    pieces.extend(words.take(room).map(|(word, _)| word));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use m3d_model::WordPieceTokenizer;

    #[test]
    fn frequent_words_are_one_piece_and_others_are_spelt() {
        let corpus = std::iter::repeat_n("The liver, the spleen; 12 mm.", 4);
        let pieces = learn_pieces(corpus.chain(["once"]), 4000);
        assert!(!pieces.contains(&"once".to_string()));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vocab.txt"), pieces.join("\n")).unwrap();
        let words = WordPieceTokenizer::open(folder.path()).unwrap();
        assert_eq!(words.encode("the Liver.", 64).unwrap().len(), 2 + 3);
        assert_eq!(words.encode("once", 64).unwrap().len(), 2 + 4);
        let unknown = pieces.iter().position(|p| p == "[UNK]").unwrap() as u32;
        assert!(
            !words
                .encode("12.5 mm (a/b)", 64)
                .unwrap()
                .contains(&unknown)
        );
    }

    #[test]
    fn there_are_no_more_than_asked_for() {
        let words: Vec<String> = (0..900).map(|n| format!("word{n}")).collect();
        let text = words.join(" ");
        let pieces = learn_pieces(std::iter::repeat_n(text.as_str(), 4), 300);
        assert_eq!(pieces.len(), 300);
        let unique: BTreeSet<_> = pieces.iter().collect();
        assert_eq!(unique.len(), 300);
    }
}
