//! `config.json` of an M3D-LaMed checkpoint.

use serde::{Deserialize, Serialize};

use super::ModelError;

/// Largest width, vocabulary or context accepted: far above any published model, low enough that products of two
/// never overflow.
pub(crate) const MAX_WIDTH: usize = 1 << 20;
/// Most layers accepted in any tower.
pub(crate) const MAX_LAYERS: usize = 1024;
/// Most voxels accepted in an image.
pub(crate) const MAX_VOXELS: usize = 1 << 28;
/// Most views of an image accepted.
const MAX_VIEWS: usize = 16;
/// Heads of the mask decoder's two-way transformer: a constant of the reference.
pub(crate) const TWO_WAY_HEADS: usize = 8;

/// The decoder's and the image side's sizes, named as in `config.json`; unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are config.json's")]
pub struct LamedConfig {
    /// `lamed_phi3` or `lamed_llama`; informative, the weights' names decide.
    #[serde(default)]
    pub model_type: String,
    /// Width of the decoder.
    pub hidden_size: usize,
    /// Width of the decoder's MLP.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads of the decoder.
    pub num_attention_heads: usize,
    /// Key and value heads of the decoder; as many as query heads where absent.
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Epsilon of the decoder's RMS norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding.
    #[serde(default = "defaults::rope_theta")]
    pub rope_theta: f64,
    /// Longest context.
    pub max_position_embeddings: usize,
    /// Window of the attention; contexts are kept within it.
    #[serde(default)]
    pub sliding_window: Option<usize>,
    /// Whether the output matrix is the embedding matrix.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Activation of the decoder's MLP; `silu`.
    #[serde(default = "defaults::hidden_act")]
    pub hidden_act: String,
    /// Scaling of the rotary embedding; absent, null or of the kind `default`, which scales nothing.
    #[serde(default)]
    pub rope_scaling: Option<serde_json::Value>,
    /// The same with the base, as newer transformers write it.
    #[serde(default)]
    pub rope_parameters: Option<serde_json::Value>,
    /// Part of each head that is rotated; 1.
    #[serde(default = "defaults::one")]
    pub partial_rotary_factor: f64,
    /// Bias in the attention's projections; false.
    #[serde(default)]
    pub attention_bias: bool,
    /// Bias in the decoder's MLP; false.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Width of a head of the decoder, where it is named; that of all heads over their number.
    #[serde(default, rename = "head_dim")]
    pub named_head_dim: Option<usize>,
    /// First token of every prompt.
    #[serde(default = "defaults::bos_token_id")]
    pub bos_token_id: u32,
    /// Stop token or tokens, where `generation_config.json` names none.
    #[serde(default)]
    pub eos_token_id: Option<TokenIds>,
    /// The `[SEG]` token.
    #[serde(default = "defaults::seg_token_id")]
    pub seg_token_id: u32,
    /// Channels of the image; 1.
    #[serde(default = "defaults::image_channel")]
    pub image_channel: usize,
    /// Size of the prepared image, (D,H,W).
    #[serde(default = "defaults::image_size")]
    pub image_size: [usize; 3],
    /// Size of a patch, (D,H,W).
    #[serde(default = "defaults::patch_size")]
    pub patch_size: [usize; 3],
    /// Width of the vision tower's output.
    #[serde(default = "defaults::width")]
    pub mm_hidden_size: usize,
    /// Kind of projector; `spp`.
    #[serde(default = "defaults::projector_type")]
    pub mm_projector_type: String,
    /// Layers between which the projector has a GELU; `mlp`.
    #[serde(default = "defaults::proj_layer_type")]
    pub proj_layer_type: String,
    /// Linear layers in the projector.
    #[serde(default = "defaults::two")]
    pub proj_layer_num: usize,
    /// How the projector pools; `spatial`.
    #[serde(default = "defaults::proj_pooling_type")]
    pub proj_pooling_type: String,
    /// Patches averaged along each axis.
    #[serde(default = "defaults::two")]
    pub proj_pooling_size: usize,
    /// Layer of the vision tower whose output is used; -1, the last.
    #[serde(default = "defaults::select_layer")]
    pub vision_select_layer: i64,
    /// Which tokens of it; `patch`, all but cls.
    #[serde(default = "defaults::select_feature")]
    pub vision_select_feature: String,
    /// Set by checkpoints whose weights were never trained: what they answer means nothing, and the
    /// program says so.
    #[serde(default)]
    pub untrained: bool,
    /// The vision tower; constants of the reference where absent.
    #[serde(default)]
    pub vision_config: VisionConfig,
    /// The segmentation network; constants of the reference where absent.
    #[serde(default)]
    pub seg_config: SegConfig,
}

