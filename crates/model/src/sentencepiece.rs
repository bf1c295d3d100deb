//! Byte-pair encoding as the sentencepiece library does it, from a `tokenizer.model` file.
//!
//! The file is a protocol buffer (`ModelProto`): pieces with their scores, the trainer's settings and the
//! normaliser's. Encoding joins, again and again, the neighbours whose joint piece has the highest score, the
//! leftmost first among equals. Ranked merge tables, the usual substitute, order equal scores otherwise.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use super::file_names::{OTHER_TOKENIZER, TOKENIZER};
use super::{ModelError, ModelFolder};

/// What sentencepiece writes for a space, U+2581.
pub const SPACE: char = '\u{2581}';

/// Larger than any vocabulary in use (Llama's file has half a megabyte).
const FILE_LIMIT_BYTES: u64 = 64 << 20;

/// What a piece stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Text.
    Normal,
    /// The placeholder of what the vocabulary cannot express.
    Unknown,
    /// A marker that has no text, such as `<s>`.
    Control,
    /// One byte of a character that has no piece.
    Byte(u8),
}

/// A vocabulary of pieces and the rules to cut text into them.
#[derive(Debug)]
pub struct SentencePiece {
    pieces: Vec<Piece>,
    id_of_text: HashMap<String, u32>,
    id_of_byte: [u32; 256],
}

#[derive(Debug)]
struct Piece {
    text: String,
    score: f32,
    kind: PieceKind,
}

impl SentencePiece {
    /// Reads the `tokenizer.model` of a checkpoint.
    pub fn open(folder: &ModelFolder) -> Result<Self, ModelError> {
        if !folder.has(TOKENIZER) && folder.has(OTHER_TOKENIZER) {
            return Err(ModelError::OtherForm {
                path: folder.file(OTHER_TOKENIZER),
                wanted: TOKENIZER,
                how: "it cannot be made from the other; copy tokenizer.model from the model that this one was trained \
                      from (for Phi-3-mini or Llama 2: from its page on the hub)",
            });
        }
        let hint = "copy the checkpoint's tokenizer.model into this folder";
        let bytes = folder.read(TOKENIZER, FILE_LIMIT_BYTES, hint)?;
        Self::parse(&bytes).map_err(|message| {
            let message = format!("{message}; fetch the file again");
            ModelError::tokenizer(&folder.file(TOKENIZER), message)
        })
    }

    /// Reads the contents of a `tokenizer.model`; the error says what is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut settings = Settings::default();
        let mut message = Message(bytes);
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (1, Value::Bytes(piece)) => pieces.push(Piece::parse(piece, pieces.len())?),
                (2, Value::Bytes(trainer)) => settings.read_trainer(trainer)?,
                (3, Value::Bytes(normalizer)) => settings.read_normalizer(normalizer)?,
                _ => {}
            }
        }
        settings.check(pieces.len())?;
        let mut id_of_text = HashMap::with_capacity(pieces.len());
        let mut byte_ids = [None; 256];
        for (id, piece) in (0_u32..).zip(&pieces) {
            if id_of_text.insert(piece.text.clone(), id).is_some() {
                return Err(format!("the piece {:?} occurs twice", piece.text));
            }
            if let PieceKind::Byte(byte) = piece.kind {
                byte_ids[usize::from(byte)] = Some(id);
            }
        }
        let mut id_of_byte = [0; 256];
        for (byte, (to, id)) in id_of_byte.iter_mut().zip(byte_ids).enumerate() {
            *to = id.ok_or_else(|| format!("the piece of byte {byte} is missing"))?;
        }
        Ok(Self {
            pieces,
            id_of_text,
            id_of_byte,
        })
    }

    /// Number of pieces; ids are 0 to this, exclusive.
    pub fn piece_count(&self) -> usize {
        self.pieces.len()
    }

    /// The id of a piece of any kind.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.id_of_text.get(piece).copied()
    }

    /// The text (with [`SPACE`] for spaces) and the kind of a piece.
    pub fn piece(&self, id: u32) -> Option<(&str, PieceKind)> {
        self.pieces
            .get(id as usize)
            .map(|piece| (piece.text.as_str(), piece.kind))
    }

    /// Appends the pieces of `text`. Nothing is put before it: a space that the first word shall have is in `text`.
    pub fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let text = text.replace(' ', SPACE.encode_utf8(&mut [0; 4]));
        for part in self.merge(&text) {
            match self.normal(part) {
                Some((id, _)) => ids.push(id),
                None => ids.extend(part.bytes().map(|byte| self.id_of_byte[usize::from(byte)])),
            }
        }
    }

    /// The id and score of a piece that text may be cut into.
    fn normal(&self, text: &str) -> Option<(u32, f32)> {
        let id = self.id(text)?;
        let piece = self.pieces.get(id as usize)?;
        (piece.kind == PieceKind::Normal).then_some((id, piece.score))
    }

    fn merge<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut parts: Vec<Part> = text
            .char_indices()
            .enumerate()
            .map(|(n, (start, c))| Part {
                start,
                end: start + c.len_utf8(),
                previous: n.wrapping_sub(1),
                next: n + 1,
            })
            .collect();
        let candidate = |parts: &[Part], left: usize, right: usize| {
            let (a, b) = (parts.get(left)?, parts.get(right)?);
            let (_, score) = self.normal(text.get(a.start..b.end)?)?;
            Some(Merge {
                score,
                left: Reverse(left),
                right,
                length: b.end - a.start,
            })
        };
        let mut queue: BinaryHeap<Merge> = (1..parts.len())
            .filter_map(|right| candidate(&parts, right - 1, right))
            .collect();
        while let Some(Merge {
            left: Reverse(left),
            right,
            length,
            ..
        }) = queue.pop()
        {
            let (a, b) = (parts[left], parts[right]);
            // Either part may have been joined to another since.
            if a.is_gone() || b.is_gone() || b.end - a.start != length {
                continue;
            }
            parts[left].end = b.end;
            parts[left].next = b.next;
            parts[right].end = b.start;
            if let Some(after) = parts.get_mut(b.next) {
                after.previous = left;
            }
            queue.extend(candidate(&parts, a.previous, left));
            queue.extend(candidate(&parts, left, b.next));
        }
        parts
            .iter()
            .filter(|part| !part.is_gone())
            .filter_map(|part| text.get(part.start..part.end))
            .collect()
    }
}

