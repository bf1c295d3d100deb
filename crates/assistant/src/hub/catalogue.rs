//! The models of the M3D family that their authors publish.

use super::ModelName;
use m3d_model::file_names;

/// What a checkpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Answers questions about an image (M3D-LaMed).
    Assistant,
    /// Compares images with texts (M3D-CLIP); answers no questions.
    Clip,
    /// Changes an assistant (a LoRA adapter); is no model without it.
    Adapter,
}

impl ModelKind {
    /// The name in documents and lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assistant => "assistant",
            Self::Clip => "clip",
            Self::Adapter => "adapter",
        }
    }

    /// The file with the pieces of its tokenizer, without which no text could be read; an adapter has none.
    pub(super) const fn tokenizer_file(self) -> Option<&'static str> {
        match self {
            Self::Assistant => Some(file_names::TOKENIZER),
            Self::Clip => Some(file_names::VOCABULARY),
            Self::Adapter => None,
        }
    }
}

/// A published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name on the hub, `OWNER/NAME`.
    pub hub_name: &'static str,
    /// A name that is quickly typed.
    pub short: &'static str,
    /// What it is for.
    pub kind: ModelKind,
    /// Bytes of the files that are fetched, to the nearest of its last digit.
    pub bytes: u64,
    /// Parameters.
    pub parameters: u64,
    /// The dtype its weights are stored in.
    pub numbers: &'static str,
    /// What it does, in a sentence.
    pub purpose: &'static str,
    /// The licences, each with the part it covers.
    pub licence: &'static str,
    /// What else to know before using it.
    pub notes: &'static str,
}

/// The published models, the recommended one first.
pub const PUBLISHED: [Published; 3] = [
    Published {
        hub_name: "GoodBaiBai88/M3D-LaMed-Phi-3-4B",
        short: "phi3",
        kind: ModelKind::Assistant,
        bytes: 16_200_000_000,
        parameters: 4_049_101_904,
        numbers: "f32",
        purpose: "Answers questions, drafts reports, finds and segments structures.",
        licence: "M3D: MIT. Phi-3-mini, which it is built on: MIT. The model's page on the hub may add terms.",
        notes: "The recommended model.",
    },
    Published {
        hub_name: "GoodBaiBai88/M3D-LaMed-Llama-2-7B",
        short: "llama2",
        kind: ModelKind::Assistant,
        bytes: 27_940_000_000,
        parameters: 6_985_000_000,
        numbers: "f32",
        purpose: "Does the same on Llama 2, with more memory and time.",
        licence: "M3D: MIT. Llama 2, which it is built on: the Llama 2 Community License, with an \
                  acceptable use policy (https://ai.meta.com/llama/license/).",
        notes: "Its authors say that its published segmentation weights are faulty.",
    },
    Published {
        hub_name: "GoodBaiBai88/M3D-CLIP",
        short: "clip",
        kind: ModelKind::Clip,
        bytes: 792_000_000,
        parameters: 198_000_000,
        numbers: "f32",
        purpose: "Compares images with texts, for retrieval; answers no questions.",
        licence: "M3D: MIT. BERT base, which it is built on: Apache-2.0.",
        notes: "",
    },
];

/// The published model of that name: its short name, its hub name or the hub name's last part, in any case.
pub fn published(name: &str) -> Option<&'static Published> {
    let name = name.trim();
    PUBLISHED.iter().find(|model| {
        let last = model.hub_name.rsplit('/').next().unwrap_or_default();
        [model.short, model.hub_name, last]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    })
}

impl Published {
    /// Its name on the hub, checked.
    pub fn name(&self) -> ModelName {
        ModelName::known(self.hub_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_model_has_three_names() {
        for model in &PUBLISHED {
            let last = model.hub_name.split_once('/').unwrap().1;
            for name in [model.short, model.hub_name, last, &last.to_uppercase()] {
                assert_eq!(published(name), Some(model));
            }
            assert_eq!(ModelName::parse(model.hub_name).unwrap(), model.name());
        }
        assert_eq!(published("phi"), None);
    }
}
