//! Parameters and contexts (ITU-T T.87 A.2 to A.6 and C.2.4.1).

use super::super::bits::Bits;

/// What governs a scan.
#[derive(Clone, Debug)]
pub(super) struct Coding {
    pub max: i32,
    /// NEAR, the greatest error.
    pub near: i32,
    /// Distance of reconstructed values, `2 NEAR + 1`.
    pub step: i32,
    /// `RANGE` times `step`: errors count modulo this.
    pub cycle: i32,
    range: i32,
    /// Bits of an escaped error, `qbpp`.
    pub error_bits: u32,
    /// LIMIT, the longest code.
    pub limit: u32,
    pub reset: i32,
    thresholds: [i32; 3],
}

impl Coding {
    /// From the precision, NEAR and the five preset numbers, of which 0 stands for the default. `None` where they
    /// break the bounds of tables C.1 to C.3.
    pub fn new(precision: u16, near: u8, preset: [u16; 5]) -> Option<Self> {
        let [max, t1, t2, t3, reset] = preset.map(i32::from);
        let most = (1 << precision) - 1;
        let max = if max == 0 { most } else { max };
        let near = i32::from(near);
        if max > most || near > (max / 2).min(255) {
            return None;
        }
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let defaults = default_thresholds(max, near);
        let thresholds = [
            or(t1, defaults[0]),
            or(t2, defaults[1]),
            or(t3, defaults[2]),
        ];
        let ordered = near < thresholds[0] && thresholds.is_sorted() && thresholds[2] <= max;
        let reset = or(reset, 64);
        if !ordered || reset < 3 {
            return None;
        }
        let bits = |values: i32| 32 - (values - 1).leading_zeros();
        let step = 2 * near + 1;
        let range = (max + 2 * near) / step + 1;
        let sample_bits = bits(max + 1).max(2);
        Some(Self {
            max,
            near,
            step,
            cycle: range * step,
            range,
            error_bits: bits(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
            reset,
            thresholds,
        })
    }

    /// The regions of all gradients -`max` to `max` (A.3.3), from -4 to 4.
    pub fn regions(&self) -> Vec<i8> {
        let [t1, t2, t3] = self.thresholds;
        let region = |size: i32| match size {
            _ if size <= self.near => 0,
            _ if size < t1 => 1,
            _ if size < t2 => 2,
            _ if size < t3 => 3,
            _ => 4,
        };
        (-self.max..=self.max)
            .map(|gradient| region(gradient.abs()) * gradient.signum() as i8)
            .collect()
    }

    /// The start of every context's A (A.2.1).
    pub fn first_sum(&self) -> i32 {
        ((self.range + 32) >> 6).max(2)
    }

    /// A value as it was coded (A.4.5): within the range, and near what was predicted plus the error.
    #[inline]
    pub fn restore(&self, predicted: i32, error: i32) -> i32 {
        let mut value = predicted + error * self.step;
        if value < -self.near {
            value += self.cycle;
        } else if value > self.max + self.near {
            value -= self.cycle;
        }
        value.clamp(0, self.max)
    }
}

/// C.2.4.1.1.1.
fn default_thresholds(max: i32, near: i32) -> [i32; 3] {
    let mut least = near + 1;
    [(3, 2, 3), (7, 3, 5), (21, 4, 7)].map(|(basic, floor, nears)| {
        let value = if max >= 128 {
            let factor = (max.min(4095) + 128) >> 8;
            factor * (basic - floor) + floor + nears * near
        } else {
            (basic / (256 / (max + 1)) + nears * near).max(floor)
        };
        if (least..=max).contains(&value) {
            least = value;
        }
        least
    })
}

/// The statistics of a regular context.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regular {
    /// Sum of the errors' sizes.
    pub a: i32,
    /// The bias.
    pub b: i32,
    /// The correction of predictions.
    pub c: i32,
    /// How often the context occurred.
    pub n: i32,
}

impl Regular {
    pub const fn new(first_sum: i32) -> Self {
        Self {
            a: first_sum,
            b: 0,
            c: 0,
            n: 1,
        }
    }

    /// Decodes the next error of this context and learns from it (A.5 and A.6).
    #[inline]
    pub fn error(&mut self, coding: &Coding, bits: &mut Bits<true>) -> i32 {
        let k = golomb(self.a, self.n);
        let mapped = code(bits, k, coding.limit, coding.error_bits);
        let mut error = unfold(mapped);
        if k == 0 && coding.near == 0 && 2 * self.b <= -self.n {
            error = !error;
        }
        self.b += error * coding.step;
        self.a += error.abs();
        if self.n == coding.reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        if self.b <= -self.n {
            self.b = (self.b + self.n).max(1 - self.n);
            self.c = (self.c - 1).max(-128);
        } else if self.b > 0 {
            self.b = (self.b - self.n).min(0);
            self.c = (self.c + 1).min(127);
        }
        error
    }
}

/// The statistics of the ends of runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunEnd {
    a: i32,
    n: i32,
    negatives: i32,
    /// RItype: 1 where the samples left and above agree.
    kind: i32,
}

impl RunEnd {
    pub const fn new(first_sum: i32, kind: i32) -> Self {
        Self {
            a: first_sum,
            n: 1,
            negatives: 0,
            kind,
        }
    }

    /// Decodes the error of the sample that ends a run (A.7.2) whose code is at most `limit` long.
    pub fn error(&mut self, coding: &Coding, bits: &mut Bits<true>, limit: u32) -> i32 {
        let sum = self.a + if self.kind == 1 { self.n >> 1 } else { 0 };
        let k = golomb(sum, self.n);
        let mapped = code(bits, k, limit, coding.error_bits) as i32;
        let twice = mapped + self.kind;
        let size = (twice + 1) >> 1;
        let odd_is_negative = k != 0 || 2 * self.negatives >= self.n;
        let error = if (twice & 1 == 1) == odd_is_negative {
            -size
        } else {
            size
        };
        if error < 0 {
            self.negatives += 1;
        }
        self.a += (mapped + 1 - self.kind) >> 1;
        if self.n == coding.reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negatives >>= 1;
        }
        self.n += 1;
        error
    }
}

/// The Golomb parameter (A.5.1): the least `k` with `n << k >= a`.
#[inline]
fn golomb(a: i32, n: i32) -> u32 {
    let (a, n) = (a as u32, n as u32);
    if a <= n {
        return 0;
    }
    // Right up to one.
    let k = n.leading_zeros() - a.leading_zeros();
    k + u32::from(n << k < a)
}

/// A limited-length Golomb code (A.5.3).
#[inline]
fn code(bits: &mut Bits<true>, k: u32, limit: u32, error_bits: u32) -> u32 {
    bits.refill();
    let zeros = bits.peek().leading_zeros();
    let most = limit - error_bits - 1;
    if zeros < most {
        bits.skip(zeros + 1);
        // A code takes at most 64 bits; most fit into what is there.
        if zeros + 1 + k > 56 {
            bits.refill();
        }
        return zeros << k | bits.take(k);
    }
    // At most 55, as NEAR is at most 255.
    bits.skip(most + 1);
    bits.refill();
    bits.take(error_bits) + 1
}

/// The error of a folded one (A.5.2): 0, -1, 1, -2 and so on.
#[inline]
const fn unfold(mapped: u32) -> i32 {
    (mapped >> 1) as i32 ^ -((mapped & 1) as i32)
}
