//! What can be measured on a mask: volume, extents, the longest diameter, values inside, diameters along a tube, and how
//! far two masks are apart.
//!
//! Lengths run between the outer borders of voxels, in patient space, so that they do not depend on the order in which
//! an image is stored. Each has the error that half a drawn voxel at each border makes, and says where the image ends
//! before the structure does.

mod amount;
pub(super) mod crop;
mod cut;
pub(super) mod distance_map;
mod drawn;
mod extremes;
mod flat;
mod surface;
mod tube;
mod values;
mod wording;

use glam::DVec3;

use super::{Mask, Units, Volume};
use crate::geometry::VoxelBox;
use crop::Crop;
use cut::Cut;
use drawn::DrawnVoxel;

pub use amount::{Comparison, Measured, Unknown};
pub use cut::Side;
pub use flat::{FlatRegion, Outline};
pub use surface::{SurfaceDistances, surface_distances};
pub use tube::{Section, Tube, diameter_along};
pub use values::Values;
pub use wording::{Unit, cut_words};

/// Why a mask cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// Nothing is inside.
    #[error("the mask is empty: there is nothing to measure")]
    Empty,
    /// Mask and image, or two masks, have other voxels.
    #[error("the mask lies on another grid than what it is measured with")]
    OtherGrid,
    /// The size of the voxels that were drawn is no size.
    #[error("{0} mm is no size of a voxel that a mask was drawn in")]
    DrawnSize(DVec3),
    /// The axes of the grid are not at right angles, as in a CT with a tilted gantry.
    #[error(
        "distances between surfaces are measured only on a grid whose axes are at right angles"
    )]
    Skewed,
    /// The mask is in several pieces.
    #[error(
        "the mask is in pieces, of which the largest has {:.0} % of it: no centre line runs through them",
        share * 100.0
    )]
    InPieces {
        /// The share of the largest piece.
        share: f64,
    },
    /// The mask is not long, round and even enough for a tube.
    #[error("the mask is no tube: it has no centre line to measure across")]
    NoTube,
    /// A diameter is too small for the voxels that it was drawn in.
    #[error(
        "{diameter_mm:.1} mm across is fewer than four of the voxels that the mask was drawn in ({drawn_mm:.1} mm)"
    )]
    TooFine {
        /// The diameter, in mm.
        diameter_mm: f64,
        /// The size of a drawn voxel across it, in mm.
        drawn_mm: f64,
    },
}

/// What is measured on a mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Voxels of the image that are inside.
    pub voxels: usize,
    /// How many voxels of the size that the mask was drawn in would be as large; under one, it says nothing.
    pub drawn_voxels: f64,
    /// The volume in mL.
    pub volume_ml: Measured,
    /// From right to left, from front to back and from foot to head, in mm: along the patient's axes, whatever those of
    /// the grid are. What is `at_least` is cut by the image and not to be given as an extent.
    pub extents_mm: [Measured; 3],
    /// The longest line between two borders, in mm.
    pub longest_diameter_mm: Measured,
    /// Its ends, in patient mm: first the one farther to the right, then the front, then the feet.
    pub longest_ends_mm: [DVec3; 2],
    /// The size of the drawn voxels along the longest diameter, in mm.
    pub drawn_along_longest_mm: f64,
    /// The mean place of what is inside, in patient mm.
    pub centroid_mm: DVec3,
    /// The image's values inside; `None` where none is finite.
    pub values: Option<Values>,
    /// The unit of the values.
    pub units: Units,
    /// The sides on which the image ends before the mask does, sorted; empty for a mask that is whole.
    pub cut_by: Vec<Side>,
}

/// A diameter has at least so many drawn voxels.
const LEAST_DRAWN_VOXELS: f64 = 4.0;

/// Measures a mask on its image. `drawn_at_mm` is the size, along `i`, `j` and `k`, of the voxels that it was drawn in;
/// `None` for a mask that was drawn in the image's own.
///
/// # Errors
/// When the mask is empty, it lies on another grid than the image, or the size is not finite and positive.
pub fn measure(
    mask: &Mask,
    volume: &Volume,
    drawn_at_mm: Option<DVec3>,
) -> Result<Measures, MeasureError> {
    let grid = mask.grid();
    if !grid.matches(volume.grid()) {
        return Err(MeasureError::OtherGrid);
    }
    let drawn = DrawnVoxel::new(grid, drawn_at_mm)?;
    let crop = Crop::around(mask).ok_or(MeasureError::Empty)?;
    let centroid = mask.centroid().ok_or(MeasureError::Empty)?;
    let place = grid.patient_from_voxel();
    let corners = extremes::outer_corners(&crop, place);
    let ends = extremes::farthest_pair(&corners).ok_or(MeasureError::Empty)?;
    let cut = Cut::of(&crop, volume);
    let start = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    let (low, high) = corners
        .iter()
        .fold(start, |(low, high), &c| (low.min(c), high.max(c)));
    let along = (ends[1] - ends[0]).normalize_or_zero();
    Ok(Measures {
        voxels: mask.count(),
        drawn_voxels: mask.volume_ml() / drawn.ml(),
        volume_ml: Measured {
            value: mask.volume_ml(),
            error: shell_ml(&crop, grid.voxel_ml(), &drawn),
            at_least: cut.any(),
        },
        extents_mm: std::array::from_fn(|axis| Measured {
            value: high[axis] - low[axis],
            error: drawn.width_mm(DVec3::AXES[axis]),
            at_least: cut.axes[axis],
        }),
        longest_diameter_mm: Measured {
            value: ends[0].distance(ends[1]),
            error: drawn.width_mm(along),
            at_least: cut.any(),
        },
        longest_ends_mm: ends,
        drawn_along_longest_mm: drawn.width_mm(along),
        centroid_mm: place.transform_point3(centroid),
        values: Values::of(volume, &crop),
        units: volume.units(),
        cut_by: cut.sides,
    })
}

