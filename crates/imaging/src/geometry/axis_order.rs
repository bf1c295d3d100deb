//! The order in which a grid's axes are read.

use glam::{DAffine3, DMat3, DVec3, UVec3};

use super::VoxelGrid;

/// Which of a grid's axes is read as the first, second and third, and which of them backwards: one of the 48 orders that
/// the same image can be stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisOrder {
    axes: [usize; 3],
    backwards: [bool; 3],
}

const PERMUTATIONS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [1, 0, 2],
    [0, 2, 1],
    [2, 1, 0],
    [1, 2, 0],
    [2, 0, 1],
];

impl AxisOrder {
    /// As it is stored.
    pub const STORED: Self = Self {
        axes: [0, 1, 2],
        backwards: [false; 3],
    };

    /// An order: its `n`-th axis is the grid's axis `axes[n]`, read from its end where `backwards[n]`. `None` where an
    /// axis is named twice or not at all.
    pub fn new(axes: [usize; 3], backwards: [bool; 3]) -> Option<Self> {
        PERMUTATIONS
            .contains(&axes)
            .then_some(Self { axes, backwards })
    }

    /// All 48, the stored one first.
    pub fn all() -> impl Iterator<Item = Self> {
        PERMUTATIONS.into_iter().flat_map(|axes| {
            (0..8_u8).map(move |bits| Self {
                axes,
                backwards: [0, 1, 2].map(|n| bits >> n & 1 == 1),
            })
        })
    }

    /// The order in which the first axis runs to the patient's left, the second to the back and the third to the head,
    /// as nearly as the grid's axes do. It depends on the directions of the axes alone, so an image gets the same order
    /// however it is stored.
    pub fn of_patient(grid: &VoxelGrid) -> Self {
        let directions = grid.directions();
        // How well the axes fit left, back and head. Between equals the axis goes first that, followed to the left, runs
        // further back and then further up: neither how axes are numbered nor which way they run decides.
        let rounded = |x: f64| (x * 1e9).round();
        let fit = |axes: &[usize; 3]| {
            let along = |n: usize| directions.col(axes[n])[n].abs();
            let left = directions.col(axes[0]);
            let left = if left.x < 0.0 { -left } else { left };
            let sum = along(0) + along(1) + along(2);
            [sum, left.y, left.z].map(rounded)
        };
        let mut axes = PERMUTATIONS[0];
        for candidate in &PERMUTATIONS[1..] {
            if fit(candidate)
                .partial_cmp(&fit(&axes))
                .is_some_and(std::cmp::Ordering::is_gt)
            {
                axes = *candidate;
            }
        }
        let backwards = [0, 1, 2].map(|n| directions.col(axes[n])[n] < 0.0);
        Self { axes, backwards }
    }

    /// The same with its `n`-th axis read the other way.
    #[must_use]
    pub const fn reversed(mut self, n: usize) -> Self {
        self.backwards[n] = !self.backwards[n];
        self
    }

    /// The grid's axis that is read as the `n`-th.
    pub const fn axis(self, n: usize) -> usize {
        self.axes[n]
    }

    /// Whether the `n`-th axis is read from its end.
    pub const fn is_backwards(self, n: usize) -> bool {
        self.backwards[n]
    }

    /// Lengths along the grid's axes as lengths along the ordered ones.
    pub fn lengths(self, stored: UVec3) -> UVec3 {
        UVec3::from_array(self.axes.map(|axis| stored[axis]))
    }

    /// Lengths along the ordered axes as lengths along the grid's.
    pub fn stored_lengths(self, ordered: DVec3) -> DVec3 {
        let mut stored = DVec3::ZERO;
        for (n, axis) in self.axes.into_iter().enumerate() {
            stored[axis] = ordered[n];
        }
        stored
    }

    /// The grid of the voxels of `grid` in this order: the same places in the patient.
    ///
    /// # Errors
    /// Never for a grid that could be made: its errors are those of [`VoxelGrid::new`].
    pub fn grid(self, grid: &VoxelGrid) -> Result<VoxelGrid, super::GridError> {
        let whole = OrderedCrop::new(self, UVec3::ZERO, grid.dims());
        let place = grid.patient_from_voxel() * whole.voxel_from_ordered();
        VoxelGrid::new(self.lengths(grid.dims()), place)
    }
}

/// A box of whole voxels of a grid, read in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderedCrop {
    /// The order.
    pub order: AxisOrder,
    /// The first voxel inside, in the grid's own `i, j, k`.
    pub min: UVec3,
    /// The first voxel past it.
    pub max: UVec3,
}

impl OrderedCrop {
    /// The voxels from `min` up to but without `max` in an order; an empty one where `max` is not above `min`.
    pub fn new(order: AxisOrder, min: UVec3, max: UVec3) -> Self {
        let max = max.max(min);
        Self { order, min, max }
    }

