//! Dense supervision of an image encoder (an auxiliary head, as in Zhao et al. 2017).
//!
//! A linear head predicts from each token alone what its patch holds: for every class that is labelled in the volume, each
//! of the cells that the mask decoder would draw there. The mask decoder sees some masks of a volume and speaks to the
//! encoder through its attention, and answers say little of where things are; this speaks of all of them, and
//! directly. The head belongs to the training and is not part of the model.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::losses::mask_losses;
use super::{MaskLabel, Sample, TrainingError, Variables};
use m3d_engine::ops::linear_with_gradient;
use m3d_model::LamedConfig;
use m3d_model::config::patch_grid;

/// The variable that holds the head, `[classes, cells of a patch x width]`.
pub const DENSE_HEAD: &str = "training.dense_head";
/// Cells of a patch along each axis: the mask decoder's upscaling.
const CELLS: usize = 4;

/// How an encoder cuts an image, and how wide its tokens are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Size of the image, (D,H,W).
    image: [usize; 3],
    /// Size of a patch.
    patch: [usize; 3],
    width: usize,
}

impl Cut {
    /// An image of a size in patches of a size, (D,H,W), and tokens of a width.
    pub const fn new(image: [usize; 3], patch: [usize; 3], width: usize) -> Self {
        Self {
            image,
            patch,
            width,
        }
    }

    /// SegVol's encoder.
    pub fn of_segmentation(config: &LamedConfig) -> Self {
        let width = config.seg_config.embed_dim;
        Self::new(config.image_size, config.seg_patch_size(), width)
    }

    /// The vision tower.
    pub fn of_vision(config: &LamedConfig) -> Self {
        let width = config.vision_config.hidden_size;
        Self::new(config.image_size, config.patch_size, width)
    }

    /// The same with patches that many times as large along each axis.
    pub fn pooled(self, times: usize) -> Self {
        Self::new(self.image, self.patch.map(|side| side * times), self.width)
    }

    /// A head of zeros.
    pub fn new_head(self, classes: usize, device: &Device) -> Result<Tensor, TrainingError> {
        if self.patch.iter().any(|side| side % CELLS != 0) {
            return Err(TrainingError::Data(format!(
                "patches of {:?} voxels cannot be divided into {CELLS} cells along each axis; leave out dense",
                self.patch
            )));
        }
        if self.cell_volume() > usize::from(u8::MAX) {
            return Err(TrainingError::Data(format!(
                "patches of {:?} voxels are too large for cells of at most 255 voxels; leave out dense",
                self.patch
            )));
        }
        let shape = (classes, CELLS.pow(3) * self.width);
        Ok(Tensor::zeros(shape, DType::F32, device)?)
    }
}

/// Everything in a sample that is labelled with a class.
pub(super) fn labelled(sample: &Sample) -> impl Iterator<Item = (&MaskLabel, u32)> {
    let labels = sample.labels.iter();
    labels.filter_map(|target| Some((target, target.class? as u32)))
}

/// How many masks dense supervision has.
pub(super) fn count(samples: &[Sample]) -> usize {
    samples.iter().map(|s| labelled(s).count()).sum()
}

