//! One brick of a mask.

use std::sync::{Arc, LazyLock};

use glam::{U64Vec3, UVec3};

use super::Paint;

/// The rows and the voxels of a whole brick.
const ROWS: usize = 1024;
const VOXELS: u32 = 32 * 1024;

/// All masks share one brick of which every voxel is inside.
static FULL: LazyLock<Arc<[u32]>> = LazyLock::new(|| [u32::MAX; ROWS].into());

/// The bits of a brick, a word for each row, shared until they are changed.
///
/// What is inside has one form: an empty brick has no rows, and a full one has the rows that all share.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Brick {
    rows: Option<Arc<[u32]>>,
    count: u32,
}

impl Brick {
    /// The brick with these rows.
    pub(super) fn new(rows: &[u32]) -> Self {
        let count = rows.iter().map(|word| word.count_ones()).sum();
        let rows = match count {
            0 => None,
            VOXELS => Some(Arc::clone(&FULL)),
            _ => Some(rows.into()),
        };
        Self { rows, count }
    }

    /// The brick of which every voxel is inside.
    pub(super) fn full() -> Self {
        Self {
            rows: Some(Arc::clone(&FULL)),
            count: VOXELS,
        }
    }

    /// How many voxels are inside.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Whether every voxel is inside. A brick that the grid makes thinner is never full.
    pub(super) const fn is_full(&self) -> bool {
        self.count == VOXELS
    }

    /// The rows; `None` where nothing is inside.
    pub(super) fn rows(&self) -> Option<&[u32]> {
        self.rows.as_deref()
    }

    /// One row.
    pub(super) fn row(&self, row: usize) -> u32 {
        self.rows.as_deref().map_or(0, |rows| rows[row])
    }

    /// Puts bits of a row into the set or takes them out; `rows` is how many rows such a brick has.
    pub(super) fn paint(&mut self, rows: usize, row: usize, bits: u32, paint: Paint) {
        let old = self.row(row);
        let new = match paint {
            Paint::Add => old | bits,
            Paint::Erase => old & !bits,
        };
        if new == old {
            return;
        }
        let own = self
            .rows
            .get_or_insert_with(|| std::iter::repeat_n(0, rows).collect());
        Arc::make_mut(own)[row] = new;
        self.count = self.count - old.count_ones() + new.count_ones();
        match self.count {
            0 => self.rows = None,
            VOXELS => self.rows = Some(Arc::clone(&FULL)),
            _ => {}
        }
    }

    /// Bytes of memory of its own, those shared with copies included.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.rows().filter(|_| !self.is_full());
        size_of::<Self>() + rows.map_or(0, size_of_val)
    }

    /// The lowest and the highest voxel inside along each axis, from the brick's first; `None` where
    /// nothing is inside. `height` is the rows of a slice of the brick.
    pub(super) fn bounds(&self, height: usize) -> Option<(UVec3, UVec3)> {
        let (mut across, mut low, mut high) = (0, UVec3::MAX, UVec3::ZERO);
        for (k, slice) in (0..).zip(self.rows()?.chunks_exact(height)) {
            for (j, &word) in (0..).zip(slice) {
                if word != 0 {
                    across |= word;
                    low = low.min(UVec3::new(0, j, k));
                    high = high.max(UVec3::new(0, j, k));
                }
            }
        }
        low.x = across.trailing_zeros();
        high.x = across.checked_ilog2()?;
        Some((low, high))
    }

    /// The sums of the coordinates of the voxels inside, from the brick's first voxel.
    pub(super) fn sums(&self, height: usize) -> U64Vec3 {
        let mut sums = U64Vec3::ZERO;
        for (k, slice) in (0..).zip(self.rows().unwrap_or_default().chunks_exact(height)) {
            for (j, &word) in (0_u64..).zip(slice) {
                if word != 0 {
                    let count = u64::from(word.count_ones());
                    sums += U64Vec3::new(sum_of_bits(word), j * count, k * count);
                }
            }
        }
        sums
    }

    /// How many voxels are inside both.
    pub(super) fn shared_count(&self, other: &Self) -> u32 {
        match (self.rows(), other.rows()) {
            (Some(a), Some(b)) => a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum(),
            _ => 0,
        }
    }
}

impl std::fmt::Debug for Brick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Brick({} voxels)", self.count)
    }
}

/// The sum of the places of a word's bits.
fn sum_of_bits(word: u32) -> u64 {
    // Places whose own bit 0, 1, 2, 3 or 4 is set.
    const PLACES: [u32; 5] = [
        0xAAAA_AAAA,
        0xCCCC_CCCC,
        0xF0F0_F0F0,
        0xFF00_FF00,
        0xFFFF_0000,
    ];
    if word == u32::MAX {
        return 31 * 32 / 2;
    }
    let sum = (0..5)
        .map(|n| (word & PLACES[n]).count_ones() << n)
        .sum::<u32>();
    u64::from(sum)
}
