//! Known boxes and a known mask go from the study to the model's image and come home.

use glam::{DAffine3, DQuat, DVec3, EulerRot, UVec3};
use m3d_assistant::inference::{ModelBox, ModelFrame, Preparation, prepare};
use m3d_imaging::geometry::{AxisOrder, OrderedCrop, VoxelBox, VoxelGrid};
use m3d_imaging::volume::{Mask, Modality, Rescale, Units, Volume, Voxels};

const SIZE: [usize; 3] = [32, 256, 256];

/// An oblique stack with voxels of 0.8 x 1.1 x 3.5 mm and one axis against the patient's.
fn grid(dims: UVec3) -> VoxelGrid {
    let turn = DQuat::from_euler(EulerRot::XYZ, 0.5, -0.35, 2.6);
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.8, 1.1, -3.5),
        turn,
        DVec3::new(-120.0, 45.0, 310.0),
    );
    VoxelGrid::new(dims, place).unwrap()
}

/// A body of soft tissue with a core, in air, from voxel `low` up to but without `high`.
fn body(dims: UVec3, low: UVec3, high: UVec3) -> Volume {
    let grid = grid(dims);
    let mut voxels = vec![-1000_i16; grid.len()];
    for k in low.z..high.z {
        for j in low.y..high.y {
            for i in low.x..high.x {
                let offset = grid.offset(UVec3::new(i, j, k)).unwrap();
                voxels[offset] = 20 + i16::try_from((i * 7 + j * 3 + k * 5) % 90).unwrap();
            }
        }
    }
    let stored = Voxels::I16(voxels);
    Volume::new(
        grid,
        stored,
        Rescale::IDENTITY,
        Modality::Ct,
        Units::Hounsfield,
    )
    .unwrap()
}

/// The frame that preparing really makes: the crop must be found, not given.
fn frame(dims: UVec3, low: UVec3, high: UVec3) -> ModelFrame {
    let volume = body(dims, low, high);
    let image = prepare(&volume, Preparation::Segmentation, SIZE, &|| false).unwrap();
    image.frame
}

fn usual() -> ModelFrame {
    let frame = frame(
        UVec3::new(300, 260, 52),
        UVec3::new(18, 25, 5),
        UVec3::new(283, 241, 49),
    );
    // The darkest values are cut to background, so the crop may lose a rim of a voxel.
    let OrderedCrop {
        min: low,
        max: high,
        ..
    } = frame.crop();
    assert!(low.x.abs_diff(18) < 3 && low.y.abs_diff(25) < 3 && low.z.abs_diff(5) < 3);
    assert!(high.x.abs_diff(283) < 3 && high.y.abs_diff(241) < 3 && high.z.abs_diff(49) < 3);
    frame
}

/// Through the text, as the model reads and writes it.
fn around(frame: &ModelFrame, there: &VoxelBox) -> VoxelBox {
    let text = format!("Sure, it is {}.", frame.model_box(there).unwrap());
    frame.voxel_box(&ModelBox::parse(&text).unwrap())
}

fn apart(a: &VoxelBox, b: &VoxelBox) -> f64 {
    let low = (a.min - b.min).abs().max_element();
    low.max((a.max - b.max).abs().max_element())
}

#[test]
fn boxes_come_home_within_a_voxel() {
    for frame in [
        usual(),
        // Fewer voxels than the model's image on every axis.
        frame(
            UVec3::new(90, 70, 24),
            UVec3::splat(4),
            UVec3::new(81, 66, 20),
        ),
    ] {
        let OrderedCrop {
            min: low,
            max: high,
            ..
        } = frame.crop();
        let extent = (high - low).as_dvec3();
        let mut worst: f64 = 0.0;
        for step in 0..200_u32 {
            // Corners scattered over the crop, at least two of the model's voxels apart.
            let share = |n: u32| f64::from((step * (7 * n + 3) + 11 * n) % 64) / 100.0;
            let part = DVec3::new(share(1), share(2), share(3));
            let side =
                DVec3::new(share(4), share(5), share(6)).max(DVec3::splat(0.1)) * (1.0 - part);
            let from = frame.crop_box().min + part * extent;
            let there = VoxelBox::from_corners(from, from + side * extent);
            worst = worst.max(apart(&there, &around(&frame, &there)));
        }
        eprintln!("worst corner: {worst:.3} voxels");
        assert!(worst < 1.0);
    }
}

