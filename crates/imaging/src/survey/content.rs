//! What the voxels are: tissue, labels, noise or nothing.

use std::collections::BTreeMap;

use crate::volume::{Stated, Upright, Volume};

/// What the voxels of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Tissue, or at least something with a shape.
    Anatomy,
    /// Numbers of structures, or a mask.
    LabelMap,
    /// Values that have nothing to do with their neighbours.
    Noise,
    /// One value everywhere.
    Flat,
}

/// Samples along each axis, at most.
const SAMPLES: usize = 48;

/// More different values than a label map has.
const MOST_LABELS: usize = 512;

/// So few different values are labels, whatever their places.
const FEW_VALUES: usize = 8;

/// The share of neighbours that are alike, above which values are labels: where there are at most so many different
/// ones, and where there are more. Among tissue it is a few in a hundred, more in pictures of 8 bits.
const SOME_VALUES: usize = 32;
const SAME_OF_SOME: f64 = 0.35;
const SAME_OF_MANY: f64 = 0.7;

/// The correlation over a 24th of an axis (4 voxels at least), below which values are noise, and from how many pairs it is believed.
const LEAST_CORRELATION: f64 = 0.12;
const LEAST_PAIRS: usize = 1000;

impl Content {
    pub(super) fn of(volume: &Volume, upright: &Upright, stated: &Stated) -> Self {
        let samples = Samples::of(upright);
        // Numbers of labels have no colours.
        let may_be_labels = !volume.voxels().is_colour();
        if samples.low >= samples.high {
            // A small mask falls between the samples.
            return match different_values(volume) {
                0 | 1 => Self::Flat,
                2..=FEW_VALUES if may_be_labels => Self::LabelMap,
                _ => Self::Anatomy,
            };
        }
        if stated.label_map || may_be_labels && samples.are_labels() {
            return Self::LabelMap;
        }
        if samples.is_noise() {
            return Self::Noise;
        }
        Self::Anatomy
    }
}

/// How many different values a volume holds, counted up to one more than [`FEW_VALUES`].
fn different_values(volume: &Volume) -> usize {
    let with = |mut found: Vec<f32>, value: f32| {
        if found.len() <= FEW_VALUES && value.is_finite() && !found.contains(&value) {
            found.push(value);
        }
        found
    };
    let both = |a: Vec<f32>, b: Vec<f32>| b.into_iter().fold(a, with);
    volume.voxels().fold_chunks(Vec::new, with, both).len()
}

/// Values on a lattice, and what their neighbours have in common with them.
struct Samples {
    low: f32,
    high: f32,
    /// The different values, where there are at most [`MOST_LABELS`] and all are whole numbers.
    labels: Option<BTreeMap<i64, u32>>,
    /// Pairs of next neighbours.
    near: Vec<[f32; 2]>,
    /// Along each axis that is long enough: pairs some way apart.
    far: Vec<Vec<[f32; 2]>>,
}

impl Samples {
    fn of(upright: &Upright) -> Self {
        let dims = upright.dims();
        let places = dims.map(|size| {
            let count = size.min(SAMPLES);
            (0..count).map(move |n| (2 * n + 1) * size / (2 * count))
        });
        let lags = dims.map(|size| (size / 24).max(4));
        let mut found = Self {
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            labels: Some(BTreeMap::new()),
            near: Vec::new(),
            far: vec![Vec::new(); 3],
        };
        let [xs, ys, zs] = places;
        for z in zs {
            for y in ys.clone() {
                for x in xs.clone() {
                    found.add(upright, [x, y, z], lags);
                }
            }
        }
        found
    }

    fn add(&mut self, upright: &Upright, at: [usize; 3], lags: [usize; 3]) {
        let value = upright.value(at);
        if !value.is_finite() {
            return;
        }
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.count(value);
        for axis in 0..3 {
            let neighbour = |lag: usize| {
                let mut to = at;
                to[axis] += lag;
                let inside = to[axis] < upright.dims()[axis];
                inside
                    .then(|| upright.value(to))
                    .filter(|value| value.is_finite())
            };
            if let Some(next) = neighbour(1) {
                self.near.push([value, next]);
            }
            if let Some(next) = neighbour(lags[axis]) {
                self.far[axis].push([value, next]);
            }
        }
    }

    fn count(&mut self, value: f32) {
        let Some(labels) = &mut self.labels else {
            return;
        };
        if value.fract() == 0.0 && value.abs() < 1e9 {
            *labels.entry(value as i64).or_default() += 1;
        }
        if value.fract() != 0.0 || labels.len() > MOST_LABELS {
            self.labels = None;
        }
    }

    /// Few whole numbers, and away from the background most neighbours have the same one. The brightest value does not
    /// count where there are many: an 8-bit picture is clipped there.
    fn are_labels(&self) -> bool {
        let Some(labels) = &self.labels else {
            return false;
        };
        if labels.len() <= FEW_VALUES {
            return true;
        }
        let background = labels.iter().max_by_key(|(_, count)| **count);
        let background = background.map_or(0.0, |(value, _)| *value as f32);
        let counts = |value: f32| value != background && value != self.high;
        let pairs = self
            .near
            .iter()
            .filter(|[a, b]| counts(*a) && counts(*b) || a != b);
        let (mut all, mut same) = (0_u32, 0_u32);
        for [a, b] in pairs {
            all += 1;
            same += u32::from(a == b);
        }
        let least = if labels.len() <= SOME_VALUES {
            SAME_OF_SOME
        } else {
            SAME_OF_MANY
        };
        f64::from(same) > least * f64::from(all)
    }

    fn is_noise(&self) -> bool {
        let known = self.far.iter().filter(|pairs| pairs.len() >= LEAST_PAIRS);
        let most = known.map(|pairs| correlation(pairs)).max_by(f64::total_cmp);
        most.is_some_and(|most| most < LEAST_CORRELATION)
    }
}

/// The correlation of pairs; 0 where one side does not vary.
fn correlation(pairs: &[[f32; 2]]) -> f64 {
    let n = pairs.len() as f64;
    let mean = |side: usize| pairs.iter().map(|p| f64::from(p[side])).sum::<f64>() / n;
    let [a, b] = [mean(0), mean(1)];
    let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
    for pair in pairs {
        let [x, y] = [f64::from(pair[0]) - a, f64::from(pair[1]) - b];
        aa += x * x;
        ab += x * y;
        bb += y * y;
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}
