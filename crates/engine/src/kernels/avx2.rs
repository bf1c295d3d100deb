//! The kernels for AVX2.
//!
//! A tile is read in two halves of eight rows. The products of unsigned and signed bytes are added in pairs to 16 bits:
//! the sums of Q4K fit, and Q8_0 multiplies magnitudes of W with x that took over the signs.

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadu_si128, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtph_ps, _mm256_fmadd_ps,
    _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_slli_epi32, _mm256_srli_epi16,
    _mm256_srli_epi32, _mm256_storeu_ps, _mm256_xor_si256,
};

use half::f16;

use super::activations::{self, Chunk, Target};
use super::q4k::TileQ4k;
use super::q8_0::TileQ8;
use super::{BlockFormat, TILE_ROWS};

/// [`activations::quantize_row`] in wide registers.
#[target_feature(enable = "avx2,fma")]
pub(super) fn quantize_row(x: &[f32], format: BlockFormat, target: &mut Target<'_>) {
    activations::quantize_row(x, format, target);
}

/// Calls a kernel compiled for the chunk's number of rows.
macro_rules! by_rows {
    ($kernel:ident, $tiles:expr, $chunk:expr, $out:expr) => {
        match $chunk.rows {
            1 => $kernel::<1>($tiles, $chunk, $out),
            2 => $kernel::<2>($tiles, $chunk, $out),
            3 => $kernel::<3>($tiles, $chunk, $out),
            4 => $kernel::<4>($tiles, $chunk, $out),
            _ => {}
        }
    };
}

pub(super) use by_rows;

/// One row of Q8_0 tiles times a chunk of at most 4 rows of x.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q8_0(tiles: &[TileQ8], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    by_rows!(q8_0_rows, tiles, chunk, out);
}

/// One row of Q4K tiles times a chunk of at most 4 rows of x.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4k(tiles: &[TileQ4k], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    by_rows!(q4k_rows, tiles, chunk, out);
}

/// Four values of x in every lane.
///
/// # Safety
/// Four bytes can be read at `x`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn four(x: *const i8) -> __m256i {
    // SAFETY: the caller's promise.
    _mm256_set1_epi32(unsafe { x.cast::<i32>().read_unaligned() })
}

/// Four values of each of eight rows of W.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn group(w: &[[u8; 4]; TILE_ROWS], half: usize) -> __m256i {
    let rows = &w[half * 8..half * 8 + 8];
    // SAFETY: eight rows of four bytes.
    unsafe { _mm256_loadu_si256(rows.as_ptr().cast()) }
}

/// Eight f16 values as f32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn halves(d: &[f16; TILE_ROWS], half: usize) -> __m256 {
    let rows = &d[half * 8..half * 8 + 8];
    // SAFETY: eight rows of two bytes.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(rows.as_ptr().cast()) })
}

/// Pairs of bytes of eight rows as pairs of 16-bit integers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn pairs(bytes: &[[u8; 2]; TILE_ROWS], half: usize) -> __m256i {
    let rows = &bytes[half * 8..half * 8 + 8];
    // SAFETY: eight rows of two bytes.
    _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(rows.as_ptr().cast()) })
}

/// Adds `value * scale` to one half of a row of sums.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn accumulate(out: &mut [f32; TILE_ROWS], half: usize, value: __m256, scale: f32) {
    let out = &mut out[half * 8..half * 8 + 8];
    // SAFETY: eight sums of four bytes.
    unsafe {
        let total = _mm256_loadu_ps(out.as_ptr());
        let total = _mm256_fmadd_ps(value, _mm256_set1_ps(scale), total);
        _mm256_storeu_ps(out.as_mut_ptr(), total);
    }
}

