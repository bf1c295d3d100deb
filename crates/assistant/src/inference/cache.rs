//! What was computed for an image and serves the next question.

use candle_core::Tensor;

use super::{Preparation, PreparedImage};
use m3d_imaging::geometry::VoxelGrid;
use m3d_model::KvCache;

/// How often an image was found ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Times an image was there.
    pub hits: u64,
    /// Times it had to be prepared.
    pub misses: u64,
}

/// An image with what the model made of it so far. Stages are filled in one after the other and kept
/// when work is interrupted between them.
pub(super) struct CachedImage {
    /// The revision of the voxels it was made from.
    pub revision: u64,
    /// The prepared image.
    pub image: PreparedImage,
    /// `[1, 1 + N, hidden]`: the embeddings of `<s>` and the image tokens, until the decoder has read
    /// them all.
    pub prefix: Option<Tensor>,
    /// The decoder's keys and values of the prefix, so far as it has read it.
    pub keys: KvCache,
    /// The segmentation network's features.
    pub features: Option<Tensor>,
}

impl CachedImage {
    /// Bytes of everything kept for it.
    fn byte_len(&self) -> usize {
        let tensors = self.prefix.iter().chain(&self.features);
        let tensors: usize = tensors
            .map(|t| t.elem_count() * t.dtype().size_in_bytes())
            .sum();
        tensors + self.keys.byte_len() + size_of_val(self.image.voxels.as_slice())
    }
}

/// A few images, the least recently used one first.
pub(super) struct ImageCache {
    entries: Vec<CachedImage>,
    /// The bytes within which more than [`Self::LEAST`] are kept.
    pub spare_bytes: usize,
    stats: CacheStats,
}

impl ImageCache {
    /// The images kept however large they are. Each holds keys and values of the image prefix: for the
    /// published model about 200 MB in f32, half of it beside weights in fewer bits.
    pub const LEAST: usize = 3;
    /// More are kept while all together take no more bytes than this, so that a reader who goes back and
    /// forth between series finds each of them encoded.
    pub const SPARE_BYTES: usize = 128 << 20;

    /// No images; more than [`Self::LEAST`] are kept within `spare_bytes`.
    pub fn bounded(spare_bytes: usize) -> Self {
        Self {
            entries: Vec::new(),
            spare_bytes,
            stats: CacheStats::default(),
        }
    }

    /// Bytes of everything kept.
    pub fn byte_len(&self) -> usize {
        self.entries.iter().map(CachedImage::byte_len).sum()
    }

    /// Takes an image out. It is put back after use, unless the model failed over it.
    pub fn take(
        &mut self,
        revision: u64,
        preparation: Preparation,
        grid: &VoxelGrid,
    ) -> Option<CachedImage> {
        let at = self.entries.iter().position(|entry| {
            entry.revision == revision
                && entry.image.preparation == preparation
                && entry.image.frame.grid() == grid
        });
        if let Some(at) = at {
            self.stats.hits += 1;
            Some(self.entries.remove(at))
        } else {
            self.stats.misses += 1;
            None
        }
    }

    /// Puts an image in as the most recently used; the least recently used ones go when they are too
    /// many bytes.
    pub fn put(&mut self, entry: CachedImage) {
        self.entries.push(entry);
        let mut bytes = self.byte_len();
        while self.entries.len() > Self::LEAST && bytes > self.spare_bytes {
            bytes -= self.entries.remove(0).byte_len();
        }
    }

    /// Forgets all images; the counts stay.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn stats(&self) -> CacheStats {
        self.stats
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
