//! Phantoms a second at training size, on one core and on all of them.
//!
//!     cargo bench -p m3d-lab --bench phantom

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use m3d_lab::dataset::{Phantom, PhantomConfig, Random, Scene, random_pair, report};
use rayon::prelude::*;

/// Volumes made in one go; the mean over regions, planes and findings is what counts.
const COUNT: u64 = 32;

fn make(seed: u64) -> Phantom {
    Phantom::new(seed, &PhantomConfig::default()).expect("the size is usable")
}

fn phantoms(c: &mut Criterion) {
    let mut group = c.benchmark_group("phantom 32x64x64");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(8))
        .throughput(Throughput::Elements(COUNT));
    group.bench_function("one core", |b| {
        b.iter(|| (0..COUNT).for_each(|seed| drop(black_box(make(seed)))));
    });
    group.bench_function("all cores", |b| {
        b.iter(|| {
            let seeds = (0..COUNT).into_par_iter();
            black_box(seeds.map(make).map(|p| p.labels.len()).sum::<usize>())
        });
    });
    let scenes: Vec<Scene> = (0..COUNT).map(|n| Scene::whole(&make(n))).collect();
    group.bench_function("report and 8 pairs", |b| {
        b.iter(|| {
            let mut random = Random::new(1, "bench");
            for scene in &scenes {
                black_box(report(scene, &mut random));
                for _ in 0..8 {
                    black_box(random_pair(scene, 0.3, 0.3, &mut random));
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, phantoms);
criterion_main!(benches);
