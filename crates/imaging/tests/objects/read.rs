//! Segmentations and structure sets that others wrote.

use std::path::Path;

use glam::{DAffine3, DQuat, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::objects::{self, Belongs, LoadedObject, ObjectKind, ObjectOnTop};
use m3d_imaging::io::{Progress, read_mask};
use m3d_imaging::terms::Lexicon;

use crate::support::{repository, scan, shared};

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
        let series = scan(&folder.join(images)).first_series().unwrap().clone();
        let object = object(&folder.join(file));
        assert_eq!(object.kind, ObjectKind::Segmentation);
        let loaded = load(&object, &series.grid);
        // The multi-frame images are another series of the same study.
        assert!(object.belongs_to(&series) >= Belongs::SameSpace);
        assert_eq!(codes(&loaded), [""; 0], "{file}");
        assert_eq!(counts(&loaded), wanted, "{file}");
    }
}

/// Contours of the IBSI phantom against the masks that its makers made of them.
#[test]
fn structure_sets_enclose_the_reference_masks() {
    let kept = repository("tests/data/ibsi_pet");
    let mut cases = vec![(
        kept.join("dicom"),
        kept.join("dicom/RS.dcm"),
        kept.join("PET_mask.nii.gz"),
    )];
    if let Some(folder) = shared("ibsi_sts008_ct_mr_pet") {
        for modality in ["CT", "MR_T1", "PET"] {
            let dicom = folder.join("dicom").join(modality);
            let mask = folder.join(format!("nifti/{modality}_mask.nii.gz"));
            cases.push((dicom.join("image"), dicom.join("mask/RS.dcm"), mask));
        }
    }
    for (images, contours, mask) in cases {
        let series = scan(&images).first_series().unwrap().clone();
        let object = object(&contours);
        assert_eq!(object.kind, ObjectKind::StructureSet);
        assert_eq!(object.belongs_to(&series), Belongs::DrawnOn);
        let loaded = load(&object, &series.grid);
        assert_eq!(codes(&loaded), [""; 0]);
        let reference = read_mask(&mask, &series.grid).unwrap();
        let found = &loaded.structures[0].mask;
        eprintln!(
            "{}: {} of {} voxels",
            mask.display(),
            found.count(),
            reference.count()
        );
        assert_eq!(found.dice(&reference), 1.0, "{}", contours.display());
    }
}

/// highdicom's own examples lie on a series that is not there: read on a grid made of their frames.
#[test]
fn overlapping_and_fractional_segmentations_have_their_voxels() {
    let spacing = DVec3::new(0.488_281, 0.488_281, 1.25);
    let first = DVec3::new(-125.0, -128.100_006, -99.480_003);
    let place = DAffine3::from_scale_rotation_translation(spacing, DQuat::IDENTITY, first);
    let grid = VoxelGrid::new(UVec3::new(16, 16, 170), place).unwrap();
    let folder = repository("tests/data/objects/highdicom");
    let overlap = load(
        &object(&folder.join("seg_image_ct_binary_overlap.dcm")),
        &grid,
    );
    assert_eq!(counts(&overlap), [(1, 64), (2, 16)]);
    assert_eq!(codes(&overlap), [""; 0]);
    let both = overlap.structures[0].mask.dice(&overlap.structures[1].mask);
    assert!(both > 0.0, "they overlap");
    // Of 661 pixels above none 638 are at least one half.
    let shares = load(
        &object(&folder.join("seg_image_ct_true_fractional.dcm")),
        &grid,
    );
    assert_eq!(counts(&shares), [(1, 638)]);
    assert_eq!(codes(&shares), ["fractional"]);

    let Some(folder) = shared("highdicom_seg") else {
        return;
    };
    for (file, wanted) in [
        ("seg_image_ct_binary.dcm", 638),
        ("seg_image_ct_binary_fractional.dcm", 638),
    ] {
        assert_eq!(
            counts(&load(&object(&folder.join(file)), &grid)),
            [(1, wanted)],
            "{file}"
        );
    }
    let single = object(&folder.join("seg_image_ct_binary_single_frame.dcm"));
    let series = scan(&folder.join("ct_image.dcm"));
    let series = series.series().next().unwrap().clone();
    let loaded = load(&single, &series.grid);
    assert_eq!(counts(&loaded), [(1, 1832)], "{:?}", loaded.warnings);
}

/// Without the wide collection: 23 columns, and a label map whose background is segment 5.
#[test]
fn odd_widths_and_label_maps_have_their_voxels() {
    let folder = repository("tests/data/objects/dcmqi");
    for (images, file, wanted) in [
        ("23x38x3", "binary_23x38x3.dcm", 322),
        ("24x38x3", "labelmap_24x38x3.dcm", 630),
    ] {
        let series = scan(&folder.join(images)).first_series().unwrap().clone();
        let object = object(&folder.join(file));
        assert_eq!(object.belongs_to(&series), Belongs::DrawnOn);
        let loaded = load(&object, &series.grid);
        assert_eq!(counts(&loaded), [(1, wanted)]);
        assert_eq!(codes(&loaded), [""; 0]);
        let liver = &loaded.structures[0].structure;
        assert_eq!(liver.term, Lexicon::built_in().get("liver"));
        assert_eq!(liver.colour, Some([221, 130, 101]));
    }
}

