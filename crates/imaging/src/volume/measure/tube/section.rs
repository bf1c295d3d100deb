//! Plane cross-sections of a mask.

use std::collections::HashSet;
use std::f64::consts::PI;

use glam::{DVec3, IVec3};

use crate::geometry::VoxelGrid;
use crate::volume::measure::crop::Crop;

/// Cuts a mask by planes.
pub(super) struct Slicer<'a> {
    crop: &'a Crop,
    grid: &'a VoxelGrid,
    /// How far apart the samples in a plane are, in mm.
    step_mm: f64,
    /// How far from its middle a section may reach, in mm.
    most_mm: f64,
    /// How wide the tube is about, in mm.
    pub(super) radius_mm: f64,
}

/// The part of a plane that is inside a mask and hangs together.
#[derive(Clone, Copy)]
pub(super) struct PlaneCut {
    pub(super) middle_mm: DVec3,
    pub(super) along: DVec3,
    pub(super) area_mm2: f64,
    pub(super) roundness: f64,
}

impl PlaneCut {
    /// The diameter of the circle of equal area.
    pub(super) fn diameter_mm(&self) -> f64 {
        2.0 * (self.area_mm2 / PI).sqrt()
    }
}

/// What comes of a cut.
pub(super) enum Cutting {
    /// A section that lies whole in the image.
    Whole(PlaneCut),
    /// The image ends before the section does.
    LeavesImage,
    /// There is nothing of the mask here.
    Nothing,
    /// It reaches farther than a section of a tube does.
    TooWide,
}

impl<'a> Slicer<'a> {
    /// For a tube whose middle is about `radius_mm` from its border.
    pub(super) fn new(crop: &'a Crop, grid: &'a VoxelGrid, radius_mm: f64) -> Self {
        let finest = grid.spacing_mm().min_element();
        let coarsest = grid.spacing_mm().max_element();
        let radius_mm = radius_mm.max(finest);
        Self {
            crop,
            grid,
            step_mm: (finest / 2.0).max(radius_mm / 20.0),
            most_mm: 4.0 * radius_mm + 2.0 * coarsest,
            radius_mm,
        }
    }

    /// The section through a place in the patient, across a unit direction.
    pub(super) fn cut(&self, at: DVec3, along: DVec3) -> Cutting {
        let (u, v) = along.any_orthonormal_pair();
        let place = |(a, b): (i32, i32)| at + (u * f64::from(a) + v * f64::from(b)) * self.step_mm;
        let Some(start) = self.start(place) else {
            return Cutting::Nothing;
        };
        let most = (self.most_mm / self.step_mm) as i32;
        let (mut seen, mut open) = (HashSet::from([start]), vec![start]);
        let (mut count, mut sum, mut squares) = (0.0, [0.0; 2], [0.0; 3]);
        while let Some((a, b)) = open.pop() {
            let Some(share) = self.inside(place((a, b))) else {
                return Cutting::LeavesImage;
            };
            if share < 0.5 {
                continue;
            }
            if a.abs() > most || b.abs() > most {
                return Cutting::TooWide;
            }
            let (x, y) = (f64::from(a), f64::from(b));
            count += 1.0;
            sum = [sum[0] + x, sum[1] + y];
            squares = [squares[0] + x * x, squares[1] + x * y, squares[2] + y * y];
            let next = [(a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)];
            open.extend(next.into_iter().filter(|&n| seen.insert(n)));
        }
        let (x, y) = (sum[0] / count, sum[1] / count);
        // A sample's own extent counts, so that a single one is round.
        let own = 1.0 / 12.0;
        let xx = squares[0] / count - x * x + own;
        let yy = squares[2] / count - y * y + own;
        let xy = squares[1] / count - x * y;
        let (half, apart) = (f64::midpoint(xx, yy), ((xx - yy) / 2.0).hypot(xy));
        Cutting::Whole(PlaneCut {
            middle_mm: at + (u * x + v * y) * self.step_mm,
            along,
            area_mm2: count * self.step_mm * self.step_mm,
            roundness: ((half - apart) / (half + apart)).max(0.0).sqrt(),
        })
    }

    /// The sample that is inside and nearest to the first, within the tube's radius.
    fn start(&self, place: impl Fn((i32, i32)) -> DVec3) -> Option<(i32, i32)> {
        let reach = (self.radius_mm / self.step_mm).ceil() as i32;
        let mut near: Vec<(i32, i32)> = (-reach..=reach)
            .flat_map(|a| (-reach..=reach).map(move |b| (a, b)))
            .collect();
        near.sort_by_key(|&(a, b)| (a * a + b * b, a, b));
        near.into_iter()
            .take_while(|&(a, b)| a * a + b * b <= reach * reach)
            .find(|&n| self.inside(place(n)).is_some_and(|share| share >= 0.5))
    }

    /// How much of the eight voxels around a place in the patient is inside, trilinearly; `None` outside the image.
    pub(super) fn inside(&self, at: DVec3) -> Option<f64> {
        let voxel = self.grid.voxel_from_patient().transform_point3(at);
        self.grid.nearest(voxel)?;
        let last = self.grid.dims().as_dvec3() - 1.0;
        let voxel = voxel.clamp(DVec3::ZERO, last) - self.crop.first.as_dvec3();
        let low = voxel.floor();
        let part = voxel - low;
        let low = low.as_ivec3();
        let mut share = 0.0;
        for corner in 0..8 {
            let up = IVec3::new(corner & 1, corner >> 1 & 1, corner >> 2);
            let weights = DVec3::select(up.cmpeq(IVec3::ONE), part, 1.0 - part);
            if self.crop.contains(low + up) {
                share += weights.element_product();
            }
        }
        Some(share)
    }
}
