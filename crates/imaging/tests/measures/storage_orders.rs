//! One image stored in all 48 orders of its axes gives one measure.

use glam::{DAffine3, DMat3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::measure::{Measures, measure};
use m3d_imaging::volume::{Mask, Volume, Voxels};

use crate::support::{ct, grid};

/// The axes of an order: axis `n` of the stored image is this axis of the original, backwards or not.
pub type Order = [(usize, bool); 3];

pub fn orders() -> impl Iterator<Item = Order> {
    let permutations = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    permutations
        .into_iter()
        .flat_map(|p| (0..8).map(move |flips| [0, 1, 2].map(|n| (p[n], flips >> n & 1 == 1))))
}

/// A grid with its axes in another order, and the original voxel of a stored one.
pub fn stored(grid: &VoxelGrid, order: Order) -> (VoxelGrid, impl Fn(UVec3) -> UVec3 + Copy) {
    let mut original_from_stored = DAffine3::from_mat3(DMat3::ZERO);
    let mut dims = UVec3::ZERO;
    for (n, (axis, backwards)) in order.into_iter().enumerate() {
        dims[n] = grid.dims()[axis];
        let sign = if backwards { -1.0 } else { 1.0 };
        *original_from_stored.matrix3.col_mut(n) = DVec3::AXES[axis] * sign;
        if backwards {
            original_from_stored.translation[axis] = f64::from(dims[n] - 1);
        }
    }
    let place = grid.patient_from_voxel() * original_from_stored;
    let original = move |voxel: UVec3| {
        let there = original_from_stored.transform_point3(voxel.as_dvec3());
        there.round().as_uvec3()
    };
    (VoxelGrid::new(dims, place).unwrap(), original)
}

fn same(a: &Measures, b: &Measures, order: Order) {
    let scalars = |m: &Measures| {
        let values = m.values.unwrap();
        let mut all = vec![
            m.voxels as f64,
            m.drawn_voxels,
            m.drawn_along_longest_mm,
            values.mean,
            values.std,
            values.min,
            values.max,
            values.median,
        ];
        let lengths = m
            .extents_mm
            .into_iter()
            .chain([m.volume_ml, m.longest_diameter_mm]);
        all.extend(lengths.flat_map(|l| [l.value, l.error, f64::from(u8::from(l.at_least))]));
        let points = m.longest_ends_mm.into_iter().chain([m.centroid_mm]);
        all.extend(points.flat_map(|p| p.to_array()));
        all
    };
    for (n, (a, b)) in scalars(a).into_iter().zip(scalars(b)).enumerate() {
        let close = (a - b).abs() <= 1e-9 * a.abs().max(1.0);
        assert!(close, "{order:?}, figure {n}: {a}, {b}");
    }
    assert_eq!(a.cut_by, b.cut_by, "{order:?}");
    assert_eq!(a.volume_words(true), b.volume_words(true));
    assert_eq!(a.extents_words(true), b.extents_words(true));
    assert_eq!(a.values_words(), b.values_words());
}

#[test]
fn the_order_of_storage_changes_nothing() {
    let spacing = DVec3::new(0.8, 1.1, 2.3);
    // A ball has many diameters of one length; one of them must be taken each time.
    let shapes: [&dyn Fn(DVec3) -> bool; 3] = [
        &|p| (p / DVec3::new(13.0, 9.0, 10.0)).length() < 1.0,
        &|p| p.length() < 11.0,
        &|p| p.distance(DVec3::new(-9.0, 4.0, 14.0)) < 7.0,
    ];
    for angles in [[0.0; 3], [0.3, -0.2, 0.5]] {
        let grid = grid(spacing, angles, 14.0);
        let value = |v: UVec3| (v.x * 13 + v.y * 29 + v.z * 71) as i16 % 301 - 100;
        let image = |grid: VoxelGrid, original: &dyn Fn(UVec3) -> UVec3| -> Volume {
            let mut voxels = Vec::with_capacity(grid.len());
            Mask::from_fn(grid, |v| {
                voxels.push(value(original(v)));
                false
            });
            ct(grid, Voxels::I16(voxels))
        };
        for shape in shapes {
            let inside = |v: UVec3| shape(grid.patient_from_voxel().transform_point3(v.as_dvec3()));
            let size = [0, 1, 2].map(|axis| spacing[axis] * [2.0, 1.0, 3.0][axis]);
            let all: Vec<(Order, Measures)> = orders()
                .map(|order| {
                    let (there, original) = stored(&grid, order);
                    let mask = Mask::from_fn(there, |v| inside(original(v)));
                    let size = DVec3::from_array(order.map(|(axis, _)| size[axis]));
                    let image = image(there, &original);
                    (order, measure(&mask, &image, Some(size)).unwrap())
                })
                .collect();
            assert_eq!(all.len(), 48);
            for (order, measures) in &all {
                same(&all[0].1, measures, *order);
            }
        }
    }
}