/// Binary cross entropy and Dice over the cells, added up, a mean over `masks`; tokens `[n,patches,width]`. `None` where
/// nothing is labelled, or no head learns.
pub(super) fn dense_loss(
    cut: Cut,
    variables: &Variables,
    samples: &[Sample],
    tokens: &Tensor,
    masks: f64,
) -> Result<Option<Tensor>, TrainingError> {
    let Some(head) = variables.get(DENSE_HEAD) else {
        return Ok(None);
    };
    let cells = CELLS.pow(3);
    let mut sum: Option<Tensor> = None;
    for (number, sample) in samples.iter().enumerate() {
        let (targets, classes): (Vec<&MaskLabel>, Vec<u32>) = labelled(sample).unzip();
        if classes.is_empty() {
            continue;
        }
        let n = classes.len();
        // [patches,width] to [n,patches,cells].
        let tokens = tokens.get(number)?.to_dtype(DType::F32)?.contiguous()?;
        let (patches, width) = tokens.dims2()?;
        let rows = head.index_select(&Tensor::new(classes, head.device())?, 0)?;
        let rows = rows.reshape((n * cells, width))?;
        let logits = match linear_with_gradient(&tokens, &rows, None)? {
            Some(logits) => logits,
            None => tokens.matmul(&rows.t()?)?,
        };
        let logits = logits.reshape((patches, n, cells))?.transpose(0, 1)?;
        let logits = logits.contiguous()?.reshape((n, patches * cells))?;
        // Counted in bytes, which is what goes to the device.
        let mut counts = vec![0; n * patches * cells];
        let each = counts.par_chunks_exact_mut((patches * cells).max(1));
        each.zip(targets)
            .for_each(|(counts, target)| cut.count_cells(&target.voxels, counts));
        let counts = Tensor::from_vec(counts, (n, patches * cells), head.device())?;
        let shares = (counts.to_dtype(DType::F32)? / cut.cell_volume() as f64)?;
        let losses = (mask_losses(&logits, &shares)?.sum_all()? / masks)?;
        sum = Some(match sum {
            Some(sum) => (sum + losses)?,
            None => losses,
        });
    }
    Ok(sum)
}

impl Cut {
    /// Sides of a cell, in voxels.
    fn cell(self) -> [usize; 3] {
        self.patch.map(|side| side / CELLS)
    }

    /// Voxels of a cell.
    fn cell_volume(self) -> usize {
        self.cell().iter().product()
    }

    /// Adds to each cell, patch after patch, how many of its voxels are of a mask (D-major).
    fn count_cells(self, voxels: &[u8], counts: &mut [u8]) {
        let (grid, sides) = (self.grid(), self.cell());
        for place in self.inside(voxels) {
            let patch_place = std::array::from_fn(|axis| place[axis] / self.patch[axis]);
            let cell_place =
                std::array::from_fn(|axis| place[axis] % self.patch[axis] / sides[axis]);
            let at = index(patch_place, grid) * CELLS.pow(3) + index(cell_place, [CELLS; 3]);
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        }
    }

    /// Which patches hold any of a mask (D-major).
    pub fn touched(self, voxels: &[u8]) -> Vec<bool> {
        let grid = self.grid();
        let mut touched = vec![false; grid.iter().product()];
        for place in self.inside(voxels) {
            let patch = index(std::array::from_fn(|n| place[n] / self.patch[n]), grid);
            if let Some(touched) = touched.get_mut(patch) {
                *touched = true;
            }
        }
        touched
    }

    /// The first place and the last that a mask (D-major) has along each axis, over the axis's length.
    pub fn reach(self, voxels: &[u8]) -> [[f32; 3]; 2] {
        let (mut low, mut high) = (self.image, [0; 3]);
        for place in self.inside(voxels) {
            low = std::array::from_fn(|axis| low[axis].min(place[axis]));
            high = std::array::from_fn(|axis| high[axis].max(place[axis]));
        }
        [low, high].map(|place| {
            std::array::from_fn(|axis| place[axis] as f32 / self.image[axis].max(1) as f32)
        })
    }

    fn grid(self) -> [usize; 3] {
        patch_grid(self.image, self.patch)
    }

    /// Where the voxels of a mask (D-major) are. Most rows hold none; those are passed over as a whole.
    fn inside(self, voxels: &[u8]) -> impl Iterator<Item = [usize; 3]> {
        let [_, h, w] = self.image;
        let rows = voxels.chunks(w.max(1)).enumerate();
        let touched = rows.filter(|(_, row)| row.iter().fold(0, |any, voxel| any | voxel) > 0);
        touched.flat_map(move |(at, row)| {
            let inside = row.iter().enumerate().filter(|(_, voxel)| **voxel > 0);
            inside.map(move |(x, _)| [at / h, at % h, x])
        })
    }
}

fn index(of: [usize; 3], [_, height, width]: [usize; 3]) -> usize {
    (of[0] * height + of[1]) * width + of[2]
}
