//! A grid of voxels with a place in the patient.

use glam::{DAffine3, DMat3, DVec3, UVec3};
use serde::{Deserialize, Serialize};

use super::Orientation;

/// Why a grid cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GridError {
    /// An axis has no voxels, or the product does not fit the machine.
    #[error("a volume of {0} x {1} x {2} voxels cannot be held")]
    Dimensions(u32, u32, u32),
    /// The map to the patient is not finite or squashes the volume flat.
    #[error("the map from voxels to the patient is not usable (determinant {0})")]
    Affine(f64),
}

/// The size of a volume and the map that places it: `patient_from_voxel`, with integer voxel
/// coordinates at voxel centres and patient millimetres in LPS.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredGrid", into = "StoredGrid")]
pub struct VoxelGrid {
    dims: UVec3,
    patient_from_voxel: DAffine3,
    voxel_from_patient: DAffine3,
}

/// A grid as it is written down.
#[derive(Serialize, Deserialize)]
struct StoredGrid {
    dims: UVec3,
    patient_from_voxel: DAffine3,
}

impl TryFrom<StoredGrid> for VoxelGrid {
    type Error = GridError;

    fn try_from(stored: StoredGrid) -> Result<Self, GridError> {
        Self::new(stored.dims, stored.patient_from_voxel)
    }
}

impl From<VoxelGrid> for StoredGrid {
    fn from(grid: VoxelGrid) -> Self {
        Self {
            dims: grid.dims,
            patient_from_voxel: grid.patient_from_voxel,
        }
    }
}

/// The ways to give three axes to three planes.
const PERMUTATIONS: [[usize; 3]; 6] = [
    [2, 0, 1],
    [2, 1, 0],
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
];

impl VoxelGrid {
    /// A grid of `dims` (columns, rows, slices).
    ///
    /// # Errors
    /// When an axis is empty, the number of voxels does not fit in memory addresses, or the map has
    /// no inverse.
    pub fn new(dims: UVec3, patient_from_voxel: DAffine3) -> Result<Self, GridError> {
        let count = [dims.x, dims.y, dims.z]
            .iter()
            .try_fold(1_usize, |n, &d| n.checked_mul(d as usize));
        if count.is_none_or(|n| n == 0 || n > isize::MAX as usize / 8) {
            return Err(GridError::Dimensions(dims.x, dims.y, dims.z));
        }
        let determinant = patient_from_voxel.matrix3.determinant();
        if !patient_from_voxel.is_finite() || determinant.abs() < 1e-12 {
            return Err(GridError::Affine(determinant));
        }
        let voxel_from_patient = patient_from_voxel.inverse();
        if !voxel_from_patient.is_finite() {
            return Err(GridError::Affine(determinant));
        }
        Ok(Self {
            dims,
            patient_from_voxel,
            voxel_from_patient,
        })
    }

    /// Columns, rows, slices.
    pub const fn dims(&self) -> UVec3 {
        self.dims
    }

    /// The number of voxels.
    pub const fn len(&self) -> usize {
        self.dims.x as usize * self.dims.y as usize * self.dims.z as usize
    }

    /// Never true: a grid has voxels.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Millimetres (LPS) from voxel coordinates.
    pub const fn patient_from_voxel(&self) -> DAffine3 {
        self.patient_from_voxel
    }

    /// Voxel coordinates from millimetres (LPS).
    pub const fn voxel_from_patient(&self) -> DAffine3 {
        self.voxel_from_patient
    }

