//! Surfaces of masks.

use std::collections::HashMap;

use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::objects::{write_obj, write_stl};
use m3d_imaging::io::read_mask;
use m3d_imaging::volume::{Mask, Mesh, Paint};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

use crate::support::{load, repository, shared};

/// Every side of a triangle is the side of exactly one other, run through the other way, and none is a point.
fn assert_closed(mesh: &Mesh, name: &str) {
    let mut sides: HashMap<(u32, u32), usize> = HashMap::new();
    for &[a, b, c] in &mesh.triangles {
        assert!(a != b && b != c && c != a, "{name}");
        for side in [(a, b), (b, c), (c, a)] {
            *sides.entry(side).or_default() += 1;
        }
    }
    for (&(a, b), &count) in &sides {
        assert_eq!(count, 1, "{name}: side {a} {b}");
        assert!(sides.contains_key(&(b, a)), "{name}: side {a} {b} is open");
    }
}

/// Axial, oblique, mirrored and sheared places with voxels of unequal sides.
fn places() -> [DAffine3; 4] {
    let spacing = DVec3::new(0.8, 1.1, 2.5);
    let turn = DQuat::from_euler(EulerRot::XYZ, 0.5, -0.35, 2.6);
    let origin = DVec3::new(-120.0, 45.0, 310.0);
    let sheared = DMat3::from_cols(
        DVec3::X,
        DVec3::new(0.3, 1.0, 0.0),
        DVec3::new(0.0, 0.4, 2.0),
    );
    [
        DAffine3::from_scale(spacing),
        DAffine3::from_scale_rotation_translation(spacing, turn, origin),
        DAffine3::from_scale(DVec3::new(-0.8, 1.1, 2.5)),
        DAffine3::from_mat3(sheared),
    ]
}

#[test]
fn balls_are_closed_and_as_large_as_they_are() {
    for place in places() {
        let grid = VoxelGrid::new(UVec3::new(80, 70, 40), place).unwrap();
        let mut mask = Mask::empty(grid);
        mask.paint_ball(grid.middle_voxel_mm(), 18.0, Paint::Add);
        let mesh = Mesh::of(&mask);
        assert_closed(&mesh, "ball");
        let share = mesh.volume_ml() / mask.volume_ml();
        let round = 4.0 / 3.0 * std::f64::consts::PI * 18.0_f64.powi(3) / 1000.0;
        let area = mesh.area_mm2() / (4.0 * std::f64::consts::PI * 18.0_f64.powi(2));
        eprintln!(
            "{share:.4} of the mask's volume, {:.4} of the ball's, {area:.4} of its area",
            mesh.volume_ml() / round
        );
        assert!((share - 1.0).abs() < 1e-4, "{share}");
        // Slices of 2.5 mm leave steps.
        assert!((area - 1.0).abs() < 0.035, "{area}");
    }
}

/// Noise has all cases a cell can be in.
#[test]
fn noise_is_closed_and_no_voxel_changes_sides() {
    let grid = VoxelGrid::new(UVec3::new(17, 14, 11), places()[1]).unwrap();
    let mut random = SplitMix64::seed_from_u64(5);
    for share in [0.2, 0.5, 0.8] {
        let mask = Mask::from_fn(grid, |_| {
            (random.next_u64() as f64 / u64::MAX as f64) < share
        });
        let mesh = Mesh::of(&mask);
        assert_closed(&mesh, "noise");
        let inverse = grid.voxel_from_patient();
        for vertex in &mesh.vertices {
            let voxel = inverse.transform_point3(*vertex);
            let whole = (voxel - voxel.round()).abs();
            assert!(whole.max_element() > 0.05, "{voxel} is a voxel's centre");
        }
    }
}

/// A vessel one voxel wide, and one that touches itself at an edge.
#[test]
fn thin_things_stay() {
    let grid = VoxelGrid::new(UVec3::new(30, 30, 30), DAffine3::IDENTITY).unwrap();
    let line = Mask::from_fn(grid, |v| v.x == 9 && v.y == 7 && v.z > 2 && v.z < 27);
    let stairs = Mask::from_fn(grid, |v| v.x == v.y && v.z == v.x);
    for (name, mask) in [("line", line), ("stairs", stairs)] {
        let mesh = Mesh::of(&mask);
        assert_closed(&mesh, name);
        let share = mesh.volume_ml() / mask.volume_ml();
        eprintln!("{name}: {share:.3} of the mask's volume");
        assert!(share > 0.9, "{name} {share}");
    }
    let whole = Mask::from_fn(grid, |_| true);
    let mesh = Mesh::of(&whole);
    assert_closed(&mesh, "all");
    assert!((mesh.volume_ml() / whole.volume_ml() - 1.0).abs() < 0.01);
    assert_eq!(Mesh::of(&Mask::empty(grid)), Mesh::default());
}

