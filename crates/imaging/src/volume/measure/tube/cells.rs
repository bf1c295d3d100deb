//! A way through a mask from one end to the other, over voxels or blocks of them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use glam::{DAffine3, DMat3, DVec3, IVec3, UVec3};

use crate::volume::Mask;
use crate::volume::measure::crop::Crop;
use crate::volume::measure::distance_map::squared_distances;
use crate::volume::measure::extremes::before;

/// About as many cells as a way is looked for over.
const CELLS: f64 = 40_000.0;

/// How far a cell is from a start; none has been reached at the greatest.
const FAR: u64 = u64::MAX;

/// The largest piece of a mask, in blocks of voxels small enough to find the way in, large enough to find it fast.
pub(super) struct Cells {
    dims: IVec3,
    patient_from_cell: DAffine3,
    /// The voxels inside of each cell; 0 outside of the largest piece.
    voxels: Vec<u32>,
    share_of_largest: f64,
    /// Whether the image begins or ends with the cells, along each axis.
    ends: [[bool; 2]; 3],
}

/// A way through a tube, near its middle.
pub(super) struct Path {
    /// Its places in patient mm.
    pub(super) points: Vec<DVec3>,
    /// The median distance of its places from the border, in mm.
    pub(super) radius_mm: f64,
}

impl Cells {
    pub(super) fn of(crop: &Crop, mask: &Mask) -> Self {
        let (grid, count) = (mask.grid(), mask.count());
        let edge = (count as f64 * grid.voxel_ml() * 1000.0 / CELLS).cbrt();
        // Odd blocks that lie evenly over the box, so that the order of storage does not move them.
        let block = (edge / grid.spacing_mm())
            .map(|n| 2.0 * (n / 2.0).floor() + 1.0)
            .as_uvec3();
        let even = |size: u32, block: u32| {
            let blocks = size.div_ceil(block);
            blocks + u32::from((blocks * block - size) % 2 == 1)
        };
        let dims = UVec3::from_array([0, 1, 2].map(|n| even(crop.dims[n], block[n])));
        let before = (dims * block - crop.dims) / 2;
        let mut voxels = vec![0; dims.element_product() as usize];
        for (offset, _) in crop.bytes().iter().enumerate().filter(|&(_, &v)| v == 1) {
            let cell = (crop.voxel(offset) + before) / block;
            voxels[((cell.z * dims.y + cell.y) * dims.x + cell.x) as usize] += 1;
        }
        let first = crop.first.as_dvec3() - before.as_dvec3() + (block.as_dvec3() - 1.0) / 2.0;
        let voxel_from_cell = DAffine3 {
            matrix3: DMat3::from_diagonal(block.as_dvec3()),
            translation: first,
        };
        let mut cells = Self {
            dims: dims.as_ivec3(),
            patient_from_cell: grid.patient_from_voxel() * voxel_from_cell,
            voxels,
            share_of_largest: 0.0,
            ends: [0, 1, 2].map(|axis| crop.reaches(axis)),
        };
        cells.keep_largest(count);
        cells
    }

    /// The share of the voxels that are in the largest piece, after which only that is left.
    pub(super) const fn share_of_largest(&self) -> f64 {
        self.share_of_largest
    }

    fn keep_largest(&mut self, count: usize) {
        let mut piece_of = vec![0_u32; self.voxels.len()];
        let (mut pieces, mut largest) = (0, (0, 0));
        for start in 0..self.voxels.len() {
            if self.voxels[start] == 0 || piece_of[start] != 0 {
                continue;
            }
            pieces += 1;
            piece_of[start] = pieces;
            let (mut size, mut open) = (0, vec![start]);
            while let Some(cell) = open.pop() {
                size += self.voxels[cell] as usize;
                for (_, next) in self.neighbours(cell) {
                    if piece_of[next] == 0 {
                        piece_of[next] = pieces;
                        open.push(next);
                    }
                }
            }
            if size > largest.0 {
                largest = (size, pieces);
            }
        }
        for (voxels, piece) in self.voxels.iter_mut().zip(piece_of) {
            if piece != largest.1 {
                *voxels = 0;
            }
        }
        self.share_of_largest = largest.0 as f64 / count.max(1) as f64;
    }

