//! Closed planar contours to the voxels between them.

use std::collections::HashSet;

use glam::{DVec2, DVec3, UVec3};

use crate::geometry::VoxelGrid;
use crate::volume::{Mask, Paint};

/// Contours whose planes are turned against each other by less than this lie in one stack.
const SAME_DIRECTION: f64 = 0.999;
/// More directions than this are no structure that somebody drew.
const MOST_DIRECTIONS: usize = 16;
/// Planes nearer to each other than this, in mm, are one.
const SAME_PLANE_MM: f64 = 0.01;
/// Planes further apart than this many usual distances have nothing between them.
const GAP: f64 = 1.5;

/// What contours enclose.
#[derive(Clone, Debug)]
pub struct Filled {
    /// The voxels inside.
    pub mask: Mask,
    /// Contours that are there twice, counted once.
    pub copies: usize,
    /// Contours that enclose nothing: points and lines.
    pub flat: usize,
    /// Contours left out because their planes are turned in too many ways.
    pub turned: usize,
    /// How far a corner lies from its contour's plane, at most, in mm.
    pub off_plane_mm: f64,
}

/// The voxels of `grid` whose centres closed planar contours enclose; corners are in patient mm (LPS).
///
/// Within a plane the even-odd rule holds: a contour in another one is a hole, and a channel without width joins a hole
/// to the edge (PS3.3 C.8.8.6.3). A contour counts up to half the way to the next plane's, or, at the ends and where
/// planes are missing, half the usual distance of planes; a single plane counts for the thickness of a slice.
pub fn fill(grid: &VoxelGrid, contours: &[Vec<DVec3>]) -> Filled {
    let mut filled = Filled {
        mask: Mask::empty(*grid),
        copies: 0,
        flat: 0,
        turned: 0,
        off_plane_mm: 0.0,
    };
    let mut stacks: Vec<(DVec3, Vec<Placed>)> = Vec::new();
    let mut seen = HashSet::new();
    for corners in contours {
        let Some((normal, centre)) = plane_of(corners) else {
            filled.flat += 1;
            continue;
        };
        let bits = corners.iter().map(|c| c.to_array().map(f64::to_bits));
        if !seen.insert(bits.collect::<Vec<_>>()) {
            filled.copies += 1;
            continue;
        }
        let same = |(n, _): &(DVec3, _)| n.dot(normal).abs() > SAME_DIRECTION;
        let stack = match stacks.iter().position(same) {
            Some(known) => known,
            None if stacks.len() == MOST_DIRECTIONS => {
                filled.turned += 1;
                continue;
            }
            None => {
                stacks.push((normal, Vec::new()));
                stacks.len() - 1
            }
        };
        let (normal, placed) = &mut stacks[stack];
        let at = centre.dot(*normal);
        let off = corners.iter().map(|c| (c.dot(*normal) - at).abs());
        filled.off_plane_mm = off.fold(filled.off_plane_mm, f64::max);
        placed.push(Placed { at, corners });
    }
    for (normal, placed) in stacks {
        Stack::new(grid, normal, placed).paint(&mut filled.mask);
    }
    filled
}

/// A contour and how far along the normal it lies.
struct Placed<'a> {
    at: f64,
    corners: &'a [DVec3],
}

/// The unit normal of a polygon (Newell's) and its middle; `None` where it encloses nothing or is not finite.
fn plane_of(corners: &[DVec3]) -> Option<(DVec3, DVec3)> {
    let first = *corners.first()?;
    let next = corners.iter().cycle().skip(1);
    let area: DVec3 = corners
        .iter()
        .zip(next)
        .map(|(a, b)| (*a - first).cross(*b - first))
        .sum();
    let centre = corners.iter().sum::<DVec3>() / corners.len() as f64;
    let normal = area.try_normalize()?;
    (area.length() > 1e-9 && centre.is_finite()).then_some((normal, centre))
}

/// The contours of one plane, and between which distances along the normal they count.
struct Plane {
    from: f64,
    to: f64,
    /// Sides that are not parallel to the rows of voxels, in the plane's coordinates.
    sides: Vec<[DVec2; 2]>,
    low: f64,
    high: f64,
}

/// Parallel planes, with coordinates in which rows of voxels run along `u`.
struct Stack {
    normal: DVec3,
    u: DVec3,
    v: DVec3,
    planes: Vec<Plane>,
    /// The rows and slices that planes can reach.
    rows: [std::ops::Range<u32>; 2],
}

