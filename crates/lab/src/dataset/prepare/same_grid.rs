//! Whether labels lie on the voxels of an image, and what differs where they do not.

use glam::{DAffine3, DVec3};

use m3d_imaging::geometry::VoxelGrid;

/// Voxels of labels may be off by this share of a voxel and still be the image's.
const SAME_VOXEL: f64 = 0.05;
/// Spacings in mm that print alike are alike.
const SAME_SPACING_MM: f64 = 0.005;

/// The way from the image's voxels to those of its labels, whose axes may run in another order.
///
/// # Errors
/// When they are not the same voxels: what differs, in a line.
pub(super) fn label_from_image(labels: &VoxelGrid, image: &VoxelGrid) -> Result<DAffine3, String> {
    let there = labels.voxel_from_patient() * image.patient_from_voxel();
    let far = image.dims().as_dvec3() - 1.0;
    let last = labels.dims().as_dvec3() - 1.0;
    let fits = (0..8).all(|n| {
        let corner =
            DVec3::from_array([0, 1, 2].map(|a| if n >> a & 1 == 1 { far[a] } else { 0.0 }));
        let found = there.transform_point3(corner);
        let nearest = found.round();
        (found - nearest).abs().max_element() < SAME_VOXEL
            && nearest.cmpge(DVec3::ZERO).all()
            && nearest.cmple(last).all()
    });
    if fits && labels.len() == image.len() {
        return Ok(there);
    }
    Err(format!(
        "the labels do not lie on the image's voxels: {}; resample them to the image",
        differences(labels, image)
    ))
}

/// A grid as the image's axes see it: of each its voxels, spacing and direction, and where the first voxel is.
struct Seen {
    dims: [u32; 3],
    spacing_mm: [f64; 3],
    directions: [DVec3; 3],
    origin_mm: DVec3,
}

impl Seen {
    /// The labels' axes in the image's order, each running as the image's does; it is no difference where they do not.
    fn along(labels: &VoxelGrid, image: &VoxelGrid) -> Self {
        let (own, wanted) = (labels.directions(), image.directions());
        let order = labels.axes_of_planes();
        let of_plane = image.axes_of_planes();
        let mut seen = Self {
            dims: [0; 3],
            spacing_mm: [0.0; 3],
            directions: [DVec3::ZERO; 3],
            origin_mm: DVec3::ZERO,
        };
        let mut first = DVec3::ZERO;
        for (from, to) in order.into_iter().zip(of_plane) {
            let direction = own.col(from);
            let along = direction.dot(wanted.col(to)) >= 0.0;
            seen.dims[to] = labels.dims()[from];
            seen.spacing_mm[to] = labels.spacing_mm()[from];
            seen.directions[to] = if along { direction } else { -direction };
            if !along {
                first[from] = f64::from(labels.dims()[from] - 1);
            }
        }
        seen.origin_mm = labels.patient_from_voxel().transform_point3(first);
        seen
    }
}

