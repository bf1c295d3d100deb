//! Which dtypes a model can be held in, given the memory that is free.

use candle_core::Device;
use sysinfo::{MemoryRefreshKind, System};

use super::InferenceError;
use super::cache::ImageCache;
use super::error::NO_CHOICE;
use m3d_engine::WeightFormat;
use m3d_model::{Checkpoint, DTypeChoice, LamedConfig, Precision, precision_of};

/// A model of at most this many bytes in f32 is held in f32 where the choice is left open: exact, and quick anyway.
const SMALL_BYTES: u64 = 1 << 30;

/// The dtype a model is to be held in, and the memory that takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Held {
    /// The choice they come from; never `Auto`.
    pub choice: DTypeChoice,
    /// Dtype and formats.
    pub precision: Precision,
    /// Bytes of the weights.
    pub bytes: u64,
    /// Bytes that answering takes beside them.
    working: u64,
}

impl Held {
    /// Bytes of a checkpoint's weights in the dtype of a choice.
    fn new(
        choice: DTypeChoice,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, InferenceError> {
        let precision = precision_of(choice, device);
        Ok(Self {
            choice,
            precision,
            bytes: checkpoint.memory_bytes(precision)?,
            working: working_bytes(&checkpoint.config, precision),
        })
    }

    fn needed(&self) -> u64 {
        self.bytes.saturating_add(self.working)
    }
}

/// The choices that are offered where memory does not suffice.
fn offers(checkpoint: &Checkpoint, device: &Device) -> Result<Vec<Held>, InferenceError> {
    [DTypeChoice::Bf16, DTypeChoice::Q8_0, DTypeChoice::Q4k]
        .into_iter()
        .map(|choice| Held::new(choice, checkpoint, device))
        .collect()
}

/// What to do where memory does not suffice: choose one of these.
fn advice<'a>(fitting: impl Iterator<Item = &'a Held>) -> String {
    let choices: Vec<String> = fitting
        .map(|held| format!("{} ({})", held.choice, gigabytes(held.bytes)))
        .collect();
    if choices.is_empty() {
        NO_CHOICE.to_owned()
    } else {
        format!("choose {}", choices.join(" or "))
    }
}

/// What could be chosen instead of what a model is held in.
pub(super) struct Alternatives {
    held: Held,
    offers: Vec<Held>,
}

impl Alternatives {
    /// The alternatives to `held`.
    pub fn new(
        held: Held,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, InferenceError> {
        let offers = offers(checkpoint, device)?;
        Ok(Self { held, offers })
    }

    /// Adds to an error of memory that ran out what to choose: what is smaller and fits into `free` bytes, which are
    /// free without the model; unknown is taken for enough. Other errors stay as they are.
    pub fn explain(&self, error: InferenceError, free: Option<u64>) -> InferenceError {
        if !matches!(error, InferenceError::OutOfMemory { .. }) {
            return error;
        }
        let free = free.unwrap_or(u64::MAX);
        let fits = |other: &&Held| other.bytes < self.held.bytes && other.needed() <= free;
        InferenceError::OutOfMemory {
            dtype: Some(self.held.choice),
            advice: advice(self.offers.iter().filter(fits)),
        }
    }
}

/// Decides what a checkpoint is held in. Of what fits, `Auto` takes on a GPU the first of bf16, q8_0 and q4k; on the
/// CPU f32 for a small model, else the first of q8_0 and q4k, which are several times quicker there than wider types.
///
/// # Errors
/// When what was chosen, or anything, does not fit into `free` bytes; unknown is taken for enough.
pub(super) fn choose(
    checkpoint: &Checkpoint,
    device: &Device,
    choice: DTypeChoice,
    free: Option<u64>,
) -> Result<Held, InferenceError> {
    let free = free.unwrap_or(u64::MAX);
    let fits = |held: &Held| held.needed() <= free;
    let held = |choice| Held::new(choice, checkpoint, device);
    let small = held(DTypeChoice::F32)?.bytes <= SMALL_BYTES;
    let candidates: &[DTypeChoice] = match choice {
        // What was stored in few bits gains nothing in more.
        DTypeChoice::Auto if checkpoint.packed_as() == Some(WeightFormat::Q4K) => {
            &[DTypeChoice::Q4k]
        }
        DTypeChoice::Auto if checkpoint.packed_as() == Some(WeightFormat::Q8_0) => {
            &[DTypeChoice::Q8_0, DTypeChoice::Q4k]
        }
        DTypeChoice::Auto if device.is_cpu() && small => {
            &[DTypeChoice::F32, DTypeChoice::Q8_0, DTypeChoice::Q4k]
        }
        DTypeChoice::Auto if device.is_cpu() => &[DTypeChoice::Q8_0, DTypeChoice::Q4k],
        DTypeChoice::Auto => &[DTypeChoice::Bf16, DTypeChoice::Q8_0, DTypeChoice::Q4k],
        ref chosen => std::slice::from_ref(chosen),
    };
    let mut least = None;
    for &candidate in candidates {
        let candidate = held(candidate)?;
        if fits(&candidate) {
            return Ok(candidate);
        }
        least = Some(candidate);
    }
    let asked = least.map_or(DTypeChoice::F32, |held| held.choice);
    let smaller = offers(checkpoint, device)?;
    Err(InferenceError::NoRoom {
        dtype: asked,
        needed: gigabytes(held(asked)?.needed()),
        free: gigabytes(free),
        advice: advice(smaller.iter().filter(|held| fits(held))),
    })
}

/// What answering needs beside the weights: keys and values of the images kept and of one conversation, and the widest
/// activations of the vision towers.
fn working_bytes(config: &LamedConfig, precision: Precision) -> u64 {
    let positions = (config.image_token_count() + 256) * (ImageCache::LEAST + 1);
    let width = config.key_value_heads() * config.head_dim();
    let keys = positions * config.num_hidden_layers * 2 * width;
    let widest = |grid: [usize; 3], mlp: usize| grid.iter().product::<usize>() * mlp;
    let vision = widest(config.grid(), config.vision_config.mlp_dim);
    let seg = &config.seg_config;
    let widest = vision.max(widest(config.seg_grid(), seg.mlp_dim) * seg.views.len().max(1));
    let key_bytes = precision.memory().size_in_bytes();
    (keys * key_bytes + 4 * 4 * widest) as u64
}

/// Bytes as people say them.
pub(super) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Memory that is free on a device; `None` where the system does not say.
pub(super) fn free_bytes(device: &Device) -> Option<u64> {
    match device {
        Device::Cpu => free_ram(),
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let stream = device.cuda_stream();
            let (free, _) = stream.context().mem_get_info().ok()?;
            Some(free as u64)
        }
        // An Apple GPU shares the machine's memory.
        Device::Metal(_) => free_ram(),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => None,
    }
}

