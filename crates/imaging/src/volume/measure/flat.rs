//! Flat regions of interest: which voxels lie inside an outline on a plane, and their values.

use glam::{DMat3, DVec2, DVec3, UVec3};
use rayon::prelude::*;

use super::Values;
use crate::geometry::VoxelGrid;
use crate::volume::Volume;

/// An outline in the coordinates of a plane, in mm.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// The corners of a polygon, in order; where it crosses itself the even-odd rule holds.
    Polygon(Vec<DVec2>),
    /// An ellipse whose axes are those of the plane.
    Ellipse {
        /// Its middle.
        centre: DVec2,
        /// Half its width and half its height.
        half: DVec2,
    },
}

/// What lies inside an outline on a plane of the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatRegion {
    /// A point of the plane in patient mm; the outline is told from there.
    pub origin_mm: DVec3,
    /// The unit directions of the plane's coordinates; they need not be at right angles.
    pub axes: [DVec3; 2],
    /// The outline.
    pub outline: Outline,
}

impl Outline {
    /// Whether a point is inside. Of two polygons with a common side a point on it is in one alone.
    fn contains(&self, at: DVec2) -> bool {
        match self {
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let crossed = corners.iter().zip(next).filter(|&(a, b)| {
                    (a.y > at.y) != (b.y > at.y)
                        && at.x < a.x + (at.y - a.y) / (b.y - a.y) * (b.x - a.x)
                });
                crossed.count() % 2 == 1
            }
            Self::Ellipse { centre, half } => {
                half.min_element() > 0.0 && ((at - *centre) / *half).length_squared() <= 1.0
            }
        }
    }

    /// The lowest and the highest coordinates.
    fn bounds(&self) -> Option<[DVec2; 2]> {
        match self {
            Self::Polygon(corners) => {
                let low = corners.iter().copied().reduce(DVec2::min)?;
                Some([low, corners.iter().copied().reduce(DVec2::max)?])
            }
            Self::Ellipse { centre, half } => Some([*centre - *half, *centre + *half]),
        }
    }

    /// The area where the axes are at right angles. Of a polygon that crosses itself parts may count against others.
    fn area(&self) -> f64 {
        match self {
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let doubled: f64 = corners.iter().zip(next).map(|(a, b)| a.perp_dot(*b)).sum();
                doubled.abs() / 2.0
            }
            Self::Ellipse { half, .. } => std::f64::consts::PI * half.x * half.y,
        }
    }

    /// The length of the line around, on a plane with these axes. Of an ellipse by Ramanujan's second formula (1914),
    /// which is off by less than 1e-4 where one axis is ten times the other.
    fn perimeter(&self, axes: [DVec3; 2]) -> f64 {
        match self {
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let sides = corners.iter().zip(next).map(|(a, b)| *b - *a);
                sides
                    .map(|side| (axes[0] * side.x + axes[1] * side.y).length())
                    .sum()
            }
            Self::Ellipse { half, .. } => {
                let (sum, difference) = (half.x + half.y, half.x - half.y);
                if sum <= 0.0 {
                    return 0.0;
                }
                let h = (difference / sum).powi(2);
                std::f64::consts::PI * sum * (1.0 + 3.0 * h / (10.0 + (4.0 - 3.0 * h).sqrt()))
            }
        }
    }
}

impl FlatRegion {
    /// The unit normal of the plane.
    fn normal(&self) -> DVec3 {
        self.axes[0].cross(self.axes[1]).normalize_or_zero()
    }

    /// The area in mm².
    pub fn area_mm2(&self) -> f64 {
        self.outline.area() * self.axes[0].cross(self.axes[1]).length()
    }

    /// The length of the line around, in mm.
    pub fn perimeter_mm(&self) -> f64 {
        self.outline.perimeter(self.axes)
    }

