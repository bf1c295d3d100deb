//! DICOM objects that are written, looked at with dicom-object alone.

use std::path::PathBuf;

use glam::{DVec3, UVec3};
use m3d_imaging::io::objects::{Drawn, DrawnBy, write};
use m3d_imaging::io::{IoError, Series};
use m3d_imaging::terms::Lexicon;
use m3d_imaging::volume::{Mask, Paint};

use crate::support::{repository, scan};

/// Two balls that overlap, with a hole in one, and a line in one slice.
pub fn shapes(series: &Series) -> Vec<Mask> {
    let grid = series.grid;
    let middle = grid.middle_voxel_mm();
    let mut ball = Mask::empty(grid);
    ball.paint_ball(middle, 22.0, Paint::Add);
    ball.paint_ball(middle + DVec3::new(6.0, 2.0, 0.0), 7.0, Paint::Erase);
    let mut other = Mask::empty(grid);
    other.paint_ball(middle + DVec3::new(15.0, 4.0, 3.0), 14.0, Paint::Add);
    let mut line = Mask::empty(grid);
    line.paint_run(UVec3::new(2, 3, grid.dims().z - 1), 9, Paint::Add);
    vec![ball, other, line]
}

pub fn pet() -> Series {
    let library = scan(&repository("tests/data/ibsi_pet/dicom"));
    library.first_series().unwrap().clone()
}

pub fn drawn(masks: &[Mask]) -> Vec<Drawn<'_>> {
    let lexicon = Lexicon::built_in();
    let model = DrawnBy::Automatic {
        name: "M3D-LaMed".to_owned(),
        version: "small 1".to_owned(),
    };
    let names = ["left kidney", "Herd in der Leber, größer", "liver lesion"];
    let by = [model.clone(), DrawnBy::Manual, model];
    let zipped = names.into_iter().zip(by).zip(masks);
    zipped
        .map(|((name, by), mask)| Drawn {
            name,
            term: lexicon.get(name),
            colour: None,
            mask,
            by,
        })
        .collect()
}

/// Where files are left for other programs to look at, where that is asked for.
fn kept(folder: &tempfile::TempDir) -> PathBuf {
    let asked = std::env::var_os("M3D_OBJECTS_OUT").map(PathBuf::from);
    asked.unwrap_or_else(|| folder.path().to_owned())
}

#[test]
fn objects_are_written_by_the_ending_of_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = kept(&folder);
    let series = pet();
    let masks = shapes(&series);
    for name in ["a.dcm", "a.rtstruct.dcm", "a.stl", "a.obj", "a.nii.gz"] {
        write(&folder.join(name), &series, &drawn(&masks)).unwrap();
        assert!(folder.join(name).is_file());
    }
    let error = write(&folder.join("a.png"), &series, &drawn(&masks)).unwrap_err();
    assert!(matches!(error, IoError::ObjectName(_)), "{error}");
    let empty = [Mask::empty(series.grid)];
    assert!(write(&folder.join("b.dcm"), &series, &drawn(&empty)).is_err());
    assert!(write(&folder.join("b.dcm"), &series, &[]).is_err());
    assert!(!folder.join("b.dcm").exists());
}
