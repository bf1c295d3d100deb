//! The packed kernels against candle, against plain sums, and against each other.

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{Device, Tensor};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

use super::activations::{Chunk, Quantized};
use super::level::Level;
use super::{BlockFormat, KernelError, PackedMatrix};

const FORMATS: [BlockFormat; 2] = [BlockFormat::Q8_0, BlockFormat::Q4K];

/// Values in -1..1 that look random, the same each time.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut random = SplitMix64::seed_from_u64(seed);
    let mut uniform = || (random.next_u64() >> 40) as f32 / 8_388_608.0 - 1.0;
    // The sum of three is closer to what weights and activations are than one.
    (0..len)
        .map(|_| (uniform() + uniform() + uniform()) / 3.0)
        .collect()
}

/// The blocks and the values that candle makes of `values`.
fn candle_blocks(
    values: &[f32],
    rows: usize,
    cols: usize,
    format: BlockFormat,
) -> (Vec<u8>, Vec<f32>) {
    let mut storage = format.ggml_dtype().cpu_zeros(values.len());
    storage.from_float(values);
    let tensor = QTensor::new(QStorage::Cpu(storage), (rows, cols)).unwrap();
    let dequantized = tensor.dequantize(&Device::Cpu).unwrap();
    let dequantized = dequantized.flatten_all().unwrap().to_vec1().unwrap();
    (tensor.data().unwrap().into_owned(), dequantized)
}

fn matmul(matrix: &PackedMatrix, level: Level, x: &[f32], m: usize) -> Vec<f32> {
    let mut y = vec![f32::MAX; m * matrix.rows()];
    matrix.matmul_at(level, x, m, &mut y).unwrap();
    y
}

/// x Wᵀ in f64.
fn exact(x: &[f32], w: &[f32], cols: usize) -> Vec<f64> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let rows = x.chunks_exact(cols);
    rows.flat_map(|x| w.chunks_exact(cols).map(move |w| dot(x, w)))
        .collect()
}

#[test]
fn blocks_come_back_bit_for_bit() {
    for format in FORMATS {
        for (rows, cols) in [(1, 256), (16, 512), (37, 768)] {
            let len = rows * cols / format.block_len() * format.block_bytes();
            // Any bits are blocks, also those that no quantizer makes.
            let blocks: Vec<u8> = noise(len, 3)
                .iter()
                .map(|v| (v * 1e6) as i32 as u8)
                .collect();
            let matrix = PackedMatrix::from_blocks(&blocks, rows, cols, format).unwrap();
            assert_eq!(matrix.to_blocks(), blocks, "{format} {rows} x {cols}");
        }
    }
}

#[test]
fn quantizing_and_looking_up_equal_candle() {
    for format in FORMATS {
        let (rows, cols) = (21, 512);
        let values = noise(rows * cols, 5);
        let (blocks, dequantized) = candle_blocks(&values, rows, cols, format);
        let matrix = PackedMatrix::quantize(&values, rows, cols, format).unwrap();
        assert_eq!(matrix.to_blocks(), blocks);
        let mut out = vec![0.0; cols];
        for (row, expected) in dequantized.chunks_exact(cols).enumerate() {
            matrix.dequantize_row(row, &mut out).unwrap();
            assert_eq!(out, expected, "{format} row {row}");
        }
    }
}

#[test]
fn products_differ_from_exact_ones_by_the_rounding_of_x() {
    for format in FORMATS {
        for (rows, cols, m) in [(16, 256, 1), (33, 1024, 2), (100, 512, 7), (7, 2304, 29)] {
            let values = noise(rows * cols, 7);
            let (blocks, w) = candle_blocks(&values, rows, cols, format);
            let matrix = PackedMatrix::from_blocks(&blocks, rows, cols, format).unwrap();
            let x = noise(m * cols, 11);
            let expected = exact(&x, &w, cols);
            for level in Level::available() {
                let case = format!("{format} {level:?} {rows} x {cols}, {m}");
                let y = matmul(&matrix, level, &x, m);
                let (mut error, mut variance) = (0.0, 0.0);
                for (at, (y, expected)) in y.iter().zip(&expected).enumerate() {
                    let x = &x[at / rows * cols..][..cols];
                    let w = &w[at % rows * cols..][..cols];
                    let off = (f64::from(*y) - expected).abs();
                    assert!(off <= rounding_bound(x, w, format), "{case}: {off}");
                    error += off * off;
                    variance += rounding_variance(x, w, format);
                }
                // Rounding is uniform noise of half a step: its size is known, and at least 16 samples give it
                // to a fifth or so.
                let ratio = (error / variance).sqrt();
                assert!((0.5..1.5).contains(&ratio), "{case}: {ratio}");
            }
        }
    }
}

