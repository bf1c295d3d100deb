//! The inverse DCT (ITU-T T.81 A.3.3).

use std::array::from_fn;

/// The place in a block, row by row, of each coefficient of the stream (figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Fraction bits of the constants.
const FRACTION: u32 = 13;

const fn fixed(number: f64) -> i32 {
    (number * (1 << FRACTION) as f64 + 0.5) as i32
}

/// Turns the coefficients of a block, row by row, into samples of `precision` bits (8 or 12).
///
/// The factors are those of Loeffler, Ligtenberg and Moschytz (1989) in 13 bits with two (12 bits: one) kept between
/// the passes, as in the library nearly all readers share, so that the samples are the same to the last bit.
pub(super) fn inverse(coefficients: &[i32; 64], precision: u16) -> [u16; 64] {
    let kept = if precision > 8 { 1 } else { 2 };
    let mut columns = [[0; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        let input: [i32; 8] = from_fn(|y| coefficients[8 * y + x]);
        *column = pass(input, FRACTION - kept);
    }
    let (middle, most) = (1 << (precision - 1), (1 << precision) - 1);
    let mut samples = [0; 64];
    for (y, row) in samples.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let output = pass(from_fn(|x| columns[x][y]), FRACTION + kept + 3);
        *row = output.map(|value| (value.wrapping_add(middle)).clamp(0, most) as u16);
    }
    samples
}

/// One dimension, scaled up by the square root of 8 and down by `shift` bits. Damaged streams may overflow, which
/// then wraps.
#[inline]
fn pass(input: [i32; 8], shift: u32) -> [i32; 8] {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = input;
    if [c1, c2, c3, c4, c5, c6, c7] == [0; 7] {
        let even = c0.wrapping_shl(FRACTION).wrapping_add(1 << (shift - 1)) >> shift;
        return [even; 8];
    }
    let sum = i32::wrapping_add;
    let times = |value: i32, factor: f64| {
        let whole = if factor < 0.0 {
            -fixed(-factor)
        } else {
            fixed(factor)
        };
        value.wrapping_mul(whole)
    };
    // The even part.
    let turn = times(sum(c2, c6), 0.541_196_100);
    let low = sum(turn, times(c6, -1.847_759_065));
    let high = sum(turn, times(c2, 0.765_366_865));
    let plus = sum(c0, c4).wrapping_shl(FRACTION);
    let minus = c0.wrapping_sub(c4).wrapping_shl(FRACTION);
    let even = [
        sum(plus, high),
        sum(minus, low),
        minus.wrapping_sub(low),
        plus.wrapping_sub(high),
    ];
    // The odd part.
    let (a, b) = (sum(c7, c3), sum(c5, c1));
    let turn = times(sum(a, b), 1.175_875_602);
    let a = sum(turn, times(a, -1.961_570_560));
    let b = sum(turn, times(b, -0.390_180_644));
    let outer = times(sum(c7, c1), -0.899_976_223);
    let inner = times(sum(c5, c3), -2.562_915_447);
    let odd = [
        sum(sum(times(c1, 1.501_321_110), outer), b),
        sum(sum(times(c3, 3.072_711_026), inner), a),
        sum(sum(times(c5, 2.053_119_869), inner), b),
        sum(sum(times(c7, 0.298_631_336), outer), a),
    ];
    let round = |value: i32| value.wrapping_add(1 << (shift - 1)) >> shift;
    from_fn(|i| {
        round(if i < 4 {
            sum(even[i], odd[i])
        } else {
            even[7 - i].wrapping_sub(odd[7 - i])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// The definition (A.3.3).
    fn defined(coefficients: &[i32; 64], precision: u16) -> [f64; 64] {
        let weight = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos();
        from_fn(|i| {
            let (y, x) = (i / 8, i % 8);
            let term = |k: usize| {
                let (v, u) = (k / 8, k % 8);
                weight(u) * weight(v) * f64::from(coefficients[k]) * wave(x, u) * wave(y, v)
            };
            let sum: f64 = (0..64).map(term).sum();
            let middle = f64::from(1 << (precision - 1));
            (sum / 4.0 + middle).clamp(0.0, 2.0 * middle - 1.0)
        })
    }

    #[test]
    fn it_rounds_what_the_definition_gives() {
        let mut seed = 7_u32;
        let mut random = |range: i32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as i32 % range - range / 2
        };
        for precision in [8, 12] {
            for _ in 0..200 {
                let scale = 1 << (precision - 8);
                let block: [i32; 64] = from_fn(|k| random(scale * 400 / (1 + k as i32)));
                let (got, exact) = (inverse(&block, precision), defined(&block, precision));
                for (got, exact) in got.iter().zip(exact) {
                    // Half for rounding at the end, and as much for rounding between the passes and in the
                    // constants: IEEE 1180 allows one.
                    assert!((f64::from(*got) - exact).abs() <= 1.0, "{got} {exact}");
                }
            }
        }
    }
}
