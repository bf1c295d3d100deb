//! x rounded to 8 bits, in the order in which the kernels read it.
//!
//! For Q8_0 every 32 values share a scale, max|x| / 127, and the sum of their integers times -128 is kept: the kernels
//! hold weights as unsigned bytes, 128 too large, and start from that sum to take it back. What the rounding leaves is
//! rounded to 8 bits in turn and multiplied as a further row, whose product is added: x then counts with 15 bits, and
//! the error that is left is that of the weights. A single row still costs no more than reading the weights.
//!
//! For Q4K every 256 values share a scale, and the sums of 32 integers are kept, by which the kernels multiply the
//! minima. The scale is max|x| / 127 or more, so that the integers of any 32 values have absolute values that add up
//! to no more than 2184: then a sum of products with 4-bit weights fits in 16 bits, and two sums are scaled by one
//! instruction. Only where values are so even that their mean exceeds 0.53 of their largest does that coarsen the
//! scale, and there the rounding is below 0.5 % of their mean square root all the same.
//!
//! A block with a value that is not finite has a scale that is not a number, and so do the products.

// Only what is inlined into a function of an instruction set is compiled for it.
#![allow(clippy::inline_always)]

use rayon::prelude::*;

use super::BlockFormat;
use super::level::Level;

/// Blocks whose largest magnitude is below this count as zero, for the inverse must be finite.
const SMALLEST: f32 = 1e-36;
/// 1.5 * 2^23: adding it rounds to the nearest integer (ties to even), which is then the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;
/// Least work, in values, worth another thread.
const SPREAD_FROM: usize = 1 << 16;
/// Largest sum of 32 magnitudes in Q4K: 15 times it is less than 2^15.
const MAX_SUM: i32 = 2184;
/// The sum aimed at where it would be larger: (1 + 16 / 2184) * 2148 + 16 < 2184.
const SCALED_SUM: i32 = 2148;

/// Where the kernels find a chunk of rows: `quants` as `[block][row][value]`, `scales` as `[block][row]`, and `sums` as
/// `[block][row]` (Q8_0) or `[block][row][4]` pairs of 16-bit sums, the first in the low half (Q4K).
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    /// Rows in the chunk, at most [`Level::chunk_rows`].
    pub(super) rows: usize,
    /// The integers.
    pub(super) quants: &'a [i8],
    /// The scales.
    pub(super) scales: &'a [f32],
    /// The sums.
    pub(super) sums: &'a [i32],
}

/// Where the row being rounded goes inside its chunk.
pub(super) struct Target<'a> {
    /// Rows in the chunk.
    pub(super) rows: usize,
    /// The row in the chunk.
    pub(super) row: usize,
    /// The chunk's integers.
    pub(super) quants: &'a mut [i8],
    /// The chunk's scales.
    pub(super) scales: &'a mut [f32],
    /// The chunk's sums.
    pub(super) sums: &'a mut [i32],
}

/// Rows that stand for one row of x: its rounded values, and for Q8_0 what the rounding left.
const fn parts_of_a_row(format: BlockFormat) -> usize {
    match format {
        BlockFormat::Q8_0 => 2,
        BlockFormat::Q4K => 1,
    }
}

