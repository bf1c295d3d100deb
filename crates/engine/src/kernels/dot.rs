//! Dot products of half-precision rows with f32 rows: four rows of W with one to four rows of x, so that a converted
//! weight is used for every row of x and a loaded x for every row of W.

use half::{bf16, f16};

/// Rows of W at a time.
pub(super) const W_ROWS: usize = 4;
/// Rows of x at a time, at most.
pub(super) const X_ROWS: usize = 4;

/// The products, per row of x and row of W.
pub(super) type Sums = [[f32; W_ROWS]; X_ROWS];

/// A number that widens to f32 without loss.
pub(super) trait Half: Copy {
    /// The number as f32.
    fn wide(self) -> f32;
}

impl Half for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }
}

impl Half for f16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }
}

/// The products in plain Rust; `x` is one to four rows of the length of a row of W.
pub(super) fn portable<T: Half>(w: [&[T]; W_ROWS], x: &[f32], sums: &mut Sums) {
    for (x, sums) in x.chunks_exact(w[0].len()).zip(sums) {
        for (w, sum) in w.iter().zip(sums) {
            let mut lanes = [0.0f32; 16];
            let (w, w_rest) = w.as_chunks::<16>();
            let (x, x_rest) = x.as_chunks::<16>();
            for (w, x) in w.iter().zip(x) {
                for ((lane, w), x) in lanes.iter_mut().zip(w).zip(x) {
                    *lane += w.wide() * x;
                }
            }
            let rest: f32 = w_rest.iter().zip(x_rest).map(|(w, x)| w.wide() * x).sum();
            *sum = lanes.iter().sum::<f32>() + rest;
        }
    }
}

/// A kernel for one instruction set and one kind of weight, with the names of its intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel {
    (
        $(#[$doc:meta])* $name:ident, $one:ident, $rows:ident, $features:literal, $half:ty, $lanes:literal,
        $load_w:expr, $load:ident, $zero:ident, $fma:ident, $reduce:expr
    ) => {
        $(#[$doc])*
        #[target_feature(enable = $features)]
        pub(in super::super) fn $name(w: [&[$half]; W_ROWS], x: &[f32], sums: &mut Sums) {
            match x.len() / w[0].len() {
                1 => $one(w, x, sums),
                2 => $rows::<2>(w, x, sums),
                3 => $rows::<3>(w, x, sums),
                4 => $rows::<4>(w, x, sums),
                _ => {}
            }
        }

        /// One row of x: row after row of W, for memory is fastest when it is read in order.
        #[target_feature(enable = $features)]
        fn $one(w: [&[$half]; W_ROWS], x: &[f32], sums: &mut Sums) {
            const PARTS: usize = 4;
            for (w, sum) in w.iter().zip(&mut sums[0]) {
                let k = w.len().min(x.len());
                let whole = k - k % (PARTS * $lanes);
                let mut lanes = [$zero(); PARTS];
                for at in (0..whole).step_by(PARTS * $lanes) {
                    for (part, lanes) in lanes.iter_mut().enumerate() {
                        let at = at + part * $lanes;
                        // SAFETY: at + the number of lanes <= whole <= k, which w and x hold.
                        unsafe {
                            let wide = $load_w(w.as_ptr().add(at));
                            *lanes = $fma(wide, $load(x.as_ptr().add(at)), *lanes);
                        }
                    }
                }
                let rest = w[whole..].iter().zip(&x[whole..]);
                *sum = rest.map(|(w, x)| w.to_f32() * x).sum();
                for lanes in lanes {
                    *sum += $reduce(lanes);
                }
            }
        }

        #[target_feature(enable = $features)]
        fn $rows<const M: usize>(w: [&[$half]; W_ROWS], x: &[f32], sums: &mut Sums) {
            let k = w[0].len();
            assert!(w.iter().all(|row| row.len() == k) && x.len() >= M * k);
            let whole = k - k % $lanes;
            let mut lanes = [[$zero(); W_ROWS]; M];
            for at in (0..whole).step_by($lanes) {
                // SAFETY: at + the number of lanes <= k, which each row of W holds, and x holds M times.
                unsafe {
                    let mut wide = [$zero(); W_ROWS];
                    for (wide, row) in wide.iter_mut().zip(&w) {
                        *wide = $load_w(row.as_ptr().add(at));
                    }
                    for (row, lanes) in lanes.iter_mut().enumerate() {
                        let x = $load(x.as_ptr().add(row * k + at));
                        for (lanes, wide) in lanes.iter_mut().zip(wide) {
                            *lanes = $fma(wide, x, *lanes);
                        }
                    }
                }
            }
            for (row, (sums, lanes)) in sums.iter_mut().zip(lanes).enumerate() {
                let x = &x[row * k + whole..(row + 1) * k];
                for ((sum, lanes), w) in sums.iter_mut().zip(lanes).zip(&w) {
                    let rest = w[whole..].iter().zip(x);
                    *sum = $reduce(lanes) + rest.map(|(w, x)| w.to_f32() * x).sum::<f32>();
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    //! The same for AVX2 and AVX-512.

    use std::arch::x86_64::{
        __m256, __m512, _mm_loadu_si128, _mm256_castsi256_ps, _mm256_cvtepu16_epi32,
        _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_setzero_ps,
        _mm256_slli_epi32, _mm256_storeu_ps, _mm512_castsi512_ps, _mm512_cvtepu16_epi32,
        _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_reduce_add_ps, _mm512_setzero_ps,
        _mm512_slli_epi32,
    };

    use half::{bf16, f16};

    use super::{Sums, W_ROWS};

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn bf16_512(w: *const bf16) -> __m512 {
        // SAFETY: the caller can read 16 values. A bf16 is the upper half of an f32.
        let bits = unsafe { _mm256_loadu_si256(w.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn f16_512(w: *const f16) -> __m512 {
        // SAFETY: the caller can read 16 values.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(w.cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn bf16_256(w: *const bf16) -> __m256 {
        // SAFETY: the caller can read 8 values. A bf16 is the upper half of an f32.
        let bits = unsafe { _mm_loadu_si128(w.cast()) };
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn f16_256(w: *const f16) -> __m256 {
        // SAFETY: the caller can read 8 values.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(w.cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_256(lanes: __m256) -> f32 {
        let mut out = [0.0; 8];
        // SAFETY: eight values of four bytes.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), lanes) };
        out.iter().sum()
    }

    kernel!(
        /// bf16 with AVX-512.
        bf16_avx512, bf16_one_avx512, bf16_rows_avx512, "avx512f,avx2,fma", bf16, 16,
        bf16_512, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps
    );
    kernel!(
        /// f16 with AVX-512.
        f16_avx512, f16_one_avx512, f16_rows_avx512, "avx512f,avx2,fma,f16c", f16, 16,
        f16_512, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps
    );
    kernel!(
        /// bf16 with AVX2.
        bf16_avx2, bf16_one_avx2, bf16_rows_avx2, "avx2,fma", bf16, 8,
        bf16_256, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_fmadd_ps, add_256
    );
    kernel!(
        /// f16 with AVX2.
        f16_avx2, f16_one_avx2, f16_rows_avx2, "avx2,fma,f16c", f16, 8,
        f16_256, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_fmadd_ps, add_256
    );
}
