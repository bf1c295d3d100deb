//! A matrix in half precision, multiplied in f32.

use std::fmt;

use bytemuck::Pod;
use gemm::Parallelism;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

#[cfg(target_arch = "x86_64")]
use super::amx::{Amx, Hand, Packed, Vectors, multiply};
#[cfg(target_arch = "x86_64")]
use super::bf16_product;
use super::error::check_len;
use super::level::Level;
use super::memory::Pages;
use super::spread::{Shared, spread};
use super::{KernelError, dot};

/// Up to this many rows of x the weights are converted in registers, once per four rows of x; beyond it, in blocks that
/// a general matrix product uses for all rows.
const MAX_DIRECT: usize = 64;
/// Up to this many rows, where the CPU multiplies bf16 values: it soon outruns the conversion.
#[cfg(any(test, target_arch = "x86_64"))]
const MAX_DIRECT_BF16: usize = 32;
/// Rows of W that a thread converts at once, at most.
const SLAB_ROWS: usize = 256;
/// Columns of W that a thread converts at once: with the rows, half of a second cache.
const PANEL_COLS: usize = 512;

/// W `[rows, cols]` in bf16 or f16; sums are f32.
pub struct HalfMatrix {
    rows: usize,
    cols: usize,
    weights: Weights,
}

enum Weights {
    Bf16(Pages),
    F16(Pages),
}

impl fmt::Debug for HalfMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.weights {
            Weights::Bf16(_) => "bf16",
            Weights::F16(_) => "f16",
        };
        write!(f, "HalfMatrix[{}, {}; {name}]", self.rows, self.cols)
    }
}

impl HalfMatrix {
    /// Takes weights `[rows, cols]` in bf16 into memory of its own.
    pub fn from_bf16(weights: Vec<bf16>, rows: usize, cols: usize) -> Result<Self, KernelError> {
        Ok(Self {
            rows,
            cols,
            weights: Weights::Bf16(pages(weights, rows, cols)?),
        })
    }

    /// Takes weights `[rows, cols]` in f16 into memory of its own.
    pub fn from_f16(weights: Vec<f16>, rows: usize, cols: usize) -> Result<Self, KernelError> {
        Ok(Self {
            rows,
            cols,
            weights: Weights::F16(pages(weights, rows, cols)?),
        })
    }