/// All rows of x, chunk after chunk.
pub(super) struct Quantized {
    rows: usize,
    parts: usize,
    chunks: usize,
    blocks: usize,
    block_len: usize,
    sums_per_block: usize,
    quants: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Quantized {
    /// Rounds x `[m, k]`, m at least 1 and k a multiple of the format's block.
    pub(super) fn new(level: Level, x: &[f32], m: usize, format: BlockFormat) -> Self {
        let block_len = format.block_len();
        let k = x.len() / m;
        let blocks = k / block_len;
        let parts = parts_of_a_row(format);
        let sums_per_block = match format {
            BlockFormat::Q8_0 => 1,
            BlockFormat::Q4K => 4,
        };
        let mut this = Self {
            rows: m,
            parts,
            chunks: m.div_ceil(level.chunk_rows(format) / parts),
            blocks,
            block_len,
            sums_per_block,
            quants: vec![0; m * parts * k],
            scales: vec![0.0; m * parts * blocks],
            sums: vec![0; m * parts * blocks * sums_per_block],
        };
        let starts: Vec<usize> = (0..=this.chunks).map(|c| this.start(c)).collect();
        let mut jobs = Vec::with_capacity(this.chunks);
        let (mut quants, mut scales, mut sums) = (
            this.quants.as_mut_slice(),
            this.scales.as_mut_slice(),
            this.sums.as_mut_slice(),
        );
        for pair in starts.windows(2) {
            let rows = (pair[1] - pair[0]) * parts;
            let (q, rest) = std::mem::take(&mut quants).split_at_mut(rows * k);
            quants = rest;
            let (s, rest) = std::mem::take(&mut scales).split_at_mut(rows * blocks);
            scales = rest;
            let (t, rest) = std::mem::take(&mut sums).split_at_mut(rows * blocks * sums_per_block);
            sums = rest;
            jobs.push((
                &x[pair[0] * k..pair[1] * k],
                Target {
                    rows,
                    row: 0,
                    quants: q,
                    scales: s,
                    sums: t,
                },
            ));
        }
        let work = |(x, mut target): (&[f32], Target<'_>)| {
            for (row, values) in x.chunks_exact(k).enumerate() {
                target.row = row * parts;
                level.quantize_row(values, format, &mut target);
            }
        };
        if m * k < SPREAD_FROM {
            jobs.into_iter().for_each(work);
        } else {
            jobs.into_par_iter().for_each(work);
        }
        this
    }

    /// Chunks of rows.
    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    /// Rows that stand for one row of x, side by side in its chunk.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// The first row of x in a chunk: rows are spread evenly, for a small last chunk would be slow.
    pub(super) fn start(&self, chunk: usize) -> usize {
        chunk * self.rows / self.chunks
    }

    /// One chunk.
    pub(super) fn chunk(&self, chunk: usize) -> Chunk<'_> {
        let (from, to) = (
            self.start(chunk) * self.parts,
            self.start(chunk + 1) * self.parts,
        );
        let k = self.blocks * self.block_len;
        let sums = self.blocks * self.sums_per_block;
        Chunk {
            rows: to - from,
            quants: &self.quants[from * k..to * k],
            scales: &self.scales[from * self.blocks..to * self.blocks],
            sums: &self.sums[from * sums..to * sums],
        }
    }
}

/// Rounds one row into its chunk.
#[inline(always)]
pub(super) fn quantize_row(x: &[f32], format: BlockFormat, target: &mut Target<'_>) {
    match format {
        BlockFormat::Q8_0 => {
            for (block, values) in x.as_chunks::<32>().0.iter().enumerate() {
                let at = block * target.rows + target.row;
                let mut left = *values;
                for part in at..at + 2 {
                    let Some(quants) = target.quants[part * 32..].first_chunk_mut() else {
                        return;
                    };
                    let (scale, sum) = block_of_32(&left, quants);
                    target.scales[part] = scale;
                    target.sums[part] = -128 * sum;
                    for (left, quant) in left.iter_mut().zip(quants.iter()) {
                        *left -= f32::from(*quant) * scale;
                    }
                }
            }
        }
        BlockFormat::Q4K => {
            for (block, values) in x.as_chunks::<256>().0.iter().enumerate() {
                let at = block * target.rows + target.row;
                let Some(quants) = target.quants[at * 256..].first_chunk_mut() else {
                    return;
                };
                let (scale, sums) = block_of_256(values, quants);
                target.scales[at] = scale;
                for (pair, sum) in sums.as_chunks::<2>().0.iter().enumerate() {
                    target.sums[at * 4 + pair] =
                        i32::from(sum[0] as u16) | (i32::from(sum[1]) << 16);
                }
            }
        }
    }
}

/// The scale of 32 values, and the sum of their integers.
#[inline(always)]
fn block_of_32(x: &[f32; 32], quants: &mut [i8; 32]) -> (f32, i32) {
    let Some(largest) = largest(x) else {
        return (f32::NAN, 0);
    };
    if largest < SMALLEST {
        return (0.0, 0);
    }
    let (sum, _) = round(x, 127.0 / largest, quants);
    (largest / 127.0, sum)
}

/// The scale of 256 values, and the sums of each 32 integers.
#[inline(always)]
fn block_of_256(x: &[f32; 256], quants: &mut [i8; 256]) -> (f32, [i16; 8]) {
    let mut sums = [0; 8];
    let Some(largest) = largest(x) else {
        return (f32::NAN, sums);
    };
    if largest < SMALLEST {
        return (0.0, sums);
    }
    let mut steps = 127.0;
    let mut most = round_parts(x, steps / largest, quants, &mut sums);
    if most > MAX_SUM {
        // Rounding added at most 16 to the sum that this is made of, and adds at most 16 to the next.
        steps *= SCALED_SUM as f32 / most as f32;
        most = round_parts(x, steps / largest, quants, &mut sums);
        debug_assert!(most <= MAX_SUM);
    }
    (largest / steps, sums)
}

