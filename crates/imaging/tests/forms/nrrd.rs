//! NRRD and MetaImage headers as other programs write them.

use glam::DVec3;
use m3d_imaging::io::{self, Progress};

use crate::support::load;
use crate::{warnings, written};

const HEAD: &str = "NRRD0005\n# made for this test\ntype: uint8\nencoding: raw\n";

fn nrrd(lines: &str, voxels: &[u8]) -> Vec<u8> {
    [HEAD.as_bytes(), lines.as_bytes(), b"\n", voxels].concat()
}

#[test]
fn spaces_lead_to_lps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nrrd");
    for (space, signs) in [
        ("left-posterior-superior", DVec3::ONE),
        ("RAS", DVec3::new(-1.0, -1.0, 1.0)),
        ("right-anterior-superior", DVec3::new(-1.0, -1.0, 1.0)),
        ("LAS", DVec3::new(1.0, -1.0, 1.0)),
    ] {
        let lines = format!(
            "dimension: 3\nsizes: 3 2 2\nspace: {space}\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\n"
        );
        let series = written(&path, nrrd(&lines, &[0; 12])).unwrap();
        let place = series.grid.patient_from_voxel();
        let wanted = signs * DVec3::new(10.0, 20.0, 30.0);
        assert_eq!(place.translation, wanted, "{space}");
        let there = place.transform_vector3(DVec3::ONE);
        assert_eq!(there, signs * DVec3::new(2.0, 3.0, 4.0), "{space}");
        assert!(series.stated.side_known && series.warnings.is_empty());
    }
}

#[test]
fn time_points_side_by_side_are_told_from_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nrrd");
    let voxels: Vec<u8> = (0..36).collect();
    let lines = |kind: &str| {
        format!(
            "dimension: 4\nsizes: 3 3 2 2\nkinds: {kind} domain domain domain\nspace: LPS\n\
             space directions: none (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n"
        )
    };
    let series = written(&path, nrrd(&lines("list"), &voxels)).unwrap();
    assert_eq!(series.times, 3);
    for time in 0..3_u32 {
        let image = io::load_time(&series, time, &Progress::silent()).unwrap();
        let wanted: Vec<f32> = (0..12).map(|n| (3 * n + time) as f32).collect();
        assert_eq!(image.volume.values_f32(), wanted);
    }
    let series = written(&path, nrrd(&lines("3-normal"), &voxels)).unwrap();
    assert_eq!(
        (series.times, warnings(&series)),
        (1, vec!["vector_component"])
    );
    let series = written(&path, nrrd(&lines("RGB-color"), &voxels)).unwrap();
    assert_eq!(warnings(&series), [""; 0]);
    assert_eq!(
        load(&series).values_f32()[0],
        (0.587 + 2.0 * 0.114_f32).round()
    );
}

