//! Keys and values of past positions, written in place.

use candle_core::{DType, Result, Tensor};

use super::ModelError;
use m3d_engine::ops::write_positions;

/// Positions by which the storage grows.
const STEP: usize = 512;

/// The decoder's memory of a conversation, made by [`Lamed::new_cache`](super::Lamed::new_cache).
///
/// Storage is allocated ahead and written in place: appending a position copies that position only. Cutting back with
/// [`truncate`](Self::truncate) is free, so the prefix of an image serves many questions.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Option<(Tensor, Tensor)>>,
    dtype: DType,
    len: usize,
    limit: usize,
}

impl KvCache {
    /// An empty cache for so many layers and at most `limit` positions, held in `dtype`.
    pub(crate) fn new(layers: usize, limit: usize, dtype: DType) -> Self {
        Self {
            layers: vec![None; layers],
            dtype,
            len: 0,
            limit,
        }
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Positions that can be held: the model's context.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of the storage, filled or not.
    pub fn byte_len(&self) -> usize {
        let tensors = self.layers.iter().flatten().flat_map(|(k, v)| [k, v]);
        tensors
            .map(|t| t.elem_count() * t.dtype().size_in_bytes())
            .sum()
    }

    /// Forgets all but the first `len` positions; no effect where fewer are held.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Number of layers this cache was made for.
    pub(crate) fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// Fails where `more` positions do not fit any more.
    pub(crate) fn check_room(&self, more: usize) -> std::result::Result<(), ModelError> {
        let asked = self.len.saturating_add(more);
        if asked > self.limit {
            return Err(ModelError::ContextTooLong {
                asked,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Writes keys and values `[b,heads,n,d]` of a layer behind those held and returns views of all, `[b,heads,m,d]`.
    /// The length changes only with [`Self::advance`], after every layer has written.
    pub(crate) fn append(
        &mut self,
        layer: usize,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let end = self.len + k.dim(2)?;
        let (len, limit, dtype) = (self.len, self.limit, self.dtype);
        let Some(slot) = self.layers.get_mut(layer) else {
            candle_core::bail!("the cache has no layer {layer}")
        };
        let (keys, values) = match slot.take() {
            Some((keys, values)) if keys.dim(2)? >= end => (keys, values),
            old => {
                let capacity = end.next_multiple_of(STEP).min(limit.max(end));
                let (old_keys, old_values) = old.unzip();
                (
                    grown(k, dtype, capacity, old_keys.as_ref(), len)?,
                    grown(v, dtype, capacity, old_values.as_ref(), len)?,
                )
            }
        };
        write_positions(&keys, k, len)?;
        write_positions(&values, v, len)?;
        let views = (keys.narrow(2, 0, end)?, values.narrow(2, 0, end)?);
        *slot = Some((keys, values));
        Ok(views)
    }

    /// Counts `n` positions that every layer has written.
    pub(crate) fn advance(&mut self, n: usize) {
        self.len += n;
    }
}

/// Storage of `capacity` positions, shaped like `like`, beginning with the `len` positions of `old`.
fn grown(
    like: &Tensor,
    dtype: DType,
    capacity: usize,
    old: Option<&Tensor>,
    len: usize,
) -> Result<Tensor> {
    let (b, heads, _, d) = like.dims4()?;
    let storage = Tensor::zeros((b, heads, capacity, d), dtype, like.device())?;
    if let Some(old) = old.filter(|_| len > 0) {
        storage.slice_set(&old.narrow(2, 0, len)?.contiguous()?, 2, 0)?;
    }
    Ok(storage)
}
