//! The text encoder: texts checked, then [`Bert`].

use candle_core::{IndexOp, Tensor};

use super::BertConfig;
use super::bert::Bert;
use crate::ModelError;
use crate::source::Weights;

/// BERT and what it can read.
#[derive(Debug)]
pub struct TextEncoder {
    bert: Bert,
    vocabulary: usize,
    positions: usize,
}

impl TextEncoder {
    /// Takes its weights, which must be in f32.
    pub fn new(config: &BertConfig, weights: &Weights) -> Result<Self, ModelError> {
        Ok(Self {
            bert: Bert::new(config, weights)?,
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
        })
    }

    /// Texts of 1 to `max_position_embeddings` ids to the hidden state of each one's first token, `[b,hidden]`.
    pub fn forward(&self, texts: &[&[u32]]) -> Result<Tensor, ModelError> {
        self.check(texts)?;
        let hidden = self.bert.forward(texts)?;
        let first = hidden.iter().map(|states| states.i((.., 0)));
        Ok(Tensor::cat(
            &first.collect::<candle_core::Result<Vec<_>>>()?,
            0,
        )?)
    }

    fn check(&self, texts: &[&[u32]]) -> Result<(), ModelError> {
        if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
            return Err(ModelError::Input {
                what: "a text's list of tokens",
                expected: vec![1],
                found: vec![0],
            });
        }
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        if longest > self.positions {
            return Err(ModelError::ContextTooLong {
                asked: longest,
                limit: self.positions,
            });
        }
        let outside = |id: &&u32| **id as usize >= self.vocabulary;
        match texts.iter().copied().flatten().find(outside) {
            Some(&id) => Err(ModelError::TokenOutOfRange {
                id,
                vocabulary: self.vocabulary,
            }),
            None => Ok(()),
        }
    }
}
