//! The backward passes of the fused operators against finite differences.

use candle_core::{Device, Result, Tensor, Var};
use m3d_engine::ops::Packing;
use m3d_engine::ops::fused::{
    BlockSizes, TwoWaySizes, UpscalingSizes, decoder_layer, two_way, upscale, vit_block,
};
use m3d_engine::ops::packed::attend_joint_plain;
use m3d_engine::ops::{
    AttentionMask, JointHeads, PackedAttention, attend, attend_joint, autocast, gated_silu, gelu,
    layer_norm, linear_with_gradient, rms_norm,
};
use m3d_model::resize::trilinear;
use m3d_model::rule;

/// Half the width of a difference: large enough for f32's seven digits, small enough for the functions to be straight.
const STEP: f32 = 1e-2;
/// The same for whole layers, whose many weights move at once.
const LAYER_STEP: f32 = 2e-3;

fn random(name: &str, shape: &[usize]) -> Var {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| 2.0 * rule::uniform(name, i as u64) - 1.0)
        .collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Compares the gradient of a random sum of the outputs along random directions, one for each variable.
fn check(name: &str, vars: &[&Var], f: impl Fn() -> Result<Tensor>) {
    check_by(STEP, name, vars, f);
}

/// The same with half the width of a difference given: layers bend, and their ReLUs have corners.
fn check_by(step: f32, name: &str, vars: &[&Var], f: impl Fn() -> Result<Tensor>) {
    let out = f().unwrap();
    let weights = random(&format!("{name}.weights"), out.dims());
    let loss = |out: Tensor| -> f64 {
        let product = (out * weights.as_detached_tensor()).unwrap();
        let numbers: Vec<f32> = product.flatten_all().unwrap().to_vec1().unwrap();
        numbers.into_iter().map(f64::from).sum()
    };
    let sum = (out * weights.as_detached_tensor())
        .unwrap()
        .sum_all()
        .unwrap();
    let store = sum.backward().unwrap();
    for (n, var) in vars.iter().enumerate() {
        let gradient = store
            .get(var)
            .unwrap_or_else(|| panic!("{name}: none for {n}"));
        for try_number in 0..3 {
            let direction = random(&format!("{name}.{n}.{try_number}"), var.dims());
            let direction = direction.as_detached_tensor();
            let old = var.as_detached_tensor().copy().unwrap();
            let at = |by: f32| {
                let moved = (&old + (&direction * f64::from(by)).unwrap()).unwrap();
                var.set(&moved).unwrap();
                loss(f().unwrap())
            };
            let found = (at(step) - at(-step)) / f64::from(2.0 * step);
            var.set(&old).unwrap();
            let told = (gradient * direction).unwrap().sum_all().unwrap();
            let told = f64::from(told.to_scalar::<f32>().unwrap());
            let scale = found.abs().max(1.0);
            assert!(
                (found - told).abs() < 5e-3 * scale,
                "{name}, {n}: {told}, not {found}"
            );
        }
    }
}

#[test]
fn rows() {
    let x = random("x", &[3, 5, 32]);
    let (weight, bias) = (random("weight", &[32]), random("bias", &[32]));
    check("layer norm", &[&x, &weight, &bias], || {
        layer_norm(&x, &weight, &bias, 1e-5)
    });
    check("rms norm", &[&x, &weight], || rms_norm(&x, &weight, 1e-5));
    check("gated silu", &[&x], || gated_silu(&x));
    let odd = random("odd", &[7, 11]);
    check("gelu", &[&odd], || gelu(&odd));
    let matrix = random("matrix", &[16, 32]);
    let bias = random("bias", &[16]);
    check("linear", &[&x, &matrix, &bias], || {
        Ok(linear_with_gradient(&x, &matrix, Some(&bias))?.unwrap())
    });
    check("linear without bias", &[&x, &matrix], || {
        Ok(linear_with_gradient(&x, &matrix, None)?.unwrap())
    });
    // A row so wide that its sums are made in stretches.
    let wide = random("wide", &[2, 8192 + 16]);
    let (weight, bias) = (random("w", &[8192 + 16]), random("b", &[8192 + 16]));
    check("wide layer norm", &[&wide, &weight, &bias], || {
        layer_norm(&wide, &weight, &bias, 1e-5)
    });
}

#[test]
fn resizing() {
    let x = random("x", &[2, 3, 4, 5]);
    check("trilinear", &[&x], || trilinear(&x, [3, 9, 7]));
}

#[test]
fn attention() {
    let q = random("q", &[2, 4, 7, 12]);
    let (k, v) = (random("k", &[2, 2, 53, 12]), random("v", &[2, 2, 53, 12]));
    check("attention", &[&q, &k, &v], || {
        attend(&q, &k, &v, 0.3, AttentionMask::None)
    });
    let qkv = random("qkv", &[2, 101, 3 * 2 * 24]);
    let cut = JointHeads {
        heads: 2,
        key_heads: 2,
        d: 24,
    };
    check("joint", &[&qkv], || attend_joint(&qkv, cut, 0.2, None));
}