/// Checks what the pointers into a chunk of `M` rows rely on.
pub(super) fn check<const M: usize>(
    chunk: Chunk<'_>,
    blocks: usize,
    block_len: usize,
    sums: usize,
) {
    assert!(
        chunk.quants.len() >= blocks * M * block_len
            && chunk.scales.len() >= blocks * M
            && chunk.sums.len() >= blocks * M * sums
    );
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q8_0_rows<const M: usize>(tiles: &[TileQ8], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    check::<M>(chunk, tiles.len(), 32, 1);
    let out = &mut out[..M];
    out.fill([0.0; TILE_ROWS]);
    let offset = _mm256_set1_epi8(-128);
    let ones = _mm256_set1_epi16(1);
    for (block, tile) in tiles.iter().enumerate() {
        let x = chunk.quants[block * M * 32..][..M * 32].as_ptr();
        for half in 0..2 {
            let mut sums = [_mm256_setzero_si256(); M];
            for g in 0..8 {
                let w = _mm256_xor_si256(group(&tile.quants[g], half), offset);
                let magnitude = _mm256_abs_epi8(w);
                for row in 0..M {
                    // SAFETY: row < M and g < 8, so the four bytes end within the M * 32 that x begins.
                    let x = unsafe { four(x.add(row * 32 + g * 4)) };
                    // At most 2 * 128 * 127: no saturation.
                    let products = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
                    sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(products, ones));
                }
            }
            let d = halves(&tile.d, half);
            for row in 0..M {
                let value = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[row]), d);
                accumulate(&mut out[row], half, value, chunk.scales[block * M + row]);
            }
        }
    }
}

/// Ends a Q4K block: the scaled sums less the minima, for eight rows of W.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4k_end<const M: usize>(
    tile: &TileQ4k,
    half: usize,
    scaled: &[__m256i; M],
    x_sums: &[i32],
    scales: &[f32],
    out: &mut [[f32; TILE_ROWS]],
) {
    let mut minima = [_mm256_setzero_si256(); M];
    for p in 0..4 {
        let mins = pairs(&tile.mins[p], half);
        for row in 0..M {
            let sums = _mm256_set1_epi32(x_sums[row * 4 + p]);
            minima[row] = _mm256_add_epi32(minima[row], _mm256_madd_epi16(mins, sums));
        }
    }
    let (d, dmin) = (halves(&tile.d, half), halves(&tile.dmin, half));
    for row in 0..M {
        let value = _mm256_mul_ps(_mm256_cvtepi32_ps(scaled[row]), d);
        let value = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(minima[row]), dmin, value);
        accumulate(&mut out[row], half, value, scales[row]);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q4k_rows<const M: usize>(tiles: &[TileQ4k], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    check::<M>(chunk, tiles.len(), 256, 4);
    let out = &mut out[..M];
    out.fill([0.0; TILE_ROWS]);
    let nibble = _mm256_set1_epi8(15);
    let first = _mm256_set1_epi32(0xffff);
    for (block, tile) in tiles.iter().enumerate() {
        let x = chunk.quants[block * M * 256..][..M * 256].as_ptr();
        for half in 0..2 {
            let mut scaled = [_mm256_setzero_si256(); M];
            for p in 0..4 {
                let both = pairs(&tile.scales[p], half);
                for part in 0..2 {
                    let mut sums = [_mm256_setzero_si256(); M];
                    for g in 0..8 {
                        let w = group(&tile.quants[p * 8 + g], half);
                        let w = if part == 0 {
                            w
                        } else {
                            _mm256_srli_epi16::<4>(w)
                        };
                        let w = _mm256_and_si256(w, nibble);
                        for row in 0..M {
                            // SAFETY: row < M, p < 4, part < 2 and g < 8: within the M * 256 that x begins.
                            let x = unsafe { four(x.add(row * 256 + p * 64 + part * 32 + g * 4)) };
                            let products = _mm256_maddubs_epi16(w, x);
                            sums[row] = _mm256_add_epi16(sums[row], products);
                        }
                    }
                    let scale = if part == 0 {
                        let scale = _mm256_and_si256(both, first);
                        _mm256_or_si256(scale, _mm256_slli_epi32::<16>(scale))
                    } else {
                        let scale = _mm256_srli_epi32::<16>(both);
                        _mm256_or_si256(scale, _mm256_slli_epi32::<16>(scale))
                    };
                    for row in 0..M {
                        let products = _mm256_madd_epi16(sums[row], scale);
                        scaled[row] = _mm256_add_epi32(scaled[row], products);
                    }
                }
            }
            let x_sums = &chunk.sums[block * M * 4..][..M * 4];
            let scales = &chunk.scales[block * M..][..M];
            q4k_end(tile, half, &scaled, x_sums, scales, out);
        }
    }
}
