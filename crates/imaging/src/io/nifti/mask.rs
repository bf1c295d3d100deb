//! Masks as NIfTI files.

use std::collections::BTreeMap;
use std::path::Path;

use glam::{DVec3, UVec3};

use super::write::{header, write};
use crate::geometry::VoxelGrid;
use crate::io::array::{self, Array, Element, Number};
use crate::io::error::Refusal;
use crate::io::{IoError, Progress};
use crate::volume::{Mask, Paint, Rescale, Voxels};

/// Voxels may be off by this share of a voxel at the corners and still be the same.
const SAME_VOXEL: f64 = 0.02;

/// Writes a mask on its own grid, one unsigned byte per voxel, 1 inside and 0 outside.
///
/// # Errors
/// As [`super::write_nifti`].
pub fn write_mask(path: &Path, mask: &Mask) -> Result<(), IoError> {
    let header = header(
        path,
        mask.grid(),
        Element::one(Number::U8),
        Rescale::IDENTITY,
    )?;
    let dims = mask.grid().dims();
    write(path, &header, |out| {
        let mut slice = vec![0; dims.x as usize * dims.y as usize];
        (0..dims.z).try_for_each(|k| {
            mask.read_slice(k, &mut slice);
            out.write_all(&slice)
        })
    })
}

/// Writes several masks of one grid as a label map of unsigned 16-bit numbers, the first one as 1; where two overlap, the
/// later one stands.
///
/// # Errors
/// As [`super::write_nifti`], and when a mask lies on another grid.
pub fn write_labels(path: &Path, grid: &VoxelGrid, masks: &[&Mask]) -> Result<(), IoError> {
    if let Some(other) = masks.iter().find(|mask| mask.grid() != grid) {
        return Err(other_grid(path, other.grid(), grid));
    }
    let header = header(path, grid, Element::one(Number::U16), Rescale::IDENTITY)?;
    let dims = grid.dims();
    let area = dims.x as usize * dims.y as usize;
    write(path, &header, |out| {
        let mut inside = vec![0; area];
        let mut labels = vec![0; area * 2];
        (0..dims.z).try_for_each(|k| {
            labels.fill(0);
            for (label, mask) in (1_u16..).zip(masks) {
                mask.read_slice(k, &mut inside);
                for (bytes, &inside) in labels.chunks_exact_mut(2).zip(&inside) {
                    if inside != 0 {
                        bytes.copy_from_slice(&label.to_le_bytes());
                    }
                }
            }
            out.write_all(&labels)
        })
    })
}

/// Reads a mask for `grid`: every voxel whose value is above 0 is inside. The file may have its axes in
/// another order or direction as long as its voxels are the grid's voxels; its affine says which is
/// which.
///
/// # Errors
/// When the file is no NIfTI image, is damaged, has time points, or its voxels are not those of `grid`.
pub fn read_mask(path: &Path, grid: &VoxelGrid) -> Result<Mask, IoError> {
    std::fs::metadata(path).map_err(|error| IoError::unreadable(path, error))?;
    let found = super::inspect(path).map_err(|refusal| refusal.at(path))?;
    let values = Aligned::read(&found, grid, &Progress::silent())?;
    Ok(Mask::from_rows(*grid, |j, k, row| {
        for (inside, i) in row.iter_mut().zip(0..) {
            *inside = u8::from(values.at(UVec3::new(i, j, k)) > 0.0);
        }
    }))
}

/// More numbers than this are no labels.
const MOST_LABELS: usize = 2000;

/// Reads a label map for `grid` from an array of whatever form, as [`read_mask`] reads a mask: the voxels of each number
/// above 0, ascending.
///
/// # Errors
/// As [`read_mask`], when a value is no whole number from 0 to 65535 or there are too many, and when cancelled.
pub(in crate::io) fn read_label_masks(
    array: &Array,
    grid: &VoxelGrid,
    progress: &Progress,
) -> Result<Vec<(u32, Mask)>, IoError> {
    let path = &array.path;
    let values = Aligned::read(array, grid, progress)?;
    let no_labels = |what: &str| {
        let message = format!("{what}, so it is no label map; open it as an image");
        Refusal::new("no_labels", message).at(path)
    };
    let dims = grid.dims();
    let mut masks: BTreeMap<u32, Mask> = BTreeMap::new();
    for k in 0..dims.z {
        progress.check()?;
        for j in 0..dims.y {
            let mut first = 0;
            while first < dims.x {
                let value = values.at(UVec3::new(first, j, k));
                if value.fract() != 0.0 || !(0.0..65536.0).contains(&value) {
                    return Err(no_labels(&format!("it has the value {value}")));
                }
                let same = |i: &u32| values.at(UVec3::new(*i, j, k)) == value;
                let end = first + 1 + (first + 1..dims.x).take_while(same).count() as u32;
                if value > 0.0 {
                    let mask = masks
                        .entry(value as u32)
                        .or_insert_with(|| Mask::empty(*grid));
                    mask.paint_run(UVec3::new(first, j, k), end - first, Paint::Add);
                }
                first = end;
            }
        }
        if masks.len() > MOST_LABELS {
            return Err(no_labels(&format!("it has more than {MOST_LABELS} values")));
        }
    }
    Ok(masks.into_iter().collect())
}

