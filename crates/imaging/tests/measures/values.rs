//! Values inside masks, against plain counting, and images that end in a circle.

use glam::{DAffine3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::measure::{Side, measure};
use m3d_imaging::volume::{Mask, Modality, Rescale, Units, Volume, Voxels};

use crate::support::{ct, drawn};

/// The figures in the plainest way: mean, deviation, least, greatest, median.
pub fn plain(mask: &Mask, volume: &Volume) -> [f64; 5] {
    let values = mask.iter().map(|v| f64::from(volume.value(v).unwrap()));
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
    let median = f64::midpoint(values[(n - 1) / 2], values[n / 2]);
    [mean, variance.sqrt(), values[0], values[n - 1], median]
}

pub fn agree(mask: &Mask, volume: &Volume) {
    let found = measure(mask, volume, None).unwrap().values.unwrap();
    let found = [found.mean, found.std, found.min, found.max, found.median];
    let wanted = plain(mask, volume);
    for (n, (found, wanted)) in found.into_iter().zip(wanted).enumerate() {
        let close = (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0);
        assert!(close, "figure {n}: {found}, {wanted}");
    }
}

fn small_grid() -> VoxelGrid {
    let place = DAffine3::from_scale(DVec3::new(0.8, 0.8, 2.5));
    VoxelGrid::new(UVec3::new(45, 38, 21), place).unwrap()
}

#[test]
fn figures_are_those_of_plain_counting() {
    let grid = small_grid();
    let mut state = 11_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 12
    };
    let bits: Vec<u32> = (0..grid.len()).map(|_| random()).collect();
    let mut floats: Vec<f32> = bits.iter().map(|&b| (b as f32 / 1e5).sin() * 3e4).collect();
    floats[grid.len() / 2] = f32::NAN;
    floats[grid.len() / 2 + 1] = f32::INFINITY;
    let images = [
        Voxels::I16(bits.iter().map(|&b| b as i16).collect()),
        Voxels::U8(bits.iter().map(|&b| b as u8).collect()),
        Voxels::I32(bits.iter().map(|&b| b as i32 - 500_000).collect()),
        Voxels::F32(floats),
    ];
    let middle = DVec3::new(17.0, 15.0, 26.0);
    for voxels in images {
        for radius in [1.1, 5.0, 14.0] {
            let rescale = Rescale {
                slope: -0.37,
                intercept: 12.0,
            };
            let (other, units) = (Modality::Other, Units::Arbitrary);
            let volume = Volume::new(grid, voxels.clone(), rescale, other, units).unwrap();
            agree(&drawn(grid, |p| p.distance(middle) < radius), &volume);
        }
    }
}

#[test]
fn values_that_are_none_have_no_figures() {
    let grid = small_grid();
    let nothing = ct(grid, Voxels::F32(vec![f32::NAN; grid.len()]));
    let mask = drawn(grid, |p| p.distance(DVec3::new(17.0, 15.0, 26.0)) < 6.0);
    let found = measure(&mask, &nothing, None).unwrap();
    assert_eq!((found.values, found.values_words()), (None, None));
    let water = ct(grid, Voxels::I16(vec![-3; grid.len()]));
    let words = measure(&mask, &water, None).unwrap().values_words();
    let wanted = "mean -3 HU, standard deviation 0, median -3, from -3 to -3";
    assert_eq!(words.as_deref(), Some(wanted));
}

/// An image that was reconstructed in a circle, and padded with one value around it.
#[test]
fn the_border_of_a_round_field_cuts_too() {
    let grid = VoxelGrid::new(UVec3::new(80, 80, 9), DAffine3::IDENTITY).unwrap();
    let middle = DVec3::new(39.5, 39.5, 0.0);
    let from_middle = |p: DVec3| p.with_z(0.0).distance(middle);
    let image = |padding: i16, noise: bool| {
        let value = |n: usize| {
            let p = DVec3::new((n % 80) as f64, (n / 80 % 80) as f64, 0.0);
            let air = if noise {
                -1000 + (n * 7 % 23) as i16
            } else {
                -1024
            };
            if from_middle(p) > 40.0 { padding } else { air }
        };
        ct(grid, Voxels::I16((0..grid.len()).map(value).collect()))
    };
    // At the border on the diagonal, and well inside.
    let diagonal = DVec3::new(-1.0, 1.0, 0.0).normalize();
    let ball = |from: f64| {
        let at = middle + diagonal * from + DVec3::Z * 4.0;
        drawn(grid, |p| p.distance(at) < 3.0 && from_middle(p) <= 40.0)
    };
    let cut = |mask: &Mask, image: &Volume| measure(mask, image, None).unwrap();
    let found = cut(&ball(38.5), &image(-3024, true));
    assert_eq!(found.cut_by, [Side::Right, Side::Back]);
    assert_eq!(found.extents_mm.map(|e| e.at_least), [true, true, false]);
    assert!(cut(&ball(30.0), &image(-3024, true)).cut_by.is_empty());
    // Air of one value, all over the image, is no border.
    assert!(cut(&ball(36.0), &image(-1024, false)).cut_by.is_empty());
}
