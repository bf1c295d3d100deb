//! A small random checkpoint that runs the whole path in tests, whatever is asked.
//!
//! All weights come from the [`rule`], and what they see means nothing. Only the
//! decoder is shaped, so that greedy decoding answers every question with the same sentence, in which a
//! box and a `[SEG]` occur. It is nearly a Markov chain of tokens: what attention and MLP add is scaled
//! down, and the output row of a token is the embedding of the one before it. One step needs memory:
//! which digit follows "0."? One attention head counts the commas of the answer. It looks only at the
//! answer's own commas and at `<s>`, which weighs `START_WEIGHT` of them, so that after n commas it
//! brings x = w / (w + n); the digit rows are tangents of a parabola, of which the one of the nearest x
//! is highest. A second head tells whether the answer has begun, so that a question that happens to end
//! in a word of the sentence is answered from its start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use candle_core::DType;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::file_names::{CONFIG, TOKENIZER_FILES, WEIGHTS};
use super::tensors::wanted_tensors;
use super::{LamedConfig, ModelError, Precision, Tokenizer, rule};

/// What is said before the box and after it; every token occurs once. The first letter is a single byte,
/// which no text is ever cut into.
const FIRST_LETTER: u8 = b'R';
const FIRST_WORD_REST: &str = "andom";
const BEFORE: &str = "weights speak: the box is";
const AFTER: &str = "and this mask";
/// The tenths of the box's corners; every digit occurs once.
const DIGITS: [u8; 6] = *b"234678";

const HIDDEN: usize = 128;
const HEADS: usize = 4;
const HEAD_DIM: usize = HIDDEN / HEADS;
/// Dimensions from here on are kept free of the rule's numbers.
const FREE: usize = 120;
/// 1 for the first token of the answer, which no text is ever cut into.
const OPENING: usize = 120;
/// Where the second head puts 1 once the answer has begun.
const BEGUN: usize = 121;
/// 1 in every token's embedding and in every image token.
const CONSTANT: usize = 122;
/// Marks the tokens that are counted, and `<s>`.
const MARK: usize = 123;
/// 1 for `<s>` alone.
const START: usize = 124;
/// 1 for the point whose successor depends on the count.
const POINT: usize = 125;
/// Where the counting head puts x.
const COUNT: usize = 126;

/// How many commas `<s>` weighs in the count.
const START_WEIGHT: f64 = 5.0;
/// The counting head's score of a comma: e^13 outweighs a whole context of other tokens.
const SCORE: f64 = 13.0;
/// How much of the rule's attention and MLP is left.
const LEFT: f32 = 0.01;
/// The strength of the first word until the answer has begun, far above the chain.
const FIRST_WORD: f32 = 60.0;
/// The steepness of the digits' parabola, and the push that lets digits follow the point alone.
const PARABOLA: f32 = 300.0;
const PUSH: f32 = 330.0;

/// Writes the checkpoint: `config.json`, `model.safetensors` and the files of the tokenizer in
/// `tokenizer_files`.
///
/// # Errors
/// When the folder cannot be written or the tokenizer lacks a token of the sentence.
pub fn write_demo_checkpoint(folder: &Path, tokenizer_files: &Path) -> Result<(), ModelError> {
    std::fs::create_dir_all(folder).map_err(|e| ModelError::io(folder, e))?;
    copy_tokenizer(tokenizer_files, folder)?;
    let tokenizer = Tokenizer::open(tokenizer_files)?;
    let script = Script::new(&tokenizer, tokenizer_files)?;
    let json = config();
    let config = LamedConfig::from_json(json.to_string().as_bytes()).map_err(ModelError::Config)?;
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
    let fused = |name: &str| name.contains("qkv_proj") || name.contains("gate_up_proj");
    for wanted in wanted_tensors(&config, Precision::plain(DType::F32), fused)? {
        let values = rule::values(&wanted.name, &wanted.shape);
        tensors.insert(wanted.name, (wanted.shape, values));
    }
    shape_decoder(&mut tensors, &config, &script);
    write(folder, &json, &tensors)
}

/// Copies a tokenizer's files into a checkpoint's folder.
pub(super) fn copy_tokenizer(from: &Path, folder: &Path) -> Result<(), ModelError> {
    for name in TOKENIZER_FILES {
        let (from, to) = (from.join(name), folder.join(name));
        std::fs::copy(&from, to).map_err(|e| ModelError::io(&from, e))?;
    }
    Ok(())
}

/// The sizes: everything small but the vocabulary, which the public tokenizer asks for.
fn config() -> serde_json::Value {
    json!({
        "model_type": "lamed_phi3",
        "untrained": true,
        "hidden_size": HIDDEN,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "vocab_size": 32015,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 4096,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 32000,
        "seg_token_id": 32014,
        "image_channel": 1,
        "image_size": [32, 256, 256],
        "patch_size": [8, 32, 32],
        "mm_hidden_size": 64,
        "vision_config": {"hidden_size": 64, "mlp_dim": 128, "num_layers": 2, "num_heads": 4},
        "seg_config": {
            "embed_dim": 64, "mlp_dim": 128, "num_layers": 2, "num_heads": 4,
            "decoder_mlp_dim": 128, "iou_head_hidden_dim": 64
        }
    })
}

