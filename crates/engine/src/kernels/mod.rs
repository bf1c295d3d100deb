//! Matrix products on the CPU for weights held in few bits: y = x Wᵀ with W `[rows, cols]` packed or half precision,
//! x `[m, cols]` and y `[m, rows]` in f32.
//!
//! Decoding reads every weight once per token, so it is bound by memory: a weight is held exactly once, in tiles of 16
//! rows that the widest registers read in order. Prefill is bound by the multipliers: the values of x are rounded to 8
//! bits per block (`activations.rs`) and multiplied as integers, whose sums are exact, so that every instruction set
//! adds up the same integers and differs only in the rounding of a few f32 operations per block.
//!
//! ```text
//! x --activations--> 8-bit chunks of rows --\
//! ggml blocks --q8_0, q4k--> tiles ----------> portable | avx2 | avx512 --packed--> y
//! ```
//!
//! # Unsafe code
//! This folder alone may use `unsafe`: the intrinsics that load and store through pointers need it, and so do calls of
//! functions compiled for an instruction set that was found at run time. Every pointer comes from a slice whose length
//! is checked at the head of the same function, and a function of an instruction set is called only by
//! `level::Level`, whose values exist only where the CPU has it.
#![allow(unsafe_code)]
// The kernels go through several arrays of registers in step; an index says so better than nested zips.
#![allow(clippy::needless_range_loop)]

mod activations;
#[cfg(target_arch = "x86_64")]
pub mod amx;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_amx.rs"]
pub mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(target_arch = "x86_64")]
mod bf16_product;
mod block_format;
mod dot;
mod error;
mod half;
mod level;
mod memory;
mod packed;
mod portable;
mod q4k;
mod q8_0;
mod spread;
#[cfg(test)]
mod tests;
mod vectors;

pub use block_format::BlockFormat;
pub use error::KernelError;
pub use half::HalfMatrix;
pub use packed::PackedMatrix;

/// Rows of a tile: the 32-bit lanes of the widest register.
const TILE_ROWS: usize = 16;
