//! A small tokenizer of a model's own, learnt from a corpus and written in the public checkpoints' files.
//!
//! Byte-pair encoding as sentencepiece has it, with a byte for whatever has no piece: any text can be typed. Pieces
//! never reach over the end of a word, and digits stand alone, but for the numbers of boxes: each that the prepared
//! image's grid can give is one piece with the comma before it. A box is six pieces between two brackets, so that a
//! place is one choice among a grid's lines rather than a row of digits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::{Value, json};

use super::TrainingError;
use super::files::write_whole;
use crate::dataset::box_number;
use m3d_model::file_names;
use m3d_model::sentencepiece::SPACE;

/// What boxes' numbers begin with, built up from left to right.
const NUMBER_STARTS: [&str; 3] = ["0.", "\u{2581}0.", ",\u{2581}0."];
/// Pieces seen less often are not worth a row of the embedding.
const LEAST_COUNT: u64 = 4;
/// The tokens after the pieces: name, whether it is special, whether white space after it is dropped.
const ADDED: [(&str, bool, bool); 8] = [
    ("<|endoftext|>", true, false),
    ("<|assistant|>", true, true),
    ("<|end|>", true, true),
    ("<|user|>", true, true),
    ("<im_patch>", true, false),
    ("<bx_start>", true, false),
    ("<bx_end>", true, false),
    ("[SEG]", false, false),
];

/// The ids that a model's configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VocabularyIds {
    /// `<s>`.
    pub begin: u32,
    /// What ends an answer and fills up batches, `<|endoftext|>`.
    pub end: u32,
    /// `[SEG]`.
    pub seg: u32,
    /// Tokens in all.
    pub count: usize,
}

/// A vocabulary of pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// Pieces of text after the three special ones and the 256 bytes, with their scores.
    pieces: Vec<(String, f32)>,
}

