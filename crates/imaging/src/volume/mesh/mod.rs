//! The closed surface of a mask.

mod cases;
mod smooth;

use glam::{DVec3, UVec3};

use super::Mask;
use cases::{CASES, Edge};

/// Triangles in patient millimetres (LPS), counter-clockwise as seen from outside.
///
/// The surface is closed: each side of a triangle is the side of exactly one other, run through the other way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// The corners.
    pub vertices: Vec<DVec3>,
    /// Three corners each, by their number.
    pub triangles: Vec<[u32; 3]>,
}

impl Mesh {
    /// The surface around a mask, smoothed, empty for an empty one. It passes between the centre of every voxel inside
    /// and that of its neighbours outside: no voxel changes sides, thin vessels stay whole and what is apart stays apart.
    /// The volume inside is the mask's, as near as that allows.
    pub fn of(mask: &Mask) -> Self {
        let mut raw = Extraction::new(mask);
        raw.run(mask);
        let place = mask.grid().patient_from_voxel();
        let mut mesh = smooth::smoothed(&raw.points, raw.triangles, place, mask.volume_ml());
        if place.matrix3.determinant() < 0.0 {
            for triangle in &mut mesh.triangles {
                triangle.swap(1, 2);
            }
        }
        mesh
    }

    /// The corners of each triangle in mm.
    pub fn corners_mm(&self) -> impl Iterator<Item = [DVec3; 3]> + '_ {
        let corner = |n: u32| self.vertices[n as usize];
        self.triangles.iter().map(move |t| t.map(corner))
    }

    /// The volume inside, in mL.
    pub fn volume_ml(&self) -> f64 {
        // Cones from the first corner, not from the scanner's centre far away.
        let top = self.vertices.first().copied().unwrap_or_default();
        let cones = self.corners_mm();
        let six = cones.map(|[a, b, c]| (a - top).dot((b - top).cross(c - top)));
        six.sum::<f64>() / 6000.0
    }

    /// The area of the surface, in mm².
    pub fn area_mm2(&self) -> f64 {
        let twice = self
            .corners_mm()
            .map(|[a, b, c]| (b - a).cross(c - a).length());
        twice.sum::<f64>() / 2.0
    }
}

/// A corner of the surface while it is made.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// On the line between the centres of two neighbours.
    Between {
        /// The centre inside, in voxels.
        inside: DVec3,
        /// The step from there to the neighbour outside, which may lie outside the grid.
        outwards: DVec3,
    },
    /// Amid a ring of others, here at first.
    Amid(DVec3),
}

/// Cells of eight voxels, layer by layer through the box around a mask and one voxel more on every side.
struct Extraction {
    /// The lowest voxel of the padded box.
    first: DVec3,
    /// Its size in voxels.
    size: UVec3,
    points: Vec<Point>,
    triangles: Vec<[u32; 3]>,
    /// The points on the edges of the layer under way, by axis and slice: along `k` there is one slice of them.
    found: [[Vec<u32>; 2]; 3],
}

/// No point yet.
const NONE: u32 = u32::MAX;

impl Extraction {
    fn new(mask: &Mask) -> Self {
        let bounds = mask.bounding_box();
        let (first, size) = bounds.map_or((DVec3::ZERO, UVec3::ZERO), |b| {
            (b.min - 0.5, (b.max - b.min).as_uvec3() + 2)
        });
        let area = size.x as usize * size.y as usize;
        Self {
            first,
            size,
            points: Vec::new(),
            triangles: Vec::new(),
            found: std::array::from_fn(|_| [vec![NONE; area], vec![NONE; area]]),
        }
    }

    fn run(&mut self, mask: &Mask) {
        if self.size == UVec3::ZERO {
            return;
        }
        let mut below = self.slice(mask, 0);
        for k in 0..self.size.z - 1 {
            let above = self.slice(mask, k + 1);
            let [columns, rows] = [self.size.x, self.size.y].map(|n| 0..n - 1);
            for (j, i) in rows.flat_map(|j| columns.clone().map(move |i| (j, i))) {
                let at = (j * self.size.x + i) as usize;
                let right = self.size.x as usize;
                let case = [&below, &above].iter().rev().fold(0, |case, slice| {
                    let bits = [
                        slice[at],
                        slice[at + 1],
                        slice[at + right],
                        slice[at + right + 1],
                    ];
                    let bits = bits
                        .iter()
                        .rev()
                        .fold(0, |bits, b| bits << 1 | usize::from(*b));
                    case << 4 | bits
                });
                if case != 0 && case != 255 {
                    self.cell(UVec3::new(i, j, k), case);
                }
            }
            below = above;
            for axis in &mut self.found {
                axis.swap(0, 1);
                axis[1].fill(NONE);
            }
            self.found[2][0].fill(NONE);
        }
    }

    /// Slice `k` of the padded box, a byte a voxel.
    fn slice(&self, mask: &Mask, k: u32) -> Vec<u8> {
        let dims = mask.grid().dims();
        let width = self.size.x as usize;
        let mut padded = vec![0; width * self.size.y as usize];
        if k == 0 || k + 1 == self.size.z {
            return padded;
        }
        // Past the padding the box lies within the grid.
        let low = (self.first + 1.0).as_uvec3();
        let mut whole = vec![0; dims.x as usize * dims.y as usize];
        mask.read_slice(low.z + k - 1, &mut whole);
        let rows = whole.chunks_exact(dims.x as usize).skip(low.y as usize);
        let inner = padded.chunks_exact_mut(width).skip(1);
        for (to, from) in inner.zip(rows).take(self.size.y as usize - 2) {
            to[1..width - 1].copy_from_slice(&from[low.x as usize..][..width - 2]);
        }
        padded
    }

    fn cell(&mut self, at: UVec3, case: usize) {
        for ring in &CASES[case] {
            let ring: Vec<u32> = ring
                .iter()
                .map(|edge| self.point(at, *edge, case))
                .collect();
            match ring[..] {
                [a, b, c] => self.triangles.push([a, b, c]),
                [a, b, c, d] => self.triangles.extend([[a, b, c], [a, c, d]]),
                _ => {
                    let middle = self.first + at.as_dvec3() + 0.5;
                    let centre = self.points.len() as u32;
                    self.points.push(Point::Amid(middle));
                    let next = ring.iter().cycle().skip(1);
                    let sides = ring.iter().zip(next);
                    self.triangles.extend(sides.map(|(&a, &b)| [a, b, centre]));
                }
            }
        }
    }

    /// The point on a cut edge of a cell: the one that a neighbour has made, or a new one.
    fn point(&mut self, cell: UVec3, edge: Edge, case: usize) -> u32 {
        let low = cell + UVec3::from_array(edge.low);
        let place = (low.y * self.size.x + low.x) as usize;
        let found = &mut self.found[edge.axis][edge.low[2] as usize][place];
        if *found == NONE {
            *found = self.points.len() as u32;
            let (low, step) = (self.first + low.as_dvec3(), DVec3::AXES[edge.axis]);
            let (inside, outwards) = if edge.leaves(case) {
                (low, step)
            } else {
                (low + step, -step)
            };
            self.points.push(Point::Between { inside, outwards });
        }
        *found
    }
}