/// One id or several, as the two JSON files write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenIds {
    /// A single id.
    One(u32),
    /// Several.
    Many(Vec<u32>),
}

impl TokenIds {
    /// The ids as a list.
    pub fn to_vec(&self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![*id],
            Self::Many(ids) => ids.clone(),
        }
    }
}

/// Sizes of the vision tower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Width.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub mlp_dim: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Heads.
    pub num_heads: usize,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            mlp_dim: 3072,
            num_layers: 12,
            num_heads: 12,
        }
    }
}

/// Sizes of the segmentation network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SegConfig {
    /// Width of its image encoder, prompts and mask decoder.
    pub embed_dim: usize,
    /// Width of the image encoder's MLP.
    pub mlp_dim: usize,
    /// Blocks of the image encoder.
    pub num_layers: usize,
    /// Heads of the image encoder.
    pub num_heads: usize,
    /// Width of the MLP in the mask decoder's transformer.
    pub decoder_mlp_dim: usize,
    /// Width of the head that predicts the mask's quality.
    pub iou_head_hidden_dim: usize,
    /// Size of its patches, (D,H,W); those of the vision tower where absent, as in the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_size: Option<[usize; 3]>,
    /// How the prepared image is moved, in voxels along (D,H,W), for each of the views that a mask is the mean of. With
    /// none it is seen once and as it is, as in the reference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<[i32; 3]>,
}

impl Default for SegConfig {
    fn default() -> Self {
        Self {
            embed_dim: 768,
            mlp_dim: 3072,
            num_layers: 12,
            num_heads: 12,
            decoder_mlp_dim: 2048,
            iou_head_hidden_dim: 256,
            patch_size: None,
            views: Vec::new(),
        }
    }
}

