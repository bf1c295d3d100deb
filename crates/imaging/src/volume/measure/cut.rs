//! Where the image ends before a mask does.

use glam::{DVec3, UVec3};

use super::crop::Crop;
use crate::geometry::{Orientation, VoxelGrid};
use crate::volume::Volume;

/// A side of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
    /// The patient's front.
    Front,
    /// The patient's back.
    Back,
    /// Towards the feet.
    Bottom,
    /// Towards the head.
    Top,
}

impl Side {
    /// The side to which a patient axis (0 = x to the left, 1 = y to the back, 2 = z to the head) points, or from which
    /// it comes.
    const fn of(axis: usize, positive: bool) -> Self {
        match (axis, positive) {
            (0, false) => Self::Right,
            (0, true) => Self::Left,
            (1, false) => Self::Front,
            (1, true) => Self::Back,
            (_, false) => Self::Bottom,
            (_, true) => Self::Top,
        }
    }
}

/// Where the image cuts a mask.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cut {
    /// The sides, sorted, each once.
    pub(super) sides: Vec<Side>,
    /// Whether the extent along each patient axis depends on what is cut off.
    pub(super) axes: [bool; 3],
}

/// The least share of a patient axis in a face's normal at which the face cuts that axis: about 11 degrees.
const LEAST_SHARE: f64 = 0.2;

/// The least share of a patient axis in a direction from the middle of a round field that names a side of it: half of
/// the way to the diagonal.
const LEAST_SHARE_OF_ROUND: f64 = 0.38;

impl Cut {
    /// Where a mask touches the edges of its grid, and of the round field of the image where it has one.
    pub(super) fn of(crop: &Crop, volume: &Volume) -> Self {
        let mut cut = Self::default();
        let grid = volume.grid();
        let planes = grid.axes_of_planes();
        for axis in 0..3 {
            let normal = grid.voxel_from_patient().matrix3.row(axis).normalize();
            // The patient axis that this axis of the grid stands for.
            let plane = planes.iter().position(|&a| a == axis).unwrap_or(axis);
            let main = Orientation::ALL[plane].normal();
            let main = main
                .to_array()
                .iter()
                .position(|&n| n != 0.0)
                .unwrap_or(axis);
            for (touches, high) in crop.reaches(axis).into_iter().zip([false, true]) {
                if touches {
                    cut.sides.push(Side::of(main, (normal[main] > 0.0) == high));
                    for (share, cut) in normal.to_array().into_iter().zip(&mut cut.axes) {
                        *cut |= share.abs() > LEAST_SHARE;
                    }
                }
            }
        }
        if let Some(field) = RoundField::of(volume) {
            for outwards in field.touched(crop, volume) {
                for (axis, share) in outwards.to_array().into_iter().enumerate() {
                    if share.abs() > LEAST_SHARE_OF_ROUND {
                        cut.sides.push(Side::of(axis, share > 0.0));
                        cut.axes[axis] = true;
                    }
                }
            }
        }
        cut.sides.sort_unstable();
        cut.sides.dedup();
        cut
    }

    /// Whether the image cuts at all.
    pub(super) const fn any(&self) -> bool {
        !self.sides.is_empty()
    }
}

/// A field of reconstruction that is the circle in a square image, with one value all around it.
struct RoundField {
    /// The axis of the grid along which the circles lie one after another.
    axis: usize,
    middle: f64,
    padding: f32,
}

impl RoundField {
    /// How near to the circle, in voxels, its border is looked for.
    const NEAR: f64 = 2.0;

