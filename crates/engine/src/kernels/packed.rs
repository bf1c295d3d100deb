//! A matrix held in few bits, each weight once.

use std::fmt;

use bytemuck::Pod;
use candle_core::quantized::{QStorage, QTensor};
use rayon::prelude::*;

use super::activations::Quantized;
use super::error::check_len;
use super::level::Level;
use super::memory::Pages;
use super::q4k::{self, TileQ4k};
use super::q8_0::{self, TileQ8};
use super::spread::{Shared, spread};
use super::{BlockFormat, KernelError, TILE_ROWS};

/// Rows of x in the largest chunk of any level.
const MAX_CHUNK_ROWS: usize = 12;

/// Rows of tiles whose sums are written together: y is written in runs of several cache lines.
const WRITE_TILES: usize = 4;

/// W `[rows, cols]` in a [`BlockFormat`], in tiles of 16 rows (the last one padded with zeros).
pub struct PackedMatrix {
    format: BlockFormat,
    rows: usize,
    cols: usize,
    tiles: Pages,
}

impl fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PackedMatrix[{}, {}; {}]",
            self.rows, self.cols, self.format
        )
    }
}

/// What the matrix needs of a tile.
trait Tile: Pod + Send + Sync {
    /// Bytes of a ggml block.
    const BLOCK_BYTES: usize;
    /// Values of a block.
    const BLOCK_LEN: usize;
    fn set(&mut self, row: usize, block: &[u8]);
    fn get(&self, row: usize, block: &mut [u8]);
    fn values(&self, row: usize, out: &mut [f32]);
    fn matmul(
        level: Level,
        tiles: &[Self],
        x: super::activations::Chunk<'_>,
        out: &mut [[f32; TILE_ROWS]],
    );
}

macro_rules! tile {
    ($tile:ty, $format:expr, $module:ident, $kernel:ident) => {
        impl Tile for $tile {
            const BLOCK_BYTES: usize = $module::BLOCK_BYTES;
            const BLOCK_LEN: usize = $format.block_len();

            fn set(&mut self, row: usize, block: &[u8]) {
                if let Some(block) = block.first_chunk() {
                    self.set_row(row, block);
                }
            }

            fn get(&self, row: usize, block: &mut [u8]) {
                block.copy_from_slice(&self.row(row));
            }

            fn values(&self, row: usize, out: &mut [f32]) {
                if let Some(out) = out.first_chunk_mut() {
                    self.dequantize(row, out);
                }
            }

            fn matmul(
                level: Level,
                tiles: &[Self],
                x: super::activations::Chunk<'_>,
                out: &mut [[f32; TILE_ROWS]],
            ) {
                level.$kernel(tiles, x, out);
            }
        }
    };
}

tile!(TileQ8, BlockFormat::Q8_0, q8_0, q8_0);
tile!(TileQ4k, BlockFormat::Q4K, q4k, q4k);

/// Evaluates an expression with `T` the tile of the format.
macro_rules! by_format {
    ($format:expr, $t:ident => $body:expr) => {
        match $format {
            BlockFormat::Q8_0 => {
                type $t = TileQ8;
                $body
            }
            BlockFormat::Q4K => {
                type $t = TileQ4k;
                $body
            }
        }
    };
}

impl PackedMatrix {
    /// Whether a format can hold a matrix of this shape: columns are a multiple of the format's block.
    pub fn fits(format: BlockFormat, rows: usize, cols: usize) -> bool {
        tile_bytes(format, rows, cols).is_some()
    }

    /// Quantizes `values` `[rows, cols]` with ggml's own rounding (candle's quantizer), so that the values are those of
    /// a GGUF file made from the same values.
    pub fn quantize(
        values: &[f32],
        rows: usize,
        cols: usize,
        format: BlockFormat,
    ) -> Result<Self, KernelError> {
        let mut this = Self::zeroed(rows, cols, format)?;
        check_len(
            "the matrix to quantize",
            values.len(),
            rows.checked_mul(cols),
        )?;
        by_format!(format, T => this.fill::<T, _>(values, cols, |slab, row_tiles| {
            let mut storage = format.ggml_dtype().cpu_zeros(slab.len());
            storage.from_float(slab);
            let slab = QTensor::new(QStorage::Cpu(storage), (slab.len() / cols, cols))?;
            set_rows(&slab.data()?, row_tiles);
            Ok(())
        }))?;
        Ok(this)
    }

