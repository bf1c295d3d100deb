//! Makes a smaller checkpoint of a checkpoint: its weights in few bits in one GGUF file, tensor after tensor, so that
//! it needs little more memory than the largest tensor.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::file_names::{self, GGUF};
use super::gguf_writer::{GgufWriter, Slot, Value, file_bytes};
use super::stored::Stored;
use super::sums::{SUMS_FILE, record_sums};
use super::tensors::wanted_tensors;
use super::{Checkpoint, ModelError, Precision};

/// The name of the weights while they are written.
const PARTIAL_FILE: &str = "model.gguf.part";
const ARCHITECTURE: &str = "m3d-lamed";
/// Values that are packed and written at a time: whole blocks of every format.
const SLAB: usize = 1 << 22;

/// What [`quantize`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantized {
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of the weights file.
    pub bytes: u64,
}

/// Bytes of the weights file that [`quantize`] would write.
///
/// # Errors
/// Where a format of `precision` is one that weights are not stored in.
pub fn quantized_bytes(checkpoint: &Checkpoint, precision: Precision) -> Result<u64, ModelError> {
    let plan = Plan::new(checkpoint, precision)?;
    Ok(file_bytes(&plan.values(), &plan.slots))
}

/// Writes the checkpoint into the folder `out` with its weights in the formats of `precision`: `model.gguf`, `config.json`,
/// `generation_config.json` and the tokenizer's files. Tensors that the network does not need are left out; an adapter
/// becomes part of the weights. `progress` is called with 0 to 1, `cancelled` is asked between pieces; what was begun and not
/// finished is removed.
///
/// # Errors
/// Where `out` holds files already, something cannot be read or written, or it was cancelled.
pub fn quantize(
    checkpoint: &Checkpoint,
    out: &Path,
    precision: Precision,
    progress: &dyn Fn(f32),
    cancelled: &dyn Fn() -> bool,
) -> Result<Quantized, ModelError> {
    let plan = Plan::new(checkpoint, precision)?;
    let mut unfinished = Unfinished::begin(out)?;
    let partial = unfinished.file(PARTIAL_FILE);
    let values = plan.values();
    let failed = |error: std::io::Error| ModelError::io(&partial, error);
    let mut writer = GgufWriter::create(&partial, &values, &plan.slots).map_err(failed)?;
    progress(0.0);
    let (mut done, total) = (0_u64, checkpoint.used_count().max(1));
    for slot in &plan.slots {
        let values = checkpoint.values(&slot.name, &slot.shape)?;
        for slab in values.chunks(SLAB) {
            if cancelled() {
                return Err(ModelError::Cancelled);
            }
            writer.write(&slot.stored.encode(slab)?).map_err(failed)?;
            done += slab.len() as u64;
            progress((done as f64 / total as f64).min(1.0) as f32);
        }
        drop(values);
        checkpoint.release(&slot.name);
    }
    writer.finish().map_err(failed)?;
    let beside = file_names::TOKENIZER_FILES.into_iter();
    for name in beside.chain([
        file_names::CONFIG,
        file_names::OTHER_TOKENIZER,
        file_names::CARD,
    ]) {
        if checkpoint.folder.has(name) {
            let mut from = (checkpoint.folder.open(name))
                .map_err(|e| ModelError::io(&checkpoint.folder.file(name), e))?;
            let to = unfinished.file(name);
            let copied = fs::File::create(&to).and_then(|mut to| io::copy(&mut from, &mut to));
            copied.map_err(|e| ModelError::io(&to, e))?;
        }
    }
    let whole = unfinished.file(GGUF);
    fs::rename(&partial, &whole).map_err(|e| ModelError::io(&whole, e))?;
    unfinished.file(SUMS_FILE);
    record_sums(out)?;
    unfinished.finish();
    Ok(Quantized {
        tensors: plan.slots.len(),
        bytes: file_bytes(&values, &plan.slots),
    })
}

