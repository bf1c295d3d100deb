//! The initial values of weights.

use m3d_model::{ClipConfig, LamedConfig, rule};

/// How strong the places are beside what a patch looks like.
const POSITION_AMPLITUDE: f32 = 0.5;
/// How strong a patch's mean is in its token, how strong the slowest cosine, and the most of any.
const MEAN_STRENGTH: f64 = 0.12;
const WAVE_STRENGTH: f64 = 0.5;
const MOST_STRENGTH: f64 = 2.0;
/// The deviation of tokens that stand for no word.
const TOKEN_DEVIATION: f32 = 0.5;

/// How an image is cut, (D,H,W).
#[derive(Clone, Copy)]
struct Patches {
    /// Patches along each axis.
    grid: [usize; 3],
    /// Voxels of each.
    size: [usize; 3],
}

/// What the values of a tensor depend on beside its name and shape.
pub(super) struct Sizes {
    /// Of the vision tower, patches along (D,H,W), and voxels of a patch.
    vision: Patches,
    /// Those of the segmentation network.
    segmentation: Patches,
    /// Parts of names, and how many layers of two branches each they stand for.
    layers: Vec<(&'static str, usize)>,
}

impl Sizes {
    /// Those of M3D-LaMed.
    pub fn of_lamed(config: &LamedConfig) -> Self {
        Self {
            vision: Patches {
                grid: config.grid(),
                size: config.patch_size,
            },
            segmentation: Patches {
                grid: config.seg_grid(),
                size: config.seg_patch_size(),
            },
            layers: vec![
                ("vision_tower", config.vision_config.num_layers),
                ("image_encoder", config.seg_config.num_layers),
                ("model.layers.", config.num_hidden_layers),
            ],
        }
    }

    /// Those of M3D-CLIP. Its text encoder norms every sum, which keeps branches from adding up.
    pub fn of_clip(config: &ClipConfig) -> Self {
        let patches = Patches {
            grid: config.grid(),
            size: config.patch_size,
        };
        Self {
            vision: patches,
            segmentation: patches,
            layers: vec![("vision_encoder", config.num_layers)],
        }
    }
}

/// The values of a tensor by its name, the same for the same seed on every machine.
///
/// Norms begin as 1 and biases as 0; matrices are uniform after Glorot and Bengio (2010), those that end a residual
/// branch divided by the root of the branches' number (Radford et al. 2019). A patch begins as its cosine transform and
/// its position as sines and cosines of the place, side by side, both learnt on from there: of random projections a
/// transformer sees hardly more than how bright a patch is.
pub(super) fn initial_values(name: &str, shape: &[usize], sizes: &Sizes, seed: u64) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let patches = if name.contains("seg_module") {
        sizes.segmentation
    } else {
        sizes.vision
    };
    let key = format!("{seed}/{name}");
    let drawn = |deviation: f32| {
        (0..count)
            .map(|i| deviation * normal(&key, i as u64))
            .collect()
    };
    let even = |bound: f64| {
        (0..count)
            .map(|i| (2.0 * rule::uniform(&key, i as u64) - 1.0) * bound as f32)
            .collect()
    };
    let tokens = [
        "iou_token",
        "mask_tokens",
        "point_embeddings",
        "not_a_point",
        "no_mask",
    ];
    match shape {
        _ if name.ends_with(".bias") => vec![0.0; count],
        // M3D-CLIP's scale is stored as it is multiplied with: one over the usual temperature.
        _ if name == "logit_scale" => vec![1.0 / 0.07; count],
        _ if name.to_lowercase().contains("norm")
            || name.ends_with("output_upscaling.1.weight") =>
        {
            vec![1.0; count]
        }
        _ if name.ends_with("positional_encoding_gaussian_matrix") => drawn(1.0),
        [1, _, width] if name.ends_with("position_embeddings") => places(patches.grid, *width),
        _ if name.ends_with("cls_token") => drawn(0.02),
        _ if tokens.iter().any(|part| name.contains(part)) => drawn(TOKEN_DEVIATION),
        [_, width] if name.ends_with("embed_tokens.weight") => drawn((1.0 / *width as f32).sqrt()),
        // A transposed convolution of stride 2 and kernel 2: each output has one tap.
        [width, _, 2, 2, 2] => even((3.0 / *width as f64).sqrt()),
        [out, width]
            if name.ends_with("patch_embeddings.1.weight")
                && *width == patches.size.iter().product::<usize>() =>
        {
            cosines(patches.size, *out)
        }
        [out, width] => even((6.0 / (out + width) as f64).sqrt() / branches(name, sizes).sqrt()),
        _ => drawn(0.02),
    }
}

