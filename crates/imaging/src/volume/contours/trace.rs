//! A mask's outlines, slice by slice.

use glam::{DVec2, DVec3, I64Vec2, UVec3};
use rayon::prelude::*;

use crate::volume::Mask;

/// A part of a slice that hangs together across the edges of its pixels.
///
/// Polygons run along the edges of pixels, in voxel coordinates `(i, j)`, so that the centres inside a polygon are the
/// voxels inside the mask. The first corner is not repeated at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The slice.
    pub k: u32,
    /// The outer edge.
    pub outline: Vec<DVec2>,
    /// What is not of it within that.
    pub holes: Vec<Vec<DVec2>>,
    /// Outline and holes as one polygon, joined by channels without width (PS3.3 C.8.8.6.3).
    pub keyhole: Vec<DVec2>,
}

impl Region {
    /// A polygon of this region in patient mm (LPS).
    pub fn to_mm(&self, polygon: &[DVec2], grid: &crate::geometry::VoxelGrid) -> Vec<DVec3> {
        let place = grid.patient_from_voxel();
        let corner = |p: &DVec2| place.transform_point3(p.extend(f64::from(self.k)));
        polygon.iter().map(corner).collect()
    }
}

/// The regions of all slices, lowest first.
pub fn regions(mask: &Mask) -> Vec<Region> {
    let Some(bounds) = mask.bounding_box() else {
        return Vec::new();
    };
    let low = (bounds.min + 0.5).as_uvec3();
    let size = (bounds.max - bounds.min).as_uvec3();
    let slices = (low.z..low.z + size.z).into_par_iter();
    slices
        .flat_map_iter(|k| Slice::new(mask, low.with_z(k), size).regions())
        .collect()
}

/// A closed walk along edges of pixels, a corner for each edge, counted from the box's first.
type Walk = Vec<I64Vec2>;

/// A slice's pixels within the box around the mask.
struct Slice {
    first: UVec3,
    size: I64Vec2,
    inside: Vec<bool>,
}

impl Slice {
    fn new(mask: &Mask, first: UVec3, size: UVec3) -> Self {
        let dims = mask.grid().dims();
        let mut whole = vec![0; dims.x as usize * dims.y as usize];
        mask.read_slice(first.z, &mut whole);
        let rows = whole.chunks_exact(dims.x as usize).skip(first.y as usize);
        let inside = rows
            .take(size.y as usize)
            .flat_map(|row| &row[first.x as usize..][..size.x as usize]);
        Self {
            first,
            size: size.truncate().as_i64vec2(),
            inside: inside.map(|&voxel| voxel != 0).collect(),
        }
    }

    fn offset(&self, pixel: I64Vec2) -> Option<usize> {
        let here = pixel.cmpge(I64Vec2::ZERO).all() && pixel.cmplt(self.size).all();
        here.then(|| (pixel.y * self.size.x + pixel.x) as usize)
    }

    fn is_inside(&self, pixel: I64Vec2) -> bool {
        self.offset(pixel).is_some_and(|n| self.inside[n])
    }

    fn regions(&self) -> Vec<Region> {
        let mut walks: Vec<Walk> = Vec::new();
        // Upper edges of pixels that a walk has passed, and the walk that has passed a pixel's left edge.
        let mut passed = vec![false; self.inside.len()];
        let mut left_of = vec![usize::MAX; self.inside.len()];
        for n in 0..self.inside.len() as i64 {
            let pixel = I64Vec2::new(n % self.size.x, n / self.size.x);
            let is_upper = self.is_inside(pixel) && !self.is_inside(pixel - I64Vec2::Y);
            if is_upper && !passed[n as usize] {
                let walk = self.walk(pixel, walks.len(), &mut passed, &mut left_of);
                walks.push(walk);
            }
        }
        self.joined(&walks, &left_of)
    }

    /// Follows an edge around, what is inside to the right as seen with `j` downwards, from a pixel's upper edge on.
    fn walk(
        &self,
        start: I64Vec2,
        number: usize,
        passed: &mut [bool],
        left_of: &mut [usize],
    ) -> Walk {
        let (mut corner, mut step) = (start, I64Vec2::X);
        let mut walk = Vec::new();
        loop {
            let inwards = step.perp();
            // The pixels ahead of the edge that begins here: the edge runs between `beside` and what is not inside.
            let beside =
                |corner: I64Vec2, step: I64Vec2| corner + (step + step.perp() - I64Vec2::ONE) / 2;
            let own = beside(corner, step);
            if let Some(n) = self.offset(own) {
                if step == I64Vec2::X {
                    if passed[n] {
                        return walk;
                    }
                    passed[n] = true;
                } else if step == -I64Vec2::Y {
                    left_of[n] = number;
                }
            }
            walk.push(corner);
            corner += step;
            let ahead = self.is_inside(beside(corner, step));
            let across = self.is_inside(beside(corner, step) - inwards);
            // Pixels that touch at a corner alone are apart: the walk stays with the pixel it goes around.
            step = match (ahead, across) {
                (false, _) => inwards,
                (true, false) => step,
                (true, true) => -inwards,
            };
        }
    }

