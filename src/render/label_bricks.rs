//! Where ray casting meets labels.

use glam::UVec3;
use rayon::prelude::*;

use super::bricks::{BRICK, brick_dims};
use m3d_imaging::volume::{BRICK_SIDE, BrickLayout, LabelMap};

/// Which of the bricks that rays leap over hold labels, as far as samples in them reach (see
/// [`super::bricks::Bricks`]).
///
/// For each brick of the label map, several times as large, it is kept which of the small ones in and
/// around it its labels reach, so that a change costs the bricks that changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LabelBricks {
    dims: UVec3,
    any: Vec<bool>,
    layout: BrickLayout,
    reach: Vec<Reach>,
}

/// Small bricks along a side of a brick of the label map.
const SIDE: u32 = BRICK_SIDE / BRICK;
/// Those, and one more on both sides.
const CELLS: usize = SIDE as usize + 2;

/// The small bricks that the labels of a brick of the map reach: in each layer along `k`, bit
/// `y * CELLS + x`, counted from one before the brick.
type Reach = [u64; CELLS];

/// The small bricks that a voxel of a brick of the map reaches along an axis.
const fn cells(voxel: usize) -> std::ops::RangeInclusive<usize> {
    let side = BRICK as usize;
    voxel.div_ceil(side)..=(voxel + 1) / side + 1
}

impl LabelBricks {
    /// The bricks of a label map.
    pub(super) fn of(labels: &LabelMap) -> Self {
        let layout = *labels.layout();
        let dims = brick_dims(labels.grid().dims());
        let reach = (0..layout.len())
            .into_par_iter()
            .map(|n| reach(labels.brick(n), layout.side()))
            .collect();
        let mut made = Self {
            dims,
            any: Vec::new(),
            layout,
            reach,
        };
        made.any = (0..dims.element_product())
            .into_par_iter()
            .map(|n| {
                let at = UVec3::new(n % dims.x, n / dims.x % dims.y, n / dims.x / dims.y);
                made.is_reached(at)
            })
            .collect();
        made
    }

    /// Follows a label map of the same grid in which these bricks have changed; whether a brick holds
    /// labels now that held none, or the other way round.
    pub(super) fn update(&mut self, labels: &LabelMap, changed: &[usize]) -> bool {
        let side = self.layout.side();
        let made: Vec<Reach> = changed
            .par_iter()
            .map(|&n| reach(labels.brick(n), side))
            .collect();
        let mut around = Vec::new();
        for (&n, reach) in changed.iter().zip(made) {
            if self.reach[n] != reach {
                self.reach[n] = reach;
                around.push(n);
            }
        }
        let mut differs = false;
        for n in around {
            let first = self.layout.brick(n) * SIDE;
            let (low, high) = (first.saturating_sub(UVec3::ONE), first + SIDE + 1);
            let high = high.min(self.dims);
            for z in low.z..high.z {
                for y in low.y..high.y {
                    for x in low.x..high.x {
                        let any = self.is_reached(UVec3::new(x, y, z));
                        let offset = (z * self.dims.y + y) * self.dims.x + x;
                        let known = &mut self.any[offset as usize];
                        differs |= *known != any;
                        *known = any;
                    }
                }
            }
        }
        differs
    }

    /// The number of bricks along each axis.
    pub(super) const fn dims(&self) -> UVec3 {
        self.dims
    }

    /// Whether each brick holds labels.
    pub(super) fn any(&self) -> &[bool] {
        &self.any
    }

    /// Whether any brick of the map reaches a small brick.
    fn is_reached(&self, at: UVec3) -> bool {
        // Along each axis: the brick it lies in, and the neighbour it touches.
        let parts = at.to_array().map(|n| {
            let (brick, cell) = (n / SIDE, (n % SIDE) as usize + 1);
            let beside = match cell {
                1 => brick.checked_sub(1).map(|before| (before, CELLS - 1)),
                cell if cell == CELLS - 2 => Some((brick + 1, 0)),
                _ => None,
            };
            [Some((brick, cell)), beside]
        });
        let [xs, ys, zs] = parts;
        zs.into_iter().flatten().any(|(z, in_z)| {
            ys.into_iter().flatten().any(|(y, in_y)| {
                xs.into_iter().flatten().any(|(x, in_x)| {
                    let index = self.layout.index(UVec3::new(x, y, z));
                    index.is_some_and(|n| self.reach[n][in_z] >> (in_y * CELLS + in_x) & 1 == 1)
                })
            })
        })
    }
}