impl LamedConfig {
    /// Parses and validates the text of a `config.json`; the error is one line without the file's name.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let config: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        config.validate().map_err(|e| e.to_string())?;
        Ok(config)
    }

    /// Patches of the vision tower along each axis, (D,H,W).
    pub fn grid(&self) -> [usize; 3] {
        patch_grid(self.image_size, self.patch_size)
    }

    /// Size of the segmentation network's patches, (D,H,W).
    pub fn seg_patch_size(&self) -> [usize; 3] {
        self.seg_config.patch_size.unwrap_or(self.patch_size)
    }

    /// Patches of the segmentation network along each axis, (D,H,W).
    pub fn seg_grid(&self) -> [usize; 3] {
        patch_grid(self.image_size, self.seg_patch_size())
    }

    /// Patches left along each axis after the projector's pooling, (D,H,W).
    pub fn pooled_grid(&self) -> [usize; 3] {
        self.grid().map(|n| n / self.proj_pooling_size.max(1))
    }

    /// Positions that an image takes in the prompt (256 in the published models).
    pub fn image_token_count(&self) -> usize {
        self.pooled_grid().iter().product()
    }

    /// Values in a patch.
    pub fn patch_volume(&self) -> usize {
        self.patch_size.iter().product::<usize>() * self.image_channel
    }

    /// Key and value heads of the decoder.
    pub fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of one head of the decoder.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }

    /// The base of the rotary embedding: `rope_theta`, unless the newer words for it name another, which win in
    /// transformers.
    pub fn rope_base(&self) -> f64 {
        let newer = self.rope_settings().map(|(_, settings)| settings);
        newer
            .and_then(|settings| settings.get("rope_theta")?.as_f64())
            .unwrap_or(self.rope_theta)
    }

    /// The settings of the rotary embedding that hold, with their name: where there are both, the older.
    fn rope_settings(&self) -> Option<(&'static str, &serde_json::Value)> {
        let named = [
            ("rope_scaling", &self.rope_scaling),
            ("rope_parameters", &self.rope_parameters),
        ];
        let mut given = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.find(|(_, value)| !value.is_null())
    }

    /// Positions a conversation may use: attention is full, so a sliding window bounds it too.
    pub fn context_length(&self) -> usize {
        self.sliding_window
            .map_or(self.max_position_embeddings, |w| {
                w.min(self.max_position_embeddings)
            })
    }

    /// Checks that the sizes fit each other and that the network is one that is built here.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.check_ranges()?;
        self.check_kinds()?;
        require(divides(self.num_attention_heads, self.hidden_size), || {
            format!(
                "hidden_size {} is no multiple of num_attention_heads",
                self.hidden_size
            )
        })?;
        require(
            divides(self.key_value_heads(), self.num_attention_heads),
            || "num_attention_heads is no multiple of num_key_value_heads".to_string(),
        )?;
        require(self.head_dim().is_multiple_of(2), || {
            format!("odd head width {}", self.head_dim())
        })?;
        for patch in [self.patch_size, self.seg_patch_size()] {
            require(
                (0..3).all(|axis| divides(patch[axis], self.image_size[axis])),
                || {
                    format!(
                        "image_size {:?} is no multiple of patch_size {patch:?}",
                        self.image_size
                    )
                },
            )?;
        }
        require(
            self.grid()
                .iter()
                .all(|&n| divides(self.proj_pooling_size, n)),
            || {
                format!(
                    "patch grid {:?} is no multiple of proj_pooling_size {}",
                    self.grid(),
                    self.proj_pooling_size
                )
            },
        )?;
        require(
            divides(self.vision_config.num_heads, self.vision_config.hidden_size),
            || "the vision tower's width is no multiple of its heads".to_string(),
        )?;
        require(
            self.mm_hidden_size == self.vision_config.hidden_size,
            || {
                format!(
                    "mm_hidden_size {} is not the vision tower's width",
                    self.mm_hidden_size
                )
            },
        )?;
        let seg = &self.seg_config;
        require(
            divides(seg.num_heads, seg.embed_dim) && divides(2 * TWO_WAY_HEADS, seg.embed_dim),
            || {
                format!(
                    "the segmentation width {} fits neither its heads nor a multiple of 16",
                    seg.embed_dim
                )
            },
        )?;
        require(seg.views.len() <= MAX_VIEWS, || {
            format!(
                "{} views of an image are more than {MAX_VIEWS}",
                seg.views.len()
            )
        })?;
        for by in &seg.views {
            require(
                (0..3).all(|axis| (by[axis].unsigned_abs() as usize) < self.image_size[axis]),
                || {
                    format!(
                        "a view moved by {by:?} shows nothing of an image of {:?}",
                        self.image_size
                    )
                },
            )?;
        }
        require((self.seg_token_id as usize) < self.vocab_size, || {
            format!(
                "seg_token_id {} is outside the vocabulary of {}",
                self.seg_token_id, self.vocab_size
            )
        })
    }

    fn check_ranges(&self) -> Result<(), ModelError> {
        let (vision, seg) = (&self.vision_config, &self.seg_config);
        let widths = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.key_value_heads()),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("sliding_window", self.sliding_window.unwrap_or(1)),
            ("image_channel", self.image_channel),
            ("mm_hidden_size", self.mm_hidden_size),
            ("proj_pooling_size", self.proj_pooling_size),
            ("vision_config.hidden_size", vision.hidden_size),
            ("vision_config.mlp_dim", vision.mlp_dim),
            ("vision_config.num_heads", vision.num_heads),
            ("seg_config.embed_dim", seg.embed_dim),
            ("seg_config.mlp_dim", seg.mlp_dim),
            ("seg_config.num_heads", seg.num_heads),
            ("seg_config.decoder_mlp_dim", seg.decoder_mlp_dim),
            ("seg_config.iou_head_hidden_dim", seg.iou_head_hidden_dim),
        ];
        let layers = [
            ("num_hidden_layers", self.num_hidden_layers),
            ("proj_layer_num", self.proj_layer_num),
            ("vision_config.num_layers", vision.num_layers),
            ("seg_config.num_layers", seg.num_layers),
        ];
        let bounds = widths.map(|(name, n)| (name, n, MAX_WIDTH)).into_iter();
        for (name, n, limit) in bounds.chain(layers.map(|(name, n)| (name, n, MAX_LAYERS))) {
            require((1..=limit).contains(&n), || {
                format!("{name} is {n}, outside 1 to {limit}")
            })?;
        }
        let voxels = self
            .image_size
            .iter()
            .chain(&[self.image_channel])
            .try_fold(1usize, |product, &n| product.checked_mul(n))
            .filter(|&n| (1..=MAX_VOXELS).contains(&n));
        require(voxels.is_some(), || {
            format!("image_size {:?} is out of range", self.image_size)
        })?;
        for patch in [self.patch_size, self.seg_patch_size()] {
            require(patch.iter().all(|&n| n > 0), || {
                "patch_size has a zero".to_string()
            })?;
        }
        require(
            self.rms_norm_eps.is_finite() && self.rms_norm_eps >= 0.0,
            || "rms_norm_eps is negative".to_string(),
        )?;
        require(self.rope_theta.is_finite() && self.rope_theta > 0.0, || {
            "rope_theta is not positive".to_string()
        })
    }

    fn check_kinds(&self) -> Result<(), ModelError> {
        let kinds = [
            ("hidden_act", self.hidden_act.as_str(), "silu"),
            ("mm_projector_type", &self.mm_projector_type, "spp"),
            ("proj_layer_type", &self.proj_layer_type, "mlp"),
            ("proj_pooling_type", &self.proj_pooling_type, "spatial"),
            (
                "vision_select_feature",
                &self.vision_select_feature,
                "patch",
            ),
        ];
        for (name, found, known) in kinds {
            require(found == known, || {
                format!("{name} is {found:?}, only {known:?} is known")
            })?;
        }
        require(self.vision_select_layer == -1, || {
            format!(
                "vision_select_layer is {}, only -1 is known",
                self.vision_select_layer
            )
        })?;
        if let Some((name, settings)) = self.rope_settings() {
            check_rope(name, settings).map_err(ModelError::Config)?;
        }
        require((self.partial_rotary_factor - 1.0).abs() < 1e-9, || {
            format!(
                "partial_rotary_factor is {}, only 1 is known",
                self.partial_rotary_factor
            )
        })?;
        require(
            self.named_head_dim.is_none_or(|n| n == self.head_dim()),
            || {
                format!(
                    "head_dim is not the {} of hidden_size over num_attention_heads",
                    self.head_dim()
                )
            },
        )?;
        require(!self.attention_bias, || {
            "attention_bias is not supported".to_string()
        })?;
        require(!self.mlp_bias, || "mlp_bias is not supported".to_string())
    }
}