/// A stretch of the text in a linked list; indices past the list's ends name no part.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    previous: usize,
    next: usize,
}

impl Part {
    fn is_gone(self) -> bool {
        self.start == self.end
    }
}

/// Two neighbours that would make a piece; the best is the greatest.
struct Merge {
    score: f32,
    left: Reverse<usize>,
    right: usize,
    length: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(self.left.cmp(&other.left))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

impl Piece {
    fn parse(bytes: &[u8], id: usize) -> Result<Self, String> {
        let (mut text, mut score, mut kind) = (String::new(), 0.0, 1);
        let mut message = Message(bytes);
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (1, Value::Bytes(bytes)) => {
                    text = String::from_utf8(bytes.to_vec())
                        .map_err(|_| format!("piece {id} is not UTF-8"))?;
                }
                (2, Value::Four(bits)) => score = f32::from_le_bytes(bits),
                (3, Value::Varint(number)) => kind = number,
                _ => {}
            }
        }
        if text.is_empty() || !score.is_finite() {
            return Err(format!("piece {id} has no text or no score"));
        }
        let kind = match kind {
            1 => PieceKind::Normal,
            2 => PieceKind::Unknown,
            3 => PieceKind::Control,
            6 => PieceKind::Byte(
                byte_of(&text).ok_or_else(|| format!("piece {id}, {text:?}, is not a byte"))?,
            ),
            _ => {
                return Err(format!(
                    "piece {id}, {text:?}, is of kind {kind}, which this program cannot use"
                ));
            }
        };
        // Adding zero turns -0.0 into 0.0, which `total_cmp` tells apart and sentencepiece does not.
        Ok(Self {
            text,
            score: score + 0.0,
            kind,
        })
    }
}

/// The byte of a piece like `<0x0A>`.
fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// The settings that decide whether [`SentencePiece::encode`] gives the right pieces. The leading space
/// (`add_dummy_prefix`) is left to the caller, as in the reference.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the file's own independent switches"
)]
struct Settings {
    model_type: u64,
    piece_count: Option<u64>,
    byte_fallback: bool,
    space_is_suffix: bool,
    character_map_bytes: usize,
    drops_extra_spaces: bool,
    escapes_spaces: bool,
}

impl Default for Settings {
    /// What the format assumes where a field is absent.
    fn default() -> Self {
        Self {
            model_type: 1,
            piece_count: None,
            byte_fallback: false,
            space_is_suffix: false,
            character_map_bytes: 0,
            drops_extra_spaces: true,
            escapes_spaces: true,
        }
    }
}

