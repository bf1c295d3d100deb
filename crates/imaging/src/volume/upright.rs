//! A volume seen from the patient, whatever order it is stored in.

use glam::{DVec3, UVec3};

use super::Volume;
use crate::geometry::{AxisOrder, OrderedCrop};

/// A volume's values counted from the patient's right, front and head, along the nearest axes of the grid: the same
/// for each of the 48 orders an image can be stored in.
pub(crate) struct Upright<'a> {
    volume: &'a Volume,
    dims: [usize; 3],
    spacing_mm: DVec3,
    /// The offset of the first voxel, and the step to the next one along each axis.
    first: usize,
    steps: [isize; 3],
}

impl<'a> Upright<'a> {
    pub fn new(volume: &'a Volume) -> Self {
        let grid = volume.grid();
        // From the head down, where the order of the patient runs up.
        let order = AxisOrder::of_patient(grid).reversed(2);
        let (first, steps) = OrderedCrop::new(order, UVec3::ZERO, grid.dims()).walk(grid.dims());
        let spacing = grid.spacing_mm();
        Self {
            volume,
            dims: order
                .lengths(grid.dims())
                .to_array()
                .map(|size| size as usize),
            spacing_mm: DVec3::from_array([0, 1, 2].map(|n| spacing[order.axis(n)])),
            first,
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
        let offset = self.first as isize + x as isize * dx + y as isize * dy + z as isize * dz;
        let stored = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.volume.voxels().get(offset));
        stored.map_or(f32::NAN, |stored| self.volume.rescale().apply(stored))
    }
}