/// What the labels of a brick of the map reach; `side` is its voxels along each axis.
fn reach(labels: Option<&[u8]>, side: UVec3) -> Reach {
    let mut reach = [0; CELLS];
    let Some(labels) = labels else {
        return reach;
    };
    let (width, height) = (side.x as usize, side.y as usize);
    // The voxels along `i` that have a label somewhere in the rows that reach a place in `j` and `k`.
    let mut across = [[0_u32; CELLS]; CELLS];
    for (k, slice) in labels.chunks_exact(width * height).enumerate() {
        for (j, row) in slice.chunks_exact(width).enumerate() {
            let word = (0..)
                .zip(row)
                .fold(0, |word, (bit, &label)| word | u32::from(label != 0) << bit);
            if word != 0 {
                for z in cells(k) {
                    for y in cells(j) {
                        across[z][y] |= word;
                    }
                }
            }
        }
    }
    for (layer, rows) in reach.iter_mut().zip(across) {
        for (y, word) in rows.into_iter().enumerate() {
            for bit in (0..width).filter(|bit| word >> bit & 1 == 1) {
                for x in cells(bit) {
                    *layer |= 1 << (y * CELLS + x);
                }
            }
        }
    }
    reach
}

const _: () = assert!(
    BRICK_SIDE.is_multiple_of(BRICK) && CELLS * CELLS <= 64,
    "small bricks fill one of the map, and a layer of them fits into a word"
);

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3};

    use super::*;
    use m3d_imaging::geometry::VoxelGrid;
    use m3d_imaging::volume::{Mask, Paint};

    /// Whether a voxel in the brick or one beyond its sides has a label.
    fn plain(labels: &LabelMap) -> Vec<bool> {
        let size = labels.grid().dims();
        let dims = brick_dims(size);
        let mut any = vec![false; dims.element_product() as usize];
        let reached =
            |n: u32, size: u32| (n * BRICK).saturating_sub(1)..((n + 1) * BRICK + 1).min(size);
        for (n, any) in (0..).zip(&mut any) {
            let at = UVec3::new(n % dims.x, n / dims.x % dims.y, n / dims.x / dims.y);
            *any = reached(at.z, size.z).any(|z| {
                reached(at.y, size.y)
                    .any(|y| reached(at.x, size.x).any(|x| labels.label(UVec3::new(x, y, z)) != 0))
            });
        }
        any
    }

    #[test]
    fn changed_bricks_are_followed() {
        for dims in [
            UVec3::new(75, 41, 66),
            UVec3::new(40, 70, 1),
            UVec3::new(7, 33, 64),
        ] {
            let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
            let mut mask = Mask::empty(grid);
            let mut labels = LabelMap::from_masks(grid, [&mask]);
            let mut bricks = LabelBricks::of(&labels);
            assert!(bricks.any().iter().all(|any| !any));
            // Single voxels on all kinds of borders, then balls, then parts of them gone.
            let singles =
                (0..40).map(|n| (DVec3::new(7.0, 9.0, 8.0) * f64::from(n), 0.0, Paint::Add));
            let balls = (0..12).map(|n| {
                let paint = if n % 3 == 2 { Paint::Erase } else { Paint::Add };
                (
                    DVec3::new(31.0, 13.0, 17.0) * f64::from(n),
                    f64::from(n % 5) * 3.3,
                    paint,
                )
            });
            let mut differed = 0;
            for (far, radius_mm, paint) in singles.chain(balls) {
                let centre_mm = (far % dims.as_dvec3()).floor();
                let patch = mask.edit(|m| m.paint_ball(centre_mm, radius_mm, paint));
                labels.update([&mask], patch.bricks());
                let before = bricks.any().to_vec();
                let changed: Vec<usize> = patch.bricks().collect();
                let differs = bricks.update(&labels, &changed);
                assert_eq!(differs, before != bricks.any());
                differed += u32::from(differs);
                assert_eq!(
                    bricks.any(),
                    plain(&labels),
                    "{dims} {centre_mm} {radius_mm}"
                );
                assert_eq!(bricks, LabelBricks::of(&labels));
            }
            assert!(differed > 5, "{differed}");
        }
    }
}
