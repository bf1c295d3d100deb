//! How a matrix of weights is held.

use candle_core::DType;

use super::kernels;

/// How the weights of a matrix are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeightFormat {
    /// In the type the model computes with.
    Plain,
    /// bfloat16, multiplied in f32.
    Bf16,
    /// IEEE half precision, multiplied in f32.
    F16,
    /// Blocks of 32 eight-bit integers with a scale (ggml's Q8_0).
    Q8_0,
    /// Blocks of 256 four-bit integers with scales and minima (ggml's `Q4_K`).
    Q4K,
}

impl WeightFormat {
    /// The format a matrix of so many columns can be held in: blocks run along a row and must fill it.
    #[must_use]
    pub fn fitting(self, columns: usize) -> Self {
        match self {
            Self::Q4K if !columns.is_multiple_of(256) => Self::Q8_0.fitting(columns),
            Self::Q8_0 if !columns.is_multiple_of(32) => Self::Plain,
            _ => self,
        }
    }

    /// Bytes that `count` weights take, `dtype` being the type the model computes with.
    pub fn bytes(self, count: u64, dtype: DType) -> u64 {
        let (block_bytes, block) = match self {
            Self::Plain => (dtype.size_in_bytes() as u64, 1),
            Self::Bf16 | Self::F16 => (2, 1),
            Self::Q8_0 => (34, 32),
            // One byte more than ggml's 144 for each of the four six-bit pairs that are kept unpacked.
            Self::Q4K => (148, 256),
        };
        count.saturating_mul(block_bytes).div_ceil(block)
    }

    /// The block format, where it is one.
    pub(crate) const fn packed(self) -> Option<kernels::BlockFormat> {
        match self {
            Self::Q8_0 => Some(kernels::BlockFormat::Q8_0),
            Self::Q4K => Some(kernels::BlockFormat::Q4K),
            _ => None,
        }
    }
}
