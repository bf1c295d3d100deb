//! Masks at brush speed: a ball of 20 mm radius is painted into a mask of 512 x 512 x 600 voxels, and taken
//! back, with the labels that are drawn and the figures up to date; and what is done with whole masks.
//!
//! What a reader's brush does, by values and with undo, is measured as the application does it.
//!
//!     cargo bench --bench masks

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use glam::{DAffine3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::edit::{self, Brush, Holes, Tip, ValueRange};
use m3d_imaging::volume::{
    LabelMap, Mask, MaskPatch, Modality, Paint, Rescale, Units, Volume, Voxels,
};
use m3d_viewer::render::{Gpu, LabelTexture};

const RADIUS_MM: f64 = 20.0;

fn grid() -> VoxelGrid {
    let place = DAffine3::from_scale(DVec3::new(0.7, 0.7, 1.0));
    VoxelGrid::new(UVec3::new(512, 512, 600), place).expect("the grid is usable")
}

/// A body, a large organ in it, and one that is painted: the last, and drawn over both.
fn masks() -> [Mask; 3] {
    let centre = DVec3::new(256.0, 256.0, 300.0);
    let ellipsoid = |radii: DVec3| {
        Mask::from_fn(grid(), |v| {
            ((v.as_dvec3() - centre) / radii).length_squared() < 1.0
        })
    };
    [
        ellipsoid(DVec3::new(240.0, 180.0, 290.0)),
        ellipsoid(DVec3::new(130.0, 110.0, 90.0)),
        ellipsoid(DVec3::new(50.0, 40.0, 45.0)),
    ]
}

/// The masks with their labels.
struct Reading {
    masks: [Mask; 3],
    labels: LabelMap,
    strokes: u32,
}

impl Reading {
    fn new() -> Self {
        let masks = masks();
        Self {
            labels: LabelMap::from_masks(grid(), &masks),
            masks,
            strokes: 0,
        }
    }

    /// Paints a ball, every time another, and brings labels and figures up to date.
    fn paint(&mut self) -> MaskPatch {
        self.strokes += 1;
        let share = DVec3::new(0.37, 0.59, 0.83) * f64::from(self.strokes);
        let voxel = DVec3::new(156.0, 156.0, 200.0) + share.fract() * 200.0;
        let centre_mm = grid().patient_from_voxel().transform_point3(voxel);
        let patch = self.masks[2].edit(|mask| mask.paint_ball(centre_mm, RADIUS_MM, Paint::Add));
        self.follow(&patch);
        patch
    }

    /// Takes a change back, or again.
    fn apply(&mut self, patch: MaskPatch) -> MaskPatch {
        let inverse = self.masks[2].apply(patch);
        self.follow(&inverse);
        inverse
    }

    fn follow(&mut self, patch: &MaskPatch) {
        self.labels.update(&self.masks, patch.bricks());
        black_box((self.masks[2].count(), self.masks[2].volume_ml()));
    }
}

fn painting(c: &mut Criterion) {
    let mut group = c.benchmark_group("a ball of 20 mm in 512x512x600");
    let mut reading = Reading::new();
    group.bench_function("painted", |b| {
        b.iter_custom(|times| {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                let start = Instant::now();
                let patch = reading.paint();
                total += start.elapsed();
                reading.apply(patch);
            }
            total
        });
    });
    group.bench_function("taken back", |b| {
        b.iter_custom(|times| {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                let patch = reading.paint();
                let start = Instant::now();
                black_box(reading.apply(patch));
                total += start.elapsed();
            }
            total
        });
    });
    let Ok(gpu) = Gpu::headless() else {
        return;
    };
    let name = gpu.adapter_name();
    let mut texture = LabelTexture::upload(&gpu, &reading.labels).expect("the labels fit");
    gpu.wait();
    group.bench_function(format!("its bricks to {name}"), |b| {
        b.iter_custom(|times| {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                let patch = reading.paint();
                let start = Instant::now();
                texture
                    .update(&gpu, &reading.labels)
                    .expect("the grid is the same");
                gpu.wait();
                total += start.elapsed();
                reading.apply(patch);
                texture
                    .update(&gpu, &reading.labels)
                    .expect("the grid is the same");
                gpu.wait();
            }
            total
        });
    });
    group.finish();
}

/// A CT whose values vary from voxel to voxel.
fn ct() -> Volume {
    let values =
        (0..grid().len() as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as i16);
    let rescale = Rescale {
        slope: 1.0,
        intercept: -500.0,
    };
    let voxels = Voxels::I16(values.collect());
    Volume::new(grid(), voxels, rescale, Modality::Ct, Units::Hounsfield).expect("the CT is usable")
}

