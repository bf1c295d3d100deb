//! Whatever is written is read back equal, whatever its size, place, type and content.

#[path = "import/support.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod support;
#[path = "import/synthetic.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod synthetic;

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::objects::{Drawn, DrawnBy, load, load_label_map, write};
use m3d_imaging::io::{self, Progress, Series};
use m3d_imaging::volume::{Mask, Modality, Rescale, Units, Volume, Voxels};
use proptest::prelude::*;
use support::{Numbers, only, scan};
use synthetic::Made;

/// Oblique, anisotropic, mirrored or not, far from the origin or not.
fn a_place(sheared: bool) -> impl Strategy<Value = DAffine3> {
    let spacing = (0.3..20.0, 0.3..20.0, 0.3..20.0);
    let angles = (-3.2..3.2, -3.2..3.2, -3.2..3.2);
    let origin = (-2000.0..2000.0, -2000.0..2000.0, -2000.0..2000.0);
    let shear = if sheared { -0.6..0.6 } else { 0.0..1e-300 };
    let mirrored = if sheared { 0.5 } else { 0.0 };
    (
        spacing,
        angles,
        origin,
        shear,
        prop::bool::weighted(mirrored),
    )
        .prop_map(
            |(spacing, angles, origin, shear, mirrored): (_, (f64, f64, f64), _, f64, bool)| {
                let turn = DQuat::from_euler(EulerRot::XYZ, angles.0, angles.1, angles.2);
                let mut axes = DMat3::from_quat(turn) * DMat3::from_diagonal(DVec3::from(spacing));
                if mirrored {
                    axes.z_axis = -axes.z_axis;
                }
                let tilt = axes.y_axis.normalize() * axes.z_axis.length() * shear;
                if shear.abs() > 0.05 {
                    axes.z_axis += tilt;
                }
                DAffine3::from_mat3_translation(axes, DVec3::from(origin))
            },
        )
}

fn a_grid() -> impl Strategy<Value = VoxelGrid> {
    ((2..24_u32, 2..20_u32, 1..12_u32), a_place(true))
        .prop_map(|(dims, place)| VoxelGrid::new(UVec3::from(dims), place).unwrap())
}

/// One of the types that are kept, filled with any bits there are.
fn some_voxels(kind: u8, count: usize, seed: u64) -> Voxels {
    let mut numbers = Numbers::new(seed);
    let bits = std::iter::repeat_with(|| numbers.bits()).take(count);
    match kind {
        0 => Voxels::U8(bits.map(|v| v as u8).collect()),
        1 => Voxels::I8(bits.map(|v| v as i8).collect()),
        2 => Voxels::U16(bits.map(|v| v as u16).collect()),
        3 => Voxels::I16(bits.map(|v| v as i16).collect()),
        4 => Voxels::I32(bits.map(|v| v as i32).collect()),
        _ => Voxels::F32(bits.map(|v| f32::from_bits(v as u32)).collect()),
    }
}

/// The bits of the values: what is not a number equals itself, too.
fn bits(voxels: &Voxels) -> Vec<u32> {
    let mut values = vec![0.0; voxels.len()];
    voxels.read(0..voxels.len(), &mut values);
    values.into_iter().map(f32::to_bits).collect()
}

/// A mask in which each voxel is set with a share of one in `one_in`.
fn a_mask(grid: VoxelGrid, one_in: u64, seed: u64) -> Mask {
    let mut numbers = Numbers::new(seed);
    Mask::from_fn(grid, |_| numbers.bits().is_multiple_of(one_in))
}

fn nifti_name(packed: bool) -> &'static str {
    if packed { "a.nii.gz" } else { "a.nii" }
}