    /// Rows of W: the length of y.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of W: the length of x.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.rows * self.cols * 2
    }

    /// Writes the values of one row to `out` `[cols]`: an embedding look-up.
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
        self.convert(row, 0..self.cols, out);
        Ok(())
    }

    /// y = x Wᵀ: x `[m, cols]`, `out` `[m, rows]`. With bf16 weights, x of many rows is rounded to bf16 where the
    /// CPU multiplies such values; x is not rounded otherwise.
    ///
    /// # Errors
    /// When a slice has another length; `out` is left as it was.
    pub fn matmul(&self, x: &[f32], m: usize, out: &mut [f32]) -> Result<(), KernelError> {
        self.matmul_at(Level::best(), x, m, out)
    }

    /// [`HalfMatrix::matmul`] with a given instruction set.
    pub(super) fn matmul_at(
        &self,
        level: Level,
        x: &[f32],
        m: usize,
        out: &mut [f32],
    ) -> Result<(), KernelError> {
        check_len("x", x.len(), m.checked_mul(self.cols))?;
        check_len("y", out.len(), m.checked_mul(self.rows))?;
        let shared = Shared::new(out);
        match &self.weights {
            #[cfg(target_arch = "x86_64")]
            Weights::Bf16(w) if m > MAX_DIRECT_BF16 && level.multiplies_bf16() => {
                let w = bytemuck::cast_slice(w.bytes());
                if let Some(amx) = Amx::get() {
                    self.by_tiles(amx, w, x, m, shared);
                    return Ok(());
                }
                // SAFETY: the level says that the CPU can, and the lengths were checked above.
                unsafe { bf16_product::product(w, (self.rows, self.cols), x, shared) };
            }
            _ if m > MAX_DIRECT => self.by_slabs(x, m, shared),
            Weights::Bf16(w) => self.direct(x, m, shared, |w_rows, x_rows, sums| {
                level.dot_bf16(w_rows.map(|row| self.row(w, row)), x_rows, sums);
            }),
            Weights::F16(w) => self.direct(x, m, shared, |w_rows, x_rows, sums| {
                level.dot_f16(w_rows.map(|row| self.row(w, row)), x_rows, sums);
            }),
        }
        Ok(())
    }

    fn row<'a, T: Pod>(&self, weights: &'a Pages, row: usize) -> &'a [T] {
        &bytemuck::cast_slice(weights.bytes())[row * self.cols..(row + 1) * self.cols]
    }

    fn convert(&self, row: usize, cols: std::ops::Range<usize>, out: &mut [f32]) {
        match &self.weights {
            Weights::Bf16(w) => self.row::<bf16>(w, row)[cols].convert_to_f32_slice(out),
            Weights::F16(w) => self.row::<f16>(w, row)[cols].convert_to_f32_slice(out),
        }
    }

    /// Dot products of four rows of W with up to four rows of x at a time.
    fn direct(
        &self,
        x: &[f32],
        m: usize,
        out: Shared<'_>,
        dot: impl Fn([usize; dot::W_ROWS], &[f32], &mut dot::Sums) + Sync,
    ) {
        let cost = m.saturating_mul(self.rows).saturating_mul(self.cols);
        let blocks = self.rows.div_ceil(dot::W_ROWS);
        let x_chunks = x.chunks(dot::X_ROWS * self.cols);
        spread(1, x.len() * 4, blocks, cost, |_, blocks| {
            let mut sums = dot::Sums::default();
            for block in blocks {
                let first = block * dot::W_ROWS;
                let count = dot::W_ROWS.min(self.rows - first);
                // The last block repeats a row rather than end early; the repeats are not written.
                let w_rows = std::array::from_fn(|i| first + i.min(count - 1));
                for (chunk, x) in x_chunks.clone().enumerate() {
                    dot(w_rows, x, &mut sums);
                    for (row, sums) in sums[..x.len() / self.cols].iter().enumerate() {
                        let at = (chunk * dot::X_ROWS + row) * self.rows + first;
                        // SAFETY: every block of rows is worked on once, and owns these places.
                        unsafe { out.write(at, &sums[..count]) };
                    }
                }
            }
        });
    }

    /// Lays out blocks of W for the registers that multiply bf16 values tile by tile.
    #[cfg(target_arch = "x86_64")]
    fn by_tiles(&self, amx: Amx, weights: &[bf16], x: &[f32], m: usize, out: Shared<'_>) {
        let x = Packed::new(amx, Vectors::rows(x, m, self.cols), Hand::Left);
        let pieces = rayon::current_num_threads() * 3;
        let slab = self.rows.div_ceil(pieces).next_multiple_of(32);
        let slab = slab.min(SLAB_ROWS);
        let cost = m.saturating_mul(self.rows).saturating_mul(self.cols);
        let slabs = self.rows.div_ceil(slab);
        spread(1, m * self.cols * 2, slabs, cost, |_, slabs| {
            let mut y = vec![0.0f32; m * slab];
            for index in slabs {
                let first = index * slab;
                let count = slab.min(self.rows - first);
                let w = &weights[first * self.cols..(first + count) * self.cols];
                multiply(&x, &Packed::of_rows(amx, w, count), &mut y, count, false);
                for (row, y) in y.chunks_exact(count).take(m).enumerate() {
                    // SAFETY: every slab of rows is worked on once, and owns these places.
                    unsafe { out.write(row * self.rows + first, y) };
                }
            }
        });
    }

    /// Converts blocks of W to f32 for a general matrix product.
    fn by_slabs(&self, x: &[f32], m: usize, out: Shared<'_>) {
        let pieces = rayon::current_num_threads() * 3;
        let slab = self.rows.div_ceil(pieces).next_multiple_of(16);
        let slab = slab.min(SLAB_ROWS);
        let cost = m.saturating_mul(self.rows).saturating_mul(self.cols);
        spread(
            1,
            x.len() * 4,
            self.rows.div_ceil(slab),
            cost,
            |_, slabs| {
                let panel = PANEL_COLS.min(self.cols);
                let mut w = vec![0.0f32; slab * panel];
                let mut y = vec![0.0f32; m * slab];
                for index in slabs {
                    let first = index * slab;
                    let count = slab.min(self.rows - first);
                    for from in (0..self.cols).step_by(panel) {
                        let cols = from..self.cols.min(from + panel);
                        let width = cols.len();
                        for (row, w) in w.chunks_exact_mut(width).take(count).enumerate() {
                            self.convert(first + row, cols.clone(), w);
                        }
                        product(&x[from..], self.cols, &w, width, m, count, &mut y, from > 0);
                    }
                    for (row, y) in y.chunks_exact(count).take(m).enumerate() {
                        // SAFETY: every slab of rows is worked on once, and owns these places.
                        unsafe { out.write(row * self.rows + first, y) };
                    }
                }
            },
        );
    }
}