/// Steps to a block's largest value that x is rounded to: what the first rounding leaves is half a step at most, and is
/// rounded to 127 steps again.
fn steps(format: BlockFormat) -> f64 {
    match format {
        BlockFormat::Q8_0 => 127.0 * 254.0,
        BlockFormat::Q4K => 127.0,
    }
}

/// The variance that uniform rounding of x gives a product.
fn rounding_variance(x: &[f32], w: &[f32], format: BlockFormat) -> f64 {
    let len = format.block_len();
    let blocks = x.chunks_exact(len).zip(w.chunks_exact(len));
    blocks
        .map(|(x, w)| {
            let largest = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let weights: f64 = w.iter().map(|w| f64::from(*w).powi(2)).sum();
            (f64::from(largest) / steps(format)).powi(2) / 12.0 * weights
        })
        .sum()
}

/// The most that rounding x can change a product: half a step for every weight, and a little for f32.
fn rounding_bound(x: &[f32], w: &[f32], format: BlockFormat) -> f64 {
    let len = format.block_len();
    let steps = match format {
        BlockFormat::Q8_0 => steps(format),
        // At worst, in even blocks; see `activations`.
        BlockFormat::Q4K => 67.0,
    };
    let blocks = x.chunks_exact(len).zip(w.chunks_exact(len));
    blocks
        .map(|(x, w)| {
            let largest = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let weights: f64 = w.iter().map(|w| f64::from(w.abs())).sum();
            f64::from(largest) / steps * 0.5001 * weights
        })
        .sum()
}

#[test]
fn every_instruction_set_computes_the_same() {
    for format in FORMATS {
        for (rows, cols, m) in [(1, 256, 1), (16, 512, 3), (45, 2048, 12), (31, 768, 41)] {
            let values = noise(rows * cols, 13);
            let matrix = PackedMatrix::quantize(&values, rows, cols, format).unwrap();
            let x = noise(m * cols, 17);
            let plain = matmul(&matrix, Level::available()[0], &x, m);
            let largest = plain.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            for level in Level::available() {
                for (fast, plain) in matmul(&matrix, level, &x, m).iter().zip(&plain) {
                    // The integers are the same; a few f32 operations per block round otherwise.
                    assert!(
                        (fast - plain).abs() <= 1e-5 * largest,
                        "{format} {level:?} {rows} x {cols}, {m}: {fast} {plain}"
                    );
                }
            }
        }
    }
}