impl Vocabulary {
    /// Learns at most `limit` tokens (bytes, single characters and the numbers of boxes included) from a corpus, for
    /// prepared images of `grid` voxels.
    pub fn learn<'t>(
        corpus: impl Iterator<Item = &'t str>,
        limit: usize,
        grid: [usize; 3],
    ) -> Self {
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        for text in corpus {
            for word in split(text) {
                *words.entry(word).or_default() += 1;
            }
        }
        let mut words: Vec<(Vec<String>, u64)> = words
            .into_iter()
            .map(|(word, count)| (word.chars().map(String::from).collect(), count))
            .collect();
        let mut pieces: Vec<(String, f32)> = NUMBER_STARTS
            .iter()
            .enumerate()
            .map(|(n, start)| ((*start).to_string(), n as f32 - 3.0))
            .collect();
        for number in number_pieces(grid) {
            let score = -4.0 - pieces.len() as f32;
            pieces.push((number, score));
        }
        let single = std::iter::once(SPACE)
            .chain((33..127).map(char::from))
            .map(String::from);
        let single: Vec<String> = single.collect();
        let room = limit.saturating_sub(3 + 256 + single.len() + ADDED.len());
        while pieces.len() < room {
            let Some((left, right)) = most_frequent(&words) else {
                break;
            };
            for (parts, _) in &mut words {
                join(parts, &left, &right);
            }
            let score = -4.0 - pieces.len() as f32;
            pieces.push((format!("{left}{right}"), score));
        }
        let last = -4.0 - pieces.len() as f32;
        let known = |text: &String| !NUMBER_STARTS.contains(&text.as_str());
        pieces.extend(single.into_iter().filter(known).map(|text| (text, last)));
        Self { pieces }
    }

    /// The ids of the tokens that a configuration names.
    pub fn ids(&self) -> VocabularyIds {
        let first = self.first_added();
        let id = |name: &str| first + ADDED.iter().position(|a| a.0 == name).unwrap_or(0) as u32;
        VocabularyIds {
            begin: 1,
            end: id("<|endoftext|>"),
            seg: id("[SEG]"),
            count: first as usize + ADDED.len(),
        }
    }

    fn first_added(&self) -> u32 {
        (3 + 256 + self.pieces.len()) as u32
    }

    /// Writes `tokenizer.model`, `tokenizer_config.json`, `added_tokens.json`, `special_tokens_map.json` and
    /// `generation_config.json` into a folder.
    pub fn write(&self, folder: &Path) -> Result<(), TrainingError> {
        let ids = self.ids();
        let added = |n: usize| self.first_added() + n as u32;
        let entry = |content: &str, special: bool, rstrip: bool| {
            json!({
                "content": content, "lstrip": false, "normalized": false, "rstrip": rstrip,
                "single_word": false, "special": special,
            })
        };
        let mut listed = serde_json::Map::new();
        for (id, name) in ["<unk>", "<s>", "</s>"].iter().enumerate() {
            listed.insert(id.to_string(), entry(name, id < 2, id == 2));
        }
        let mut names = serde_json::Map::new();
        for (n, (name, special, rstrip)) in ADDED.iter().enumerate() {
            listed.insert(added(n).to_string(), entry(name, *special, *rstrip));
            names.insert((*name).to_string(), json!(added(n)));
        }
        let marks = json!(["<im_patch>", "<bx_start>", "<bx_end>"]);
        let config = json!({
            "add_bos_token": true,
            "add_eos_token": false,
            "add_prefix_space": true,
            "added_tokens_decoder": listed,
            "additional_special_tokens": marks,
            "bos_token": "<s>",
            "clean_up_tokenization_spaces": false,
            "eos_token": "<|endoftext|>",
            "legacy": false,
            "model_max_length": 4096,
            "pad_token": "<|endoftext|>",
            "padding_side": "right",
            "sp_model_kwargs": {},
            "spaces_between_special_tokens": false,
            "tokenizer_class": "LlamaTokenizer",
            "unk_token": "<unk>",
            "use_default_system_prompt": false,
        });
        let special = json!({
            "additional_special_tokens": marks,
            "bos_token": "<s>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<unk>",
        });
        let generation = json!({
            "bos_token_id": ids.begin,
            "eos_token_id": [ids.end],
            "pad_token_id": ids.end,
        });
        write_whole(&folder.join(file_names::TOKENIZER), &self.protobuf())?;
        for (name, value) in [
            (file_names::TOKENIZER_CONFIG, config),
            (file_names::ADDED_TOKENS, Value::Object(names)),
            (file_names::SPECIAL_TOKENS, special),
            (file_names::GENERATION_CONFIG, generation),
        ] {
            write_whole(&folder.join(name), format!("{value:#}\n").as_bytes())?;
        }
        Ok(())
    }

    /// The `ModelProto` of sentencepiece.
    fn protobuf(&self) -> Vec<u8> {
        let mut model = Vec::new();
        let mut piece = |text: &str, score: f32, kind: u64| {
            let mut message = Vec::new();
            put_bytes(&mut message, 1, text.as_bytes());
            put_varint(&mut message, 2 << 3 | 5);
            message.extend(score.to_le_bytes());
            if kind != NORMAL {
                put_number(&mut message, 3, kind);
            }
            put_bytes(&mut model, 1, &message);
        };
        piece("<unk>", 0.0, UNKNOWN);
        piece("<s>", 0.0, CONTROL);
        piece("</s>", 0.0, CONTROL);
        for byte in 0..=u8::MAX {
            piece(&format!("<0x{byte:02X}>"), 0.0, BYTE);
        }
        for (text, score) in &self.pieces {
            piece(text, *score, NORMAL);
        }
        let mut trainer = Vec::new();
        put_number(&mut trainer, 3, 2); // byte-pair encoding
        put_number(&mut trainer, 4, u64::from(self.first_added()));
        put_number(&mut trainer, 25, 1); // digits stand alone
        put_number(&mut trainer, 35, 1); // bytes for what has no piece
        put_bytes(&mut model, 2, &trainer);
        let mut normalizer = Vec::new();
        put_bytes(&mut normalizer, 1, b"identity");
        put_number(&mut normalizer, 3, 1); // a space before the text
        put_number(&mut normalizer, 4, 0); // further spaces stay
        put_number(&mut normalizer, 5, 1); // spaces are written as U+2581
        put_bytes(&mut model, 3, &normalizer);
        model
    }
}

const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const BYTE: u64 = 6;

fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn put_number(to: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(to, field << 3);
    put_varint(to, number);
}

fn put_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(to, field << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend(bytes);
}

/// The stretches that pieces may not reach over: runs of letters with the space before them; all else one by one.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        let c = if c == ' ' { SPACE } else { c };
        if c == SPACE {
            words.push(SPACE.to_string());
            open = true;
        } else if let (true, true, Some(word)) = (open, c.is_alphabetic(), words.last_mut()) {
            word.push(c);
        } else {
            words.push(c.to_string());
            open = c.is_alphabetic();
        }
    }
    words
}