/// `y` `[m, n]` = (`y` where `add`) + x `[m, k]` (rows `x_stride` apart) times wᵀ, w `[n, k]`, in one thread.
#[allow(clippy::too_many_arguments)]
fn product(
    x: &[f32],
    x_stride: usize,
    w: &[f32],
    k: usize,
    m: usize,
    n: usize,
    y: &mut [f32],
    add: bool,
) {
    assert!(x.len() >= (m - 1) * x_stride + k && w.len() >= n * k && y.len() >= m * n);
    // SAFETY: the strides stay within the lengths checked above, and y is not x or w.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            add,
            x.as_ptr(),
            1,
            x_stride as isize,
            w.as_ptr(),
            k as isize,
            1,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// The weights in pages, where the shape is theirs.
fn pages<T: Pod>(weights: Vec<T>, rows: usize, cols: usize) -> Result<Pages, KernelError> {
    if rows == 0 || cols == 0 {
        return Err(KernelError::Extent { rows, cols });
    }
    check_len("the weights", weights.len(), rows.checked_mul(cols))?;
    let mut pages = Pages::zeroed(size_of_val(weights.as_slice()))?;
    pages
        .bytes_mut()
        .copy_from_slice(bytemuck::cast_slice(&weights));
    // Each matrix is there twice only for a moment.
    drop(weights);
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    fn both(values: &[f32], rows: usize, cols: usize) -> [HalfMatrix; 2] {
        let bf16s = values.iter().map(|v| bf16::from_f32(*v)).collect();
        let f16s = values.iter().map(|v| f16::from_f32(*v)).collect();
        [
            HalfMatrix::from_bf16(bf16s, rows, cols).unwrap(),
            HalfMatrix::from_f16(f16s, rows, cols).unwrap(),
        ]
    }

    #[test]
    fn products_are_exact_but_for_sums_in_f32() {
        for (rows, cols, m) in [
            (1, 1, 1),
            (3, 7, 2),
            (9, 515, 5),
            (70, 1031, 1),
            (33, 64, 16),
            (50, 600, 41),
            (300, 77, 68),
            (64, 1100, 24),
        ] {
            for matrix in both(&noise(rows * cols, 3), rows, cols) {
                let x = noise(m * cols, 5);
                for level in Level::available() {
                    let mut y = vec![f32::MAX; m * rows];
                    matrix.matmul_at(level, &x, m, &mut y).unwrap();
                    let is_bf16 = matches!(matrix.weights, Weights::Bf16(_));
                    let rounds = is_bf16 && m > MAX_DIRECT_BF16 && level.multiplies_bf16();
                    let round = |v: &f32| {
                        if rounds {
                            bf16::from_f32(*v).to_f32()
                        } else {
                            *v
                        }
                    };
                    let x: Vec<f32> = x.iter().map(round).collect();
                    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(rows)) {
                        let mut w = vec![0.0; cols];
                        for (row, y) in y.iter().enumerate() {
                            matrix.dequantize_row(row, &mut w).unwrap();
                            let terms = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                            let size: f64 = terms.clone().map(f64::abs).sum();
                            let off = (f64::from(*y) - terms.sum::<f64>()).abs();
                            assert!(off <= 1e-6 * size, "{matrix:?} {level:?} {m}: {off}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_the_values_given() {
        let values = noise(6 * 37, 7);
        let [bf16s, f16s] = both(&values, 6, 37);
        let mut out = [0.0; 37];
        for (row, values) in values.chunks_exact(37).enumerate() {
            bf16s.dequantize_row(row, &mut out).unwrap();
            assert!(
                values
                    .iter()
                    .zip(out)
                    .all(|(v, o)| bf16::from_f32(*v).to_f32() == o)
            );
            f16s.dequantize_row(row, &mut out).unwrap();
            assert!(
                values
                    .iter()
                    .zip(out)
                    .all(|(v, o)| f16::from_f32(*v).to_f32() == o)
            );
        }
    }

    #[test]
    fn what_is_not_finite_stays_in_its_row() {
        for matrix in both(&noise(40 * 64, 9), 40, 64) {
            for m in [3, 30] {
                let mut x = vec![1.0; m * 64];
                x[64 + 5] = f32::NAN;
                let mut y = vec![0.0; m * 40];
                matrix.matmul(&x, m, &mut y).unwrap();
                assert!(y[40..80].iter().all(|y| y.is_nan()));
                assert!(y[..40].iter().chain(&y[80..]).all(|y| y.is_finite()));
            }
        }
    }

    #[test]
    fn wrong_shapes_are_refused() {
        assert!(HalfMatrix::from_f16(vec![f16::ONE; 5], 2, 3).is_err());
        assert!(HalfMatrix::from_bf16(Vec::new(), 0, 3).is_err());
        let matrix = HalfMatrix::from_f16(vec![f16::ONE; 6], 2, 3).unwrap();
        assert!(matrix.matmul(&[1.0; 4], 1, &mut [0.0; 2]).is_err());
        assert!(matrix.matmul(&[1.0; 3], 1, &mut [0.0; 3]).is_err());
        assert!(matrix.dequantize_row(2, &mut [0.0; 3]).is_err());
        matrix.matmul(&[], 0, &mut []).unwrap();
    }
}
