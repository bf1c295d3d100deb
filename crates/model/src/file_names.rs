//! The names of a checkpoint's files, for all that reads, fetches, copies or writes them.

/// Sizes and settings; what has it may be a checkpoint.
pub const CONFIG: &str = "config.json";
/// The ids that end an answer.
pub const GENERATION_CONFIG: &str = "generation_config.json";
/// The pieces of M3D-LaMed's tokenizer.
pub const TOKENIZER: &str = "tokenizer.model";
/// How its tokenizer cuts, and the tokens beside the pieces.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The same tokens once more, as older readers want them.
pub const ADDED_TOKENS: &str = "added_tokens.json";
/// The marks among them.
pub const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// What the model was taught and how well it does it, for programs; where it is not there, anything may be asked.
pub const CARD: &str = "card.json";
/// The pieces of M3D-CLIP's tokenizer.
pub const VOCABULARY: &str = "vocab.txt";

/// All weights in one file.
pub const WEIGHTS: &str = "model.safetensors";
/// Which tensor is in which part, where the weights are in several.
pub const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
/// All weights in the types that `model quantize` writes.
pub const GGUF: &str = "model.gguf";

/// Weights as older tools save them, which may hold code and are not read here: in one file, or the list of several.
pub const PICKLES: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// A LoRA adapter's weights saved like that.
pub const ADAPTER_PICKLE: &str = "adapter_model.bin";

/// The tokenizer of the library `tokenizers`, which does not say all that sentencepiece's file says.
pub const OTHER_TOKENIZER: &str = "tokenizer.json";

/// The weights of a LoRA adapter, as PEFT writes them.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// The settings of a LoRA adapter.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// The prompts of the classes that a model's segmentation network was taught; only a training that goes on reads it.
pub const CLASS_PROMPTS: &str = "class_prompts.safetensors";

/// What belongs to M3D-LaMed's tokenizer.
pub const TOKENIZER_FILES: [&str; 5] = [
    GENERATION_CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    ADDED_TOKENS,
    SPECIAL_TOKENS,
];

/// What makes a folder of weights a model, of either kind.
pub const COMPANIONS: [&str; 7] = [
    CONFIG,
    GENERATION_CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    ADDED_TOKENS,
    SPECIAL_TOKENS,
    VOCABULARY,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BuiltIn;

    #[test]
    fn the_built_in_models_have_these_files_and_no_other() {
        for model in BuiltIn::ALL {
            for (name, _) in model.files() {
                assert!(
                    COMPANIONS.contains(name) || [WEIGHTS, CLASS_PROMPTS, CARD].contains(name),
                    "{name}"
                );
            }
        }
    }
}
