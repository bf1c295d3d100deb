//! The networks against the public reference, stage by stage.
//!
//! Every folder below `M3D_GOLDEN_DIR` (`tests/golden` by default) with `config.json`,
//! `model.safetensors` and `stages.safetensors` is a case. Both sides compute in f32 with sums in
//! another order; a relative error of 1e-4 is some hundred times what that alone brings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, IndexOp, Tensor};
use m3d_viewer::model::segvol::Prompts;
use m3d_viewer::model::{Checkpoint, Lamed, LamedConfig, rule};

const TOLERANCE: f32 = 1e-4;

fn is_case(folder: &Path) -> bool {
    ["config.json", "model.safetensors", "stages.safetensors"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn cases() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
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
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("M3D_SHARED").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn relative_error(found: &Tensor, wanted: &Tensor) -> f32 {
    let wanted = wanted.to_dtype(DType::F32).unwrap();
    let found = found
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
            error.partial_cmp(&TOLERANCE),
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

/// Greedy decoding one token at a time through the cache: the ids and the state that produced each.
fn greedy(lamed: &Lamed, prompt: &Tensor, count: usize) -> (Vec<u32>, Vec<Tensor>) {
    let mut cache = lamed.new_cache();
    let states = lamed.decode(prompt, &mut cache).unwrap();
    let mut state = states.narrow(1, states.dim(1).unwrap() - 1, 1).unwrap();
    let (mut ids, mut produced) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let logits = lamed.logits(&state).unwrap();
        let id = logits
            .i(0)
            .unwrap()
            .argmax(D::Minus1)
            .unwrap()
            .to_scalar::<u32>()
            .unwrap();
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
    let lamed = Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap();
    let mut stages = Stages::open(folder);
    let image = stages.get("image");
    run_stages(&lamed, &mut stages, &image);
    stages.finish();
}

fn run_stages(lamed: &Lamed, stages: &mut Stages, image: &Tensor) {
    let image = match image.dims() {
        [_, _, _, _] => image.unsqueeze(0).unwrap(),
        _ => image.clone(),
    };
    let features = lamed.vision_tower().forward(&image).unwrap();
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
    let (found, produced) = greedy(lamed, &prompt, wanted.len());
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
