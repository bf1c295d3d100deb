//! Quantized checkpoints: written, read back, damaged.

#[path = "support/small_model.rs"]
mod small_model;

use std::cell::{Cell, RefCell};
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::{DType, Device};
use m3d_model::quantize::{quantize, quantized_bytes};
use m3d_model::stored::Stored;
use m3d_model::weights::WeightsFile;
use m3d_model::{Checkpoint, Lamed, ModelError, Precision};
use m3d_model::{DTypeChoice, precision_of};
use small_model::{Naming, logits, relative_error, write_model};

fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), Naming::Fused, &["an.unused.weight"]);
    folder
}

fn precision(choice: DTypeChoice) -> Precision {
    precision_of(choice, &Device::Cpu)
}

/// Quantizes a model into a folder of its own.
fn quantized(from: &Path, choice: DTypeChoice) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::open(from).unwrap();
    quantize(&checkpoint, out.path(), precision(choice), &|_| {}, &|| {
        false
    })
    .unwrap();
    out
}

fn load(folder: &Path, precision: impl Into<Precision>) -> Lamed {
    let checkpoint = Checkpoint::open(folder).unwrap();
    Lamed::load(&checkpoint, &Device::Cpu, precision, &|_| {}).unwrap()
}

#[test]
fn a_quantized_model_says_what_the_whole_one_says() {
    let whole = model();
    let expected = logits(&load(whole.path(), DType::F32));
    // A weight is off by 0.02 % (f16), 0.17 % (bf16), 0.4 % (eight bits) or 7 % (four bits) of their root mean square.
    let bounds = [
        (DTypeChoice::F16, 0.001),
        (DTypeChoice::Bf16, 0.005),
        (DTypeChoice::Q8_0, 0.01),
        (DTypeChoice::Q4k, 0.12),
    ];
    for (choice, bound) in bounds {
        let small = quantized(whole.path(), choice);
        let checkpoint = Checkpoint::open(small.path()).unwrap();
        // Multiplied as it is stored, and turned to f32 before.
        let packed = logits(&load(small.path(), precision(choice)));
        // The blocks in the file are those that the whole model is packed into while it is loaded.
        if checkpoint.packed_as().is_some() {
            assert_eq!(
                packed,
                logits(&load(whole.path(), precision(choice))),
                "{choice}"
            );
        }
        let unpacked = logits(&load(small.path(), DType::F32));
        for found in [&packed, &unpacked] {
            let error = relative_error(found, &expected);
            assert!(error > 0.0 && error < bound, "{choice}: {error}");
        }
        let error = relative_error(&packed, &unpacked);
        assert!(error < 0.01, "{choice}, packed and unpacked: {error}");
        assert!(checkpoint.unused().is_empty());
        assert_ne!(
            checkpoint.fingerprint(),
            Checkpoint::open(whole.path()).unwrap().fingerprint()
        );
    }
}

#[test]
fn every_tensor_is_stored_as_it_is_to_be_held() {
    let whole = model();
    let small = quantized(whole.path(), DTypeChoice::Q4k);
    let source = WeightsFile::open(&whole.path().join("model.safetensors")).unwrap();
    let file = WeightsFile::open(&small.path().join("model.gguf")).unwrap();
    let checkpoint = Checkpoint::open(whole.path()).unwrap();
    assert_eq!(file.names().count(), checkpoint.used().len());
    let kinds = [
        // Rows of 256 and of 512.
        ("model.layers.0.self_attn.qkv_proj.weight", Stored::Q4K),
        ("model.layers.1.mlp.down_proj.weight", Stored::Q4K),
        ("model.embed_tokens.weight", Stored::Q8_0),
        (
            "model.vision_tower.vision_tower.blocks.0.attn.qkv.weight",
            Stored::Bf16,
        ),
        (
            "model.seg_module.image_encoder.blocks.0.attn.qkv.weight",
            Stored::Bf16,
        ),
        ("model.norm.weight", Stored::F32),
        ("model.seg_projector.0.weight", Stored::F32),
    ];
    for (name, stored) in kinds {
        assert_eq!(file.stored(name).unwrap(), stored, "{name}");
    }
    for wanted in checkpoint.used() {
        let name = &wanted.name;
        assert_eq!(file.shape(name), Some(wanted.shape.as_slice()), "{name}");
        let (found, exact) = (file.values(name).unwrap(), source.values(name).unwrap());
        let bytes = file.stored(name).unwrap().encode(&exact).unwrap();
        assert_eq!(file.blocks(name).unwrap(), bytes, "{name}");
        let bound = match file.stored(name).unwrap() {
            Stored::F32 => 0.0,
            Stored::Q4K => 0.1,
            _ => 0.01,
        };
        assert!(relative_error(&found, &exact) <= bound, "{name}");
    }
}

