//! The dtypes tensors are stored in: their sizes, and the conversion from and to f32.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{CpuStorage, DType, Device, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

use m3d_engine::WeightFormat;

/// Values that one piece of parallel work takes: whole blocks of every dtype.
const PIECE: usize = 1 << 15;

/// The dtype a tensor is stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// Blocks of 32 eight-bit integers with a scale (ggml's Q8_0).
    Q8_0,
    /// Blocks of 256 four-bit integers with scales and minima (ggml's `Q4_K`).
    Q4K,
}

impl Stored {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4K];

    /// What a tensor is stored in that is held in `format`, or in `dtype` where that is plain. `None` for a plain type
    /// that no weights are stored in.
    pub const fn of(format: WeightFormat, dtype: DType) -> Option<Self> {
        match (format, dtype) {
            (WeightFormat::Q8_0, _) => Some(Self::Q8_0),
            (WeightFormat::Q4K, _) => Some(Self::Q4K),
            (WeightFormat::Bf16, _) | (WeightFormat::Plain, DType::BF16) => Some(Self::Bf16),
            (WeightFormat::F16, _) | (WeightFormat::Plain, DType::F16) => Some(Self::F16),
            (WeightFormat::Plain, DType::F32) => Some(Self::F32),
            (WeightFormat::Plain, _) => None,
        }
    }

    /// Whether these are the very blocks that `format` holds.
    pub const fn is_blocks_of(self, format: WeightFormat) -> bool {
        matches!(
            (self, format),
            (Self::Q8_0, WeightFormat::Q8_0) | (Self::Q4K, WeightFormat::Q4K)
        )
    }

    /// Values in a block, and the bytes it takes.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
        }
    }

    /// Bytes of so many values; `None` where they are no whole blocks or more than can be counted.
    pub const fn bytes(self, count: usize) -> Option<usize> {
        let (numbers, bytes) = self.block();
        if count.is_multiple_of(numbers) {
            (count / numbers).checked_mul(bytes)
        } else {
            None
        }
    }

    /// Its number in GGUF files.
    pub const fn ggml_number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
            Self::Bf16 => 30,
        }
    }

    /// Stored values as f32; bytes that are no whole block at the end are left out. Blocks must begin at an even
    /// address, as they do in every file that was checked.
    ///
    /// # Errors
    /// Where the blocks cannot be read.
    pub fn decode(self, bytes: &[u8]) -> candle_core::Result<Vec<f32>> {
        match self {
            Self::F32 => Ok(widened(bytes, f32::from_le_bytes)),
            Self::F16 => Ok(widened(bytes, |b| f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => Ok(widened(bytes, |b| bf16::from_le_bytes(b).to_f32())),
            Self::Q8_0 => self.unpacked(bytes, GgmlDType::Q8_0),
            Self::Q4K => self.unpacked(bytes, GgmlDType::Q4K),
        }
    }

    /// Values as they are stored: whole blocks of them.
    ///
    /// # Errors
    /// Where they are no whole blocks.
    pub fn encode(self, values: &[f32]) -> candle_core::Result<Vec<u8>> {
        match self {
            Self::F32 => Ok(narrowed(values, f32::to_le_bytes)),
            Self::F16 => Ok(narrowed(values, |v| f16::from_f32(v).to_le_bytes())),
            Self::Bf16 => Ok(narrowed(values, |v| bf16::from_f32(v).to_le_bytes())),
            Self::Q8_0 => packed(values, GgmlDType::Q8_0),
            Self::Q4K => packed(values, GgmlDType::Q4K),
        }
    }

    fn unpacked(self, bytes: &[u8], ggml: GgmlDType) -> candle_core::Result<Vec<f32>> {
        let (numbers, block) = self.block();
        let whole = bytes.len() - bytes.len() % block;
        let mut values = vec![0.0; whole / block * numbers];
        let pieces = bytes[..whole].par_chunks(PIECE / numbers * block);
        values
            .par_chunks_mut(PIECE)
            .zip(pieces)
            .try_for_each(|(to, from)| {
                match ggml.from_data(from.into()).dequantize(to.len())? {
                    CpuStorage::F32(found) => to.copy_from_slice(&found),
                    _ => candle_core::bail!("blocks did not become f32"),
                }
                Ok(())
            })?;
        Ok(values)
    }
}

/// Little-endian values of `N` bytes as f32.
fn widened<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32 + Sync) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<N>();
    numbers.par_iter().map(|bytes| number(*bytes)).collect()
}

fn narrowed<const N: usize>(values: &[f32], number: impl Fn(f32) -> [u8; N] + Sync) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * N];
    let (numbers, _) = bytes.as_chunks_mut::<N>();
    numbers
        .par_iter_mut()
        .zip(values)
        .for_each(|(to, from)| *to = number(*from));
    bytes
}

fn packed(values: &[f32], ggml: GgmlDType) -> candle_core::Result<Vec<u8>> {
    let pieces: Vec<Vec<u8>> = values
        .par_chunks(PIECE)
        .map(|piece| {
            let tensor = Tensor::from_slice(piece, piece.len(), &Device::Cpu)?;
            Ok(QTensor::quantize(&tensor, ggml)?.data()?.into_owned())
        })
        .collect::<candle_core::Result<_>>()?;
    Ok(pieces.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error over the root of the mean square.
    fn worst(stored: Stored, values: &[f32]) -> f32 {
        let bytes = stored.encode(values).unwrap();
        assert_eq!(Some(bytes.len()), stored.bytes(values.len()));
        let back = stored.decode(&bytes).unwrap();
        assert_eq!(back.len(), values.len());
        let rms = (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt();
        let errors = values.iter().zip(&back).map(|(a, b)| (a - b).abs());
        errors.fold(0.0, f32::max) / rms
    }

    #[test]
    fn values_come_back_as_exactly_as_their_dtype_allows() {
        // More than one piece, and a last one that is short.
        let values: Vec<f32> = (0..3 * PIECE + 512)
            .map(|i| ((i * 7919 % 10_007) as f32 / 5003.0 - 1.0) * 1.7)
            .collect();
        assert_eq!(worst(Stored::F32, &values), 0.0);
        // Half a step of the format at the largest value, sqrt(3) times the root of the mean square.
        assert!(worst(Stored::F16, &values) < 1.8 / 2048.0);
        assert!(worst(Stored::Bf16, &values) < 1.8 / 256.0);
        assert!(worst(Stored::Q8_0, &values) < 1.8 / 254.0);
        let four_bits = worst(Stored::Q4K, &values);
        assert!(four_bits > 0.05 && four_bits < 0.2, "{four_bits}");
    }

    #[test]
    fn only_whole_blocks_have_a_size() {
        assert_eq!(Stored::Q8_0.bytes(64), Some(68));
        assert_eq!(Stored::Q8_0.bytes(63), None);
        assert_eq!(Stored::Q4K.bytes(256), Some(144));
        assert_eq!(Stored::Q4K.bytes(128), None);
        assert_eq!(Stored::F32.bytes(usize::MAX), None);
    }
}
