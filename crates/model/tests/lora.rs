//! LoRA adapters: merged as by hand, and refused where they are damaged or for another model.

#[path = "support/small_model.rs"]
mod small_model;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use m3d_model::quantize::quantize;
use m3d_model::source::WeightSource;
use m3d_model::{BuiltIn, Checkpoint, Lamed, ModelError, ModelPlace, rule};
use m3d_model::{DTypeChoice, precision_of};
use serde_json::{Value, json};
use small_model::{Naming, logits, relative_error, write_tensors};

type Tensors = HashMap<String, Tensor>;

const RANK: usize = 4;
const ALPHA: f64 = 12.0;

/// A model and an adapter for it, side by side.
struct Case {
    root: tempfile::TempDir,
    model: Tensors,
    adapter: Tensors,
    config: Value,
}

impl Case {
    fn new(model: Tensors, write: impl Fn(&Path, &Tensors)) -> Self {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("base"), &model);
        let config = json!({
            "peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.05, "bias": "none",
            "base_model_name_or_path": "someone/base", "fan_in_fan_out": false,
            "target_modules": null, "modules_to_save": null, "rank_pattern": {},
        });
        Self {
            root,
            model,
            adapter: Tensors::new(),
            config,
        }
    }

    /// The small model.
    fn small(naming: Naming) -> Self {
        Self::new(small_model::tensors(naming), |folder, tensors| {
            write_tensors(folder, naming, tensors);
        })
    }

    /// The golden model `tiny`.
    fn tiny() -> Self {
        let golden =
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tiny");
        let weights = golden.join("model.safetensors");
        let tensors = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
        Self::new(tensors, write_tiny)
    }

    fn base(&self) -> PathBuf {
        self.root.path().join("base")
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("adapter")
    }

    /// A pair for a module, by the rule.
    fn pair(&mut self, module: &str) {
        let shape = self.model[&format!("{module}.weight")].dims().to_vec();
        self.insert(module, "lora_A.weight", &[RANK, shape[1]]);
        self.insert(module, "lora_B.weight", &[shape[0], RANK]);
    }

    fn insert(&mut self, module: &str, rest: &str, shape: &[usize]) {
        let name = format!("base_model.model.{module}.{rest}");
        let tensor = (rule::tensor(&name, shape, &Device::Cpu).unwrap() * 0.1).unwrap();
        self.adapter.insert(name, tensor);
    }

    fn write(&self) {
        std::fs::create_dir_all(self.folder()).unwrap();
        let weights = self.folder().join("adapter_model.safetensors");
        candle_core::safetensors::save(&self.adapter, weights).unwrap();
        let config = self.folder().join("adapter_config.json");
        std::fs::write(config, self.config.to_string()).unwrap();
    }

    fn open(&self) -> Result<Checkpoint, ModelError> {
        self.write();
        Checkpoint::open_with_adapter(self.base(), Some(&self.folder()))
    }

    /// The one line that opening fails with.
    fn fails(&self, parts: &[&str]) {
        let error = self
            .open()
            .expect_err("a wrong adapter is taken")
            .to_string();
        assert!(!error.contains('\n') && error.len() < 500, "{error}");
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }

    /// Every tensor that the model takes is the one in `expected`.
    fn gives(&self, expected: &Tensors) {
        let checkpoint = self.open().unwrap();
        let source = checkpoint.source(&Device::Cpu, &|_| {});
        let mut changed = 0;
        for wanted in checkpoint.used() {
            let name = &wanted.name;
            let found = flat(&source.tensor(name, &wanted.shape, DType::F32).unwrap());
            let error = relative_error(&found, &flat(&expected[name]));
            // Sums of a few products in f32, in another order.
            assert!(error < 1e-6, "{name}: {error}");
            changed += usize::from(found != flat(&self.model[name]));
        }
        let targets = self.adapter.keys().filter(|name| !name.contains("lora_A"));
        assert!(changed > 0 && changed <= targets.count());
    }
}

