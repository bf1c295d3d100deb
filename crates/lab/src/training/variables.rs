//! The weights as variables: what is learnt, what stays as it is, and what is added to it.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Result, Tensor, Var};

use super::initial::{Sizes, initial_values};
use super::lora::Adapter;
use super::targets::{Targets, resolve};
use m3d_model::source::WeightSource;
use m3d_model::tensors::{WantedTensor, wanted_tensors};
use m3d_model::{Checkpoint, LamedConfig, ModelError, Precision};

/// What the names of buffers end with: tensors that the public model never learns.
const BUFFERS: [&str; 1] = ["positional_encoding_gaussian_matrix"];

#[derive(Debug)]
enum Weight {
    Learnt(Var),
    Fixed(Tensor),
}

impl Weight {
    fn tensor(&self) -> &Tensor {
        match self {
            Self::Learnt(var) => var.as_tensor(),
            Self::Fixed(tensor) => tensor,
        }
    }
}

/// Every tensor of a model by its public name, in f32, some of them learnt.
///
/// The networks are built on it anew for each step: casts, joints and adapters are then part of what gradients flow
/// through, and no copy of a weight is older than the weight.
#[derive(Debug)]
pub struct Variables {
    weights: BTreeMap<String, Weight>,
    adapters: BTreeMap<String, Adapter>,
    device: Device,
}

impl Variables {
    /// A new model: every tensor that the networks ask for under this configuration, drawn by the seed.
    pub fn new(
        config: &LamedConfig,
        seed: u64,
        device: &Device,
    ) -> std::result::Result<Self, ModelError> {
        let fused = |name: &str| name.contains("qkv_proj") || name.contains("gate_up_proj");
        let wanted = wanted_tensors(config, Precision::plain(DType::F32), fused)?;
        Ok(Self::drawn(wanted, &Sizes::of_lamed(config), seed, device)?)
    }

    /// New tensors, drawn by the seed.
    pub(super) fn drawn(
        wanted: Vec<WantedTensor>,
        sizes: &Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let tensors = wanted.into_iter().map(|wanted| {
            let values = initial_values(&wanted.name, &wanted.shape, sizes, seed);
            let tensor = Tensor::from_vec(values, wanted.shape, device)?;
            Ok((wanted.name, tensor))
        });
        Ok(Self::from_tensors(tensors.collect::<Result<_>>()?, device))
    }

    /// The tensors of a checkpoint that the networks take.
    pub fn from_checkpoint(
        checkpoint: &Checkpoint,
        device: &Device,
        progress: &dyn Fn(f32),
    ) -> std::result::Result<Self, ModelError> {
        let source = checkpoint.source(device, progress);
        let mut tensors = HashMap::new();
        for wanted in checkpoint.used() {
            let tensor = source.tensor(&wanted.name, &wanted.shape, DType::F32)?;
            tensors.insert(wanted.name.clone(), tensor);
        }
        Ok(Self::from_tensors(tensors, device))
    }

    /// Tensors in memory, named as in a checkpoint, in f32 on `device`.
    pub fn from_tensors(tensors: HashMap<String, Tensor>, device: &Device) -> Self {
        let weights = tensors
            .into_iter()
            .map(|(name, tensor)| (name, Weight::Fixed(tensor)))
            .collect();
        Self {
            weights,
            adapters: BTreeMap::new(),
            device: device.clone(),
        }
    }

    /// Adds a tensor of the training's own, which the public model does not have.
    pub fn add(&mut self, name: &str, tensor: Tensor) {
        self.weights.insert(name.to_string(), Weight::Fixed(tensor));
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) {
        self.weights.remove(name);
    }

