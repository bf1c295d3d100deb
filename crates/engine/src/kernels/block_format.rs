//! The block formats in which weights are held.

use std::fmt;

use candle_core::quantized::GgmlDType;

/// How the weights of a [`super::PackedMatrix`] are held: the values of ggml's formats, in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockFormat {
    /// Blocks of 32 values: one f16 scale and 8 bits per value; 1.0625 bytes per weight.
    Q8_0,
    /// Blocks of 256 values: f16 scale and minimum, eight 6-bit scales and minima, 4 bits per value; 0.578 bytes per
    /// weight.
    Q4K,
}

impl BlockFormat {
    /// Values per block; the columns of a matrix are a multiple of it.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Q8_0 => 32,
            Self::Q4K => 256,
        }
    }

    /// Bytes per block in a GGUF file.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q8_0 => 34,
            Self::Q4K => 144,
        }
    }

    /// The format's name in candle.
    pub const fn ggml_dtype(self) -> GgmlDType {
        match self {
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4K => GgmlDType::Q4K,
        }
    }
}

impl fmt::Display for BlockFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
        })
    }
}