fn write_tiny(folder: &Path, tensors: &Tensors) {
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tiny");
    std::fs::create_dir_all(folder).unwrap();
    let config = std::fs::read(golden.join("config.json")).unwrap();
    std::fs::write(folder.join("config.json"), config).unwrap();
    candle_core::safetensors::save(tensors, folder.join("model.safetensors")).unwrap();
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_dtype(DType::F32).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// `W + s B A`, number by number.
fn merged(w: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Tensor {
    let (rows, columns) = w.dims2().unwrap();
    let rank = a.dim(0).unwrap();
    assert_eq!(
        (b.dims(), a.dims()),
        (&[rows, rank][..], &[rank, columns][..])
    );
    let (w, a, b) = (flat(w), flat(a), flat(b));
    let mut sums = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let product: f64 = (0..rank)
                .map(|k| f64::from(b[row * rank + k]) * f64::from(a[k * columns + column]))
                .sum();
            sums.push((f64::from(w[row * columns + column]) + scale * product) as f32);
        }
    }
    Tensor::from_vec(sums, (rows, columns), &Device::Cpu).unwrap()
}

/// The model with each module's pair merged.
fn by_hand(case: &Case, modules: &[String], scale: f64) -> Tensors {
    let mut expected = case.model.clone();
    for module in modules {
        let part =
            |name: &str| &case.adapter[&format!("base_model.model.{module}.lora_{name}.weight")];
        let name = format!("{module}.weight");
        let weight = merged(&expected[&name], part("A"), part("B"), scale);
        expected.insert(name, weight);
    }
    expected
}

fn modules(layers: usize, names: &[&str]) -> Vec<String> {
    let of_layer = |i: usize| {
        names
            .iter()
            .map(move |name| format!("model.layers.{i}.{name}"))
    };
    (0..layers).flat_map(of_layer).collect()
}

