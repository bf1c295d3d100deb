//! Q4K weights in tiles of 16 rows by 256 columns.
//!
//! A ggml block (256 values of one row) is f16 d, f16 dmin, 12 bytes of eight 6-bit scales and minima, and 128 bytes of
//! nibbles: byte `32 p + j` holds value `64 p + j` below and value `64 p + 32 + j` above. A value is
//! d · scale · q - dmin · min. A tile holds the same values of 16 blocks, four bytes of each row side by side.

use bytemuck::{Pod, Zeroable};
use half::f16;

use super::TILE_ROWS;

/// Sixteen blocks. 2368 bytes: 37 cache lines.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct TileQ4k {
    /// Scale of the scales, per row.
    pub(super) d: [f16; TILE_ROWS],
    /// Scale of the minima, per row.
    pub(super) dmin: [f16; TILE_ROWS],
    /// 6-bit scales: pair of 32-value parts, row, part in the pair.
    pub(super) scales: [[[u8; 2]; TILE_ROWS]; 4],
    /// 6-bit minima, in the same order.
    pub(super) mins: [[[u8; 2]; TILE_ROWS]; 4],
    /// Nibbles: group `8 p + g` holds bytes `32 p + 4 g ..` of each row's block.
    pub(super) quants: [[[u8; 4]; TILE_ROWS]; 32],
}

/// Bytes of a ggml block.
pub(super) const BLOCK_BYTES: usize = super::BlockFormat::Q4K.block_bytes();

impl TileQ4k {
    /// Takes over a block as one row of the tile.
    pub(super) fn set_row(&mut self, row: usize, block: &[u8; BLOCK_BYTES]) {
        self.d[row] = f16::from_le_bytes([block[0], block[1]]);
        self.dmin[row] = f16::from_le_bytes([block[2], block[3]]);
        let packed = &block[4..16];
        for part in 0..8 {
            let (scale, min) = if part < 4 {
                (packed[part] & 63, packed[part + 4] & 63)
            } else {
                (
                    (packed[part + 4] & 15) | ((packed[part - 4] >> 6) << 4),
                    (packed[part + 4] >> 4) | ((packed[part] >> 6) << 4),
                )
            };
            self.scales[part / 2][row][part % 2] = scale;
            self.mins[part / 2][row][part % 2] = min;
        }
        for (group, bytes) in self.quants.iter_mut().zip(block[16..].as_chunks::<4>().0) {
            group[row] = *bytes;
        }
    }

    /// Gives a row back as the block it was.
    pub(super) fn row(&self, row: usize) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..2].copy_from_slice(&self.d[row].to_le_bytes());
        block[2..4].copy_from_slice(&self.dmin[row].to_le_bytes());
        for part in 0..8 {
            let scale = self.scales[part / 2][row][part % 2];
            let min = self.mins[part / 2][row][part % 2];
            let packed = &mut block[4..16];
            if part < 4 {
                packed[part] = scale;
                packed[part + 4] = min;
            } else {
                packed[part + 4] = (scale & 15) | ((min & 15) << 4);
                packed[part - 4] |= (scale >> 4) << 6;
                packed[part] |= (min >> 4) << 6;
            }
        }
        for (group, bytes) in self.quants.iter().zip(block[16..].as_chunks_mut::<4>().0) {
            *bytes = group[row];
        }
        block
    }

    /// The values of a row.
    pub(super) fn dequantize(&self, row: usize, out: &mut [f32; 256]) {
        let (d, dmin) = (self.d[row].to_f32(), self.dmin[row].to_f32());
        for (part, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let pair = part / 2;
            let scale = d * f32::from(self.scales[pair][row][part % 2]);
            let min = dmin * f32::from(self.mins[pair][row][part % 2]);
            let groups = &self.quants[pair * 8..pair * 8 + 8];
            for (group, out) in groups.iter().zip(out.as_chunks_mut::<4>().0) {
                for (byte, out) in group[row].iter().zip(out) {
                    let quant = if part % 2 == 0 { byte & 15 } else { byte >> 4 };
                    *out = scale * f32::from(quant) - min;
                }
            }
        }
    }
}
