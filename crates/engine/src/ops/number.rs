//! The dtypes that keys and values are held in.

use candle_core::WithDType;
use half::f16;

use super::simd::Simd;

/// A number that the kernels compute with as f32.
pub trait Number: WithDType {
    /// The first `N` of `x`.
    fn load<S: Simd>(s: S, x: &[Self]) -> S::V;
    /// `x` as f32: where it lies, or in `buffer`, which is as long.
    fn widened<'a, S: Simd>(s: S, x: &'a [Self], buffer: &'a mut [f32]) -> &'a [f32];
    /// Writes `x` to `to`, which is as long.
    fn write<S: Simd>(s: S, x: &[f32], to: &mut [Self]);
    /// One as f32.
    fn wide(self) -> f32;
}

impl Number for f32 {
    #[inline(always)]
    fn load<S: Simd>(s: S, x: &[Self]) -> S::V {
        s.load(x)
    }
    #[inline(always)]
    fn widened<'a, S: Simd>(_: S, x: &'a [Self], _: &'a mut [f32]) -> &'a [f32] {
        x
    }
    #[inline(always)]
    fn write<S: Simd>(_: S, x: &[f32], to: &mut [Self]) {
        to.copy_from_slice(x);
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
}

impl Number for f16 {
    #[inline(always)]
    fn load<S: Simd>(s: S, x: &[Self]) -> S::V {
        s.load_f16(x)
    }
    #[inline(always)]
    fn widened<'a, S: Simd>(s: S, x: &'a [Self], buffer: &'a mut [f32]) -> &'a [f32] {
        let whole = x.len() - x.len() % S::N;
        let vectors = buffer[..whole].chunks_exact_mut(S::N);
        for (to, x) in vectors.zip(x.chunks_exact(S::N)) {
            s.store(s.load_f16(x), to);
        }
        for (to, x) in buffer[whole..].iter_mut().zip(&x[whole..]) {
            *to = x.to_f32();
        }
        buffer
    }
    #[inline(always)]
    fn write<S: Simd>(s: S, x: &[f32], to: &mut [Self]) {
        let whole = x.len() - x.len() % S::N;
        let vectors = to[..whole].chunks_exact_mut(S::N);
        for (to, x) in vectors.zip(x.chunks_exact(S::N)) {
            s.store_f16(s.load(x), to);
        }
        for (to, x) in to[whole..].iter_mut().zip(&x[whole..]) {
            *to = Self::from_f32(*x);
        }
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self.to_f32()
    }
}
