//! The fused operators beside candle's own compositions, at the sizes of the released networks: a vision transformer
//! block of 2048 patches and a decoder layer at one position after 600.
//!
//!     cargo bench -p m3d-engine --bench ops

use std::hint::black_box;
use std::time::Duration;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::layer_norm as plain_layer_norm;
use criterion::{Criterion, criterion_group, criterion_main};
use m3d_engine::ops::attention::attend_plain;
use m3d_engine::ops::{AttentionMask, attend, gated_silu, gelu, layer_norm, rms_norm, rotate};

const PATCHES: usize = 2048;
const WIDTH: usize = 768;

fn random(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).expect("there is memory for it")
}

/// Times both forms of an operator.
fn pair(
    c: &mut Criterion,
    name: &str,
    fused: impl Fn() -> Result<Tensor>,
    plain: impl Fn() -> Result<Tensor>,
) {
    let mut group = c.benchmark_group(name);
    group.bench_function("fused", |b| {
        b.iter(|| black_box(fused().expect("the shapes fit")));
    });
    group.bench_function("plain", |b| {
        b.iter(|| black_box(plain().expect("the shapes fit")));
    });
    group.finish();
}

fn vit(c: &mut Criterion) {
    let qkv = random(&[1, PATCHES, 3, 12, 64]);
    let parts = |qkv: &Tensor| -> Result<[Tensor; 3]> {
        let qkv = qkv.permute((2, 0, 3, 1, 4))?;
        Ok([qkv.get(0)?, qkv.get(1)?, qkv.get(2)?])
    };
    pair(
        c,
        "vit attention",
        || {
            let [q, k, v] = parts(&qkv)?;
            attend(&q, &k, &v, 0.125, AttentionMask::None)
        },
        || {
            let [q, k, v] = parts(&qkv)?;
            attend_plain(&q, &k, &v, 0.125, AttentionMask::None)
        },
    );
    let inner = random(&[1, PATCHES, 4 * WIDTH]);
    pair(c, "vit gelu", || gelu(&inner), || inner.gelu_erf());
    let (x, y) = (random(&[1, PATCHES, WIDTH]), random(&[1, PATCHES, WIDTH]));
    let (weight, bias) = (random(&[WIDTH]), random(&[WIDTH]));
    pair(
        c,
        "vit layer norm",
        || layer_norm(&x, &weight, &bias, 1e-5),
        || plain_layer_norm(&x, &weight, &bias, 1e-5),
    );
    let mut group = c.benchmark_group("vit residual");
    group.bench_function("plain", |b| b.iter(|| (&x + &y).expect("the shapes fit")));
    group.finish();
}

fn decoder(c: &mut Criterion) {
    let (hidden, heads, d, inner) = (3072, 32, 96, 8192);
    let cache = [random(&[1, heads, 1024, d]), random(&[1, heads, 1024, d])];
    for (name, n, m) in [
        ("decode attention at 600", 1, 600),
        ("prefill attention of 263", 263, 263),
        ("question of 32 after 263", 32, 295),
    ] {
        let q = random(&[1, n, heads, d]);
        let views = || -> Result<[Tensor; 3]> {
            let (k, v) = (cache[0].narrow(2, 0, m)?, cache[1].narrow(2, 0, m)?);
            Ok([q.transpose(1, 2)?, k, v])
        };
        pair(
            c,
            name,
            || {
                let [q, k, v] = views()?;
                attend(&q, &k, &v, 0.1, AttentionMask::Causal)
            },
            || {
                let [q, k, v] = views()?;
                attend_plain(&q, &k, &v, 0.1, AttentionMask::Causal)
            },
        );
    }
    // As many heads' keys and values as a token reads in all layers: more than the caches hold.
    let mut group = c.benchmark_group("decode attention at 263 in 32 layers");
    let q = random(&[1, 1, heads, d])
        .transpose(1, 2)
        .expect("four axes");
    for dtype in [DType::F32, DType::F16] {
        let held = |_| {
            let t = random(&[1, heads, 512, d]).to_dtype(dtype)?;
            t.narrow(2, 0, 263)
        };
        let layers: Result<Vec<Tensor>> = (0..64).map(held).collect();
        let layers = layers.expect("there is memory for it");
        group.bench_function(dtype.as_str(), |b| {
            b.iter(|| {
                for layer in layers.as_chunks::<2>().0 {
                    let mixed = attend(&q, &layer[0], &layer[1], 0.1, AttentionMask::Causal);
                    black_box(mixed.expect("the shapes fit"));
                }
            });
        });
    }
    group.finish();
    for n in [1, 263] {
        let gate_up = random(&[1, n, 2 * inner]);
        pair(
            c,
            &format!("gated silu of {n}"),
            || gated_silu(&gate_up),
            || {
                let halves = gate_up.chunk(2, D::Minus1)?;
                &halves[0].silu()? * &halves[1]
            },
        );
        let (x, weight) = (random(&[1, n, hidden]), random(&[hidden]));
        pair(
            c,
            &format!("rms norm of {n}"),
            || rms_norm(&x, &weight, 1e-5),
            || candle_nn::ops::rms_norm(&x, &weight, 1e-5),
        );
        let qkv = random(&[1, n, 3 * hidden]);
        let angles = random(&[n, d / 2]);
        let (cos, sin) = (angles.cos(), angles.sin());
        let (cos, sin) = (cos.expect("floats"), sin.expect("floats"));
        pair(
            c,
            &format!("rotate {n}"),
            || rotate(&qkv.narrow(2, hidden, hidden)?, heads, &cos, &sin),
            || {
                let k = qkv.narrow(2, hidden, hidden)?;
                let k = k.reshape((1, n, heads, d))?.transpose(1, 2)?;
                candle_nn::rotary_emb::rope(&k.contiguous()?.to_dtype(DType::F32)?, &cos, &sin)
            },
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = vit, decoder
}
criterion_main!(benches);
