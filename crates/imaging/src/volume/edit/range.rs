//! Values in a range.

use glam::{DVec3, UVec3};
use serde::{Deserialize, Serialize};

use super::{Cancelled, EditError, check};
use crate::volume::mask::Capsule;
use crate::volume::{Mask, Volume};

/// Values from `low` to `high`, both included, in the image's own unit after rescale (HU for CT).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueRange {
    /// The least.
    pub low: f32,
    /// The greatest.
    pub high: f32,
}

impl ValueRange {
    /// The range between two values, in whichever order.
    pub const fn new(a: f32, b: f32) -> Self {
        Self {
            low: a.min(b),
            high: a.max(b),
        }
    }

    /// Whether a value lies in it; what is not a number never does.
    pub fn contains(&self, value: f32) -> bool {
        self.low <= value && value <= self.high
    }

    /// The values around a patient point: the mean of those in a ball, and so many deviations to both sides; the value
    /// of the voxel there is always in it. `None` where the image has no voxel or no value.
    pub fn around(
        volume: &Volume,
        point_mm: DVec3,
        radius_mm: f64,
        deviations: f32,
    ) -> Option<Self> {
        let grid = volume.grid();
        let voxel = grid.nearest(grid.voxel_from_patient().transform_point3(point_mm))?;
        let here = volume.value(voxel).filter(|value| value.is_finite())?;
        let ball = Capsule {
            ends_mm: [point_mm; 2],
            radius_mm,
        };
        let (mut count, mut sum, mut squares) = (0_u32, 0.0, 0.0);
        let mut values = Values::of(volume);
        ball.runs(grid, None, |first, len| {
            for &value in values.read(first, len) {
                if value.is_finite() {
                    let value = f64::from(value);
                    (count, sum, squares) = (count + 1, sum + value, squares + value * value);
                }
            }
        });
        if count == 0 {
            return Some(Self::new(here, here));
        }
        let mean = sum / f64::from(count);
        let deviation = (squares / f64::from(count) - mean * mean).max(0.0).sqrt();
        let reach = deviation * f64::from(deviations.max(0.0));
        let (low, high) = ((mean - reach) as f32, (mean + reach) as f32);
        Some(Self::new(low.min(here), high.max(here)))
    }
}

/// Values of an image, read a run at a time.
pub(super) struct Values<'a> {
    volume: &'a Volume,
    read: Vec<f32>,
}

impl<'a> Values<'a> {
    pub(super) fn of(volume: &'a Volume) -> Self {
        Self {
            volume,
            read: vec![0.0; volume.grid().dims().x as usize],
        }
    }

    /// The values of `len` voxels along `i` from `first` on, all of one row.
    pub(super) fn read(&mut self, first: UVec3, len: u32) -> &[f32] {
        let Some(start) = self.volume.grid().offset(first) else {
            return &[];
        };
        let len = (len as usize).min(self.read.len() - first.x as usize);
        let read = &mut self.read[..len];
        self.volume.voxels().read(start..start + len, read);
        let rescale = self.volume.rescale();
        for value in read.iter_mut() {
            *value = rescale.apply(*value);
        }
        read
    }
}

/// The voxels of an image whose values are in a range; of those inside `within` where that is given.
///
/// # Errors
/// When the mask lies on another grid than the image, or it was cancelled.
pub fn threshold(
    volume: &Volume,
    range: ValueRange,
    within: Option<&Mask>,
    cancelled: Cancelled<'_>,
) -> Result<Mask, EditError> {
    let found = match within {
        Some(mask) if mask.grid() != volume.grid() => return Err(EditError::OtherGrid),
        Some(mask) => in_range(mask, volume, range),
        None => Mask::from_rows(*volume.grid(), |j, k, row| {
            if !cancelled() {
                let mut values = Values::of(volume);
                let values = values.read(UVec3::new(0, j, k), row.len() as u32);
                for (inside, &value) in row.iter_mut().zip(values) {
                    *inside = u8::from(range.contains(value));
                }
            }
        }),
    };
    check(cancelled)?;
    Ok(found)
}

/// What of a mask has values in a range; both lie on one grid.
pub(super) fn in_range(mask: &Mask, volume: &Volume, range: ValueRange) -> Mask {
    let width = mask.grid().dims().x;
    mask.filtered(|first, _| {
        let Some(start) = volume.grid().offset(first) else {
            return 0;
        };
        let mut values = [f32::NAN; 32];
        let len = (width - first.x).min(32) as usize;
        volume.voxels().read(start..start + len, &mut values[..len]);
        let inside = values[..len]
            .iter()
            .map(|&value| range.contains(volume.rescale().apply(value)));
        inside
            .zip(0..)
            .fold(0, |word, (inside, bit)| word | u32::from(inside) << bit)
    })
}
