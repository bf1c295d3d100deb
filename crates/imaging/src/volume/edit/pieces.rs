//! The pieces of a mask: voxels that are joined face to face.

use std::cmp::Reverse;

use super::{Cancelled, EditError, check};
use crate::volume::mask::Rows;
use crate::volume::{Mask, Paint};

/// More runs than this are noise and would take gigabytes.
const MOST_RUNS: usize = 1 << 26;

/// Which piece each run of voxels belongs to.
pub(super) struct Pieces {
    pub(super) rows: Rows,
    /// For each run the number of its piece, in the order of their first voxels.
    piece_of: Vec<u32>,
    /// How many voxels each piece has.
    pub(super) sizes: Vec<u64>,
}

impl Pieces {
    /// Finds the pieces of runs: those of neighbouring rows of a slice are joined, and those of neighbouring slices,
    /// as `join_rows` and `join_slices` say.
    pub(super) fn of(
        rows: Rows,
        [join_rows, join_slices]: [bool; 2],
        cancelled: Cancelled<'_>,
    ) -> Result<Self, EditError> {
        if rows.runs().len() > MOST_RUNS {
            return Err(EditError::TooRagged);
        }
        let mut parents: Vec<u32> = (0..rows.runs().len() as u32).collect();
        let height = rows.dims.y as usize;
        for row in 0..rows.count() {
            if row % height == 0 {
                check(cancelled)?;
            }
            if join_rows && row % height > 0 {
                join(&rows, [row - 1, row], &mut parents);
            }
            if join_slices && row >= height {
                join(&rows, [row - height, row], &mut parents);
            }
        }
        // A parent always comes before its runs, so one pass names them all.
        let mut piece_of = vec![0; parents.len()];
        let mut sizes: Vec<u64> = Vec::new();
        for (run, [from, to]) in rows.runs().iter().enumerate() {
            let root = find(&mut parents, run as u32) as usize;
            if root == run {
                piece_of[run] = sizes.len() as u32;
                sizes.push(0);
            }
            piece_of[run] = piece_of[root];
            sizes[piece_of[run] as usize] += u64::from(to - from);
        }
        Ok(Self {
            rows,
            piece_of,
            sizes,
        })
    }

    /// Calls `run` for each run with its piece, the row it is in, and from where to where it goes.
    pub(super) fn each(&self, mut run: impl FnMut(u32, usize, [u32; 2])) {
        for row in 0..self.rows.count() {
            for n in self.rows.row(row) {
                run(self.piece_of[n], row, self.rows.runs()[n]);
            }
        }
    }

    /// Puts the pieces that `wanted` names into a mask.
    pub(super) fn paint(&self, mask: &mut Mask, wanted: impl Fn(u32) -> bool) {
        self.each(|piece, row, [from, to]| {
            if wanted(piece) {
                let first = self.rows.first_of(row);
                mask.paint_run(first.with_x(first.x + from), to - from, Paint::Add);
            }
        });
    }
}

/// Joins the runs of two rows that lie beside each other.
fn join(rows: &Rows, [a, b]: [usize; 2], parents: &mut [u32]) {
    let (mut at, end) = (rows.row(a).start, rows.row(a).end);
    for n in rows.row(b) {
        let [from, to] = rows.runs()[n];
        while at < end && rows.runs()[at][1] <= from {
            at += 1;
        }
        let mut beside = at;
        while beside < end && rows.runs()[beside][0] < to {
            let roots = [beside, n].map(|run| find(parents, run as u32));
            parents[roots[0].max(roots[1]) as usize] = roots[0].min(roots[1]);
            beside += 1;
        }
    }
}

/// The first run of the piece that a run belongs to.
fn find(parents: &mut [u32], mut run: u32) -> u32 {
    while parents[run as usize] != run {
        let above = parents[parents[run as usize] as usize];
        parents[run as usize] = above;
        run = above;
    }
    run
}

fn pieces_of(mask: &Mask, cancelled: Cancelled<'_>) -> Result<Pieces, EditError> {
    let rows = Rows::of(mask, true).ok_or(EditError::Empty)?;
    Pieces::of(rows, [true; 2], cancelled)
}

/// The largest piece of a mask alone; of equally large ones the first in memory order.
///
/// # Errors
/// When the mask is empty or too ragged, or it was cancelled.
pub fn keep_largest(mask: &Mask, cancelled: Cancelled<'_>) -> Result<Mask, EditError> {
    let pieces = pieces_of(mask, cancelled)?;
    let numbered = (0_u32..).zip(&pieces.sizes);
    let largest = numbered.max_by_key(|&(piece, &size)| (size, Reverse(piece)));
    let largest = largest.ok_or(EditError::Empty)?.0;
    let mut kept = Mask::empty(*mask.grid());
    pieces.paint(&mut kept, |piece| piece == largest);
    Ok(kept)
}

/// A mask without its pieces of less than `least_ml`.
///
/// # Errors
/// When the mask is empty or too ragged, or it was cancelled.
pub fn remove_islands(
    mask: &Mask,
    least_ml: f64,
    cancelled: Cancelled<'_>,
) -> Result<Mask, EditError> {
    let pieces = pieces_of(mask, cancelled)?;
    // A piece of just the size stays, whatever the last bit says.
    let least = least_ml / mask.grid().voxel_ml() * (1.0 - 1e-9);
    let mut kept = Mask::empty(*mask.grid());
    pieces.paint(&mut kept, |piece| {
        pieces.sizes[piece as usize] as f64 >= least
    });
    Ok(kept)
}

/// The pieces of a mask as masks of their own, the largest first, at most `most` of them.
///
/// # Errors
/// When the mask is empty, too ragged or in more pieces, or it was cancelled.
pub fn pieces(mask: &Mask, most: usize, cancelled: Cancelled<'_>) -> Result<Vec<Mask>, EditError> {
    let pieces = pieces_of(mask, cancelled)?;
    let found = pieces.sizes.len();
    if found > most {
        return Err(EditError::TooManyPieces { found, most });
    }
    let mut masks = vec![Mask::empty(*mask.grid()); found];
    pieces.each(|piece, row, [from, to]| {
        let first = pieces.rows.first_of(row);
        masks[piece as usize].paint_run(first.with_x(first.x + from), to - from, Paint::Add);
    });
    masks.sort_by_key(|mask| Reverse(mask.count()));
    Ok(masks)
}
