//! Where a NIfTI image lies (nifti1.h, "3D image orientation and location in space").

use glam::{DAffine3, DQuat, DVec3, UVec3};

use super::fields::{Stored, Version};
use crate::io::Warning;
use crate::io::array::{LPS_FROM_RAS, no_orientation};
use crate::io::error::Refusal;

/// Two places that differ by more than this, in mm, are not one. Quaternions of 32-bit floats stay below.
const SAME_PLACE_MM: f64 = 0.05;
/// Voxel sizes that differ by more than this share are not the same.
const SAME_SIZE: f64 = 0.01;

/// Where the image lies, and whether the file says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub patient_from_voxel: DAffine3,
    /// Neither form was usable: left and right are a guess.
    pub is_guess: bool,
}

/// Millimetres in LPS from voxels: by the sform if it has a code, else by the qform, else by the voxel
/// sizes alone, with a warning.
pub(super) fn placement(
    stored: &Stored,
    dims: UVec3,
    warnings: &mut Vec<Warning>,
) -> Result<Placement, Refusal> {
    // Flat against the size of its own voxels: small ones are no fault of the orientation.
    let usable = |ras: &DAffine3| {
        let sizes: f64 = (0..3).map(|axis| ras.matrix3.col(axis).length()).product();
        ras.is_finite() && sizes > 0.0 && ras.matrix3.determinant().abs() > 1e-9 * sizes
    };
    let named =
        |code: i32, place: fn(&Stored, UVec3) -> DAffine3| (code > 0).then(|| place(stored, dims));
    let (sform, qform) = (
        named(stored.sform_code, sform),
        named(stored.qform_code, qform),
    );
    let broken = |place: Option<DAffine3>| place.is_some_and(|ras| !usable(&ras));
    let what = match (broken(sform), broken(qform)) {
        (true, true) => Some("sform and qform are"),
        (true, false) => Some("sform is"),
        (false, true) if sform.is_none() => Some("qform is"),
        _ => None,
    };
    let sizes = || Some(sizes_only(stored, dims)).filter(usable);
    let mm = millimetres(stored, warnings);
    let (sform, qform) = (sform.filter(usable), qform.filter(usable));
    let mut is_guess = false;
    let ras = if let Some(ras) = sform {
        if let Some(qform) = qform {
            warnings.extend(differing_forms(stored, dims, mm, (ras, qform)));
        }
        warnings.extend(differing_sizes(stored, dims, mm, ras));
        ras
    } else if let Some(ras) = qform {
        if let Some(what) = what {
            let message = format!("its {what} unusable (not finite, or flat); its qform is used");
            warnings.push(Warning::new("unusable_orientation", message));
        }
        ras
    } else if let Some(ras) = sizes() {
        is_guess = true;
        warnings.push(match what {
            Some(what) => Warning::new(
                "unusable_orientation",
                format!("its {what} unusable (not finite, or flat); left and right are a guess"),
            ),
            None if stored.version == Version::Analyze => Warning::new(
                "no_orientation",
                "an ANALYZE image does not say how it lies in the patient; left and right are a guess",
            ),
            None => no_orientation(),
        });
        ras
    } else {
        return Err(Refusal::new(
            "no_geometry",
            "it has no usable orientation and no voxel sizes; convert it again from the source",
        ));
    };
    Ok(Placement {
        patient_from_voxel: LPS_FROM_RAS * DAffine3::from_scale(DVec3::splat(mm)) * ras,
        is_guess,
    })
}

/// How far the two forms are from each other, where both claim to place the image.
fn differing_forms(
    stored: &Stored,
    dims: UVec3,
    mm: f64,
    (sform, qform): (DAffine3, DAffine3),
) -> Option<Warning> {
    let far = dims.as_dvec3() - 1.0;
    let apart = (0..8).map(|n| {
        let pick = |axis: usize| if n >> axis & 1 == 1 { far[axis] } else { 0.0 };
        let corner = DVec3::new(pick(0), pick(1), pick(2));
        sform
            .transform_point3(corner)
            .distance(qform.transform_point3(corner))
    });
    let apart_mm = apart.fold(0.0, f64::max) * mm;
    let message = format!(
        "its two orientations place it up to {apart_mm:.2} mm apart; the sform ({}) is used, not the qform ({})",
        space(stored.sform_code),
        space(stored.qform_code)
    );
    (apart_mm > SAME_PLACE_MM).then(|| Warning::new("orientations_differ", message))
}

