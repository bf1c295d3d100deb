//! The text encoder: BERT of candle-transformers between this crate's weights and errors.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use candle_transformers::models::bert::BertModel;

use super::BertConfig;
use crate::model::ModelError;
use crate::model::source::Weights;

/// BERT without its pooler.
pub struct TextEncoder {
    bert: BertModel,
    vocabulary: usize,
    positions: usize,
    padding: u32,
}

impl fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextEncoder").finish_non_exhaustive()
    }
}

impl TextEncoder {
    /// Takes its weights, which must be in f32.
    pub fn new(config: &BertConfig, weights: &Weights) -> Result<Self, ModelError> {
        let network = config.network();
        // Built on nothing first: so it tells the names and shapes that it takes.
        let asked = Asked::default();
        let nothing = Box::new(Recorder(Arc::clone(&asked)));
        BertModel::load(
            VarBuilder::from_backend(nothing, DType::F32, Device::Cpu),
            &network,
        )?;
        let mut tensors = HashMap::new();
        for (name, shape) in asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let tensor = weights.get(shape.dims(), &name)?;
            tensors.insert(name, tensor);
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, weights.device());
        Ok(Self {
            bert: BertModel::load(vb, &network)?,
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            padding: config.pad_token_id,
        })
    }

    /// Texts of 1 to `max_position_embeddings` ids to their hidden states, `[b,longest,hidden]`; those behind the end
    /// of a shorter text mean nothing.
    pub fn forward(&self, texts: &[&[u32]], device: &Device) -> Result<Tensor, ModelError> {
        let longest = self.check(texts)?;
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for text in texts {
            let fill = longest - text.len();
            ids.extend_from_slice(text);
            ids.extend(std::iter::repeat_n(self.padding, fill));
            mask.extend(std::iter::repeat_n(1u32, text.len()));
            mask.extend(std::iter::repeat_n(0, fill));
        }
        let shape = (texts.len(), longest);
        let ids = Tensor::from_vec(ids, shape, device)?;
        let mask = Tensor::from_vec(mask, shape, device)?;
        let segments = ids.zeros_like()?;
        Ok(self.bert.forward(&ids, &segments, Some(&mask))?)
    }

    /// The length of the longest text.
    fn check(&self, texts: &[&[u32]]) -> Result<usize, ModelError> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        if texts.iter().any(|text| text.is_empty()) || longest == 0 {
            return Err(ModelError::Input {
                what: "a text's list of tokens",
                expected: vec![1],
                found: vec![0],
            });
        }
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
            None => Ok(longest),
        }
    }
}

/// Names and shapes in the order in which they were asked for.
type Asked = Arc<Mutex<Vec<(String, Shape)>>>;

/// Hands out zeros and writes down for what.
struct Recorder(Asked);

impl SimpleBackend for Recorder {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push((name.to_string(), shape.clone()));
        // One zero seen from everywhere: any shape, no memory.
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("tensor {name} was asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}
