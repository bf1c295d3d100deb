//! Dense supervision of SegVol's image encoder (an auxiliary head, as in Zhao et al. 2017).
//!
//! A linear layer tells from each token alone what its patch holds: for every class that is labelled in the volume, each
//! of the cells that the mask decoder would draw there. The mask decoder sees some masks of a volume and speaks to the
//! encoder through its attention; this speaks of all of them, and directly. The head belongs to the training and is not
//! part of the model.

use candle_core::{Device, Tensor};

use super::losses::mask_losses;
use super::{Sample, Target, TrainingError, Variables};
use crate::model::ops::linear_taught;
use crate::model::{Lamed, LamedConfig};

/// The variable that holds the head, `[classes, cells of a patch x width]`.
pub const DENSE_HEAD: &str = "training.dense_head";
/// Cells of a patch along each axis: the mask decoder's upscaling.
const CELLS: usize = 4;

/// A head that knows nothing.
pub(super) fn new_head(
    config: &LamedConfig,
    classes: usize,
    device: &Device,
) -> Result<Tensor, TrainingError> {
    if config.patch_size.iter().any(|side| side % CELLS != 0) {
        return Err(TrainingError::Data(format!(
            "patches of {:?} voxels cannot be divided into {CELLS} cells along each axis; leave out dense",
            config.patch_size
        )));
    }
    let width = CELLS.pow(3) * config.seg_config.embed_dim;
    let dtype = candle_core::DType::F32;
    Ok(Tensor::zeros((classes, width), dtype, device)?)
}

/// Everything in a sample that has a class.
fn labelled(sample: &Sample) -> impl Iterator<Item = (&Target, u32)> {
    let all = sample.masks.iter().chain(&sample.labels);
    all.filter_map(|target| Some((target, target.class? as u32)))
}

/// How many masks dense supervision speaks of.
pub(super) fn count(samples: &[Sample]) -> usize {
    samples.iter().map(|s| labelled(s).count()).sum()
}

/// Binary cross entropy and Dice over the cells, added up, a mean over `masks`; features `[n,width,D,H,W]`. `None` where
/// nothing is labelled, or no head learns.
pub(super) fn dense_loss(
    lamed: &Lamed,
    variables: &Variables,
    samples: &[Sample],
    features: &Tensor,
    masks: f64,
) -> Result<Option<Tensor>, TrainingError> {
    let Some(head) = variables.get(DENSE_HEAD) else {
        return Ok(None);
    };
    let config = lamed.config();
    let cells = CELLS.pow(3);
    let mut sum: Option<Tensor> = None;
    for (number, sample) in samples.iter().enumerate() {
        let (targets, classes): (Vec<&Target>, Vec<u32>) = labelled(sample).unzip();
        if classes.is_empty() {
            continue;
        }
        let n = classes.len();
        // [patches,width] to [n,patches,cells].
        let tokens = features.get(number)?.flatten(1, 3)?.t()?.contiguous()?;
        let (patches, width) = tokens.dims2()?;
        let rows = head.index_select(&Tensor::new(classes, head.device())?, 0)?;
        let rows = rows.reshape((n * cells, width))?;
        let logits = match linear_taught(&tokens, &rows, None)? {
            Some(logits) => logits,
            None => tokens.matmul(&rows.t()?)?,
        };
        let logits = logits.reshape((patches, n, cells))?.transpose(0, 1)?;
        let logits = logits.contiguous()?.reshape((n, patches * cells))?;
        let shares: Vec<f32> = targets
            .iter()
            .flat_map(|target| cell_shares(config, &target.voxels))
            .collect();
        let shares = Tensor::from_vec(shares, (n, patches * cells), head.device())?;
        let losses = (mask_losses(&logits, &shares)?.sum_all()? / masks)?;
        sum = Some(match sum {
            Some(sum) => (sum + losses)?,
            None => losses,
        });
    }
    Ok(sum)
}

/// The share of each cell that a mask (D-major) fills, patch after patch.
fn cell_shares(config: &LamedConfig, voxels: &[u8]) -> Vec<f32> {
    let [_, h, w] = config.image_size;
    let (grid, patch) = (config.grid(), config.patch_size);
    let sides = patch.map(|side| side / CELLS);
    let volume: usize = sides.iter().product();
    let cells = CELLS.pow(3);
    let mut shares = vec![0.0; grid.iter().product::<usize>() * cells];
    for (at, _) in voxels.iter().enumerate().filter(|(_, voxel)| **voxel > 0) {
        let place = [at / (h * w), at / w % h, at % w];
        let index =
            |of: [usize; 3], in_all: [usize; 3]| (of[0] * in_all[1] + of[1]) * in_all[2] + of[2];
        let patch_place = std::array::from_fn(|axis| place[axis] / patch[axis]);
        let cell_place = std::array::from_fn(|axis| place[axis] % patch[axis] / sides[axis]);
        let share = index(patch_place, grid) * cells + index(cell_place, [CELLS; 3]);
        if let Some(share) = shares.get_mut(share) {
            *share += 1.0 / volume as f32;
        }
    }
    shares
}
