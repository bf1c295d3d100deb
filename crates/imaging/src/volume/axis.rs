//! Linear interpolation along one axis, as `torch.nn.functional.interpolate` places it.

/// The two neighbours an output position is mixed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// The lower neighbour.
    pub low: usize,
    /// The upper neighbour; the last one repeats.
    pub high: usize,
    /// The share of the upper neighbour, 0 to 1.
    pub part: f32,
}

impl Tap {
    /// Between the samples around `at` (0 is the first sample's centre), held at both ends of `from`
    /// samples.
    fn at(at: f64, from: usize) -> Self {
        let last = from.saturating_sub(1);
        let at = at.clamp(0.0, last as f64);
        let low = at.floor();
        Self {
            low: low as usize,
            high: (low as usize + 1).min(last),
            part: (at - low) as f32,
        }
    }

    /// The mix of two values.
    pub fn mix(self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.part
    }
}

/// The taps of an axis of `from` samples resized to `to` (align_corners = false, no antialiasing).
pub(crate) fn linear_taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|n| Tap::at((n as f64 + 0.5) * scale - 0.5, from))
        .collect()
}

/// The source of each of `to` samples of an axis of `from` under mode "nearest", which rounds down.
pub(crate) fn nearest_taps(from: usize, to: usize) -> Vec<usize> {
    let last = from.saturating_sub(1);
    (0..to).map(|n| (n * from / to).min(last)).collect()
}

/// The taps that undo mode "nearest" (`nearest_taps`): where each of `to` source samples lies among the `from`
/// samples that were picked from them.
///
/// Rounding down picks, on average, from below the middle of what a sample stands for: sample `n` of a
/// ratio `to / from = a / b` in lowest terms shows the source at `n a / b + 1 / 2b` and not at
/// `(n + 1/2) a / b`, up to half a sample lower. Interpolating without that would bring every label home
/// moved by as much.
pub fn nearest_home_taps(from: usize, to: usize) -> Vec<Tap> {
    let ratio = to as f64 / from as f64;
    let steps = from / greatest_common_divisor(from, to);
    let offset = 0.5 - 0.5 / steps as f64;
    (0..to)
        .map(|n| Tap::at((n as f64 + offset) / ratio, from))
        .collect()
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a.max(1)
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_and_doubling() {
        let half = linear_taps(4, 2);
        assert_eq!((half[0].low, half[0].high, half[0].part), (0, 1, 0.5));
        assert_eq!((half[1].low, half[1].high, half[1].part), (2, 3, 0.5));
        let twice = linear_taps(2, 4);
        let mixed: Vec<f32> = twice
            .iter()
            .map(|t| t.mix(t.low as f32, t.high as f32))
            .collect();
        assert_eq!(mixed, [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(nearest_taps(5, 2), [0, 2]);
        assert_eq!(nearest_taps(2, 4), [0, 0, 1, 1]);
    }

    /// Sent down by rounding and home by these taps, the index of a source sample comes back: exactly
    /// for whole ratios, within half a step and on average exactly for others.
    #[test]
    fn labels_come_home_unmoved() {
        for (source, prepared) in [(64, 32), (32, 64), (265, 256), (44, 32), (600, 32), (9, 32)] {
            let picked = nearest_taps(source, prepared);
            let home = nearest_home_taps(prepared, source);
            let ratio = source as f64 / prepared as f64;
            let margin = ratio.ceil() as usize + 1;
            let mut sum = 0.0;
            let mut count = 0.0;
            for (n, tap) in home.iter().enumerate().take(source - margin).skip(margin) {
                let found = tap.mix(picked[tap.low] as f32, picked[tap.high] as f32);
                let moved = f64::from(found) - n as f64;
                assert!(
                    moved.abs() <= 0.5 + 1e-3,
                    "{source} {prepared}: {n} by {moved}"
                );
                sum += moved;
                count += 1.0;
            }
            let mean: f64 = sum / count;
            assert!(mean.abs() < 0.05, "{source} {prepared}: {mean}");
        }
    }
}
