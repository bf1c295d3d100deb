//! Attention of many queries: tiles of scores that never leave the cache.
//!
//! Six queries are a group; a block of keys is scored against a group into a small square, turned into probabilities
//! with a running maximum and sum (Milakov and Gimelshein, 2018; Dao et al., 2022), and multiplied by the block's values,
//! all in register tiles of six rows. Groups that share a block of keys come one after the other, so the block stays near.

use rayon::prelude::*;

use super::attention::AttentionMask;
use super::number::Number;
use super::pack::{Heads, pack_keys, pack_values};
use super::simd::{Kernel, Simd, dispatch};

/// Rows of a register tile.
const ROWS: usize = 6;
/// Keys scored at once: a multiple of every panel's width.
const KEYS: usize = 256;
/// Groups that go through the keys together.
const GROUPS: usize = 16;
/// The widest head that a group's rows hold.
pub const MAX_HEAD_DIM: usize = KEYS;

/// Six rows of a left factor.
type Rows = [[f32; KEYS]; ROWS];

/// Writes `[b,n,heads*d]`. Shapes agree, no axis is empty and `d` is at most [`MAX_HEAD_DIM`].
pub fn run<T: Number>(
    q: &Heads,
    k: &Heads<T>,
    v: &Heads<T>,
    scale: f32,
    mask: AttentionMask,
    out: &mut [f32],
) {
    let [b, heads, n, d] = q.dims;
    let key_heads = k.dims[1];
    let group = heads / key_heads;
    // Each task owns the rows it writes: those of one head and a run of queries.
    let tile = ROWS * GROUPS;
    let runs = n.div_ceil(tile);
    let mut tasks: Vec<Vec<&mut [f32]>> = Vec::with_capacity(b * heads * runs);
    tasks.resize_with(b * heads * runs, || Vec::with_capacity(tile));
    for (at, row) in out.chunks_exact_mut(d).enumerate() {
        let (position, head) = (at / heads, at % heads);
        let (batch, i) = (position / n, position % n);
        tasks[(batch * heads + head) * runs + i / tile].push(row);
    }
    tasks
        .par_chunks_mut(group * runs)
        .enumerate()
        .for_each(|(at, tasks)| {
            let (batch, key_head) = (at / key_heads, at % key_heads);
            let mut packed = Packed::default();
            dispatch(Pack {
                k,
                v,
                batch,
                key_head,
                packed: &mut packed,
            });
            let packed = &packed;
            tasks.par_iter_mut().enumerate().for_each(|(at, out)| {
                let (head, first) = (key_head * group + at / runs, at % runs * tile);
                dispatch(Run {
                    q,
                    batch,
                    head,
                    first,
                    keys: k.dims[2],
                    packed,
                    scale,
                    mask,
                    out,
                });
            });
        });
}

/// Keys and values of a head, laid out for the tiles of this CPU.
#[derive(Default)]
struct Packed {
    keys: Vec<f32>,
    values: Vec<f32>,
}

struct Pack<'a, 'b, T> {
    k: &'a Heads<'b, T>,
    v: &'a Heads<'b, T>,
    batch: usize,
    key_head: usize,
    packed: &'a mut Packed,
}

impl<T: Number> Kernel for Pack<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let value_width = value_tile::<S>(self.v.dims[3]) * S::N;
        let (batch, head) = (self.batch, self.key_head);
        self.packed.keys = pack_keys(s, self.k, batch, head, S::TILE * S::N);
        self.packed.values = pack_values(s, self.v, batch, head, KEYS, value_width);
    }
}

/// Vectors side by side in a tile of values: as many as fit, or one fewer where that wastes less.
#[inline(always)]
fn value_tile<S: Simd>(d: usize) -> usize {
    let vectors = d.div_ceil(S::N);
    let wasted = |tile: usize| vectors.next_multiple_of(tile) - vectors;
    if S::TILE > 3 && wasted(3) < wasted(S::TILE) {
        3
    } else {
        S::TILE
    }
}

/// A run of queries of one head.
struct Run<'a, 'b> {
    q: &'a Heads<'b>,
    batch: usize,
    head: usize,
    first: usize,
    keys: usize,
    packed: &'a Packed,
    scale: f32,
    mask: AttentionMask,
    out: &'a mut [&'b mut [f32]],
}

/// What is known of six queries so far.
struct Group {
    q: Rows,
    /// Weighted sum of values, tile by tile `[ROWS][width]`.
    sums: Vec<f32>,
    greatest: [f32; ROWS],
    /// Of the exponentials of each row.
    totals: [f32; ROWS],
    /// Keys that each row sees.
    seen: [usize; ROWS],
}

impl Kernel for Run<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match value_tile::<S>(self.q.dims[3]) {
            4 => self.tiled::<S, 4>(s),
            3 => self.tiled::<S, 3>(s),
            2 => self.tiled::<S, 2>(s),
            _ => self.tiled::<S, 1>(s),
        }
    }
}

