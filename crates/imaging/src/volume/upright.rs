//! A volume seen from the patient, whatever order it is stored in.

use glam::{DVec3, UVec3};

use super::Volume;
use crate::geometry::Orientation;

/// A volume's values counted from the patient's right, front and head, along the nearest axes of the grid: the same
/// for each of the 48 orders an image can be stored in.
pub(crate) struct Upright<'a> {
    volume: &'a Volume,
    dims: [usize; 3],
    spacing_mm: DVec3,
    /// The offset of the first voxel, and the step to the next one along each axis.
    start: isize,
    steps: [isize; 3],
}

impl<'a> Upright<'a> {
    pub fn new(volume: &'a Volume) -> Self {
        let grid = volume.grid();
        let [along_z, along_x, along_y] = grid.axes_of_planes();
        let axes = [along_x, along_y, along_z];
        let directions = [
            Orientation::Sagittal.normal(),
            Orientation::Coronal.normal(),
            -Orientation::Axial.normal(),
        ];
        let stored: UVec3 = grid.dims();
        let strides = [1, stored.x as isize, stored.x as isize * stored.y as isize];
        let (mut start, mut steps) = (0, [0; 3]);
        for n in 0..3 {
            let axis = axes[n];
            let is_reversed = grid.directions().col(axis).dot(directions[n]) < 0.0;
            steps[n] = if is_reversed {
                -strides[axis]
            } else {
                strides[axis]
            };
            if is_reversed {
                start += (stored[axis] as isize - 1) * strides[axis];
            }
        }
        let spacing = grid.spacing_mm();
        Self {
            volume,
            dims: axes.map(|axis| stored[axis] as usize),
            spacing_mm: DVec3::from_array(axes.map(|axis| spacing[axis])),
            start,
            steps,
        }
    }

    /// Voxels from right to left, from front to back, and from head to foot.
    pub const fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Their distances along the same axes.
    pub const fn spacing_mm(&self) -> DVec3 {
        self.spacing_mm
    }

    /// The value of a voxel after rescale; not a number outside.
    pub fn value(&self, [x, y, z]: [usize; 3]) -> f32 {
        let [dx, dy, dz] = self.steps;
        let offset = self.start + x as isize * dx + y as isize * dy + z as isize * dz;
        let stored = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.volume.voxels().get(offset));
        stored.map_or(f32::NAN, |stored| self.volume.rescale().apply(stored))
    }
}