/// Refuses settings of a rotary embedding other than the plain one. What scales an embedding of the kind `default` is
/// not looked at, as in transformers.
fn check_rope(name: &str, settings: &serde_json::Value) -> Result<(), String> {
    let Some(fields) = settings.as_object() else {
        return Err(format!("{name} is no table of settings"));
    };
    if let Some((layers, _)) = fields.iter().find(|(_, value)| value.is_object()) {
        return Err(format!(
            "{name} has settings of their own for {layers}; one for all layers is supported"
        ));
    }
    let kind = fields.get("rope_type").or_else(|| fields.get("type"));
    if let Some(kind) = kind.filter(|kind| kind.as_str() != Some("default")) {
        return Err(format!(
            "{name} is of the kind {kind}, only \"default\" is supported"
        ));
    }
    let number = |field: &str| fields.get(field).filter(|value| !value.is_null());
    let theta = number("rope_theta");
    if theta.is_some_and(|theta| theta.as_f64().is_none_or(|t| !t.is_finite() || t <= 0.0)) {
        return Err(format!("{name}.rope_theta is not positive"));
    }
    match number("partial_rotary_factor") {
        Some(part) if part.as_f64().is_none_or(|part| (part - 1.0).abs() > 1e-9) => Err(format!(
            "{name}.partial_rotary_factor is {part}, only 1 is known"
        )),
        _ => Ok(()),
    }
}

/// Patches along each axis; 0 is not a size and counts as 1 until the sizes are checked.
pub fn patch_grid(image: [usize; 3], patch: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| image[axis] / patch[axis].max(1))
}

pub(crate) fn divides(divisor: usize, n: usize) -> bool {
    divisor > 0 && n.is_multiple_of(divisor)
}

pub(crate) fn require(ok: bool, message: impl FnOnce() -> String) -> Result<(), ModelError> {
    if ok {
        Ok(())
    } else {
        Err(ModelError::Config(message()))
    }
}

/// What the published checkpoints say, for fields that an older `config.json` leaves out.
mod defaults {
    pub fn rope_theta() -> f64 {
        10_000.0
    }
    pub fn hidden_act() -> String {
        "silu".into()
    }
    pub fn one() -> f64 {
        1.0
    }
    pub fn bos_token_id() -> u32 {
        1
    }
    pub fn seg_token_id() -> u32 {
        32014
    }
    pub fn image_channel() -> usize {
        1
    }
    pub fn image_size() -> [usize; 3] {
        [32, 256, 256]
    }
    pub fn patch_size() -> [usize; 3] {
        [4, 16, 16]
    }
    pub fn width() -> usize {
        768
    }
    pub fn projector_type() -> String {
        "spp".into()
    }
    pub fn proj_layer_type() -> String {
        "mlp".into()
    }
    pub fn two() -> usize {
        2
    }
    pub fn proj_pooling_type() -> String {
        "spatial".into()
    }
    pub fn select_layer() -> i64 {
        -1
    }
    pub fn select_feature() -> String {
        "patch".into()
    }
}