impl Run<'_, '_> {
    #[inline(always)]
    fn tiled<S: Simd, const T: usize>(self, s: S) {
        let d = self.q.dims[3];
        let width = T * S::N;
        let filled = d.next_multiple_of(width);
        let mut groups: Vec<Group> = (0..self.out.len())
            .step_by(ROWS)
            .map(|row| self.group(row, filled))
            .collect();
        let mut scores: Box<Rows> = Box::new([[0.0; KEYS]; ROWS]);
        for start in (0..self.keys).step_by(KEYS) {
            let len = KEYS.min(self.keys - start);
            let values = &self.packed.values[start * filled..(start + len) * filled];
            for group in &mut groups {
                // No row of the group sees more of this block.
                let seen = group.seen.iter().fold(0, |most, seen| most.max(*seen));
                let near = seen.saturating_sub(start).min(len);
                if near == 0 {
                    continue;
                }
                match S::TILE {
                    4 => score::<S, 4>(s, &group.q, d, &self.packed.keys, start, near, &mut scores),
                    2 => score::<S, 2>(s, &group.q, d, &self.packed.keys, start, near, &mut scores),
                    _ => score::<S, 1>(s, &group.q, d, &self.packed.keys, start, near, &mut scores),
                }
                let decay = exponentiate(s, group, start, near, &mut scores);
                for (sums, values) in group
                    .sums
                    .chunks_exact_mut(ROWS * width)
                    .zip(values.chunks_exact(len * width))
                {
                    let tile = product::<S, T>(s, &scores, &values[..near * width]);
                    for ((sums, row), decay) in sums.chunks_exact_mut(width).zip(tile).zip(decay) {
                        let decay = s.splat(decay);
                        for (sum, x) in sums.chunks_exact_mut(S::N).zip(row) {
                            s.store(s.mul_add(s.load(sum), decay, x), sum);
                        }
                    }
                }
            }
        }
        for (group, out) in groups.iter().zip(self.out.chunks_mut(ROWS)) {
            for (r, out) in out.iter_mut().enumerate() {
                let factor = 1.0 / group.totals[r];
                let tiles = group.sums.chunks_exact(ROWS * width);
                for (out, tile) in out.chunks_mut(width).zip(tiles) {
                    for (out, sum) in out.iter_mut().zip(&tile[r * width..]) {
                        *out = sum * factor;
                    }
                }
            }
        }
    }

    /// The queries from `row` of this run on; rows beyond the last are zeros that see as much as the last.
    #[inline(always)]
    fn group(&self, row: usize, filled: usize) -> Group {
        let n = self.q.dims[2];
        let mut q = [[0.0; KEYS]; ROWS];
        let mut seen = [0; ROWS];
        for (r, (q, seen)) in q.iter_mut().zip(&mut seen).enumerate() {
            let i = self.first + row + r;
            if i < n {
                for (to, x) in q.iter_mut().zip(self.q.row(self.batch, self.head, i)) {
                    *to = x * self.scale;
                }
            }
            *seen = self.mask.seen(i.min(n - 1), n, self.keys);
        }
        Group {
            q,
            sums: vec![0.0; ROWS * filled],
            greatest: [f32::NEG_INFINITY; ROWS],
            totals: [0.0; ROWS],
            seen,
        }
    }
}

/// Scores of six queries and the keys from `start`, panel by panel.
#[inline(always)]
fn score<S: Simd, const T: usize>(
    s: S,
    q: &Rows,
    d: usize,
    keys: &[f32],
    start: usize,
    len: usize,
    scores: &mut Rows,
) {
    let width = T * S::N;
    let panels = keys[start * d..].chunks_exact(width * d);
    for (at, panel) in (0..len).step_by(width).zip(panels) {
        let tile = product::<S, T>(s, q, panel);
        for (to, row) in scores.iter_mut().zip(tile) {
            for (to, x) in to[at..at + width].chunks_exact_mut(S::N).zip(row) {
                s.store(x, to);
            }
        }
    }
}

/// Turns scores into unscaled probabilities and adds them up. Returns by how much earlier sums shrink.
#[inline(always)]
fn exponentiate<S: Simd>(
    s: S,
    group: &mut Group,
    start: usize,
    len: usize,
    scores: &mut Rows,
) -> [f32; ROWS] {
    let mut decay = [1.0; ROWS];
    for (r, row) in scores.iter_mut().enumerate() {
        let seen = group.seen[r].saturating_sub(start).min(len);
        // What lies beyond in the last vector must not win the maximum and gets none.
        let whole = seen.next_multiple_of(S::N);
        row[seen..whole].fill(f32::NEG_INFINITY);
        row[whole..].fill(0.0);
        if seen == 0 {
            continue;
        }
        let row = &mut row[..whole];
        let mut top = s.splat(f32::NEG_INFINITY);
        for x in row.chunks_exact(S::N) {
            top = s.max(top, s.load(x));
        }
        let greatest = s.greatest(top).max(group.greatest[r]);
        let (centre, mut sum) = (s.splat(greatest), s.splat(0.0));
        for x in row.chunks_exact_mut(S::N) {
            let e = s.exp(s.sub(s.load(x), centre));
            sum = s.add(sum, e);
            s.store(e, x);
        }
        // The bound of `exp` leaves them a trace, far below what a sum of at least 1 can hold.
        row[seen..].fill(0.0);
        decay[r] = (group.greatest[r] - greatest).exp();
        group.totals[r] = group.totals[r] * decay[r] + s.sum(sum);
        group.greatest[r] = greatest;
    }
    decay
}

/// A register tile: six rows of `a` times `b`, `[depth][T vectors]`; the depth is that of `b`.
#[inline(always)]
fn product<S: Simd, const T: usize>(s: S, a: &Rows, b: &[f32]) -> [[S::V; T]; ROWS] {
    let mut tile = [[s.splat(0.0); T]; ROWS];
    for (k, b) in b.chunks_exact(T * S::N).take(KEYS).enumerate() {
        let b: [S::V; T] = std::array::from_fn(|t| s.load(&b[t * S::N..]));
        for (row, a) in tile.iter_mut().zip(a) {
            let a = s.splat(a[k]);
            for (sum, b) in row.iter_mut().zip(b) {
                *sum = s.mul_add(a, b, *sum);
            }
        }
    }
    tile
}
