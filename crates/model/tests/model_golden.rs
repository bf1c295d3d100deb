//! The networks against the public reference, stage by stage.
//!
//! Every folder below `M3D_GOLDEN_DIR` (`tests/golden` by default) with `config.json`,
//! `model.safetensors` and `stages.safetensors` is a case. Both sides compute in f32 with sums in
//! another order; a relative error of 1e-4 is some hundred times what that alone brings.
//!
//! `M3D_DEVICE=cuda` runs the cases on a GPU, and `M3D_DTYPE=bf16` in numbers of 8 bits; there 1e-2 is allowed, and
//! each token is the reference's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, IndexOp, Tensor};
use m3d_model::rule::RuleSource;
use m3d_model::segvol::Prompts;
use m3d_model::tensors::wanted_tensors;
use m3d_model::{Checkpoint, Lamed, LamedConfig, ModelError, Precision, rule};
use m3d_model::{DTypeChoice, DeviceChoice, precision_of};

const TOLERANCE: f32 = 1e-4;
const COARSE_TOLERANCE: f32 = 1e-2;

/// Where the cases are run, and in what.
fn device_and_dtype() -> (Device, DType) {
    let variable = |name| std::env::var(name).ok();
    let device = variable("M3D_DEVICE").map_or(DeviceChoice::Cpu, |word| word.parse().unwrap());
    let dtype = variable("M3D_DTYPE").map_or(DType::F32, |word| word.parse().unwrap());
    (device.open().unwrap(), dtype)
}

