//! A box along a volume's own axes.

use glam::DVec3;

use super::VoxelGrid;

/// A box along the axes of a grid, in continuous voxel coordinates with `min <= max` on every axis.
/// The sides are physical edges: the box of the single voxel 3 runs from 2.5 to 3.5.
///
/// In patient space the same box is told by two opposite corners; on a grid whose axes are the
/// patient's axes that is the usual axis-aligned box in mm, and on an oblique one it does not tilt
/// against the slices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoxelBox {
    /// The lower sides.
    pub min: DVec3,
    /// The upper sides.
    pub max: DVec3,
}

/// The edges of a box: pairs of corners, whose bits tell the upper side of each axis.
const EDGES: [[usize; 2]; 12] = [
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
    [0, 2],
    [1, 3],
    [4, 6],
    [5, 7],
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
];

impl VoxelBox {
    /// The box between any two opposite corners: the order they are given in does not matter.
    pub fn from_corners(a: DVec3, b: DVec3) -> Self {
        Self {
            min: a.min(b),
            max: a.max(b),
        }
    }

    /// The box between two opposite corners in patient mm.
    pub fn from_patient_corners(grid: &VoxelGrid, corners_mm: [DVec3; 2]) -> Self {
        let [a, b] = corners_mm.map(|c| grid.voxel_from_patient().transform_point3(c));
        Self::from_corners(a, b)
    }

    /// The corners `min` and `max` in patient mm.
    pub fn patient_corners(&self, grid: &VoxelGrid) -> [DVec3; 2] {
        [self.min, self.max].map(|c| grid.patient_from_voxel().transform_point3(c))
    }

    /// The whole of a grid.
    pub fn whole(grid: &VoxelGrid) -> Self {
        Self {
            min: DVec3::splat(-0.5),
            max: grid.dims().as_dvec3() - 0.5,
        }
    }

    /// The part inside the grid; `None` when nothing of it is, or when it is not finite.
    pub fn clamped_to(&self, grid: &VoxelGrid) -> Option<Self> {
        let whole = Self::whole(grid);
        let part = Self {
            min: self.min.max(whole.min),
            max: self.max.min(whole.max),
        };
        let usable = self.min.is_finite() && self.max.is_finite();
        (usable && part.min.cmplt(part.max).all()).then_some(part)
    }

    /// The centre in voxel coordinates.
    pub fn centre(&self) -> DVec3 {
        (self.min + self.max) / 2.0
    }

    /// The lengths of the sides in mm.
    pub fn size_mm(&self, grid: &VoxelGrid) -> DVec3 {
        (self.max - self.min) * grid.spacing_mm()
    }

    /// The twelve edges as pairs of corners in patient mm, for drawing.
    pub fn edges_mm(&self, grid: &VoxelGrid) -> [[DVec3; 2]; 12] {
        let corner = |n: usize| {
            let pick = |axis: usize| {
                if n >> axis & 1 == 1 {
                    self.max[axis]
                } else {
                    self.min[axis]
                }
            };
            grid.patient_from_voxel()
                .transform_point3(DVec3::new(pick(0), pick(1), pick(2)))
        };
        EDGES.map(|edge| edge.map(corner))
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DQuat, UVec3};

    use super::*;

    #[test]
    fn corners_in_any_order_give_the_same_box_on_an_oblique_grid() {
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.8, 1.1, 4.0),
            DQuat::from_rotation_x(0.6) * DQuat::from_rotation_z(2.8),
            DVec3::new(-40.0, 3.0, 99.0),
        );
        let grid = VoxelGrid::new(UVec3::new(64, 48, 20), place).unwrap();
        let wanted = VoxelBox::from_corners(DVec3::new(3.0, 40.5, 2.0), DVec3::new(30.0, 4.0, 9.0));
        let [a, b] = wanted.patient_corners(&grid);
        for corners in [[a, b], [b, a]] {
            let found = VoxelBox::from_patient_corners(&grid, corners);
            assert!(found.min.distance(wanted.min) < 1e-9);
            assert!(found.max.distance(wanted.max) < 1e-9);
        }
        let outside = VoxelBox::from_corners(DVec3::splat(-9.0), DVec3::splat(-2.0));
        assert_eq!(outside.clamped_to(&grid), None);
        assert_eq!(
            VoxelBox::from_corners(DVec3::splat(-9.0), DVec3::splat(999.0)).clamped_to(&grid),
            Some(VoxelBox::whole(&grid))
        );
    }
}
