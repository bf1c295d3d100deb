//! A mask as runs of voxels, row by row.

use glam::UVec3;
use rayon::prelude::*;

use super::Mask;
use crate::volume::brick_layout::BRICK_SIDE;

/// The runs of voxels along `i` in a box of a grid: what is inside a mask there, or what is not.
#[derive(Clone, Debug)]
pub(in crate::volume) struct Rows {
    /// The voxel of the grid at which the box begins.
    pub(in crate::volume) first: UVec3,
    /// Its voxels along each axis.
    pub(in crate::volume) dims: UVec3,
    /// Where the runs of each row begin, and where those of the last one end.
    starts: Vec<usize>,
    /// From and up to but without, counted from the box's first voxel.
    runs: Vec<[u32; 2]>,
}

impl Rows {
    /// The runs inside, or outside, of the smallest box around a mask; `None` where nothing is inside.
    pub(in crate::volume) fn of(mask: &Mask, inside: bool) -> Option<Self> {
        let bounds = mask.bounding_box()?;
        let first = (bounds.min + 0.5).as_uvec3();
        let dims = (bounds.max + 0.5).as_uvec3() - first;
        let slices: Vec<(Vec<usize>, Vec<[u32; 2]>)> = (0..dims.z)
            .into_par_iter()
            .map(|k| {
                let (mut counts, mut runs) = (Vec::new(), Vec::new());
                for j in 0..dims.y {
                    let before = runs.len();
                    mask.runs_of_row(first.y + j, first.z + k, |from, to| {
                        runs.push([from - first.x, to - first.x]);
                    });
                    if !inside {
                        let gaps = gaps(&runs[before..], dims.x);
                        runs.splice(before.., gaps);
                    }
                    counts.push(runs.len() - before);
                }
                (counts, runs)
            })
            .collect();
        let mut rows = Self {
            first,
            dims,
            starts: vec![0],
            runs: Vec::with_capacity(slices.iter().map(|(_, runs)| runs.len()).sum()),
        };
        let mut end = 0;
        for (counts, runs) in slices {
            rows.starts.extend(counts.into_iter().map(|count| {
                end += count;
                end
            }));
            rows.runs.extend(runs);
        }
        Some(rows)
    }

    /// The same voxels, each a run of its own.
    pub(in crate::volume) fn voxel_by_voxel(self) -> Self {
        let mut starts = vec![0];
        let mut runs = Vec::new();
        for row in 0..self.count() {
            let row = &self.runs[self.row(row)];
            runs.extend(
                row.iter()
                    .flat_map(|&[from, to]| (from..to).map(|i| [i, i + 1])),
            );
            starts.push(runs.len());
        }
        Self {
            starts,
            runs,
            ..self
        }
    }

    /// How many rows there are: those of a slice, then those of the next.
    pub(in crate::volume) const fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Which runs are those of a row.
    pub(in crate::volume) fn row(&self, row: usize) -> std::ops::Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// All runs.
    pub(in crate::volume) fn runs(&self) -> &[[u32; 2]] {
        &self.runs
    }

    /// The voxel of the grid at which a row of the box begins.
    pub(in crate::volume) fn first_of(&self, row: usize) -> UVec3 {
        let height = self.dims.y as usize;
        self.first + UVec3::new(0, (row % height) as u32, (row / height) as u32)
    }
}

/// What lies between runs, before the first and behind the last, in a row of `width` voxels.
fn gaps(runs: &[[u32; 2]], width: u32) -> Vec<[u32; 2]> {
    let starts = std::iter::once(0).chain(runs.iter().map(|run| run[1]));
    let ends = runs.iter().map(|run| run[0]).chain([width]);
    let gaps = starts.zip(ends).map(|(from, to)| [from, to]);
    gaps.filter(|[from, to]| from < to).collect()
}

impl Mask {
    /// Calls `run(from, to)` for the voxels along `i` of one row that are inside, from and up to but without.
    pub(in crate::volume) fn runs_of_row(&self, j: u32, k: u32, mut run: impl FnMut(u32, u32)) {
        let dims = self.grid.dims();
        if j >= dims.y || k >= dims.z {
            return;
        }
        let (start, row, _) = self.layout.place(UVec3::new(0, j, k));
        let mut open: Option<u32> = None;
        for n in 0..self.layout.dims().x {
            let first = n * BRICK_SIDE;
            let mut word = self.bricks[start + n as usize].row(row);
            let mut bit = 0;
            if open.is_some() && word & 1 == 0 {
                run(open.take().unwrap_or_default(), first);
            }
            while word != 0 {
                let zeros = word.trailing_zeros();
                (word, bit) = (word >> zeros, bit + zeros);
                let from = open.take().unwrap_or(first + bit);
                let ones = word.trailing_ones();
                bit += ones;
                if bit == BRICK_SIDE {
                    open = Some(from);
                    break;
                }
                run(from, first + bit);
                word >>= ones;
            }
        }
        if let Some(from) = open {
            run(from, dims.x);
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;
    use crate::geometry::VoxelGrid;

    #[test]
    fn runs_are_what_is_inside_and_between() {
        for (width, rule) in [(130, 7), (64, 64), (31, 3), (97, 40)] {
            let grid = VoxelGrid::new(UVec3::new(width, 5, 4), DAffine3::IDENTITY).unwrap();
            let inside = |v: UVec3| (v.x / rule + v.y + v.z) % 3 != 1 && v.z > 0;
            let mask = Mask::from_fn(grid, inside);
            for wanted in [true, false] {
                let rows = Rows::of(&mask, wanted).unwrap();
                for rows in [rows.clone(), rows.voxel_by_voxel()] {
                    let mut found = 0;
                    for row in 0..rows.count() {
                        let first = rows.first_of(row);
                        for &[from, to] in &rows.runs()[rows.row(row)] {
                            let voxels = (from..to).map(|i| first.with_x(first.x + i));
                            found += voxels.inspect(|&v| assert_eq!(inside(v), wanted)).count();
                        }
                    }
                    let all = rows.dims.element_product() as usize;
                    let count = if wanted {
                        mask.count()
                    } else {
                        all - mask.count()
                    };
                    assert_eq!(found, count);
                }
            }
        }
        let empty = Mask::empty(VoxelGrid::new(UVec3::ONE, DAffine3::IDENTITY).unwrap());
        assert!(Rows::of(&empty, true).is_none());
    }
}
