//! LoRA adapters as PEFT writes them, merged into the weights while these are taken: W + s B A, in f32.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::ModelError;
use super::file_names::{ADAPTER_PICKLE, ADAPTER_WEIGHTS};
use super::lora_config::LoraConfig;
use super::weights::WeightsFile;

/// What PEFT puts before the names of the model that it wraps.
const PREFIX: &str = "base_model.model.";
/// Elements of a product that are computed at a time.
const SLAB: usize = 1 << 22;

/// An adapter's folder, opened and found to be complete in itself.
#[derive(Debug)]
pub(super) struct Adapter {
    pub folder: PathBuf,
    config: LoraConfig,
    file: WeightsFile,
    /// What is added, by the name of the weight it is added to.
    pairs: BTreeMap<String, Pair>,
    /// The tensors that take the place of one of the same name, by that name.
    full: BTreeMap<String, String>,
}

/// `s B A`, or its transpose.
#[derive(Debug)]
struct Pair {
    /// The tensors' names in the adapter's file.
    a: String,
    b: String,
    scale: f64,
    rank: usize,
    transposed: bool,
}

/// What a tensor of an adapter is.
enum Part {
    /// `A` of a linear layer, `[r,in]`.
    A,
    /// `B` of a linear layer, `[out,r]`.
    B,
    /// `A` of an embedding, `[r,vocabulary]`.
    EmbeddingA,
    /// `B` of an embedding, `[width,r]`.
    EmbeddingB,
    /// The whole of a tensor.
    Full,
}

impl Adapter {
    /// Opens a folder with `adapter_config.json` and `adapter_model.safetensors`, reading headers only.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let config = LoraConfig::open(folder)?;
        let weights = folder.join(ADAPTER_WEIGHTS);
        if !weights.exists() && folder.join(ADAPTER_PICKLE).exists() {
            return Err(ModelError::OtherForm {
                path: folder.join(ADAPTER_PICKLE),
                wanted: ADAPTER_WEIGHTS,
                how: "pickles may hold code and are not read; load the adapter with PEFT and save it with \
                      save_pretrained(FOLDER, safe_serialization=True)",
            });
        }
        let file = WeightsFile::open(&weights)?;
        let mut adapter = Self {
            folder: folder.to_path_buf(),
            pairs: BTreeMap::new(),
            full: BTreeMap::new(),
            config,
            file,
        };
        adapter.sort_tensors()?;
        adapter.check_modules()?;
        Ok(adapter)
    }

    /// Checks that every tensor has a target of the shape it asks for; `shape_of` tells the shapes of the model.
    pub fn check(&self, shape_of: impl Fn(&str) -> Option<Vec<usize>>) -> Result<(), ModelError> {
        let shape_of = |target: &str, own: &str| {
            shape_of(target).ok_or_else(|| {
                self.wrong(format!(
                    "its tensor {own} belongs to {target}, which the model does not have; it was made for another model"
                ))
            })
        };
        for (target, own) in &self.full {
            let (expected, found) = (shape_of(target, own)?, self.shape(own));
            if found != expected {
                return Err(self.misshapen(own, &expected));
            }
        }
        for (target, pair) in &self.pairs {
            let shape = shape_of(target, &pair.a)?;
            let &[mut rows, mut columns] = shape.as_slice() else {
                return Err(self.wrong(format!("{} belongs to {target}, no matrix", pair.a)));
            };
            if pair.transposed {
                std::mem::swap(&mut rows, &mut columns);
            }
            for (own, expected) in [
                (&pair.a, [pair.rank, columns]),
                (&pair.b, [rows, pair.rank]),
            ] {
                if self.shape(own) != expected {
                    return Err(self.misshapen(own, &expected));
                }
            }
        }
        Ok(())
    }

    /// Whether it takes the place of a tensor.
    pub fn replaces(&self, name: &str) -> bool {
        self.full.contains_key(name)
    }

    /// Whether it changes a tensor.
    pub fn touches(&self, name: &str) -> bool {
        self.replaces(name) || self.pairs.contains_key(name)
    }

    /// A tensor as it is with the adapter: what `base` gives, or the adapter's own, and what is added to it.
    pub fn apply<'a>(
        &'a self,
        name: &str,
        shape: &[usize],
        base: impl FnOnce() -> Result<Cow<'a, [f32]>, ModelError>,
    ) -> Result<Cow<'a, [f32]>, ModelError> {
        let values = match self.full.get(name) {
            Some(own) => self.file.values(own)?,
            None => base()?,
        };
        match (self.pairs.get(name), shape) {
            (Some(pair), &[rows, columns]) => {
                let mut values = values.into_owned();
                self.add(pair, [rows, columns], &mut values)?;
                Ok(Cow::Owned(values))
            }
            _ => Ok(values),
        }
    }

    /// Adds a pair to the rows of a matrix, some rows at a time.
    fn add(
        &self,
        pair: &Pair,
        [rows, columns]: [usize; 2],
        values: &mut [f32],
    ) -> Result<(), ModelError> {
        let tensor = |name: &str| -> Result<Tensor, ModelError> {
            let values = self.file.values(name)?;
            Ok(Tensor::from_slice(&values, self.shape(name), &Device::Cpu)?)
        };
        let (a, b) = (tensor(&pair.a)?, tensor(&pair.b)?);
        let (left, right) = if pair.transposed {
            (a.t()?.contiguous()?, b.t()?.contiguous()?)
        } else {
            (b, a)
        };
        let slab = (SLAB / columns.max(1)).max(1);
        for start in (0..rows).step_by(slab) {
            let count = slab.min(rows - start);
            let product = left.narrow(0, start, count)?.matmul(&right)?;
            let product: Vec<f32> = (product * pair.scale)?.flatten_all()?.to_vec1()?;
            let part = values.get_mut(start * columns..(start + count) * columns);
            part.unwrap_or_default()
                .par_iter_mut()
                .zip(product)
                .for_each(|(value, added)| *value += added);
        }
        Ok(())
    }

    /// Finds the target of every tensor, and to every `A` its `B`.
    fn sort_tensors(&mut self) -> Result<(), ModelError> {
        let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
        for own in self.file.names() {
            let (target, part) = target_of(own).ok_or_else(|| {
                self.wrong(format!(
                    "its tensor {own} is of a kind that is not known here"
                ))
            })?;
            self.file.stored(own)?;
            let embedding = matches!(part, Part::EmbeddingA | Part::EmbeddingB);
            let before = match part {
                Part::A | Part::EmbeddingA => a.insert((target, embedding), own.clone()),
                Part::B | Part::EmbeddingB => b.insert((target, embedding), own.clone()),
                Part::Full => self.full.insert(target, own.clone()),
            };
            if let Some(before) = before {
                return Err(self.wrong(format!("{before} and {own} are for the same tensor")));
            }
        }
        for ((target, embedding), a) in a {
            let Some(b) = b.remove(&(target.clone(), embedding)) else {
                return Err(self.wrong(format!("{a} lacks its lora_B; copy the whole file again")));
            };
            let (rank, scale) = self.config.rank_and_scale(&target);
            let pair = Pair {
                a,
                b,
                scale,
                rank,
                transposed: embedding || self.config.fan_in_fan_out,
            };
            if self.pairs.insert(target.clone(), pair).is_some() {
                return Err(self.wrong(format!("two pairs are for {target}")));
            }
        }
        match b.into_values().next() {
            Some(b) => Err(self.wrong(format!("{b} lacks its lora_A; copy the whole file again"))),
            None => Ok(()),
        }
    }

    /// Checks that each module the settings name has tensors.
    fn check_modules(&self) -> Result<(), ModelError> {
        let has = |target: &String, module: &String| {
            let path = target.rsplit_once('.').map_or("", |(path, _)| path);
            format!(".{path}.").contains(&format!(".{module}."))
        };
        for module in &self.config.target_modules {
            if !self.pairs.keys().any(|target| has(target, module)) {
                return Err(self.wrong(format!(
                    "adapter_config.json names {module}, and there are no lora_A and lora_B for it"
                )));
            }
        }
        for module in &self.config.modules_to_save {
            if !self.full.keys().any(|target| has(target, module)) {
                return Err(self.wrong(format!(
                    "adapter_config.json names {module}, and there are no tensors of it"
                )));
            }
        }
        Ok(())
    }

    fn shape(&self, own: &str) -> &[usize] {
        self.file.shape(own).unwrap_or_default()
    }

    fn misshapen(&self, own: &str, expected: &[usize]) -> ModelError {
        self.wrong(format!(
            "its tensor {own} has shape {:?} where {expected:?} is needed; it was made for another model",
            self.shape(own)
        ))
    }

    fn wrong(&self, message: String) -> ModelError {
        ModelError::Adapter {
            path: self.folder.clone(),
            message,
        }
    }
}