/// The sentence as tokens.
struct Script {
    start: u32,
    /// Each token and the one after it, where there is only one.
    steps: Vec<(u32, u32)>,
    first: u32,
    comma: u32,
    point: u32,
    digits: Vec<u32>,
}

impl Script {
    fn new(tokenizer: &Tokenizer, folder: &Path) -> Result<Self, ModelError> {
        let missing = |token: &str| {
            ModelError::tokenizer(folder, format!("the vocabulary has no token {token:?}"))
        };
        let id = |token: &str| tokenizer.token_id(token).ok_or_else(|| missing(token));
        let words = |text: &str| -> Result<Vec<u32>, ModelError> {
            // Without <s>.
            Ok(tokenizer.encode(text)?.split_off(1))
        };
        // The box is spelt in single bytes, which never come from typed text: a question that ends in
        // a point is not taken for the middle of a number, and its commas do not count.
        let byte = |letter: u8| id(&format!("<0x{letter:02X}>"));
        let (comma, space, zero, point) = (byte(b',')?, byte(b' ')?, byte(b'0')?, byte(b'.')?);
        let digits = DIGITS
            .map(byte)
            .into_iter()
            .collect::<Result<Vec<u32>, _>>()?;
        let first = byte(FIRST_LETTER)?;
        let mut line = vec![first, id(FIRST_WORD_REST)?];
        line.extend(words(BEFORE)?);
        line.extend([id("<bx_start>")?, byte(b'[')?, zero, point]);
        let mut steps: Vec<(u32, u32)> = pairs(&line);
        let (last, others) = digits.split_last().ok_or_else(|| missing("<0x32>"))?;
        steps.extend(others.iter().map(|&digit| (digit, comma)));
        steps.extend([(comma, space), (space, zero)]);
        let mut end = vec![*last, byte(b']')?, id("<bx_end>")?];
        end.extend(words(AFTER)?);
        end.extend([id("[SEG]")?, id("<|end|>")?]);
        steps.extend(pairs(&end));
        let distinct: BTreeSet<u32> = steps.iter().map(|&(from, _)| from).collect();
        if distinct.len() != steps.len() {
            return Err(ModelError::tokenizer(
                folder,
                "two words of the demonstration share a token; this is another vocabulary",
            ));
        }
        Ok(Self {
            start: 1,
            steps,
            first,
            comma,
            point,
            digits,
        })
    }
}

fn pairs(line: &[u32]) -> Vec<(u32, u32)> {
    line.windows(2).map(|w| (w[0], w[1])).collect()
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The values of a tensor, to be changed; an empty slice where there is none of that name.
fn values<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut [f32] {
    tensors
        .get_mut(name)
        .map_or(&mut [], |(_, values)| values.as_mut_slice())
}

fn shape_decoder(tensors: &mut Tensors, config: &LamedConfig, script: &Script) {
    let mut embeddings = values(tensors, "model.embed_tokens.weight").to_vec();
    for (token, row) in embeddings.chunks_mut(HIDDEN).enumerate() {
        row[FREE..].fill(0.0);
        row[CONSTANT] = 1.0;
        row[POINT] = f32::from(u8::from(token == script.point as usize));
        row[OPENING] = f32::from(u8::from(token == script.first as usize));
    }
    mark(&mut embeddings, script);
    let head = output_rows(&embeddings, script, config.vocab_size);
    let inverse_rms = |row: &[f32]| {
        let mean = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / HIDDEN as f64;
        (mean + config.rms_norm_eps).sqrt().recip()
    };
    let row = |token: u32| &embeddings[token as usize * HIDDEN..][..HIDDEN];
    let key = f64::from(row(script.comma)[MARK]) * inverse_rms(row(script.comma));
    let query = inverse_rms(row(script.point));
    // score = gain^2 * query * key / sqrt(head width)
    let gain = (SCORE * (HEAD_DIM as f64).sqrt() / (query * key)).sqrt() as f32;
    let normed = inverse_rms(row(script.start)) as f32;
    let opening = inverse_rms(row(script.first));
    let opening_gain = (SCORE * (HEAD_DIM as f64).sqrt() / (query * opening)).sqrt() as f32;
    values(tensors, "model.embed_tokens.weight").copy_from_slice(&embeddings);
    values(tensors, "lm_head.weight").copy_from_slice(&head);

    for layer in 0..config.num_hidden_layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        for part in ["self_attn.o_proj", "mlp.down_proj"] {
            let rows = values(tensors, &name(part));
            let width = rows.len() / HIDDEN;
            for value in rows.iter_mut() {
                *value *= LEFT;
            }
            rows[FREE * width..].fill(0.0);
        }
        values(tensors, &name("input_layernorm"))[FREE..].fill(1.0);
    }
    values(tensors, "model.norm.weight")[FREE..].fill(1.0);
    // The image tokens leave the free dimensions alone, but for the constant.
    for part in ["weight", "bias"] {
        let rows = values(tensors, &format!("model.mm_projector.projector.2.{part}"));
        let width = rows.len() / HIDDEN;
        rows[FREE * width..].fill(0.0);
    }
    values(tensors, "model.mm_projector.projector.2.bias")[CONSTANT] = 1.0;
    // Before the opening nothing has a value and the head brings 0, wherever it looks; from then on it
    // looks there.
    let counting = Head {
        number: 0,
        key: MARK,
        value: START,
        out: COUNT,
    };
    let begun = Head {
        number: 1,
        key: OPENING,
        value: OPENING,
        out: BEGUN,
    };
    set_head(tensors, &counting, gain, normed);
    set_head(tensors, &begun, opening_gain, opening as f32);
}

