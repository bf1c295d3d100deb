//! Masks at brush speed: a ball of 20 mm radius is painted into a mask of 512 x 512 x 600 voxels, and taken
//! back, with the labels that are drawn and the figures up to date; and what is done with whole masks.
//!
//!     cargo bench --bench masks

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use glam::{DAffine3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{LabelMap, Mask, MaskPatch, Paint};
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

criterion_group! { name = benches; config = short(); targets = painting, whole }
criterion_main!(benches);
