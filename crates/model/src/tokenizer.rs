//! Text to tokens and back, as the reference does it: the slow Llama tokenizer of the transformers library with
//! `legacy` off.
//!
//! Added tokens are cut out of the text first; what lies between them goes to sentencepiece piece by piece. Back, the
//! runs between added tokens become text one by one and are joined with single spaces, which is why an answer reads
//! `it is  [SEG] .`.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::file_names::TOKENIZER_CONFIG;
use super::sentencepiece::{PieceKind, SPACE, SentencePiece};
use super::{ModelError, ModelFolder};

/// The marks around a box in prompts and answers.
const BOX_START: &str = "<bx_start>";
const BOX_END: &str = "<bx_end>";

/// The tokenizer of a checkpoint folder.
#[derive(Debug)]
pub struct Tokenizer {
    pieces: SentencePiece,
    added: HashMap<u32, AddedToken>,
    /// Longest first, so that the first that fits is the right one.
    added_by_length: Vec<u32>,
    /// Special tokens: left out on request.
    special: HashSet<u32>,
    /// Added tokens that end a run of text when decoding.
    separate: HashSet<u32>,
    begin: u32,
    adds_begin: bool,
}

#[derive(Debug)]
struct AddedToken {
    text: String,
    /// Whether it swallows the white space before it.
    strips_left: bool,
    /// Whether it swallows the white space after it.
    strips_right: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.model` and `tokenizer_config.json` of a checkpoint folder.
    ///
    /// `added_tokens.json` and `special_tokens_map.json` repeat what `tokenizer_config.json` says and, as in the
    /// reference, have no say where it lists the added tokens.
    ///
    /// # Errors
    /// A file is missing or damaged, or asks for behaviour other than the reference's defaults for this model.
    pub fn open(folder: impl Into<ModelFolder>) -> Result<Self, ModelError> {
        let folder = folder.into();
        let pieces = SentencePiece::open(&folder)?;
        let path = folder.file(TOKENIZER_CONFIG);
        let hint = "copy the checkpoint's tokenizer_config.json into this folder";
        let bytes = folder.read(TOKENIZER_CONFIG, 4 << 20, hint)?;
        let config: Value = serde_json::from_slice(&bytes).map_err(|error| ModelError::Json {
            path: path.clone(),
            message: error.to_string(),
        })?;
        Self::build(pieces, &config).map_err(|message| ModelError::tokenizer(&path, message))
    }

    fn build(pieces: SentencePiece, config: &Value) -> Result<Self, String> {
        check_settings(config)?;
        let mut added = HashMap::new();
        let listed = config
            .get("added_tokens_decoder")
            .and_then(Value::as_object);
        for (id, entry) in listed.ok_or("added_tokens_decoder is missing; fetch the file again")? {
            let id: u32 = id
                .parse()
                .map_err(|_| format!("the added token id {id:?} is not a number"))?;
            added.insert(id, AddedToken::parse(id, entry)?);
        }
        let mut added_by_length: Vec<u32> = added.keys().copied().collect();
        added_by_length.sort_by_key(|id| {
            (
                added
                    .get(id)
                    .map(|token| std::cmp::Reverse(token.text.len())),
                *id,
            )
        });

        let id_of = |text: &str| {
            let found = added_by_length
                .iter()
                .copied()
                .find(|id| added.get(id).is_some_and(|token| token.text == text));
            found
                .or_else(|| pieces.id(text))
                .ok_or_else(|| format!("the special token {text:?} has no id"))
        };
        let mut special = HashSet::new();
        for (key, default) in [
            ("eos_token", Some("</s>")),
            ("unk_token", Some("<unk>")),
            ("pad_token", None),
        ] {
            if let Some(text) = config.get(key).and_then(token_text).or(default) {
                special.insert(id_of(text)?);
            }
        }
        let begin = id_of(
            config
                .get("bos_token")
                .and_then(token_text)
                .unwrap_or("<s>"),
        )?;
        special.insert(begin);
        let mut additional = HashSet::new();
        for token in config
            .get("additional_special_tokens")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = token_text(token)
                .ok_or("additional_special_tokens holds something that is no token")?;
            additional.insert(id_of(text)?);
        }
        special.extend(&additional);
        // The reference treats special tokens as text of their run, except additional ones beyond the pieces.
        let separate = added
            .keys()
            .copied()
            .filter(|id| {
                !special.contains(id)
                    || additional.contains(id) && *id as usize >= pieces.piece_count()
            })
            .collect();
        let adds_begin = config
            .get("add_bos_token")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        Ok(Self {
            pieces,
            added,
            added_by_length,
            special,
            separate,
            begin,
            adds_begin,
        })
    }

    /// The tokens of a text that stands alone: `<s>`, then the text with a space before its first word.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        if !text.is_empty() {
            let text = format!("{SPACE}{}", text.replace(SPACE, " "));
            self.encode_run(&text, |_| true, &mut ids);
            let lone_space = self.pieces.id(SPACE.encode_utf8(&mut [0; 4]));
            if let [first, second, ..] = ids[..]
                && Some(first) == lone_space
                && self.special.contains(&second)
            {
                ids.remove(0);
            }
        }
        if self.adds_begin {
            ids.insert(0, self.begin);
        }
        Ok(ids)
    }

    /// The tokens that a text adds after the image tokens: no `<s>`, and no space before the first word.
    ///
    /// Added tokens spelt out in the text become their ids: only for text that nobody typed. Prompts with a
    /// person's words take [`encode_user_text`](Self::encode_user_text).
    pub fn encode_after_image(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        self.encode_run(&text.replace(SPACE, " "), |_| true, &mut ids);
        Ok(ids)
    }

    /// Like [`encode_after_image`](Self::encode_after_image) for a prompt that holds what a person typed.
    ///
    /// Added tokens spelt out (`<im_patch>`, `[SEG]`, `<s>`, `<|end|>`) stay ordinary text. The one exception is a
    /// whole box, `<bx_start>[n, n, n, n, n, n]<bx_end>` with six plain numbers: its marks become tokens, for so
    /// prompts write boxes, and one typed by hand means the same.
    pub fn encode_user_text(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        let text = text.replace(SPACE, " ");
        let marks = box_marks(&text);
        self.encode_run(&text, |at| marks.contains(&at), &mut ids);
        Ok(ids)
    }

    /// The text of tokens, without special tokens (`<s>`, `<|endoftext|>`, `<im_patch>`, the marks of boxes) where
    /// `skip_special`. `[SEG]` is not special.
    ///
    /// # Errors
    /// An id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, ModelError> {
        let mut sections: Vec<String> = Vec::new();
        let mut run = Vec::new();
        for &id in ids {
            if !self.added.contains_key(&id) && self.pieces.piece(id).is_none() {
                return Err(ModelError::TokenOutOfRange {
                    id,
                    vocabulary: self.vocabulary(),
                });
            }
            if skip_special && self.special.contains(&id) {
                continue;
            }
            match self.added.get(&id) {
                Some(token) if self.separate.contains(&id) => {
                    let text = self.decode_run(&run);
                    if !text.is_empty() {
                        sections.push(text);
                    }
                    run.clear();
                    sections.push(token.text.clone());
                }
                _ => run.push(id),
            }
        }
        // An empty section counts at the end, and only there: the reference leaves a space after a last added token.
        if !run.is_empty() {
            sections.push(self.decode_run(&run));
        }
        Ok(sections.join(" "))
    }

    /// The id of an added token or of a piece (with U+2581 for spaces).
    pub fn token_id(&self, token: &str) -> Option<u32> {
        let added = |id: &u32| self.added.get(id).is_some_and(|other| other.text == token);
        self.added_by_length
            .iter()
            .copied()
            .find(added)
            .or_else(|| self.pieces.id(token))
    }

    fn vocabulary(&self) -> usize {
        let last = self.added.keys().max().map_or(0, |&id| id as usize + 1);
        last.max(self.pieces.piece_count())
    }

    /// Cuts out the added tokens at the byte offsets that are `allowed` and encodes what lies between.
    fn encode_run(&self, text: &str, allowed: impl Fn(usize) -> bool, ids: &mut Vec<u32>) {
        let mut plain = text;
        // What is left is always the end of the text, so its length tells the offset.
        let offset = |left: &str, at: usize| text.len() - left.len() + at;
        while let Some((at, id, token)) = self.first_added(plain, |at| allowed(offset(plain, at))) {
            let (before, rest) = plain.split_at(at);
            let before = if token.strips_left {
                before.trim_end_matches(is_white)
            } else {
                before
            };
            self.pieces.encode(before, ids);
            ids.push(id);
            let after = rest.get(token.text.len()..).unwrap_or_default();
            plain = if token.strips_right {
                after.trim_start_matches(is_white)
            } else {
                after
            };
        }
        self.pieces.encode(plain, ids);
    }

    /// The leftmost added token in `text` at an `allowed` offset, the longest of those that begin there: its byte
    /// offset, its id and itself.
    fn first_added(
        &self,
        text: &str,
        allowed: impl Fn(usize) -> bool,
    ) -> Option<(usize, u32, &AddedToken)> {
        let mut places = text.char_indices().filter(|(at, _)| allowed(*at));
        places.find_map(|(at, _)| {
            let rest = text.get(at..)?;
            self.added_by_length.iter().find_map(|id| {
                let token = self.added.get(id)?;
                rest.starts_with(token.text.as_str())
                    .then_some((at, *id, token))
            })
        })
    }

    /// The text of tokens between added tokens. The first loses its leading space; special tokens stand as they are,
    /// and where one comes first, a space follows it.
    fn decode_run(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        let mut bytes = Vec::new();
        let mut special_first = false;
        for (n, &id) in ids.iter().enumerate() {
            if let Some(token) = self.added.get(&id) {
                push_bytes(&mut text, &mut bytes);
                text.push_str(&token.text);
                special_first |= n == 0;
                continue;
            }
            let Some((piece, kind)) = self.pieces.piece(id) else {
                continue;
            };
            if n == 1 && special_first && !piece.starts_with(SPACE) {
                text.push(' ');
            }
            if let PieceKind::Byte(byte) = kind {
                bytes.push(byte);
                continue;
            }
            push_bytes(&mut text, &mut bytes);
            let piece = if n == 0 {
                piece.strip_prefix(SPACE).unwrap_or(piece)
            } else {
                piece
            };
            match kind {
                PieceKind::Normal => {
                    text.extend(piece.chars().map(|c| if c == SPACE { ' ' } else { c }));
                }
                PieceKind::Unknown => text.push_str(" \u{2047} "),
                PieceKind::Control | PieceKind::Byte(_) => {}
            }
        }
        push_bytes(&mut text, &mut bytes);
        text
    }
}

impl AddedToken {
    fn parse(id: u32, entry: &Value) -> Result<Self, String> {
        let text = token_text(entry).filter(|text| !text.is_empty());
        let text = text
            .ok_or_else(|| format!("added token {id} has no content"))?
            .to_string();
        let flag = |name: &str| entry.get(name).and_then(Value::as_bool).unwrap_or(false);
        if flag("single_word") {
            return Err(format!(
                "added token {id}, {text:?}, must be a single word, which this program does not do"
            ));
        }
        Ok(Self {
            text,
            strips_left: flag("lstrip"),
            strips_right: flag("rstrip"),
        })
    }
}

/// Byte offsets of the marks of every well-formed box in a text.
fn box_marks(text: &str) -> HashSet<usize> {
    let mut marks = HashSet::new();
    for (start, _) in text.match_indices(BOX_START) {
        let list = start + BOX_START.len();
        let rest = text.get(list..).unwrap_or_default();
        if let Some((inside, _)) = rest.split_once(BOX_END)
            && is_box(inside)
        {
            marks.extend([start, list + inside.len()]);
        }
    }
    marks
}

/// `[n, n, n, n, n, n]`, the numbers in plain decimals.
fn is_box(text: &str) -> bool {
    let list = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let plain =
        |n: &str| n.bytes().all(|b| b.is_ascii_digit() || b == b'.') && n.parse::<f64>().is_ok();
    list.is_some_and(|list| list.split(", ").count() == 6 && list.split(", ").all(plain))
}

/// The text of a token, which is written as itself or as an object with `content`.
fn token_text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// Refuses what would make the reference behave otherwise than this tokenizer.
fn check_settings(config: &Value) -> Result<(), String> {
    let settings = [
        ("legacy", true, false),
        ("add_prefix_space", true, true),
        ("add_eos_token", false, false),
        ("clean_up_tokenization_spaces", false, false),
    ];
    for (name, default, needed) in settings {
        if config.get(name).and_then(Value::as_bool).unwrap_or(default) != needed {
            return Err(format!(
                "only tokenizers with {name} = {needed} can be used; use the public checkpoint's file"
            ));
        }
    }
    Ok(())
}

/// White space in Python's sense, which the reference strips: Unicode's and four separators of ASCII.
fn is_white(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Empties `bytes` into `text`, with U+FFFD for each byte that is not part of a character.
fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    let mut rest = bytes.as_slice();
    while let Err(error) = std::str::from_utf8(rest) {
        let (valid, after) = rest.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(valid));
        text.push(char::REPLACEMENT_CHARACTER);
        rest = after.get(1..).unwrap_or_default();
    }
    text.push_str(&String::from_utf8_lossy(rest));
    bytes.clear();
}