    /// Takes over ggml blocks as a GGUF file stores them, row after row.
    pub fn from_blocks(
        blocks: &[u8],
        rows: usize,
        cols: usize,
        format: BlockFormat,
    ) -> Result<Self, KernelError> {
        let mut this = Self::zeroed(rows, cols, format)?;
        let row_bytes = cols / format.block_len() * format.block_bytes();
        check_len("the blocks", blocks.len(), rows.checked_mul(row_bytes))?;
        by_format!(format, T => this.fill::<T, _>(blocks, row_bytes, |slab, row_tiles| {
            set_rows(slab, row_tiles);
            Ok(())
        }))?;
        Ok(this)
    }

    /// The same values as ggml blocks, row after row: what [`PackedMatrix::from_blocks`] took, bit for bit.
    pub fn to_blocks(&self) -> Vec<u8> {
        let per_row = self.cols / self.format.block_len();
        let row_bytes = per_row * self.format.block_bytes();
        let mut blocks = vec![0; self.rows * row_bytes];
        by_format!(self.format, T => {
            let tiles = self.tiles::<T>();
            blocks.par_chunks_mut(row_bytes).enumerate().for_each(|(row, out)| {
                let row_tiles = &tiles[row / TILE_ROWS * per_row..][..per_row];
                for (tile, block) in row_tiles.iter().zip(out.chunks_exact_mut(T::BLOCK_BYTES)) {
                    tile.get(row % TILE_ROWS, block);
                }
            });
        });
        blocks
    }

    /// Rows of W: the length of y.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of W: the length of x.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How the weights are held.
    pub fn format(&self) -> BlockFormat {
        self.format
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.tiles.bytes().len()
    }

