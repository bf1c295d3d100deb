//! Products of many rows with bf16 weights by the bf16 dot products of AVX-512: x is rounded to bf16 too, and sums are
//! f32, as other programs compute in bf16. Twice the multiplications per instruction of f32.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use half::bf16;
use rayon::prelude::*;

use super::spread::{Shared, spread};

/// Rows of W that a block multiplies with: two registers of 16 sums.
const LANES: usize = 32;
/// Rows of x in a block; with two sums each, 24 registers.
const ROWS: usize = 12;
/// Pairs of columns of W that are laid out at once: with the lanes, half of a first cache.
const PANEL: usize = 128;
/// Rows of W that a thread works on at once.
const SLAB_ROWS: usize = 256;

/// Two neighbouring values of a row.
type Pair = [bf16; 2];

/// y = x Wᵀ: x `[m, cols]`, `out` `[m, rows]`; m and the lengths as the caller has checked them.
///
/// # Safety
/// The CPU has AVX-512 with bf16.
pub(super) unsafe fn product(
    weights: &[bf16],
    (rows, cols): (usize, usize),
    x: &[f32],
    out: Shared<'_>,
) {
    let (m, pairs) = (x.len() / cols, cols.div_ceil(2));
    let x = rounded(x, cols);
    let pieces = rayon::current_num_threads() * 3;
    let slab = rows.div_ceil(pieces).next_multiple_of(LANES);
    let slab = slab.min(SLAB_ROWS);
    let cost = x.len().saturating_mul(rows);
    spread(1, x.len() * 4, rows.div_ceil(slab), cost, |_, slabs| {
        let mut panel = vec![[[bf16::ZERO; 2]; LANES]; slab / LANES * PANEL];
        let mut y = vec![[0.0f32; LANES]; m * slab / LANES];
        for index in slabs {
            let first = index * slab;
            let count = slab.min(rows - first);
            y.fill([0.0; LANES]);
            for from in (0..pairs).step_by(PANEL) {
                let width = PANEL.min(pairs - from);
                for group in 0..count.div_ceil(LANES) {
                    let panel = &mut panel[group * PANEL..][..width];
                    for lane in 0..LANES {
                        let row = first + group * LANES + lane;
                        let row = weights.get(row * cols..(row + 1) * cols);
                        lay_out(row.unwrap_or_default(), from, lane, panel);
                    }
                }
                for row in (0..m).step_by(ROWS) {
                    let x = &x[row * pairs + from..];
                    for group in 0..count.div_ceil(LANES) {
                        let panel = &panel[group * PANEL..][..width];
                        let y = &mut y[group * m + row..];
                        // SAFETY: the caller's promise.
                        unsafe { rows_of(ROWS.min(m - row), x, pairs, panel, y) };
                    }
                }
            }
            for row in 0..m {
                for group in 0..count.div_ceil(LANES) {
                    let width = LANES.min(count - group * LANES);
                    let at = row * rows + first + group * LANES;
                    // SAFETY: every slab of rows is worked on once, and owns these places.
                    unsafe { out.write(at, &y[group * m + row][..width]) };
                }
            }
        }
    });
}

/// x in bf16, rows of whole pairs.
fn rounded(x: &[f32], cols: usize) -> Vec<Pair> {
    let pairs = cols.div_ceil(2);
    let mut rounded = vec![[bf16::ZERO; 2]; x.len() / cols * pairs];
    rounded
        .par_chunks_mut(pairs)
        .zip(x.par_chunks(cols))
        .for_each(|(to, from)| {
            for (to, from) in to.iter_mut().zip(from.chunks(2)) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = bf16::from_f32(*from);
                }
            }
        });
    rounded
}

/// Writes a row's pairs from `from` on into one lane of a panel; beyond the row's end they are 0.
fn lay_out(row: &[bf16], from: usize, lane: usize, panel: &mut [[Pair; LANES]]) {
    let row = row.get(2 * from..).unwrap_or_default();
    let (whole, last) = row.as_chunks::<2>();
    let last = last.iter().map(|value| [*value, bf16::ZERO]);
    let values = whole.iter().copied().chain(last);
    let padded = values.chain(std::iter::repeat([bf16::ZERO; 2]));
    for (to, pair) in panel.iter_mut().zip(padded) {
        to[lane] = pair;
    }
}

/// `count` rows of x, at most [`ROWS`], times a panel, added to y.
#[target_feature(enable = "avx512f,avx512bf16")]
fn rows_of(
    count: usize,
    x: &[Pair],
    stride: usize,
    panel: &[[Pair; LANES]],
    y: &mut [[f32; LANES]],
) {
    let mut row = 0;
    while row < count {
        let (x, y) = (&x[row * stride..], &mut y[row..]);
        row += match count - row {
            12.. => block::<12>(x, stride, panel, y),
            8..12 => block::<8>(x, stride, panel, y),
            4..8 => block::<4>(x, stride, panel, y),
            _ => block::<1>(x, stride, panel, y),
        };
    }
}

/// `M` rows of x times a panel, added to y; returns `M`.
#[target_feature(enable = "avx512f,avx512bf16")]
fn block<const M: usize>(
    x: &[Pair],
    stride: usize,
    panel: &[[Pair; LANES]],
    y: &mut [[f32; LANES]],
) -> usize {
    assert!(x.len() >= (M - 1) * stride + panel.len() && y.len() >= M);
    let mut sums = [[_mm512_setzero_ps(); 2]; M];
    for row in 0..M {
        // SAFETY: a row of y is 128 bytes.
        sums[row] = unsafe {
            let y = y[row].as_ptr();
            [_mm512_loadu_ps(y), _mm512_loadu_ps(y.add(16))]
        };
    }
    for (at, w) in panel.iter().enumerate() {
        // SAFETY: the lanes are 128 bytes.
        let w = unsafe {
            let w = w.as_ptr();
            [
                as_bf16(_mm512_loadu_si512(w.cast())),
                as_bf16(_mm512_loadu_si512(w.add(16).cast())),
            ]
        };
        for row in 0..M {
            // SAFETY: (M - 1) * stride + the panel's length lie within x.
            let pair = unsafe {
                x.as_ptr()
                    .add(row * stride + at)
                    .cast::<i32>()
                    .read_unaligned()
            };
            let pair = as_bf16(_mm512_set1_epi32(pair));
            sums[row] = [
                _mm512_dpbf16_ps(sums[row][0], pair, w[0]),
                _mm512_dpbf16_ps(sums[row][1], pair, w[1]),
            ];
        }
    }
    for row in 0..M {
        // SAFETY: a row of y is 128 bytes.
        unsafe {
            let y = y[row].as_mut_ptr();
            _mm512_storeu_ps(y, sums[row][0]);
            _mm512_storeu_ps(y.add(16), sums[row][1]);
        }
    }
    M
}

/// The same bits, seen as pairs of bf16.
#[inline]
#[target_feature(enable = "avx512f")]
fn as_bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, and every pattern of bits is a value.
    unsafe { std::mem::transmute(bits) }
}