#[test]
fn other_readers_list_it() {
    let whole = model();
    let small = quantized(whole.path(), DTypeChoice::Q4k);
    let path = small.path().join("model.gguf");
    let file = WeightsFile::open(&path).unwrap();
    let mut reader = std::fs::File::open(&path).unwrap();
    let content = Content::read(&mut reader).unwrap();
    let text = |key: &str| content.metadata[key].to_string().unwrap().clone();
    assert_eq!(text("general.architecture"), "m3d-lamed");
    let name = whole.path().file_name().unwrap().to_string_lossy();
    assert_eq!(text("general.name"), name);
    assert_eq!(content.metadata["general.file_type"].to_u32().unwrap(), 15);
    assert_eq!(content.tensor_infos.len(), file.names().count());
    for (name, info) in &content.tensor_infos {
        // ggml knows four dimensions.
        let shape = file.shape(name).unwrap();
        let mut folded = shape.to_vec();
        if shape.len() > 4 {
            folded = shape[..3].to_vec();
            folded.push(shape[3..].iter().product());
        }
        assert_eq!(info.shape.dims(), folded, "{name}");
        let tensor = content.tensor(&mut reader, name, &Device::Cpu).unwrap();
        let tensor = tensor.dequantize(&Device::Cpu).unwrap();
        let found: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(found, *file.values(name).unwrap(), "{name}");
    }
}

#[test]
fn the_exact_weights_win_where_both_are() {
    let whole = model();
    let small = quantized(whole.path(), DTypeChoice::Q8_0);
    let fingerprint = |folder: &Path| Checkpoint::open(folder).unwrap().fingerprint();
    let (exact, packed) = (fingerprint(whole.path()), fingerprint(small.path()));
    std::fs::copy(
        small.path().join("model.gguf"),
        whole.path().join("model.gguf"),
    )
    .unwrap();
    assert_eq!(fingerprint(whole.path()), exact);
    std::fs::remove_file(whole.path().join("model.safetensors")).unwrap();
    assert_eq!(fingerprint(whole.path()), packed);
}

#[test]
fn a_quantized_model_can_be_quantized_further() {
    let whole = model();
    let eight = quantized(whole.path(), DTypeChoice::Q8_0);
    let four = quantized(eight.path(), DTypeChoice::Q4k);
    let error = relative_error(
        &logits(&load(four.path(), precision(DTypeChoice::Q4k))),
        &logits(&load(whole.path(), DType::F32)),
    );
    assert!(error > 0.0 && error < 0.12, "{error}");
}

#[test]
fn what_is_there_is_never_written_over_and_what_is_begun_is_finished_or_removed() {
    let whole = model();
    let checkpoint = Checkpoint::open(whole.path()).unwrap();
    let precision = precision(DTypeChoice::Q8_0);
    let make = |out: &Path, cancelled: &dyn Fn() -> bool| {
        quantize(&checkpoint, out, precision, &|_| {}, cancelled)
    };
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let before = names(whole.path());
    let error = make(whole.path(), &|| false).unwrap_err().to_string();
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(names(whole.path()), before);

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/small");
    let asked = Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) > 5;
    let error = make(&out, &cancelled).unwrap_err();
    assert!(matches!(error, ModelError::Cancelled));
    assert!(!out.exists());

    // Left behind by a run that was killed.
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("model.gguf.part"), "half").unwrap();
    let seen = RefCell::new(Vec::new());
    let progress = |part: f32| seen.borrow_mut().push(part);
    let made = quantize(&checkpoint, &out, precision, &progress, &|| false).unwrap();
    let seen = seen.into_inner();
    assert!(seen.is_sorted() && seen.first() == Some(&0.0) && seen.last() == Some(&1.0));
    assert_eq!(
        names(&out),
        [
            "config.json",
            "generation_config.json",
            "m3d-sums.json",
            "model.gguf"
        ]
    );
    let bytes = std::fs::metadata(out.join("model.gguf")).unwrap().len();
    assert_eq!(made.bytes, bytes);
    assert_eq!(quantized_bytes(&checkpoint, precision).unwrap(), bytes);
    assert_eq!(made.tensors, checkpoint.used().len());
    let again = Checkpoint::open(&out).unwrap();
    assert_eq!(again.stop_ids, checkpoint.stop_ids);
    assert_eq!(again.config, checkpoint.config);
}

