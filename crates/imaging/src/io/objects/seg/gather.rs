//! Voxels of an image from the frames of a segmentation.

use glam::{DVec3, UVec3};

use super::read::FramePlace;
use crate::geometry::VoxelGrid;
use crate::volume::{Mask, Paint};

/// Slices nearer to each other than this, in mm, are one.
const SAME_SLICE_MM: f64 = 1e-3;

/// Parallel frames of one spacing.
pub(super) struct Slab {
    pub first: FramePlace,
    /// Their numbers.
    pub frames: Vec<usize>,
    /// How far a slice counts to both sides, in mm.
    half_mm: f64,
}

impl Slab {
    pub(super) fn new(first: FramePlace, frame: usize) -> Self {
        Self {
            first,
            frames: vec![frame],
            half_mm: 0.0,
        }
    }

    /// Finds out how thick slices are: as far apart as the nearest two, or as the file says where that is less (slices
    /// without a voxel have no frame); a lone one of a file that says nothing is as thick as the image's.
    pub(super) fn settle(&mut self, mut at: Vec<f64>, grid: &VoxelGrid) {
        at.sort_unstable_by(f64::total_cmp);
        let gaps = at.windows(2).map(|pair| pair[1] - pair[0]);
        let least = gaps
            .filter(|gap| *gap > SAME_SLICE_MM)
            .fold(f64::INFINITY, f64::min);
        let said = self.first.apart_mm.unwrap_or(f64::INFINITY);
        let apart = least.min(said);
        let step = grid.patient_from_voxel().matrix3.transpose() * self.first.normal();
        self.half_mm = if apart.is_finite() {
            apart
        } else {
            step.abs().max_element()
        } / 2.0;
    }
}

/// A frame's pixels of one structure, cut to what is inside.
pub(super) struct Plane {
    /// How far along the normal it lies.
    at: f64,
    /// From the slab's column and row to those of the cut.
    shift: [f64; 2],
    width: usize,
    /// A byte a pixel, row by row.
    pixels: Vec<u8>,
}

impl Plane {
    /// The plane of a frame of `columns`; `None` where nothing is inside.
    pub(super) fn new(
        place: &FramePlace,
        slab: &Slab,
        pixels: &[u8],
        columns: u32,
    ) -> Option<Self> {
        let [left, right, top, bottom] = bounds(pixels, columns)?;
        let offset = slab.first.position_mm - place.position_mm;
        let along = |step: DVec3| offset.dot(step) / step.length_squared();
        let [across, down] = slab.first.steps_mm.map(along);
        let rows = pixels.chunks_exact(columns as usize);
        let rows = rows.skip(top).take(bottom + 1 - top);
        Some(Self {
            at: place.position_mm.dot(slab.first.normal()),
            shift: [across - left as f64, down - top as f64],
            width: right + 1 - left,
            pixels: rows.flat_map(|row| &row[left..=right]).copied().collect(),
        })
    }

    /// Whether the pixel around a place of the slab's columns and rows is inside.
    fn holds(&self, column: f64, row: f64) -> bool {
        let c = (column + self.shift[0] + 0.5).floor();
        let r = (row + self.shift[1] + 0.5).floor();
        let here = c >= 0.0 && c < self.width as f64 && r >= 0.0 && r < self.height() as f64;
        here && self.pixels[r as usize * self.width + c as usize] != 0
    }

    fn height(&self) -> usize {
        self.pixels.len() / self.width
    }
}