    /// The voxels of a grid whose centres are inside: over or under the outline, by at most half of how far a voxel
    /// reaches along the normal. On a plane through the centres of one slice these are voxels of that slice. In the order
    /// in which they are stored.
    pub fn voxels(&self, grid: &VoxelGrid) -> Vec<UVec3> {
        let Some((plane, thickness, [first, last])) = self.search(grid) else {
            return Vec::new();
        };
        let rows: Vec<UVec3> = (first.z..=last.z)
            .flat_map(|k| (first.y..=last.y).map(move |j| UVec3::new(first.x, j, k)))
            .collect();
        let place = grid.patient_from_voxel();
        let step = plane * place.matrix3.x_axis;
        let inside = rows.into_par_iter().flat_map_iter(|row| {
            let start = plane * (place.transform_point3(row.as_dvec3()) - self.origin_mm);
            (0..=last.x - row.x).filter_map(move |i| {
                let at = start + step * f64::from(i);
                // Half open, and a hair lower, so that a plane half way between two slices has the voxels of one.
                let share = at.z / thickness + 1e-9;
                let near = (-0.5..0.5).contains(&share);
                let inside = near && self.outline.contains(at.truncate());
                inside.then_some(row + UVec3::X * i)
            })
        });
        inside.collect()
    }

    /// The plane's coordinates (and the height over it) of a patient vector, how thick the region is in mm, and the
    /// first and last voxel to look at.
    fn search(&self, grid: &VoxelGrid) -> Option<(DMat3, f64, [UVec3; 2])> {
        let normal = self.normal();
        if normal == DVec3::ZERO {
            return None;
        }
        let basis = DMat3::from_cols(self.axes[0], self.axes[1], normal);
        let sides = grid.patient_from_voxel().matrix3;
        let reach = |side: DVec3| side.dot(normal).abs();
        let thickness = reach(sides.x_axis)
            .max(reach(sides.y_axis))
            .max(reach(sides.z_axis));
        let [low, high] = self.outline.bounds()?;
        let half = thickness / 2.0;
        let corners = (0..8).map(|n| {
            let pick = |bit: u32, low: f64, high: f64| if n >> bit & 1 == 0 { low } else { high };
            let corner = DVec3::new(
                pick(0, low.x, high.x),
                pick(1, low.y, high.y),
                pick(2, -half, half),
            );
            let point_mm = self.origin_mm + basis * corner;
            grid.voxel_from_patient().transform_point3(point_mm)
        });
        let start = (DVec3::INFINITY, DVec3::NEG_INFINITY);
        let (low, high) = corners.fold(start, |(low, high), c| (low.min(c), high.max(c)));
        let end = grid.dims().as_dvec3() - 1.0;
        let (first, last) = (
            (low - 1e-6).ceil().max(DVec3::ZERO),
            (high + 1e-6).floor().min(end),
        );
        let some = first.is_finite() && last.is_finite() && first.cmple(last).all();
        some.then(|| {
            (
                basis.inverse(),
                thickness,
                [first.as_uvec3(), last.as_uvec3()],
            )
        })
    }

    /// The image's values inside, after rescale, that are finite, from the smallest to the largest.
    pub fn values(&self, volume: &Volume) -> Vec<f32> {
        let voxels = self.voxels(volume.grid());
        let values = voxels.into_iter().filter_map(|voxel| volume.value(voxel));
        let mut values: Vec<f32> = values.filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f32::total_cmp);
        values
    }
}

impl Values {
    /// The figures of values from the smallest to the largest; `None` where there are none.
    pub fn of_sorted(values: &[f32]) -> Option<Self> {
        let (&min, &max) = (values.first()?, values.last()?);
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let squares: f64 = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
        let [below, above] =
            [(values.len() - 1) / 2, values.len() / 2].map(|n| f64::from(values[n]));
        Some(Self {
            mean,
            std: (squares / count).sqrt(),
            min: f64::from(min),
            max: f64::from(max),
            median: f64::midpoint(below, above),
        })
    }
}
