//! BERTScore (Zhang et al., 2020) as `bert-score` 0.3.13 computes it with bert-base-uncased: the ninth layer, without
//! inverse document frequencies, without rescaling.
//!
//! `evaluate` asks for roberta-large where only a language is named, so published figures of that kind lie higher and
//! must not be compared with these.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, IndexOp, Tensor};

use m3d_model::clip::{Bert, BertConfig};
use m3d_model::source::{TensorMap, Weights};
use m3d_model::{ModelError, WordPieceTokenizer};

/// The layer whose hidden states are compared.
const LAYER: usize = 9;
/// The most tokens of a text.
const MOST_TOKENS: usize = 512;

/// Why texts cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum BertScoreError {
    /// A file is missing or is not what it should be.
    #[error(
        "{} cannot be used for BERTScore ({reason}); give a folder with bert-base-uncased's config.json, vocab.txt and \
         model.safetensors",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model's files or its computation are at fault.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<candle_core::Error> for BertScoreError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}

/// A text encoder that compares texts word by word.
pub struct BertScorer {
    bert: Bert,
    tokenizer: WordPieceTokenizer,
    limit: usize,
}

impl BertScorer {
    /// Reads the model of a folder, on the CPU and in f32.
    ///
    /// # Errors
    /// When a file is missing or is none of bert-base-uncased's kind.
    pub fn open(folder: &Path) -> Result<Self, BertScoreError> {
        let tokenizer = WordPieceTokenizer::open(folder)?;
        let config_path = folder.join("config.json");
        let unusable = |path: &Path, reason: String| BertScoreError::Unusable {
            path: path.to_owned(),
            reason,
        };
        let text =
            std::fs::read(&config_path).map_err(|e| unusable(&config_path, e.to_string()))?;
        let mut config: BertConfig =
            serde_json::from_slice(&text).map_err(|e| unusable(&config_path, e.to_string()))?;
        if config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
            return Err(unusable(&config_path, "it is another kind of BERT".into()));
        }
        config.num_hidden_layers = config.num_hidden_layers.min(LAYER);
        let weights_path = folder.join("model.safetensors");
        let stored = candle_core::safetensors::load(&weights_path, &Device::Cpu)
            .map_err(|e| unusable(&weights_path, first_line(&e)))?;
        let mut tensors = HashMap::new();
        for (name, tensor) in stored {
            // The published file has the names of an older library.
            let name = name.strip_prefix("bert.").unwrap_or(&name);
            let name = name
                .replace("LayerNorm.gamma", "LayerNorm.weight")
                .replace("LayerNorm.beta", "LayerNorm.bias");
            tensors.insert(name, tensor);
        }
        let tensors = TensorMap::new(tensors, &Device::Cpu);
        let bert = Bert::new(&config, &Weights::new(&tensors, DType::F32))
            .map_err(|e| unusable(&weights_path, first_line(&e)))?;
        Ok(Self {
            bert,
            tokenizer,
            limit: MOST_TOKENS.min(config.max_position_embeddings),
        })
    }

    /// The F measure of a prediction, at most 1; 0 where a text has no words.
    ///
    /// # Errors
    /// When the network cannot be computed.
    pub fn f1(&self, prediction: &str, reference: &str) -> Result<f64, BertScoreError> {
        let (predicted, wanted) = (self.features(prediction)?, self.features(reference)?);
        let (Some(predicted), Some(wanted)) = (predicted, wanted) else {
            return Ok(0.0);
        };
        let cosines = predicted.matmul(&wanted.t()?)?;
        let precision = mean_of_words(&cosines.max(D::Minus1)?)?;
        let recall = mean_of_words(&cosines.max(0)?)?;
        let sum = precision + recall;
        Ok(if sum == 0.0 {
            0.0
        } else {
            2.0 * precision * recall / sum
        })
    }

    /// The tokens' hidden states, brought to length 1, `[n,dim]`; `None` where there are no words.
    fn features(&self, text: &str) -> Result<Option<Tensor>, BertScoreError> {
        let ids = self.tokenizer.encode(text.trim(), self.limit)?;
        if ids.len() <= 2 {
            return Ok(None);
        }
        let hidden = self.bert.forward(&[&ids])?;
        let Some(hidden) = hidden.first() else {
            return Ok(None);
        };
        let hidden = hidden.i(0)?;
        let length = hidden.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        Ok(Some(hidden.broadcast_div(&length)?))
    }
}

/// The mean over all tokens but the first and the last, which stand for no word; they may be the likest ones, though.
fn mean_of_words(best: &Tensor) -> Result<f64, BertScoreError> {
    let best = best.to_vec1::<f32>()?;
    let words = &best[1..best.len() - 1];
    Ok(words.iter().map(|&v| f64::from(v)).sum::<f64>() / words.len() as f64)
}

fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
