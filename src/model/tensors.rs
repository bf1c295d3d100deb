//! Which tensors a network asks for, found by building it on nothing.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::{Lamed, LamedConfig, ModelError};

/// A tensor that the network asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTensor {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its shape under the configuration.
    pub shape: Vec<usize>,
    /// Whether it is kept in f32 whatever type the model is loaded in.
    pub full_precision: bool,
}

/// Lists the tensors that [`Lamed`] asks for under this configuration, in the order it does.
///
/// `present` tells which names a checkpoint holds; it decides between the fused (Phi-3) and the separate (Llama)
/// naming of the decoder's projections. No weights are allocated.
pub fn wanted_tensors(
    config: &LamedConfig,
    present: impl Fn(&str) -> bool + Send + Sync,
) -> Result<Vec<WantedTensor>, ModelError> {
    config.validate()?;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder {
        present,
        asked: Arc::clone(&asked),
    };
    // Built in a narrow type, so that what is asked for in f32 stands out.
    let vb = VarBuilder::from_backend(Box::new(recorder), DType::BF16, Device::Cpu);
    Lamed::new(config, &vb)?;
    let wanted = std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(wanted)
}

struct Recorder<F> {
    present: F,
    asked: Arc<Mutex<Vec<WantedTensor>>>,
}

impl<F: Fn(&str) -> bool + Send + Sync> SimpleBackend for Recorder<F> {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(WantedTensor {
                name: name.to_string(),
                shape: shape.dims().to_vec(),
                full_precision: dtype == DType::F32,
            });
        // One zero seen from everywhere: any shape, no memory.
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("tensor {name} was asked for without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        (self.present)(name)
    }
}