/// Paints the voxels whose nearest pixel is inside, in the slice that lies nearest.
pub(super) fn gather(mask: &mut Mask, slab: &Slab, planes: &[Plane]) {
    let mut planes: Vec<&Plane> = planes.iter().collect();
    planes.sort_by(|a, b| a.at.total_cmp(&b.at));
    let grid = *mask.grid();
    let Some((low, high)) = reach(&grid, slab, &planes) else {
        return;
    };
    let normal = slab.first.normal();
    let place = grid.patient_from_voxel();
    let row = place.matrix3.x_axis;
    let column_at =
        |p: DVec3, step: DVec3| (p - slab.first.position_mm).dot(step) / step.length_squared();
    let [across, down] = slab.first.steps_mm;
    let steps = [across, down].map(|step| row.dot(step) / step.length_squared());
    let rise = row.dot(normal);
    // Voxels half-way between two slices belong to the upper one; rounding is not to take end ones off both.
    let (half, slack) = (slab.half_mm, slab.half_mm * 2e-4);
    for (k, j) in (low.z..=high.z).flat_map(|k| (low.y..=high.y).map(move |j| (k, j))) {
        let start =
            place.transform_point3(DVec3::new(f64::from(low.x), f64::from(j), f64::from(k)));
        let (c0, r0, d0) = (
            column_at(start, across),
            column_at(start, down),
            start.dot(normal),
        );
        let mut run = None;
        for i in low.x..=high.x {
            let n = f64::from(i - low.x);
            let inside = nearest(&planes, d0 + rise * n, half, slack)
                .is_some_and(|plane| plane.holds(c0 + steps[0] * n, r0 + steps[1] * n));
            match (inside, run) {
                (true, None) => run = Some(i),
                (false, Some(first)) => {
                    mask.paint_run(UVec3::new(first, j, k), i - first, Paint::Add);
                    run = None;
                }
                _ => {}
            }
        }
        if let Some(first) = run {
            mask.paint_run(UVec3::new(first, j, k), high.x + 1 - first, Paint::Add);
        }
    }
}

/// The slice that holds for a place along the normal.
fn nearest<'a>(planes: &[&'a Plane], at: f64, half: f64, slack: f64) -> Option<&'a Plane> {
    let above = planes.partition_point(|plane| plane.at < at);
    let distance = |plane: &Plane| (plane.at - at).abs();
    let (lower, upper) = (
        above.checked_sub(1).map(|n| planes[n]),
        planes.get(above).copied(),
    );
    let best = match (lower, upper) {
        (Some(a), Some(b)) if distance(a) + slack < distance(b) => a,
        (_, Some(b)) => b,
        (Some(a), None) => a,
        (None, None) => return None,
    };
    let offset = at - best.at;
    (-half - slack <= offset && offset < half - slack).then_some(best)
}

/// The voxels that pixels inside can reach.
fn reach(grid: &VoxelGrid, slab: &Slab, planes: &[&Plane]) -> Option<(UVec3, UVec3)> {
    let normal = slab.first.normal();
    let start = slab.first.position_mm.dot(normal);
    let [across, down] = slab.first.steps_mm;
    let inverse = grid.voxel_from_patient();
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for plane in planes {
        let far = [plane.width, plane.height()].map(|n| n as f64 - 0.5);
        for n in 0..8 {
            let end = |bit: usize, far: f64| if n >> bit & 1 == 0 { -0.5 } else { far };
            let c = end(0, far[0]) - plane.shift[0];
            let r = end(1, far[1]) - plane.shift[1];
            let d = plane.at - start + 2.0 * slab.half_mm * end(2, 0.5);
            let corner = slab.first.position_mm + across * c + down * r + normal * d;
            let voxel = inverse.transform_point3(corner);
            (low, high) = (low.min(voxel), high.max(voxel));
        }
    }
    let last = grid.dims().as_dvec3() - 1.0;
    let low = low.floor().max(DVec3::ZERO);
    let high = high.ceil().min(last);
    low.cmple(high)
        .all()
        .then(|| (low.as_uvec3(), high.as_uvec3()))
}

/// The first and last column and row with something inside.
fn bounds(pixels: &[u8], columns: u32) -> Option<[usize; 4]> {
    let (mut left, mut right) = (usize::MAX, 0);
    let (mut top, mut bottom) = (usize::MAX, 0);
    for (r, row) in pixels.chunks_exact(columns as usize).enumerate() {
        let first = row.iter().position(|&p| p != 0);
        let last = row.iter().rposition(|&p| p != 0);
        if let (Some(first), Some(last)) = (first, last) {
            (left, right) = (left.min(first), right.max(last));
            (top, bottom) = (top.min(r), r);
        }
    }
    (left <= right).then_some([left, right, top, bottom])
}
