//! Attention of one run of queries to the keys that they see, and its backward pass.

use super::simd::{Kernel, Simd, dispatch};
use crate::kernels::amx::{Amx, Hand, Packed, Vectors, multiply};

/// Rows of a register tile.
const ROWS: usize = 6;
/// Queries that go through the keys together.
const BLOCK: usize = 96;
/// Columns are padded to a multiple of the widest vector.
const LANES: usize = 16;

/// A run of queries with the keys they see: `shared` first ones and the run itself, where `causal` each up to itself.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub first: usize,
    pub len: usize,
    pub shared: usize,
    pub causal: bool,
}

/// One run's queries, keys and values, padded to whole vectors.
pub(super) struct Part {
    /// `[n, dp]`, scaled.
    q: Vec<f32>,
    /// `[m, dp]` and `[d, mp]`.
    k: Vec<f32>,
    k_transposed: Vec<f32>,
    v: Vec<f32>,
    v_transposed: Vec<f32>,
    n: usize,
    m: usize,
    mp: usize,
    d: usize,
    dp: usize,
    scale: f32,
    causal: bool,
    tiles: Option<Tiles>,
}

/// Keys and values in bf16, as the right side of products.
struct Tiles {
    amx: Amx,
    /// One vector a position.
    k: Packed,
    v: Packed,
    /// One vector a column, over all positions.
    k_columns: Packed,
    v_columns: Packed,
}

impl Tiles {
    /// The first `rows` rows of `depth` values, `stride` apart, as a left side.
    fn left(&self, values: &[f32], [rows, depth]: [usize; 2], stride: usize) -> Packed {
        let vectors = Vectors {
            values,
            count: rows,
            depth,
            stride,
            step: 1,
        };
        Packed::new(self.amx, vectors, Hand::Left)
    }

    /// The columns of matrices of as many rows, the first as a left side and the second as a right one; widths and
    /// strides of both.
    fn columns(
        &self,
        [left, right]: [&[f32]; 2],
        [rows, left_width, right_width]: [usize; 3],
        [left_stride, right_stride]: [usize; 2],
    ) -> [Packed; 2] {
        let vectors = |values, count, step| Vectors {
            values,
            count,
            depth: rows,
            stride: 1,
            step,
        };
        [
            Packed::new(self.amx, vectors(left, left_width, left_stride), Hand::Left),
            Packed::new(
                self.amx,
                vectors(right, right_width, right_stride),
                Hand::Right,
            ),
        ]
    }
}

impl Part {
    /// A run of all queries, keys and values of a head.
    pub fn new([q, k, v]: [&[f32]; 3], run: Run, d: usize, scale: f32, amx: Option<Amx>) -> Self {
        let queries = &q[run.first * d..(run.first + run.len) * d];
        let seen = |x: &[f32]| -> Vec<f32> {
            let mut rows = x[..run.shared * d].to_vec();
            rows.extend_from_slice(&x[run.first * d..(run.first + run.len) * d]);
            rows
        };
        Self::of([queries, &seen(k), &seen(v)], d, scale, run.causal, amx)
    }

    /// Queries and the keys and values that they see.
    pub fn of(
        [q, k, v]: [&[f32]; 3],
        d: usize,
        scale: f32,
        causal: bool,
        amx: Option<Amx>,
    ) -> Self {
        let (n, m) = (q.len() / d, k.len() / d);
        let (dp, mp) = (d.next_multiple_of(LANES), m.next_multiple_of(LANES));
        let padded = |x: &[f32], factor: f32| {
            let mut out = vec![0.0; x.len() / d * dp];
            for (to, row) in out.chunks_exact_mut(dp).zip(x.chunks_exact(d)) {
                to.iter_mut().zip(row).for_each(|(to, x)| *to = factor * x);
            }
            out
        };
        let transposed = |x: &[f32]| {
            let mut out = vec![0.0; d * mp];
            for (j, row) in x.chunks_exact(d).enumerate() {
                for (c, x) in row.iter().enumerate() {
                    out[c * mp + j] = *x;
                }
            }
            out
        };
        let of_vectors = |x: &[f32]| {
            if amx.is_some() {
                Vec::new()
            } else {
                padded(x, 1.0)
            }
        };
        let of_columns = |x: &[f32]| {
            if amx.is_some() {
                Vec::new()
            } else {
                transposed(x)
            }
        };
        let right = |amx, x| Packed::new(amx, Vectors::rows(x, m, d), Hand::Right);
        let columns = |amx, x| Packed::new(amx, Vectors::columns(x, m, d), Hand::Right);
        Self {
            tiles: amx.map(|amx| Tiles {
                amx,
                k: right(amx, k),
                v: right(amx, v),
                k_columns: columns(amx, k),
                v_columns: columns(amx, v),
            }),
            q: padded(q, scale),
            k: of_vectors(k),
            k_transposed: of_columns(k),
            v: of_vectors(v),
            v_transposed: of_columns(v),
            n,
            m,
            mp,
            d,
            dp,
            scale,
            causal,
        }
    }