#[test]
fn integer_sums_are_exact_at_their_largest() {
    // Whole values throughout, as large as the formats hold, so that f32 is exact and nothing may saturate.
    for format in FORMATS {
        let (rows, cols) = (16, 512);
        let mut blocks = Vec::new();
        for block in 0..rows * cols / format.block_len() {
            match format {
                BlockFormat::Q8_0 => {
                    blocks.extend(half::f16::ONE.to_le_bytes());
                    blocks.extend([if block % 2 == 0 { 0x80 } else { 0x7f }; 32]);
                }
                BlockFormat::Q4K => {
                    blocks.extend(half::f16::ONE.to_le_bytes());
                    blocks.extend(half::f16::ONE.to_le_bytes());
                    blocks.extend([0xff; 12]);
                    blocks.extend([if block % 2 == 0 { 0xff } else { 0xf0 }; 128]);
                }
            }
        }
        let matrix = PackedMatrix::from_blocks(&blocks, rows, cols, format).unwrap();
        for sign in [1.0, -1.0] {
            let x = vec![sign * 127.0; 3 * cols];
            let mut w = vec![0.0; cols];
            matrix.dequantize_row(1, &mut w).unwrap();
            let expected = exact(&x[..cols], &w, cols)[0];
            for level in Level::available() {
                let y = f64::from(matmul(&matrix, level, &x, 3)[1]);
                assert!(
                    (y / expected - 1.0).abs() < 0.01,
                    "{format} {level:?}: {y} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_row_of_y_depends_on_its_row_of_x_alone() {
    for format in FORMATS {
        let (rows, cols, m) = (40, 1024, 27);
        let matrix = PackedMatrix::quantize(&noise(rows * cols, 19), rows, cols, format).unwrap();
        let x = noise(m * cols, 23);
        for level in Level::available() {
            let all = matmul(&matrix, level, &x, m);
            for (x, y) in x.chunks_exact(cols).zip(all.chunks_exact(rows)) {
                assert_eq!(matmul(&matrix, level, x, 1), y, "{format} {level:?}");
            }
        }
    }
}

#[test]
fn extreme_values_stay_in_their_rows() {
    for format in FORMATS {
        let (rows, cols) = (20, 512);
        let matrix = PackedMatrix::quantize(&noise(rows * cols, 29), rows, cols, format).unwrap();
        let mut w = vec![0.0; cols];
        matrix.dequantize_row(4, &mut w).unwrap();
        for level in Level::available() {
            let mut x = vec![0.0f32; 6 * cols];
            x[cols..2 * cols].fill(1e-41);
            x[2 * cols..3 * cols].copy_from_slice(&noise(cols, 31));
            x[2 * cols..3 * cols].iter_mut().for_each(|v| *v *= 1e37);
            x[3 * cols + 5] = f32::NAN;
            x[4 * cols + 300] = f32::NEG_INFINITY;
            x[5 * cols..].copy_from_slice(&noise(cols, 37));
            let y = matmul(&matrix, level, &x, 6);
            assert!(y[..2 * rows].iter().all(|y| *y == 0.0));
            assert!(y[3 * rows..5 * rows].iter().all(|y| y.is_nan()));
            for row in [2, 5] {
                let expected = exact(&x[row * cols..][..cols], &w, cols)[0];
                let bound = rounding_bound(&x[row * cols..][..cols], &w, format);
                let off = f64::from(y[row * rows + 4]) - expected;
                assert!(off.abs() <= bound, "{format} {level:?} row {row}");
            }
        }
    }
}

#[test]
fn products_agree_with_candle() {
    for format in FORMATS {
        let (rows, cols, m) = (48, 1024, 9);
        let (blocks, w) = candle_blocks(&noise(rows * cols, 41), rows, cols, format);
        let matrix = PackedMatrix::from_blocks(&blocks, rows, cols, format).unwrap();
        let x = noise(m * cols, 43);
        let w = Tensor::from_vec(w, (rows, cols), &Device::Cpu).unwrap();
        let x_tensor = Tensor::from_slice(&x, (m, cols), &Device::Cpu).unwrap();
        let expected = x_tensor.matmul(&w.t().unwrap()).unwrap();
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        let mut y = vec![0.0; m * rows];
        matrix.matmul(&x, m, &mut y).unwrap();
        let error: f32 = y.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
        let power: f32 = expected.iter().map(|b| b * b).sum();
        // 8 bits per value of x: a rounding error of 0.3 % of a block's largest value, 0.5 to 0.8 % of its mean square.
        let most = 0.008 * (127.0 / steps(format)) as f32;
        assert!(
            (error / power).sqrt() < most,
            "{format}: {}",
            (error / power).sqrt()
        );
    }
}

#[test]
fn wrong_shapes_are_refused() {
    assert!(PackedMatrix::fits(BlockFormat::Q8_0, 3, 96));
    assert!(!PackedMatrix::fits(BlockFormat::Q4K, 3, 96));
    assert!(!PackedMatrix::fits(BlockFormat::Q8_0, usize::MAX, 32 << 40));
    assert!(!PackedMatrix::fits(BlockFormat::Q8_0, 0, 32));
    assert!(matches!(
        PackedMatrix::quantize(&[0.0; 100], 1, 100, BlockFormat::Q8_0),
        Err(KernelError::Shape { .. })
    ));
    assert!(matches!(
        PackedMatrix::from_blocks(&[0; 33], 1, 32, BlockFormat::Q8_0),
        Err(KernelError::Length { .. })
    ));
    let matrix = PackedMatrix::quantize(&[1.0; 64], 2, 32, BlockFormat::Q8_0).unwrap();
    let mut y = [7.0; 2];
    assert!(matrix.matmul(&[1.0; 31], 1, &mut y).is_err());
    assert!(matrix.matmul(&[1.0; 32], 2, &mut y).is_err());
    assert!(matrix.dequantize_row(2, &mut [0.0; 32]).is_err());
    assert!(matrix.dequantize_row(1, &mut [0.0; 31]).is_err());
    assert_eq!(y, [7.0; 2]);
    matrix.matmul(&[], 0, &mut []).unwrap();
}

#[test]
fn chunks_cover_all_rows_within_their_limit() {
    for format in FORMATS {
        for level in Level::available() {
            for m in [1, 2, 5, 13, 100, 263] {
                let x = Quantized::new(level, &vec![1.0; m * 256], m, format);
                let rows = (0..x.chunks()).map(|c| {
                    let chunk: Chunk<'_> = x.chunk(c);
                    assert!((1..=level.chunk_rows(format)).contains(&chunk.rows));
                    chunk.rows
                });
                assert_eq!(rows.sum::<usize>(), m * x.parts());
            }
        }
    }
}