    /// Writes the values of one row to `out` `[cols]`, exactly as candle and ggml compute them: an embedding look-up.
    ///
    /// # Errors
    /// When there is no such row or `out` has another length; `out` is left as it was.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) -> Result<(), KernelError> {
        if row >= self.rows {
            return Err(KernelError::Row {
                row,
                rows: self.rows,
            });
        }
        check_len("the dequantized row", out.len(), Some(self.cols))?;
        by_format!(self.format, T => {
            let per_row = self.cols / T::BLOCK_LEN;
            let row_tiles = &self.tiles::<T>()[row / TILE_ROWS * per_row..][..per_row];
            for (tile, out) in row_tiles.iter().zip(out.chunks_exact_mut(T::BLOCK_LEN)) {
                tile.values(row % TILE_ROWS, out);
            }
        });
        Ok(())
    }

    /// y = x Wᵀ: x `[m, cols]`, `out` `[m, rows]`. A row of y depends on its row of x alone, never on `m`.
    ///
    /// x is rounded to 15 bits per block of 32 (Q8_0) or 8 bits per block of 256 (Q4K) values; where a block is not finite, y is NaN.
    ///
    /// # Errors
    /// When a slice has another length; `out` is left as it was.
    pub fn matmul(&self, x: &[f32], m: usize, out: &mut [f32]) -> Result<(), KernelError> {
        self.matmul_at(Level::best(), x, m, out)
    }

    /// [`PackedMatrix::matmul`] with a given instruction set.
    pub(super) fn matmul_at(
        &self,
        level: Level,
        x: &[f32],
        m: usize,
        out: &mut [f32],
    ) -> Result<(), KernelError> {
        check_len("x", x.len(), m.checked_mul(self.cols))?;
        check_len("y", out.len(), m.checked_mul(self.rows))?;
        if m > 0 {
            let x = Quantized::new(level, x, m, self.format);
            by_format!(self.format, T => self.multiply::<T>(level, &x, Shared::new(out)));
        }
        Ok(())
    }

    fn multiply<T: Tile>(&self, level: Level, x: &Quantized, out: Shared<'_>) {
        let per_row = self.cols / T::BLOCK_LEN;
        let tiles = self.tiles::<T>();
        let parts = x.parts();
        let chunk_bytes = level.chunk_rows(self.format) * self.cols;
        let m = x.start(x.chunks());
        let cost = (m * parts)
            .saturating_mul(self.rows)
            .saturating_mul(self.cols);
        let row_tiles = self.rows.div_ceil(TILE_ROWS);
        spread(x.chunks(), chunk_bytes, row_tiles, cost, |chunks, span| {
            let mut sums = [[0.0; TILE_ROWS]; MAX_CHUNK_ROWS];
            let mut wide = [[0.0; WRITE_TILES * TILE_ROWS]; MAX_CHUNK_ROWS];
            for from in span.clone().step_by(WRITE_TILES) {
                let to = span.end.min(from + WRITE_TILES);
                let first = from * TILE_ROWS;
                let width = self.rows.min(to * TILE_ROWS) - first;
                for index in chunks.clone() {
                    let chunk = x.chunk(index);
                    for tile in from..to {
                        let weights = &tiles[tile * per_row..][..per_row];
                        T::matmul(level, weights, chunk, &mut sums);
                        let at = (tile - from) * TILE_ROWS;
                        let rows = sums[..chunk.rows].chunks_exact(parts);
                        for (wide, sums) in wide.iter_mut().zip(rows) {
                            let wide = &mut wide[at..at + TILE_ROWS];
                            wide.copy_from_slice(&sums[0]);
                            for left in &sums[1..] {
                                for (sum, left) in wide.iter_mut().zip(left) {
                                    *sum += *left;
                                }
                            }
                        }
                    }
                    for (row, wide) in wide[..chunk.rows / parts].iter().enumerate() {
                        let at = (x.start(index) + row) * self.rows + first;
                        // SAFETY: every pair of tile and chunk is worked on once, and owns these places.
                        unsafe { out.write(at, &wide[..width]) };
                    }
                }
            }
        });
    }

    fn zeroed(rows: usize, cols: usize, format: BlockFormat) -> Result<Self, KernelError> {
        let bytes =
            tile_bytes(format, rows, cols).ok_or(KernelError::Shape { format, rows, cols })?;
        Ok(Self {
            format,
            rows,
            cols,
            tiles: Pages::zeroed(bytes)?,
        })
    }

    fn tiles<T: Tile>(&self) -> &[T] {
        bytemuck::cast_slice(self.tiles.bytes())
    }

    /// Hands `source`, `row_len` items per row, to `set` in slabs of 16 rows with the tiles they fill.
    fn fill<T: Tile, S: Sync>(
        &mut self,
        source: &[S],
        row_len: usize,
        set: impl Fn(&[S], &mut [T]) -> Result<(), KernelError> + Sync,
    ) -> Result<(), KernelError> {
        let per_row = self.cols / T::BLOCK_LEN;
        bytemuck::cast_slice_mut(self.tiles.bytes_mut())
            .par_chunks_mut(per_row)
            .zip(source.par_chunks(row_len * TILE_ROWS))
            .try_for_each(|(row_tiles, slab)| set(slab, row_tiles))
    }
}

/// Bytes of all tiles, where the shape fits the format and memory.
fn tile_bytes(format: BlockFormat, rows: usize, cols: usize) -> Option<usize> {
    if rows == 0 || cols == 0 || !cols.is_multiple_of(format.block_len()) {
        return None;
    }
    let tile = by_format!(format, T => size_of::<T>());
    // A tile in memory also bounds x and y of one row, and ggml's blocks, which are smaller than tiles.
    rows.div_ceil(TILE_ROWS)
        .checked_mul(cols / format.block_len())?
        .checked_mul(tile)
        .filter(|bytes| isize::try_from(*bytes).is_ok())
}

/// Writes up to 16 rows of blocks into their tiles.
fn set_rows<T: Tile>(blocks: &[u8], row_tiles: &mut [T]) {
    let row_bytes = row_tiles.len() * T::BLOCK_BYTES;
    for (row, blocks) in blocks.chunks_exact(row_bytes).enumerate() {
        for (tile, block) in row_tiles
            .iter_mut()
            .zip(blocks.chunks_exact(T::BLOCK_BYTES))
        {
            tile.set(row, block);
        }
    }
}
