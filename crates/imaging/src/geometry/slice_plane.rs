//! A flat cut through a volume, and how a picture looks at it.

use glam::{DVec2, DVec3};

use super::{Orientation, VoxelGrid};

/// The cut of one anatomical view. It follows the volume's own axes, so that an oblique series is
/// shown as it was acquired, undistorted; the edge letters tell where the axes point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlicePlane {
    /// The anatomical plane this cut stands for.
    pub orientation: Orientation,
    /// The voxel axis (0 = i, 1 = j, 2 = k) the slices are counted along.
    pub normal_axis: usize,
    /// The voxel axes that run to the right and down on the screen.
    pub in_plane_axes: [usize; 2],
    /// The unit patient direction that points right on the screen.
    pub right: DVec3,
    /// The unit patient direction that points down on the screen.
    pub down: DVec3,
    /// The unit patient direction in which slices are counted up (to the head, left or back).
    pub normal: DVec3,
}

impl SlicePlane {
    /// The cut of `grid` that stands for `orientation`, turned to the radiological convention.
    pub fn new(grid: &VoxelGrid, orientation: Orientation) -> Self {
        let axes = grid.axes_of_planes();
        let axis_of = |plane: Orientation| {
            let index = Orientation::ALL.iter().position(|&p| p == plane);
            axes[index.unwrap_or(0)]
        };
        let normal_axis = axis_of(orientation);
        let (right_plane, down_plane) = match orientation {
            Orientation::Axial => (Orientation::Sagittal, Orientation::Coronal),
            Orientation::Sagittal => (Orientation::Coronal, Orientation::Axial),
            Orientation::Coronal => (Orientation::Sagittal, Orientation::Axial),
        };
        let in_plane_axes = [axis_of(right_plane), axis_of(down_plane)];
        let directions = grid.directions();
        let towards = |axis: usize, wanted: DVec3| {
            let direction = directions.col(axis);
            if direction.dot(wanted) < 0.0 {
                -direction
            } else {
                direction
            }
        };
        Self {
            orientation,
            normal_axis,
            in_plane_axes,
            right: towards(in_plane_axes[0], orientation.screen_right()),
            down: towards(in_plane_axes[1], orientation.screen_down()),
            normal: towards(normal_axis, orientation.normal()),
        }
    }

    /// How many slices the volume has in this view.
    pub fn slice_count(&self, grid: &VoxelGrid) -> u32 {
        grid.dims()[self.normal_axis]
    }

    /// Whether the voxel index along the normal axis counts down while slices count up.
    pub fn counts_down(&self, grid: &VoxelGrid) -> bool {
        grid.directions().col(self.normal_axis).dot(self.normal) < 0.0
    }

    /// The slice (0-based, counted along `normal`) that holds a patient point, clamped to the volume.
    pub fn slice_of(&self, grid: &VoxelGrid, point_mm: DVec3) -> u32 {
        let last = self.slice_count(grid) - 1;
        let along = grid.voxel_from_patient().transform_point3(point_mm)[self.normal_axis];
        let index = along.round().clamp(0.0, f64::from(last)) as u32;
        if self.counts_down(grid) {
            last - index
        } else {
            index
        }
    }

    /// `point_mm` moved along the normal axis onto the centre of slice `slice`.
    pub fn point_on_slice(&self, grid: &VoxelGrid, point_mm: DVec3, slice: u32) -> DVec3 {
        let last = self.slice_count(grid) - 1;
        let slice = slice.min(last);
        let index = if self.counts_down(grid) {
            last - slice
        } else {
            slice
        };
        let mut voxel = grid.voxel_from_patient().transform_point3(point_mm);
        voxel[self.normal_axis] = f64::from(index);
        grid.patient_from_voxel().transform_point3(voxel)
    }

    /// The extent of the volume in this plane: (width, height) in mm, voxel edges included.
    pub fn extent_mm(&self, grid: &VoxelGrid) -> DVec2 {
        let spacing = grid.spacing_mm();
        let dims = grid.dims().as_dvec3();
        let along = |axis: usize| spacing[axis] * dims[axis];
        DVec2::new(along(self.in_plane_axes[0]), along(self.in_plane_axes[1]))
    }
}

