//! The image volume.

use glam::{DVec3, UVec3};
use serde::{Deserialize, Serialize};

use super::{Statistics, Voxels};
use crate::geometry::VoxelGrid;

/// What kind of machine made the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Computed tomography.
    Ct,
    /// Magnetic resonance.
    Mr,
    /// Positron emission tomography (DICOM writes PT).
    Pet,
    /// Anything else, or not said.
    Other,
}

impl Modality {
    /// From DICOM's Modality (0008,0060).
    pub fn from_dicom(code: &str) -> Self {
        match code.trim() {
            "CT" => Self::Ct,
            "MR" => Self::Mr,
            "PT" => Self::Pet,
            _ => Self::Other,
        }
    }

    /// What an image is shown as: a file that does not say what made it, and whose values are Hounsfield units by what
    /// they are, is shown as CT. NIfTI never says.
    #[must_use]
    pub fn shown_as(self, statistics: &Statistics) -> Self {
        if self == Self::Other && statistics.like_hounsfield {
            Self::Ct
        } else {
            self
        }
    }

    /// DICOM's code; `OT` for anything else.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Mr => "MR",
            Self::Pet => "PT",
            Self::Other => "OT",
        }
    }
}

/// The unit of the values after rescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Units {
    /// Hounsfield units.
    Hounsfield,
    /// Becquerel per mL.
    BecquerelPerMl,
    /// Whatever the file holds.
    Arbitrary,
}

impl Units {
    /// The unit's symbol; empty when there is none.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Hounsfield => "HU",
            Self::BecquerelPerMl => "Bq/mL",
            Self::Arbitrary => "",
        }
    }

    /// The name used in machine-readable output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hounsfield => "HU",
            Self::BecquerelPerMl => "BQML",
            Self::Arbitrary => "arbitrary",
        }
    }
}

/// The linear map from stored to modality values (PS3.3 C.11.1): `value = slope * stored + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescale {
    /// The factor.
    pub slope: f64,
    /// What is added.
    pub intercept: f64,
}

impl Rescale {
    /// Stored values are the values.
    pub const IDENTITY: Self = Self {
        slope: 1.0,
        intercept: 0.0,
    };

    /// The modality value of a stored one.
    pub fn apply(self, stored: f32) -> f32 {
        (f64::from(stored) * self.slope + self.intercept) as f32
    }
}

/// Why a volume cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VolumeError {
    /// The voxels do not fill the grid.
    #[error("{found} voxels where the grid has {wanted}")]
    Count {
        /// Voxels the grid has.
        wanted: usize,
        /// Voxels given.
        found: usize,
    },
    /// The rescale is not finite, its slope is zero, or the voxels are colours, which have none.
    #[error("a rescale of slope {0} and intercept {1} loses the values")]
    Rescale(f64, f64),
}

/// An image: voxels as stored, the rescale that gives them meaning, and their place in the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    grid: VoxelGrid,
    voxels: Voxels,
    rescale: Rescale,
    modality: Modality,
    units: Units,
}

impl Volume {
    /// A volume of `voxels` in memory order (`k`, `j`, then `i` fastest) on `grid`.
    ///
    /// # Errors
    /// When the voxels do not fill the grid, or the rescale would lose them or changes colours.
    pub fn new(
        grid: VoxelGrid,
        voxels: Voxels,
        rescale: Rescale,
        modality: Modality,
        units: Units,
    ) -> Result<Self, VolumeError> {
        if voxels.len() != grid.len() {
            return Err(VolumeError::Count {
                wanted: grid.len(),
                found: voxels.len(),
            });
        }
        let Rescale { slope, intercept } = rescale;
        let loses = !slope.is_finite() || slope == 0.0 || !intercept.is_finite();
        if loses || voxels.is_colour() && rescale != Rescale::IDENTITY {
            return Err(VolumeError::Rescale(slope, intercept));
        }
        Ok(Self {
            grid,
            voxels,
            rescale,
            modality,
            units,
        })
    }

    /// Size and place.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// Stored voxels, before rescale.
    pub const fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// The map from stored to modality values.
    pub const fn rescale(&self) -> Rescale {
        self.rescale
    }

    /// What made the image.
    pub const fn modality(&self) -> Modality {
        self.modality
    }

    /// The unit of the values.
    pub const fn units(&self) -> Units {
        self.units
    }

    /// Bytes the voxels take.
    pub fn byte_len(&self) -> usize {
        self.voxels.len() * self.voxels.bytes_per_voxel()
    }

