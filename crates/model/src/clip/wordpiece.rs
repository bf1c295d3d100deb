//! Text to the tokens of bert-base-uncased, as the reference does it: the slow BERT tokenizer of the transformers
//! library.
//!
//! The steps are those of the `tokenizers` crate: control characters dropped, ideographs set apart, accents stripped,
//! lower case, a cut at every punctuation mark, then the longest pieces of the vocabulary from left to right. The
//! crate knows the characters of Unicode 9, the reference those of its Python; the two differ in what younger
//! scripts hold and for 256 rare ideographs (U+2B820 to U+2B91F), none of which are in the vocabulary.

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer,
};

use crate::file_names::VOCABULARY;
use crate::{ModelError, ModelFolder};

/// Largest vocabulary file that is read; that of bert-base-uncased has 232 kB.
const MAX_VOCABULARY_BYTES: u64 = 64 << 20;
/// Longest word that is looked at, in characters: it bounds the memory that a text without spaces takes. Words beyond
/// 100 letters are unknown anyway.
const MAX_WORD: usize = 1 << 16;
const HINT: &str = "copy the checkpoint's vocab.txt into this folder";

/// The tokenizer of M3D-CLIP's texts.
#[derive(Debug)]
pub struct WordPieceTokenizer {
    model: WordPiece,
    normalizer: BertNormalizer,
    begin: u32,
    end: u32,
    padding: u32,
}

impl WordPieceTokenizer {
    /// Reads `vocab.txt` of a checkpoint folder: one piece a line, its id the line's number from 0.
    ///
    /// # Errors
    /// The file is missing or not text, or lacks `[PAD]`, `[UNK]`, `[CLS]` or `[SEP]`.
    pub fn open(folder: impl Into<ModelFolder>) -> Result<Self, ModelError> {
        let folder = folder.into();
        let bytes = folder.read(VOCABULARY, MAX_VOCABULARY_BYTES, HINT)?;
        Self::parse(&bytes)
            .map_err(|message| ModelError::tokenizer(&folder.file(VOCABULARY), message))
    }

    fn parse(vocabulary: &[u8]) -> Result<Self, String> {
        let damaged = |e| format!("the vocabulary cannot be read ({e}); fetch the file again");
        let pieces = WordPiece::read_bytes(vocabulary).map_err(damaged)?;
        let id_of = |token: &str| {
            let id = pieces.get(token).copied();
            id.ok_or_else(|| format!("the vocabulary lacks {token}; fetch the file again"))
        };
        let (begin, end, padding) = (id_of("[CLS]")?, id_of("[SEP]")?, id_of("[PAD]")?);
        id_of("[UNK]")?;
        Ok(Self {
            model: WordPiece::builder()
                .vocab(pieces)
                .build()
                .map_err(damaged)?,
            normalizer: BertNormalizer::default(),
            begin,
            end,
            padding,
        })
    }

    /// `[CLS]`, the text's pieces, `[SEP]`: at most `limit` ids (and at least two), what does not fit is left out.
    ///
    /// Special tokens that somebody typed are text like any other.
    pub fn encode(&self, text: &str, limit: usize) -> Result<Vec<u32>, ModelError> {
        let room = limit.saturating_sub(1).max(1);
        let mut ids = vec![self.begin];
        // Word by word, so that a text far longer than the limit is not worked through to its end.
        for word in text.split([' ', '\t', '\n', '\r']) {
            if ids.len() >= room {
                break;
            }
            self.encode_word(word, &mut ids)
                .map_err(|e| ModelError::Compute(format!("splitting a text failed: {e}")))?;
        }
        ids.truncate(room);
        ids.push(self.end);
        Ok(ids)
    }

    /// The id that fills the shorter texts of a batch.
    pub const fn padding(&self) -> u32 {
        self.padding
    }

    /// Pieces in the vocabulary.
    pub fn vocabulary_size(&self) -> usize {
        self.model.get_vocab_size()
    }

    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) -> tokenizers::Result<()> {
        let end = word.char_indices().nth(MAX_WORD).map(|(end, _)| end);
        let mut word = NormalizedString::from(&word[..end.unwrap_or(word.len())]);
        self.normalizer.normalize(&mut word)?;
        let mut parts = PreTokenizedString::from(word);
        BertPreTokenizer.pre_tokenize(&mut parts)?;
        for (part, _, _) in parts.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            ids.extend(self.model.tokenize(part)?.into_iter().map(|piece| piece.id));
        }
        Ok(())
    }
}
