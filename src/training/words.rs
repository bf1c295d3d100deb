//! Texts to the tokens that a model learns to read and to say.

use super::TrainingError;
use crate::model::Tokenizer;

/// A tokenizer with the token that ends an answer.
#[derive(Debug)]
pub struct Words {
    tokenizer: Tokenizer,
    end: u32,
}

impl Words {
    /// `end` is put after every answer.
    pub const fn new(tokenizer: Tokenizer, end: u32) -> Self {
        Self { tokenizer, end }
    }

    /// What stands after the image tokens, as written: a leading space belongs to the text.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, TrainingError> {
        Ok(self.tokenizer.encode_user_text(text)?)
    }

    /// What is to be said after it, with the space that parts it from the question and the token that ends it.
    pub fn answer(&self, text: &str) -> Result<Vec<u32>, TrainingError> {
        let mut ids = self.tokenizer.encode_after_image(&format!(" {text}"))?;
        ids.push(self.end);
        Ok(ids)
    }
}