/// How many branches add up where this matrix ends one; 1 elsewhere.
fn branches(name: &str, sizes: &Sizes) -> f64 {
    let ends = [
        "self_attn.o_proj.weight",
        "mlp.down_proj.weight",
        "attn.out_proj.weight",
        "mlp.linear2.weight",
    ];
    let layers = sizes.layers.iter().find(|(part, _)| name.contains(part));
    match layers {
        Some((_, layers)) if ends.iter().any(|end| name.ends_with(end)) => 2.0 * *layers as f64,
        _ => 1.0,
    }
}

/// Of a token, the part that tells what a patch looks like; the rest tells where it is.
fn appearance(width: usize) -> usize {
    width - 6 * (width / 16).max(1)
}

/// The slowest cosines of a patch (DCT-II), one for each of the first rows, `[width,voxels]`. Each is as strong as makes
/// it vary alike over a CT's patches, whose spectrum falls with the frequency.
fn cosines(patch: [usize; 3], width: usize) -> Vec<f32> {
    let voxels: usize = patch.iter().product();
    let [d, h, w] = patch;
    let place = |at: usize| [at / (h * w), at / w % h, at % w];
    let frequency = |waves: [usize; 3]| -> f64 {
        let along = |axis: usize| waves[axis] as f64 / patch[axis] as f64;
        (0..3).map(|axis| along(axis).powi(2)).sum::<f64>().sqrt()
    };
    let mut modes: Vec<[usize; 3]> = (0..d * h * w).map(place).collect();
    modes.sort_by(|a, b| frequency(*a).total_cmp(&frequency(*b)));
    let slowest = 1.0 / *patch.iter().max().unwrap_or(&1) as f64;
    let mut values = vec![0.0; width * voxels];
    for (row, waves) in modes.into_iter().take(appearance(width)).enumerate() {
        let strength = match frequency(waves) {
            0.0 => MEAN_STRENGTH,
            f => (WAVE_STRENGTH * f / slowest).min(MOST_STRENGTH),
        };
        for voxel in 0..voxels {
            let at = place(voxel);
            let wave: f64 = (0..3)
                .map(|axis| {
                    let n = patch[axis] as f64;
                    let norm = if waves[axis] == 0 { 1.0 } else { 2.0 };
                    let angle = std::f64::consts::PI * (at[axis] as f64 + 0.5) / n;
                    (norm / n).sqrt() * (angle * waves[axis] as f64).cos()
                })
                .product();
            values[row * voxels + voxel] = (strength * wave) as f32;
        }
    }
    values
}

/// Sines and cosines of each axis in the last part of the width; D-major.
fn places([d, h, w]: [usize; 3], width: usize) -> Vec<f32> {
    let pairs = (width / 16).max(1);
    let begin = appearance(width);
    let mut values = Vec::with_capacity(d * h * w * width);
    for place in 0..d * h * w {
        let at = [(place / (h * w), d), (place / w % h, h), (place % w, w)];
        let mut row = vec![0.0; width];
        for (axis, (i, n)) in at.into_iter().enumerate() {
            let centre = (i as f64 + 0.5) / n as f64;
            for pair in 0..pairs {
                // From half a turn over the whole axis to a turn every other patch.
                let turns = 0.5 * (n as f64).powf(pair as f64 / pairs as f64);
                let angle = 2.0 * std::f64::consts::PI * turns * centre;
                let first = begin + 2 * (axis * pairs + pair);
                if let Some([sine, cosine]) = row.get_mut(first..first + 2) {
                    *sine = POSITION_AMPLITUDE * angle.sin() as f32;
                    *cosine = POSITION_AMPLITUDE * angle.cos() as f32;
                }
            }
        }
        values.extend(row);
    }
    values
}

/// A normal number (Box and Muller 1958) by name and index.
pub(super) fn normal(key: &str, index: u64) -> f32 {
    let (u, v) = (
        rule::uniform(key, 2 * index),
        rule::uniform(key, 2 * index + 1),
    );
    let radius = (-2.0 * (1.0 - u).ln()).sqrt();
    radius * (std::f32::consts::TAU * v).cos()
}