/// What will be written.
struct Plan {
    slots: Vec<Slot>,
    name: String,
    fingerprint: String,
    file_type: u32,
    sizes: [(&'static str, u32); 4],
}

impl Plan {
    fn new(checkpoint: &Checkpoint, precision: Precision) -> Result<Self, ModelError> {
        let config = &checkpoint.config;
        let mut slots = Vec::new();
        for wanted in wanted_tensors(config, precision, |name| checkpoint.contains(name))? {
            let stored = Stored::of(wanted.format, wanted.dtype);
            let slot = stored.and_then(|stored| Slot::new(&wanted.name, &wanted.shape, stored));
            slots.push(slot.ok_or_else(|| {
                ModelError::Config(format!(
                    "{} cannot be stored as {:?}",
                    wanted.name, wanted.format
                ))
            })?);
        }
        Ok(Self {
            slots,
            name: checkpoint.folder.name(),
            fingerprint: checkpoint.fingerprint(),
            file_type: file_type(precision),
            sizes: [
                ("m3d-lamed.block_count", config.num_hidden_layers),
                ("m3d-lamed.context_length", config.context_length()),
                ("m3d-lamed.embedding_length", config.hidden_size),
                ("m3d-lamed.vocab_size", config.vocab_size),
            ]
            // The configuration was found to be within far smaller bounds.
            .map(|(key, n)| (key, u32::try_from(n).unwrap_or(u32::MAX))),
        })
    }

    /// What the file says of itself, in the words that other tools look for.
    fn values(&self) -> Vec<(&str, Value<'_>)> {
        let mut values = vec![
            ("general.architecture", Value::Text(ARCHITECTURE)),
            ("general.type", Value::Text("model")),
            ("general.name", Value::Text(&self.name)),
            ("general.file_type", Value::Number(self.file_type)),
            ("general.quantization_version", Value::Number(2)),
            ("m3d-lamed.made_from", Value::Text(&self.fingerprint)),
        ];
        values.extend(self.sizes.map(|(key, n)| (key, Value::Number(n))));
        values
    }
}

/// The number by which llama.cpp's tools name what most of a file is stored in.
fn file_type(precision: Precision) -> u32 {
    match Stored::of(precision.decoder, precision.compute) {
        Some(Stored::F16) => 1,
        Some(Stored::Q8_0) => 7,
        Some(Stored::Q4K) => 15,
        Some(Stored::Bf16) => 32,
        Some(Stored::F32) | None => 0,
    }
}

/// A folder being filled: emptied again unless all went well.
struct Unfinished {
    folder: PathBuf,
    made: bool,
    files: Vec<PathBuf>,
    done: bool,
}

impl Unfinished {
    /// Makes the folder where it is not there; one that holds files is refused, so that a checkpoint is never written
    /// over, itself least of all.
    fn begin(folder: &Path) -> Result<Self, ModelError> {
        let refused = |message: &str| ModelError::Output {
            path: folder.to_path_buf(),
            message: message.to_string(),
        };
        let made = !folder.exists();
        fs::create_dir_all(folder).map_err(|e| ModelError::io(folder, e))?;
        for entry in fs::read_dir(folder).map_err(|e| ModelError::io(folder, e))? {
            let entry = entry.map_err(|e| ModelError::io(folder, e))?;
            if entry.file_name() != PARTIAL_FILE {
                return Err(refused(
                    "the folder is not empty; name a new or an empty one",
                ));
            }
            // Left behind by a run that was killed.
            fs::remove_file(entry.path()).map_err(|e| ModelError::io(&entry.path(), e))?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            made,
            files: Vec::new(),
            done: false,
        })
    }

    /// The path of a file that is to be in the folder.
    fn file(&mut self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        self.files.push(path.clone());
        path
    }

    fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Whatever cannot be removed stays; the error that led here is reported already.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        if self.made {
            let _ = fs::remove_dir(&self.folder);
        }
    }
}