/// A picture of a slice: which point is in the middle and how many millimetres a pixel covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceView {
    /// The cut and its screen directions.
    pub plane: SlicePlane,
    /// The patient point (mm) in the middle of the picture; it lies on the slice shown.
    pub centre_mm: DVec3,
    /// Millimetres per pixel.
    pub mm_per_pixel: f64,
    /// The picture's size in pixels.
    pub size_px: DVec2,
}

impl SliceView {
    /// A view that fits the whole slice through `point_mm` into `size_px`, with a small margin.
    pub fn fit(grid: &VoxelGrid, plane: SlicePlane, point_mm: DVec3, size_px: DVec2) -> Self {
        let extent = plane.extent_mm(grid);
        let size = size_px.max(DVec2::ONE);
        let mm_per_pixel = (extent.x / size.x).max(extent.y / size.y) * 1.04;
        let slice = plane.slice_of(grid, point_mm);
        Self {
            plane,
            centre_mm: plane.point_on_slice(grid, grid.centre_mm(), slice),
            mm_per_pixel,
            size_px: size,
        }
    }

    /// The patient point (mm) under a pixel position; (0, 0) is the picture's top left corner.
    pub fn patient_from_pixel(&self, pixel: DVec2) -> DVec3 {
        let offset = (pixel - self.size_px / 2.0) * self.mm_per_pixel;
        self.centre_mm + self.plane.right * offset.x + self.plane.down * offset.y
    }

    /// The pixel position of a patient point, projected along the slice normal axis of the plane.
    ///
    /// `right` and `down` need not be exactly at right angles (a sheared series): the point is
    /// resolved in that basis.
    pub fn pixel_from_patient(&self, point_mm: DVec3) -> DVec2 {
        let basis = glam::DMat3::from_cols(self.plane.right, self.plane.down, self.plane.normal);
        let offset = basis.inverse() * (point_mm - self.centre_mm);
        offset.truncate() / self.mm_per_pixel + self.size_px / 2.0
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, UVec3};

    use super::*;

    fn grid(columns: [DVec3; 3]) -> VoxelGrid {
        let matrix = DMat3::from_cols(columns[0], columns[1], columns[2]);
        let place = DAffine3::from_mat3_translation(matrix, DVec3::new(5.0, 6.0, 7.0));
        VoxelGrid::new(UVec3::new(10, 20, 30), place).unwrap()
    }

    /// Whatever way the voxels are stored, right is the patient's left (or back), down is the back
    /// (or the feet): negative direction cosines do not mirror the picture.
    #[test]
    fn screens_are_radiological_for_every_storage_order() {
        for (sx, sy, sz) in [(1.0, 1.0, 1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0)] {
            let grid = grid([DVec3::X * sx, DVec3::Z * sy * 2.0, DVec3::Y * sz * 3.0]);
            for orientation in Orientation::ALL {
                let plane = SlicePlane::new(&grid, orientation);
                assert_eq!(plane.right, orientation.screen_right());
                assert_eq!(plane.down, orientation.screen_down());
                assert_eq!(plane.normal, orientation.normal());
            }
        }
    }

    #[test]
    fn slices_count_up_along_the_normal_and_come_back() {
        let grid = grid([DVec3::X, DVec3::Y, -DVec3::Z * 2.0]);
        let plane = SlicePlane::new(&grid, Orientation::Axial);
        assert!(plane.counts_down(&grid));
        let top = plane.point_on_slice(&grid, grid.centre_mm(), 29);
        let bottom = plane.point_on_slice(&grid, grid.centre_mm(), 0);
        assert!(top.z > bottom.z);
        for slice in 0..30 {
            let point = plane.point_on_slice(&grid, grid.centre_mm(), slice);
            assert_eq!(plane.slice_of(&grid, point), slice);
        }
    }

    #[test]
    fn pixels_and_patient_points_are_inverse() {
        let grid = grid([DVec3::X, DVec3::Y, DVec3::Z]);
        for orientation in Orientation::ALL {
            let plane = SlicePlane::new(&grid, orientation);
            let view = SliceView::fit(&grid, plane, grid.centre_mm(), DVec2::new(300.0, 200.0));
            let pixel = DVec2::new(12.5, 180.0);
            let back = view.pixel_from_patient(view.patient_from_pixel(pixel));
            assert!(back.distance(pixel) < 1e-9);
        }
    }
}
