//! Drawing and changing the box with the mouse, in voxel coordinates and without a window.

use glam::DVec3;

use m3d_imaging::geometry::{SlicePlane, VoxelBox, VoxelGrid};

/// A side of the box on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The lower side.
    Min,
    /// The upper side.
    Max,
}

/// What a drag holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BoxDrag {
    /// A new box between the point where the drag began and where it is now.
    New {
        /// Where it began, in voxel coordinates.
        anchor: DVec3,
    },
    /// One side of the box, or two at a corner, by in-plane axis (right, down).
    Sides {
        /// The box as it was when the drag began.
        before: VoxelBox,
        /// The side held of each in-plane axis.
        sides: [Option<Side>; 2],
    },
    /// The whole box.
    Move {
        /// The box as it was when the drag began.
        before: VoxelBox,
        /// Where the drag began, in voxel coordinates.
        anchor: DVec3,
    },
}

impl BoxDrag {
    /// What a press at `voxel` takes hold of: a side or corner of the box when within `reach` (in
    /// voxels, per axis) of it, the box itself when `voxel` is near its middle, else nothing.
    pub fn grip(
        plane: &SlicePlane,
        current: &VoxelBox,
        voxel: DVec3,
        reach: DVec3,
    ) -> Option<Self> {
        let near = |axis: usize| {
            let (low, high, at) = (current.min[axis], current.max[axis], voxel[axis]);
            let to_low = (at - low).abs();
            let to_high = (at - high).abs();
            if to_low.min(to_high) > reach[axis] {
                None
            } else if to_low <= to_high {
                Some(Side::Min)
            } else {
                Some(Side::Max)
            }
        };
        let along = |axis: usize| {
            voxel[axis] >= current.min[axis] - reach[axis]
                && voxel[axis] <= current.max[axis] + reach[axis]
        };
        let [right, down] = plane.in_plane_axes;
        if !along(right) || !along(down) {
            return None;
        }
        let sides = [near(right), near(down)];
        if sides.iter().any(Option::is_some) {
            return Some(Self::Sides {
                before: *current,
                sides,
            });
        }
        let from_middle = (voxel - current.centre()).abs();
        let middle = from_middle[right] <= reach[right] && from_middle[down] <= reach[down];
        middle.then_some(Self::Move {
            before: *current,
            anchor: voxel,
        })
    }

    /// The box after the drag has come to `voxel` on a slice of `plane`. The result depends on where
    /// the drag began and is, not on the way between or on its direction. `None` while the box is
    /// still flat or wholly outside.
    pub fn result(&self, grid: &VoxelGrid, plane: &SlicePlane, voxel: DVec3) -> Option<VoxelBox> {
        let whole = VoxelBox::whole(grid);
        let voxel = voxel.clamp(whole.min, whole.max);
        let changed = match *self {
            Self::New { anchor } => {
                let anchor = anchor.clamp(whole.min, whole.max);
                let mut drawn = VoxelBox::from_corners(anchor, voxel);
                let normal = plane.normal_axis;
                let spacing = grid.spacing_mm();
                // The third axis starts as deep as the drawn sides are long on average, around the
                // slice; the handles in the other views change it.
                let [a, b] = plane.in_plane_axes;
                let sides_mm = (drawn.max - drawn.min) * spacing;
                let half = ((sides_mm[a] + sides_mm[b]) / 4.0 / spacing[normal]).max(0.5);
                let slice = anchor[normal].round();
                drawn.min[normal] = (slice - half).max(whole.min[normal]);
                drawn.max[normal] = (slice + half).min(whole.max[normal]);
                drawn
            }
            Self::Sides { before, sides } => {
                let mut corners = [before.min, before.max];
                for (axis, side) in plane.in_plane_axes.into_iter().zip(sides) {
                    match side {
                        Some(Side::Min) => corners[0][axis] = voxel[axis],
                        Some(Side::Max) => corners[1][axis] = voxel[axis],
                        None => {}
                    }
                }
                VoxelBox::from_corners(corners[0], corners[1])
            }
            Self::Move { before, anchor } => {
                let mut offset = voxel - anchor;
                offset[plane.normal_axis] = 0.0;
                // The box keeps its size and stops at the border.
                let offset = offset.clamp(whole.min - before.min, whole.max - before.max);
                VoxelBox {
                    min: before.min + offset,
                    max: before.max + offset,
                }
            }
        };
        changed.clamped_to(grid)
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;
    use m3d_imaging::geometry::Orientation;

    fn grid() -> VoxelGrid {
        let place = DAffine3::from_scale(DVec3::new(-0.7, -0.7, 2.5));
        VoxelGrid::new(UVec3::new(100, 80, 30), place).unwrap()
    }

    #[test]
    fn a_box_does_not_depend_on_the_direction_of_the_drag() {
        let grid = grid();
        for orientation in Orientation::ALL {
            let plane = SlicePlane::new(&grid, orientation);
            let [a, b] = plane.in_plane_axes;
            let mut corners = [DVec3::splat(14.0); 4];
            for (n, corner) in corners.iter_mut().enumerate() {
                corner[a] = if n & 1 == 0 { 5.25 } else { 22.0 };
                corner[b] = if n & 2 == 0 { 3.0 } else { 17.5 };
            }
            let drawn = |from: usize, to: usize| {
                let drag = BoxDrag::New {
                    anchor: corners[from],
                };
                drag.result(&grid, &plane, corners[to]).unwrap()
            };
            let wanted = drawn(0, 3);
            for (from, to) in [(3, 0), (1, 2), (2, 1)] {
                assert_eq!(drawn(from, to), wanted);
            }
        }
    }

    #[test]
    fn handles_move_one_side_and_may_cross() {
        let grid = grid();
        let plane = SlicePlane::new(&grid, Orientation::Sagittal);
        let current = VoxelBox::from_corners(DVec3::splat(4.0), DVec3::splat(12.0));
        let [a, b] = plane.in_plane_axes;
        let mut press = DVec3::splat(8.0);
        press[a] = 12.2;
        let drag = BoxDrag::grip(&plane, &current, press, DVec3::splat(0.5)).unwrap();
        assert!(matches!(
            drag,
            BoxDrag::Sides {
                sides: [Some(Side::Max), None],
                ..
            }
        ));
        let mut to = press;
        to[a] = 1.0;
        let changed = drag.result(&grid, &plane, to).unwrap();
        assert_eq!((changed.min[a], changed.max[a]), (1.0, 4.0));
        assert_eq!((changed.min[b], changed.max[b]), (4.0, 12.0));
        let away = DVec3::splat(25.0);
        assert_eq!(
            BoxDrag::grip(&plane, &current, away, DVec3::splat(0.5)),
            None
        );
    }

    #[test]
    fn a_moved_box_stops_at_the_border_with_its_size() {
        let grid = grid();
        let plane = SlicePlane::new(&grid, Orientation::Axial);
        let current = VoxelBox::from_corners(DVec3::splat(4.0), DVec3::splat(12.0));
        let middle = current.centre();
        let drag = BoxDrag::grip(&plane, &current, middle, DVec3::splat(0.5)).unwrap();
        let moved = drag
            .result(&grid, &plane, DVec3::new(-500.0, 20.0, 8.0))
            .unwrap();
        assert!((moved.max - moved.min).distance(DVec3::splat(8.0)) < 1e-9);
        assert!(moved.min.x >= -0.5 && moved.min.z == 4.0);
    }
}