    /// The way between the two cells that are farthest apart inside, as near to the middle as it can.
    pub(super) fn path(&self) -> Path {
        let inside: Vec<usize> = (0..self.voxels.len())
            .filter(|&n| self.voxels[n] > 0)
            .collect();
        let middle = inside.iter().map(|&n| self.place(n)).sum::<DVec3>() / inside.len() as f64;
        let length = |_: usize| 1.0;
        let from_middle = |n: usize| (self.place(n).distance(middle) * 1000.0).round() as u64;
        let Some(start) = self.farthest(&inside, from_middle) else {
            return Path {
                points: Vec::new(),
                radius_mm: 0.0,
            };
        };
        let far_from = |start: usize| {
            let (distances, _) = self.walk(start, length);
            self.farthest(&inside, |n| distances[n]).unwrap_or(start)
        };
        let first = far_from(start);
        let last = far_from(first);
        let depths = self.depths_mm();
        let deepest = depths.iter().copied().fold(0.0, f64::max);
        let (_, from) = self.walk(first, |n| (deepest / depths[n]).powi(2));
        let mut way = vec![last];
        while let Some(&n) = way.last()
            && n != first
            && from[n] != n
        {
            way.push(from[n]);
        }
        let mut radii: Vec<f64> = way.iter().map(|&n| depths[n]).collect();
        radii.sort_by(f64::total_cmp);
        Path {
            points: way.iter().map(|&n| self.place(n)).collect(),
            radius_mm: radii[radii.len() / 2],
        }
    }

    /// The cell of which a distance is greatest; of several, the one that comes first in the patient.
    fn farthest(&self, cells: &[usize], distance: impl Fn(usize) -> u64) -> Option<usize> {
        let reached = cells.iter().copied().filter(|&n| distance(n) != FAR);
        reached.reduce(|a, b| match distance(a).cmp(&distance(b)) {
            Ordering::Less => b,
            Ordering::Equal if before(self.place(b), self.place(a)) == Some(true) => b,
            Ordering::Greater | Ordering::Equal => a,
        })
    }

    /// How far it is from a start to every cell, in micrometres times what a step into each costs, and from which
    /// neighbour each is reached (Dijkstra 1959). Whole numbers add up alike in any order.
    fn walk(&self, start: usize, cost: impl Fn(usize) -> f64) -> (Vec<u64>, Vec<usize>) {
        let mut distances = vec![FAR; self.voxels.len()];
        let mut from: Vec<usize> = (0..self.voxels.len()).collect();
        let mut open = BinaryHeap::from([(Reverse(0), start)]);
        distances[start] = 0;
        while let Some((Reverse(distance), cell)) = open.pop() {
            if distance > distances[cell] {
                continue;
            }
            for (step, next) in self.neighbours(cell) {
                let length = self
                    .patient_from_cell
                    .transform_vector3(step.as_dvec3())
                    .length();
                let there = distance + (length * 1000.0 * cost(next)).round() as u64;
                if there < distances[next] {
                    distances[next] = there;
                    from[next] = cell;
                    open.push((Reverse(there), next));
                }
            }
        }
        (distances, from)
    }

    /// How deep each cell lies inside, in mm; what the image cuts is no border.
    fn depths_mm(&self) -> Vec<f64> {
        let before = IVec3::from_array(self.ends.map(|[low, _]| i32::from(!low)));
        let after = IVec3::from_array(self.ends.map(|[_, high]| i32::from(!high)));
        let dims = self.dims + before + after;
        let mut outside = vec![1; dims.element_product() as usize];
        let offsets: Vec<usize> = (0..self.voxels.len())
            .map(|n| {
                let at = self.cell(n) + before;
                ((at.z * dims.y + at.y) * dims.x + at.x) as usize
            })
            .collect();
        for (&offset, &voxels) in offsets.iter().zip(&self.voxels) {
            outside[offset] = u8::from(voxels == 0);
        }
        let m = self.patient_from_cell.matrix3;
        let spacing = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
        let squared = squared_distances(&outside, dims.as_uvec3(), spacing);
        // Where there is no border at all, any way is as good.
        let depth = |&n: &usize| f64::from(squared[n].min(1e12)).sqrt().max(1e-3);
        offsets.iter().map(depth).collect()
    }

    fn place(&self, cell: usize) -> DVec3 {
        self.patient_from_cell
            .transform_point3(self.cell(cell).as_dvec3())
    }

    const fn cell(&self, n: usize) -> IVec3 {
        let (x, y) = (self.dims.x as usize, self.dims.y as usize);
        IVec3::new((n % x) as i32, (n / x % y) as i32, (n / x / y) as i32)
    }

    /// The up to 26 neighbours of a cell that are inside, with the steps to them.
    fn neighbours(&self, cell: usize) -> impl Iterator<Item = (IVec3, usize)> + '_ {
        let here = self.cell(cell);
        (0..27).filter(|&n| n != 13).filter_map(move |n| {
            let step = IVec3::new(n % 3, n / 3 % 3, n / 9) - 1;
            let next = here + step;
            let within = next.cmpge(IVec3::ZERO).all() && next.cmplt(self.dims).all();
            let offset = ((next.z * self.dims.y + next.y) * self.dims.x + next.x) as usize;
            (within && self.voxels[offset] > 0).then_some((step, offset))
        })
    }
}