/// A quantized model to be damaged.
struct Case {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        let whole = model();
        let folder = quantized(whole.path(), DTypeChoice::Q8_0);
        let bytes = std::fs::read(folder.path().join("model.gguf")).unwrap();
        Self { folder, bytes }
    }

    fn open(&self, bytes: &[u8]) -> Result<Checkpoint, ModelError> {
        std::fs::write(self.folder.path().join("model.gguf"), bytes).unwrap();
        Checkpoint::open(self.folder.path())
    }

    fn fails(&self, bytes: &[u8], part: &str) {
        let error = self.open(bytes).expect_err(part).to_string();
        assert!(!error.contains('\n') && error.len() < 400, "{error}");
        assert!(error.contains("model.gguf"), "{error}");
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }

    /// The file with other bytes from an offset on.
    fn with(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut changed = self.bytes.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    }

    /// Where a text lies that is told with its length.
    fn find(&self, text: &str) -> usize {
        let mut pattern = (text.len() as u64).to_le_bytes().to_vec();
        pattern.extend(text.as_bytes());
        let mut places = self.bytes.windows(pattern.len());
        places.position(|bytes| bytes == pattern).unwrap()
    }

    /// Offsets of the rank, kind and offset of a tensor.
    fn tensor(&self, name: &str) -> [usize; 3] {
        let rank = self.find(name) + 8 + name.len();
        let dimensions = u32::from_le_bytes(self.bytes[rank..rank + 4].try_into().unwrap());
        let kind = rank + 4 + 8 * dimensions as usize;
        [rank, kind, kind + 4]
    }
}

const SOME: &str = "model.layers.0.self_attn.qkv_proj.weight";
const OTHER: &str = "model.layers.1.self_attn.qkv_proj.weight";

#[test]
fn a_file_cut_anywhere_or_with_more_behind_is_refused() {
    let case = Case::new();
    let whole = &case.bytes;
    let [.., last] = case.tensor("model.norm.weight");
    for length in (0..last + 200)
        .step_by(7)
        .chain((last..whole.len()).step_by(100_003))
        .chain([whole.len() - 1])
    {
        case.fails(&whole[..length], "damaged");
    }
    case.fails(&[whole.as_slice(), &[0]].concat(), "should have");
    assert!(case.open(whole).is_ok());
}

