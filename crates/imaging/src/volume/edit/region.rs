//! Growing a region from a click.

use glam::{DVec3, IVec3, UVec3};

use super::range::Values;
use super::{Cancelled, EditError, ValueRange, check};
use crate::volume::{Mask, Paint, Volume};

/// How many rows are looked at between two questions whether to stop.
const ROWS_AT_A_TIME: usize = 4096;

/// The voxels that are joined, face to face, to the one at a patient point by voxels with values in a range; none further
/// than `reach_mm` from the point where that is given. Empty where the value there is out of the range.
///
/// # Errors
/// When the point is not in the image, or it was cancelled.
pub fn grow_region(
    volume: &Volume,
    seed_mm: DVec3,
    range: ValueRange,
    reach_mm: Option<f64>,
    cancelled: Cancelled<'_>,
) -> Result<Mask, EditError> {
    let grid = *volume.grid();
    let voxel = grid.voxel_from_patient().transform_point3(seed_mm);
    let seed = grid.nearest(voxel).ok_or(EditError::Seed)?;
    let seed_mm = grid.patient_from_voxel().transform_point3(seed.as_dvec3());
    let mut region = Mask::empty(grid);
    let mut values = Values::of(volume);
    let mut row = vec![false; grid.dims().x as usize];
    let mut free = move |region: &Mask, first: UVec3, row: &mut Vec<bool>| {
        let values = values.read(first.with_x(0), grid.dims().x);
        for (free, &value) in row.iter_mut().zip(values) {
            *free = range.contains(value);
        }
        if let Some(reach) = reach_mm {
            for (i, free) in (0..).zip(row.iter_mut()).filter(|(_, free)| **free) {
                let point = grid
                    .patient_from_voxel()
                    .transform_point3(first.with_x(i).as_dvec3());
                *free = point.distance(seed_mm) <= reach;
            }
        }
        region.runs_of_row(first.y, first.z, |from, to| {
            row[from as usize..to as usize].fill(false);
        });
    };
    // Stretches of a row that lie beside what was found: where something in them is free it belongs to the region.
    let mut open = vec![(seed.y, seed.z, [seed.x, seed.x + 1])];
    let mut looked_at = 0;
    while let Some((j, k, [from, to])) = open.pop() {
        looked_at += 1;
        if looked_at % ROWS_AT_A_TIME == 0 {
            check(cancelled)?;
        }
        let first = UVec3::new(0, j, k);
        free(&region, first, &mut row);
        let mut at = from as usize;
        while let Some(hit) = row[at.min(to as usize)..to as usize]
            .iter()
            .position(|free| *free)
        {
            let hit = at + hit;
            let start = row[..hit]
                .iter()
                .rposition(|free| !free)
                .map_or(0, |n| n + 1);
            let end = row[hit..]
                .iter()
                .position(|free| !free)
                .map_or(row.len(), |n| hit + n);
            region.paint_run(first.with_x(start as u32), (end - start) as u32, Paint::Add);
            for step in [IVec3::Y, IVec3::NEG_Y, IVec3::Z, IVec3::NEG_Z] {
                let beside = first.as_ivec3() + step;
                if beside.cmpge(IVec3::ZERO).all() && beside.as_uvec3().cmplt(grid.dims()).all() {
                    let beside = beside.as_uvec3();
                    open.push((beside.y, beside.z, [start as u32, end as u32]));
                }
            }
            at = end;
        }
    }
    Ok(region)
}