    /// Gives holes to the regions they are in.
    fn joined(&self, walks: &[Walk], left_of: &[usize]) -> Vec<Region> {
        let is_hole: Vec<bool> = walks.iter().map(|walk| twice_area(walk) < 0).collect();
        let mut regions: Vec<(usize, Walk, Vec<usize>)> = Vec::new();
        // Per walk the region it belongs to.
        let mut region_of = vec![usize::MAX; walks.len()];
        for (n, walk) in walks.iter().enumerate() {
            if !is_hole[n] {
                region_of[n] = regions.len();
                regions.push((n, walk.clone(), Vec::new()));
            }
        }
        let mut holes: Vec<(I64Vec2, usize)> = (0..walks.len())
            .filter(|&n| is_hole[n])
            .filter_map(|n| Some((*walks[n].iter().min_by_key(|c| (c.x, c.y))?, n)))
            .collect();
        holes.sort_unstable_by_key(|(corner, n)| (corner.x, corner.y, *n));
        // From its leftmost corner a hole's channel goes left, through what is inside, to an edge that lies further left.
        for (corner, n) in holes {
            let mut pixel = corner - I64Vec2::X;
            while self.is_inside(pixel - I64Vec2::X) {
                pixel -= I64Vec2::X;
            }
            let host = self.offset(pixel).map_or(usize::MAX, |at| left_of[at]);
            let Some(&region) = region_of.get(host) else {
                continue;
            };
            region_of[n] = region;
            let Some((_, keyhole, inner)) = regions.get_mut(region) else {
                continue;
            };
            inner.push(n);
            let at = keyhole.iter().position(|c| *c == pixel);
            let from = walks[n].iter().position(|c| *c == corner);
            if let (Some(at), Some(from)) = (at, from) {
                let mut detour = walks[n].clone();
                detour.rotate_left(from);
                detour.extend([corner, pixel]);
                let rest = keyhole.split_off(at + 1);
                keyhole.extend(detour);
                keyhole.extend(rest);
            }
        }
        regions
            .into_iter()
            .map(|(outline, keyhole, holes)| Region {
                k: self.first.z,
                outline: self.polygon(&walks[outline]),
                holes: holes.iter().map(|&n| self.polygon(&walks[n])).collect(),
                keyhole: self.polygon(&keyhole),
            })
            .collect()
    }

    /// The corners where a walk turns, in voxel coordinates.
    fn polygon(&self, walk: &Walk) -> Vec<DVec2> {
        let count = walk.len();
        let turns = (0..count).filter(|&n| {
            let (before, here) = (walk[(n + count - 1) % count], walk[n]);
            let after = walk[(n + 1) % count];
            (here - before).perp_dot(after - here) != 0 || (here - before).dot(after - here) < 0
        });
        let first = self.first.truncate().as_dvec2() - 0.5;
        turns.map(|n| walk[n].as_dvec2() + first).collect()
    }
}

/// Above zero where a walk goes around what is inside, below around a hole.
fn twice_area(walk: &Walk) -> i64 {
    let next = walk.iter().cycle().skip(1);
    walk.iter().zip(next).map(|(a, b)| a.perp_dot(*b)).sum()
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;
    use crate::geometry::VoxelGrid;

    fn mask(rows: &[&str]) -> Mask {
        let dims = UVec3::new(rows[0].len() as u32, rows.len() as u32, 1);
        let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
        Mask::from_fn(grid, |v| {
            rows[v.y as usize].as_bytes()[v.x as usize] == b'#'
        })
    }

    #[test]
    fn pixels_that_touch_at_a_corner_are_two_regions() {
        let found = regions(&mask(&["#.", ".#"]));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].outline.len(), 4);
        let corner = DVec2::splat(-0.5);
        assert!(found[0].outline.contains(&corner));
    }

    #[test]
    fn holes_belong_to_the_region_around_them() {
        let found = regions(&mask(&[
            "#######.##",
            "#.#.#.#.##",
            "#######...",
            "#.....#.#.",
            "#.###.#...",
            "#.#.#.#...",
            "#.###.#...",
            "#.....#...",
            "#######...",
        ]));
        let mut shape: Vec<(usize, usize)> = found
            .iter()
            .map(|r| (r.holes.len(), r.outline.len()))
            .collect();
        shape.sort_unstable();
        assert_eq!(shape, [(0, 4), (0, 4), (1, 4), (4, 4)]);
    }

    /// The area within the joined polygon is that of the pixels.
    #[test]
    fn channels_have_no_width() {
        let rows = ["######", "#.#..#", "#..#.#", "###.##", "#.####", "######"];
        let mask = mask(&rows);
        let twice: f64 = regions(&mask)
            .iter()
            .map(|r| {
                let next = r.keyhole.iter().cycle().skip(1);
                let corners = r.keyhole.iter().zip(next);
                corners.map(|(a, b)| a.perp_dot(*b)).sum::<f64>()
            })
            .sum();
        assert_eq!(twice / 2.0, mask.count() as f64);
    }
}