    /// Voxels along each ordered axis.
    pub fn extent(&self) -> UVec3 {
        self.order.lengths(self.max - self.min)
    }

    /// The grid's voxel that is read at an ordered place inside the extent.
    pub fn voxel(&self, ordered: UVec3) -> UVec3 {
        let mut voxel = UVec3::ZERO;
        for n in 0..3 {
            let axis = self.order.axes[n];
            voxel[axis] = if self.order.backwards[n] {
                self.max[axis].saturating_sub(1 + ordered[n])
            } else {
                self.min[axis] + ordered[n]
            };
        }
        voxel
    }

    /// How the voxels of a grid of `dims` that is stored with its first axis fastest are walked in order: the offset of
    /// the first one read, and the step to the next one along each ordered axis.
    pub fn walk(&self, dims: UVec3) -> (usize, [isize; 3]) {
        let stored = [1, dims.x as isize, dims.x as isize * dims.y as isize];
        let steps = [0, 1, 2].map(|n| {
            let step = stored[self.order.axes[n]];
            if self.order.backwards[n] { -step } else { step }
        });
        let [i, j, k] = self.voxel(UVec3::ZERO).to_array().map(|n| n as usize);
        let first = i + (j + k * dims.y as usize) * dims.x as usize;
        (first, steps)
    }

    /// The map from ordered coordinates (integers at voxel centres, 0 for the first one read) to the grid's.
    pub fn voxel_from_ordered(&self) -> DAffine3 {
        let mut matrix = DMat3::ZERO;
        let mut origin = DVec3::ZERO;
        for n in 0..3 {
            let axis = self.order.axes[n];
            let mut column = DVec3::ZERO;
            (column[axis], origin[axis]) = if self.order.backwards[n] {
                (-1.0, f64::from(self.max[axis]) - 1.0)
            } else {
                (1.0, f64::from(self.min[axis]))
            };
            *matrix.col_mut(n) = column;
        }
        DAffine3::from_mat3_translation(matrix, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> VoxelGrid {
        let turn = glam::DQuat::from_euler(glam::EulerRot::XYZ, 0.3, -0.2, 0.25);
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.8, 0.9, 2.5),
            turn,
            DVec3::new(-100.0, 40.0, 7.0),
        );
        VoxelGrid::new(UVec3::new(5, 7, 3), place).unwrap()
    }

    #[test]
    fn any_storage_leads_to_the_same_places() {
        let canonical = oblique();
        assert_eq!(AxisOrder::of_patient(&canonical), AxisOrder::STORED);
        let mut seen = 0;
        for stored_in in AxisOrder::all() {
            let stored = stored_in.grid(&canonical).unwrap();
            let back = AxisOrder::of_patient(&stored).grid(&stored).unwrap();
            assert!(back.matches(&canonical), "{stored_in:?}");
            seen += 1;
        }
        assert_eq!(seen, 48);
    }

    /// Axes half way between two directions of the patient, where two orders fit equally well.
    #[test]
    fn between_equals_the_choice_does_not_depend_on_the_storage() {
        let turn = glam::DQuat::from_rotation_z(std::f64::consts::FRAC_PI_4);
        let place = DAffine3::from_rotation_translation(turn, DVec3::ZERO);
        let grid = VoxelGrid::new(UVec3::new(4, 5, 6), place).unwrap();
        let wanted = AxisOrder::of_patient(&grid).grid(&grid).unwrap();
        for stored_in in AxisOrder::all() {
            let stored = stored_in.grid(&grid).unwrap();
            let found = AxisOrder::of_patient(&stored).grid(&stored).unwrap();
            assert!(found.matches(&wanted), "{stored_in:?}");
        }
    }

    #[test]
    fn voxels_and_maps_agree() {
        let (min, max) = (UVec3::new(1, 2, 3), UVec3::new(4, 7, 10));
        for order in AxisOrder::all() {
            let crop = OrderedCrop::new(order, min, max);
            let extent = crop.extent();
            for at in [UVec3::ZERO, extent - 1, extent / 2] {
                let voxel = crop.voxel(at);
                assert!(voxel.cmpge(min).all() && voxel.cmplt(max).all());
                let mapped = crop.voxel_from_ordered().transform_point3(at.as_dvec3());
                assert_eq!(mapped, voxel.as_dvec3());
            }
            let dims = UVec3::new(6, 9, 12);
            let (first, steps) = crop.walk(dims);
            let last = (0..3).fold(first as isize, |at, n| {
                at + steps[n] * (extent[n] as isize - 1)
            });
            let voxel = crop.voxel(extent - 1);
            let offset = (voxel.z * dims.y + voxel.y) * dims.x + voxel.x;
            assert_eq!(last, offset as isize);
            let stored = order.stored_lengths(order.lengths(max).as_dvec3());
            assert_eq!(stored, max.as_dvec3());
        }
        assert_eq!(AxisOrder::new([0, 0, 1], [false; 3]), None);
    }
}
