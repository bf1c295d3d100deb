//! The voxels that a mask was really drawn in, which tell where its border can be.

use glam::{DMat3, DVec3};

use super::MeasureError;
use crate::geometry::VoxelGrid;

/// A voxel of the resolution in which a mask was drawn: its edges in patient mm.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrawnVoxel {
    edges: DMat3,
    /// How many voxels of the grid it is long along each of its axes.
    pub(super) per_voxel: DVec3,
}

impl DrawnVoxel {
    /// Of a size along the axes of `grid`, or of the grid's own where none is given. What was drawn finer than the grid
    /// is as good as the grid.
    ///
    /// # Errors
    /// When the size is no size.
    pub(super) fn new(grid: &VoxelGrid, size_mm: Option<DVec3>) -> Result<Self, MeasureError> {
        let spacing = grid.spacing_mm();
        let size = size_mm.unwrap_or(spacing);
        if !size.is_finite() || size.min_element() <= 0.0 {
            return Err(MeasureError::DrawnSize(size));
        }
        let per_voxel = (size / spacing).max(DVec3::ONE);
        let edges = grid.patient_from_voxel().matrix3;
        Ok(Self {
            edges: edges * DMat3::from_diagonal(per_voxel),
            per_voxel,
        })
    }

    /// How far it reaches along a unit direction in the patient, from corner to corner.
    pub(super) fn width_mm(&self, direction: DVec3) -> f64 {
        self.edges
            .transpose()
            .mul_vec3(direction)
            .abs()
            .element_sum()
    }

    /// Its mean reach across a unit direction: how far off a diameter can be that two borders are half a voxel off.
    pub(super) fn mean_width_across_mm(&self, along: DVec3) -> f64 {
        const TURNS: u32 = 12;
        let (u, v) = along.any_orthonormal_pair();
        let widths = (0..TURNS).map(|n| {
            let angle = std::f64::consts::PI * f64::from(n) / f64::from(TURNS);
            self.width_mm(u * angle.cos() + v * angle.sin())
        });
        widths.sum::<f64>() / f64::from(TURNS)
    }

    /// The longest of its edges as seen along a unit direction.
    pub(super) fn coarsest_across_mm(&self, along: DVec3) -> f64 {
        let edges = [self.edges.x_axis, self.edges.y_axis, self.edges.z_axis];
        let seen = edges.map(|edge| edge.reject_from_normalized(along).length());
        seen.into_iter().fold(0.0, f64::max)
    }

    /// Its volume in mL.
    pub(super) fn ml(&self) -> f64 {
        self.edges.determinant().abs() / 1000.0
    }
}