/// The values of a file at the voxels of a grid.
struct Aligned {
    source: VoxelGrid,
    walk: Walk,
    voxels: Voxels,
    rescale: Rescale,
}

impl Aligned {
    fn read(found: &Array, grid: &VoxelGrid, progress: &Progress) -> Result<Self, IoError> {
        let path = &found.path;
        if found.header.times > 1 {
            let message = format!(
                "it has {} time points, and a mask has one; keep one of them",
                found.header.times
            );
            return Err(Refusal::new("time_points", message).at(path));
        }
        let walk =
            Walk::new(&found.grid, grid).ok_or_else(|| other_grid(path, &found.grid, grid))?;
        let (voxels, rescale) = array::voxels(found, progress)?;
        Ok(Self {
            source: found.grid,
            walk,
            voxels,
            rescale,
        })
    }

    /// The value at a voxel of the grid; 0 outside.
    fn at(&self, voxel: UVec3) -> f32 {
        let there = self.source.offset(self.walk.source(voxel));
        let stored = there.and_then(|offset| self.voxels.get(offset));
        stored.map_or(0.0, |stored| self.rescale.apply(stored))
    }
}

/// Whether the voxels of two grids are the same, in whatever order of axes.
pub(in crate::io) fn same_voxels(a: &VoxelGrid, b: &VoxelGrid) -> bool {
    Walk::new(a, b).is_some()
}

/// How the voxels of one grid are found in another that has the same voxels in another order.
struct Walk {
    /// Per axis of the source: the axis of the target it follows, and where it starts when it runs
    /// backwards.
    axes: [(usize, Option<u32>); 3],
}

impl Walk {
    fn new(source: &VoxelGrid, target: &VoxelGrid) -> Option<Self> {
        let source_from_target = source.voxel_from_patient() * target.patient_from_voxel();
        let mut axes = [(0, None); 3];
        for (axis, entry) in axes.iter_mut().enumerate() {
            let row = source_from_target.matrix3.row(axis);
            let follows = (0..3).max_by(|&a, &b| row[a].abs().total_cmp(&row[b].abs()))?;
            let size = source.dims()[axis];
            if size != target.dims()[follows] {
                return None;
            }
            *entry = (follows, (row[follows] < 0.0).then_some(size - 1));
        }
        let walk = Self { axes };
        let far = target.dims().as_dvec3() - 1.0;
        let same = (0..8).all(|n| {
            let corner =
                DVec3::from_array([0, 1, 2].map(|a| if n >> a & 1 == 1 { far[a] } else { 0.0 }));
            let there = source_from_target.transform_point3(corner);
            let meant = walk.source(corner.as_uvec3()).as_dvec3();
            (there - meant).abs().max_element() < SAME_VOXEL
        });
        same.then_some(walk)
    }

    /// The source's voxel for a target's one. Voxels outside the target wrap to outside the source.
    fn source(&self, target: UVec3) -> UVec3 {
        UVec3::from_array(self.axes.map(|(follows, last)| {
            last.map_or(target[follows], |last| last.wrapping_sub(target[follows]))
        }))
    }
}

fn other_grid(path: &Path, found: &VoxelGrid, wanted: &VoxelGrid) -> IoError {
    let words = |grid: &VoxelGrid| {
        let (dims, spacing, centre) = (grid.dims(), grid.spacing_mm(), grid.centre_mm());
        format!(
            "{} x {} x {} voxels of {:.3} x {:.3} x {:.3} mm around ({:.1}, {:.1}, {:.1})",
            dims.x, dims.y, dims.z, spacing.x, spacing.y, spacing.z, centre.x, centre.y, centre.z
        )
    };
    IoError::OtherGrid {
        path: path.to_owned(),
        message: format!(
            "the mask has {}, the image {}; resample the mask to the image",
            words(found),
            words(wanted)
        ),
    }
}
