//! Axial sections of a CT, thinned to a few millimetres.

use rayon::prelude::*;

use crate::volume::Upright;

/// Samples lie about so far apart, in the plane and from one section to the next, in mm.
const SAMPLE_MM: f64 = 4.0;

/// The values that are told apart, in HU: what lies below is padding, what lies above is metal.
const HU: [f32; 2] = [-1024.0, 2000.0];

/// Below, voxels are no air but what a scanner writes outside its field.
const PADDING_HU: f32 = -1150.0;

/// An axial section: values in HU from right to left, then from front to back; not a number where the scanner saw nothing.
pub(super) struct Section {
    /// How far below the upper edge of the image it lies, in mm.
    pub depth_mm: f64,
    pub hu: Vec<f32>,
}

/// The sections of a volume, from head to foot.
pub(super) struct Sections {
    pub width: usize,
    pub height: usize,
    /// From sample to sample along a row and from row to row.
    pub spacing_mm: [f64; 2],
    /// From section to section.
    pub step_mm: f64,
    /// The lowest value of all.
    pub lowest: f32,
    pub all: Vec<Section>,
}

impl Sections {
    /// Every sample is the mean of up to four voxels, which tames the noise of thin slices.
    pub fn of(upright: &Upright) -> Self {
        let dims = upright.dims();
        let mm = upright.spacing_mm().to_array();
        let step: [usize; 3] = std::array::from_fn(|axis| {
            ((SAMPLE_MM / mm[axis]).round() as usize).clamp(1, dims[axis])
        });
        let counts: [usize; 3] = std::array::from_fn(|axis| dims[axis] / step[axis]);
        let first: [usize; 3] =
            std::array::from_fn(|axis| (dims[axis] - counts[axis] * step[axis]) / 2);
        let pair = |axis: usize, n: usize| {
            let at = first[axis] + n * step[axis];
            [at + step[axis] / 4, at + 3 * step[axis] / 4]
        };
        let all: Vec<Section> = (0..counts[2])
            .into_par_iter()
            .map(|n| {
                let z = first[2] + n * step[2] + step[2] / 2;
                let mut hu = Vec::with_capacity(counts[0] * counts[1]);
                for row in 0..counts[1] {
                    for column in 0..counts[0] {
                        let (xs, ys) = (pair(0, column), pair(1, row));
                        hu.push(mean(upright, xs, ys, z));
                    }
                }
                Section {
                    depth_mm: (z as f64 + 0.5) * mm[2],
                    hu,
                }
            })
            .collect();
        let values = all.iter().flat_map(|section: &Section| &section.hu);
        let lowest = values.copied().fold(f32::INFINITY, f32::min);
        let mut sections = Self {
            width: counts[0],
            height: counts[1],
            spacing_mm: [step[0] as f64 * mm[0], step[1] as f64 * mm[1]],
            step_mm: step[2] as f64 * mm[2],
            lowest,
            all,
        };
        sections.forget_corners();
        sections
    }

    /// Where every corner outside the circle that fits the image holds one value, the scanner saw nothing there: the
    /// body may go on.
    fn forget_corners(&mut self) {
        let (width, height) = (self.width, self.height);
        let is_corner = |n: usize| {
            let x = (2 * (n % width) + 1) as f64 / width as f64 - 1.0;
            let y = (2 * (n / width) + 1) as f64 / height as f64 - 1.0;
            x.hypot(y) > 1.02
        };
        let corners: Vec<usize> = (0..width * height).filter(|&n| is_corner(n)).collect();
        let value = |section: &Section, n: usize| section.hu.get(n).copied();
        let first = corners.first().zip(self.all.first());
        let Some(first) = first.and_then(|(&n, section)| value(section, n)) else {
            return;
        };
        let is_one = |section: &Section| corners.iter().all(|&n| value(section, n) == Some(first));
        if first <= self.lowest && self.all.iter().all(is_one) {
            for section in &mut self.all {
                for &n in &corners {
                    section.hu[n] = f32::NAN;
                }
            }
        }
    }
}

fn mean(upright: &Upright, xs: [usize; 2], ys: [usize; 2], z: usize) -> f32 {
    let mut sum = 0.0;
    for y in ys {
        for x in xs {
            let value = upright.value([x, y, z]);
            if value.is_nan() || value < PADDING_HU {
                return f32::NAN;
            }
            sum += value.clamp(HU[0], HU[1]);
        }
    }
    sum / 4.0
}
