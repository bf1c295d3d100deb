//! How long each stage takes: reading a series, drawing slices, casting rays, and each stage of the
//! model. Figures are read as ratios within one run on one machine.
//!
//!     cargo bench --bench stages

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use glam::{DAffine3, DVec2, DVec3, UVec3};
use m3d_assistant::inference::{Preparation, prepare};
use m3d_imaging::geometry::{Camera, Orientation, VoxelGrid};
use m3d_imaging::io::{self, Progress};
use m3d_imaging::volume::{CT_PRESETS, Modality, Rescale, Units, Volume, VolumePreset, Voxels};
use m3d_model::{Checkpoint, Lamed, demo::write_demo_checkpoint};
use m3d_viewer::app::Look;
use m3d_viewer::render::{
    Gpu, LayerStyle, RayCastConfig, SliceConfig, SliceRenderer, ViewSlot, VolumeRenderer,
    VolumeTexture, cpu,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A ball of bone in water, 256 voxels a side: the size the public figures of ray casters are for.
fn ball() -> Volume {
    const SIDE: u32 = 256;
    let grid = VoxelGrid::new(UVec3::splat(SIDE), DAffine3::from_scale(DVec3::splat(1.0)));
    let grid = grid.expect("a cube is a grid");
    let centre = DVec3::splat(f64::from(SIDE) / 2.0);
    let mut values = Vec::with_capacity(grid.len());
    for k in 0..SIDE {
        for j in 0..SIDE {
            for i in 0..SIDE {
                let radius = UVec3::new(i, j, k).as_dvec3().distance(centre);
                values.push(if radius < 90.0 {
                    700 - radius as i16 * 6
                } else {
                    -1000
                });
            }
        }
    }
    let voxels = Voxels::I16(values);
    Volume::new(
        grid,
        voxels,
        Rescale::IDENTITY,
        Modality::Ct,
        Units::Hounsfield,
    )
    .expect("the voxels fill the grid")
}

fn reading(c: &mut Criterion) {
    let sample = root().join("assets/sample/ct_abdomen");
    let library = io::scan(&sample, &Progress::silent()).expect("the sample is there");
    let series = library
        .first_series()
        .expect("the sample has a series")
        .clone();
    let mut group = c.benchmark_group("import");
    group.bench_function("scan 20 files", |b| {
        b.iter(|| io::scan(black_box(&sample), &Progress::silent()));
    });
    group.bench_function("load 20 slices of 512x512, JPEG 2000", |b| {
        b.iter(|| io::load(black_box(&series), &Progress::silent()));
    });
    group.finish();
}

fn drawing(c: &mut Criterion) {
    let volume = ball();
    let grid = *volume.grid();
    let size = DVec2::splat(512.0);
    let slice = |at: DVec3| SliceConfig {
        view: Look::default().slice_view(&grid, Orientation::Coronal, at, size),
        layers: vec![LayerStyle::grey(CT_PRESETS[0].window)],
        labels: Vec::new(),
    };
    let statistics = volume.statistics();
    let rays = |preset: VolumePreset, turn: f64| {
        let mut camera = Camera::facing(grid.centre_mm(), grid.radius_mm());
        camera.orbit(DVec2::new(turn, 0.1));
        RayCastConfig {
            camera,
            size_px: [512, 512],
            transfer: preset.transfer_function([-160.0, 240.0], &statistics),
            labels: Vec::new(),
            step_voxels: 0.5,
            shading: true,
            background: [0.0; 3],
        }
    };
    let mut group = c.benchmark_group("drawing");
    group.bench_function("slice 512x512, CPU twin", |b| {
        b.iter(|| cpu::slice(&[&volume], None, &slice(grid.centre_mm())));
    });
    group.bench_function("rays 512x512 through 256^3, bone, CPU twin", |b| {
        b.iter(|| cpu::ray_cast(&volume, None, &rays(VolumePreset::CtBone, 0.3)));
    });
    if let Ok(gpu) = Gpu::headless() {
        let name = gpu.adapter_name();
        let texture = VolumeTexture::upload(&gpu, &volume).expect("the volume fits");
        let slices = SliceRenderer::new(&gpu);
        let volumes = VolumeRenderer::new(&gpu);
        let mut slot = ViewSlot::new(&gpu);
        // Every picture differs from the one before, or nothing would be drawn.
        let mut n = 0_u32;
        group.bench_function(format!("slice 512x512, {name}"), |b| {
            b.iter(|| {
                n += 1;
                let at = grid.centre_mm() + DVec3::Y * f64::from(n % 64);
                slices.draw(&gpu, &mut slot, &[&texture], None, &slice(at));
                gpu.wait();
            });
        });
        for preset in [
            VolumePreset::CtBone,
            VolumePreset::CtSoftTissue,
            VolumePreset::MaximumIntensity,
        ] {
            let title = format!("rays 512x512 through 256^3, {}, {name}", preset.name());
            group.bench_function(title, |b| {
                b.iter(|| {
                    n += 1;
                    let config = rays(preset, f64::from(n) * 0.01);
                    volumes.draw(&gpu, &mut slot, &texture, None, &config, None);
                    gpu.wait();
                });
            });
        }
    }
    group.finish();
}

fn model(c: &mut Criterion) {
    let volume = ball();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tokenizer = root().join("tests/golden/tokenizer");
    write_demo_checkpoint(folder.path(), &tokenizer).expect("the checkpoint is written");
    let checkpoint = Checkpoint::open(folder.path()).expect("the checkpoint is whole");
    let device = Device::Cpu;
    let lamed = Lamed::load(&checkpoint, &device, DType::F32, &|_| {}).expect("it loads");
    let size = lamed.config().image_size;
    let prepared = prepare(&volume, Preparation::Segmentation, size, &|| false).expect("prepared");
    let [d, h, w] = size;
    let image = Tensor::from_vec(prepared.voxels, (1, 1, d, h, w), &device).expect("a tensor");
    let tokens = lamed.encode_image(&image).expect("image tokens");
    let features = lamed.encode_segmentation(&image).expect("features");
    let word = lamed.embed(&[1]).expect("an embedding");
    let mut group = c.benchmark_group("model (small, random weights)");
    group.bench_function("prepare 256^3", |b| {
        b.iter(|| prepare(&volume, Preparation::Segmentation, size, &|| false));
    });
    group.bench_function("encode the image", |b| {
        b.iter(|| lamed.encode_image(&image));
    });
    group.bench_function("encode for segmentation", |b| {
        b.iter(|| lamed.encode_segmentation(&image));
    });
    group.bench_function("prefill the image tokens", |b| {
        b.iter(|| lamed.decode(&tokens, &mut lamed.new_cache()));
    });
    group.bench_function("decode one token", |b| {
        b.iter_batched(
            || {
                let mut cache = lamed.new_cache();
                lamed.decode(&tokens, &mut cache).expect("a prefill");
                cache
            },
            |mut cache| {
                lamed
                    .decode(&word, &mut cache)
                    .and_then(|state| lamed.logits(&state))
            },
            BatchSize::SmallInput,
        );
    });
    let state = lamed
        .decode(&word, &mut lamed.new_cache())
        .expect("a state");
    let prompt = lamed.segmentation_prompt(&[state]).expect("a prompt");
    group.bench_function("decode the mask", |b| {
        b.iter(|| lamed.decode_mask(&features, &prompt));
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! { name = stages; config = short(); targets = reading, drawing, model }
criterion_main!(stages);