/// RAM that programs can still have, within the limits of a container.
fn free_ram() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let free = system.available_memory();
    let limit = system.cgroup_limits().map(|limits| limits.free_memory);
    let free = limit.map_or(free, |limit| free.min(limit));
    (free > 0).then_some(free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m3d_model::demo::write_demo_checkpoint;

    #[test]
    fn what_fits_is_chosen_and_what_does_not_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .join("tests/golden/tokenizer");
        write_demo_checkpoint(folder.path(), &tokenizer).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let choose = |choice, free| choose(&checkpoint, &Device::Cpu, choice, free);
        let bytes = |choice| Held::new(choice, &checkpoint, &Device::Cpu).unwrap().bytes;
        let working = |choice| {
            let precision = precision_of(choice, &Device::Cpu);
            working_bytes(&checkpoint.config, precision)
        };
        assert!(working(DTypeChoice::Q4k) < working(DTypeChoice::F32));
        let exact = working(DTypeChoice::F32);

        let whole = bytes(DTypeChoice::F32);
        let wide = checkpoint.parameter_count() * 4;
        assert!(whole <= wide && whole > wide / 2, "{whole} of {wide}");
        assert!(
            bytes(DTypeChoice::Bf16) < whole && bytes(DTypeChoice::Q8_0) < bytes(DTypeChoice::Bf16)
        );
        assert!(bytes(DTypeChoice::Q4k) <= bytes(DTypeChoice::Q8_0));

        let open = choose(DTypeChoice::Auto, None).unwrap();
        assert_eq!((open.choice, open.bytes), (DTypeChoice::F32, whole));
        assert_eq!(
            choose(DTypeChoice::Auto, Some(whole + exact)).unwrap(),
            open
        );
        let less = choose(DTypeChoice::Auto, Some(whole + exact - 1)).unwrap();
        assert_eq!(less.choice, DTypeChoice::Q8_0);

        let error = choose(DTypeChoice::F32, Some(whole + exact - 1))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("f32") && error.contains("choose bf16 ("),
            "{error}"
        );
        let error = choose(DTypeChoice::Auto, Some(working(DTypeChoice::Q4k)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("smaller model"), "{error}");
    }
    #[test]
    fn memory_that_runs_out_is_told_with_the_smaller_choices() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .join("tests/golden/tokenizer");
        write_demo_checkpoint(folder.path(), &tokenizer).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let held = |choice| Held::new(choice, &checkpoint, &Device::Cpu).unwrap();
        let text = |choice, words: &str, free| {
            let all = Alternatives::new(held(choice), &checkpoint, &Device::Cpu).unwrap();
            let error = candle_core::Error::Cuda(words.into());
            all.explain(error.into(), free).to_string()
        };
        // As the driver's and the library's errors come through candle.
        let driver = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        let library = "CublasError(CUBLAS_STATUS_ALLOC_FAILED)";
        for words in [driver, library] {
            let bytes = |choice| gigabytes(held(choice).bytes);
            assert_eq!(
                text(DTypeChoice::Bf16, words, None),
                format!(
                    "the model ran out of memory in bf16: choose q8_0 ({}) or q4k ({})",
                    bytes(DTypeChoice::Q8_0),
                    bytes(DTypeChoice::Q4k)
                )
            );
        }
        let least = held(DTypeChoice::Q4k).needed();
        for (choice, free) in [
            (DTypeChoice::Q4k, None),
            (DTypeChoice::F32, Some(least - 1)),
        ] {
            let message = text(choice, driver, free);
            assert!(message.ends_with(NO_CHOICE), "{message}");
        }
        let other = "DriverError(CUDA_ERROR_LAUNCH_FAILED, \"unspecified launch failure\")";
        let other = text(DTypeChoice::Bf16, other, None);
        assert!(
            other.contains("LAUNCH_FAILED") && !other.contains("choose"),
            "{other}"
        );
    }
}
