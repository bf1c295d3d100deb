//! Stored voxels as texels.
//!
//! | voxels | texture | exact |
//! |---|---|---|
//! | u8, i8 (shifted by 128) | R8Unorm | yes |
//! | u16, i16 (shifted by 32768) | R16Unorm; R16Float over the values' range without that feature | yes; 12 bits of range |
//! | i32, f32 | R32Float; without filtering of it as 16 bit over the values' range | 24 bits; 16 bits |
//! | colours | Rgba8Unorm: luma, red, green, blue | yes |
//!
//! Signed values are shifted rather than stored as Snorm, in which the two lowest are the same. The first
//! channel is the value of every kind of voxel.

use half::f16;

use m3d_imaging::volume::{Voxels, luma};

/// A type voxels are stored as.
pub(super) trait Stored: Copy + Send + Sync + 'static {
    /// As floating point.
    fn f32(self) -> f32;
    /// The mean, as near as it can be stored; 0 of none.
    fn mean(values: impl Iterator<Item = Self> + Clone) -> Self;
}

fn mean(values: impl Iterator<Item = impl Stored>) -> f32 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| {
        (sum + f64::from(value.f32()), count + 1)
    });
    (sum / f64::from(count.max(1))) as f32
}

macro_rules! stored {
    ($($integer:ty),*) => {$(
        impl Stored for $integer {
            #[allow(clippy::cast_lossless, reason = "one body for five types")]
            fn f32(self) -> f32 {
                self as f32
            }
            fn mean(values: impl Iterator<Item = Self> + Clone) -> Self {
                mean(values).round() as Self
            }
        }
    )*};
}
stored!(u8, i8, u16, i16, i32);

impl Stored for f32 {
    /// What is not a number counts as 0, and infinities are held: one such voxel would blot out all
    /// that is interpolated with it.
    fn f32(self) -> f32 {
        if self.is_nan() {
            0.0
        } else {
            self.clamp(f32::MIN, f32::MAX)
        }
    }
    fn mean(values: impl Iterator<Item = Self> + Clone) -> Self {
        mean(values)
    }
}

impl Stored for [u8; 3] {
    fn f32(self) -> f32 {
        f32::from(luma(self))
    }
    fn mean(values: impl Iterator<Item = Self> + Clone) -> Self {
        [0, 1, 2].map(|channel| u8::mean(values.clone().map(|colour| colour[channel])))
    }
}

/// Runs the same expression for the values of whatever type the voxels have.
macro_rules! with_values {
    ($voxels:expr, $values:ident => $body:expr) => {
        match $voxels {
            m3d_imaging::volume::Voxels::U8($values) => $body,
            m3d_imaging::volume::Voxels::I8($values) => $body,
            m3d_imaging::volume::Voxels::U16($values) => $body,
            m3d_imaging::volume::Voxels::I16($values) => $body,
            m3d_imaging::volume::Voxels::I32($values) => $body,
            m3d_imaging::volume::Voxels::F32($values) => $body,
            m3d_imaging::volume::Voxels::Rgb8($values) => $body,
        }
    };
}
pub(super) use with_values;

/// How stored voxels become texels, and what a texel then means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Encoding {
    /// The texture's format.
    pub(super) format: wgpu::TextureFormat,
    /// Stored units per texel unit.
    pub(super) scale: f64,
    /// The stored value of a texel of 0.
    pub(super) offset: f64,
}

impl Encoding {
    /// The best encoding of `voxels`, whose stored values lie in `range`, with `features`.
    pub(super) fn of(voxels: &Voxels, range: [f32; 2], features: wgpu::Features) -> Self {
        let exact = |format, scale, offset| Self {
            format,
            scale,
            offset,
        };
        let norm16 = features.contains(wgpu::Features::TEXTURE_FORMAT_16BIT_NORM);
        match voxels {
            Voxels::U8(_) => exact(wgpu::TextureFormat::R8Unorm, 255.0, 0.0),
            Voxels::Rgb8(_) => exact(wgpu::TextureFormat::Rgba8Unorm, 255.0, 0.0),
            Voxels::I8(_) => exact(wgpu::TextureFormat::R8Unorm, 255.0, -128.0),
            Voxels::U16(_) if norm16 => exact(wgpu::TextureFormat::R16Unorm, 65535.0, 0.0),
            Voxels::I16(_) if norm16 => exact(wgpu::TextureFormat::R16Unorm, 65535.0, -32768.0),
            Voxels::I32(_) | Voxels::F32(_)
                if features.contains(wgpu::Features::FLOAT32_FILTERABLE) =>
            {
                exact(wgpu::TextureFormat::R32Float, 1.0, 0.0)
            }
            _ => Self::over_range(range, norm16),
        }
    }

    /// 16 bits spread over a range: evenly, or from -1 to 1 in half floats.
    fn over_range([low, high]: [f32; 2], norm16: bool) -> Self {
        let (low, high) = (f64::from(low), f64::from(high));
        let extent = (high - low).max(f64::from(f32::MIN_POSITIVE));
        if norm16 {
            Self {
                format: wgpu::TextureFormat::R16Unorm,
                scale: extent,
                offset: low,
            }
        } else {
            Self {
                format: wgpu::TextureFormat::R16Float,
                scale: extent / 2.0,
                offset: low + extent / 2.0,
            }
        }
    }