/// The longest diameter in one slice of the acquisition (across `k`), as RECIST 1.1 measures a lesion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InPlane {
    /// In mm, between the outer borders of voxels.
    pub length_mm: f64,
    /// Its ends in patient mm, in the middle of the slice.
    pub ends_mm: [DVec3; 2],
    /// The slice, the index `k`.
    pub slice: u32,
}

/// The longest diameter within one slice of a mask; `None` for an empty mask. Of slices with equal ones the first.
pub fn longest_in_plane(mask: &Mask) -> Option<InPlane> {
    let bounds = Crop::around(mask)?;
    let grid = mask.grid();
    let place = grid.patient_from_voxel();
    let normal = place
        .matrix3
        .x_axis
        .cross(place.matrix3.y_axis)
        .normalize_or_zero();
    let in_slice = |k: u32| {
        let first = bounds.first.with_z(k);
        let crop = Crop::of(mask, first, bounds.dims.with_z(1));
        let middle = place.transform_point3(first.as_dvec3());
        let corners = extremes::outer_corners(&crop, place);
        let flat: Vec<DVec3> = corners
            .into_iter()
            .map(|corner| corner - normal * (corner - middle).dot(normal))
            .collect();
        let ends_mm = extremes::farthest_pair(&flat)?;
        Some(InPlane {
            length_mm: ends_mm[0].distance(ends_mm[1]),
            ends_mm,
            slice: k,
        })
    };
    let slices = bounds.first.z..bounds.first.z + bounds.dims.z;
    slices.filter_map(in_slice).reduce(|best, next| {
        if next.length_mm > best.length_mm + 1e-9 {
            next
        } else {
            best
        }
    })
}

/// The image's values inside a mask alone; `None` where none is finite.
///
/// # Errors
/// When the mask is empty, or lies on another grid than the image.
pub fn values_inside(mask: &Mask, volume: &Volume) -> Result<Option<Values>, MeasureError> {
    if !mask.grid().matches(volume.grid()) {
        return Err(MeasureError::OtherGrid);
    }
    let crop = Crop::around(mask).ok_or(MeasureError::Empty)?;
    Ok(Values::of(volume, &crop))
}

/// The image's values of the voxels whose centres are in a box; `None` where none is finite.
pub fn values_in_box(voxel_box: &VoxelBox, volume: &Volume) -> Option<Values> {
    let crop = Crop::filled(voxel_box, volume.grid())?;
    Values::of(volume, &crop)
}

/// The volume of a shell of half a drawn voxel along the whole border, in mL. A face that a border shows along an axis
/// moves by half a drawn voxel along that axis: for a border of any direction that adds up to half of what a drawn
/// voxel reaches along it.
fn shell_ml(crop: &Crop, voxel_ml: f64, drawn: &DrawnVoxel) -> f64 {
    let faces = crop.border_faces().map(|n| n as f64);
    DVec3::from_array(faces).dot(drawn.per_voxel) * voxel_ml / 2.0
}

impl Measures {
    /// How this mask stands to another by volume.
    pub fn compare(&self, other: &Self) -> Comparison {
        self.volume_ml.compare(&other.volume_ml)
    }

    /// Whether the longest diameter has enough of the voxels that the mask was drawn in to be given.
    ///
    /// # Errors
    /// When it has fewer than four, with the figures.
    pub fn check_diameter(&self) -> Result<(), MeasureError> {
        check_diameter(self.longest_diameter_mm.value, self.drawn_along_longest_mm)
    }
}

fn check_diameter(diameter_mm: f64, drawn_mm: f64) -> Result<(), MeasureError> {
    if diameter_mm < LEAST_DRAWN_VOXELS * drawn_mm {
        return Err(MeasureError::TooFine {
            diameter_mm,
            drawn_mm,
        });
    }
    Ok(())
}
