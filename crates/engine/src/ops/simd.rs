//! Vectors of f32 for the operators, wide as the CPU that runs them.
//!
//! The program is built for the oldest CPU of its family, so wide vectors are chosen at run time: a [`Kernel`] is
//! written once over [`Simd`], compiled for each width, and [`dispatch`] runs the widest that the CPU has.
//! A value of a `Simd` type is the proof that the CPU has its instructions, which makes its methods safe.

use half::f16;

/// Arithmetic on `N` f32 at once.
pub trait Simd: Copy {
    /// One vector.
    type V: Copy;
    /// Values in a vector.
    const N: usize;
    /// Vectors side by side in a register tile of six rows: what the register file holds.
    const TILE: usize;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// The first `N` of `x`.
    fn load(self, x: &[f32]) -> Self::V;
    /// The first `N` of `x`, widened.
    fn load_f16(self, x: &[f16]) -> Self::V;
    /// To the first `N` of `to`.
    fn store(self, v: Self::V, to: &mut [f32]);
    /// To the first `N` of `to`, rounded to the nearest, ties to even.
    fn store_f16(self, v: Self::V, to: &mut [f16]);
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the CPU can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater; `b` where either is no number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The lesser; `b` where either is no number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The nearest integer, for magnitudes below 2^22.
    fn round(self, a: Self::V) -> Self::V;
    /// `a * 2^n` for integers `n` of -126 to 127.
    fn scale(self, a: Self::V, n: Self::V) -> Self::V;
    /// The sum of the lanes.
    fn sum(self, a: Self::V) -> f32;
    /// The greatest lane.
    fn greatest(self, a: Self::V) -> f32;

    /// `e^x` to 2e-7 of its value for -87 to 88, beyond which it stays at the bound; NaN stays NaN.
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        let s = self;
        let x = s.max(s.splat(-87.0), s.min(s.splat(88.0), x));
        let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
        // ln 2 in two parts: n times the first is exact.
        let f = s.mul_add(n, s.splat(-0.693_359_4), x);
        let f = s.mul_add(n, s.splat(2.121_944_4e-4), f);
        // Minimax over -ln 2 / 2 to ln 2 / 2, relative error 3e-9.
        let mut p = s.splat(0.001_381_426_6);
        for c in [
            0.008_368_856,
            0.041_668_4,
            0.166_665_2,
            0.499_999_93,
            1.0,
            1.0,
        ] {
            p = s.mul_add(p, f, s.splat(c));
        }
        s.scale(p, n)
    }
}

/// A piece of work that runs at any vector width.
pub trait Kernel {
    /// Runs it. Must be `#[inline(always)]`, as all that it calls with `simd`: only what is inlined is compiled for
    /// the width. Closures given to other threads are not; those dispatch anew.
    fn run<S: Simd>(self, simd: S);
}

