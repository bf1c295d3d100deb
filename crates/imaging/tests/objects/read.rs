//! Segmentations and structure sets that others wrote.

use std::path::Path;

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::objects::{self, Belongs, LoadedObject, ObjectKind, ObjectOnTop};
use m3d_imaging::io::{Progress, read_mask};

use crate::support::{scan, shared};

/// The only object of a file.
fn object(path: &Path) -> ObjectOnTop {
    let library = scan(path);
    assert_eq!(
        library.objects.len(),
        1,
        "{}: {:?}",
        path.display(),
        library.refused
    );
    library.objects[0].clone()
}

fn load(object: &ObjectOnTop, grid: &VoxelGrid) -> LoadedObject {
    objects::load(object, grid, &Progress::silent()).unwrap()
}

fn counts(loaded: &LoadedObject) -> Vec<(u32, usize)> {
    let count = |s: &objects::LoadedStructure| (s.structure.number, s.mask.count());
    loaded.structures.iter().map(count).collect()
}

fn codes(loaded: &LoadedObject) -> Vec<&'static str> {
    loaded.warnings.iter().map(|w| w.code).collect()
}

/// Voxels of each segment as pydicom and highdicom count them, on the images they were drawn on.
#[test]
fn segmentations_of_dcmqi_have_their_voxels() {
    for (images, file, wanted) in [
        ("ct-3slice", "liver.dcm", vec![(1, 107_098)]),
        (
            "ct-3slice",
            "partial_overlaps.dcm",
            vec![(1, 9602), (2, 11_888), (3, 10_743), (4, 6693), (5, 4713)],
        ),
        ("23x38x3/image", "23x38x3/seg/label.seg", vec![(1, 322)]),
        ("24x38x3/image", "24x38x3/seg/label.seg", vec![(1, 315)]),
        (
            "23x38x3/multiframe",
            "23x38x3/seg/label.seg",
            vec![(1, 322)],
        ),
        ("24x38x3/image", "sparse-labelmap-noppv.dcm", vec![(1, 630)]),
        ("24x38x3/image", "sparse-labelmap-ppv5.dcm", vec![(1, 630)]),
    ] {
        let Some(folder) = shared("dcmqi_ct_seg/segmentations") else {
            return;
        };
        let series = scan(&folder.join(images)).largest_series().unwrap().clone();
        let object = object(&folder.join(file));
        assert_eq!(object.kind, ObjectKind::Segmentation);
        let loaded = load(&object, &series.grid);
        eprintln!(
            "{images} {file}: {:?} {:?}",
            object.belongs_to(&series),
            loaded.warnings
        );
        for s in &loaded.structures {
            eprintln!("  {:?} {}", s.structure, s.mask.count());
        }
        assert_eq!(counts(&loaded), wanted, "{file}");
    }
}

/// Contours of the IBSI phantom against the masks that its makers made of them.
#[test]
fn structure_sets_enclose_the_reference_masks() {
    for modality in ["CT", "MR_T1", "PET"] {
        let Some(folder) = shared("ibsi_sts008_ct_mr_pet") else {
            return;
        };
        let series = scan(&folder.join("dicom").join(modality).join("image"));
        let series = series.largest_series().unwrap().clone();
        let object = object(&folder.join("dicom").join(modality).join("mask"));
        assert_eq!(object.kind, ObjectKind::StructureSet);
        let loaded = load(&object, &series.grid);
        let reference = folder.join(format!("nifti/{modality}_mask.nii.gz"));
        let reference = read_mask(&reference, &series.grid).unwrap();
        let mask = &loaded.structures[0].mask;
        let dice = mask.dice(&reference);
        eprintln!(
            "{modality}: {:?} {:?} {} of {}, Dice {dice:.5} {:?}",
            object.structures,
            object.belongs_to(&series),
            mask.count(),
            reference.count(),
            codes(&loaded)
        );
        assert!(dice > 0.95, "{dice}");
    }
}