#[test]
fn headers_that_lie_take_no_memory() {
    let case = Case::new();
    case.fails(&case.with(0, b"GGML"), "begin as a GGUF");
    for version in [0_u32, 1, 2, 4, 3_u32.swap_bytes()] {
        case.fails(&case.with(4, &version.to_le_bytes()), "version");
    }
    for count in [u64::MAX, 1 << 40, 1 << 33, 1 << 17] {
        case.fails(&case.with(8, &count.to_le_bytes()), "claims");
        case.fails(&case.with(16, &count.to_le_bytes()), "damaged");
        // The length of the first key, and of the first text.
        case.fails(&case.with(24, &count.to_le_bytes()), "damaged");
        let text = case.find("general.architecture") + 8 + 20 + 4;
        case.fails(&case.with(text, &count.to_le_bytes()), "damaged");
        case.fails(&case.with(case.find(SOME), &count.to_le_bytes()), "damaged");
    }
    let [rank, kind, offset] = case.tensor(SOME);
    for dimensions in [u32::MAX, 1 << 20, 9] {
        case.fails(&case.with(rank, &dimensions.to_le_bytes()), "dimensions");
    }
    for size in [u64::MAX, u64::MAX / 256, 1 << 40, 255] {
        case.fails(&case.with(rank + 4, &size.to_le_bytes()), SOME);
    }
    let sizes = [u64::MAX.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
    case.fails(&case.with(rank + 4, &sizes), "shape");
    for unknown in [4_u32, 5, 99, u32::MAX] {
        case.fails(&case.with(kind, &unknown.to_le_bytes()), "unknown kind");
    }
    for far in [u64::MAX, u64::MAX - 31, 1 << 62, 1 << 40] {
        case.fails(&case.with(offset, &far.to_le_bytes()), "beyond the end");
    }
    case.fails(&case.with(offset, &17_u64.to_le_bytes()), "not aligned");
    let [.., other] = case.tensor(OTHER);
    let there = case.bytes[other..other + 8].to_vec();
    case.fails(&case.with(offset, &there), "lie over each other");
    // A name that is there already, of the same length.
    let twice = case.find(OTHER) + 8;
    case.fails(&case.with(twice, SOME.as_bytes()), "twice");
    case.fails(&case.with(twice, &[0xFF, 0xFE]), "no text");
    let alignment = case.find("general.alignment") + 8 + 17 + 4;
    for odd in [0_u32, 1, 3, 48, u32::MAX] {
        case.fails(&case.with(alignment, &odd.to_le_bytes()), "alignment");
    }
}

#[test]
fn values_of_every_kind_are_passed_over() {
    let case = Case::new();
    // Before the first value: texts, numbers, arrays of numbers, of texts and of arrays.
    let insert = |values: &[&[u8]]| {
        let count = u64::from_le_bytes(case.bytes[16..24].try_into().unwrap());
        let mut bytes = case.with(16, &(count + values.len() as u64).to_le_bytes());
        let mut added = Vec::new();
        for value in values {
            added.extend(1_u64.to_le_bytes());
            added.push(b'k');
            added.extend(*value);
        }
        // Behind it nothing moves against the alignment.
        let filling = (32 - (added.len() + 8 + 5 + 4 + 8) % 32) % 32;
        added.extend(5_u64.to_le_bytes());
        added.extend(b"other");
        added.extend(8_u32.to_le_bytes());
        added.extend((filling as u64).to_le_bytes());
        added.extend(vec![b'.'; filling]);
        bytes[16..24].copy_from_slice(&(count + values.len() as u64 + 1).to_le_bytes());
        bytes.splice(24..24, added);
        bytes
    };
    let array = |kind: u32, count: u64, rest: &[u8]| {
        let head = [
            &9_u32.to_le_bytes()[..],
            &kind.to_le_bytes(),
            &count.to_le_bytes(),
        ]
        .concat();
        [head.as_slice(), rest].concat()
    };
    let text = [&8_u32.to_le_bytes()[..], &2_u64.to_le_bytes(), b"ab"].concat();
    let texts = array(
        8,
        2,
        &[2_u64.to_le_bytes().as_slice(), b"ab", &[0; 8]].concat(),
    );
    let nested = array(
        9,
        1,
        &[&4_u32.to_le_bytes()[..], &2_u64.to_le_bytes(), &[7; 8]].concat(),
    );
    let double = [&12_u32.to_le_bytes()[..], &[1; 8]].concat();
    let bytes = array(0, 3, &[1, 2, 3]);
    assert!(
        case.open(&insert(&[&text, &texts, &nested, &double, &bytes]))
            .is_ok()
    );

    for count in [u64::MAX, u64::MAX / 8 + 1, 1 << 40] {
        for kind in [0, 4, 8, 9, 12] {
            case.fails(&insert(&[&array(kind, count, &[])]), "claims");
        }
    }
    let mut deep = array(0, 1, &[1]);
    while deep.len() < 2000 {
        deep = [
            9_u32.to_le_bytes().as_slice(),
            &9_u32.to_le_bytes(),
            &1_u64.to_le_bytes(),
            &deep[4..],
        ]
        .concat();
    }
    case.fails(&insert(&[&deep]), "unknown kind");
    case.fails(&insert(&[&[77, 0, 0, 0, 0, 0, 0, 0]]), "unknown kind");
}

#[test]
fn no_byte_of_a_header_can_make_it_panic() {
    let case = Case::new();
    let [.., end] = case.tensor("model.norm.weight");
    let path = case.folder.path().join("model.gguf");
    for at in (0..end + 8).step_by(3) {
        let mut bytes = case.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        // A text may change; what is wrong is told.
        if let Err(error) = WeightsFile::open(&path) {
            assert!(!error.to_string().contains('\n'));
        }
    }
}

#[test]
fn a_tensor_of_a_kind_that_is_not_read_is_named() {
    let case = Case::new();
    // Q8_1 has blocks of 36 bytes where Q8_0 has 34: one row fewer keeps the length below what is there.
    let [_, kind, _] = case.tensor("model.norm.weight");
    // As many bytes in I32 as in F32.
    case.fails(&case.with(kind, &26_u32.to_le_bytes()), "I32");
    let error = case
        .open(&case.with(kind, &26_u32.to_le_bytes()))
        .unwrap_err();
    assert!(matches!(error, ModelError::TensorType { .. }));
}

#[test]
fn a_file_that_shrinks_after_opening_is_an_error() {
    let case = Case::new();
    let checkpoint = case.open(&case.bytes).unwrap();
    let path = case.folder.path().join("model.gguf");
    std::fs::write(&path, &case.bytes[..case.bytes.len() / 2]).unwrap();
    let loaded = Lamed::load(
        &checkpoint,
        &Device::Cpu,
        precision(DTypeChoice::Q8_0),
        &|_| {},
    );
    let error = loaded.expect_err("half a file loads").to_string();
    assert!(error.contains("now has"), "{error}");
}