/// What differs, most telling first: number of voxels, spacing, direction, origin.
fn differences(labels: &VoxelGrid, image: &VoxelGrid) -> String {
    let (labels, image) = (Seen::along(labels, image), Seen::along(image, image));
    let mut told = Vec::new();
    if labels.dims != image.dims {
        let words = |[x, y, z]: [u32; 3]| format!("{x} x {y} x {z}");
        let (own, wanted) = (words(labels.dims), words(image.dims));
        told.push(format!("they have {own} voxels, the image has {wanted}"));
    }
    let mut pairs = labels.spacing_mm.iter().zip(image.spacing_mm);
    if pairs.any(|(own, wanted)| (own - wanted).abs() > SAME_SPACING_MM) {
        let words = |[x, y, z]: [f64; 3]| format!("{x:.2} x {y:.2} x {z:.2}");
        let (own, wanted) = (words(labels.spacing_mm), words(image.spacing_mm));
        told.push(format!(
            "their spacing is {own} mm, the image's {wanted} mm"
        ));
    }
    let turned = |(own, wanted): (&DVec3, DVec3)| own.angle_between(wanted).to_degrees();
    let pairs = labels.directions.iter().zip(image.directions);
    let angle = pairs.map(turned).fold(0.0, f64::max);
    if angle > 0.05 {
        told.push(format!("their axes are turned by {angle:.1} degrees"));
    }
    let moved = labels.origin_mm - image.origin_mm;
    let least = image.spacing_mm.into_iter().fold(f64::MAX, f64::min) * SAME_VOXEL;
    if moved.abs().max_element() > least || told.is_empty() {
        let words = |at: DVec3| format!("({:.2}, {:.2}, {:.2})", at.x, at.y, at.z);
        let (own, wanted) = (words(labels.origin_mm), words(image.origin_mm));
        told.push(format!(
            "their first voxel is at {own} mm of the patient (LPS), the image's at {wanted} mm"
        ));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DMat3, DQuat, UVec3};

    fn grid(dims: [u32; 3], spacing: DVec3, turn: f64, origin: DVec3) -> VoxelGrid {
        let turn = DQuat::from_rotation_z(turn);
        let place = DAffine3::from_scale_rotation_translation(spacing, turn, origin);
        VoxelGrid::new(UVec3::from_array(dims), place).unwrap()
    }

    const DIMS: [u32; 3] = [20, 30, 10];
    const SPACING: DVec3 = DVec3::new(0.8, 0.8, 2.5);
    const ORIGIN: DVec3 = DVec3::new(-30.0, 12.0, 100.0);

    fn told(labels: &VoxelGrid) -> String {
        label_from_image(labels, &grid(DIMS, SPACING, 0.2, ORIGIN)).unwrap_err()
    }

    #[test]
    fn only_what_differs_is_told() {
        let moved = grid(DIMS, SPACING, 0.2, ORIGIN + DVec3::new(0.0, 0.0, 5.0));
        let line = told(&moved);
        assert!(
            line.contains("(-30.00, 12.00, 105.00)") && line.contains("(-30.00, 12.00, 100.00)"),
            "{line}"
        );
        assert!(
            !line.contains("voxels,") && !line.contains("spacing"),
            "{line}"
        );
        let turned = told(&grid(DIMS, SPACING, 0.3, ORIGIN));
        assert!(turned.contains("turned by 5.7 degrees"), "{turned}");
        assert!(!turned.contains("first voxel"), "{turned}");
        let spaced = told(&grid(DIMS, DVec3::new(0.8, 0.8, 2.0), 0.2, ORIGIN));
        assert!(
            spaced.contains("0.80 x 0.80 x 2.00 mm") && spaced.contains("0.80 x 0.80 x 2.50 mm"),
            "{spaced}"
        );
        let fewer = told(&grid([20, 30, 9], SPACING, 0.2, ORIGIN));
        assert!(
            fewer.contains("20 x 30 x 9 voxels") && fewer.contains("20 x 30 x 10"),
            "{fewer}"
        );
        // A shift of half a voxel is told, however small.
        let half = told(&grid(
            DIMS,
            SPACING,
            0.2,
            ORIGIN + DVec3::new(0.4, 0.0, 0.0),
        ));
        assert!(half.contains("(-29.60, "), "{half}");
    }

    /// Axes in another order, or running the other way, are the same voxels; a shift beside that is told alone.
    #[test]
    fn the_order_of_axes_is_no_difference() {
        let image = grid(DIMS, SPACING, 0.2, ORIGIN);
        let flip = DAffine3::from_mat3_translation(
            DMat3::from_cols(DVec3::Z, -DVec3::X, DVec3::Y),
            DVec3::new(19.0, 0.0, 0.0),
        );
        let dims = UVec3::new(DIMS[2], DIMS[0], DIMS[1]);
        let same = VoxelGrid::new(dims, image.patient_from_voxel() * flip).unwrap();
        label_from_image(&same, &image).unwrap();
        let up = DAffine3::from_translation(DVec3::new(0.0, 0.0, 7.5));
        let moved = VoxelGrid::new(dims, up * same.patient_from_voxel()).unwrap();
        let line = label_from_image(&moved, &image).unwrap_err();
        assert!(line.contains("(-30.00, 12.00, 107.50)"), "{line}");
        assert!(
            !line.contains("turned") && !line.contains("spacing") && !line.contains("they have"),
            "{line}"
        );
    }
}
