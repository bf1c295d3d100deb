//! A checkpoint with the Llama-2 variant's names and token ids: nothing may take Phi-3's for granted.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use glam::{DAffine3, UVec3};
use m3d_assistant::inference::{Answer, Event, GenerationSettings, Request, Session, Task};
use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::volume::{CT_PRESETS, Modality, Rescale, Units, Volume, Voxels};
use m3d_model::tensors::wanted_tensors;
use m3d_model::{Checkpoint, LamedConfig, Precision, Tokenizer, rule};
use m3d_model::{DTypeChoice, DeviceChoice};
use serde_json::{Value, json};

const HIDDEN: usize = 64;
const EOS: u32 = 2;
const IM_PATCH: u32 = 32000;
const BOX: [u32; 2] = [32001, 32002];
const SEG: u32 = 32003;
const VOCABULARY: usize = 32004;
const ADDED: [(&str, u32); 4] = [
    ("<im_patch>", IM_PATCH),
    ("<bx_start>", BOX[0]),
    ("<bx_end>", BOX[1]),
    ("[SEG]", SEG),
];

fn config() -> Value {
    json!({
        "model_type": "lamed_llama", "hidden_size": HIDDEN, "intermediate_size": 96,
        "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "hidden_act": "silu",
        "bos_token_id": 1, "eos_token_id": EOS, "seg_token_id": SEG,
        "image_size": [8, 32, 32], "patch_size": [2, 8, 8], "mm_hidden_size": 48,
        "vision_config": {"hidden_size": 48, "mlp_dim": 96, "num_layers": 1, "num_heads": 4},
        "seg_config": {
            "embed_dim": 48, "mlp_dim": 96, "num_layers": 1, "num_heads": 4,
            "decoder_mlp_dim": 96, "iou_head_hidden_dim": 64
        }
    })
}

/// The public tokenizer's pieces with the variant's own added tokens.
fn write_tokenizer(folder: &Path) {
    let golden =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tokenizer");
    let pieces = std::fs::read(golden.join("tokenizer.model")).unwrap();
    std::fs::write(folder.join("tokenizer.model"), pieces).unwrap();
    let token = |text: &str, special: bool| {
        json!({
            "content": text, "lstrip": false, "normalized": !special, "rstrip": false,
            "single_word": false, "special": special
        })
    };
    let mut listed = serde_json::Map::new();
    for (id, text) in ["<unk>", "<s>", "</s>"].into_iter().enumerate() {
        listed.insert(id.to_string(), token(text, true));
    }
    for (text, id) in ADDED {
        listed.insert(id.to_string(), token(text, id != SEG));
    }
    let config = json!({
        "add_bos_token": true, "add_eos_token": false, "added_tokens_decoder": listed,
        "additional_special_tokens": ["<im_patch>", "<bx_start>", "<bx_end>"],
        "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>", "unk_token": "<unk>",
        "clean_up_tokenization_spaces": false, "legacy": false, "padding_side": "right",
        "tokenizer_class": "LlamaTokenizer"
    });
    std::fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
    let added: serde_json::Map<String, Value> = ADDED
        .iter()
        .map(|(text, id)| ((*text).to_string(), json!(id)))
        .collect();
    std::fs::write(folder.join("added_tokens.json"), json!(added).to_string()).unwrap();
}

