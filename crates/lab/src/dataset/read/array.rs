//! Images and masks as arrays of one channel.

use super::{FileName, ReadError};
use crate::dataset::scene::box_numbers;
use m3d_imaging::io::{NpyArray, NpyValues, read_npy};

/// An image of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageArray {
    /// Depth, height, width.
    pub size: [usize; 3],
    /// `[1,D,H,W]`, row-major, as stored; prepared images hold 0 to 1.
    pub voxels: Vec<f32>,
}

/// A mask.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskArray {
    /// Depth, height, width.
    pub size: [usize; 3],
    /// `[1,D,H,W]`, row-major: 1 inside, 0 outside.
    pub voxels: Vec<u8>,
}

impl ImageArray {
    /// Reads an image of shape `[1,D,H,W]` or `[D,H,W]`.
    pub(super) fn read(file: &FileName) -> Result<Self, ReadError> {
        let (size, values) = array(file)?;
        let voxels = match values {
            NpyValues::F32(values) => values,
            NpyValues::U8(values) => values.into_iter().map(f32::from).collect(),
        };
        if voxels.iter().any(|v| !v.is_finite()) {
            return Err(file.place().error(format!(
                "{} holds values that are no numbers; prepare it again",
                file.as_written()
            )));
        }
        Ok(Self { size, voxels })
    }

    /// `[1, D, H, W]`.
    pub const fn shape(&self) -> [usize; 4] {
        let [d, h, w] = self.size;
        [1, d, h, w]
    }
}

impl MaskArray {
    /// A mask that has nothing inside.
    pub fn absent(size: [usize; 3]) -> Self {
        Self {
            size,
            voxels: vec![0; size.iter().product()],
        }
    }

    /// Reads the mask of an image of `size`; inside is what `inside` holds for. A single voxel of 0
    /// stands for a mask with nothing inside.
    pub(super) fn read(
        file: &FileName,
        size: [usize; 3],
        inside: impl Fn(f32) -> bool,
    ) -> Result<Self, ReadError> {
        let (found, values) = array(file)?;
        let voxels: Vec<u8> = match values {
            NpyValues::U8(values) => values
                .into_iter()
                .map(|v| u8::from(inside(f32::from(v))))
                .collect(),
            NpyValues::F32(values) => values.into_iter().map(|v| u8::from(inside(v))).collect(),
        };
        if found != size {
            if found == [1, 1, 1] && voxels == [0] {
                return Ok(Self::absent(size));
            }
            return Err(file.place().error(format!(
                "the mask {} has {found:?} voxels and its image {size:?}; prepare both again",
                file.as_written()
            )));
        }
        Ok(Self { size, voxels })
    }

    /// How many voxels are inside.
    pub fn count(&self) -> usize {
        self.voxels.iter().filter(|&&v| v != 0).count()
    }

    /// The box around what is inside as the model writes boxes: `d0, h0, w0, d1, h1, w1`, index over
    /// length, the last three of the last voxel inside, rounded to 3 decimals. `None` where nothing is.
    pub fn model_box(&self) -> Option<[f64; 6]> {
        let [_, height, width] = self.size;
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        for (row, line) in self.voxels.chunks_exact(width.max(1)).enumerate() {
            let Some(first) = line.iter().position(|&v| v != 0) else {
                continue;
            };
            let last = line.iter().rposition(|&v| v != 0).unwrap_or(first);
            let (d, h) = (row / height, row % height);
            for (axis, [near, far]) in [[d, d], [h, h], [first, last]].into_iter().enumerate() {
                low[axis] = low[axis].min(near);
                high[axis] = high[axis].max(far);
            }
        }
        (low[0] != usize::MAX).then(|| box_numbers(low, high, self.size))
    }
}

fn array(file: &FileName) -> Result<([usize; 3], NpyValues), ReadError> {
    let path = file.path()?;
    let NpyArray { shape, values } = read_npy(&path).map_err(|source| ReadError::Array {
        place: file.place().clone(),
        source,
    })?;
    let size = match shape[..] {
        [1, d, h, w] | [d, h, w] if d > 0 && h > 0 && w > 0 => [d, h, w],
        _ => {
            return Err(file.place().error(format!(
                "{} has the shape {shape:?} where [1, D, H, W] is wanted; prepare it again",
                file.as_written()
            )));
        }
    };
    Ok((size, values))
}