    /// The field of an image: in its first, middle and last slice all that lies outside of the circle has one value,
    /// and most of what lies just inside has not.
    fn of(volume: &Volume) -> Option<Self> {
        (0..3).find_map(|axis| {
            let dims = volume.grid().dims();
            let [u, v] = others(axis);
            let side = dims[u];
            if side != dims[v] || side < 16 {
                return None;
            }
            let padding = volume.value(UVec3::ZERO)?;
            let middle = f64::from(side - 1) / 2.0;
            let field = Self {
                axis,
                middle,
                padding,
            };
            let slices = [0, dims[axis] / 2, dims[axis] - 1];
            let round = slices.iter().all(|&n| field.is_round(volume, n, side));
            round.then_some(field)
        })
    }

    fn is_round(&self, volume: &Volume, slice: u32, side: u32) -> bool {
        let [u, v] = others(self.axis);
        let (mut outside, mut ring, mut padded) = (0_u32, 0_u32, 0_u32);
        for b in 0..side {
            for a in 0..side {
                let mut voxel = UVec3::ZERO;
                (voxel[self.axis], voxel[u], voxel[v]) = (slice, a, b);
                let depth = self.depth(voxel);
                if depth < -1.0 {
                    if !self.is_padding(volume, voxel) {
                        return false;
                    }
                    outside += 1;
                } else if (Self::NEAR..2.0 * Self::NEAR).contains(&depth) {
                    ring += 1;
                    padded += u32::from(self.is_padding(volume, voxel));
                }
            }
        }
        outside > 0 && padded * 2 < ring
    }

    /// How far inside of the circle a voxel lies, in voxels.
    fn depth(&self, voxel: UVec3) -> f64 {
        self.middle + 0.5 - self.off_middle(voxel).length()
    }

    /// Where a voxel lies from the middle of its circle, in voxels.
    fn off_middle(&self, voxel: UVec3) -> DVec3 {
        let mut from = voxel.as_dvec3() - self.middle;
        from[self.axis] = 0.0;
        from
    }

    fn is_padding(&self, volume: &Volume, voxel: UVec3) -> bool {
        let value = volume.value(voxel);
        value.is_some_and(|value| value.to_bits() == self.padding.to_bits())
    }

    /// The directions in the patient, from the middle, of the voxels of a mask that lie at the border of the field.
    fn touched(&self, crop: &Crop, volume: &Volume) -> Vec<DVec3> {
        let corners = (0..4).map(|n| {
            let [u, v] = others(self.axis);
            let mut corner = crop.first;
            corner[u] += (n & 1) * (crop.dims[u] - 1);
            corner[v] += (n >> 1) * (crop.dims[v] - 1);
            self.depth(corner)
        });
        if corners.fold(f64::INFINITY, f64::min) > 2.0 * Self::NEAR {
            return Vec::new();
        }
        let inside = crop.bytes().iter().enumerate().filter(|&(_, &v)| v == 1);
        inside
            .map(|(offset, _)| crop.first + crop.voxel(offset))
            .filter(|&voxel| self.depth(voxel) < 2.0 * Self::NEAR)
            .filter(|&voxel| self.ends_at(volume, voxel))
            .map(|voxel| self.direction(volume.grid(), voxel))
            .collect()
    }

    /// Whether a voxel near the border, or a neighbour of it, is none of the field.
    fn ends_at(&self, volume: &Volume, voxel: UVec3) -> bool {
        let none = |voxel: UVec3| {
            let depth = self.depth(voxel);
            depth < -1.0 || (depth < Self::NEAR && self.is_padding(volume, voxel))
        };
        let axes = others(self.axis);
        none(voxel)
            || axes.into_iter().any(|axis| {
                let step = UVec3::AXES[axis];
                none(voxel + step) || none(voxel.saturating_sub(step))
            })
    }

    fn direction(&self, grid: &VoxelGrid, voxel: UVec3) -> DVec3 {
        let place = grid.patient_from_voxel();
        let outwards = place.transform_vector3(self.off_middle(voxel));
        outwards.normalize_or_zero()
    }
}

/// The two axes across another.
const fn others(axis: usize) -> [usize; 2] {
    [(axis + 1) % 3, (axis + 2) % 3]
}
