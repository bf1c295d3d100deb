//! The matrix kernels beside candle's, as a table: y = x Wᵀ for the shapes of the language model and the vision tower.
//!
//!     cargo bench -p m3d-engine --bench kernels [-- FILTER]
//!
//! Each figure is the best of several runs. With one row of x the weights are read from matrices in turn that together
//! exceed the caches, as decoding does, and the share of the measured memory bandwidth is shown.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Tensor};
use half::{bf16, f16};
use m3d_engine::kernels::{BlockFormat, HalfMatrix, PackedMatrix};
use rayon::prelude::*;

/// Rows and columns of W.
const SHAPES: [(usize, usize); 3] = [(9216, 3072), (3072, 8192), (3072, 768)];
/// Rows of x.
const ROWS: [usize; 6] = [1, 8, 16, 64, 263, 2048];
/// More than the caches hold.
const STREAM_BYTES: usize = 160 << 20;

fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    (0..len).map(|_| next() + next()).collect()
}

/// Bytes per second that all threads read together, in large pages as the weights are.
fn memory_bandwidth() -> f64 {
    let mut map = memmap2::MmapMut::map_anon(1 << 30).expect("a gigabyte is free");
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    map.fill(1);
    let buffer: &[u64] = bytemuck::cast_slice(&map);
    let threads = rayon::current_num_threads();
    let seconds = best(5, || {
        let sums = buffer.par_chunks(buffer.len().div_ceil(threads));
        let sum: u64 = sums
            .map(|part| {
                let mut lanes = [0u64; 32];
                for values in part.as_chunks::<32>().0 {
                    for (lane, value) in lanes.iter_mut().zip(values) {
                        *lane = lane.wrapping_add(*value);
                    }
                }
                lanes.iter().sum::<u64>()
            })
            .sum();
        black_box(sum);
    });
    (buffer.len() * 8) as f64 / seconds
}

/// The shortest of `runs` runs, in seconds.
fn best(runs: usize, mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..runs).fold(f64::INFINITY, |least, _| least.min(time(&mut work)))
}

/// One way to multiply: its name, its weights' bytes, and a product with the `index`-th copy of W.
struct Way<'a> {
    name: String,
    bytes: usize,
    multiply: Box<dyn FnMut(usize) + 'a>,
}

fn report(way: &mut Way<'_>, (n, k): (usize, usize), m: usize, copies: usize, bandwidth: f64) {
    // Several products a run, so that the clock and the first wake-up weigh little.
    let flops = 2.0 * (m * n * k) as f64;
    let products = copies.max((2e9 / flops) as usize).min(64);
    let mut index = 0;
    let mut run = || {
        for _ in 0..products {
            (way.multiply)(index % copies);
            index += 1;
        }
    };
    run();
    let seconds = best(if m > 1000 { 3 } else { 7 }, run) / products as f64;
    let read = way.bytes as f64 / seconds;
    print!(
        "{n:5} x {k:<5} m={m:<5}{:14} {:9.3} ms {:8.1} GFLOP/s",
        way.name,
        seconds * 1e3,
        flops / seconds / 1e9
    );
    if m == 1 {
        let share = 100.0 * read / bandwidth;
        print!(" {:6.1} GB/s = {share:.0} % of the memory's", read / 1e9);
    }
    println!();
}

fn packed_ways<'a>(
    format: BlockFormat,
    w: &[f32],
    x: &'a [f32],
    (n, k): (usize, usize),
    m: usize,
    candle: bool,
) -> (Way<'a>, usize) {
    let packed = PackedMatrix::quantize(w, n, k, format).expect("the shapes fit");
    let bytes = packed.bytes();
    let copies = if m == 1 {
        STREAM_BYTES.div_ceil(bytes)
    } else {
        1
    };
    let blocks = packed.to_blocks();
    let multiply: Box<dyn FnMut(usize)> = if candle {
        let dtype = format.ggml_dtype();
        let matrices: Vec<QMatMul> = (0..copies)
            .map(|_| {
                let data = blocks.as_slice().into();
                let storage = QStorage::from_data(data, &Device::Cpu, dtype);
                let tensor = QTensor::new(storage.expect("blocks are whole"), (n, k));
                QMatMul::from_arc(Arc::new(tensor.expect("the shapes fit")))
                    .expect("the format is known")
            })
            .collect();
        let x = Tensor::from_slice(x, (m, k), &Device::Cpu).expect("x fits");
        Box::new(move |index| {
            black_box(matrices[index].forward(&x).expect("the shapes fit"));
        })
    } else {
        let matrices: Vec<PackedMatrix> = (0..copies)
            .map(|_| PackedMatrix::from_blocks(&blocks, n, k, format).expect("blocks are whole"))
            .collect();
        let mut y = vec![0.0; m * n];
        Box::new(move |index| {
            matrices[index]
                .matmul(x, m, &mut y)
                .expect("the shapes fit");
            black_box(&mut y);
        })
    };
    let name = format!("{format} {}", if candle { "candle" } else { "ours" });
    let way = Way {
        name,
        bytes,
        multiply,
    };
    (way, copies)
}

