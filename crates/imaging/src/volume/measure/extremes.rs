//! How far a mask reaches: its outermost corners, and the two that are farthest apart.

use glam::{DAffine3, DVec3, IVec3};
use rayon::prelude::*;

use super::crop::Crop;

/// Lengths that differ by less are the same length, and places the same place: far below a voxel, far above what
/// rounding does.
const SAME_MM: f64 = 1e-6;

/// The corners of voxels of a mask among which all corners of its convex hull are, in patient mm.
pub(super) fn outer_corners(crop: &Crop, patient_from_voxel: DAffine3) -> Vec<DVec3> {
    let corners = ends_of_rows(crop);
    let corners = [2, 1, 0].into_iter().fold(corners, hull_of_planes);
    let half = crop.first.as_dvec3() - 0.5;
    let place = |corner: IVec3| patient_from_voxel.transform_point3(corner.as_dvec3() + half);
    corners.into_iter().map(place).collect()
}

/// The first and the last corner of every row of corners, corner 0 before voxel 0.
fn ends_of_rows(crop: &Crop) -> Vec<IVec3> {
    let (width, height) = (crop.dims.x as usize, crop.dims.y as usize);
    let spans: Vec<Vec<Option<(i32, i32)>>> = crop
        .slices()
        .map(|slice| slice.chunks_exact(width).map(span).collect())
        .collect();
    let last = crop.dims.z as usize;
    let mut ends = Vec::new();
    for k in 0..=last {
        for j in 0..=height {
            let slices = &spans[k.saturating_sub(1)..last.min(k + 1)];
            let rows = slices
                .iter()
                .flat_map(|rows| &rows[j.saturating_sub(1)..height.min(j + 1)]);
            let joined = rows.flatten().copied();
            if let Some((low, high)) = joined.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
                let at = |i| IVec3::new(i, j as i32, k as i32);
                ends.extend([at(low), at(high)]);
            }
        }
    }
    ends
}

/// Where a row's first voxel begins and its last one ends.
fn span(row: &[u8]) -> Option<(i32, i32)> {
    let low = row.iter().position(|&v| v != 0)?;
    let high = row.iter().rposition(|&v| v != 0)?;
    Some((low as i32, high as i32 + 1))
}

/// What is left when in every plane across `axis` only the corners of the convex hull stay. A corner of the hull in
/// space is one in each plane.
fn hull_of_planes(mut points: Vec<IVec3>, axis: usize) -> Vec<IVec3> {
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    points.par_sort_unstable_by_key(|p| (p[axis], p[u], p[v]));
    points.dedup();
    let planes: Vec<&[IVec3]> = points.chunk_by(|a, b| a[axis] == b[axis]).collect();
    let hulls = planes.into_par_iter().flat_map_iter(|plane| {
        let flat = |p: &IVec3| (i64::from(p[u]), i64::from(p[v]));
        let mut hull = chain(plane.iter(), flat);
        let back = chain(plane.iter().rev(), flat);
        // The ends are in both.
        hull.extend(back.into_iter().skip(1));
        if hull.len() > 1 {
            hull.pop();
        }
        hull
    });
    hulls.collect()
}

/// One half of the hull of points in order (Andrew 1979), without those on its sides.
fn chain<'a>(
    points: impl Iterator<Item = &'a IVec3>,
    flat: impl Fn(&IVec3) -> (i64, i64),
) -> Vec<IVec3> {
    let mut hull: Vec<IVec3> = Vec::new();
    for point in points {
        while let [.., a, b] = hull[..] {
            let (a, b, c) = (flat(&a), flat(&b), flat(point));
            let turn = (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0);
            if turn > 0 {
                break;
            }
            hull.pop();
        }
        hull.push(*point);
    }
    hull
}

/// The two points that are farthest apart, in an order that the order of the points does not change.
pub(super) fn farthest_pair(points: &[DVec3]) -> Option<[DVec3; 2]> {
    let middle = points.iter().sum::<DVec3>() / points.len().max(1) as f64;
    let mut points: Vec<(f64, DVec3)> = points.iter().map(|p| (p.distance(middle), *p)).collect();
    points.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (_, outermost) = *points.first()?;
    // Any pair will do to start with: what cannot be longer is passed over.
    let far = points.iter().map(|p| p.1.distance(outermost));
    let least = far.fold(0.0, f64::max) - SAME_MM;
    let best_from = |n: usize| {
        let (radius, a) = points[n];
        let in_reach = points[..=n].iter().take_while(|p| radius + p.0 >= least);
        let pairs = in_reach.map(|&(_, b)| (a.distance(b), ordered(a, b)));
        pairs.filter(|pair| pair.0 >= least).reduce(longer)
    };
    let numbers = (0..points.len()).into_par_iter();
    let best = numbers.filter_map(best_from).reduce_with(longer)?;
    Some(best.1)
}

/// The longer of two lines, or of equally long ones the one that begins farther to the right, the front, the feet.
fn longer(a: (f64, [DVec3; 2]), b: (f64, [DVec3; 2])) -> (f64, [DVec3; 2]) {
    let same = (a.0 - b.0).abs() < SAME_MM;
    let first = before(a.1[0], b.1[0])
        .or_else(|| before(a.1[1], b.1[1]))
        .unwrap_or(true);
    if (same && first) || (!same && a.0 > b.0) {
        a
    } else {
        b
    }
}

fn ordered(a: DVec3, b: DVec3) -> [DVec3; 2] {
    if before(b, a) == Some(true) {
        [b, a]
    } else {
        [a, b]
    }
}

/// Whether a place comes before another, by its first coordinate that differs; `None` for the same place.
pub(super) fn before(a: DVec3, b: DVec3) -> Option<bool> {
    let differences = (a - b).to_array();
    let first = differences.into_iter().find(|d| d.abs() >= SAME_MM)?;
    Some(first < 0.0)
}
