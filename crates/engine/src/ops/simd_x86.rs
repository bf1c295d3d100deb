//! The vectors of x86-64.

use std::arch::x86_64::*;

use half::f16;

use super::simd::{Kernel, Simd};

/// AVX-512F: sixteen lanes.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, where this CPU has the instructions.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")).then_some(Self(()))
    }

    /// Runs a kernel compiled for this width.
    pub fn run<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx512f")]
        fn inner<K: Kernel>(kernel: K, simd: Avx512) {
            kernel.run(simd);
        }
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { inner(kernel, self) }
    }
}

impl Simd for Avx512 {
    type V = __m512;
    const N: usize = 16;
    const TILE: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::V {
        let x = &x[..Self::N];
        // SAFETY: as above; the slice holds a whole vector.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn load_f16(self, x: &[f16]) -> Self::V {
        let x = &x[..Self::N];
        // SAFETY: as above; the slice holds half a vector.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32]) {
        let to = &mut to[..Self::N];
        // SAFETY: as above; the slice holds a whole vector.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_f16(self, v: Self::V, to: &mut [f16]) {
        let to = &mut to[..Self::N];
        // SAFETY: as above; the slice holds half a vector.
        unsafe {
            let narrow = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), narrow);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_roundscale_ps::<0>(a) }
    }
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_scalef_ps(a, n) }
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    fn greatest(self, a: Self::V) -> f32 {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm512_reduce_max_ps(a) }
    }
}

/// AVX2 with FMA and F16C: eight lanes.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, where this CPU has the instructions.
    pub fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        all.then_some(Self(()))
    }

    /// Runs a kernel compiled for this width.
    pub fn run<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn inner<K: Kernel>(kernel: K, simd: Avx2) {
            kernel.run(simd);
        }
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { inner(kernel, self) }
    }
}

impl Simd for Avx2 {
    type V = __m256;
    const N: usize = 8;
    const TILE: usize = 2;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::V {
        let x = &x[..Self::N];
        // SAFETY: as above; the slice holds a whole vector.
        unsafe { _mm256_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn load_f16(self, x: &[f16]) -> Self::V {
        let x = &x[..Self::N];
        // SAFETY: as above; the slice holds half a vector.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32]) {
        let to = &mut to[..Self::N];
        // SAFETY: as above; the slice holds a whole vector.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_f16(self, v: Self::V, to: &mut [f16]) {
        let to = &mut to[..Self::N];
        // SAFETY: as above; the slice holds half a vector.
        unsafe {
            let narrow = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v);
            _mm_storeu_si128(to.as_mut_ptr().cast(), narrow);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        // SAFETY: a value of this type is the proof that the CPU has these instructions.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        let mut x = [0.0; 8];
        self.store(a, &mut x);
        ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]))
    }
    #[inline(always)]
    fn greatest(self, a: Self::V) -> f32 {
        let mut x = [0.0; 8];
        self.store(a, &mut x);
        x.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
