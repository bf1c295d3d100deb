//! What was computed for an image and serves the next question.

use candle_core::Tensor;

use super::{Preparation, PreparedImage};
use crate::geometry::VoxelGrid;
use crate::model::KvCache;

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
    /// The study's revision it was made from.
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

/// A few images, the least recently used one first.
#[derive(Default)]
pub(super) struct ImageCache {
    entries: Vec<CachedImage>,
    stats: CacheStats,
}

impl ImageCache {
    /// The most images kept. Each holds keys and values of the image prefix: for the published model
    /// about 200 MB in f32, half of it beside weights in fewer bits.
    pub const MOST: usize = 3;

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

    /// Puts an image in as the most recently used; the least recently used one goes when there are
    /// too many.
    pub fn put(&mut self, entry: CachedImage) {
        self.entries.push(entry);
        if self.entries.len() > Self::MOST {
            self.entries.remove(0);
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