fn is_case(folder: &Path) -> bool {
    ["config.json", "model.safetensors", "stages.safetensors"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn cases() -> Vec<PathBuf> {
    let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden");
    let asked = std::env::var_os("M3D_GOLDEN_DIR").map(PathBuf::from);
    let root = asked.unwrap_or(own);
    if is_case(&root) {
        return vec![root];
    }
    let entries = std::fs::read_dir(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_case(path) && path.file_name().is_some_and(|n| n != "clip"))
        .collect();
    found.sort();
    found
}

/// The public studies and goldens beside the project, where they are.
fn shared() -> Option<PathBuf> {
    let beside = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("../shared");
    let folder = std::env::var_os("M3D_SHARED").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn relative_error(found: &Tensor, wanted: &Tensor) -> f32 {
    let wanted = wanted.to_dtype(DType::F32).unwrap();
    let found = found
        .to_device(&Device::Cpu)
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
        .reshape(wanted.shape())
        .unwrap();
    let norm = |t: &Tensor| {
        t.sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
            .sqrt()
    };
    norm(&(found - &wanted).unwrap()) / norm(&wanted).max(f32::MIN_POSITIVE)
}

/// The stages of one case, ticked off as they are compared.
struct Stages {
    case: String,
    tensors: HashMap<String, Tensor>,
    seen: BTreeSet<String>,
    failures: Vec<String>,
    tolerance: f32,
}

impl Stages {
    fn open(folder: &Path) -> Self {
        let tensors =
            candle_core::safetensors::load(folder.join("stages.safetensors"), &Device::Cpu);
        Self {
            case: folder.display().to_string(),
            tensors: tensors.unwrap(),
            seen: BTreeSet::new(),
            failures: Vec::new(),
            tolerance: match device_and_dtype().1 {
                DType::F32 => TOLERANCE,
                _ => COARSE_TOLERANCE,
            },
        }
    }

    fn get(&mut self, name: &str) -> Tensor {
        self.seen.insert(name.to_owned());
        let found = self.tensors.get(name).cloned();
        found.unwrap_or_else(|| panic!("{}: there is no stage {name}", self.case))
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn compare(&mut self, name: &str, found: &Tensor) {
        let wanted = self.get(name);
        if found.elem_count() != wanted.elem_count() {
            let text = format!("{name}: {:?} is not {:?}", found.dims(), wanted.dims());
            return self.failures.push(text);
        }
        let error = relative_error(found, &wanted);
        eprintln!("{}: {name}: {error:.1e}", self.case);
        // Written so that NaN fails too.
        if !matches!(
            error.partial_cmp(&self.tolerance),
            Some(std::cmp::Ordering::Less)
        ) {
            self.failures
                .push(format!("{name}: relative error {error:.2e}"));
        }
    }

    fn finish(self) {
        let unknown: Vec<&String> = self
            .tensors
            .keys()
            .filter(|n| !self.seen.contains(*n))
            .collect();
        assert!(
            unknown.is_empty(),
            "{}: stages nobody compared: {unknown:?}",
            self.case
        );
        assert!(
            self.failures.is_empty(),
            "{}:\n{}",
            self.case,
            self.failures.join("\n")
        );
    }
}

fn ids(tensor: &Tensor) -> Vec<u32> {
    let flat = tensor.flatten_all().unwrap().to_dtype(DType::I64).unwrap();
    flat.to_vec1::<i64>()
        .unwrap()
        .into_iter()
        .map(|id| u32::try_from(id).unwrap())
        .collect()
}

/// The embedded prompt: the first token, the image, and what follows the image's places.
fn splice(lamed: &Lamed, ids: &[u32], image_tokens: &Tensor) -> Tensor {
    let after = 1 + image_tokens.dim(1).unwrap();
    let (first, rest) = (
        lamed.embed(&ids[..1]).unwrap(),
        lamed.embed(&ids[after..]).unwrap(),
    );
    Tensor::cat(&[&first, image_tokens, &rest], 1).unwrap()
}

/// Greedy decoding one token at a time through the cache: the ids and the state that produced each. Where `forced`,
/// the tokens read are the reference's.
fn greedy(lamed: &Lamed, prompt: &Tensor, wanted: &[u32], forced: bool) -> (Vec<u32>, Vec<Tensor>) {
    let mut cache = lamed.new_cache();
    let states = lamed.decode(prompt, &mut cache).unwrap();
    let mut state = states.narrow(1, states.dim(1).unwrap() - 1, 1).unwrap();
    let (mut ids, mut produced) = (Vec::new(), Vec::new());
    for &next in wanted {
        let logits = lamed.logits(&state).unwrap();
        let id = logits
            .i(0)
            .unwrap()
            .argmax(D::Minus1)
            .unwrap()
            .to_scalar::<u32>()
            .unwrap();
        let id = if forced { next } else { id };
        ids.push(id);
        produced.push(state.clone());
        state = lamed
            .decode(&lamed.embed(&[id]).unwrap(), &mut cache)
            .unwrap();
    }
    (ids, produced)
}

fn run_case(folder: &Path) {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let (device, dtype) = device_and_dtype();
    let lamed = Lamed::load(&checkpoint, &device, dtype, &|_| {}).unwrap();
    let mut stages = Stages::open(folder);
    let image = stages.get("image").to_device(&device).unwrap();
    run_stages(&lamed, &mut stages, &image);
    stages.finish();
}

fn run_stages(lamed: &Lamed, stages: &mut Stages, image: &Tensor) {
    let image = match image.dims() {
        [_, _, _, _] => image.unsqueeze(0).unwrap(),
        _ => image.clone(),
    };
    let features = lamed.vision_tower().forward(&image, None).unwrap();
    stages.compare("vision_features", &features);
    let tokens = lamed.encode_image(&image).unwrap();
    stages.compare("image_tokens", &tokens);
    let input_ids = ids(&stages.get("input_ids"));
    let prompt = splice(lamed, &input_ids, &tokens);
    stages.compare("inputs_embeds", &prompt);
    let hidden = lamed.decode(&prompt, &mut lamed.new_cache()).unwrap();
    stages.compare("prefill_last_hidden", &hidden);
    stages.compare("prefill_logits", &lamed.logits(&hidden).unwrap());

    let wanted = ids(&stages.get("greedy_ids"));
    let forced = stages.tolerance > TOLERANCE;
    let (found, produced) = greedy(lamed, &prompt, &wanted, forced);
    if found != wanted {
        stages
            .failures
            .push(format!("greedy_ids: {found:?} is not {wanted:?}"));
    }
    let seg = lamed.config().seg_token_id;
    let states: Vec<Tensor> = (1..wanted.len())
        .filter(|&n| wanted[n] == seg)
        .map(|n| produced[n].clone())
        .collect();
    let mean = Tensor::cat(&states, 1).unwrap().mean(1).unwrap();
    stages.compare("seg_hidden", &mean);
    let text = lamed.segmentation_prompt(&states).unwrap();
    stages.compare("seg_prompt", &text);
    compare_masks(lamed, stages, &image, &text);
}

fn compare_masks(lamed: &Lamed, stages: &mut Stages, image: &Tensor, text: &Tensor) {
    let segvol = lamed.segvol();
    let features = lamed.encode_segmentation(image).unwrap();
    // The reference's encoder ends with tokens, [1,N,C]; here it ends with the grid, [1,C,d,h,w].
    let tokens = features.flatten_from(2).unwrap().transpose(1, 2).unwrap();
    stages.compare("seg_image_encoder", &tokens.contiguous().unwrap());
    stages.compare("dense_pe", segvol.prompt_encoder.dense_position());
    let prompts = Prompts {
        text: Some(text),
        ..Prompts::default()
    };
    let predicted = segvol.predict(&features, &prompts).unwrap();
    stages.compare("low_res_masks", &predicted.low_res_masks);
    stages.compare("iou_pred", &predicted.iou);
    stages.compare("seg_logits", &lamed.decode_mask(&features, text).unwrap());

    if stages.has("box_prompt") {
        let corners = stages
            .get("box_prompt")
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        let corners = [
            [corners[0], corners[1], corners[2]],
            [corners[3], corners[4], corners[5]],
        ];
        let prompts = Prompts {
            text: Some(text),
            corners: Some(corners),
            ..Prompts::default()
        };
        let sparse = segvol.prompt_encoder.sparse(&prompts).unwrap();
        stages.compare("box_sparse", &sparse);
        let predicted = segvol.predict(&features, &prompts).unwrap();
        stages.compare("box_low_res_masks", &predicted.low_res_masks);
    }
    if stages.has("point_coords") {
        let places = stages
            .get("point_coords")
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        let labels = stages.get("point_labels").flatten_all().unwrap();
        let labels = labels
            .to_dtype(DType::F32)
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        let points: Vec<([f32; 3], bool)> = places
            .chunks(3)
            .zip(&labels)
            .map(|(p, &label)| ([p[0], p[1], p[2]], label > 0.5))
            .collect();
        let prompts = Prompts {
            text: Some(text),
            points: &points,
            ..Prompts::default()
        };
        stages.compare(
            "point_sparse",
            &segvol.prompt_encoder.sparse(&prompts).unwrap(),
        );
    }
}

#[test]
fn every_stage_equals_the_reference() {
    let cases = cases();
    assert!(!cases.is_empty(), "there are no cases");
    for case in &cases {
        run_case(case);
    }
}

#[test]
fn the_llama_variant_equals_the_reference() {
    match shared()
        .map(|s| s.join("goldens/llama"))
        .filter(|f| is_case(f))
    {
        Some(folder) => run_case(&folder),
        None => eprintln!("skipped: the golden of the Llama variant is not beside the project"),
    }
}

/// Shape, mean, standard deviation and first element of each tensor.
type Told = BTreeMap<String, (Vec<usize>, f64, f64, f64)>;

#[test]
fn the_rule_gives_the_weights_of_the_wide_golden() {
    let Some(folder) = shared()
        .map(|s| s.join("goldens/wide"))
        .filter(|f| f.is_dir())
    else {
        eprintln!("skipped: the wide golden is not beside the project");
        return;
    };
    let text = std::fs::read(folder.join("weights_check.json")).unwrap();
    let told: Told = serde_json::from_slice(&text).unwrap();
    assert!(told.len() > 100);
    for (name, (shape, mean, deviation, first)) in &told {
        let values = rule::values(name, shape);
        let n = values.len() as f64;
        let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
        let squares: f64 = values
            .iter()
            .map(|v| (f64::from(*v) - sum / n).powi(2))
            .sum();
        assert!((sum / n - mean).abs() < 1e-5, "{name}: mean {}", sum / n);
        let found = (squares / n).sqrt();
        // A published deviation may be of the sample (n - 1) for the smallest tensors.
        assert!(
            (found - deviation).abs() < 1e-4 * deviation + found / n,
            "{name}: {found}"
        );
        assert!(
            (f64::from(values[0]) - first).abs() < 1e-6,
            "{name}: {}",
            values[0]
        );
    }
}

/// Every tensor of a checkpoint is used or named as unused, and none is both.
#[test]
fn every_tensor_is_used_or_named_as_unused() {
    for case in cases() {
        let checkpoint = Checkpoint::open(&case).unwrap();
        let file = candle_core::safetensors::load(case.join("model.safetensors"), &Device::Cpu);
        let all: BTreeSet<String> = file.unwrap().into_keys().collect();
        let used: BTreeSet<String> = checkpoint.used().iter().map(|t| t.name.clone()).collect();
        let unused: BTreeSet<String> = checkpoint.unused().iter().cloned().collect();
        assert!(used.is_disjoint(&unused));
        assert_eq!(
            used.union(&unused).cloned().collect::<BTreeSet<_>>(),
            all,
            "{}",
            case.display()
        );
        // Convolutions of a 2-D model, and the three masks beside the one that is used.
        let known = ["mask_downscaling.", "_mlps.1.", "_mlps.2.", "_mlps.3."];
        let stray = unused.iter().find(|n| !known.iter().any(|k| n.contains(k)));
        assert_eq!(stray, None, "{}", case.display());
    }
}

/// A network that never asked for a weight would not miss it: each one is needed to load.
#[test]
fn each_used_tensor_is_needed() {
    let Some(case) = cases().into_iter().next() else {
        return;
    };
    let config: LamedConfig =
        serde_json::from_slice(&std::fs::read(case.join("config.json")).unwrap()).unwrap();
    let all = candle_core::safetensors::load(case.join("model.safetensors"), &Device::Cpu).unwrap();
    let used: Vec<String> = Checkpoint::open(&case)
        .unwrap()
        .used()
        .iter()
        .map(|t| t.name.clone())
        .collect();
    for name in used.iter().step_by(7) {
        let mut without = all.clone();
        without.remove(name);
        let loaded = Lamed::from_tensors(&config, without, &Device::Cpu, DType::F32);
        let message = loaded
            .expect_err(&format!("{name} is not needed"))
            .to_string();
        assert!(
            message.contains(name.as_str()),
            "{message} does not name {name}"
        );
    }
}

/// A weight that is loaded but not computed with would leave the answer as it was.
#[test]
fn each_used_tensor_changes_a_stage() {
    let Some(case) = cases().into_iter().next() else {
        return;
    };
    let checkpoint = Checkpoint::open(&case).unwrap();
    let config = checkpoint.config.clone();
    let all = candle_core::safetensors::load(case.join("model.safetensors"), &Device::Cpu).unwrap();
    let stages =
        candle_core::safetensors::load(case.join("stages.safetensors"), &Device::Cpu).unwrap();
    let image = match stages["image"].dims() {
        [_, _, _, _] => stages["image"].unsqueeze(0).unwrap(),
        _ => stages["image"].clone(),
    };
    let input_ids = ids(&stages["input_ids"]);
    let outcome = |tensors: HashMap<String, Tensor>| -> Vec<Tensor> {
        let lamed = Lamed::from_tensors(&config, tensors, &Device::Cpu, DType::F32).unwrap();
        let tokens = lamed.encode_image(&image).unwrap();
        let prompt = splice(&lamed, &input_ids, &tokens);
        let hidden = lamed.decode(&prompt, &mut lamed.new_cache()).unwrap();
        let last = hidden.narrow(1, hidden.dim(1).unwrap() - 1, 1).unwrap();
        let text = lamed
            .segmentation_prompt(std::slice::from_ref(&last))
            .unwrap();
        let features = lamed.encode_segmentation(&image).unwrap();
        let points = [([1.0, 2.0, 3.0], true), ([4.0, 1.0, 2.0], false)];
        let bounds = [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]];
        let with_box = Prompts {
            text: Some(&text),
            corners: Some(bounds),
            points: &[],
        };
        let with_points = Prompts {
            text: Some(&text),
            corners: None,
            points: &points,
        };
        let segvol = lamed.segvol();
        let boxed = segvol.predict(&features, &with_box).unwrap();
        let pointed = segvol.predict(&features, &with_points).unwrap();
        vec![
            lamed.logits(&hidden).unwrap(),
            boxed.low_res_masks,
            boxed.iou,
            pointed.low_res_masks,
        ]
    };
    let before = outcome(all.clone());
    for wanted in checkpoint.used().iter().step_by(5) {
        // Adding the same number to every key of a query leaves its softmax as it was.
        if wanted.name.ends_with("k_proj.bias") {
            continue;
        }
        let mut changed = all.clone();
        let tensor = (&all[&wanted.name] * 1.5).unwrap();
        changed.insert(wanted.name.clone(), (tensor + 0.25).unwrap());
        let after = outcome(changed);
        let differs = before
            .iter()
            .zip(&after)
            .any(|(a, b)| relative_error(b, a) > 1e-6);
        assert!(differs, "{} is loaded but changes nothing", wanted.name);
    }
}

fn load(case: &Path) -> Lamed {
    let checkpoint = Checkpoint::open(case).unwrap();
    Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap()
}

/// The published checkpoint has 4,049,101,904 parameters in 617 tensors; those unused are counted from their shapes.
#[test]
fn the_public_configuration_has_the_published_size() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("tests/golden/tokenizer/public-finetune-config.json");
    let config = LamedConfig::from_json(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(config.image_token_count(), 256);
    let wanted = wanted_tensors(&config, DType::F32.into(), |_| false).unwrap();
    let used: usize = wanted
        .iter()
        .map(|tensor| tensor.shape.iter().product::<usize>())
        .sum();
    let hypernetwork = 2 * (768 * 768 + 768) + 96 * 768 + 96;
    let convolutions = (4 * 4 + 4) + (16 * 4 * 4 + 16) + (768 * 16 + 768);
    let norms = 2 * 4 + 2 * 16;
    assert_eq!(
        used + 3 * hypernetwork + convolutions + norms,
        4_049_101_904
    );
    assert_eq!(wanted.len() + 3 * 6 + 10, 617);
}

#[test]
fn a_prompt_in_pieces_over_a_cut_cache_gives_the_same() {
    for case in cases() {
        let lamed = load(&case);
        let ids: Vec<u32> = (0..21).map(|i| i * 17 % 400).collect();
        let whole = lamed.embed(&ids).unwrap();
        let mut layers = Vec::new();
        let mut probe = |layer: usize, x: &Tensor| {
            layers.push((layer, x.dims().to_vec()));
            ControlFlow::Continue(())
        };
        let wanted = lamed
            .decode_probed(&whole, &mut lamed.new_cache(), Some(&mut probe))
            .unwrap();
        let every = (0..lamed.config().num_hidden_layers).map(|i| (i, wanted.dims().to_vec()));
        assert_eq!(layers, every.collect::<Vec<_>>());

        let mut cache = lamed.new_cache();
        let piece = |start, n, cache: &mut _| {
            lamed
                .decode(&whole.narrow(1, start, n).unwrap(), cache)
                .unwrap()
        };
        let mut parts = vec![piece(0, 9, &mut cache), piece(9, 1, &mut cache)];
        parts.push(piece(10, 7, &mut cache));
        // A detour that is cut off again.
        piece(0, 5, &mut cache);
        cache.truncate(17);
        parts.push(piece(17, 4, &mut cache));
        assert_eq!(cache.len(), 21);
        assert!(relative_error(&Tensor::cat(&parts, 1).unwrap(), &wanted) < 1e-5);
    }
}

#[test]
fn a_probe_stops_a_network_between_two_layers() {
    let case = cases().remove(0);
    let lamed = load(&case);
    let stages = Stages::open(&case);
    let image = &stages.tensors["image"];
    let image = image.reshape((
        1,
        1,
        (),
        image.dim(D::Minus2).unwrap(),
        image.dim(D::Minus1).unwrap(),
    ));
    let image = image.unwrap();
    let mut shown = 0;
    let mut stop = |_: usize, _: &Tensor| {
        shown += 1;
        ControlFlow::Break(())
    };
    let mut cache = lamed.new_cache();
    let words = lamed.embed(&[1, 2, 3]).unwrap();
    lamed.decode(&words, &mut cache).unwrap();
    let stopped = [
        lamed.encode_image_probed(&image, Some(&mut stop)),
        lamed.encode_segmentation_probed(&image, Some(&mut stop)),
        lamed.decode_probed(&words, &mut cache, Some(&mut stop)),
    ];
    for (n, result) in stopped.into_iter().enumerate() {
        assert!(matches!(result, Err(ModelError::Cancelled)), "{n}");
    }
    assert_eq!((shown, cache.len()), (3, 3));
    // And the cache goes on as if nothing had been.
    let twice = lamed.embed(&[1, 2, 3, 1, 2, 3]).unwrap();
    let wanted = lamed.decode(&twice, &mut lamed.new_cache()).unwrap();
    let found = lamed.decode(&words, &mut cache).unwrap();
    assert!(relative_error(&found, &wanted.narrow(1, 3, 3).unwrap()) < 1e-5);
}

#[test]
fn the_cache_grows_to_the_context_and_no_further() {
    let case = cases().remove(0);
    let mut config = Checkpoint::open(&case).unwrap().config;
    // More than one step of the cache's growth.
    config.max_position_embeddings = 700;
    let all = candle_core::safetensors::load(case.join("model.safetensors"), &Device::Cpu).unwrap();
    let lamed = Lamed::from_tensors(&config, all, &Device::Cpu, DType::F32).unwrap();
    let ids: Vec<u32> = (0..700).map(|i| i * 31 % 400).collect();
    let whole = lamed.embed(&ids).unwrap();
    let wanted = lamed.decode(&whole, &mut lamed.new_cache()).unwrap();
    let mut cache = lamed.new_cache();
    lamed
        .decode(&whole.narrow(1, 0, 500).unwrap(), &mut cache)
        .unwrap();
    let rest = lamed
        .decode(&whole.narrow(1, 500, 200).unwrap(), &mut cache)
        .unwrap();
    assert!(relative_error(&rest, &wanted.narrow(1, 500, 200).unwrap()) < 1e-5);
    let refused = lamed.decode(&lamed.embed(&[1]).unwrap(), &mut cache);
    assert!(matches!(
        refused,
        Err(ModelError::ContextTooLong {
            asked: 701,
            limit: 700
        })
    ));
    assert_eq!(cache.len(), 700);
}

#[test]
fn inputs_of_another_shape_are_refused() {
    let lamed = load(&cases().remove(0));
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let mut cache = lamed.new_cache();
    let refused = [
        lamed.encode_image(&zeros(&[1, 1, 2, 2, 2])),
        lamed.encode_segmentation(&zeros(&[1, 1, 2])),
        lamed.decode(&zeros(&[1, 0, lamed.config().hidden_size]), &mut cache),
        lamed.decode(&zeros(&[1, 2, 3]), &mut cache),
        lamed.logits(&zeros(&[1, 2, 3])),
        lamed.segmentation_prompt(&[]),
        lamed.segmentation_prompt(&[zeros(&[1, 3])]),
        lamed.decode_mask(&zeros(&[1]), &zeros(&[1])),
    ];
    for (n, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(ModelError::Input { .. })), "{n}");
    }
    let outside = lamed.embed(&[1, 99_999]);
    assert!(matches!(
        outside,
        Err(ModelError::TokenOutOfRange { id: 99_999, .. })
    ));
}

/// Every `step`-th element along `dim`.
fn every(x: &Tensor, dim: usize, step: usize) -> Tensor {
    let at: Vec<u32> = (0..x.dim(dim).unwrap() as u32).step_by(step).collect();
    let count = at.len();
    let at = Tensor::from_vec(at, count, &Device::Cpu).unwrap();
    x.contiguous().unwrap().index_select(&at, dim).unwrap()
}

fn by_rule(config: &LamedConfig, precision: Precision) -> Lamed {
    let source = RuleSource {
        device: Device::Cpu,
        // The decoder's fused naming.
        present: |_: &str| false,
    };
    Lamed::new(config, &source, precision).unwrap()
}

#[test]
#[ignore = "the full width: 3.5 GB of weights made in memory, and about a minute on two cores"]
fn the_full_width_equals_the_reference() {
    let folder = shared()
        .map(|s| s.join("goldens/wide"))
        .expect("goldens/wide beside the project");
    let config =
        LamedConfig::from_json(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let lamed = by_rule(&config, DType::F32.into());
    let stages =
        candle_core::safetensors::load(folder.join("stages.safetensors"), &Device::Cpu).unwrap();
    let compare = |name: &str, found: &Tensor| {
        let error = relative_error(found, &stages[name]);
        println!("wide, {name}: {error:.1e}");
        assert!(error < TOLERANCE, "wide, {name}: relative error {error}");
    };
    let each_axis = |x: &Tensor, step| (2..5).fold(x.clone(), |x, dim| every(&x, dim, step));

    let image = rule::image(config.image_size, &Device::Cpu).unwrap();
    compare("image_every_8th", &each_axis(&image, 8));
    let vision = lamed.vision_tower().forward(&image, None).unwrap();
    compare("vision_features_every_64th_token", &every(&vision, 1, 64));
    let image_tokens = lamed.projector().forward(&vision).unwrap();
    compare("image_tokens_every_16th", &every(&image_tokens, 1, 16));

    let prompt = splice(&lamed, &ids(&stages["input_ids"]), &image_tokens);
    let mut cache = lamed.new_cache();
    let hidden = lamed.decode(&prompt, &mut cache).unwrap();
    let mut state = hidden.narrow(1, hidden.dim(1).unwrap() - 1, 1).unwrap();
    compare("last_hidden_last_position", &state);
    compare("logits_last_position", &lamed.logits(&state).unwrap());
    let (seg, wanted) = (ids(&stages["seg_token_id"])[0], ids(&stages["greedy_ids"]));
    let (mut found, mut seg_states) = (Vec::new(), Vec::new());
    for n in 0..wanted.len() {
        let scores = lamed.logits(&state).unwrap().i(0).unwrap();
        let id: u32 = scores.argmax(D::Minus1).unwrap().to_scalar().unwrap();
        if n > 0 && id == seg {
            seg_states.push(state.clone());
        }
        found.push(id);
        state = lamed
            .decode(&lamed.embed(&[id]).unwrap(), &mut cache)
            .unwrap();
    }
    assert_eq!(found, wanted, "wide, greedy_ids");
    let mean = Tensor::cat(&seg_states, 1).unwrap().mean(1).unwrap();
    compare("seg_hidden", &mean);
    let text = lamed.segmentation_prompt(&seg_states).unwrap();
    compare("seg_prompt", &text);

    let features = lamed.encode_segmentation(&image).unwrap();
    let tokens = features.flatten_from(2).unwrap().transpose(1, 2).unwrap();
    compare("seg_image_encoder_every_64th_token", &every(&tokens, 1, 64));
    let logits = lamed.decode_mask(&features, &text).unwrap();
    let logits = logits.unsqueeze(0).unwrap().unsqueeze(0).unwrap();
    compare("seg_logits_every_4th", &each_axis(&logits, 4));
}

/// Random weights at full width are the hardest case there is for few bits: nothing in them is redundant.
#[test]
#[ignore = "the full width in few bits: about a minute on two cores"]
fn few_bits_stay_close_at_full_width() {
    let folder = shared()
        .map(|s| s.join("goldens/wide"))
        .expect("goldens/wide beside the project");
    let config =
        LamedConfig::from_json(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let stages =
        candle_core::safetensors::load(folder.join("stages.safetensors"), &Device::Cpu).unwrap();
    let wanted = ids(&stages["greedy_ids"]);
    let image = rule::image(config.image_size, &Device::Cpu).unwrap();
    // How far the likeliest token is ahead of the next at each step, in the exact numbers, which come first.
    let mut margins = Vec::new();
    for dtype in [
        DTypeChoice::F32,
        DTypeChoice::Bf16,
        DTypeChoice::F16,
        DTypeChoice::Q8_0,
        DTypeChoice::Q4k,
    ] {
        let lamed = by_rule(&config, precision_of(dtype, &Device::Cpu));
        let tokens = lamed.encode_image(&image).unwrap();
        let image_error =
            relative_error(&every(&tokens, 1, 16), &stages["image_tokens_every_16th"]);
        let prompt = splice(&lamed, &ids(&stages["input_ids"]), &tokens);
        let mut cache = lamed.new_cache();
        let hidden = lamed.decode(&prompt, &mut cache).unwrap();
        let mut state = hidden.narrow(1, hidden.dim(1).unwrap() - 1, 1).unwrap();
        let scores = lamed.logits(&state).unwrap();
        let error = relative_error(&scores, &stages["logits_last_position"]);
        let features = lamed.encode_segmentation(&image).unwrap();
        let features = features.flatten_from(2).unwrap().transpose(1, 2).unwrap();
        let wanted_features = &stages["seg_image_encoder_every_64th_token"];
        let features_error = relative_error(&every(&features, 1, 64), wanted_features);
        // How far the greedy answer is the same; each choice is forced to the reference's.
        let mut same = Vec::new();
        for &id in &wanted {
            let scores = lamed.logits(&state).unwrap().i(0).unwrap();
            let mut scores: Vec<f32> = scores.to_vec1().unwrap();
            let chosen = scores[id as usize];
            scores[id as usize] = f32::NEG_INFINITY;
            let margin = chosen - scores.into_iter().fold(f32::NEG_INFINITY, f32::max);
            same.push(margin > 0.0);
            if dtype == DTypeChoice::F32 {
                margins.push(margin);
            }
            state = lamed
                .decode(&lamed.embed(&[id]).unwrap(), &mut cache)
                .unwrap();
        }
        let least = (0..wanted.len()).min_by(|&a, &b| margins[a].total_cmp(&margins[b]));
        let least = least.unwrap();
        println!(
            "{dtype}: image tokens {image_error:.2e}, logits {error:.2e}, segmentation features \
             {features_error:.2e}, {} of {} greedy tokens (smallest margin {:.1e} at token {least})",
            same.iter().filter(|same| **same).count(),
            wanted.len(),
            margins[least],
        );
        // In bf16, and behind towers in bf16, the numbers read are as coarse as the weights.
        if !matches!(dtype, DTypeChoice::Bf16 | DTypeChoice::Q4k) {
            assert!(error < 0.01, "{dtype}: logits are off by {error}");
            assert!(same[..least].iter().all(|same| *same), "{dtype}: {same:?}");
        }
    }
}