/// Random weights, but that every prompt is answered with the words of `chain`, one after the other, and an end.
fn write_checkpoint(folder: &Path, chain: &[u32]) {
    let config = config();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let config = LamedConfig::from_json(config.to_string().as_bytes()).unwrap();
    let separate = |name: &str| !name.contains("qkv_proj") && !name.contains("gate_up_proj");
    let wanted = wanted_tensors(&config, Precision::plain(DType::F32), separate).unwrap();
    let (embed, head) = ("model.embed_tokens.weight", "lm_head.weight");
    let mut tensors = std::collections::HashMap::new();
    for wanted in wanted {
        let mut values = rule::values(&wanted.name, &wanted.shape);
        if wanted.name.contains("layers.") && wanted.name.contains("_proj") {
            for value in &mut values {
                *value *= 0.05;
            }
        }
        if wanted.name == embed {
            // Axis 0: any token; axis n: the n-th word of the answer.
            for row in values.chunks_mut(HIDDEN) {
                row[0] = 20.0;
            }
            for (n, &id) in chain.iter().enumerate() {
                values[id as usize * HIDDEN + n + 1] = 200.0;
            }
        }
        if wanted.name == head {
            for value in &mut values {
                *value *= 0.01;
            }
            for (n, &id) in chain.iter().chain([&EOS]).enumerate() {
                values[id as usize * HIDDEN + n] = 1.0;
            }
        }
        let tensor = Tensor::from_vec(values, wanted.shape, &Device::Cpu).unwrap();
        tensors.insert(wanted.name, tensor);
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
}

fn volume() -> Volume {
    let grid = VoxelGrid::new(UVec3::new(40, 36, 12), DAffine3::IDENTITY).unwrap();
    let voxels = (0..grid.len()).map(|i| (i * 7919 % 997) as i16).collect();
    Volume::new(
        grid,
        Voxels::I16(voxels),
        Rescale::IDENTITY,
        Modality::Ct,
        Units::Hounsfield,
    )
    .unwrap()
}

fn ask(session: &mut Session, task: Task, text: &str, voxel_box: Option<VoxelBox>) -> Answer {
    let request = Request {
        id: 1,
        volume: Arc::new(volume()),
        revision: 1,
        task,
        text: text.to_owned(),
        voxel_box,
        window: CT_PRESETS[0].window,
        settings: GenerationSettings {
            max_tokens: 24,
            ..GenerationSettings::default()
        },
    };
    let mut last = None;
    session.ask(&request, &mut |event| last = Some(event), &|| false);
    match last {
        Some(Event::Done(answer)) => *answer,
        other => panic!("no answer but {other:?}"),
    }
}

fn folder_that_says(chain: &[u32]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(folder.path());
    write_checkpoint(folder.path(), chain);
    folder
}

fn load(folder: &Path) -> Session {
    Session::load(folder, DeviceChoice::Cpu, DTypeChoice::F32, &|_| {}).unwrap()
}

#[test]
fn its_answer_ends_at_its_own_end_and_its_seg_draws_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(folder.path());
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let word = |text: &str| tokenizer.token_id(text).unwrap();
    let chain = [word("\u{2581}It"), word("\u{2581}is"), SEG, word(".")];
    write_checkpoint(folder.path(), &chain);
    assert_eq!(Checkpoint::open(folder.path()).unwrap().stop_ids, [EOS]);

    let mut session = load(folder.path());
    let answer = ask(&mut session, Task::Seg, "liver", None);
    // As the reference joins runs around an added token.
    assert_eq!(answer.text, "It is [SEG] .");
    assert_eq!(answer.token_count, chain.len());
    let mask = answer.mask.expect("a [SEG] draws a mask");
    assert_eq!(mask.grid(), volume().grid());
}

#[test]
fn phi_3s_seg_is_a_word_like_any_other_here() {
    // 32014 is no token of this vocabulary; the ids in between are none of the other's end tokens.
    let folder = folder_that_says(&[4001, 5002, IM_PATCH, 6003]);
    let answer = ask(&mut load(folder.path()), Task::Seg, "liver", None);
    assert!(answer.mask.is_none());
    assert_eq!(answer.token_count, 4, "{:?}", answer.text);
    assert!(!answer.text.contains("im_patch"));
}

#[test]
fn boxes_have_its_ids_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(folder.path());
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let place = "[0.25, 0.125, 0.5, 0.75, 0.625, 0.875]";
    let written = format!("It is <bx_start>{place}<bx_end>.");
    let ids = tokenizer.encode_user_text(&written).unwrap();
    let marks: Vec<u32> = ids.iter().copied().filter(|id| *id >= IM_PATCH).collect();
    assert_eq!(marks, BOX);
    let text = tokenizer.decode(&ids, true).unwrap();
    assert!(text.contains(place) && !text.contains("bx_"), "{text}");

    // A question about a drawn box, and one whose words look like tokens.
    let word = |text: &str| tokenizer.token_id(text).unwrap();
    write_checkpoint(folder.path(), &[word("\u{2581}It"), word("\u{2581}is")]);
    let mut session = load(folder.path());
    let grid = *volume().grid();
    let corners = [
        glam::DVec3::new(8.0, 8.0, 3.0),
        glam::DVec3::new(20.0, 18.0, 8.0),
    ];
    let drawn = VoxelBox::from_patient_corners(&grid, corners);
    let answer = ask(&mut session, Task::Reg, "", Some(drawn));
    assert!(answer.prompt.contains("<bx_start>["), "{}", answer.prompt);
    assert_eq!(answer.text, "It is");
    let typed = "what is [SEG] <im_patch> <s> </s> <bx_start>?";
    let ids = tokenizer.encode_user_text(typed).unwrap();
    assert!(ids.iter().all(|id| (3..IM_PATCH).contains(id)), "{ids:?}");
    assert_eq!(ask(&mut session, Task::Chat, typed, None).text, "It is");
}
