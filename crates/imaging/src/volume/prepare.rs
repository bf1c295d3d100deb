//! From a volume to the image a model is trained on: values to 0..1, cropped, resized.

use glam::UVec3;
use rayon::prelude::*;

use super::axis::{linear_taps, nearest_taps};
use super::scan::{extent, fold_rows, percentiles_above, read_strided_values};
use super::{Volume, Window};
use crate::geometry::{AxisOrder, OrderedCrop};

/// Why a volume cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Nothing in the volume stands out from the background; after what is said.
    #[error("the volume has no contrast: after {0} nothing is left; give another")]
    Flat(&'static str),
    /// The size cannot be made.
    #[error(
        "an image of {0:?} voxels (depth, height, width) cannot be prepared; choose another size"
    )]
    Size([usize; 3]),
}

/// The two ways the training data was prepared, and none for what is prepared already.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Preparation {
    /// Localisation and segmentation (M3D-Seg): values between two percentiles of the foreground.
    Segmentation,
    /// Captions and questions (M3D-Cap): the slices as displayed, in 8 bit.
    Caption {
        /// The window they are displayed in.
        window: Window,
    },
    /// None: the volume is a prepared image, 0 to 1. It is neither cropped nor stretched, and resized only where the
    /// model asks for another size.
    Done,
}

/// A volume as a model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// `[D,H,W]` in row-major order, 0 to 1.
    pub voxels: Vec<f32>,
    /// Depth, height, width.
    pub size: [usize; 3],
    /// How it was prepared.
    pub preparation: Preparation,
    /// The values that became 0 and 1, where they were cut off at percentiles.
    pub clipped_to: Option<[f64; 2]>,
    /// What was kept, and the order in which it was read.
    pub crop: OrderedCrop,
}

/// The shares of the foreground below and above which values are cut off.
const CLIP_SHARES: [f64; 2] = [0.0005, 0.9995];
/// The most voxels a prepared image may have: 64 times the published model's.
const MOST_VOXELS: usize = 64 * 32 * 256 * 256;

/// Prepares a volume: values to 0..1, cropped to what is not background, resized to `size` (depth,
/// height, width) with trilinear interpolation. The axes are read in `order`; in that of the patient
/// ([`AxisOrder::of_patient`]) an image looks the same however it is stored. The whole volume is read where it lies, and only the rows that the
/// result is mixed from are ever converted.
///
/// # Errors
/// When the volume has no contrast, the size cannot be made, or `cancelled` says so between steps.
pub fn prepare(
    volume: &Volume,
    order: AxisOrder,
    preparation: Preparation,
    size: [usize; 3],
    cancelled: &dyn Fn() -> bool,
) -> Result<Prepared, PrepareError> {
    if volume_of(size).is_none_or(|n| n == 0 || n > MOST_VOXELS) {
        return Err(PrepareError::Size(size));
    }
    let go_on = || {
        if cancelled() {
            Err(PrepareError::Cancelled)
        } else {
            Ok(())
        }
    };
    go_on()?;
    let range = extent(volume).ok_or(PrepareError::Flat("leaving out what is not a number"))?;
    go_on()?;
    let brightness = match preparation {
        Preparation::Segmentation => {
            // Centring and scaling by mean and deviation, which the reference does next, falls out
            // again when the values are stretched to 0..1.
            let [low, high] = percentiles_above(volume, range.mean, CLIP_SHARES)
                .ok_or(PrepareError::Flat("taking values above the mean"))?;
            Brightness::Clipped { low, high }
        }
        Preparation::Caption { window } => {
            let displayed = Displayed::new(window);
            Brightness::Displayed {
                displayed,
                darkest: displayed.level(range.min),
                brightest: displayed.level(range.max),
            }
        }
        Preparation::Done => Brightness::Done,
    };
    if !brightness.has_contrast() {
        return Err(PrepareError::Flat("cutting values to their usual range"));
    }
    go_on()?;
    let [min, max] = if preparation == Preparation::Done {
        [UVec3::ZERO, volume.grid().dims()]
    } else {
        foreground(volume, brightness).ok_or(PrepareError::Flat("cropping the background"))?
    };
    let crop = OrderedCrop::new(order, min, max);
    go_on()?;
    let voxels = resize(volume, crop, size, brightness);
    go_on()?;
    Ok(Prepared {
        voxels,
        size,
        preparation,
        clipped_to: match brightness {
            Brightness::Clipped { low, high } => Some([low, high]),
            Brightness::Displayed { .. } | Brightness::Done => None,
        },
        crop,
    })
}

/// Values as a display shows them: 256 levels across a window.
#[derive(Clone, Copy, Debug)]
struct Displayed {
    low: f64,
    width: f64,
}

impl Displayed {
    fn new(window: Window) -> Self {
        // The public fields may hold anything.
        let Window { centre, width } = Window::new(window.centre, window.width);
        let width = f64::from(width);
        Self {
            low: f64::from(centre) - width / 2.0,
            width,
        }
    }

    /// The level of a value, 0 to 255; ties go to the even level, as numpy rounds.
    fn level(self, value: f32) -> f64 {
        let part = (f64::from(value) - self.low) / self.width;
        (part.clamp(0.0, 1.0) * 255.0).round_ties_even()
    }
}

/// The map from values to 0..1.
#[derive(Clone, Copy, Debug)]
enum Brightness {
    Clipped {
        low: f64,
        high: f64,
    },
    Displayed {
        displayed: Displayed,
        darkest: f64,
        brightest: f64,
    },
    Done,
}