/// What the headers of an adapter's folder tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterFacts {
    /// Its tensors.
    pub tensors: usize,
    /// Parameters in them.
    pub parameters: u64,
}

/// Opens an adapter by itself, without the model it is for.
///
/// # Errors
/// When it is damaged, incomplete or of a kind that cannot be merged.
pub fn adapter_facts(folder: &Path) -> Result<AdapterFacts, ModelError> {
    let file = Adapter::open(folder)?.file;
    Ok(AdapterFacts {
        tensors: file.names().count(),
        parameters: file.names().map(|name| file.element_count(name)).sum(),
    })
}

/// The tensor of the model that a tensor of an adapter is for.
fn target_of(own: &str) -> Option<(String, Part)> {
    let path = own.strip_prefix(PREFIX)?;
    let marks = [
        (".lora_A", Part::A),
        (".lora_B", Part::B),
        (".lora_embedding_A", Part::EmbeddingA),
        (".lora_embedding_B", Part::EmbeddingB),
    ];
    for (mark, part) in marks {
        if let Some((module, rest)) = path.split_once(mark)
            // The adapter's name may stand in between.
            && ["", ".weight", ".default", ".default.weight"].contains(&rest)
        {
            return Some((format!("{module}.weight"), part));
        }
    }
    // A tensor with another word of LoRA's in its name is none of the model's.
    if path.contains("lora_") {
        return None;
    }
    let path = path
        .replace(".modules_to_save.default.", ".")
        .replace(".modules_to_save.", ".")
        .replace(".base_layer.", ".");
    Some((path, Part::Full))
}