impl Settings {
    fn read_trainer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut message = Message(bytes);
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (3, Value::Varint(number)) => self.model_type = number,
                (4, Value::Varint(number)) => self.piece_count = Some(number),
                (24, Value::Varint(number)) => self.space_is_suffix = number != 0,
                (35, Value::Varint(number)) => self.byte_fallback = number != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut message = Message(bytes);
        while let Some((field, value)) = message.next()? {
            match (field, value) {
                (2, Value::Bytes(map)) => self.character_map_bytes = map.len(),
                (4, Value::Varint(number)) => self.drops_extra_spaces = number != 0,
                (5, Value::Varint(number)) => self.escapes_spaces = number != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self, piece_count: usize) -> Result<(), String> {
        if self.piece_count != Some(piece_count as u64) {
            let announced = self.piece_count.map_or_else(
                || "does not say how many".to_owned(),
                |count| format!("announces {count}"),
            );
            return Err(format!(
                "it holds {piece_count} pieces where its header {announced}"
            ));
        }
        let obstacles = [
            (
                self.model_type != 2,
                "another algorithm than byte-pair encoding",
            ),
            (!self.byte_fallback, "no byte fallback"),
            (self.space_is_suffix, "spaces after words"),
            (self.character_map_bytes != 0, "a map of characters"),
            (self.drops_extra_spaces, "the removal of extra spaces"),
            (!self.escapes_spaces, "unescaped spaces"),
        ];
        match obstacles.iter().find(|(present, _)| *present) {
            Some((_, obstacle)) => Err(format!(
                "it asks for {obstacle}, which this program does not do"
            )),
            None => Ok(()),
        }
    }
}

/// The rest of a protocol buffer message.
struct Message<'a>(&'a [u8]);

/// The value of a field.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

impl<'a> Message<'a> {
    /// The next field's number and value; none at the end.
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Eight)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Four(
                self.take(4)?
                    .try_into()
                    .map_err(|_| "a number is cut short")?,
            ),
            other => return Err(format!("a field has the unknown wire type {other}")),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let &[byte] = self.take(1)? else { break };
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number is longer than 64 bits".to_string())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = split.ok_or("the file ends in the middle of a field")?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary in which equal scores and overlapping joints are the rule.
    fn vocabulary() -> SentencePiece {
        let texts = [
            "a", "b", "c", "aa", "ab", "ba", "bc", "aba", "abc", "aab", "baab",
        ];
        let scores = [0., 0., 0., -1., -2., -2., -2., -3., -1., -4., -0.5];
        let mut pieces: Vec<Piece> = texts
            .iter()
            .zip(scores)
            .map(|(text, score)| Piece {
                text: (*text).to_string(),
                score,
                kind: PieceKind::Normal,
            })
            .collect();
        pieces.extend((0..=u8::MAX).map(|byte| Piece {
            text: format!("<0x{byte:02X}>"),
            score: 0.,
            kind: PieceKind::Byte(byte),
        }));
        let id_of_text = (0..)
            .zip(&pieces)
            .map(|(id, piece)| (piece.text.clone(), id))
            .collect();
        let mut id_of_byte = [0; 256];
        for (to, id) in id_of_byte.iter_mut().zip(texts.len() as u32..) {
            *to = id;
        }
        SentencePiece {
            pieces,
            id_of_text,
            id_of_byte,
        }
    }

    /// The definition, read literally: look at all neighbours, join the best, start over.
    fn merge_literally(model: &SentencePiece, text: &str) -> Vec<String> {
        let mut parts: Vec<String> = text.chars().map(String::from).collect();
        loop {
            let mut best: Option<(f32, usize)> = None;
            for (at, pair) in parts.windows(2).enumerate() {
                if let Some((_, score)) = model.normal(&pair.concat())
                    && best.is_none_or(|(other, _)| score > other)
                {
                    best = Some((score, at));
                }
            }
            let Some((_, at)) = best else { return parts };
            let right = parts.remove(at + 1);
            parts[at].push_str(&right);
        }
    }

    #[test]
    fn the_queue_joins_like_the_definition() {
        let model = vocabulary();
        for length in 0..9_u32 {
            for number in 0..3_u32.pow(length) {
                let text: String = (0..length)
                    .map(|n| ['a', 'b', 'c'][(number / 3_u32.pow(n) % 3) as usize])
                    .collect();
                assert_eq!(model.merge(&text), merge_literally(&model, &text), "{text}");
            }
        }
    }

    #[test]
    fn unknown_characters_become_bytes_and_byte_names_stay_text() {
        let model = vocabulary();
        let names = |text: &str| -> Vec<String> {
            let mut ids = Vec::new();
            model.encode(text, &mut ids);
            ids.iter()
                .map(|&id| model.piece(id).unwrap().0.to_string())
                .collect()
        };
        assert_eq!(names("a\u{e9}b"), ["a", "<0xC3>", "<0xA9>", "b"]);
        assert_eq!(names("\0"), ["<0x00>"]);
        assert_eq!(names("<0x41>").len(), 6);
    }

    #[test]
    fn lengths_beyond_the_file_are_refused() {
        for bytes in [
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ][..],
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ],
            &[0x0a, 0x05, 0x0a],
            &[0x0d, 0x00],
            &[0x0b],
            &[],
        ] {
            assert!(SentencePiece::parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_header_without_a_number_of_pieces_is_told_in_words() {
        let settings = Settings {
            piece_count: None,
            ..Settings::default()
        };
        let message = settings.check(3).unwrap_err();
        assert!(message.contains("does not say how many"), "{message}");
        assert!(!message.contains("None"), "{message}");
    }
}
