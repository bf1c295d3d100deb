//! The kernels for AVX-512 with VNNI.
//!
//! A register holds four values of each of 16 rows of W; one instruction multiplies them with four values of one row of
//! x, which every lane reads from the same address. Those multiply units are the limit, so whatever else needs them is
//! kept rare: Q4K scales two 16-bit sums with one instruction.

use std::arch::x86_64::{
    __m512, __m512i, _mm256_loadu_si256, _mm512_and_si512, _mm512_cvtepi32_ps,
    _mm512_cvtepu8_epi16, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_permutex2var_epi16, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_srli_epi16, _mm512_storeu_ps,
};

use half::f16;

use super::TILE_ROWS;
use super::activations::Chunk;
use super::q4k::TileQ4k;
use super::q8_0::TileQ8;

/// One row of Q8_0 tiles times a chunk of at most 12 rows of x.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn q8_0(tiles: &[TileQ8], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    match chunk.rows {
        1 => q8_0_rows::<1>(tiles, chunk, out),
        2 => q8_0_rows::<2>(tiles, chunk, out),
        3 => q8_0_rows::<3>(tiles, chunk, out),
        4 => q8_0_rows::<4>(tiles, chunk, out),
        5 => q8_0_rows::<5>(tiles, chunk, out),
        6 => q8_0_rows::<6>(tiles, chunk, out),
        7 => q8_0_rows::<7>(tiles, chunk, out),
        8 => q8_0_rows::<8>(tiles, chunk, out),
        9 => q8_0_rows::<9>(tiles, chunk, out),
        10 => q8_0_rows::<10>(tiles, chunk, out),
        11 => q8_0_rows::<11>(tiles, chunk, out),
        12 => q8_0_rows::<12>(tiles, chunk, out),
        _ => {}
    }
}

/// One row of Q4K tiles times a chunk of at most 8 rows of x.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn q4k(tiles: &[TileQ4k], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    match chunk.rows {
        1 => q4k_rows::<1>(tiles, chunk, out),
        2 => q4k_rows::<2>(tiles, chunk, out),
        3 => q4k_rows::<3>(tiles, chunk, out),
        4 => q4k_rows::<4>(tiles, chunk, out),
        5 => q4k_rows::<5>(tiles, chunk, out),
        6 => q4k_rows::<6>(tiles, chunk, out),
        7 => q4k_rows::<7>(tiles, chunk, out),
        8 => q4k_rows::<8>(tiles, chunk, out),
        _ => {}
    }
}

/// Four values of x in every lane.
///
/// # Safety
/// Four bytes can be read at `x`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn four(x: *const i8) -> __m512i {
    // SAFETY: the caller's promise.
    _mm512_set1_epi32(unsafe { x.cast::<i32>().read_unaligned() })
}

/// Four values of each row of W.
#[inline]
#[target_feature(enable = "avx512f")]
fn group(w: &[[u8; 4]; TILE_ROWS]) -> __m512i {
    // SAFETY: the array is 64 bytes.
    unsafe { _mm512_loadu_si512(w.as_ptr().cast()) }
}

/// Sixteen f16 values as f32.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves(d: &[f16; TILE_ROWS]) -> __m512 {
    // SAFETY: the array is 32 bytes.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(d.as_ptr().cast()) })
}

/// Pairs of bytes as pairs of 16-bit integers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn pairs(bytes: &[[u8; 2]; TILE_ROWS]) -> __m512i {
    // SAFETY: the array is 32 bytes.
    _mm512_cvtepu8_epi16(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q8_0_rows<const M: usize>(tiles: &[TileQ8], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    assert!(
        chunk.quants.len() >= tiles.len() * M * 32
            && chunk.scales.len() >= tiles.len() * M
            && chunk.sums.len() >= tiles.len() * M
    );
    let mut total = [_mm512_setzero_ps(); M];
    for (block, tile) in tiles.iter().enumerate() {
        let scales = &chunk.scales[block * M..][..M];
        let starts = &chunk.sums[block * M..][..M];
        let x = chunk.quants[block * M * 32..][..M * 32].as_ptr();
        let mut sums = [_mm512_setzero_si512(); M];
        for row in 0..M {
            sums[row] = _mm512_set1_epi32(starts[row]);
        }
        for g in 0..8 {
            let w = group(&tile.quants[g]);
            for row in 0..M {
                // SAFETY: row < M and g < 8, so the four bytes end within the M * 32 that x begins.
                let x = unsafe { four(x.add(row * 32 + g * 4)) };
                sums[row] = _mm512_dpbusd_epi32(sums[row], w, x);
            }
        }
        let d = halves(&tile.d);
        for row in 0..M {
            let value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[row]), d);
            total[row] = _mm512_fmadd_ps(value, _mm512_set1_ps(scales[row]), total[row]);
        }
    }
    for (out, total) in out[..M].iter_mut().zip(total) {
        // SAFETY: the row is 64 bytes.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), total) };
    }
}