/// Rounds `x * factor` and adds up each 32 integers; returns the largest sum of 32 magnitudes.
#[inline(always)]
fn round_parts(x: &[f32; 256], factor: f32, quants: &mut [i8; 256], sums: &mut [i16; 8]) -> i32 {
    let mut most = 0;
    let parts = x.as_chunks::<32>().0.iter();
    for ((part, quants), sum) in parts
        .zip(quants.as_chunks_mut::<32>().0)
        .zip(sums.iter_mut())
    {
        let (total, magnitudes) = round(part, factor, quants);
        *sum = total as i16;
        most = most.max(magnitudes);
    }
    most
}

/// The largest magnitude, where every value is finite.
#[inline(always)]
fn largest(x: &[f32]) -> Option<f32> {
    // Without the sign, the bits of floats are ordered as integers, and what is not finite comes last.
    let mut most = [0u32; 16];
    for values in x.as_chunks::<16>().0 {
        for (most, value) in most.iter_mut().zip(values) {
            *most = (*most).max(value.to_bits() & 0x7fff_ffff);
        }
    }
    let most = f32::from_bits(fold(most, u32::max));
    most.is_finite().then_some(most)
}

/// Folds sixteen lanes into one, half by half.
#[inline(always)]
fn fold<T: Copy>(mut lanes: [T; 16], join: impl Fn(T, T) -> T) -> T {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
    }
    lanes[0]
}

/// Rounds `x * factor`, magnitudes of 127.5 at most; returns the sum of the integers and of their magnitudes.
#[inline(always)]
fn round(x: &[f32; 32], factor: f32, quants: &mut [i8; 32]) -> (i32, i32) {
    let mut sums = [0i32; 16];
    let mut magnitudes = [0i32; 16];
    let parts = x.as_chunks::<16>().0.iter();
    for (values, quants) in parts.zip(quants.as_chunks_mut::<16>().0) {
        for lane in 0..16 {
            let bits = (values[lane] * factor + ROUNDER).to_bits() as i32;
            let integer = bits - ROUNDER.to_bits() as i32;
            quants[lane] = integer as i8;
            sums[lane] += integer;
            magnitudes[lane] += integer.abs();
        }
    }
    (fold(sums, |a, b| a + b), fold(magnitudes, |a, b| a + b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_stays_within_half_a_step() {
        let x: [f32; 256] = std::array::from_fn(|i| ((i * 7919) % 1000) as f32 / 100.0 - 4.0);
        let mut quants = [0i8; 256];
        let (scale, sums) = block_of_256(&x, &mut quants);
        for (value, quant) in x.iter().zip(quants) {
            assert!((value - f32::from(quant) * scale).abs() <= scale * 0.5001);
        }
        for (part, sum) in quants.as_chunks::<32>().0.iter().zip(sums) {
            assert_eq!(part.iter().map(|q| i16::from(*q)).sum::<i16>(), sum);
        }
    }

    #[test]
    fn even_values_leave_room_for_sums_of_products() {
        // Constant blocks are the worst: every magnitude is the largest.
        for value in [1.0f32, -3.3e38, 1e-30] {
            let mut quants = [0i8; 256];
            let (scale, _) = block_of_256(&[value; 256], &mut quants);
            for part in quants.as_chunks::<32>().0 {
                let magnitudes: i32 = part.iter().map(|q| i32::from(*q).abs()).sum();
                assert!(15 * magnitudes <= i32::from(i16::MAX), "{magnitudes}");
            }
            assert!((f32::from(quants[0]) * scale / value - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn odd_values_are_zero_or_not_a_number() {
        let mut quants = [0i8; 32];
        assert_eq!(block_of_32(&[0.0; 32], &mut quants), (0.0, 0));
        assert_eq!(block_of_32(&[1e-40; 32], &mut quants), (0.0, 0));
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = [1.0; 32];
            x[17] = odd;
            assert!(block_of_32(&x, &mut quants).0.is_nan());
        }
    }
}