/// The masks beside dcmqi's segmentations, voxel for voxel.
#[test]
fn segmentations_of_dcmqi_are_the_masks_they_were_made_of() {
    let Some(folder) = shared("dcmqi_ct_seg/segmentations") else {
        return;
    };
    for (images, file, truth) in [
        ("ct-3slice", "liver.dcm", "liver_seg.nrrd"),
        (
            "23x38x3/image",
            "23x38x3/seg/label.seg",
            "23x38x3/nrrd/label.nrrd",
        ),
        (
            "24x38x3/image",
            "24x38x3/seg/label.seg",
            "24x38x3/nrrd/label.nrrd",
        ),
    ] {
        let series = scan(&folder.join(images)).first_series().unwrap().clone();
        let loaded = load(&object(&folder.join(file)), &series.grid);
        let (dims, voxels) = nrrd(&folder.join(truth));
        assert_eq!(dims, series.grid.dims().to_array());
        let bytes: Vec<u8> = voxels.iter().map(|&v| u8::from(v != 0)).collect();
        assert!(loaded.structures[0].mask.to_bytes() == bytes, "{file}");
    }
}

/// The voxels of an attached NRRD file of 8 or 16 bits, raw or packed.
fn nrrd(path: &Path) -> ([u32; 3], Vec<u16>) {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let header = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let field = |name: &str| {
        let line = header.lines().find_map(|l| l.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    let sizes: Vec<u32> = field("sizes:")
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    let mut voxels = bytes[end + 2..].to_vec();
    if field("encoding:") == "gzip" {
        let packed = std::mem::take(&mut voxels);
        let mut decoder = flate2::read::GzDecoder::new(packed.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut voxels).unwrap();
    }
    let count: u32 = sizes.iter().product();
    let voxels = if voxels.len() == count as usize {
        voxels.into_iter().map(u16::from).collect()
    } else {
        let pairs: &[[u8; 2]] = voxels.as_chunks().0;
        pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
    };
    (sizes.try_into().unwrap(), voxels)
}

/// Labels written by us with their names beside them, and what is no label map.
#[test]
fn label_maps_come_back_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.nii.gz");
    let series = crate::write::pet();
    let masks = crate::write::shapes(&series);
    objects::write(&path, &series, &crate::write::drawn(&masks)).unwrap();
    let bare = objects::load_label_map(&path, &series.grid, &Progress::silent()).unwrap();
    let names: Vec<&str> = bare
        .structures
        .iter()
        .map(|s| s.structure.name.as_str())
        .collect();
    assert_eq!(names, ["label 1", "label 2", "label 3"]);
    // Where two overlap, the later one stands.
    let both = masks[0].iter().filter(|v| masks[1].contains(*v)).count();
    assert_eq!(
        counts(&bare),
        [
            (1, masks[0].count() - both),
            (2, masks[1].count()),
            (3, masks[2].count())
        ]
    );
    let names =
        r#"{"labels": [{"label": 1, "name": "left kidney"}, {"label": 3, "name": "aorta"}]}"#;
    std::fs::write(folder.path().join("labels.json"), names).unwrap();
    let named = objects::load_label_map(&path, &series.grid, &Progress::silent()).unwrap();
    let kidney = &named.structures[0].structure;
    assert_eq!(kidney.term, Lexicon::built_in().get("left kidney"));
    assert_eq!(kidney.colour, kidney.term.unwrap().colour());
    assert_eq!(named.structures[1].structure.name, "label 2");

    let image = repository("tests/data/ibsi_pet/PET_image.nii.gz");
    let error = objects::load_label_map(&image, &series.grid, &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("no label map"), "{error}");
    let grid = VoxelGrid::new(UVec3::splat(3), DAffine3::IDENTITY).unwrap();
    assert!(objects::load_label_map(&path, &grid, &Progress::silent()).is_err());
}

/// DICOM objects need a DICOM image below them.
#[test]
fn dicom_objects_of_other_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let series = scan(&repository("tests/data/ibsi_pet/PET_image.nii.gz"));
    let series = series.series().next().unwrap().clone();
    let masks = crate::write::shapes(&series);
    for name in ["a.dcm", "a.rtstruct.dcm"] {
        let path = folder.path().join(name);
        assert!(objects::check(&path, &series).is_err());
        let error = objects::write(&path, &series, &crate::write::drawn(&masks)).unwrap_err();
        assert!(error.to_string().contains("no DICOM image"), "{error}");
        assert!(!path.exists());
    }
}
