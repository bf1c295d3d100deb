//! Attention of one query: keys and values are read once, where they lie, as fast as memory gives them.

use rayon::prelude::*;

use super::number::Number;
use super::pack::Heads;
use super::simd::{Kernel, Simd, dispatch};

/// Writes `[b,1,heads*d]`. Shapes agree and no axis is empty.
pub fn run<T: Number>(q: &Heads, k: &Heads<T>, v: &Heads<T>, scale: f32, out: &mut [f32]) {
    let [_, heads, _, d] = q.dims;
    let key_heads = k.dims[1];
    let group = heads / key_heads;
    out.par_chunks_mut(group * d)
        .enumerate()
        .for_each(|(at, out)| {
            let (batch, key_head) = (at / key_heads, at % key_heads);
            for (g, out) in out.chunks_exact_mut(d).enumerate() {
                dispatch(Single {
                    q: q.row(batch, key_head * group + g, 0),
                    k,
                    v,
                    batch,
                    key_head,
                    scale,
                    out,
                });
            }
        });
}

struct Single<'a, 'b, T> {
    q: &'a [f32],
    k: &'a Heads<'b, T>,
    v: &'a Heads<'b, T>,
    batch: usize,
    key_head: usize,
    scale: f32,
    out: &'a mut [f32],
}

impl<T: Number> Kernel for Single<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let m = self.k.dims[2];
        let q: Vec<f32> = self.q.iter().map(|x| x * self.scale).collect();
        let mut probabilities = vec![f32::NEG_INFINITY; m.next_multiple_of(S::N)];
        for (j, probability) in probabilities[..m].iter_mut().enumerate() {
            *probability = dot(s, &q, self.k.row(self.batch, self.key_head, j));
        }
        let mut greatest = s.splat(f32::NEG_INFINITY);
        for x in probabilities.chunks_exact(S::N) {
            greatest = s.max(s.load(x), greatest);
        }
        let (centre, mut sum) = (s.splat(s.greatest(greatest)), s.splat(0.0));
        for x in probabilities.chunks_exact_mut(S::N) {
            let e = s.exp(s.sub(s.load(x), centre));
            sum = s.add(sum, e);
            s.store(e, x);
        }
        let factor = s.sum(sum).recip();
        for probability in &mut probabilities {
            *probability *= factor;
        }
        self.mix(s, &probabilities[..m]);
    }
}

impl<T: Number> Single<'_, '_, T> {
    /// The values' weighted sum.
    #[inline(always)]
    fn mix<S: Simd>(mut self, s: S, probabilities: &[f32]) {
        let d = self.out.len();
        let mut at = 0;
        while d - at >= S::N {
            at += match (d - at) / S::N {
                8.. => self.mix_columns::<S, 8>(s, probabilities, at),
                6.. => self.mix_columns::<S, 6>(s, probabilities, at),
                4.. => self.mix_columns::<S, 4>(s, probabilities, at),
                2.. => self.mix_columns::<S, 2>(s, probabilities, at),
                _ => self.mix_columns::<S, 1>(s, probabilities, at),
            };
        }
        self.out[at..].fill(0.0);
        if at < d {
            for (j, probability) in probabilities.iter().enumerate() {
                let row = self.v.row(self.batch, self.key_head, j);
                for (out, x) in self.out[at..].iter_mut().zip(&row[at..]) {
                    *out += probability * x.wide();
                }
            }
        }
    }

    /// `M` vectors of it from column `at` on, which stay in registers; returns the columns they hold.
    #[inline(always)]
    fn mix_columns<S: Simd, const M: usize>(
        &mut self,
        s: S,
        probabilities: &[f32],
        at: usize,
    ) -> usize {
        let mut sums = [s.splat(0.0); M];
        for (j, probability) in probabilities.iter().enumerate() {
            let row = &self.v.row(self.batch, self.key_head, j)[at..at + M * S::N];
            let probability = s.splat(*probability);
            for i in 0..M {
                sums[i] = s.mul_add(probability, T::load(s, &row[i * S::N..]), sums[i]);
            }
        }
        for (sum, out) in sums.iter().zip(self.out[at..].chunks_exact_mut(S::N)) {
            s.store(*sum, out);
        }
        M * S::N
    }
}

/// One row after the other: memory is fastest when it is read in order.
#[inline(always)]
fn dot<S: Simd, T: Number>(s: S, a: &[f32], b: &[T]) -> f32 {
    let mut sums = [s.splat(0.0); 2];
    let (left, right) = (a.chunks_exact(S::N), b.chunks_exact(S::N));
    let (a_rest, b_rest) = (left.remainder(), right.remainder());
    for (i, (a, b)) in left.zip(right).enumerate() {
        sums[i % 2] = s.mul_add(s.load(a), T::load(s, b), sums[i % 2]);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b.wide()).sum();
    s.sum(s.add(sums[0], sums[1])) + rest
}