/// Eight values in plain Rust, which the compiler lays into whatever vectors the build may use.
#[derive(Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; 8] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type V = [f32; 8];
    const N: usize = 8;
    const TILE: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::V {
        let x = &x[..8];
        lanes(|i| x[i])
    }
    #[inline(always)]
    fn load_f16(self, x: &[f16]) -> Self::V {
        let x = &x[..8];
        lanes(|i| x[i].to_f32())
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32]) {
        to[..8].copy_from_slice(&v);
    }
    #[inline(always)]
    fn store_f16(self, v: Self::V, to: &mut [f16]) {
        for (to, v) in to[..8].iter_mut().zip(v) {
            *to = f16::from_f32(v);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Without the instruction `f32::mul_add` is a call.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            lanes(|i| a[i].mul_add(b[i], c[i]))
        } else {
            lanes(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        lanes(|i| (a[i] + ROUNDER) - ROUNDER)
    }
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        lanes(|i| {
            let n = (n[i] + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits());
            a[i] * f32::from_bits(n.wrapping_add(127) << 23)
        })
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        ((a[0] + a[4]) + (a[1] + a[5])) + ((a[2] + a[6]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn greatest(self, a: Self::V) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Added to a small number, leaves no bits for its fraction.
const ROUNDER: f32 = 12_582_912.0;

/// Runs the kernel at the width of this CPU.
pub fn dispatch<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = super::simd_x86::Avx512::detect() {
            return simd.run(kernel);
        }
        if let Some(simd) = super::simd_x86::Avx2::detect() {
            return simd.run(kernel);
        }
    }
    kernel.run(Portable);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `e^x` of a whole number of the widest vectors.
    struct Exp<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Exp<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for (x, y) in self.0.chunks_exact(S::N).zip(self.1.chunks_exact_mut(S::N)) {
                s.store(s.exp(s.load(x)), y);
            }
        }
    }

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place_at_every_width() {
        let x: Vec<f32> = (0..160_000).map(|i| i as f32 * 1.09e-3 - 87.0).collect();
        let mut results = vec![vec![0.0; x.len()]];
        Exp(&x, &mut results[0]).run(Portable);
        #[cfg(target_arch = "x86_64")]
        {
            use crate::ops::simd_x86::{Avx2, Avx512};
            let mut y = vec![0.0; x.len()];
            if let Some(simd) = Avx2::detect() {
                simd.run(Exp(&x, &mut y));
                results.push(y.clone());
            }
            if let Some(simd) = Avx512::detect() {
                simd.run(Exp(&x, &mut y));
                results.push(y);
            }
        }
        for y in results {
            for (x, y) in x.iter().zip(y) {
                let exact = f64::from(*x).exp();
                let error = (f64::from(y) / exact - 1.0).abs();
                assert!(error < 2.4e-7, "e^{x} is {exact}, not {y}");
            }
        }
    }

    /// Half precision to f32, and f32 to half precision.
    struct Convert<'a> {
        narrow: &'a [f16],
        widened: &'a mut [f32],
        wide: &'a [f32],
        narrowed: &'a mut [f16],
    }

    impl Kernel for Convert<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let widened = self.widened.chunks_exact_mut(S::N);
            for (x, y) in self.narrow.chunks_exact(S::N).zip(widened) {
                s.store(s.load_f16(x), y);
            }
            let narrowed = self.narrowed.chunks_exact_mut(S::N);
            for (x, y) in self.wide.chunks_exact(S::N).zip(narrowed) {
                s.store_f16(s.load(x), y);
            }
        }
    }

    #[test]
    fn half_precision_is_the_same_at_every_width() {
        // Every number there is; and around every one the values that round to it or next to it.
        let narrow: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let wide: Vec<f32> = narrow
            .iter()
            .flat_map(|x| [-0.75, -0.5, 0.0, 0.5].map(|part| (x.to_f32(), part)))
            .map(|(x, part)| {
                f32::from_bits(x.to_bits().wrapping_add_signed((part * 8192.0) as i32))
            })
            .collect();
        let check = |run: &dyn Fn(Convert<'_>)| {
            let mut widened = vec![0.0; narrow.len()];
            let mut narrowed = vec![f16::ZERO; wide.len()];
            run(Convert {
                narrow: &narrow,
                widened: &mut widened,
                wide: &wide,
                narrowed: &mut narrowed,
            });
            for (x, y) in narrow.iter().zip(widened) {
                assert!(x.to_f32() == y || (x.is_nan() && y.is_nan()), "{x:?}: {y}");
            }
            for (x, y) in wide.iter().zip(narrowed) {
                let exact = f16::from_f32(*x);
                assert!(exact == y || (x.is_nan() && y.is_nan()), "{x}: {y:?}");
            }
        };
        check(&|convert| convert.run(Portable));
        #[cfg(target_arch = "x86_64")]
        {
            use crate::ops::simd_x86::{Avx2, Avx512};
            if let Some(simd) = Avx2::detect() {
                check(&|convert| simd.run(convert));
            }
            if let Some(simd) = Avx512::detect() {
                check(&|convert| simd.run(convert));
            }
        }
    }

    #[test]
    fn exp_keeps_to_its_bounds_and_lets_nan_through() {
        let mut x = [0.0; 16];
        x[..4].copy_from_slice(&[f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 1e9]);
        let mut y = [0.0; 16];
        Exp(&x, &mut y).run(Portable);
        assert!(y[0] < 2e-38 && y[1] > 1e38 && y[1].is_finite() && y[2].is_nan() && y[3] == y[1]);
        let mut wide = [0.0; 16];
        dispatch(Exp(&x, &mut wide));
        assert!(wide[0] < 2e-38 && wide[1].is_finite() && wide[2].is_nan() && wide[3] == wide[1]);
    }
}