    /// What the queries mix, `[n,d]`.
    pub fn forward(&self, out: &mut [f32]) {
        dispatch(Forward { part: self, out });
    }

    /// Adds to the gradients of a head's rows.
    pub fn backward(&self, gradient: &[f32], run: Run, to: &mut [Vec<f32>; 3]) {
        let mut out = [
            vec![0.0; self.n * self.dp],
            vec![0.0; self.m * self.dp],
            vec![0.0; self.m * self.dp],
        ];
        dispatch(Backward {
            part: self,
            gradient,
            out: &mut out,
        });
        for (which, (rows, to)) in out.iter().zip(to).enumerate() {
            for (j, row) in rows.chunks_exact(self.dp).enumerate() {
                let shared = if which == 0 { 0 } else { run.shared };
                let at = if j < shared {
                    j
                } else {
                    run.first + j - shared
                };
                let to = &mut to[at * self.d..(at + 1) * self.d];
                to.iter_mut().zip(row).for_each(|(to, x)| *to += x);
            }
        }
    }

    /// Keys that query `i` sees.
    fn seen(&self, i: usize) -> usize {
        if self.causal {
            self.m - self.n + i + 1
        } else {
            self.m
        }
    }

    /// Attention probabilities of the queries from `first` on, `[rows, mp]`.
    #[inline(always)]
    fn probabilities<S: Simd>(&self, s: S, first: usize, rows: usize, out: &mut [f32]) {
        let q = &self.q[first * self.dp..];
        match &self.tiles {
            Some(tiles) => {
                let q = tiles.left(q, [rows, self.d], self.dp);
                multiply(&q, &tiles.k, out, self.mp, false);
            }
            None => product(
                s,
                [rows, self.d, self.mp],
                (q, self.dp, 1),
                (&self.k_transposed, self.mp),
                (out, self.mp),
                false,
            ),
        }
        for (r, row) in out.chunks_exact_mut(self.mp).take(rows).enumerate() {
            let seen = self.seen(first + r);
            let whole = seen.next_multiple_of(S::N);
            row[seen..whole].fill(f32::NEG_INFINITY);
            let mut top = s.splat(f32::NEG_INFINITY);
            for x in row[..whole].chunks_exact(S::N) {
                top = s.max(top, s.load(x));
            }
            let greatest = s.splat(s.greatest(top));
            let mut sum = s.splat(0.0);
            for x in row[..whole].chunks_exact_mut(S::N) {
                let e = s.exp(s.sub(s.load(x), greatest));
                sum = s.add(sum, e);
                s.store(e, x);
            }
            let part = s.splat(1.0 / s.sum(sum));
            for x in row[..whole].chunks_exact_mut(S::N) {
                s.store(s.mul(s.load(x), part), x);
            }
            row[seen..].fill(0.0);
        }
    }
}

struct Forward<'a> {
    part: &'a Part,
    /// `[n,d]`.
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let part = self.part;
        let mut probabilities = vec![0.0; BLOCK * part.mp];
        let mut mixed = vec![0.0; BLOCK * part.dp];
        for first in (0..part.n).step_by(BLOCK) {
            let rows = BLOCK.min(part.n - first);
            part.probabilities(s, first, rows, &mut probabilities);
            match &part.tiles {
                Some(tiles) => {
                    let probabilities = tiles.left(&probabilities, [rows, part.m], part.mp);
                    multiply(&probabilities, &tiles.v_columns, &mut mixed, part.dp, false);
                }
                None => product(
                    s,
                    [rows, part.m, part.dp],
                    (&probabilities, part.mp, 1),
                    (&part.v, part.dp),
                    (&mut mixed, part.dp),
                    false,
                ),
            }
            let out = self.out[first * part.d..].chunks_exact_mut(part.d);
            for (to, row) in out.zip(mixed.chunks_exact(part.dp).take(rows)) {
                to.copy_from_slice(&row[..part.d]);
            }
        }
    }
}

