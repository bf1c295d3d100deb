//! Q8_0 weights in tiles of 16 rows by 32 columns.
//!
//! A ggml block (32 values of one row) is an f16 scale and 32 signed bytes; a value is scale · q. A tile holds 16
//! blocks, four bytes of each row side by side, with the sign bit flipped: q + 128, for the dot products of VNNI take
//! unsigned times signed bytes.

use bytemuck::{Pod, Zeroable};
use half::f16;

use super::TILE_ROWS;

/// Sixteen blocks. 544 bytes.
#[repr(C, align(32))]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct TileQ8 {
    /// Scale per row.
    pub(super) d: [f16; TILE_ROWS],
    /// q + 128: group `g` holds values `4 g ..` of each row's block.
    pub(super) quants: [[[u8; 4]; TILE_ROWS]; 8],
}

/// Bytes of a ggml block.
pub(super) const BLOCK_BYTES: usize = super::BlockFormat::Q8_0.block_bytes();

impl TileQ8 {
    /// Takes over a block as one row of the tile.
    pub(super) fn set_row(&mut self, row: usize, block: &[u8; BLOCK_BYTES]) {
        self.d[row] = f16::from_le_bytes([block[0], block[1]]);
        for (group, bytes) in self.quants.iter_mut().zip(block[2..].as_chunks::<4>().0) {
            group[row] = bytes.map(|byte| byte ^ 0x80);
        }
    }

    /// Gives a row back as the block it was.
    pub(super) fn row(&self, row: usize) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..2].copy_from_slice(&self.d[row].to_le_bytes());
        for (group, bytes) in self.quants.iter().zip(block[2..].as_chunks_mut::<4>().0) {
            *bytes = group[row].map(|byte| byte ^ 0x80);
        }
        block
    }

    /// The values of a row.
    pub(super) fn dequantize(&self, row: usize, out: &mut [f32; 32]) {
        let d = self.d[row].to_f32();
        for (group, out) in self.quants.iter().zip(out.as_chunks_mut::<4>().0) {
            for (byte, out) in group[row].iter().zip(out) {
                *out = f32::from((byte ^ 0x80) as i8) * d;
            }
        }
    }
}
