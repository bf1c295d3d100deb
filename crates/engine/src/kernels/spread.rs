//! How a product is spread over threads.

use rayon::prelude::*;

/// Least work, in multiplications, worth waking another thread.
const SPREAD_FROM: usize = 1 << 19;
/// Pieces per thread: enough to even out threads that are held up, few enough to cost little.
const PIECES: usize = 6;
/// Bytes of x that stay in a core's second cache while tiles pass by.
const CACHED_BYTES: usize = 512 << 10;

/// Runs `work(chunks, tiles)` over the whole grid of chunks of x and tiles of W, in pieces.
///
/// `chunk_bytes` is the size of a chunk of x, and `cost` the multiplications of all.
pub(super) fn spread(
    chunks: usize,
    chunk_bytes: usize,
    tiles: usize,
    cost: usize,
    work: impl Fn(std::ops::Range<usize>, std::ops::Range<usize>) + Sync,
) {
    let group = (CACHED_BYTES / chunk_bytes.max(1)).clamp(1, chunks.max(1));
    let groups = chunks.div_ceil(group);
    let threads = rayon::current_num_threads();
    if threads == 1 || cost < SPREAD_FROM {
        for g in 0..groups {
            work(part(chunks, groups, g), 0..tiles);
        }
        return;
    }
    let spans = (threads * PIECES).div_ceil(groups).clamp(1, tiles.max(1));
    (0..groups * spans).into_par_iter().for_each(|piece| {
        work(
            part(chunks, groups, piece / spans),
            part(tiles, spans, piece % spans),
        );
    });
}

/// The `index`-th of `parts` even parts of `0..len`.
fn part(len: usize, parts: usize, index: usize) -> std::ops::Range<usize> {
    len * index / parts..len * (index + 1) / parts
}

/// The product's memory, written by many threads, each in its own places.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    data: *mut f32,
    len: usize,
    owner: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: `write` is the only access, and its callers promise that no two threads write the same place.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Lends `data` to the threads.
    pub(super) fn new(data: &'a mut [f32]) -> Self {
        Self {
            data: data.as_mut_ptr(),
            len: data.len(),
            owner: std::marker::PhantomData,
        }
    }

    /// Writes `values` from `at` on; what lies beyond the end is left out.
    ///
    /// # Safety
    /// No other thread writes these places at the same time.
    pub(super) unsafe fn write(self, at: usize, values: &[f32]) {
        if at < self.len {
            let count = values.len().min(self.len - at);
            // SAFETY: at + count <= len, so the places lie in the slice; the caller keeps others away.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.data.add(at), count) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[test]
    fn every_place_is_worked_on_once() {
        for (chunks, tiles) in [(1, 1), (1, 577), (33, 48), (200, 3), (7, 7)] {
            let seen: Vec<AtomicU8> = (0..chunks * tiles).map(|_| AtomicU8::new(0)).collect();
            spread(chunks, 40_000, tiles, usize::MAX, |c, t| {
                for chunk in c {
                    for tile in t.clone() {
                        seen[chunk * tiles + tile].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        }
    }
}