    /// The value of a voxel after rescale; `None` outside.
    pub fn value(&self, voxel: UVec3) -> Option<f32> {
        let stored = self.voxels.get(self.grid.offset(voxel)?)?;
        Some(self.rescale.apply(stored))
    }

    /// The colour of a voxel, of images that have colours; `None` outside.
    pub fn colour(&self, voxel: UVec3) -> Option<[u8; 3]> {
        self.voxels.colour(self.grid.offset(voxel)?)
    }

    /// The value at a continuous voxel coordinate, trilinear between voxel centres and held constant
    /// in the outer half voxel; `None` outside the volume.
    pub fn sample(&self, voxel: DVec3) -> Option<f32> {
        self.grid.nearest(voxel)?;
        let last = self.grid.dims().as_dvec3() - 1.0;
        let inside = voxel.clamp(DVec3::ZERO, last);
        let low = inside.floor();
        let part = inside - low;
        let [low, high] = [low.as_uvec3(), (low + 1.0).min(last).as_uvec3()];
        let mut sum = 0.0;
        for corner in 0..8_u32 {
            let mut at = UVec3::ZERO;
            let mut weight = 1.0;
            for axis in 0..3 {
                let up = corner >> axis & 1 == 1;
                at[axis] = if up { high[axis] } else { low[axis] };
                weight *= if up { part[axis] } else { 1.0 - part[axis] };
            }
            if weight > 0.0 {
                sum += weight * f64::from(self.value(at)?);
            }
        }
        Some(sum as f32)
    }

    /// Every value after rescale, as f32 in memory order (`k`, `j`, `i` fastest).
    pub fn values_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.grid.len()];
        self.voxels.read(0..self.grid.len(), &mut out);
        for value in &mut out {
            *value = self.rescale.apply(*value);
        }
        out
    }

    /// The values of one slice `k` after rescale, in `j`, `i` order, into `out` (as long as a slice).
    pub fn read_slice(&self, k: u32, out: &mut [f32]) {
        let dims = self.grid.dims();
        let area = dims.x as usize * dims.y as usize;
        let start = area * k as usize;
        self.voxels.read(start..start + area, out);
        for value in out {
            *value = self.rescale.apply(*value);
        }
    }

    /// Minimum, maximum, mean and deviation of the values.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(self)
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;

    fn ramp() -> Volume {
        let grid = VoxelGrid::new(UVec3::new(4, 3, 2), DAffine3::IDENTITY).unwrap();
        let voxels = Voxels::I16((0..24).collect());
        let rescale = Rescale {
            slope: 2.0,
            intercept: -10.0,
        };
        Volume::new(grid, voxels, rescale, Modality::Ct, Units::Hounsfield).unwrap()
    }

    #[test]
    fn values_are_rescaled_and_interpolated() {
        let volume = ramp();
        assert_eq!(volume.value(UVec3::new(1, 2, 1)), Some(2.0 * 21.0 - 10.0));
        assert_eq!(volume.value(UVec3::new(4, 0, 0)), None);
        // The ramp is linear in i, j and k, so trilinear interpolation is exact.
        let at = DVec3::new(1.25, 0.5, 0.75);
        let wanted = 2.0 * (1.25 + 4.0 * 0.5 + 12.0 * 0.75) - 10.0;
        assert!((f64::from(volume.sample(at).unwrap()) - wanted).abs() < 1e-5);
        assert_eq!(volume.sample(DVec3::new(-0.4, 0.0, 0.0)), Some(-10.0));
        assert_eq!(volume.sample(DVec3::new(-0.6, 0.0, 0.0)), None);
    }

    #[test]
    fn slices_and_the_whole_agree() {
        let volume = ramp();
        let mut slice = vec![0.0; 12];
        volume.read_slice(1, &mut slice);
        assert_eq!(slice, volume.values_f32()[12..]);
    }

    #[test]
    fn mismatched_parts_are_refused() {
        let grid = *ramp().grid();
        let make = |n: usize, slope: f64| {
            let rescale = Rescale {
                slope,
                intercept: 0.0,
            };
            Volume::new(
                grid,
                Voxels::U8(vec![0; n]),
                rescale,
                Modality::Other,
                Units::Arbitrary,
            )
        };
        assert!(make(24, 1.0).is_ok());
        assert!(matches!(make(23, 1.0), Err(VolumeError::Count { .. })));
        assert!(make(24, 0.0).is_err() && make(24, f64::NAN).is_err());
    }
}