/// A CT series of slices in random order of names, and its grid.
fn a_series(folder: &Path, dims: UVec3, place: DAffine3, signed: bool, seed: u64) -> Vec<u16> {
    let mut numbers = Numbers::new(seed);
    let area = (dims.x * dims.y) as usize;
    let all: Vec<u16> = std::iter::repeat_with(|| numbers.bits() as u16)
        .take(area * dims.z as usize)
        .collect();
    let [x, y, z] = [0, 1, 2].map(|axis| place.matrix3.col(axis));
    for (pixels, k) in all.chunks(area).zip(0..dims.z) {
        let made = Made {
            row: x.normalize(),
            column: y.normalize(),
            position: place.translation + z * f64::from(k),
            spacing: [y.length(), x.length()],
            rows: dims.y as u16,
            columns: dims.x as u16,
            pixels: pixels.to_vec(),
            signed,
            ..Made::default()
        };
        let made = made.with(tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{k}"));
        made.write(&folder.join(format!("{:06x}_{k:03}.dcm", numbers.bits() & 0xFF_FFFF)));
    }
    all
}

fn the_series(folder: &Path) -> Series {
    let library = scan(folder);
    assert!(library.refused.is_empty(), "{:?}", library.refused);
    library.first_series().unwrap().clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn volumes_in_nifti(
        grid in a_grid(),
        kind in 0..6_u8,
        seed: u64,
        slope in prop_oneof![Just(1.0_f32), -50.0..50.0_f32, 1e-9..1e-3_f32],
        intercept in prop_oneof![Just(0.0_f32), -5000.0..5000.0_f32],
        packed: bool,
    ) {
        prop_assume!(slope != 0.0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(nifti_name(packed));
        let rescale = Rescale { slope: f64::from(slope), intercept: f64::from(intercept) };
        let voxels = some_voxels(kind, grid.len(), seed);
        let volume = Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap();
        io::write_nifti(&path, &volume).unwrap();
        let (series, back) = only(&path);
        prop_assert_eq!(bits(back.voxels()), bits(volume.voxels()));
        prop_assert_eq!(back.voxels().type_name(), volume.voxels().type_name());
        prop_assert_eq!(back.rescale(), rescale);
        prop_assert!(back.grid().matches(&grid), "{:?} {:?}", back.grid(), grid);
        prop_assert_eq!(series.grid, *back.grid());
    }

    #[test]
    fn masks_and_labels_in_nifti(
        grid in a_grid(),
        one_in in 1..5_u64,
        seed: u64,
        packed: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(nifti_name(packed));
        let first = a_mask(grid, one_in, seed);
        io::write_mask(&path, &first).unwrap();
        prop_assert_eq!(&io::read_mask(&path, &grid).unwrap(), &first);

        // Where labels overlap, the later one stands.
        let second = a_mask(grid, one_in + 1, seed ^ 1);
        io::write_labels(&path, &grid, &[&first, &second]).unwrap();
        let loaded = load_label_map(&path, &grid, &Progress::silent()).unwrap();
        let visible = Mask::from_fn(grid, |v| first.contains(v) && !second.contains(v));
        let wanted: Vec<(u32, &Mask)> = [(1, &visible), (2, &second)]
            .into_iter()
            .filter(|(_, mask)| mask.count() > 0)
            .collect();
        prop_assert_eq!(loaded.structures.len(), wanted.len());
        for (found, (number, mask)) in loaded.structures.iter().zip(wanted) {
            prop_assert_eq!(found.structure.number, number);
            prop_assert_eq!(&found.mask, mask);
        }
    }

    #[test]
    fn arrays_in_numpy(shape in prop::collection::vec(1..7_usize, 1..5), seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let count = shape.iter().product();
        let Voxels::F32(floats) = some_voxels(5, count, seed) else { unreachable!() };
        io::write_npy_f32(&path, &shape, &floats).unwrap();
        let back = io::read_npy(&path).unwrap();
        prop_assert_eq!(&back.shape, &shape);
        let io::NpyValues::F32(found) = back.values else { panic!("no floats") };
        // What is no number stays none, whatever its bits.
        let equal = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        let same = found.iter().zip(&floats).all(equal);
        prop_assert!(same && found.len() == count);

        let Voxels::U8(bytes) = some_voxels(0, count, seed) else { unreachable!() };
        io::write_npy_u8(&path, &shape, &bytes).unwrap();
        let back = io::read_npy(&path).unwrap();
        prop_assert_eq!(&back.shape, &shape);
        let io::NpyValues::U8(found) = back.values else { panic!("no bytes") };
        prop_assert_eq!(found, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A series of DICOM slices is read as it was made, and the structures written on it come back.
    #[test]
    fn series_and_their_objects(
        dims in (2..24_u32, 2..20_u32, 1..7_u32),
        place in a_place(false),
        signed: bool,
        seed: u64,
        one_in in 1..6_u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let dims = UVec3::from(dims);
        let pixels = a_series(folder.path(), dims, place, signed, seed);
        let series = the_series(folder.path());
        prop_assert_eq!(series.grid.dims(), dims);
        if dims.z > 1 {
            let wanted = VoxelGrid::new(dims, place).unwrap();
            prop_assert!(series.grid.matches(&wanted), "{:?} {:?}", series.grid, wanted);
        }
        let image = io::load(&series, &Progress::silent()).unwrap();
        match image.voxels() {
            Voxels::U16(found) => prop_assert!(!signed && *found == pixels),
            Voxels::I16(found) => {
                let wanted = pixels.iter().map(|&v| v as i16);
                prop_assert!(signed && found.iter().copied().eq(wanted));
            }
            other => prop_assert!(false, "{}", other.type_name()),
        }

        let mut masks = [1, 2].map(|n| a_mask(series.grid, one_in, seed ^ n));
        masks[0].insert(0);
        // Contours count half the way to the next plane: a slice without any between two with some cannot be said.
        let dense = masks.each_ref().map(|mask| {
            Mask::from_fn(series.grid, |v| mask.contains(v) || (v.x == 0 && v.y == 0))
        });
        let out = tempfile::tempdir().unwrap();
        for (name, masks) in [("a.dcm", &masks), ("a.rtstruct.dcm", &dense)] {
            let drawn = masks.each_ref().map(|mask| Drawn {
                name: "lesion",
                term: None,
                colour: None,
                mask,
                by: DrawnBy::Manual,
            });
            let path = out.path().join(name);
            write(&path, &series, &drawn).unwrap();
            let library = scan(&path);
            prop_assert_eq!(library.objects.len(), 1, "{:?}", library.refused);
            let loaded = load(&library.objects[0], &series.grid, &Progress::silent()).unwrap();
            prop_assert_eq!(loaded.structures.len(), 2);
            for (found, wanted) in loaded.structures.iter().zip(masks) {
                prop_assert_eq!(&found.mask, wanted, "{}", name);
            }
        }
    }
}

/// A scaling that 32 bits cannot hold would be read as another one.
#[test]
fn a_scaling_that_nifti_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = VoxelGrid::new(UVec3::splat(2), DAffine3::IDENTITY).unwrap();
    for (slope, intercept) in [(1e-60, 0.0), (1e60, 0.0), (1.0, 1e60)] {
        let rescale = Rescale { slope, intercept };
        let voxels = Voxels::U8(vec![1; 8]);
        let volume = Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap();
        assert!(io::write_nifti(&path, &volume).is_err(), "{rescale:?}");
        assert!(!path.exists());
    }
}