#[test]
fn written_numbers_skips_and_lists_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nrrd");
    let text = "NRRD0001\ntype: short\nencoding: ascii\ndimension: 2\nsizes: 3 2\nspacings: 0.5 0.25\n\n1 2 3\n-4 5 600\n";
    let series = written(&path, text).unwrap();
    assert_eq!(
        load(&series).values_f32(),
        [1.0, 2.0, 3.0, -4.0, 5.0, 600.0]
    );
    assert_eq!(series.grid.spacing_mm(), DVec3::new(0.5, 0.25, 1.0));

    let place = "dimension: 3\nsizes: 3 2 2\n";
    for (name, from) in [("one.raw", 0_u8), ("two.raw", 6)] {
        let bytes: Vec<u8> = (0..2).chain(from..from + 6).collect();
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let header = folder.path().join("a.nhdr");
    for files in ["LIST\none.raw\ntwo.raw\n", "LIST 2\none.raw\ntwo.raw"] {
        for skip in ["byte skip: 2", "byte skip: -1"] {
            let text = format!("{HEAD}{place}{skip}\ndata file: {files}");
            let series = written(&header, text).unwrap();
            let wanted: Vec<f32> = (0..12).map(|n: u8| f32::from(n)).collect();
            assert_eq!(load(&series).values_f32(), wanted, "{files} {skip}");
            assert_eq!(series.files().len(), 3);
        }
    }
    let text = format!("{HEAD}{place}data file: ../one.raw\n");
    assert_eq!(written(&header, text).unwrap_err(), "pair");
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nrrd");
    let good = "dimension: 3\nsizes: 3 2 2\n";
    assert!(written(&path, nrrd(good, &[0; 12])).is_ok());
    for (lines, voxels, code) in [
        (good, 11, "truncated"),
        ("dimension: 3\nsizes: 3 2\n", 12, "malformed"),
        ("dimension: 3\nsizes: 0 2 2\n", 12, "malformed"),
        (
            "dimension: 3\nsizes: 4294967295 4294967295 4294967295\n",
            12,
            "too_large",
        ),
        ("dimension: 99999999999\nsizes: 1\n", 12, "malformed"),
        (
            "dimension: 3\nsizes: 3 2 2\nspace directions: (1,0,0) (1,0,0) (0,0,1)\n",
            12,
            "no_geometry",
        ),
        (
            "dimension: 3\nsizes: 3 2 2\nspace directions: (1,0,0) (0,nan,0) (0,0,1)\n",
            12,
            "absurd_spacing",
        ),
        (
            "dimension: 3\nsizes: 3 2 2\ntype: block\n",
            12,
            "pixel_format",
        ),
        (
            "dimension: 3\nsizes: 3 2 2\nencoding: bzip2\n",
            12,
            "pixel_format",
        ),
        ("dimension: 3\nsizes: 3 2 2\ntype: short\n", 24, "malformed"),
    ] {
        let found = written(&path, nrrd(lines, &vec![0; voxels]));
        assert_eq!(found.unwrap_err(), code, "{lines}");
    }
}

fn meta(lines: &str) -> Vec<u8> {
    let head = "ObjectType = Image\nNDims = 3\nDimSize = 3 2 2\nElementType = MET_UCHAR\n";
    [head, lines, "ElementDataFile = LOCAL\n"]
        .concat()
        .into_bytes()
}

#[test]
fn metaimages_say_where_they_lie_in_three_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mha");
    let told = |lines: &str| {
        let bytes = [meta(lines), vec![0; 12]].concat();
        let series = written(&path, bytes).unwrap();
        (series.grid.patient_from_voxel(), warnings(&series))
    };
    let matrix = "TransformMatrix = 0 1 0 1 0 0 0 0 1\nElementSpacing = 2 3 4\n";
    let (place, codes) = told(matrix);
    // A row of the text is the direction of an axis.
    assert_eq!(place.matrix3.x_axis, DVec3::new(0.0, 2.0, 0.0));
    assert_eq!(place.matrix3.y_axis, DVec3::new(3.0, 0.0, 0.0));
    assert!(codes.is_empty(), "{codes:?}");
    let (place, codes) = told("AnatomicalOrientation = LPS\nElementSpacing = 2 3 4\n");
    assert_eq!(place.matrix3.x_axis, DVec3::new(-2.0, 0.0, 0.0));
    assert_eq!(place.matrix3.z_axis, DVec3::new(0.0, 0.0, -4.0));
    assert!(codes.is_empty(), "{codes:?}");
    assert_eq!(told("").1, ["no_spacing", "no_orientation"]);
    let other = format!("{matrix}AnatomicalOrientation = LPS\n");
    assert_eq!(told(&other).1, ["orientations_differ"]);
    let turned = format!("{matrix}CenterOfRotation = 1 0 0\n");
    assert_eq!(told(&turned).1, ["center_of_rotation"]);
}

#[test]
fn metaimages_of_other_byte_order_and_many_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mhd");
    for k in 1..=2_u16 {
        let bytes: Vec<u8> = (0..6).flat_map(|n| (100 * k + n).to_be_bytes()).collect();
        std::fs::write(folder.path().join(format!("s{k:03}.raw")), bytes).unwrap();
    }
    let text = "NDims = 3\nDimSize = 3 2 2\nElementType = MET_USHORT\nElementByteOrderMSB = True\n\
                ElementSpacing = 1 1 1\nElementDataFile = s%03d.raw 1 2 1\n";
    let series = written(&path, text).unwrap();
    let wanted: Vec<f32> = (1..3_u16)
        .flat_map(|k| (0..6).map(move |n| f32::from(100 * k + n)))
        .collect();
    assert_eq!(load(&series).values_f32(), wanted);
}
