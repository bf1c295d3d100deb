//! Grids, shapes and files that several tests use.

use std::path::{Path, PathBuf};

use glam::{DAffine3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::{self, Progress};
use m3d_imaging::volume::{Mask, Modality, Rescale, Units, Volume, Voxels};

/// A grid of some spacing around the origin, turned by Euler angles, that holds a ball of `radius_mm`.
pub fn grid(spacing: DVec3, angles: [f64; 3], radius_mm: f64) -> VoxelGrid {
    let turn = DQuat::from_euler(EulerRot::XYZ, angles[0], angles[1], angles[2]);
    let dims = (2.0 * radius_mm / spacing.abs()).ceil().as_uvec3() + 4;
    let mut place = DAffine3::from_scale_rotation_translation(spacing, turn, DVec3::ZERO);
    // Off any symmetry.
    let middle = (dims.as_dvec3() - 1.0) / 2.0 + DVec3::new(0.13, -0.29, 0.41);
    place.translation = -place.transform_vector3(middle);
    VoxelGrid::new(dims, place).unwrap()
}

/// Grids of all kinds: even, of thick slices, oblique in one and in all axes, mirrored.
pub fn grids(radius_mm: f64) -> Vec<VoxelGrid> {
    let even = DVec3::splat(1.0);
    let thick = DVec3::new(0.7, 0.8, 3.0);
    vec![
        grid(even, [0.0; 3], radius_mm),
        grid(thick, [0.0; 3], radius_mm),
        grid(thick, [0.35, 0.0, 0.0], radius_mm),
        grid(even * 0.9, [0.5, -0.4, 0.7], radius_mm),
        grid(thick, [2.1, 0.6, -1.2], radius_mm),
        grid(DVec3::new(-1.1, -1.1, 2.0), [0.0, 0.2, 0.0], radius_mm),
    ]
}

/// Where a voxel's centre lies in the patient.
pub fn centre(grid: &VoxelGrid, voxel: UVec3) -> DVec3 {
    grid.patient_from_voxel().transform_point3(voxel.as_dvec3())
}

/// The voxels whose centres are inside a shape of patient mm.
pub fn drawn(grid: VoxelGrid, inside: impl Fn(DVec3) -> bool) -> Mask {
    Mask::from_fn(grid, |voxel| inside(centre(&grid, voxel)))
}

/// The same shape drawn in voxels `times` as large along each axis, and the size of those.
pub fn drawn_coarsely(
    grid: VoxelGrid,
    times: UVec3,
    inside: impl Fn(DVec3) -> bool,
) -> (Mask, DVec3) {
    let mask = Mask::from_fn(grid, |voxel| {
        let middle = (voxel / times * times).as_dvec3() + (times.as_dvec3() - 1.0) / 2.0;
        inside(grid.patient_from_voxel().transform_point3(middle))
    });
    (mask, grid.spacing_mm() * times.as_dvec3())
}

/// An image of one value: where only places count.
pub fn blank(grid: VoxelGrid) -> Volume {
    ct(grid, Voxels::U8(vec![0; grid.len()]))
}

pub fn ct(grid: VoxelGrid, voxels: Voxels) -> Volume {
    let rescale = Rescale::IDENTITY;
    Volume::new(grid, voxels, rescale, Modality::Ct, Units::Hounsfield).unwrap()
}

/// A path of the wider collection; says aloud when it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("M3D_SHARED").map_or(beside, PathBuf::from);
    let found = root.join("data").join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there", found.display());
    None
}

pub fn load(path: &Path) -> Volume {
    let progress = Progress::silent();
    let library = io::scan(path, &progress).unwrap();
    let series = library.series().next();
    let series = series.unwrap_or_else(|| panic!("{}: {:?}", path.display(), library.refused));
    io::load(series, &progress).unwrap()
}

/// The voxels of an image that have a label, in whatever order the labels are stored.
pub fn label(labels: &Volume, image: &Volume, value: f32) -> Mask {
    let grid = *image.grid();
    let there = *labels.grid();
    let labels_from_image = there.voxel_from_patient() * grid.patient_from_voxel();
    Mask::from_fn(grid, |voxel| {
        let place = labels_from_image.transform_point3(voxel.as_dvec3());
        let nearest = there.nearest(place).expect("the labels cover the image");
        labels.value(nearest) == Some(value)
    })
}
