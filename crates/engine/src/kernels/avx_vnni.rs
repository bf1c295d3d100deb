//! The kernels for AVX2 with the 8-bit dot products of AVX-VNNI: the halves of `avx2`, the sums of `avx512`.

/// The kernels of one encoding of the dot products.
macro_rules! kernels {
    ($name:ident, $features:literal, $dpbusd:ident, $dpwssd:ident) => {
        pub(super) mod $name {
            use std::arch::x86_64::{
                _mm256_and_si256, _mm256_blend_epi16, _mm256_cvtepi32_ps, _mm256_mul_ps,
                _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32,
                _mm256_srli_epi16, $dpbusd, $dpwssd,
            };

            use super::super::TILE_ROWS;
            use super::super::activations::Chunk;
            use super::super::avx2::{
                accumulate, by_rows, check, four, group, halves, pairs, q4k_end,
            };
            use super::super::q4k::TileQ4k;
            use super::super::q8_0::TileQ8;

            /// One row of Q8_0 tiles times a chunk of at most 4 rows of x.
            #[target_feature(enable = $features)]
            pub(in super::super) fn q8_0(
                tiles: &[TileQ8],
                chunk: Chunk<'_>,
                out: &mut [[f32; TILE_ROWS]],
            ) {
                by_rows!(q8_0_rows, tiles, chunk, out);
            }

            /// One row of Q4K tiles times a chunk of at most 4 rows of x.
            #[target_feature(enable = $features)]
            pub(in super::super) fn q4k(
                tiles: &[TileQ4k],
                chunk: Chunk<'_>,
                out: &mut [[f32; TILE_ROWS]],
            ) {
                by_rows!(q4k_rows, tiles, chunk, out);
            }

            #[target_feature(enable = $features)]
            fn q8_0_rows<const M: usize>(
                tiles: &[TileQ8],
                chunk: Chunk<'_>,
                out: &mut [[f32; TILE_ROWS]],
            ) {
                check::<M>(chunk, tiles.len(), 32, 1);
                let out = &mut out[..M];
                out.fill([0.0; TILE_ROWS]);
                for (block, tile) in tiles.iter().enumerate() {
                    let x = chunk.quants[block * M * 32..][..M * 32].as_ptr();
                    for half in 0..2 {
                        let mut sums = [_mm256_setzero_si256(); M];
                        for row in 0..M {
                            sums[row] = _mm256_set1_epi32(chunk.sums[block * M + row]);
                        }
                        for g in 0..8 {
                            let w = group(&tile.quants[g], half);
                            for row in 0..M {
                                // SAFETY: row < M and g < 8, so the four bytes end within the M * 32 that x begins.
                                let x = unsafe { four(x.add(row * 32 + g * 4)) };
                                sums[row] = $dpbusd(sums[row], w, x);
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

            #[target_feature(enable = $features)]
            fn q4k_rows<const M: usize>(
                tiles: &[TileQ4k],
                chunk: Chunk<'_>,
                out: &mut [[f32; TILE_ROWS]],
            ) {
                check::<M>(chunk, tiles.len(), 256, 4);
                let out = &mut out[..M];
                out.fill([0.0; TILE_ROWS]);
                let nibble = _mm256_set1_epi8(15);
                for (block, tile) in tiles.iter().enumerate() {
                    let x = chunk.quants[block * M * 256..][..M * 256].as_ptr();
                    for half in 0..2 {
                        let mut scaled = [_mm256_setzero_si256(); M];
                        for p in 0..4 {
                            let mut low = [_mm256_setzero_si256(); M];
                            let mut high = [_mm256_setzero_si256(); M];
                            for g in 0..8 {
                                let w = group(&tile.quants[p * 8 + g], half);
                                let w_low = _mm256_and_si256(w, nibble);
                                let w_high = _mm256_and_si256(_mm256_srli_epi16::<4>(w), nibble);
                                for row in 0..M {
                                    // SAFETY: row < M, p < 4 and g < 8, so all bytes lie within the M * 256 that x begins.
                                    let (x_low, x_high) = unsafe {
                                        let x = x.add(row * 256 + p * 64 + g * 4);
                                        (four(x), four(x.add(32)))
                                    };
                                    low[row] = $dpbusd(low[row], w_low, x_low);
                                    high[row] = $dpbusd(high[row], w_high, x_high);
                                }
                            }
                            let scales = pairs(&tile.scales[p], half);
                            for row in 0..M {
                                // Sums of 32 products fit in 16 bits; the rounding of x sees to that.
                                let high = _mm256_slli_epi32::<16>(high[row]);
                                let sums = _mm256_blend_epi16::<0b1010_1010>(low[row], high);
                                scaled[row] = $dpwssd(scaled[row], sums, scales);
                            }
                        }
                        let x_sums = &chunk.sums[block * M * 4..][..M * 4];
                        let scales = &chunk.scales[block * M..][..M];
                        q4k_end(tile, half, &scaled, x_sums, scales, out);
                    }
                }
            }
        }
    };
}

kernels!(
    avx,
    "avx2,fma,f16c,avxvnni",
    _mm256_dpbusd_avx_epi32,
    _mm256_dpwssd_avx_epi32
);

// The same instructions as AVX-512 encodes them, so that CPUs without AVX-VNNI can test the code above.
#[cfg(test)]
kernels!(
    evex,
    "avx2,fma,f16c,avx512vnni,avx512vl",
    _mm256_dpbusd_epi32,
    _mm256_dpwssd_epi32
);