    /// Gives each tensor whose name begins with `prefix` the values that `source` has for the rest of the name, where
    /// it has some.
    ///
    /// # Errors
    /// When the shapes differ, or `source` has nothing for any of them.
    pub fn begin_as(
        &mut self,
        prefix: &str,
        source: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<()> {
        let mut copied = 0;
        for (name, weight) in &mut self.weights {
            let Some(values) = name.strip_prefix(prefix).and_then(&source) else {
                continue;
            };
            if values.shape() != weight.tensor().shape() {
                candle_core::bail!(
                    "{name} {:?} cannot begin as {:?}",
                    weight.tensor().dims(),
                    values.dims()
                )
            }
            *weight = Weight::Fixed(values.copy()?.detach());
            copied += 1;
        }
        if copied == 0 {
            candle_core::bail!("nothing is there to begin {prefix} as")
        }
        Ok(())
    }

    /// From now on learns exactly the tensors whose names are `wanted`, and all adapters. Buffers are never learnt.
    pub fn learn(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        for (name, weight) in &mut self.weights {
            let learn = wanted(name) && !BUFFERS.iter().any(|end| name.ends_with(end));
            *weight = match (&*weight, learn) {
                (Weight::Fixed(tensor), true) => Weight::Learnt(Var::from_tensor(tensor)?),
                (Weight::Learnt(var), false) => Weight::Fixed(var.as_detached_tensor()),
                _ => continue,
            };
        }
        Ok(())
    }

    /// What is learnt, by name.
    pub fn learnt(&self) -> impl Iterator<Item = (String, &Var)> {
        let weights = self
            .weights
            .iter()
            .filter_map(|(name, weight)| match weight {
                Weight::Learnt(var) => Some((name.clone(), var)),
                Weight::Fixed(_) => None,
            });
        let adapters = self
            .adapters
            .iter()
            .flat_map(|(name, adapter)| adapter.vars(name));
        weights.chain(adapters)
    }

    /// Trainable parameters, and parameters in all.
    pub fn counts(&self) -> (usize, usize) {
        let learnt = self.learnt().map(|(_, var)| var.elem_count()).sum();
        let all: usize = self.weights.values().map(|w| w.tensor().elem_count()).sum();
        let added: usize = self
            .adapters
            .iter()
            .flat_map(|(name, adapter)| adapter.vars(name))
            .map(|(_, var)| var.elem_count())
            .sum();
        (learnt, all + added)
    }

    /// The matrices that targets name.
    ///
    /// # Errors
    /// When one of them names none.
    pub(super) fn targets(&self, targets: &[String]) -> std::result::Result<Targets, String> {
        let matrices = self.weights.iter().filter_map(|(name, weight)| {
            let module = name.strip_suffix(".weight")?;
            (weight.tensor().rank() == 2).then_some(module)
        });
        resolve(targets, &matrices.collect::<Vec<_>>())
    }

    /// Puts an adapter before each of the matrices that the targets name.
    ///
    /// # Errors
    /// When a target names none.
    pub fn adapt(&mut self, targets: &[String], rank: usize, alpha: f64, seed: u64) -> Result<()> {
        let found = self.targets(targets).map_err(candle_core::Error::Msg)?;
        for module in found.modules {
            let weight = self.weights.get(&format!("{module}.weight"));
            if let (Some(weight), false) = (weight, self.adapters.contains_key(&module)) {
                let shape: [usize; 2] = weight.tensor().dims2()?.into();
                let adapter = Adapter::new(&module, shape, rank, alpha, seed, &self.device)?;
                self.adapters.insert(module, adapter);
            }
        }
        Ok(())
    }

    /// The adapters by the names of their matrices, without `.weight`.
    pub fn adapters(&self) -> &BTreeMap<String, Adapter> {
        &self.adapters
    }

    /// Adds the adapters to their matrices for good.
    pub fn merge_adapters(&mut self) -> Result<()> {
        for (module, adapter) in std::mem::take(&mut self.adapters) {
            if let Some(weight) = self.weights.get_mut(&format!("{module}.weight")) {
                let merged = adapter.applied_to(weight.tensor())?.detach();
                *weight = Weight::Fixed(merged);
            }
        }
        Ok(())
    }

    /// A tensor of any name, adapters left out.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.weights.get(name).map(Weight::tensor)
    }

    /// Every tensor, adapters left out, without gradients.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let plain = |(name, weight): (&String, &Weight)| (name.clone(), weight.tensor().detach());
        self.weights.iter().map(plain).collect()
    }

    /// The same weights, adapters added, without gradients: to answer with while learning goes on.
    pub fn frozen(&self) -> Result<HashMap<String, Tensor>> {
        let mut tensors: HashMap<String, Tensor> = self.tensors().into_iter().collect();
        for (module, adapter) in &self.adapters {
            let name = format!("{module}.weight");
            if let Some(weight) = tensors.get(&name) {
                let merged = adapter.applied_to(weight)?.detach();
                tensors.insert(name, merged);
            }
        }
        Ok(tensors)
    }

    /// Overwrites what is learnt with tensors of the same names and shapes.
    ///
    /// # Errors
    /// When one is missing or misshapen.
    pub fn restore(&self, tensors: &HashMap<String, Tensor>) -> Result<()> {
        for (name, var) in self.learnt() {
            let Some(tensor) = tensors.get(&name) else {
                candle_core::bail!("tensor {name} is missing")
            };
            var.set(&tensor.to_device(&self.device)?)?;
        }
        Ok(())
    }
}

impl WeightSource for Variables {
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let Some(weight) = self.weights.get(name) else {
            candle_core::bail!("tensor {name} {shape:?} is missing")
        };
        let tensor = weight.tensor();
        if tensor.dims() != shape {
            candle_core::bail!(
                "tensor {name} has shape {:?} where {shape:?} is needed",
                tensor.dims()
            )
        }
        let adapter = name
            .strip_suffix(".weight")
            .and_then(|module| self.adapters.get(module));
        match adapter {
            Some(adapter) => adapter.applied_to(tensor)?.to_dtype(dtype),
            None => tensor.to_dtype(dtype),
        }
    }

    fn contains(&self, name: &str) -> bool {
        self.weights.contains_key(name)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
