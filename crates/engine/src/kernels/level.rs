//! Which instruction set the kernels use, found at run time.

use std::sync::OnceLock;

use half::{bf16, f16};

use super::activations::{Chunk, Target};
use super::q4k::TileQ4k;
use super::q8_0::TileQ8;
use super::{BlockFormat, TILE_ROWS, activations, dot, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx_vnni, avx2, avx512};

/// An instruction set that this CPU has: values other than the portable one come from [`Level::available`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// Plain Rust.
    Portable,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same with the 8-bit dot products of AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// The code for AVX-VNNI in AVX-512's encoding.
    #[cfg(all(test, target_arch = "x86_64"))]
    Evex,
    /// AVX-512 with its 8-bit dot products.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The fastest level of this CPU.
    pub(super) fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(Self(Set::Portable)))
    }

    /// Every level of this CPU, the slowest first.
    pub(super) fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut levels = vec![Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            if avx2 {
                levels.push(Self(Set::Avx2));
            }
            if avx2 && is_x86_feature_detected!("avxvnni") {
                levels.push(Self(Set::AvxVnni));
            }
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                #[cfg(test)]
                levels.push(Self(Set::Evex));
                levels.push(Self(Set::Avx512));
            }
        }
        levels
    }

    /// Whether the CPU multiplies bf16 values.
    #[cfg(any(test, target_arch = "x86_64"))]
    pub(super) fn multiplies_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if self.0 == Set::Avx512 {
            return is_x86_feature_detected!("avx512bf16");
        }
        false
    }

    /// Rows of x that a kernel multiplies at once: as many as its registers hold sums for.
    pub(super) fn chunk_rows(self, format: BlockFormat) -> usize {
        match format {
            BlockFormat::Q8_0 if self.is_widest() => 12,
            BlockFormat::Q4K if self.is_widest() => 8,
            _ => 4,
        }
    }

    fn is_widest(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 == Set::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Rounds one row of x to 8 bits; see [`activations`].
    pub(super) fn quantize_row(self, x: &[f32], format: BlockFormat, target: &mut Target<'_>) {
        match self.0 {
            Set::Portable => activations::quantize_row(x, format, target),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this level exists only where the CPU has AVX2 and FMA.
            _ => unsafe { avx2::quantize_row(x, format, target) },
        }
    }

    /// Multiplies one row of Q8_0 tiles with a chunk of x; `out` gets one row per row of the chunk.
    pub(super) fn q8_0(self, tiles: &[TileQ8], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
        match self.0 {
            Set::Portable => portable::q8_0(tiles, chunk, out),
            // SAFETY: each level exists only where the CPU has its instruction set.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::q8_0(tiles, chunk, out) },
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => unsafe { avx_vnni::avx::q8_0(tiles, chunk, out) },
            #[cfg(all(test, target_arch = "x86_64"))]
            Set::Evex => unsafe { avx_vnni::evex::q8_0(tiles, chunk, out) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::q8_0(tiles, chunk, out) },
        }
    }

    /// Multiplies one row of Q4K tiles with a chunk of x; `out` gets one row per row of the chunk.
    pub(super) fn q4k(self, tiles: &[TileQ4k], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
        match self.0 {
            Set::Portable => portable::q4k(tiles, chunk, out),
            // SAFETY: each level exists only where the CPU has its instruction set.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::q4k(tiles, chunk, out) },
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => unsafe { avx_vnni::avx::q4k(tiles, chunk, out) },
            #[cfg(all(test, target_arch = "x86_64"))]
            Set::Evex => unsafe { avx_vnni::evex::q4k(tiles, chunk, out) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::q4k(tiles, chunk, out) },
        }
    }

    /// Dot products with rows in bf16; see [`dot`].
    pub(super) fn dot_bf16(self, w: [&[bf16]; dot::W_ROWS], x: &[f32], sums: &mut dot::Sums) {
        match self.0 {
            Set::Portable => dot::portable(w, x, sums),
            // SAFETY: each level exists only where the CPU has its instruction set.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { dot::x86::bf16_avx512(w, x, sums) },
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { dot::x86::bf16_avx2(w, x, sums) },
        }
    }

    /// Dot products with rows in f16; see [`dot`].
    pub(super) fn dot_f16(self, w: [&[f16]; dot::W_ROWS], x: &[f32], sums: &mut dot::Sums) {
        match self.0 {
            Set::Portable => dot::portable(w, x, sums),
            // SAFETY: each level exists only where the CPU has its instruction set.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { dot::x86::f16_avx512(w, x, sums) },
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { dot::x86::f16_avx2(w, x, sums) },
        }
    }
}