/// A dab of a brush and what follows: the patch, the mask that pictures still share, its inverse for undo, the labels.
fn dabs(c: &mut Criterion) {
    let mut group = c.benchmark_group("a dab on a CT of 512x512x600, with labels and undo");
    let volume = ct();
    let mut masks = masks().map(Arc::new);
    let mut labels = LabelMap::from_masks(grid(), masks.iter().map(|mask| &**mask));
    let mut dabs = 0;
    for (name, radius_mm, tip, range) in [
        (
            "disc of 15 mm",
            7.5,
            Tip::Disc {
                axis: 2,
                slice: 300,
            },
            None,
        ),
        ("ball of 15 mm", 7.5, Tip::Ball, None),
        ("ball of 40 mm", 20.0, Tip::Ball, None),
        (
            "ball of 40 mm by HU",
            20.0,
            Tip::Ball,
            Some(ValueRange::new(-100.0, 300.0)),
        ),
    ] {
        let brush = Brush {
            radius_mm,
            tip,
            range,
        };
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let mut total = Duration::ZERO;
                for _ in 0..times {
                    dabs += 1;
                    let share = DVec3::new(0.37, 0.59, 0.83) * f64::from(dabs);
                    let mut voxel = DVec3::new(156.0, 156.0, 200.0) + share.fract() * 200.0;
                    voxel.z = if tip == Tip::Ball { voxel.z } else { 300.0 };
                    let place = grid().patient_from_voxel();
                    // The pointer has moved by some voxels since the last frame.
                    let ends_mm = [voxel, voxel + DVec3::new(4.0, 3.0, 0.0)]
                        .map(|voxel| place.transform_point3(voxel));
                    let shown = masks.clone();
                    let start = Instant::now();
                    let patch = brush.stroke(&masks[2], &volume, ends_mm, Paint::Add);
                    let patch = patch.expect("the grids are equal");
                    let undo = Arc::make_mut(&mut masks[2]).apply(patch);
                    let mut drawn = labels.clone();
                    let changed = masks[2].changed_since(&shown[2]);
                    drawn.update(masks.iter().map(|mask| &**mask), changed);
                    labels = drawn;
                    total += start.elapsed();
                    let bricks: Vec<usize> = undo.bricks().collect();
                    Arc::make_mut(&mut masks[2]).apply(undo);
                    labels.update(masks.iter().map(|mask| &**mask), bricks);
                }
                total
            });
        });
    }
    group.finish();
}

/// What is done to a whole organ, as jobs behind the window.
fn operations(c: &mut Criterion) {
    let mut group = c.benchmark_group("an organ of 512x512x600");
    let volume = ct();
    let [_, organ, _] = masks();
    let go_on: edit::Cancelled<'_> = &|| false;
    group.bench_function("grow by 5 mm", |b| {
        b.iter(|| edit::grow(&organ, 5.0, go_on));
    });
    group.bench_function("shrink by 5 mm", |b| {
        b.iter(|| edit::shrink(&organ, 5.0, go_on));
    });
    group.bench_function("smooth by 2 mm", |b| {
        b.iter(|| edit::smooth(&organ, 2.0, go_on));
    });
    group.bench_function("keep largest", |b| {
        b.iter(|| edit::keep_largest(&organ, go_on));
    });
    group.bench_function("fill holes", |b| {
        b.iter(|| edit::fill_holes(&organ, Holes::Enclosed, go_on));
    });
    let range = ValueRange::new(-100.0, 300.0);
    group.bench_function("threshold of the whole CT", |b| {
        b.iter(|| edit::threshold(&volume, range, None, go_on));
    });
    let seed = grid()
        .patient_from_voxel()
        .transform_point3(DVec3::new(256.0, 256.0, 300.0));
    let all = ValueRange::new(-1000.0, 3000.0);
    group.bench_function("a region of 60 mm", |b| {
        b.iter(|| edit::grow_region(&volume, seed, all, Some(60.0), go_on));
    });
    group.finish();
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("masks of 512x512x600");
    let masks = masks();
    let [body, organ, _] = &masks;
    let bytes = body.to_bytes();
    let grid = grid();
    group.bench_function("from bytes", |b| {
        b.iter(|| Mask::from_bytes(grid, black_box(&bytes)));
    });
    group.bench_function("to bytes", |b| b.iter(|| black_box(body).to_bytes()));
    group.bench_function("all voxels of a body", |b| {
        b.iter(|| black_box(body).iter().map(|v| u64::from(v.x)).sum::<u64>());
    });
    group.bench_function("all voxels of an organ", |b| {
        b.iter(|| black_box(organ).iter().map(|v| u64::from(v.x)).sum::<u64>());
    });
    group.bench_function("centroid", |b| b.iter(|| black_box(body).centroid()));
    group.bench_function("bounding box", |b| {
        b.iter(|| black_box(body).bounding_box());
    });
    group.bench_function("Dice", |b| b.iter(|| black_box(body).dice(organ)));
    group.bench_function("copy", |b| b.iter(|| black_box(body).clone()));
    group.bench_function("encode", |b| b.iter(|| black_box(body).encode()));
    let stored = body.encode();
    group.bench_function(format!("decode ({} bytes)", stored.len()), |b| {
        b.iter(|| Mask::decode(grid, black_box(&stored)));
    });
    group.bench_function("labels of three", |b| {
        b.iter(|| LabelMap::from_masks(grid, black_box(&masks)));
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! { name = benches; config = short(); targets = painting, dabs, operations, whole }
criterion_main!(benches);
