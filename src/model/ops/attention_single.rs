//! Attention of one query: keys and values are read once, where they lie, as fast as memory gives them.

use rayon::prelude::*;

use super::pack::Heads;
use super::simd::{Kernel, Simd, dispatch};

/// Writes `[b,1,heads*d]`. Shapes agree and no axis is empty.
pub fn run(q: &Heads, k: &Heads, v: &Heads, scale: f32, out: &mut [f32]) {
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

struct Single<'a, 'b> {
    q: &'a [f32],
    k: &'a Heads<'b>,
    v: &'a Heads<'b>,
    batch: usize,
    key_head: usize,
    scale: f32,
    out: &'a mut [f32],
}

impl Kernel for Single<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let m = self.k.dims[2];
        let q: Vec<f32> = self.q.iter().map(|x| x * self.scale).collect();
        let mut shares = vec![f32::NEG_INFINITY; m.next_multiple_of(S::N)];
        let mut greatest = f32::NEG_INFINITY;
        for (j, share) in shares[..m].iter_mut().enumerate() {
            *share = dot(s, &q, self.k.row(self.batch, self.key_head, j));
            greatest = greatest.max(*share);
        }
        let (centre, mut sum) = (s.splat(greatest), s.splat(0.0));
        for x in shares.chunks_exact_mut(S::N) {
            let e = s.exp(s.sub(s.load(x), centre));
            sum = s.add(sum, e);
            s.store(e, x);
        }
        let factor = s.sum(sum).recip();
        for share in &mut shares {
            *share *= factor;
        }
        self.mix(s, &shares[..m]);
    }
}

impl Single<'_, '_> {
    /// The values' weighted sum.
    #[inline(always)]
    fn mix<S: Simd>(self, s: S, shares: &[f32]) {
        let whole = self.out.len() - self.out.len() % S::N;
        self.out.fill(0.0);
        for (j, share) in shares.iter().enumerate() {
            let row = self.v.row(self.batch, self.key_head, j);
            let wide = s.splat(*share);
            let vectors = self.out[..whole].chunks_exact_mut(S::N);
            for (out, x) in vectors.zip(row.chunks_exact(S::N)) {
                s.store(s.mul_add(wide, s.load(x), s.load(out)), out);
            }
            for (out, x) in self.out[whole..].iter_mut().zip(&row[whole..]) {
                *out += share * x;
            }
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [s.splat(0.0); 2];
    let (left, right) = (a.chunks_exact(S::N), b.chunks_exact(S::N));
    let (a_rest, b_rest) = (left.remainder(), right.remainder());
    for (i, (a, b)) in left.zip(right).enumerate() {
        sums[i % 2] = s.mul_add(s.load(a), s.load(b), sums[i % 2]);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    s.sum(s.add(sums[0], sums[1])) + rest
}