#[test]
fn tiny_with_an_adapter_is_tiny_with_its_weights_changed() {
    let names = [
        "self_attn.qkv_proj",
        "self_attn.o_proj",
        "mlp.gate_up_proj",
        "mlp.down_proj",
    ];
    let modules = modules(3, &names);
    let mut case = Case::tiny();
    for module in &modules {
        case.pair(module);
    }
    for name in ["model.embed_tokens", "lm_head"] {
        case.insert(name, "weight", &[512, 128]);
    }
    case.insert("model.mm_projector.projector.0", "bias", &[128]);
    case.config["target_modules"] = json!(["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]);
    case.config["modules_to_save"] = json!(["embed_tokens", "lm_head", "mm_projector"]);
    let mut expected = by_hand(&case, &modules, ALPHA / RANK as f64);
    for name in [
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.mm_projector.projector.0.bias",
    ] {
        let own = case.adapter[&format!("base_model.model.{name}")].clone();
        expected.insert(name.to_string(), own);
    }
    case.gives(&expected);

    let written = case.root.path().join("merged");
    write_tiny(&written, &expected);
    let run = |checkpoint: &Checkpoint| {
        let model = Lamed::load(checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap();
        logits(&model)
    };
    let merged = run(&Checkpoint::open(&written).unwrap());
    let error = relative_error(&run(&case.open().unwrap()), &merged);
    assert!(error < 1e-5, "{error}");
    let without = run(&Checkpoint::open(case.base()).unwrap());
    assert!(relative_error(&without, &merged) > 0.1);
}

#[test]
fn separate_projections_and_the_other_scale_are_merged() {
    let names = [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
    ];
    let modules = modules(2, &names);
    let mut case = Case::small(Naming::Separate);
    for module in &modules {
        case.pair(module);
    }
    case.config["use_rslora"] = json!(true);
    case.config["target_modules"] = json!(".*\\.(q|k|v|gate|up)_proj");
    let expected = by_hand(&case, &modules, ALPHA / 2.0);
    case.gives(&expected);

    // A module with a scale of its own, twice the rank's.
    case.config["use_rslora"] = json!(false);
    case.config["alpha_pattern"] = json!({"q_proj": 2.0 * ALPHA, "layers.1.mlp.up_proj": 0.0});
    let mut expected = by_hand(&case, &modules, ALPHA / RANK as f64);
    let (own, rest): (Vec<String>, Vec<String>) = modules
        .iter()
        .cloned()
        .partition(|module| module.ends_with("q_proj"));
    expected.extend(
        by_hand(&case, &own, 2.0 * ALPHA / RANK as f64)
            .into_iter()
            .filter(|(name, _)| name.contains("q_proj")),
    );
    let still = "model.layers.1.mlp.up_proj.weight".to_string();
    assert!(rest.contains(&"model.layers.1.mlp.up_proj".to_string()));
    expected.insert(still.clone(), case.model[&still].clone());
    case.gives(&expected);
}

#[test]
fn named_adapters_embeddings_and_turned_matrices_are_merged() {
    let module = "model.layers.0.self_attn.o_proj".to_string();
    let mut case = Case::small(Naming::Fused);
    case.pair(&module);
    let expected = by_hand(&case, &[module], ALPHA / RANK as f64);
    // As PEFT names them while an adapter called `default` is in use.
    let named = |name: &String| {
        name.replace(".lora_A.", ".lora_A.default.")
            .replace(".lora_B.", ".lora_B.default.")
    };
    case.adapter = case
        .adapter
        .iter()
        .map(|(name, t)| (named(name), t.clone()))
        .collect();
    case.gives(&expected);

    // An embedding's pair is transposed: A [r,vocabulary], B [width,r].
    let mut case = Case::small(Naming::Fused);
    case.insert("model.embed_tokens", "lora_embedding_A", &[RANK, 300]);
    case.insert("model.embed_tokens", "lora_embedding_B", &[256, RANK]);
    let part = |name: &str| {
        case.adapter[&format!("base_model.model.model.embed_tokens.lora_embedding_{name}")]
            .t()
            .unwrap()
    };
    let mut expected = case.model.clone();
    let name = "model.embed_tokens.weight";
    let weight = merged(&expected[name], &part("B"), &part("A"), ALPHA / RANK as f64);
    expected.insert(name.to_string(), weight);
    case.gives(&expected);

    // Matrices stored [in,out].
    let mut case = Case::small(Naming::Fused);
    let module = "model.layers.1.mlp.down_proj";
    case.insert(module, "lora_A.weight", &[RANK, 256]);
    case.insert(module, "lora_B.weight", &[512, RANK]);
    case.config["fan_in_fan_out"] = json!(true);
    let part = |name: &str| {
        case.adapter[&format!("base_model.model.{module}.lora_{name}.weight")]
            .t()
            .unwrap()
    };
    let mut expected = case.model.clone();
    let name = format!("{module}.weight");
    let weight = merged(
        &expected[&name],
        &part("B"),
        &part("A"),
        ALPHA / RANK as f64,
    );
    expected.insert(name, weight);
    case.gives(&expected);
}

/// A small model with one pair.
fn one_pair() -> (Case, String) {
    let module = "model.layers.0.self_attn.qkv_proj".to_string();
    let mut case = Case::small(Naming::Fused);
    case.pair(&module);
    (case, module)
}

#[test]
fn adapters_tell_themselves_apart() {
    let (mut case, module) = one_pair();
    let base = Checkpoint::open(case.base()).unwrap();
    let first = case.open().unwrap();
    assert_eq!(
        (base.name().as_str(), first.name().as_str()),
        ("base", "base + adapter")
    );
    assert_ne!(base.fingerprint(), first.fingerprint());
    assert_eq!(first.fingerprint(), case.open().unwrap().fingerprint());
    // The same names, shapes and settings, trained further.
    let name = format!("base_model.model.{module}.lora_B.weight");
    let further = (&case.adapter[&name] * 1.01).unwrap();
    case.adapter.insert(name, further);
    assert_ne!(case.open().unwrap().fingerprint(), first.fingerprint());
}

#[test]
fn a_model_that_is_trained_further_is_another() {
    let mut case = Case::tiny();
    let first = Checkpoint::open(case.base()).unwrap().fingerprint();
    let tensor = case.model.values_mut().next().unwrap();
    *tensor = (&*tensor * 1.01).unwrap();
    write_tiny(&case.base(), &case.model);
    assert_ne!(Checkpoint::open(case.base()).unwrap().fingerprint(), first);
}

#[test]
fn an_adapter_finds_its_model_among_those_of_this_machine() {
    let (case, _) = one_pair();
    let expected = case.open().unwrap().fingerprint();
    let models = case.root.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let mut at = case.base();
    // By the last part of its name, and as fetching names its folder.
    for name in ["base", "someone--base"] {
        let base = models.join(name);
        std::fs::rename(&at, &base).unwrap();
        at.clone_from(&base);
        assert!(Checkpoint::open(case.folder()).is_err());
        let place = ModelPlace {
            folder: case.folder().into(),
            adapter: None,
            models: vec![case.root.path().join("none"), models.clone()],
        };
        let found = Checkpoint::open_at(&place).unwrap();
        assert_eq!(
            (found.folder.on_disk(), found.fingerprint()),
            (Some(base.as_path()), expected.clone())
        );
    }
}

#[test]
fn an_adapter_finds_the_built_in_model_by_its_name() {
    let alone = Checkpoint::open(BuiltIn::Small).unwrap();
    let matrix = "model.layers.0.self_attn.o_proj.weight";
    let wanted = alone.used().iter().find(|tensor| tensor.name == matrix);
    let &[rows, columns] = wanted.unwrap().shape.as_slice() else {
        panic!("{matrix} is no matrix")
    };
    let (mut case, _) = one_pair();
    case.adapter.clear();
    let module = matrix.trim_end_matches(".weight");
    case.insert(module, "lora_A.weight", &[RANK, columns]);
    case.insert(module, "lora_B.weight", &[rows, RANK]);
    case.config["target_modules"] = json!(["o_proj"]);
    for name in ["small", "someone/small"] {
        case.config["base_model_name_or_path"] = json!(name);
        case.write();
        let found = Checkpoint::open(case.folder()).unwrap();
        assert_eq!(found.folder, BuiltIn::Small.into());
        assert_eq!(found.name(), "small + adapter");
        assert_ne!(found.fingerprint(), alone.fingerprint());
        let given = Checkpoint::open_with_adapter(BuiltIn::Small, Some(&case.folder())).unwrap();
        assert_eq!(given.fingerprint(), found.fingerprint());
    }
    // What is on disk comes first.
    let own = case.root.path().join("small");
    std::fs::rename(case.base(), own).unwrap();
    let error = Checkpoint::open(case.folder()).unwrap_err().to_string();
    assert!(error.contains("another model"), "{error}");
}

#[test]
fn an_adapter_finds_its_model_and_its_weights_can_be_quantized() {
    let (mut case, module) = one_pair();
    let expected = by_hand(&case, std::slice::from_ref(&module), ALPHA / RANK as f64);
    // Beside it, by the last part of its name; by its place; from the adapter's folder.
    for name in [json!("someone/base"), json!(case.base()), json!("../base")] {
        case.config["base_model_name_or_path"] = name;
        case.write();
        let checkpoint = Checkpoint::open(case.folder()).unwrap();
        assert_eq!(checkpoint.name(), "base + adapter");
        assert_eq!(checkpoint.fingerprint(), case.open().unwrap().fingerprint());
    }
    // Some trainers put the model's settings beside the adapter.
    let settings = std::fs::read(case.base().join("config.json")).unwrap();
    std::fs::write(case.folder().join("config.json"), settings).unwrap();
    assert_eq!(
        Checkpoint::open(case.folder()).unwrap().name(),
        "base + adapter"
    );
    for (name, part) in [
        (json!("someone/other"), "someone/other"),
        (json!(null), "no base model"),
    ] {
        case.config["base_model_name_or_path"] = name;
        case.write();
        let error = Checkpoint::open(case.folder()).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("--adapter"),
            "{error}"
        );
    }

    let (out, merged) = (
        case.root.path().join("out"),
        case.root.path().join("merged"),
    );
    let precision = precision_of(DTypeChoice::Q8_0, &Device::Cpu);
    quantize(&case.open().unwrap(), &out, precision, &|_| {}, &|| false).unwrap();
    write_tensors(&merged, Naming::Fused, &expected);
    let run = |checkpoint: &Checkpoint, precision| {
        logits(&Lamed::load(checkpoint, &Device::Cpu, precision, &|_| {}).unwrap())
    };
    let exact = run(&Checkpoint::open(&merged).unwrap(), DType::F32.into());
    let made = run(&Checkpoint::open(&out).unwrap(), precision);
    let error = relative_error(&made, &exact);
    assert!(error < 0.01, "{error}");

    // An adapter over quantized weights.
    let small = case.root.path().join("small");
    quantize(
        &Checkpoint::open(case.base()).unwrap(),
        &small,
        precision,
        &|_| {},
        &|| false,
    )
    .unwrap();
    let over = Checkpoint::open_with_adapter(&small, Some(&case.folder())).unwrap();
    let error = relative_error(&run(&over, precision), &exact);
    assert!(error < 0.01, "{error}");
    let without = run(&Checkpoint::open(&small).unwrap(), precision);
    assert!(relative_error(&without, &exact) > 0.02);
}

#[test]
fn damaged_adapters_are_refused() {
    for (missing, other) in [("lora_A", "lora_B"), ("lora_B", "lora_A")] {
        let (mut case, module) = one_pair();
        case.adapter
            .remove(&format!("base_model.model.{module}.{missing}.weight"));
        case.fails(&[&format!("{module}.{other}.weight lacks its {missing}")]);
    }
    let (mut case, module) = one_pair();
    case.config["r"] = json!(RANK + 1);
    case.fails(&[&module, "[4, 256]", "[5, 256]"]);
    for rank in [
        json!(0),
        json!(1 << 20),
        json!(-1),
        json!(null),
        json!("four"),
    ] {
        let (mut case, _) = one_pair();
        case.config["r"] = rank;
        case.fails(&["adapter_config.json"]);
    }
    // A pair, a tensor and a shape that the model does not have.
    let wrong: [(&str, &str, &[usize]); 5] = [
        ("model.layers.9.self_attn.qkv_proj", "weight", &[3]),
        ("model.layers.0.self_attn.qkv_proj", "lora_C.weight", &[3]),
        (
            "model.layers.0.self_attn.o_proj",
            "lora_magnitude_vector",
            &[256],
        ),
        ("model.norm", "weight", &[255]),
        ("lm_head", "weight", &[300, 255]),
    ];
    for (module, rest, shape) in wrong {
        let (mut case, _) = one_pair();
        case.insert(module, rest, shape);
        case.fails(&[module]);
    }
    let (mut case, _) = one_pair();
    case.adapter.insert(
        "model.norm.weight".to_string(),
        case.model["model.norm.weight"].clone(),
    );
    case.fails(&["model.norm.weight"]);
    let (mut case, _) = one_pair();
    case.insert(
        "model.layers.7.mlp.down_proj",
        "lora_A.weight",
        &[RANK, 512],
    );
    case.insert(
        "model.layers.7.mlp.down_proj",
        "lora_B.weight",
        &[256, RANK],
    );
    case.fails(&["model.layers.7.mlp.down_proj", "another model"]);
    // Twice, under both spellings.
    let (mut case, module) = one_pair();
    case.insert(&module, "lora_A.default.weight", &[RANK, 256]);
    case.fails(&["same tensor"]);
    // What the settings promise is there.
    for (field, value) in [
        ("target_modules", json!(["o_proj"])),
        ("modules_to_save", json!(["lm_head"])),
    ] {
        let (mut case, _) = one_pair();
        case.config[field] = value;
        case.fails(&["adapter_config.json names"]);
    }
}

#[test]
fn adapters_of_other_kinds_are_refused() {
    let others = [
        ("peft_type", json!("LOHA"), "LOHA"),
        ("peft_type", json!(null), "LORA"),
        ("use_dora", json!(true), "use_dora"),
        ("lora_bias", json!(true), "lora_bias"),
        ("layer_replication", json!([[0, 2]]), "layer_replication"),
        ("bias", json!("some"), "bias"),
        ("rank_pattern", json!({"(q|k)_proj": 3}), "rank_pattern"),
        ("lora_alpha", json!(null), "lora_alpha"),
    ];
    for (field, value, part) in others {
        let (mut case, _) = one_pair();
        case.config[field] = value;
        case.fails(&[part, "adapter"]);
    }
    let (case, _) = one_pair();
    case.write();
    for (name, text) in [
        ("adapter_config.json", "{"),
        ("adapter_model.safetensors", "12345678"),
    ] {
        case.write();
        std::fs::write(case.folder().join(name), text).unwrap();
        let error = Checkpoint::open_with_adapter(case.base(), Some(&case.folder())).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        std::fs::remove_file(case.folder().join(name)).unwrap();
        let error = Checkpoint::open_with_adapter(case.base(), Some(&case.folder())).unwrap_err();
        assert!(matches!(error, ModelError::MissingFile { .. }), "{error}");
    }
}
