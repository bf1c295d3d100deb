//! Where an answer ends, and what else a checkpoint asks of generation.

use serde::Deserialize;
use serde_json::Value;

use super::config::TokenIds;
use super::file_names::{GENERATION_CONFIG, SPECIAL_TOKENS, TOKENIZER_CONFIG};
use super::{LamedConfig, ModelError, ModelFolder, Tokenizer};

/// Largest JSON file that is read.
const MAX_JSON_BYTES: u64 = 64 << 20;
const HINT: &str = "fetch the file again";

#[derive(Deserialize)]
struct GenerationConfig {
    #[serde(default)]
    eos_token_id: Option<TokenIds>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Settings that change which token comes next and have no counterpart here, with the value that changes nothing.
const PROCESSORS: [(&str, f64); 3] = [
    ("repetition_penalty", 1.0),
    ("encoder_repetition_penalty", 1.0),
    ("no_repeat_ngram_size", 0.0),
];
/// Settings of that kind that change nothing only where they are absent.
const LISTS: [&str; 6] = [
    "bad_words_ids",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "sequence_bias",
    "suppress_tokens",
];

/// Every token that `generation_config.json`, `config.json` or the tokenizer's settings say ends an answer, in this order
/// and each once.
///
/// # Errors
/// When `generation_config.json` is damaged or asks for what is not done here.
pub(super) fn stop_ids(folder: &ModelFolder, config: &LamedConfig) -> Result<Vec<u32>, ModelError> {
    let mut named = Vec::new();
    if folder.has(GENERATION_CONFIG) {
        let text = folder.read(GENERATION_CONFIG, MAX_JSON_BYTES, HINT)?;
        let path = folder.file(GENERATION_CONFIG);
        let parsed: GenerationConfig =
            serde_json::from_slice(&text).map_err(|error| ModelError::Json {
                path: path.clone(),
                message: error.to_string(),
            })?;
        check(&parsed.rest).map_err(|setting| {
            ModelError::Config(format!(
                "{} sets {setting}, which is not supported; take the line out to answer without it",
                path.display()
            ))
        })?;
        named.extend(parsed.eos_token_id.iter().flat_map(TokenIds::to_vec));
    }
    named.extend(config.eos_token_id.iter().flat_map(TokenIds::to_vec));
    named.extend(of_tokenizer(folder));
    let mut ids = Vec::new();
    for id in named {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The first setting that would change an answer.
fn check(settings: &serde_json::Map<String, Value>) -> Result<(), &'static str> {
    let given = |name: &str| settings.get(name).filter(|value| !value.is_null());
    let number = PROCESSORS
        .iter()
        .find(|(name, none)| given(name).is_some_and(|value| value.as_f64() != Some(*none)));
    let list = LISTS.iter().find(|name| given(name).is_some());
    match number.map(|(name, _)| *name).or(list.copied()) {
        Some(name) => Err(name),
        None => Ok(()),
    }
}

/// The end that the tokenizer's settings name. A tokenizer that cannot be read is told by whoever opens it to answer.
fn of_tokenizer(folder: &ModelFolder) -> Vec<u32> {
    let named = [TOKENIZER_CONFIG, SPECIAL_TOKENS].map(|file| {
        let text = folder.read(file, MAX_JSON_BYTES, HINT).ok()?;
        let settings: Value = serde_json::from_slice(&text).ok()?;
        let end = settings.get("eos_token")?;
        let end = end.as_str().or_else(|| end.get("content")?.as_str())?;
        Some(end.to_owned())
    });
    let Ok(tokenizer) = Tokenizer::open(folder) else {
        return Vec::new();
    };
    let ids = named
        .iter()
        .flatten()
        .filter_map(|end| tokenizer.token_id(end));
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_no_answer_is_let_through() {
        let settings = |value: Value| value.as_object().cloned().unwrap();
        for harmless in [
            json!({"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "do_sample": true}),
            json!({"repetition_penalty": null, "suppress_tokens": null}),
            json!({"pad_token_id": 5, "temperature": 0.6, "transformers_version": "5.0.0"}),
        ] {
            assert_eq!(check(&settings(harmless)), Ok(()));
        }
        for (name, value) in [
            ("repetition_penalty", json!(1.2)),
            ("no_repeat_ngram_size", json!(3)),
            ("suppress_tokens", json!([4, 5])),
            ("forced_eos_token_id", json!(2)),
        ] {
            assert_eq!(check(&settings(json!({name: value}))), Err(name));
        }
    }
}
