//! Text out of tokens as they come.

use std::collections::HashSet;

use super::InferenceError;
use m3d_model::Tokenizer;

/// Turns tokens into pieces of text whose concatenation is the decoded whole: no broken characters, no
/// spaces lost or doubled.
///
/// Bytes of one character may come as several tokens, and whether they are a character is known only
/// when the run of bytes ends. Pieces are held back until then.
#[derive(Clone, Debug)]
pub(super) struct Detokenizer {
    byte_ids: HashSet<u32>,
    ids: Vec<u32>,
    sent: usize,
    inside_bytes: bool,
}

impl Detokenizer {
    /// For the tokens of one answer.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let byte_ids = (0..=u8::MAX)
            .filter_map(|byte| tokenizer.token_id(&format!("<0x{byte:02X}>")))
            .collect();
        Self {
            byte_ids,
            ids: Vec::new(),
            sent: 0,
            inside_bytes: false,
        }
    }

    /// The text that a further token makes certain; often a word, sometimes nothing.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, InferenceError> {
        self.ids.push(id);
        if self.byte_ids.contains(&id) {
            self.inside_bytes = true;
            return Ok(String::new());
        }
        // A token that is not shown does not end a run of bytes.
        if self.inside_bytes && tokenizer.decode(&[id], true)?.is_empty() {
            return Ok(String::new());
        }
        self.inside_bytes = false;
        self.rest(tokenizer)
    }

    /// What was held back.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, InferenceError> {
        self.rest(tokenizer)
    }

    /// The tokens so far.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The text of all tokens so far, without the markers of boxes and other special tokens.
    pub fn text(&self, tokenizer: &Tokenizer) -> Result<String, InferenceError> {
        Ok(tokenizer.decode(&self.ids, true)?)
    }

    fn rest(&mut self, tokenizer: &Tokenizer) -> Result<String, InferenceError> {
        let text = self.text(tokenizer)?;
        let piece = text.get(self.sent..).unwrap_or_default().to_owned();
        self.sent += piece.len();
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn tokenizer() -> Tokenizer {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let own = root.join("tests/golden/tokenizer");
        let shared =
            std::env::var_os("M3D_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
        let folder = if own.is_dir() {
            own
        } else {
            shared.join("goldens/tokenizer")
        };
        Tokenizer::open(&folder).unwrap()
    }

    fn pieces(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
        let mut detokenizer = Detokenizer::new(tokenizer);
        let mut pieces: Vec<String> = ids
            .iter()
            .map(|&id| detokenizer.push(tokenizer, id).unwrap())
            .collect();
        pieces.push(detokenizer.finish(tokenizer).unwrap());
        assert_eq!(detokenizer.ids(), ids);
        pieces
    }

    /// Over random tokens, and over runs rich in bytes and in special tokens, where pieces could break.
    #[test]
    fn pieces_join_to_the_whole() {
        let tokenizer = tokenizer();
        let mut state = 1_u64;
        let mut random = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % below) as u32
        };
        for round in 0..3000 {
            let length = 1 + random(24);
            let ids: Vec<u32> = (0..length)
                .map(|_| match (round % 4, random(4)) {
                    (0, _) | (1, 0) => random(32015),
                    (1, _) | (2, 0 | 1) | (3, 0) => random(259),
                    (2, _) | (3, 1) => 32000 + random(15),
                    _ => [29871, 1738, 29889, 4][random(4) as usize],
                })
                .collect();
            let joined = pieces(&tokenizer, &ids).concat();
            assert_eq!(joined, tokenizer.decode(&ids, true).unwrap(), "{ids:?}");
        }
    }

    #[test]
    fn characters_are_never_sent_in_parts() {
        let tokenizer = tokenizer();
        let text = "Die Größe beträgt 3 \u{1f9b4} mm\u{b2}: \u{10348} ende";
        let ids = tokenizer.encode_after_image(text).unwrap();
        let pieces = pieces(&tokenizer, &ids);
        assert_eq!(pieces.concat(), text);
        assert!(!pieces.iter().any(|piece| piece.contains('\u{fffd}')));
        assert!(pieces.iter().filter(|piece| !piece.is_empty()).count() > 8);
    }
}