impl Stack {
    fn new(grid: &VoxelGrid, normal: DVec3, mut placed: Vec<Placed>) -> Self {
        let alone = thickness(grid, normal);
        let row = grid.patient_from_voxel().matrix3.x_axis;
        let along = (row - normal * row.dot(normal)).normalize_or_zero();
        let u = if along == DVec3::ZERO {
            normal.any_orthonormal_vector()
        } else {
            along
        };
        let v = normal.cross(u);
        let inverse = grid.voxel_from_patient();
        let corners = placed.iter().flat_map(|contour| contour.corners);
        let corners = corners.map(|corner| inverse.transform_point3(*corner));
        let (low, high) = corners.fold(
            (DVec3::INFINITY, DVec3::NEG_INFINITY),
            |(low, high), corner| (low.min(corner), high.max(corner)),
        );
        placed.sort_by(|a, b| a.at.total_cmp(&b.at));
        let mut planes: Vec<(f64, Vec<[DVec2; 2]>)> = Vec::new();
        for contour in placed {
            let flat = |c: &DVec3| DVec2::new(c.dot(u), c.dot(v));
            let next = contour.corners.iter().cycle().skip(1);
            let sides = contour.corners.iter().zip(next);
            let sides = sides
                .map(|(a, b)| [flat(a), flat(b)])
                .filter(|[a, b]| a.y != b.y);
            match planes.last_mut() {
                Some((at, known)) if contour.at - *at < SAME_PLANE_MM => known.extend(sides),
                _ => planes.push((contour.at, sides.collect())),
            }
        }
        let at: Vec<f64> = planes.iter().map(|(at, _)| *at).collect();
        let bounds = bounds(&at, alone);
        let reach = bounds.iter().map(|[from, to]| to - from);
        let reach = inverse
            .transform_vector3(normal * reach.fold(0.0, f64::max))
            .abs()
            + 1.0;
        let rows = [1, 2].map(|axis| {
            let end = f64::from(grid.dims()[axis]);
            let from = (low[axis] - reach[axis]).clamp(0.0, end);
            from as u32..(high[axis] + reach[axis]).clamp(0.0, end).ceil() as u32
        });
        let planes = planes.into_iter().zip(bounds);
        let planes = planes.map(|((_, sides), [from, to])| {
            let heights = || sides.iter().flatten().map(|corner| corner.y);
            Plane {
                from,
                to,
                low: heights().fold(f64::INFINITY, f64::min),
                high: heights().fold(f64::NEG_INFINITY, f64::max),
                sides,
            }
        });
        Self {
            normal,
            u,
            v,
            planes: planes.collect(),
            rows,
        }
    }

    fn paint(&self, mask: &mut Mask) {
        let grid = *mask.grid();
        let (dims, place) = (grid.dims(), grid.patient_from_voxel());
        let row = place.matrix3.x_axis;
        let (rise, run) = (row.dot(self.normal), row.dot(self.u));
        let last = f64::from(dims.x - 1);
        let mut cuts = Vec::new();
        let [js, ks] = &self.rows;
        for (k, j) in ks.clone().flat_map(|k| js.clone().map(move |j| (k, j))) {
            let first = DVec3::new(0.0, f64::from(j), f64::from(k));
            let first_mm = place.transform_point3(first);
            let height = first_mm.dot(self.normal);
            let (u0, v0) = (first_mm.dot(self.u), first_mm.dot(self.v));
            let ends = [height, height + rise * last];
            let (lowest, highest) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            let begin = self.planes.partition_point(|plane| plane.to <= lowest);
            for plane in &self.planes[begin..] {
                if plane.from > highest {
                    break;
                }
                if v0 < plane.low || v0 > plane.high {
                    continue;
                }
                cuts.clear();
                cuts.extend(plane.sides.iter().filter_map(|[a, b]| {
                    let crosses = (a.y <= v0) != (b.y <= v0);
                    crosses.then(|| a.x + (v0 - a.y) / (b.y - a.y) * (b.x - a.x))
                }));
                cuts.sort_unstable_by(f64::total_cmp);
                // Where the row is within the plane's reach.
                let reach = between(height, rise, plane.from, plane.to, dims.x);
                for pair in cuts.chunks_exact(2) {
                    let inside = between(u0, run, pair[0], pair[1], dims.x);
                    let (from, to) = (reach.0.max(inside.0), reach.1.min(inside.1));
                    if from < to {
                        let first = UVec3::new(from, j, k);
                        mask.paint_run(first, to - from, Paint::Add);
                    }
                }
            }
        }
    }
}

/// The whole numbers `n` from 0 to below `count` with `from <= start + n * step < to`, as a range.
fn between(start: f64, step: f64, from: f64, to: f64, count: u32) -> (u32, u32) {
    let holds = |n: u32| {
        let value = start + f64::from(n) * step;
        from <= value && value < to
    };
    if step.abs() < 1e-9 {
        return if holds(0) { (0, count) } else { (0, 0) };
    }
    let ends = [(from - start) / step, (to - start) / step];
    let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    // Whole numbers on an end are asked one by one, so that rounding decides nothing.
    let mut first = (low.floor().max(0.0) as u32).min(count);
    let mut end = ((high.ceil() + 1.0).max(0.0) as u32).min(count);
    while first < end && !holds(first) {
        first += 1;
    }
    while end > first && !holds(end - 1) {
        end -= 1;
    }
    (first, end)
}

/// How much of the normal a step from voxel to voxel covers along the axis that follows it best.
fn thickness(grid: &VoxelGrid, normal: DVec3) -> f64 {
    let step = grid.patient_from_voxel().matrix3.transpose() * normal;
    step.abs().max_element()
}

/// Where each of the planes at these places begins and ends to count.
fn bounds(at: &[f64], alone: f64) -> Vec<[f64; 2]> {
    let mut gaps: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(alone);
    // Slices half-way between two planes belong to the upper one, and rounding is not to take the end ones off both.
    let slack = usual * 1e-4;
    let half = |gap: f64| {
        if gap <= usual * GAP {
            gap / 2.0
        } else {
            usual / 2.0
        }
    };
    (0..at.len())
        .map(|n| {
            let below = n.checked_sub(1).map_or(usual, |m| at[n] - at[m]);
            let above = at.get(n + 1).map_or(usual, |next| next - at[n]);
            [at[n] - half(below) - slack, at[n] + half(above) - slack]
        })
        .collect()
}