#[test]
fn packed_attention_is_the_plain_operators() -> Result<()> {
    let (heads, key_heads, d, n) = (4, 2, 8, 83);
    let packings = [Packing::new(9, [20, 1, 50], n), Packing::new(9, [3, 60], n)];
    let (cos, sin) = (random("cos", &[80, d / 2]), random("sin", &[80, d / 2]));
    let (cos, sin) = (cos.as_detached_tensor(), sin.as_detached_tensor());
    let pattern = PackedAttention::new(&packings, &cos, &sin);
    let cut = JointHeads {
        heads,
        key_heads,
        d,
    };
    let qkv = random("qkv", &[2, n, (heads + 2 * key_heads) * d]);
    check("packed", &[&qkv], || {
        attend_joint(&qkv, cut, 0.4, Some(&pattern))
    });
    check("packed, plain", &[&qkv], || {
        attend_joint_plain(&qkv, cut, 0.4, Some(&pattern))
    });
    let fused = attend_joint(&qkv, cut, 0.4, Some(&pattern))?;
    let plain = attend_joint_plain(&qkv, cut, 0.4, Some(&pattern))?;
    // Padding sees nothing in one and itself in the other; nobody reads it.
    for (batch, len) in [(0, 80), (1, 72)] {
        let part = |t: &Tensor| t.get(batch)?.narrow(0, 0, len);
        let difference = (part(&fused)? - part(&plain)?)?.abs()?.max_all()?;
        assert!(difference.to_scalar::<f32>()? < 1e-5);
    }
    Ok(())
}

/// Weights of whole layers, small enough for differences to be straight.
fn joined(name: &str, count: usize) -> Var {
    let weights = (random(name, &[count]).as_detached_tensor() * 0.3).unwrap();
    Var::from_tensor(&weights).unwrap()
}

fn vision(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let sizes = BlockSizes {
        width: 32,
        mlp: 48,
        cut: JointHeads {
            heads: 4,
            key_heads: 4,
            d: 8,
        },
        eps: 1e-5,
    };
    vit_block(x, weights, sizes)
}

const VISION: usize = 2 * 64 + 96 * 32 + 33 * 32 + 33 * 48 + 49 * 32;

#[test]
fn whole_layers() {
    let (x, weights) = (random("x", &[2, 21, 32]), joined("vision", VISION));
    check_by(LAYER_STEP, "vision block", &[&x, &weights], || {
        vision(&x, &weights)
    });

    let n = 30;
    let packings = [Packing::new(5, [9, 16], n), Packing::new(5, [20], n)];
    let (cos, sin) = (random("cos", &[40, 4]), random("sin", &[40, 4]));
    let (cos, sin) = (cos.as_detached_tensor(), sin.as_detached_tensor());
    let pattern = PackedAttention::new(&packings, &cos, &sin);
    let sizes = BlockSizes {
        width: 32,
        mlp: 48,
        cut: JointHeads {
            heads: 4,
            key_heads: 2,
            d: 8,
        },
        eps: 1e-5,
    };
    let x = random("x", &[2, n, 32]);
    let weights = joined("decoder", 2 * 32 + 64 * 32 + 32 * 32 + 96 * 32 + 32 * 48);
    check_by(LAYER_STEP, "decoder layer", &[&x, &weights], || {
        decoder_layer(&x, &pattern, &weights, sizes)
    });

    let (image, tokens) = (random("image", &[2, 48, 32]), random("tokens", &[2, 5, 32]));
    let place = random("place", &[48, 32]).as_detached_tensor();
    let sizes = TwoWaySizes {
        layers: 2,
        heads: 4,
        width: 32,
        mlp: 48,
        positions: 48,
        eps: 1e-5,
    };
    let (own, cross) = (4 * 33 * 32, 3 * 33 * 16 + 17 * 32);
    let layer = own + 2 * cross + 4 * 64 + 33 * 48 + 49 * 32;
    let weights = joined("two-way", 2 * layer + cross + 64);
    check_by(LAYER_STEP, "two-way", &[&image, &tokens, &weights], || {
        two_way(&image, &tokens, &place, &weights, sizes)
    });

    let sizes = UpscalingSizes {
        grid: [1, 2, 3],
        width: 32,
        eps: 1e-5,
    };
    let (image, filter) = (random("image", &[2, 6, 32]), random("filter", &[2, 1, 4]));
    let weights = joined("upscaling", 33 * 64 + 2 * 48 * 8 + 9 * 32);
    check_by(
        LAYER_STEP,
        "upscaling",
        &[&image, &filter, &weights],
        || upscale(&image, &filter, &weights, sizes),
    );
}

/// Rounding the factors of products to bf16 moves results and gradients by no more than such rounding can.
#[test]
fn autocast_rounds_no_more_than_bf16() -> Result<()> {
    let (x, weights) = (random("x", &[2, 21, 32]), joined("vision", VISION));
    let run = |on: bool| -> Result<Vec<Tensor>> {
        autocast(on, || {
            let out = vision(&x, &weights)?;
            let store = out.sqr()?.sum_all()?.backward()?;
            let gradient = |var: &Var| store.get(var).cloned().unwrap();
            Ok(vec![out.detach(), gradient(&x), gradient(&weights)])
        })
    };
    for (exact, rounded) in run(false)?.iter().zip(run(true)?) {
        let size = |t: &Tensor| t.sqr()?.sum_all()?.to_scalar::<f32>();
        let off = (size(&(exact - &rounded)?)? / size(exact)?).sqrt();
        assert!(off < 0.01, "{off}");
    }
    Ok(())
}