/// Marks the comma and, so much more that it weighs [`START_WEIGHT`] commas after the norm, `<s>`.
fn mark(embeddings: &mut [f32], script: &Script) {
    let others = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    let comma = &mut embeddings[script.comma as usize * HIDDEN..][..HIDDEN];
    comma[MARK] = 1.0;
    let after_norm = (HIDDEN as f64 / others(comma)).sqrt();
    let wanted = after_norm * (1.0 + START_WEIGHT.ln() / SCORE);
    let start = &mut embeddings[script.start as usize * HIDDEN..][..HIDDEN];
    start[START] = 1.0;
    let square = wanted * wanted;
    start[MARK] = (square * others(start) / (HIDDEN as f64 - square)).sqrt() as f32;
}

/// A head of layer 0 that looks for tokens with a mark and brings what stands in another dimension.
struct Head {
    number: usize,
    /// The dimension whose mark is looked for.
    key: usize,
    /// The dimension that is brought.
    value: usize,
    /// The dimension it is brought to.
    out: usize,
}

/// The query is the constant and the key the mark, both in the slowest rotary pair, so that distance
/// hardly matters; `normed` is what the norm makes of a value of 1, which arrives as 1 again.
fn set_head(tensors: &mut Tensors, head: &Head, gain: f32, normed: f32) {
    let first = head.number * HEAD_DIM;
    let slowest = first + HEAD_DIM / 2 - 1;
    let qkv = values(tensors, "model.layers.0.self_attn.qkv_proj.weight");
    for part in 0..3 {
        qkv[(part * HIDDEN + first) * HIDDEN..][..HEAD_DIM * HIDDEN].fill(0.0);
    }
    qkv[slowest * HIDDEN + CONSTANT] = gain;
    qkv[(HIDDEN + slowest) * HIDDEN + head.key] = gain;
    qkv[(2 * HIDDEN + first) * HIDDEN + head.value] = normed.recip();
    let out = values(tensors, "model.layers.0.self_attn.o_proj.weight");
    for row in out.chunks_mut(HIDDEN) {
        row[first..first + HEAD_DIM].fill(0.0);
    }
    out[head.out * HIDDEN + first] = 1.0;
}

/// The output matrix: successors, the first word after anything else, and the digits.
fn output_rows(embeddings: &[f32], script: &Script, vocabulary: usize) -> Vec<f32> {
    let mut head = vec![0.0; vocabulary * HIDDEN];
    let embedding = |token: u32| &embeddings[token as usize * HIDDEN..][..FREE];
    let mut add = |row: u32, token: u32| {
        let row = &mut head[row as usize * HIDDEN..][..FREE];
        row.iter_mut()
            .zip(embedding(token))
            .for_each(|(to, from)| *to += from);
    };
    for &(from, to) in &script.steps {
        add(to, from);
    }
    head[script.first as usize * HIDDEN + CONSTANT] = FIRST_WORD;
    head[script.first as usize * HIDDEN + BEGUN] = -FIRST_WORD;
    for (commas, &digit) in script.digits.iter().enumerate() {
        let x = (START_WEIGHT / (START_WEIGHT + commas as f64)) as f32;
        let row = &mut head[digit as usize * HIDDEN..][..HIDDEN];
        row[COUNT] = PARABOLA * 2.0 * x;
        row[CONSTANT] = -PARABOLA * (x * x + 1.0);
        row[POINT] = PUSH;
    }
    head
}

fn write(folder: &Path, config: &serde_json::Value, tensors: &Tensors) -> Result<(), ModelError> {
    let path = folder.join(CONFIG);
    std::fs::write(&path, format!("{config:#}\n")).map_err(|e| ModelError::io(&path, e))?;
    let path = folder.join(WEIGHTS);
    let views = tensors.iter().map(|(name, (shape, values))| {
        let bytes = bytemuck::cast_slice(values);
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let failed = |e: safetensors::SafeTensorError| ModelError::Weights {
        path: path.clone(),
        message: e.to_string(),
    };
    let views = views
        .collect::<Result<HashMap<_, _>, _>>()
        .map_err(failed)?;
    safetensors::serialize_to_file(views, None, &path).map_err(failed)
}