/// Whether the voxel sizes that are written beside the sform are others than its own.
fn differing_sizes(stored: &Stored, dims: UVec3, mm: f64, sform: DAffine3) -> Option<Warning> {
    let said = sizes(stored, dims);
    let own = DVec3::from_array([0, 1, 2].map(|axis| sform.matrix3.col(axis).length()));
    let words = |sizes: DVec3| {
        let DVec3 { x, y, z } = sizes * mm;
        format!("{x:.3} x {y:.3} x {z:.3} mm")
    };
    let differs = (0..3).any(|axis| {
        dims[axis] > 1 && said[axis] > 0.0 && (said[axis] / own[axis] - 1.0).abs() > SAME_SIZE
    });
    let message = format!(
        "its header gives voxels of {}, its sform {}; the sform is used",
        words(said),
        words(own)
    );
    differs.then(|| Warning::new("spacings_differ", message))
}

/// The space a form leads to (NIFTI_XFORM_*).
const fn space(code: i32) -> &'static str {
    match code {
        1 => "scanner",
        2 => "aligned to another image",
        3 => "Talairach",
        4 => "MNI 152",
        5 => "a template",
        _ => "unknown space",
    }
}

fn sform(stored: &Stored, dims: UVec3) -> DAffine3 {
    let column = |n: usize| DVec3::from_array(stored.sform.map(|row| row[n]));
    let (i, j, k) = (column(0), column(1), column(2));
    // A single slice may come without a direction of its own.
    let k = if dims.z == 1 && k == DVec3::ZERO {
        i.cross(j).normalize_or_zero() * sizes(stored, dims).z
    } else {
        k
    };
    DAffine3::from_cols(i, j, k, column(3))
}

/// The voxel sizes, whose signs mean nothing; an axis of one voxel may have none.
fn sizes(stored: &Stored, dims: UVec3) -> DVec3 {
    let size = |axis: usize| match stored.pixdim[axis + 1].abs() {
        0.0 if dims[axis] == 1 => 1.0,
        size => size,
    };
    DVec3::new(size(0), size(1), size(2))
}

/// Method 2: a rotation, the voxel sizes, and `pixdim[0]` for a mirrored k axis.
fn qform(stored: &Stored, dims: UVec3) -> DAffine3 {
    let [b, c, d, x, y, z] = stored.qform;
    let imaginary = DVec3::new(b, c, d);
    // The real part is implied; rounding may leave the others a little longer than one.
    let real = (1.0 - imaginary.length_squared()).max(0.0).sqrt();
    let turn = DQuat::from_xyzw(b, c, d, real).normalize();
    let mirror = if stored.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = sizes(stored, dims) * DVec3::new(1.0, 1.0, mirror);
    DAffine3::from_scale_rotation_translation(scale, turn, DVec3::new(x, y, z))
}

/// Centred, with i to the patient's left, as ANALYZE had it and nibabel assumes.
fn sizes_only(stored: &Stored, dims: UVec3) -> DAffine3 {
    let scale = sizes(stored, dims) * DVec3::new(-1.0, 1.0, 1.0);
    let centre = (dims.as_dvec3() - 1.0) / 2.0;
    DAffine3::from_scale(scale) * DAffine3::from_translation(-centre)
}

/// Millimetres per unit of length (`xyzt_units`). Files without a unit mean millimetres.
fn millimetres(stored: &Stored, warnings: &mut Vec<Warning>) -> f64 {
    let (mm, unit) = match stored.units & 7 {
        1 => (1000.0, "metres"),
        3 => (0.001, "micrometres"),
        _ => return 1.0,
    };
    let message = format!("lengths are in {unit} and were converted to mm");
    warnings.push(Warning::new("units", message));
    mm
}