    /// The distance between neighbours along each axis, in mm.
    pub fn spacing_mm(&self) -> DVec3 {
        let m = self.patient_from_voxel.matrix3;
        DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length())
    }

    /// The volume of one voxel in mL.
    pub fn voxel_ml(&self) -> f64 {
        self.patient_from_voxel.matrix3.determinant().abs() / 1000.0
    }

    /// Unit directions of the three axes in the patient, as columns.
    pub fn directions(&self) -> DMat3 {
        let m = self.patient_from_voxel.matrix3;
        DMat3::from_cols(
            m.x_axis.normalize(),
            m.y_axis.normalize(),
            m.z_axis.normalize(),
        )
    }

    /// The centre of the volume in patient mm.
    pub fn centre_mm(&self) -> DVec3 {
        self.patient_from_voxel
            .transform_point3((self.dims.as_dvec3() - 1.0) / 2.0)
    }

    /// The centre of the middle voxel in patient mm, so that slices through it are slices of the image.
    pub fn middle_voxel_mm(&self) -> DVec3 {
        self.patient_from_voxel
            .transform_point3((self.dims / 2).as_dvec3())
    }

    /// The eight outer corners (voxel edges, not centres) in patient mm.
    pub fn corners_mm(&self) -> [DVec3; 8] {
        let far = self.dims.as_dvec3() - 0.5;
        std::array::from_fn(|n| {
            let pick = |axis: usize| if n >> axis & 1 == 1 { far[axis] } else { -0.5 };
            self.patient_from_voxel
                .transform_point3(DVec3::new(pick(0), pick(1), pick(2)))
        })
    }

    /// Half the length of the volume's diagonal, in mm.
    pub fn radius_mm(&self) -> f64 {
        let corners = self.corners_mm();
        let centre = self.centre_mm();
        corners
            .iter()
            .map(|c| c.distance(centre))
            .fold(0.0, f64::max)
    }

    /// The grid of slice `k` alone, held to the last one.
    #[must_use]
    pub fn slice(&self, k: u32) -> Self {
        let k = f64::from(k.min(self.dims.z - 1));
        let origin = DVec3::new(0.0, 0.0, k);
        let mut place = self.patient_from_voxel;
        place.translation = place.transform_point3(origin);
        Self {
            dims: UVec3::new(self.dims.x, self.dims.y, 1),
            patient_from_voxel: place,
            voxel_from_patient: place.inverse(),
        }
    }

    /// The offset of a voxel in memory (`k`, then `j`, then `i` fastest); `None` outside.
    pub fn offset(&self, voxel: UVec3) -> Option<usize> {
        voxel.cmplt(self.dims).all().then(|| {
            (voxel.z as usize * self.dims.y as usize + voxel.y as usize) * self.dims.x as usize
                + voxel.x as usize
        })
    }

    /// The voxel whose centre is nearest to a voxel coordinate; `None` outside the volume.
    pub fn nearest(&self, voxel: DVec3) -> Option<UVec3> {
        let rounded = (voxel + 0.5).floor();
        let inside = rounded.cmpge(DVec3::ZERO).all() && rounded.cmplt(self.dims.as_dvec3()).all();
        inside.then(|| rounded.as_uvec3())
    }

    /// The voxel axis (0 = i, 1 = j, 2 = k) that runs across each anatomical plane, in the order of
    /// [`Orientation::ALL`]: the assignment of axes to planes that fits their directions best.
    pub fn axes_of_planes(&self) -> [usize; 3] {
        let directions = self.directions();
        let fit = |axis: usize, plane: usize| {
            directions
                .col(axis)
                .dot(Orientation::ALL[plane].normal())
                .abs()
        };
        let score = |p: &[usize; 3]| -> f64 { (0..3).map(|plane| fit(p[plane], plane)).sum() };
        let mut best = PERMUTATIONS[0];
        for candidate in &PERMUTATIONS[1..] {
            if score(candidate) > score(&best) + 1e-9 {
                best = *candidate;
            }
        }
        best
    }

    /// Whether two grids have the same voxels in the same places (within 1e-3 mm at every corner).
    pub fn matches(&self, other: &Self) -> bool {
        self.dims == other.dims
            && self
                .corners_mm()
                .iter()
                .zip(other.corners_mm())
                .all(|(a, b)| a.distance(b) < 1e-3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> VoxelGrid {
        let turn = glam::DQuat::from_euler(glam::EulerRot::XYZ, 0.3, -0.2, 0.4);
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.7, 0.9, 3.0),
            turn,
            DVec3::new(10.0, -20.0, 30.0),
        );
        VoxelGrid::new(UVec3::new(40, 30, 20), place).unwrap()
    }

    #[test]
    fn maps_are_inverse_and_spacing_is_read_off_the_columns() {
        let grid = oblique();
        let voxel = DVec3::new(3.25, 17.0, 9.5);
        let there = grid.patient_from_voxel().transform_point3(voxel);
        let back = grid.voxel_from_patient().transform_point3(there);
        assert!(back.distance(voxel) < 1e-9);
        assert!(grid.spacing_mm().distance(DVec3::new(0.7, 0.9, 3.0)) < 1e-12);
        assert!((grid.voxel_ml() - 0.7 * 0.9 * 3.0 / 1000.0).abs() < 1e-12);
    }

    #[test]
    fn planes_find_their_axes() {
        assert_eq!(oblique().axes_of_planes(), [2, 0, 1]);
        let sagittal_stack = DAffine3::from_cols(
            DVec3::new(0.0, 1.0, 0.0),
            DVec3::new(0.0, 0.0, -1.0),
            DVec3::new(2.0, 0.0, 0.0),
            DVec3::ZERO,
        );
        let grid = VoxelGrid::new(UVec3::splat(4), sagittal_stack).unwrap();
        assert_eq!(grid.axes_of_planes(), [1, 2, 0]);
    }

    #[test]
    fn a_slice_stays_where_it_was() {
        let grid = oblique();
        let slice = grid.slice(7);
        let corner = DVec3::new(3.0, 4.0, 0.0);
        let there = slice.patient_from_voxel().transform_point3(corner);
        let whole = grid.voxel_from_patient().transform_point3(there);
        assert!(whole.distance(DVec3::new(3.0, 4.0, 7.0)) < 1e-9);
        assert!(
            slice
                .voxel_from_patient()
                .transform_point3(there)
                .distance(corner)
                < 1e-9
        );
        assert_eq!(grid.slice(99), grid.slice(19));
    }

    #[test]
    fn kept_grids_come_back_to_the_last_bit() {
        let grid = oblique();
        let text = serde_json::to_string(&grid).unwrap();
        assert_eq!(serde_json::from_str::<VoxelGrid>(&text).unwrap(), grid);
        let flat = text.replacen("40", "0", 1);
        assert_ne!(flat, text);
        assert!(serde_json::from_str::<VoxelGrid>(&flat).is_err());
    }

    #[test]
    fn useless_grids_are_refused() {
        assert!(VoxelGrid::new(UVec3::new(0, 1, 1), DAffine3::IDENTITY).is_err());
        assert!(VoxelGrid::new(UVec3::MAX, DAffine3::IDENTITY).is_err());
        assert!(VoxelGrid::new(UVec3::ONE, DAffine3::ZERO).is_err());
        let nan = DAffine3::from_translation(DVec3::NAN);
        assert!(VoxelGrid::new(UVec3::ONE, nan).is_err());
    }

    #[test]
    fn offsets_run_i_fastest_and_end_at_the_border() {
        let grid = oblique();
        assert_eq!(grid.offset(UVec3::new(1, 0, 0)), Some(1));
        assert_eq!(grid.offset(UVec3::new(0, 1, 0)), Some(40));
        assert_eq!(grid.offset(UVec3::new(39, 29, 19)), Some(grid.len() - 1));
        assert_eq!(grid.offset(UVec3::new(40, 0, 0)), None);
        assert_eq!(grid.nearest(DVec3::new(-0.51, 0.0, 0.0)), None);
        assert_eq!(
            grid.nearest(DVec3::new(-0.49, 0.0, 19.4)),
            Some(UVec3::new(0, 0, 19))
        );
    }
}