/// What the numbers of a grid's boxes are put together from, from left to right: `0.3`, `0.32`, `0.328`, and the same
/// after a comma.
fn number_pieces(grid: [usize; 3]) -> BTreeSet<String> {
    let mut pieces = BTreeSet::new();
    for length in grid {
        for index in 0..length {
            let number = box_number(index, length);
            for end in 3..=number.len() {
                let number = &number[..end];
                pieces.insert(number.to_owned());
                pieces.insert(format!(",{SPACE}{number}"));
            }
        }
    }
    pieces
}

/// The two neighbours that stand together most often; the first in the alphabet among equals.
fn most_frequent(words: &[(Vec<String>, u64)]) -> Option<(String, String)> {
    let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
    for (parts, count) in words {
        for pair in parts.windows(2) {
            *counts
                .entry((pair[0].as_str(), pair[1].as_str()))
                .or_default() += count;
        }
    }
    let (pair, count) = counts
        .into_iter()
        .max_by(|(a, n), (b, m)| n.cmp(m).then_with(|| b.cmp(a)))?;
    (count >= LEAST_COUNT).then(|| (pair.0.to_string(), pair.1.to_string()))
}

fn join(parts: &mut Vec<String>, left: &str, right: &str) {
    let mut n = 0;
    while n + 1 < parts.len() {
        if parts[n] == left && parts[n + 1] == right {
            let second = parts.remove(n + 1);
            parts[n].push_str(&second);
        }
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m3d_model::Tokenizer;

    const GRID: [usize; 3] = [32, 64, 64];
    const CORPUS: [&str; 4] = [
        " Can you segment the liver in this image?",
        " Sure, it is <bx_start>[0.125, 0.5, 0.969, 0.25, 0.75, 0.984]<bx_end>.",
        " There is a hypoattenuating liver lesion of 12 mm in the right lobe.",
        " The liver, the spleen and the kidneys are unremarkable.",
    ];

    fn tokenizer() -> (tempfile::TempDir, Tokenizer, VocabularyIds) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = (0..4).flat_map(|_| CORPUS);
        let vocabulary = Vocabulary::learn(corpus, 800, GRID);
        vocabulary.write(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        (folder, tokenizer, vocabulary.ids())
    }

    #[test]
    fn the_reader_gives_every_text_back() {
        let (_folder, tokenizer, ids) = tokenizer();
        for text in CORPUS.into_iter().chain([
            " words never seen: Zürich 37 °C, 肝臓, \u{1F600}, tab\tand  two spaces",
            " 0.5 and 10.25, 0.001",
            "[0.127, 0.516, 0.999, 0.0, 1.0, 0.333]",
        ]) {
            let encoded = tokenizer.encode_after_image(text).unwrap();
            assert!(encoded.iter().all(|&id| (id as usize) < ids.count));
            let decoded = tokenizer.decode(&encoded, false).unwrap();
            // Added tokens stand apart when decoded, as in the reference.
            let plain = |text: &str| text.replace(' ', "");
            assert_eq!(plain(&decoded), plain(text), "{text:?}");
        }
    }

    #[test]
    fn words_of_the_corpus_are_few_pieces_and_boxes_regular() {
        let (_folder, tokenizer, ids) = tokenizer();
        let words = tokenizer.encode_after_image(" the liver").unwrap();
        assert_eq!(words.len(), 2);
        let on_grid = "<bx_start>[0.125, 0.0, 0.969, 0.25, 0.516, 0.984]<bx_end>";
        assert_eq!(tokenizer.encode_user_text(on_grid).unwrap().len(), 4 + 6);
        let between = "<bx_start>[0.127, 0.002, 0.966, 0.257, 0.511, 0.999]<bx_end>";
        assert!(tokenizer.encode_user_text(between).unwrap().len() > 4 + 6);
        let digits: Vec<u32> = (0..10)
            .map(|digit| tokenizer.token_id(&digit.to_string()).unwrap())
            .collect();
        assert_eq!(tokenizer.token_id("[SEG]"), Some(ids.seg));
        assert_eq!(tokenizer.token_id("<|endoftext|>"), Some(ids.end));
        assert_eq!(tokenizer.token_id("<s>"), Some(ids.begin));
        assert_eq!(
            tokenizer.encode_after_image("12").unwrap(),
            [digits[1], digits[2]]
        );
    }

    #[test]
    fn the_same_corpus_gives_the_same_file() {
        let twice: Vec<Vec<u8>> = (0..2)
            .map(|_| Vocabulary::learn((0..4).flat_map(|_| CORPUS), 800, GRID).protobuf())
            .collect();
        assert_eq!(twice[0], twice[1]);
    }
}
