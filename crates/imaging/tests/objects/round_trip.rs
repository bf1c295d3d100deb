//! What is written is read back equal, however it is packed.

use std::path::{Path, PathBuf};

use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, open_file};
use glam::{DAffine3, DQuat, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::objects::{Belongs, LoadedObject, ObjectOnTop, load, write};
use m3d_imaging::io::{Progress, Series};
use m3d_imaging::volume::Mask;

use crate::support::scan;
use crate::write::{drawn, pet, shapes};

fn read(path: &Path, grid: &VoxelGrid) -> (ObjectOnTop, LoadedObject) {
    let library = scan(path);
    assert_eq!(library.objects.len(), 1, "{:?}", library.refused);
    let object = library.objects[0].clone();
    let loaded = load(&object, grid, &Progress::silent()).unwrap();
    (object, loaded)
}

/// Structures written on the PET series.
struct Written {
    _folder: tempfile::TempDir,
    path: PathBuf,
    series: Series,
    masks: Vec<Mask>,
}

fn written(name: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let series = pet();
    let masks = shapes(&series);
    write(&path, &series, &drawn(&masks)).unwrap();
    Written {
        _folder: folder,
        path,
        series,
        masks,
    }
}

#[test]
fn structures_come_back_with_names_colours_and_voxels() {
    for name in ["s.dcm", "s.rtstruct.dcm"] {
        let Written {
            path,
            series,
            masks,
            ..
        } = &written(name);
        let (object, loaded) = read(path, &series.grid);
        assert_eq!(object.belongs_to(series), Belongs::DrawnOn);
        assert_eq!(
            object.study_uid,
            "1.3.6.1.4.1.14519.5.2.1.5168.1900.242325741304484606665702798256"
        );
        assert_eq!(object.patient_id, "STS_008");
        assert_eq!(loaded.structures.len(), masks.len());
        for (found, wanted) in loaded.structures.iter().zip(drawn(masks)) {
            let structure = &found.structure;
            assert_eq!(structure.name, wanted.name);
            assert_eq!(structure.term, wanted.term);
            assert_eq!(structure.colour, Some(wanted.shown_colour()));
            assert_eq!(structure.drawn_by, wanted.by.code());
            assert_eq!(&found.mask, wanted.mask, "{name} {}", wanted.name);
        }
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}

/// Axes in another order and direction are the same voxels; half-size voxels are as much volume.
#[test]
fn other_grids_take_the_nearest_voxel_and_say_so() {
    let Written {
        path,
        series,
        masks,
        ..
    } = &written("s.dcm");
    let grid = series.grid;
    let dims = grid.dims();
    let place = grid.patient_from_voxel();
    let turned = DAffine3::from_cols(
        place.matrix3.z_axis,
        -place.matrix3.x_axis,
        place.matrix3.y_axis,
        place.transform_point3(DVec3::new(f64::from(dims.x - 1), 0.0, 0.0)),
    );
    let turned = VoxelGrid::new(UVec3::new(dims.z, dims.x, dims.y), turned).unwrap();
    let (_, loaded) = read(path, &turned);
    for (found, mask) in loaded.structures.iter().zip(masks) {
        let wanted = Mask::from_fn(turned, |v| {
            mask.contains(UVec3::new(dims.x - 1 - v.y, v.z, v.x))
        });
        assert_eq!(found.mask, wanted);
    }
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);

    let half = DAffine3::from_scale_rotation_translation(
        DVec3::splat(0.5),
        DQuat::IDENTITY,
        DVec3::splat(-0.25),
    );
    let fine = VoxelGrid::new(dims * 2, place * half).unwrap();
    let (_, loaded) = read(path, &fine);
    for (found, mask) in loaded.structures.iter().zip(masks) {
        let wanted = Mask::from_fn(fine, |v| mask.contains(v / 2));
        assert_eq!(found.mask, wanted);
    }
    assert_eq!(loaded.warnings[0].code, "resampled");

    let turn = DQuat::from_rotation_y(0.5) * DQuat::from_rotation_x(0.3);
    let middle = grid.middle_voxel_mm();
    let oblique = DAffine3::from_scale_rotation_translation(DVec3::splat(2.0), turn, middle)
        * DAffine3::from_translation(DVec3::splat(-40.0));
    let oblique = VoxelGrid::new(UVec3::splat(81), oblique).unwrap();
    let (_, loaded) = read(path, &oblique);
    let wanted = Mask::from_fn(oblique, |v| {
        let p = oblique.patient_from_voxel().transform_point3(v.as_dvec3());
        let there = grid.nearest(grid.voxel_from_patient().transform_point3(p));
        there.is_some_and(|v| masks[0].contains(v))
    });
    let dice = loaded.structures[0].mask.dice(&wanted);
    assert!(dice > 0.9999, "{dice}");
}

/// Whole frames of a segmentation's bits, a byte a pixel.
fn frames(object: &DefaultDicomObject) -> Vec<Vec<u8>> {
    let whole = |tag| object.element(tag).unwrap().to_int::<usize>().unwrap();
    let area = whole(tags::ROWS) * whole(tags::COLUMNS);
    let bytes = object
        .element(tags::PIXEL_DATA)
        .unwrap()
        .to_bytes()
        .unwrap();
    let pixel = |n: usize| bytes[n / 8] >> (n % 8) & 1;
    let frames = 0..whole(tags::NUMBER_OF_FRAMES);
    frames
        .map(|f| (f * area..(f + 1) * area).map(pixel).collect())
        .collect()
}

fn bits(frame: &[u8]) -> Vec<u8> {
    let byte = |pixels: &[u8]| pixels.iter().rev().fold(0, |byte, p| byte << 1 | p);
    frame.chunks(8).map(byte).collect()
}

/// Packed as RLE of one segment: literal runs of what differs, repeats of what does not.
fn run_lengths(frame: &[u8]) -> Vec<u8> {
    let mut packed = [1_u32, 64].map(u32::to_le_bytes).concat();
    packed.resize(64, 0);
    for run in frame.chunk_by(|a, b| a == b) {
        for part in run.chunks(128) {
            match part {
                [one] => packed.extend([0, *one]),
                many => packed.extend([(257 - many.len()) as u8, many[0]]),
            }
        }
    }
    packed.resize(packed.len().next_multiple_of(2), 0);
    packed
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    let mut packed = encoder.finish().unwrap();
    packed.resize(packed.len().next_multiple_of(2), 0);
    packed
}

#[test]
fn packed_and_padded_frames_are_the_same_voxels() {
    let Written {
        path,
        series,
        masks,
        ..
    } = &written("s.dcm");
    let original = open_file(path).unwrap();
    let frames = frames(&original);
    let save = |name: &str, change: &dyn Fn(&mut DefaultDicomObject)| {
        let mut object = original.clone();
        change(&mut object);
        let to = path.with_file_name(name);
        object.write_to_file(&to).unwrap();
        to
    };
    let fragments = |object: &mut DefaultDicomObject, frames: Vec<Vec<u8>>, syntax: &str| {
        object.meta_mut().transfer_syntax = syntax.to_owned();
        object.meta_mut().update_information_group_length();
        let pixels = PixelFragmentSequence::new_fragments(frames);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
    };
    let eight_bits = |object: &mut DefaultDicomObject| {
        for (tag, value) in [
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
        ] {
            object.put(DataElement::new(
                tag,
                VR::US,
                PrimitiveValue::from(value as u16),
            ));
        }
        object.put_str(tags::SEGMENTATION_TYPE, VR::CS, "FRACTIONAL");
        object.put_str(tags::SEGMENTATION_FRACTIONAL_TYPE, VR::CS, "PROBABILITY");
        let most = PrimitiveValue::from(200_u16);
        object.put(DataElement::new(
            tags::MAXIMUM_FRACTIONAL_VALUE,
            VR::US,
            most,
        ));
    };
    // 100 of 200 is inside, 99 is not.
    let shares = |frame: &Vec<u8>| frame.iter().map(|p| 99 + p).collect::<Vec<u8>>();
    let padded = save("padded.dcm", &|object| {
        let bytes: Vec<u8> = frames.iter().flat_map(|f| bits(f)).collect();
        object.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OB,
            PrimitiveValue::from(bytes),
        ));
    });
    let rle = save("rle.dcm", &|object| {
        eight_bits(object);
        let packed = frames.iter().map(|f| run_lengths(&shares(f))).collect();
        fragments(object, packed, uids::RLE_LOSSLESS);
    });
    let each = save("deflated_frames.dcm", &|object| {
        let packed = frames.iter().map(|f| deflated(&bits(f))).collect();
        fragments(object, packed, "1.2.840.10008.1.2.8.1");
    });
    let whole = save("deflated.dcm", &|object| {
        object.meta_mut().transfer_syntax = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.to_owned();
        object.meta_mut().update_information_group_length();
    });
    for (file, code) in [
        (padded, Some("padded_frames")),
        (rle, Some("fractional")),
        (each, None),
        (whole, None),
    ] {
        let (_, loaded) = read(&file, &series.grid);
        for (found, mask) in loaded.structures.iter().zip(masks) {
            assert_eq!(&found.mask, mask, "{}", file.display());
        }
        let codes: Vec<&str> = loaded.warnings.iter().map(|w| w.code).collect();
        assert_eq!(codes, Vec::from_iter(code), "{}", file.display());
    }
}

/// Every prefix, and bytes changed here and there: an error, or some structures, and no panic.
#[test]
fn damage_is_an_error() {
    for name in ["s.dcm", "s.rtstruct.dcm"] {
        let Written { path, series, .. } = &written(name);
        let bytes = std::fs::read(path).unwrap();
        let file = path.with_file_name("damaged.dcm");
        let mut opened = 0;
        let attempt = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            let library = scan(&file);
            assert_eq!(library.objects.len() + library.refused.len(), 1);
            library
                .objects
                .iter()
                .any(|o| load(o, &series.grid, &Progress::silent()).is_ok())
        };
        for end in (140..bytes.len()).step_by(701) {
            opened += usize::from(attempt(&bytes[..end]));
        }
        for at in (132..bytes.len()).step_by(97) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xA5;
            opened += usize::from(attempt(&bytes));
        }
        eprintln!("{name}: {opened} opened all the same");
    }
}