/// Picks the low halves of the lanes of two registers, so that they stand as pairs.
const INTERLEAVE: [u16; 32] = {
    let mut index = [0; 32];
    let mut lane = 0;
    while lane < 16 {
        index[2 * lane] = 2 * lane as u16;
        index[2 * lane + 1] = 32 + 2 * lane as u16;
        lane += 1;
    }
    index
};

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4k_rows<const M: usize>(tiles: &[TileQ4k], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    assert!(
        chunk.quants.len() >= tiles.len() * M * 256
            && chunk.scales.len() >= tiles.len() * M
            && chunk.sums.len() >= tiles.len() * M * 4
    );
    let out = &mut out[..M];
    out.fill([0.0; TILE_ROWS]);
    let nibble = _mm512_set1_epi8(15);
    // SAFETY: the array is 64 bytes.
    let interleave = unsafe { _mm512_loadu_si512(INTERLEAVE.as_ptr().cast()) };
    for (block, tile) in tiles.iter().enumerate() {
        let x = chunk.quants[block * M * 256..][..M * 256].as_ptr();
        let mut scaled = [_mm512_setzero_si512(); M];
        for p in 0..4 {
            let mut low = [_mm512_setzero_si512(); M];
            let mut high = [_mm512_setzero_si512(); M];
            for g in 0..8 {
                let w = group(&tile.quants[p * 8 + g]);
                let w_low = _mm512_and_si512(w, nibble);
                let w_high = _mm512_and_si512(_mm512_srli_epi16::<4>(w), nibble);
                for row in 0..M {
                    // SAFETY: row < M, p < 4 and g < 8, so all bytes lie within the M * 256 that x begins.
                    let (x_low, x_high) = unsafe {
                        let x = x.add(row * 256 + p * 64 + g * 4);
                        (four(x), four(x.add(32)))
                    };
                    low[row] = _mm512_dpbusd_epi32(low[row], w_low, x_low);
                    high[row] = _mm512_dpbusd_epi32(high[row], w_high, x_high);
                }
            }
            let scales = pairs(&tile.scales[p]);
            for row in 0..M {
                // Sums of 32 products fit in 16 bits; the rounding of x sees to that.
                let sums = _mm512_permutex2var_epi16(low[row], interleave, high[row]);
                scaled[row] = _mm512_dpwssd_epi32(scaled[row], sums, scales);
            }
        }
        let x_sums = &chunk.sums[block * M * 4..][..M * 4];
        let mut minima = [_mm512_setzero_si512(); M];
        for p in 0..4 {
            let mins = pairs(&tile.mins[p]);
            for row in 0..M {
                let sums = _mm512_set1_epi32(x_sums[row * 4 + p]);
                minima[row] = _mm512_dpwssd_epi32(minima[row], mins, sums);
            }
        }
        let scales = &chunk.scales[block * M..][..M];
        let (d, dmin) = (halves(&tile.d), halves(&tile.dmin));
        for row in 0..M {
            let value = _mm512_mul_ps(_mm512_cvtepi32_ps(scaled[row]), d);
            let value = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(minima[row]), dmin, value);
            // SAFETY: the row is 64 bytes.
            unsafe {
                let total = _mm512_loadu_ps(out[row].as_ptr());
                let total = _mm512_fmadd_ps(value, _mm512_set1_ps(scales[row]), total);
                _mm512_storeu_ps(out[row].as_mut_ptr(), total);
            }
        }
    }
}
