//! Attention of projections that lie side by side and its backward pass, head by head over copies that lie close
//! together.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::attention_run::{Part, Run};
use super::autocast::tiles;
use super::with_slices;
use crate::ops::Packing;

/// Which positions of a sequence attend to which.
pub(super) enum AttentionPattern<'a> {
    /// All to all.
    All,
    /// As packed, queries and keys rotated by these tables `[positions, d/2]` of cosines and sines.
    Packed {
        packings: &'a [Packing],
        cos: &'a [f32],
        sin: &'a [f32],
    },
}

/// Queries, keys and values side by side, `[b,n,(heads + 2 key heads) d]`.
pub(super) struct Joint<'a> {
    pub values: &'a [f32],
    pub size: [usize; 2],
    pub heads: usize,
    pub key_heads: usize,
    pub d: usize,
    pub scale: f32,
    pub pattern: AttentionPattern<'a>,
}

impl Joint<'_> {
    fn width(&self) -> usize {
        (self.heads + 2 * self.key_heads) * self.d
    }

    fn runs(&self, batch: usize) -> Vec<Run> {
        let n = self.size[1];
        match &self.pattern {
            AttentionPattern::All => vec![Run {
                first: 0,
                len: n,
                shared: 0,
                causal: false,
            }],
            AttentionPattern::Packed { packings, .. } => packings[batch]
                .runs()
                .map(|(first, len, shared)| Run {
                    first,
                    len,
                    shared,
                    causal: true,
                })
                .collect(),
        }
    }

    /// Copies a head's rows `[n,d]` from column `column`, rotated forwards (or back) where positions are.
    fn gather(&self, batch: usize, column: usize, rotated: bool) -> Vec<f32> {
        let (n, d, width) = (self.size[1], self.d, self.width());
        let mut rows = Vec::with_capacity(n * d);
        for i in 0..n {
            let at = (batch * n + i) * width + column;
            rows.extend_from_slice(&self.values[at..at + d]);
        }
        if rotated {
            self.rotate(batch, &mut rows, 1.0);
        }
        rows
    }

    /// Rotates the halves of `[n,d]` by their positions' angles, times `direction`.
    fn rotate(&self, batch: usize, rows: &mut [f32], direction: f32) {
        let AttentionPattern::Packed { packings, cos, sin } = &self.pattern else {
            return;
        };
        let half = self.d / 2;
        for (i, row) in rows.chunks_exact_mut(self.d).enumerate() {
            let at = packings[batch].position(i) * half;
            let (low, high) = row.split_at_mut(half);
            let angles = cos[at..at + half].iter().zip(&sin[at..at + half]);
            for ((a, b), (cos, sin)) in low.iter_mut().zip(high).zip(angles) {
                let sin = direction * sin;
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }

    /// `[b,n,heads*d]`.
    pub(super) fn forward(&self) -> Vec<f32> {
        let ([b, n], d) = (self.size, self.d);
        let group = self.heads / self.key_heads;
        let amx = tiles();
        let heads: Vec<Vec<f32>> = (0..b * self.heads)
            .into_par_iter()
            .map(|at| {
                let (batch, head) = (at / self.heads, at % self.heads);
                let q = self.gather(batch, head * d, true);
                let (key, value) = self.columns(head / group);
                let (k, v) = (
                    self.gather(batch, key, true),
                    self.gather(batch, value, false),
                );
                let mut out = vec![0.0; n * d];
                for run in self.runs(batch) {
                    let part = Part::new([&q, &k, &v], run, d, self.scale, amx);
                    part.forward(&mut out[run.first * d..(run.first + run.len) * d]);
                }
                out
            })
            .collect();
        let mut out = vec![0.0; b * n * self.heads * d];
        for (at, rows) in heads.iter().enumerate() {
            let (batch, head) = (at / self.heads, at % self.heads);
            for (i, row) in rows.chunks_exact(d).enumerate() {
                let to = ((batch * n + i) * self.heads + head) * d;
                out[to..to + d].copy_from_slice(row);
            }
        }
        out
    }

    /// The columns of a key head's keys and values.
    fn columns(&self, key_head: usize) -> (usize, usize) {
        let key = (self.heads + key_head) * self.d;
        (key, key + self.key_heads * self.d)
    }

    /// The gradient of the values from that of the result.
    pub(super) fn backward(&self, gradient: &[f32]) -> Vec<f32> {
        let ([b, n], d) = (self.size, self.d);
        let group = self.heads / self.key_heads;
        let amx = tiles();
        let heads: Vec<[Vec<f32>; 3]> = (0..b * self.heads)
            .into_par_iter()
            .map(|at| {
                let (batch, head) = (at / self.heads, at % self.heads);
                let q = self.gather(batch, head * d, true);
                let (key, value) = self.columns(head / group);
                let (k, v) = (
                    self.gather(batch, key, true),
                    self.gather(batch, value, false),
                );
                let mut g = Vec::with_capacity(n * d);
                for i in 0..n {
                    let at = ((batch * n + i) * self.heads + head) * d;
                    g.extend_from_slice(&gradient[at..at + d]);
                }
                let mut to = [vec![0.0; n * d], vec![0.0; n * d], vec![0.0; n * d]];
                for run in self.runs(batch) {
                    let part = Part::new([&q, &k, &v], run, d, self.scale, amx);
                    part.backward(&g[run.first * d..(run.first + run.len) * d], run, &mut to);
                }
                self.rotate(batch, &mut to[0], -1.0);
                self.rotate(batch, &mut to[1], -1.0);
                to
            })
            .collect();
        let width = self.width();
        let mut out = vec![0.0; b * n * width];
        for (at, parts) in heads.iter().enumerate() {
            let (batch, head) = (at / self.heads, at % self.heads);
            let (key, value) = self.columns(head / group);
            for (rows, column) in parts.iter().zip([head * d, key, value]) {
                for (i, row) in rows.chunks_exact(d).enumerate() {
                    let to = (batch * n + i) * width + column;
                    out[to..to + d]
                        .iter_mut()
                        .zip(row)
                        .for_each(|(to, x)| *to += x);
                }
            }
        }
        out
    }
}

/// The gradients of q `[b,heads,n,d]`, k and v `[b,key heads,m,d]` from that of `[b,n,heads*d]`; every query sees
/// every key.
pub(super) fn attend_backward(
    [q, k, v]: [&Tensor; 3],
    gradient: &Tensor,
    scale: f32,
) -> Result<[Tensor; 3]> {
    let (b, heads, n, d) = q.dims4()?;
    let (_, key_heads, m, _) = k.dims4()?;
    let group = heads / key_heads;
    let amx = tiles();
    let parts: Vec<[Vec<f32>; 3]> = with_slices([q, k, v, gradient], |[qs, ks, vs, g]| {
        (0..b * heads)
            .into_par_iter()
            .map(|at| {
                let (batch, head) = (at / heads, at % heads);
                let key = (batch * key_heads + head / group) * m * d;
                let part = Part::of(
                    [
                        &qs[at * n * d..(at + 1) * n * d],
                        &ks[key..key + m * d],
                        &vs[key..key + m * d],
                    ],
                    d,
                    scale,
                    false,
                    amx,
                );
                let mut rows = Vec::with_capacity(n * d);
                for i in 0..n {
                    let from = ((batch * n + i) * heads + head) * d;
                    rows.extend_from_slice(&g[from..from + d]);
                }
                let mut to = [vec![0.0; n * d], vec![0.0; m * d], vec![0.0; m * d]];
                // Queries and keys are different rows here: no run is shared.
                part.backward(
                    &rows,
                    Run {
                        first: 0,
                        len: n,
                        shared: 0,
                        causal: false,
                    },
                    &mut to,
                );
                to
            })
            .collect()
    })?;
    let mut to_q = Vec::with_capacity(b * heads * n * d);
    let (mut to_k, mut to_v) = (
        vec![0.0; b * key_heads * m * d],
        vec![0.0; b * key_heads * m * d],
    );
    for (at, [q, k, v]) in parts.iter().enumerate() {
        to_q.extend_from_slice(q);
        let key = (at / heads * key_heads + at % heads / group) * m * d;
        to_k[key..key + m * d]
            .iter_mut()
            .zip(k)
            .for_each(|(to, x)| *to += x);
        to_v[key..key + m * d]
            .iter_mut()
            .zip(v)
            .for_each(|(to, x)| *to += x);
    }
    let device = q.device();
    Ok([
        Tensor::from_vec(to_q, (b, heads, n, d), device)?,
        Tensor::from_vec(to_k, (b, key_heads, m, d), device)?,
        Tensor::from_vec(to_v, (b, key_heads, m, d), device)?,
    ])
}