#[test]
fn real_structures_are_closed_and_as_large_as_their_masks() {
    let kept = repository("tests/data/ibsi_pet/PET_mask.nii.gz");
    let mut files = vec![kept];
    files.extend(shared("ibsi_sts008_ct_mr_pet/nifti/CT_mask.nii.gz"));
    files.extend(shared("ibsi_sts008_ct_mr_pet/nifti/MR_T1_mask.nii.gz"));
    for file in files {
        let library = crate::support::scan(&file);
        let grid = *load(library.series().next().unwrap()).grid();
        let mask = read_mask(&file, &grid).unwrap();
        let mesh = Mesh::of(&mask);
        assert_closed(&mesh, &file.to_string_lossy());
        let share = mesh.volume_ml() / mask.volume_ml();
        eprintln!("{}: {share:.4}", file.display());
        assert!((share - 1.0).abs() < 1e-4, "{share}");
    }
}

/// The volume within triangles read back from a file, in mL.
fn volume_of(corners: &[[DVec3; 3]]) -> f64 {
    let top = corners[0][0];
    let cones = corners
        .iter()
        .map(|[a, b, c]| (*a - top).dot((*b - top).cross(*c - top)));
    cones.sum::<f64>() / 6000.0
}

#[test]
fn surfaces_are_written_in_patient_millimetres() {
    let folder = tempfile::tempdir().unwrap();
    let grid = VoxelGrid::new(UVec3::new(40, 40, 20), places()[1]).unwrap();
    let ball = |offset: f64| {
        let mut mask = Mask::empty(grid);
        mask.paint_ball(grid.middle_voxel_mm() + offset, 6.0, Paint::Add);
        Mesh::of(&mask)
    };
    let (one, other) = (ball(-6.0), ball(6.0));
    let volume = one.volume_ml() + other.volume_ml();

    let stl = folder.path().join("balls.stl");
    write_stl(&stl, [&one, &other]).unwrap();
    let bytes = std::fs::read(&stl).unwrap();
    assert!(!bytes.starts_with(b"solid"));
    let count = u32::from_le_bytes(bytes[80..84].try_into().unwrap()) as usize;
    assert_eq!(count, one.triangles.len() + other.triangles.len());
    assert_eq!(bytes.len(), 84 + 50 * count);
    let facets: Vec<[DVec3; 4]> = bytes[84..]
        .chunks(50)
        .map(|facet| {
            let numbers: &[[u8; 4]] = facet.as_chunks().0;
            let at = |n: usize| f64::from(f32::from_le_bytes(numbers[n]));
            std::array::from_fn(|v| DVec3::new(at(3 * v), at(3 * v + 1), at(3 * v + 2)))
        })
        .collect();
    let corners: Vec<[DVec3; 3]> = facets.iter().map(|[_, a, b, c]| [*a, *b, *c]).collect();
    assert!((volume_of(&corners) / volume - 1.0).abs() < 1e-4);
    let first = one.corners_mm().next().unwrap();
    assert!(corners[0][0].distance(first[0]) < 1e-4);
    // Normals point away from the ball's middle.
    let middle = grid.middle_voxel_mm() - 6.0;
    let outward = facets[..one.triangles.len()].iter();
    assert!(
        outward
            .into_iter()
            .all(|[n, a, ..]| n.dot(*a - middle) > 0.0)
    );

    let obj = folder.path().join("balls.obj");
    write_obj(&obj, [("left\nball", &one), ("right ball", &other)]).unwrap();
    let text = std::fs::read_to_string(&obj).unwrap();
    let lines = |mark: &str| {
        let of = text.lines().filter_map(|l| l.strip_prefix(mark));
        of.map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(lines("o "), ["leftball", "right ball"]);
    let words = |line: &String| {
        line.split(' ')
            .map(|w| w.parse::<f64>().unwrap())
            .collect::<Vec<_>>()
    };
    let vertices: Vec<DVec3> = lines("v ")
        .iter()
        .map(|l| DVec3::from_slice(&words(l)))
        .collect();
    let corners: Vec<[DVec3; 3]> = lines("f ")
        .iter()
        .map(|l| std::array::from_fn(|n| vertices[words(l)[n] as usize - 1]))
        .collect();
    assert_eq!(corners.len(), count);
    assert!((volume_of(&corners) / volume - 1.0).abs() < 1e-4);
}
