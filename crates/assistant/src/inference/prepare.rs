//! From a volume to the image the model was trained on, with the map back.

use super::{InferenceError, ModelFrame};
use m3d_imaging::geometry::AxisOrder;
pub use m3d_imaging::volume::Preparation;
use m3d_imaging::volume::{self, PrepareError, Prepared, Volume};

/// A volume as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedImage {
    /// `[D,H,W]` in row-major order, 0 to 1.
    pub voxels: Vec<f32>,
    /// Depth, height, width.
    pub size: [usize; 3],
    /// How it was prepared.
    pub preparation: Preparation,
    /// The values that became 0 and 1, where they were cut off at percentiles.
    pub clipped_to: Option<[f64; 2]>,
    /// The maps between the two grids.
    pub frame: ModelFrame,
}

/// Prepares a volume for a model and keeps the way between the two grids. Its axes are read in the order of the patient, so
/// that the same image gives the same answers however it is stored; what is prepared already is taken as it is.
///
/// # Errors
/// When the volume has no contrast, the size cannot be made, or `cancelled` says so between steps.
pub fn prepare(
    volume: &Volume,
    preparation: Preparation,
    size: [usize; 3],
    cancelled: &dyn Fn() -> bool,
) -> Result<PreparedImage, InferenceError> {
    let order = match preparation {
        Preparation::Done => AxisOrder::STORED,
        Preparation::Segmentation | Preparation::Caption { .. } => {
            AxisOrder::of_patient(volume.grid())
        }
    };
    prepare_in(order, volume, preparation, size, cancelled)
}

/// As [`prepare`], with the axes in an order of the caller's: [`AxisOrder::STORED`] for the data sets whose arrays hold
/// what a network is to learn as it lies there.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_in(
    order: AxisOrder,
    volume: &Volume,
    preparation: Preparation,
    size: [usize; 3],
    cancelled: &dyn Fn() -> bool,
) -> Result<PreparedImage, InferenceError> {
    let Prepared {
        voxels,
        size,
        preparation,
        clipped_to,
        crop,
    } = volume::prepare(volume, order, preparation, size, cancelled)?;
    Ok(PreparedImage {
        voxels,
        size,
        preparation,
        clipped_to,
        frame: ModelFrame::new(*volume.grid(), crop, size)?,
    })
}

impl From<PrepareError> for InferenceError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Cancelled => Self::Cancelled,
            PrepareError::Flat(step) => Self::Flat(step),
            PrepareError::Size(size) => Self::ImageSize(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;
    use m3d_imaging::geometry::{AxisOrder, OrderedCrop, VoxelGrid};
    use m3d_imaging::volume::{Modality, Rescale, Units, Voxels, Window};

    fn volume(dims: UVec3, values: Vec<f32>) -> Volume {
        let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
        Volume::new(
            grid,
            Voxels::F32(values),
            Rescale::IDENTITY,
            Modality::Ct,
            Units::Hounsfield,
        )
        .unwrap()
    }

    const CAPTION: Preparation = Preparation::Caption {
        window: Window {
            centre: 40.0,
            width: 400.0,
        },
    };

    #[test]
    fn volumes_without_contrast_are_refused() {
        for values in [vec![7.0; 64], vec![f32::NAN; 64]] {
            let flat = volume(UVec3::splat(4), values);
            for way in [Preparation::Segmentation, CAPTION] {
                let error = prepare(&flat, way, [2, 2, 2], &|| false).unwrap_err();
                assert!(matches!(error, InferenceError::Flat(_)));
            }
        }
    }

    #[test]
    fn sizes_that_cannot_be_made_are_refused() {
        let ramp = volume(UVec3::splat(4), (0..64).map(|v| v as f32).collect());
        for size in [[0, 2, 2], [usize::MAX, 2, 2], [1 << 12, 1 << 12, 1 << 12]] {
            let error = prepare(&ramp, CAPTION, size, &|| false).unwrap_err();
            assert_eq!(error, InferenceError::ImageSize(size));
        }
    }

    #[test]
    fn cancelling_stops_between_steps() {
        let ramp = volume(UVec3::splat(4), (0..64).map(|v| v as f32).collect());
        for steps in 0..4 {
            let asked = std::cell::Cell::new(0);
            let cancelled = || {
                asked.set(asked.get() + 1);
                asked.get() > steps
            };
            let error = prepare(&ramp, CAPTION, [2, 2, 2], &cancelled).unwrap_err();
            assert_eq!(error, InferenceError::Cancelled);
        }
    }

    #[test]
    fn what_is_prepared_stays_as_it_is() {
        let values: Vec<f32> = (0..64).map(|v| v as f32 / 126.0).collect();
        let image = volume(UVec3::splat(4), values.clone());
        let same = prepare(&image, Preparation::Done, [4, 4, 4], &|| false).unwrap();
        assert_eq!(same.voxels, values);
        let whole = OrderedCrop::new(AxisOrder::STORED, UVec3::ZERO, UVec3::splat(4));
        assert_eq!(same.frame.crop(), whole);
        let half = prepare(&image, Preparation::Done, [2, 2, 2], &|| false).unwrap();
        // The mean of the eight voxels in the corner.
        let corner = [0, 1, 4, 5, 16, 17, 20, 21].map(|n| values[n]);
        let mean = corner.iter().sum::<f32>() / 8.0;
        assert!((half.voxels[0] - mean).abs() < 1e-6);
        // Black all over is no fault of an image that was prepared elsewhere.
        let black = volume(UVec3::splat(4), vec![0.0; 64]);
        let black = prepare(&black, Preparation::Done, [4, 4, 4], &|| false).unwrap();
        assert!(black.voxels.iter().all(|&v| v == 0.0));
    }

    #[test]
    fn what_is_not_a_number_is_background() {
        let mut values: Vec<f32> = (0..64).map(|v| v as f32).collect();
        values[63] = f32::NAN;
        let image = prepare(
            &volume(UVec3::splat(4), values),
            CAPTION,
            [4, 4, 4],
            &|| false,
        );
        let image = image.unwrap();
        assert!(image.voxels.iter().all(|v| (0.0..=1.0).contains(v)));
    }
}