    /// Bytes per texel.
    pub(super) fn texel_bytes(self) -> usize {
        match self.format {
            wgpu::TextureFormat::R8Unorm => 1,
            wgpu::TextureFormat::R32Float | wgpu::TextureFormat::Rgba8Unorm => 4,
            _ => 2,
        }
    }

    /// Appends the texels of `voxels[range]` to `bytes`; nothing when the range is not all there.
    pub(super) fn encode(
        self,
        voxels: &Voxels,
        range: std::ops::Range<usize>,
        bytes: &mut Vec<u8>,
    ) {
        match (voxels, self.format) {
            (Voxels::U8(v), wgpu::TextureFormat::R8Unorm) => {
                bytes.extend_from_slice(v.get(range).unwrap_or_default());
            }
            (Voxels::I8(v), wgpu::TextureFormat::R8Unorm) => {
                let values = v.get(range).unwrap_or_default();
                bytes.extend(values.iter().map(|&s| s.cast_unsigned() ^ 0x80));
            }
            (Voxels::U16(v), wgpu::TextureFormat::R16Unorm) => {
                bytes.extend_from_slice(bytemuck::cast_slice(v.get(range).unwrap_or_default()));
            }
            (Voxels::I16(v), wgpu::TextureFormat::R16Unorm) => {
                for &s in v.get(range).unwrap_or_default() {
                    bytes.extend_from_slice(&(s.cast_unsigned() ^ 0x8000).to_ne_bytes());
                }
            }
            (Voxels::Rgb8(v), wgpu::TextureFormat::Rgba8Unorm) => {
                for &[red, green, blue] in v.get(range).unwrap_or_default() {
                    bytes.extend_from_slice(&[luma([red, green, blue]), red, green, blue]);
                }
            }
            _ => with_values!(voxels, values => {
                for value in values.get(range).unwrap_or_default() {
                    self.encode_one(value.f32(), bytes);
                }
            }),
        }
    }

    fn encode_one(self, stored: f32, bytes: &mut Vec<u8>) {
        let texel = (f64::from(stored) - self.offset) / self.scale;
        match self.format {
            wgpu::TextureFormat::R32Float => bytes.extend_from_slice(&stored.to_ne_bytes()),
            wgpu::TextureFormat::R16Float => {
                bytes.extend_from_slice(&f16::from_f64(texel).to_ne_bytes());
            }
            _ => {
                let level = (texel.clamp(0.0, 1.0) * 65535.0).round() as u16;
                bytes.extend_from_slice(&level.to_ne_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<f64> {
        bytes
            .chunks(encoding.texel_bytes())
            .map(|b| {
                let texel = match encoding.format {
                    wgpu::TextureFormat::R8Unorm | wgpu::TextureFormat::Rgba8Unorm => {
                        f64::from(b[0]) / 255.0
                    }
                    wgpu::TextureFormat::R16Unorm => {
                        f64::from(u16::from_ne_bytes([b[0], b[1]])) / 65535.0
                    }
                    wgpu::TextureFormat::R16Float => f16::from_ne_bytes([b[0], b[1]]).to_f64(),
                    _ => f64::from(f32::from_ne_bytes([b[0], b[1], b[2], b[3]])),
                };
                texel * encoding.scale + encoding.offset
            })
            .collect()
    }

    #[test]
    fn every_value_comes_back_whatever_the_adapter_has() {
        let twelve_bits: Vec<i16> = (-1024..=3071).collect();
        let cases = [
            (Voxels::U8(vec![0, 1, 254, 255]), 0.0),
            (Voxels::I8(vec![-128, -127, -1, 0, 127]), 0.0),
            (Voxels::U16(vec![0, 1, 32767, 65535]), 40.0),
            (Voxels::I16(vec![-32768, -32767, -1, 0, 32767]), 40.0),
            (Voxels::I16(twelve_bits), 0.5),
            (Voxels::I32(vec![-100_000, 7, 250_000]), 200.0),
            (Voxels::F32(vec![-1.5, 0.25, 2.0, 1.999]), 2e-3),
            (Voxels::Rgb8(vec![[0, 255, 7], [200, 3, 90]]), 0.0),
        ];
        let all = wgpu::Features::TEXTURE_FORMAT_16BIT_NORM | wgpu::Features::FLOAT32_FILTERABLE;
        for (voxels, tolerance_without) in cases {
            let mut stored = vec![0.0; voxels.len()];
            voxels.read(0..voxels.len(), &mut stored);
            let low = stored.iter().copied().fold(f32::INFINITY, f32::min);
            let high = stored.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (features, tolerance) in [
                (all, 1e-9),
                (wgpu::Features::empty(), tolerance_without + 1e-9),
            ] {
                let encoding = Encoding::of(&voxels, [low, high], features);
                let mut bytes = Vec::new();
                encoding.encode(&voxels, 0..voxels.len(), &mut bytes);
                let found = decode(encoding, &bytes);
                assert_eq!(found.len(), stored.len());
                for (f, s) in found.iter().zip(&stored) {
                    let off = (f - f64::from(*s)).abs();
                    assert!(off <= tolerance, "{}: {s} became {f}", voxels.type_name());
                }
            }
        }
    }
}
