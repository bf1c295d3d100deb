//! `config.json` of an M3D-CLIP checkpoint.

use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::config::{MAX_LAYERS, MAX_VOXELS, MAX_WIDTH, divides, patch_grid, require};
use crate::vit::VitConfig;

/// Tokens of a text that the reference reads when it ranks texts and images.
const TEXT_LENGTH: usize = 512;

/// Sizes of both encoders, named as in `config.json`; unknown fields are ignored.
///
/// `max_text_len` is one of them: the reference stores it and never reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// `m3d_clip`.
    pub model_type: String,
    /// Image channels.
    pub in_channels: usize,
    /// Size of the prepared image, (D,H,W).
    pub img_size: [usize; 3],
    /// Size of a patch, (D,H,W).
    pub patch_size: [usize; 3],
    /// Width of the vision transformer and of the features.
    pub hidden_size: usize,
    /// Width of the vision transformer's MLP.
    pub mlp_dim: usize,
    /// Blocks of the vision transformer.
    pub num_layers: usize,
    /// Heads of the vision transformer.
    pub num_heads: usize,
    /// How patches become tokens; `perceptron`, a linear layer.
    pub pos_embed: String,
    /// Axes of the image; 3.
    pub spatial_dims: usize,
    /// The text encoder; that of bert-base-uncased where absent, as in the published checkpoint.
    pub language_config: BertConfig,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            model_type: "m3d_clip".to_string(),
            in_channels: 1,
            img_size: [32, 256, 256],
            patch_size: [4, 16, 16],
            hidden_size: 768,
            mlp_dim: 3072,
            num_layers: 12,
            num_heads: 12,
            pos_embed: "perceptron".to_string(),
            spatial_dims: 3,
            language_config: BertConfig::default(),
        }
    }
}

/// Sizes of the text encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// Pieces in the vocabulary.
    pub vocab_size: usize,
    /// Width.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads.
    pub num_attention_heads: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Activation of the MLP; `gelu`, the exact one.
    pub hidden_act: String,
    /// Longest text in tokens.
    pub max_position_embeddings: usize,
    /// Kinds of segments.
    pub type_vocab_size: usize,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    /// The id that fills the shorter texts of a batch.
    pub pad_token_id: u32,
    /// How positions enter; `absolute`.
    pub position_embedding_type: String,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".to_string(),
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            pad_token_id: 0,
            position_embedding_type: "absolute".to_string(),
        }
    }
}

impl ClipConfig {
    /// Patches along each axis, (D,H,W).
    pub fn grid(&self) -> [usize; 3] {
        patch_grid(self.img_size, self.patch_size)
    }

    /// Tokens at which a text is cut off, `[CLS]` and `[SEP]` included: 512 in the published model.
    pub fn text_length(&self) -> usize {
        self.language_config
            .max_position_embeddings
            .min(TEXT_LENGTH)
    }

    /// The vision transformer's sizes.
    pub(crate) fn vision(&self) -> VitConfig {
        VitConfig {
            image_size: self.img_size,
            patch_size: self.patch_size,
            channels: self.in_channels,
            hidden_size: self.hidden_size,
            mlp_dim: self.mlp_dim,
            num_layers: self.num_layers,
            num_heads: self.num_heads,
            cls_token: true,
        }
    }

    /// Checks that the sizes fit each other and that the network is one that is built here.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.check_ranges()?;
        self.check_kinds()?;
        require(
            (0..3).all(|axis| divides(self.patch_size[axis], self.img_size[axis])),
            || {
                format!(
                    "img_size {:?} is no multiple of patch_size {:?}",
                    self.img_size, self.patch_size
                )
            },
        )?;
        require(divides(self.num_heads, self.hidden_size), || {
            "the vision transformer's width is no multiple of its heads".to_string()
        })?;
        let text = &self.language_config;
        require(divides(text.num_attention_heads, text.hidden_size), || {
            "the text encoder's width is no multiple of its heads".to_string()
        })?;
        require(text.hidden_size == self.hidden_size, || {
            format!(
                "the text encoder's width {} is not the image encoder's {}",
                text.hidden_size, self.hidden_size
            )
        })?;
        require((text.pad_token_id as usize) < text.vocab_size, || {
            format!(
                "pad_token_id {} is outside the vocabulary of {}",
                text.pad_token_id, text.vocab_size
            )
        })
    }

    fn check_ranges(&self) -> Result<(), ModelError> {
        let text = &self.language_config;
        let sizes = [
            ("in_channels", self.in_channels, MAX_WIDTH),
            ("hidden_size", self.hidden_size, MAX_WIDTH),
            ("mlp_dim", self.mlp_dim, MAX_WIDTH),
            ("num_heads", self.num_heads, MAX_WIDTH),
            ("num_layers", self.num_layers, MAX_LAYERS),
            ("language_config.vocab_size", text.vocab_size, MAX_WIDTH),
            ("language_config.hidden_size", text.hidden_size, MAX_WIDTH),
            (
                "language_config.num_hidden_layers",
                text.num_hidden_layers,
                MAX_LAYERS,
            ),
            (
                "language_config.num_attention_heads",
                text.num_attention_heads,
                MAX_WIDTH,
            ),
            (
                "language_config.intermediate_size",
                text.intermediate_size,
                MAX_WIDTH,
            ),
            (
                "language_config.max_position_embeddings",
                text.max_position_embeddings,
                MAX_WIDTH,
            ),
            (
                "language_config.type_vocab_size",
                text.type_vocab_size,
                MAX_WIDTH,
            ),
        ];
        for (name, n, limit) in sizes {
            require((1..=limit).contains(&n), || {
                format!("{name} is {n}, outside 1 to {limit}")
            })?;
        }
        let voxels = self
            .img_size
            .iter()
            .try_fold(self.in_channels, |product, &n| product.checked_mul(n))
            .filter(|n| (1..=MAX_VOXELS).contains(n));
        require(voxels.is_some(), || {
            format!("img_size {:?} is out of range", self.img_size)
        })?;
        require(
            text.layer_norm_eps.is_finite() && text.layer_norm_eps >= 0.0,
            || "language_config.layer_norm_eps is negative".to_string(),
        )
    }

    fn check_kinds(&self) -> Result<(), ModelError> {
        let text = &self.language_config;
        let kinds = [
            ("model_type", self.model_type.as_str(), "m3d_clip"),
            ("pos_embed", &self.pos_embed, "perceptron"),
            ("language_config.hidden_act", &text.hidden_act, "gelu"),
            (
                "language_config.position_embedding_type",
                &text.position_embedding_type,
                "absolute",
            ),
        ];
        for (name, found, known) in kinds {
            require(found == known, || {
                format!("{name} is {found:?}, only {known:?} is known")
            })?;
        }
        require(self.spatial_dims == 3, || {
            format!("spatial_dims is {}, only 3 is known", self.spatial_dims)
        })
    }
}
