//! The heads of queries, keys and values as they lie in memory, and keys and values laid out for the register tiles.

use candle_core::{CpuStorage, Layout, Result};

use super::number::Number;
use super::simd::Simd;

/// `[b,heads,n,d]` whose last axis is contiguous.
pub struct Heads<'a, T = f32> {
    data: &'a [T],
    /// b, heads, n, d.
    pub dims: [usize; 4],
    stride: [usize; 3],
}

impl<'a, T: Number> Heads<'a, T> {
    /// A view of a tensor's storage.
    pub fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (&[b, heads, n, d], &[sb, sh, sn, sd]) = (layout.dims(), layout.stride()) else {
            candle_core::bail!("attention takes four axes, got {:?}", layout.dims())
        };
        if sd != 1 && d > 1 {
            candle_core::bail!("attention needs heads whose values lie together, got {layout:?}")
        }
        Ok(Self {
            data: &storage.as_slice::<T>()?[layout.start_offset()..],
            dims: [b, heads, n, d],
            stride: [sb, sh, sn],
        })
    }

    /// The `d` values of a position of a head.
    pub fn row(&self, batch: usize, head: usize, position: usize) -> &'a [T] {
        let [sb, sh, sn] = self.stride;
        let start = batch * sb + head * sh + position * sn;
        &self.data[start..start + self.dims[3]]
    }
}

/// Keys of a head as columns: panels of `width` keys, each `[d][width]`, the last filled up with zeros.
#[inline(always)]
pub fn pack_keys<S: Simd, T: Number>(
    s: S,
    k: &Heads<T>,
    batch: usize,
    head: usize,
    width: usize,
) -> Vec<f32> {
    let [_, _, m, d] = k.dims;
    let mut buffer = vec![0.0; d];
    let mut packed = vec![0.0; m.div_ceil(width) * width * d];
    if d == 0 {
        return packed;
    }
    for (p, panel) in packed.chunks_exact_mut(width * d).enumerate() {
        for j in 0..width.min(m - p * width) {
            let row = T::widened(s, k.row(batch, head, p * width + j), &mut buffer);
            for (column, x) in panel.chunks_exact_mut(width).zip(row) {
                column[j] = *x;
            }
        }
    }
    packed
}

/// Values of a head: blocks of `block` keys, in each block tiles of `width` columns, `[keys][width]`, the last tile
/// filled up with zeros. A block begins at its first key times the filled-up width.
#[inline(always)]
pub fn pack_values<S: Simd, T: Number>(
    s: S,
    v: &Heads<T>,
    batch: usize,
    head: usize,
    block: usize,
    width: usize,
) -> Vec<f32> {
    let [_, _, m, d] = v.dims;
    let mut buffer = vec![0.0; d];
    let tiles = d.div_ceil(width);
    let mut packed = vec![0.0; m * tiles * width];
    for (start, keys) in (0..m)
        .step_by(block)
        .zip(packed.chunks_mut(block * tiles * width))
    {
        let len = keys.len() / (tiles * width);
        for j in 0..len {
            let row = T::widened(s, v.row(batch, head, start + j), &mut buffer);
            for (t, columns) in row.chunks(width).enumerate() {
                let at = (t * len + j) * width;
                keys[at..at + columns.len()].copy_from_slice(columns);
            }
        }
    }
    packed
}
