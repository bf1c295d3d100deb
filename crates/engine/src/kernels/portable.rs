//! The kernels in plain Rust: what every CPU can run and what the fast ones are compared with.

use super::TILE_ROWS;
use super::activations::Chunk;
use super::q4k::TileQ4k;
use super::q8_0::TileQ8;

/// One row of Q8_0 tiles times a chunk of x.
pub(super) fn q8_0(tiles: &[TileQ8], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    for (row, out) in out.iter_mut().enumerate().take(chunk.rows) {
        *out = [0.0; TILE_ROWS];
        for (block, tile) in tiles.iter().enumerate() {
            let at = block * chunk.rows + row;
            let x = &chunk.quants[at * 32..at * 32 + 32];
            let mut sums = [chunk.sums[at]; TILE_ROWS];
            for (group, x) in tile.quants.iter().zip(x.as_chunks::<4>().0) {
                for (sum, w) in sums.iter_mut().zip(group) {
                    for (w, x) in w.iter().zip(x) {
                        *sum += i32::from(*w) * i32::from(*x);
                    }
                }
            }
            for ((out, sum), d) in out.iter_mut().zip(sums).zip(tile.d) {
                *out += sum as f32 * d.to_f32() * chunk.scales[at];
            }
        }
    }
}

/// One row of Q4K tiles times a chunk of x.
pub(super) fn q4k(tiles: &[TileQ4k], chunk: Chunk<'_>, out: &mut [[f32; TILE_ROWS]]) {
    for (row, out) in out.iter_mut().enumerate().take(chunk.rows) {
        *out = [0.0; TILE_ROWS];
        for (block, tile) in tiles.iter().enumerate() {
            let at = block * chunk.rows + row;
            let x = &chunk.quants[at * 256..at * 256 + 256];
            let sums = &chunk.sums[at * 4..at * 4 + 4];
            let mut scaled = [0i32; TILE_ROWS];
            let mut minima = [0i32; TILE_ROWS];
            for pair in 0..4 {
                let (low, high) = parts(
                    &tile.quants[pair * 8..pair * 8 + 8],
                    &x[pair * 64..pair * 64 + 64],
                );
                let x_sums = [i32::from(sums[pair] as i16), sums[pair] >> 16];
                for lane in 0..TILE_ROWS {
                    let scales = tile.scales[pair][lane].map(i32::from);
                    let mins = tile.mins[pair][lane].map(i32::from);
                    scaled[lane] += scales[0] * low[lane] + scales[1] * high[lane];
                    minima[lane] += mins[0] * x_sums[0] + mins[1] * x_sums[1];
                }
            }
            for (lane, out) in out.iter_mut().enumerate() {
                let value = scaled[lane] as f32 * tile.d[lane].to_f32()
                    - minima[lane] as f32 * tile.dmin[lane].to_f32();
                *out += value * chunk.scales[at];
            }
        }
    }
}

/// The sums of products of 64 values, the first 32 and the last 32 apart.
fn parts(groups: &[[[u8; 4]; TILE_ROWS]], x: &[i8]) -> ([i32; TILE_ROWS], [i32; TILE_ROWS]) {
    let mut low = [0i32; TILE_ROWS];
    let mut high = [0i32; TILE_ROWS];
    let (x_low, x_high) = x.split_at(32);
    let x = x_low
        .as_chunks::<4>()
        .0
        .iter()
        .zip(x_high.as_chunks::<4>().0);
    for (group, (x_low, x_high)) in groups.iter().zip(x) {
        for lane in 0..TILE_ROWS {
            for byte in 0..4 {
                let w = group[lane][byte];
                low[lane] += i32::from(w & 15) * i32::from(x_low[byte]);
                high[lane] += i32::from(w >> 4) * i32::from(x_high[byte]);
            }
        }
    }
    (low, high)
}
