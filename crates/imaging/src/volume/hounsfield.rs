//! Hounsfield units known by their values: air, fat, water and bone where they belong.

use super::{Upright, Volume};

/// HU of one bin, and the range of all.
const BIN: f32 = 10.0;
const LOWEST: f32 = -1100.0;
const BINS: usize = 450;

/// At most so many samples along each axis.
const SAMPLES: usize = 64;

/// Whether the values of a volume are Hounsfield units, by what they are. Nothing that was not measured with X-rays has
/// a peak where air is, another where fat or soft tissue is, few values between and a thin tail of bone.
pub(crate) fn is_like_hounsfield(volume: &Volume) -> bool {
    Histogram::of(volume).is_some_and(|histogram| histogram.is_like())
}

/// Sampled values between [`LOWEST`] and the densest bone; padding below is left out.
struct Histogram {
    counts: Vec<u32>,
    /// Values in it.
    inside: u32,
    /// Values above it.
    above: u32,
    /// The lowest value in it, and how many have exactly that: what was clipped.
    lowest: f32,
    at_lowest: u32,
}

impl Histogram {
    /// `None` where a value lies below what any scanner pads with.
    fn of(volume: &Volume) -> Option<Self> {
        const LEAST_PADDING: f32 = -32768.0;
        let upright = Upright::new(volume);
        let [xs, ys, zs] = upright.dims().map(|size| {
            let count = size.min(SAMPLES);
            (0..count).map(move |n| (2 * n + 1) * size / (2 * count))
        });
        let mut found = Self {
            counts: vec![0; BINS],
            inside: 0,
            above: 0,
            lowest: f32::INFINITY,
            at_lowest: 0,
        };
        for z in zs {
            for y in ys.clone() {
                for x in xs.clone() {
                    let value = upright.value([x, y, z]);
                    if value < LEAST_PADDING {
                        return None;
                    }
                    found.add(value);
                }
            }
        }
        Some(found)
    }

    fn add(&mut self, value: f32) {
        if value.is_nan() || value < LOWEST {
            return;
        }
        if value < self.lowest {
            (self.lowest, self.at_lowest) = (value, 0);
        }
        self.at_lowest += u32::from(value == self.lowest);
        match self.counts.get_mut(((value - LOWEST) / BIN) as usize) {
            Some(count) => {
                *count += 1;
                self.inside += 1;
            }
            None => self.above += 1,
        }
    }

    fn between(&self, low: f32, high: f32) -> f32 {
        let bin = |value: f32| (((value - LOWEST) / BIN) as usize).min(BINS);
        self.counts[bin(low)..bin(high)].iter().sum::<u32>() as f32
    }

    /// The fullest 30 HU between two values: their middle, and how many lie there.
    fn peak(&self, low: f32, high: f32) -> (f32, f32) {
        let mut best = (low, -1.0);
        let mut at = low;
        while at < high {
            let found = self.between(at - BIN, at + 2.0 * BIN);
            if found > best.1 {
                best = (at + BIN / 2.0, found);
            }
            at += BIN;
        }
        best
    }

    fn is_like(&self) -> bool {
        let all = self.inside as f32;
        if all == 0.0 || self.above as f32 > 0.02 * all {
            return false;
        }
        let air = self.between(LOWEST, -900.0) / all;
        let solid = self.between(-500.0, 3400.0);
        let tissue = self.between(-200.0, 200.0);
        let dense = self.between(200.0, 3400.0) / solid.max(1.0);
        let blurred = self.between(-600.0, -250.0);
        let (mode, most) = self.peak(-200.0, 200.0);
        if air > 0.002 {
            let is_body = solid > 0.02 * all && tissue > 0.2 * solid && tissue > blurred;
            let is_peak = (-150.0..=150.0).contains(&mode) && most > 0.09 * tissue;
            return is_body && is_peak && dense < 0.75;
        }
        // Cut so close that no air is left, or air is clipped: fat and soft tissue, apart from each other.
        let shown = all - self.at_lowest as f32;
        let (_, fats) = self.peak(-140.0, -60.0);
        let (_, softs) = self.peak(0.0, 100.0);
        let valley = self.between(-50.0, -20.0);
        let are_apart = fats > 1.3 * valley && softs > 1.3 * valley && fats > 0.01 * shown;
        are_apart && tissue > 0.7 * shown && dense < 0.3
    }
}