impl Brightness {
    fn has_contrast(self) -> bool {
        match self {
            Self::Clipped { low, high } => high > low,
            Self::Displayed {
                darkest, brightest, ..
            } => brightest > darkest,
            Self::Done => true,
        }
    }

    /// 0 to 1; what is not a number is background.
    fn of(self, value: f32) -> f32 {
        if value.is_nan() {
            return 0.0;
        }
        let part = match self {
            Self::Clipped { low, high } => (f64::from(value) - low) / (high - low),
            Self::Displayed {
                displayed,
                darkest,
                brightest,
            } => (displayed.level(value) - darkest) / (brightest - darkest),
            Self::Done => f64::from(value),
        };
        part.clamp(0.0, 1.0) as f32
    }

    /// Whether the value is brighter than the background.
    fn is_foreground(self, value: f32) -> bool {
        match self {
            Self::Clipped { low, .. } => f64::from(value) > low,
            Self::Displayed {
                displayed, darkest, ..
            } => displayed.level(value) > darkest,
            Self::Done => value > 0.0,
        }
    }
}

/// The bounding box of the foreground: the first voxel inside and the first one past it.
fn foreground(volume: &Volume, brightness: Brightness) -> Option<[UVec3; 2]> {
    let height = volume.grid().dims().y as usize;
    let (low, high) = fold_rows(
        volume,
        || (UVec3::MAX, UVec3::ZERO),
        |(low, high), row_number, row| {
            // Only the two ends of a row matter.
            let Some(first) = row.iter().position(|&v| brightness.is_foreground(v)) else {
                return;
            };
            let last = row.iter().rposition(|&v| brightness.is_foreground(v));
            let (k, j) = (row_number / height, row_number % height);
            let at = |i: usize| UVec3::new(i as u32, j as u32, k as u32);
            *low = low.min(at(first));
            *high = high.max(at(last.unwrap_or(first)) + 1);
        },
        |a, b| (a.0.min(b.0), a.1.max(b.1)),
    );
    low.cmplt(high).all().then_some([low, high])
}

/// The crop, resized: each output row is mixed from four source rows, then along itself.
fn resize(
    volume: &Volume,
    crop: OrderedCrop,
    [depth, height, width]: [usize; 3],
    brightness: Brightness,
) -> Vec<f32> {
    let extent = crop.extent();
    let across = linear_taps(extent.x as usize, width);
    let down = linear_taps(extent.y as usize, height);
    let deep = linear_taps(extent.z as usize, depth);
    let rows = OrderedRows::new(volume, crop);
    let mut out = vec![0.0; depth * height * width];
    out.par_chunks_mut(height * width)
        .zip(&deep)
        .for_each(|(slice, tap_k)| {
            let mut source = vec![0.0; extent.x as usize];
            let mut mixed = vec![0.0; extent.x as usize];
            for (row, tap_j) in slice.chunks_mut(width).zip(&down) {
                mixed.fill(0.0);
                for (k, part_k) in [(tap_k.low, 1.0 - tap_k.part), (tap_k.high, tap_k.part)] {
                    for (j, part_j) in [(tap_j.low, 1.0 - tap_j.part), (tap_j.high, tap_j.part)] {
                        let weight = part_k * part_j;
                        if weight == 0.0 {
                            continue;
                        }
                        rows.read(k, j, &mut source);
                        for (sum, &value) in mixed.iter_mut().zip(&source) {
                            *sum += weight * brightness.of(value);
                        }
                    }
                }
                for (to, tap) in row.iter_mut().zip(&across) {
                    *to = tap.mix(mixed[tap.low], mixed[tap.high]);
                }
            }
        });
    out
}

/// Rows of a crop in its order, read where the volume's voxels lie.
struct OrderedRows<'a> {
    volume: &'a Volume,
    /// The offset of the first voxel read.
    first: usize,
    /// How far the next voxel lies along each ordered axis.
    strides: [isize; 3],
}

impl<'a> OrderedRows<'a> {
    fn new(volume: &'a Volume, crop: OrderedCrop) -> Self {
        let (first, strides) = crop.walk(volume.grid().dims());
        Self {
            volume,
            first,
            strides,
        }
    }

    /// The values after rescale of row `j` of slice `k`, as many as `out` holds.
    fn read(&self, k: usize, j: usize, out: &mut [f32]) {
        let there = k as isize * self.strides[2] + j as isize * self.strides[1];
        let start = self.first.checked_add_signed(there).unwrap_or(usize::MAX);
        read_strided_values(self.volume, start, self.strides[0], out);
    }
}

/// The source voxel of each voxel of a label map that is cropped and resized to `size` (`[D,H,W]`,
/// row-major) with mode "nearest", as the training data's labels were.
pub fn nearest_voxels(
    crop: OrderedCrop,
    [depth, height, width]: [usize; 3],
) -> impl Iterator<Item = UVec3> {
    let extent = crop.extent();
    let across = nearest_taps(extent.x as usize, width);
    let down = nearest_taps(extent.y as usize, height);
    let deep = nearest_taps(extent.z as usize, depth);
    (0..depth * height * width).map(move |n| {
        let (row, i) = (n / width, n % width);
        let (k, j) = (row / height, row % height);
        crop.voxel(UVec3::new(across[i] as u32, down[j] as u32, deep[k] as u32))
    })
}

/// The product of three lengths, where it can be held.
pub fn volume_of(size: [usize; 3]) -> Option<usize> {
    size.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))
}