fn dense_way<'a>(
    dtype: DType,
    w: &[f32],
    x: &[f32],
    (n, k): (usize, usize),
    m: usize,
) -> (Way<'a>, usize) {
    let tensor = |values: &[f32], shape: (usize, usize)| {
        let tensor = Tensor::from_slice(values, shape, &Device::Cpu).expect("the shapes fit");
        tensor.to_dtype(dtype).expect("floats convert")
    };
    let bytes = n * k * dtype.size_in_bytes();
    let copies = if m == 1 {
        STREAM_BYTES.div_ceil(bytes)
    } else {
        1
    };
    let matrices: Vec<Tensor> = (0..copies)
        .map(|_| tensor(w, (n, k)).copy().expect("memory suffices"))
        .collect();
    let x = tensor(x, (m, k));
    let way = Way {
        name: format!("{dtype:?} candle"),
        bytes,
        multiply: Box::new(move |index| {
            let w = matrices[index].t().expect("two dimensions");
            black_box(x.matmul(&w).expect("the shapes fit"));
        }),
    };
    (way, copies)
}

fn half_way<'a>(
    name: &str,
    w: &[f32],
    x: &'a [f32],
    (n, k): (usize, usize),
    m: usize,
) -> (Way<'a>, usize) {
    let bytes = n * k * 2;
    let copies = if m == 1 {
        STREAM_BYTES.div_ceil(bytes)
    } else {
        1
    };
    let matrix = || {
        if name.starts_with("BF16") {
            let halves = w.iter().map(|v| bf16::from_f32(*v)).collect();
            HalfMatrix::from_bf16(halves, n, k)
        } else {
            let halves = w.iter().map(|v| f16::from_f32(*v)).collect();
            HalfMatrix::from_f16(halves, n, k)
        }
    };
    let matrices: Vec<HalfMatrix> = (0..copies)
        .map(|_| matrix().expect("the shapes fit"))
        .collect();
    let mut y = vec![0.0; m * n];
    let way = Way {
        name: name.to_owned(),
        bytes,
        multiply: Box::new(move |index| {
            matrices[index]
                .matmul(x, m, &mut y)
                .expect("the shapes fit");
            black_box(&mut y);
        }),
    };
    (way, copies)
}

fn main() {
    let filter: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|f| name.contains(f.as_str()));
    let bandwidth = memory_bandwidth();
    println!(
        "{} threads read {:.1} GB/s from memory",
        rayon::current_num_threads(),
        bandwidth / 1e9
    );
    for shape in SHAPES {
        let w = noise(shape.0 * shape.1, 1);
        for m in ROWS {
            let x = noise(m * shape.1, 2);
            for format in [BlockFormat::Q4K, BlockFormat::Q8_0] {
                for candle in [false, true] {
                    let name = format!("{format} {}", if candle { "candle" } else { "ours" });
                    if wanted(&name) {
                        let (mut way, copies) = packed_ways(format, &w, &x, shape, m, candle);
                        report(&mut way, shape, m, copies, bandwidth);
                    }
                }
            }
            for name in ["BF16 ours", "F16 ours"] {
                if wanted(name) {
                    let (mut way, copies) = half_way(name, &w, &x, shape, m);
                    report(&mut way, shape, m, copies, bandwidth);
                }
            }
            for dtype in [DType::F32, DType::BF16] {
                // candle multiplies large bf16 matrices at a hundredth of this machine's speed.
                if wanted(&format!("{dtype:?} candle")) && (dtype == DType::F32 || m <= 16) {
                    let (mut way, copies) = dense_way(dtype, &w, &x, shape, m);
                    report(&mut way, shape, m, copies, bandwidth);
                }
            }
        }
    }
}
