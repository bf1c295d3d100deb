//! Questions and answers tokenized for training.

use super::{QuestionAnswer, TrainingError};
use m3d_model::Tokenizer;

/// What stands between a heading and its statement.
const COLON: &str = ":";

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

    /// A question, as it stands after the image tokens (a leading space belongs to it), and its answer, with the space
    /// that parts them and the token that ends it.
    pub fn tokenize(
        &self,
        question: &str,
        answer: &str,
        mask: Option<usize>,
    ) -> Result<QuestionAnswer, TrainingError> {
        let prompt = self.tokenizer.encode_user_text(question)?;
        let mut answer = self.tokenizer.encode_after_image(&format!(" {answer}"))?;
        answer.push(self.end);
        let colon = self.tokenizer.token_id(COLON);
        let heads = answer.iter().enumerate();
        let stated = heads
            .filter(|(_, id)| Some(**id) == colon)
            .map(|(at, _)| at + 1);
        Ok(QuestionAnswer {
            openings: std::iter::once(0).chain(stated).collect(),
            prompt,
            answer,
            mask,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_answer_opens_at_its_start_and_after_each_heading() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("models/small");
        let tokenizer = Tokenizer::open(folder).unwrap();
        let words = Words::new(tokenizer, 2);
        let report = "CT of the chest. Lungs: normal. Pleura: pleural effusion, small, left.";
        let qa = words.tokenize("What is seen?", report, None).unwrap();
        let read = |id: u32| words.tokenizer.decode(&[id], false).unwrap();
        let opened: Vec<String> = qa.openings.iter().map(|at| read(qa.answer[*at])).collect();
        assert_eq!(opened, ["CT", "n", "p"]);
        assert_eq!(qa.answer.last(), Some(&2));
    }
}
