//! All dot products of two sets of vectors: every linear layer in training, forwards and backwards.

use gemm::Parallelism;
use rayon::prelude::*;

use super::PARALLEL_FROM;
use crate::kernels::amx::{Amx, Hand, Packed, Vectors, multiply};

/// Left vectors that a thread multiplies at a time.
const SLAB: usize = 128;

/// `[left, right]` in f32; with `amx`, of vectors that are rounded to bf16.
pub(super) fn product(left: Vectors, right: Vectors, amx: Option<Amx>) -> Vec<f32> {
    let columns = right.count;
    let count = left.count * columns;
    let mut y = Vec::with_capacity(count);
    // SAFETY: room for as many was taken, and every number is written below before it is read.
    #[allow(unsafe_code, clippy::uninit_vec)]
    unsafe {
        y.set_len(count);
    }
    if y.is_empty() {
        return y;
    }
    let right_packed = amx.map(|amx| (amx, Packed::new(amx, right, Hand::Right)));
    let slab = |(index, y): (usize, &mut [f32])| {
        let first = index * SLAB;
        let left = Vectors {
            values: &left.values[first * left.stride..],
            count: SLAB.min(left.count - first),
            ..left
        };
        match &right_packed {
            Some((amx, right)) => {
                let left = Packed::new(*amx, left, Hand::Left);
                multiply(&left, right, y, columns, false);
            }
            None => in_f32(left, right, y),
        }
    };
    let length = SLAB * columns;
    if left.count > SLAB && y.len() * left.depth > PARALLEL_FROM * SLAB {
        y.par_chunks_mut(length).enumerate().for_each(slab);
    } else {
        y.chunks_mut(length).enumerate().for_each(slab);
    }
    y
}

#[allow(unsafe_code)]
fn in_f32(left: Vectors, right: Vectors, y: &mut [f32]) {
    assert!(left.fits() && right.fits() && left.depth == right.depth);
    assert!(y.len() >= left.count * right.count);
    // SAFETY: the vectors lie within their values and the result within y, as was checked, and y is neither.
    unsafe {
        gemm::gemm(
            left.count,
            right.count,
            left.depth,
            y.as_mut_ptr(),
            1,
            right.count as isize,
            false,
            left.values.as_ptr(),
            left.step as isize,
            left.stride as isize,
            right.values.as_ptr(),
            right.stride as isize,
            right.step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
