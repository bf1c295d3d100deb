//! Where a NIfTI image lies (nifti1.h, "3D image orientation and location in space").

use glam::{DAffine3, DMat3, DQuat, DVec3, UVec3};
use nifti::NiftiHeader;

use crate::io::Warning;
use crate::io::error::Refusal;

/// LPS from RAS and back: x and y change sign.
pub(super) const LPS_FROM_RAS: DAffine3 = DAffine3 {
    matrix3: DMat3::from_diagonal(DVec3::new(-1.0, -1.0, 1.0)),
    translation: DVec3::ZERO,
};

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
    header: &NiftiHeader,
    dims: UVec3,
    warnings: &mut Vec<Warning>,
) -> Result<Placement, Refusal> {
    // Flat against the size of its own voxels: small ones are no fault of the orientation.
    let usable = |ras: &DAffine3| {
        let sizes: f64 = (0..3).map(|axis| ras.matrix3.col(axis).length()).product();
        ras.is_finite() && sizes > 0.0 && ras.matrix3.determinant().abs() > 1e-9 * sizes
    };
    let named = |code: i16, place: fn(&NiftiHeader) -> DAffine3| (code > 0).then(|| place(header));
    let (sform, qform) = (
        named(header.sform_code, sform),
        named(header.qform_code, qform),
    );
    let broken = |place: Option<DAffine3>| place.is_some_and(|ras| !usable(&ras));
    let what = match (broken(sform), broken(qform)) {
        (true, true) => Some("sform and qform are"),
        (true, false) => Some("sform is"),
        (false, true) if sform.is_none() => Some("qform is"),
        _ => None,
    };
    let sizes = || Some(sizes_only(header, dims)).filter(usable);
    let mut is_guess = false;
    let ras = if let Some(ras) = sform.filter(usable) {
        ras
    } else if let Some(ras) = qform.filter(usable) {
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
            None => Warning::new(
                "no_orientation",
                "the file does not say how it lies in the patient; left and right are a guess",
            ),
        });
        ras
    } else {
        return Err(Refusal::new(
            "no_geometry",
            "it has no usable orientation and no voxel sizes; convert it again from the source",
        ));
    };
    let mm = millimetres(header, warnings);
    Ok(Placement {
        patient_from_voxel: LPS_FROM_RAS * DAffine3::from_scale(DVec3::splat(mm)) * ras,
        is_guess,
    })
}

fn sform(header: &NiftiHeader) -> DAffine3 {
    let rows = [header.srow_x, header.srow_y, header.srow_z];
    let column = |n: usize| DVec3::from_array(rows.map(|row| f64::from(row[n])));
    DAffine3::from_cols(column(0), column(1), column(2), column(3))
}

fn sizes_mm(header: &NiftiHeader) -> DVec3 {
    let [_, x, y, z, ..] = header.pixdim.map(f64::from);
    DVec3::new(x, y, z)
}

/// Method 2: a rotation, the voxel sizes, and `pixdim[0]` for a mirrored k axis.
fn qform(header: &NiftiHeader) -> DAffine3 {
    let imaginary = DVec3::new(
        f64::from(header.quatern_b),
        f64::from(header.quatern_c),
        f64::from(header.quatern_d),
    );
    // The real part is implied; rounding may leave the others a little longer than one.
    let real = (1.0 - imaginary.length_squared()).max(0.0).sqrt();
    let turn = DQuat::from_xyzw(imaginary.x, imaginary.y, imaginary.z, real).normalize();
    let mirror = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = sizes_mm(header) * DVec3::new(1.0, 1.0, mirror);
    let offset = DVec3::new(
        f64::from(header.quatern_x),
        f64::from(header.quatern_y),
        f64::from(header.quatern_z),
    );
    DAffine3::from_scale_rotation_translation(scale, turn, offset)
}

/// Centred, with i to the patient's left, as ANALYZE had it and nibabel assumes.
fn sizes_only(header: &NiftiHeader, dims: UVec3) -> DAffine3 {
    let scale = sizes_mm(header).abs() * DVec3::new(-1.0, 1.0, 1.0);
    let centre = (dims.as_dvec3() - 1.0) / 2.0;
    DAffine3::from_scale(scale) * DAffine3::from_translation(-centre)
}

/// Millimetres per unit of length (`xyzt_units`). Files without a unit mean millimetres.
fn millimetres(header: &NiftiHeader, warnings: &mut Vec<Warning>) -> f64 {
    let (mm, unit) = match header.xyzt_units & 7 {
        1 => (1000.0, "metres"),
        3 => (0.001, "micrometres"),
        _ => return 1.0,
    };
    let message = format!("lengths are in {unit} and were converted to mm");
    warnings.push(Warning::new("units", message));
    mm
}