struct Backward<'a> {
    part: &'a Part,
    /// `[n,d]`.
    gradient: &'a [f32],
    /// Of queries `[n,dp]`, keys and values `[m,dp]`.
    out: &'a mut [Vec<f32>; 3],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let part = self.part;
        let (mp, dp, m, d) = (part.mp, part.dp, part.m, part.d);
        let [to_q, to_k, to_v] = self.out;
        let mut probabilities = vec![0.0; BLOCK * mp];
        let mut slopes = vec![0.0; BLOCK * mp];
        let mut g = vec![0.0; BLOCK * dp];
        for first in (0..part.n).step_by(BLOCK) {
            let rows = BLOCK.min(part.n - first);
            part.probabilities(s, first, rows, &mut probabilities);
            let gradient = self.gradient[first * d..].chunks_exact(d);
            for (to, row) in g.chunks_exact_mut(dp).zip(gradient).take(rows) {
                to[..d].copy_from_slice(row);
            }
            if let Some(tiles) = &part.tiles {
                let [probabilities, gradient] =
                    tiles.columns([&probabilities, &g], [rows, m, d], [mp, dp]);
                multiply(&probabilities, &gradient, to_v, dp, true);
                multiply(
                    &tiles.left(&g, [rows, d], dp),
                    &tiles.v,
                    &mut slopes,
                    mp,
                    false,
                );
            } else {
                product(
                    s,
                    [m, rows, dp],
                    (&probabilities, 1, mp),
                    (&g, dp),
                    (to_v, dp),
                    true,
                );
                product(
                    s,
                    [rows, d, mp],
                    (&g, dp, 1),
                    (&part.v_transposed, mp),
                    (&mut slopes, mp),
                    false,
                );
            }
            // Of the scores: p (dp - sum of p dp), p being the probabilities and dp their gradients.
            let both = slopes
                .chunks_exact_mut(mp)
                .zip(probabilities.chunks_exact(mp));
            for (slopes, probabilities) in both.take(rows) {
                let mut sum = s.splat(0.0);
                for (a, b) in slopes
                    .chunks_exact(S::N)
                    .zip(probabilities.chunks_exact(S::N))
                {
                    sum = s.mul_add(s.load(a), s.load(b), sum);
                }
                let mean = s.splat(s.sum(sum));
                for (a, b) in slopes
                    .chunks_exact_mut(S::N)
                    .zip(probabilities.chunks_exact(S::N))
                {
                    s.store(s.mul(s.load(b), s.sub(s.load(a), mean)), a);
                }
            }
            let queries = &part.q[first * dp..];
            let to_q = &mut to_q[first * dp..];
            if let Some(tiles) = &part.tiles {
                let [slope_columns, queries] =
                    tiles.columns([&slopes, queries], [rows, m, d], [mp, dp]);
                multiply(&slope_columns, &queries, to_k, dp, true);
                let slopes = tiles.left(&slopes, [rows, m], mp);
                multiply(&slopes, &tiles.k_columns, to_q, dp, false);
            } else {
                product(
                    s,
                    [m, rows, dp],
                    (&slopes, 1, mp),
                    (queries, dp),
                    (to_k, dp),
                    true,
                );
                product(
                    s,
                    [rows, m, dp],
                    (&slopes, mp, 1),
                    (&part.k, dp),
                    (to_q, dp),
                    false,
                );
            }
        }
        let scale = part.scale;
        for x in to_q.iter_mut() {
            *x *= scale;
        }
    }
}

/// `c = a b`, or `c += a b`: sizes are rows, depth and columns (a multiple of the widest vector); a with the strides
/// of its rows and of its depth, b and c with those of their rows.
#[inline(always)]
fn product<S: Simd>(
    s: S,
    [rows, depth, columns]: [usize; 3],
    a: (&[f32], usize, usize),
    b: (&[f32], usize),
    (c, stride): (&mut [f32], usize),
    add: bool,
) {
    let mut row = 0;
    while row < rows {
        let many = rows - row >= ROWS;
        let mut column = 0;
        while column < columns {
            let left = (columns - column) / S::N;
            let c = &mut c[row * stride + column..];
            let a = (&a.0[row * a.1..], a.1, a.2);
            let b = (&b.0[column..], b.1);
            column += S::N
                * match (many, S::TILE, left) {
                    (true, 4, 4..) => tile::<S, ROWS, 4>(s, depth, a, b, (c, stride), add),
                    (true, 2.., 2..) => tile::<S, ROWS, 2>(s, depth, a, b, (c, stride), add),
                    (true, _, _) => tile::<S, ROWS, 1>(s, depth, a, b, (c, stride), add),
                    (false, 2.., 4..) => tile::<S, 1, 4>(s, depth, a, b, (c, stride), add),
                    (false, _, _) => tile::<S, 1, 1>(s, depth, a, b, (c, stride), add),
                };
        }
        row += if many { ROWS } else { 1 };
    }
}

#[inline(always)]
fn tile<S: Simd, const R: usize, const T: usize>(
    s: S,
    depth: usize,
    (a, row, step): (&[f32], usize, usize),
    (b, b_stride): (&[f32], usize),
    (c, c_stride): (&mut [f32], usize),
    add: bool,
) -> usize {
    let mut sums = [[s.splat(0.0); T]; R];
    for k in 0..depth {
        let b = &b[k * b_stride..][..T * S::N];
        let b: [S::V; T] = std::array::from_fn(|t| s.load(&b[t * S::N..]));
        for (r, sums) in sums.iter_mut().enumerate() {
            let a = s.splat(a[r * row + k * step]);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = s.mul_add(a, b, *sum);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (t, sum) in sums.into_iter().enumerate() {
            let to = &mut c[r * c_stride + t * S::N..];
            let sum = if add { s.add(sum, s.load(to)) } else { sum };
            s.store(sum, to);
        }
    }
    T
}
