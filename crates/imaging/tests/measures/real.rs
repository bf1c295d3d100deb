//! Labels of real studies, where the wider collection is at hand.

use std::f64::consts::PI;

use glam::{DVec3, UVec3};
use m3d_imaging::volume::measure::{MeasureError, Side, Tube, diameter_along, measure};
use m3d_imaging::volume::{Mask, Volume};

use crate::support::{label, load, shared};
use crate::values::agree;

/// The labels of TotalSegmentator that are looked at.
const SPLEEN: f32 = 1.0;
const KIDNEYS: [f32; 2] = [2.0, 3.0];
const LIVER: f32 = 5.0;
const AORTA: f32 = 52.0;
const VENA_CAVA: f32 = 63.0;

/// Label, voxels, mean, population deviation and median.
const COUNTED: [(f32, usize, f64, f64, f64); 6] = [
    (1.0, 9668, 32.7701, 16.5450, 35.0),
    (2.0, 7134, 10.7293, 25.8301, 12.0),
    (3.0, 5090, 18.3900, 56.0177, 17.0),
    (5.0, 41692, 44.4596, 16.2128, 46.0),
    (52.0, 1839, 42.0837, 33.8287, 41.0),
    (63.0, 2266, 39.3120, 15.7616, 40.0),
];

/// A CT of the abdomen in voxels of 3 mm, and its labels.
fn abdomen() -> Option<(Volume, Volume)> {
    let image = shared("nifti_ct_totalseg/example_ct.nii.gz")?;
    let labels = shared("nifti_ct_totalseg/example_seg_fast_force_split.nii.gz")?;
    Some((load(&image), load(&labels)))
}

/// A slab of twenty slices, and its labels.
fn slab() -> Option<(Volume, Volume)> {
    let image = shared("ct_siemens_j2k_abdomen/dicom")?;
    let labels = shared("ct_siemens_j2k_abdomen/example_seg_dicom.nii.gz")?;
    Some((load(&image), load(&labels)))
}

/// How many voxels a label has, and the figures of the image in them, counted apart from this program with
/// Python's struct and gzip alone.
#[test]
fn volumes_and_values_are_those_counted_apart() {
    let Some((ct, labels)) = abdomen() else {
        return;
    };
    for (value, voxels, mean, std, median) in COUNTED {
        let found = measure(&label(&labels, &ct, value), &ct, None).unwrap();
        assert_eq!(found.voxels, voxels);
        assert!((found.volume_ml.value - voxels as f64 * 0.027).abs() < 1e-6);
        let values = found.values.unwrap();
        assert!((values.mean - mean).abs() < 1e-3 && (values.std - std).abs() < 1e-3);
        assert_eq!(values.median, median);
    }
}

#[test]
fn every_label_has_the_figures_of_plain_counting() {
    for (ct, labels) in [abdomen(), slab()].into_iter().flatten() {
        let mut found = 0;
        for value in 1..=117_u8 {
            let mask = label(&labels, &ct, f32::from(value));
            if mask.count() > 0 {
                agree(&mask, &ct);
                let volume = measure(&mask, &ct, None).unwrap().volume_ml.value;
                let wanted = mask.count() as f64 * ct.grid().voxel_ml();
                assert!((volume - wanted).abs() < 1e-9 * wanted);
                found += 1;
            }
        }
        assert!(found > 10, "{found}");
    }
}

#[test]
fn what_the_abdomen_cuts_is_told() {
    let Some((ct, labels)) = abdomen() else {
        return;
    };
    let of = |value: f32| measure(&label(&labels, &ct, value), &ct, None).unwrap();
    for value in KIDNEYS {
        assert!(of(value).cut_by.is_empty(), "the kidneys are whole");
    }
    for value in [SPLEEN, LIVER] {
        let found = of(value);
        assert_eq!(found.cut_by, [Side::Top]);
        assert_eq!(found.extents_mm.map(|e| e.at_least), [false, false, true]);
    }
    let words = of(LIVER).volume_words(true);
    assert!(
        words.ends_with("mL, cut by the image at the top"),
        "{words}"
    );
}

/// Equal-area diameters of axial sections, as seen along a line that leans as their middles do.
fn by_axial_sections(mask: &Mask) -> Vec<(DVec3, f64)> {
    let grid = mask.grid();
    let pixel = grid.spacing_mm().x * grid.spacing_mm().y;
    let slices: Vec<(DVec3, f64)> = (0..grid.dims().z)
        .filter_map(|k| {
            let voxels: Vec<UVec3> = mask.iter().filter(|v| v.z == k).collect();
            let sum: DVec3 = voxels.iter().map(|v| v.as_dvec3()).sum();
            let middle = grid
                .patient_from_voxel()
                .transform_point3(sum / voxels.len() as f64);
            (!voxels.is_empty()).then_some((middle, voxels.len() as f64 * pixel))
        })
        .collect();
    let near = 3;
    (near..slices.len() - near)
        .map(|n| {
            let (middle, area) = slices[n];
            let along = (slices[n + near].0 - slices[n - near].0).normalize();
            (middle, 2.0 * (area * along.z.abs() / PI).sqrt())
        })
        .collect()
}

/// How wide a vessel is, and as its axial sections have it.
fn vessel(ct: &Volume, labels: &Volume, value: f32) -> (Tube, f64) {
    let mask = label(labels, ct, value);
    let apart = by_axial_sections(&mask);
    let mean = apart.iter().map(|s| s.1).sum::<f64>() / apart.len() as f64;
    let tube = diameter_along(&mask, None).unwrap();
    eprintln!("{value}: {:?}, {mean} by axial sections", tube.mean_mm);
    let widest = apart.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    // One section alone may be wider than its neighbours.
    assert!(
        (tube.largest_mm.value - widest.1).abs() < 1.5,
        "{:?}, {widest:?}",
        tube.largest_mm
    );
    assert!(tube.largest_mm.at_least);
    (tube, mean)
}

#[test]
fn vessels_are_as_wide_as_their_axial_sections() {
    if let Some((ct, labels)) = abdomen() {
        for value in [AORTA, VENA_CAVA] {
            let (tube, mean) = vessel(&ct, &labels, value);
            // A fifth of a voxel, where the error is more than one.
            assert!((tube.mean_mm.value - mean).abs() < 0.6, "{value}");
        }
    }
    if let Some((ct, labels)) = slab() {
        let (tube, mean) = vessel(&ct, &labels, AORTA);
        assert!((tube.mean_mm.value - mean).abs() < 0.6);
    }
}

#[test]
fn organs_are_no_tubes() {
    let Some((ct, labels)) = abdomen() else {
        return;
    };
    for value in [SPLEEN, KIDNEYS[0], KIDNEYS[1], LIVER] {
        let found = diameter_along(&label(&labels, &ct, value), None);
        assert_eq!(found, Err(MeasureError::NoTube), "{value}");
    }
}