#[test]
fn boxes_drawn_in_the_patient_come_home_whichever_way_they_were_drawn() {
    let frame = usual();
    let grid = *frame.grid();
    let there =
        VoxelBox::from_corners(DVec3::new(60.5, 71.5, 12.5), DVec3::new(140.5, 133.5, 30.5));
    for corner in 0..8_u32 {
        // Every pair of opposite corners, in mm.
        let pick = |flip: u32| {
            let axis = |n: u32| {
                let upper = (corner ^ flip) >> n & 1 == 1;
                if upper {
                    there.max[n as usize]
                } else {
                    there.min[n as usize]
                }
            };
            grid.patient_from_voxel()
                .transform_point3(DVec3::new(axis(0), axis(1), axis(2)))
        };
        let drawn = VoxelBox::from_patient_corners(&grid, [pick(0), pick(7)]);
        let home = around(&frame, &drawn);
        let [low_mm, high_mm] = home.patient_corners(&grid);
        let again = VoxelBox::from_patient_corners(&grid, [high_mm, low_mm]);
        assert!(apart(&there, &again) < 1.0, "corner {corner}");
    }
}

/// Where voxels of the study and of the model coincide, the numbers are the reference's to the digit:
/// index of the first and of the last voxel inside, over the length.
#[test]
fn boxes_of_whole_voxels_have_the_references_numbers() {
    let grid = grid(UVec3::new(300, 300, 40));
    let low = UVec3::new(20, 30, 3);
    let frame = ModelFrame::new(
        grid,
        OrderedCrop::new(AxisOrder::STORED, low, low + UVec3::new(256, 256, 32)),
        SIZE,
    )
    .unwrap();
    for (first, last) in [
        (UVec3::ZERO, UVec3::new(255, 255, 31)),
        (UVec3::new(17, 90, 5), UVec3::new(17, 200, 9)),
        (UVec3::new(100, 3, 31), UVec3::new(254, 3, 31)),
    ] {
        let there = VoxelBox {
            min: (low + first).as_dvec3() - 0.5,
            max: (low + last).as_dvec3() + 0.5,
        };
        let wanted = ModelBox::new([
            f64::from(first.z) / 32.0,
            f64::from(first.y) / 256.0,
            f64::from(first.x) / 256.0,
            f64::from(last.z) / 32.0,
            f64::from(last.y) / 256.0,
            f64::from(last.x) / 256.0,
        ]);
        assert_eq!(Some(frame.model_box(&there).unwrap()), wanted);
        assert!(apart(&there, &around(&frame, &there)) < 0.2);
    }
}

#[test]
fn a_large_ellipsoid_comes_home() {
    let frame = usual();
    let centre = DVec3::new(148.0, 131.0, 27.0);
    let radii = DVec3::new(92.0, 78.0, 16.0);
    let there = Mask::from_fn(*frame.grid(), |voxel| {
        ((voxel.as_dvec3() - centre) / radii).length() < 1.0
    });
    let labels = frame.labels_from_mask(&there);
    let logits: Vec<f32> = labels
        .iter()
        .map(|&l| if l == 1 { 1.0 } else { -1.0 })
        .collect();
    let home = frame.mask_from_logits(&logits);
    let dice = home.dice(&there);
    let moved = home.centroid().unwrap().distance(there.centroid().unwrap());
    eprintln!("Dice {dice:.4}, centroid moved by {moved:.3} voxels");
    assert!(dice > 0.98, "{dice}");
    assert!(moved < 0.5, "{moved}");
    assert_eq!(home.grid(), there.grid());
}

/// A mask that touches every side of the crop comes home without leaving it.
#[test]
fn nothing_is_drawn_outside_the_crop() {
    let frame = usual();
    let logits = vec![1.0; SIZE.iter().product()];
    let home = frame.mask_from_logits(&logits);
    assert_eq!(home.bounding_box(), Some(frame.crop_box()));
}
