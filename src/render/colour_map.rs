//! From brightness to colour.

use serde::{Deserialize, Serialize};

use super::Gpu;
use super::slot::write_2d;

/// Colours for the values of a window, as display colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColourMap {
    /// Black to white.
    #[default]
    Grey,
    /// White to black, as PET is read on its own.
    Pet,
    /// Black over red and orange to white: the Hot Iron palette of PS3.6 B.1.1, the usual one for PET over
    /// CT.
    HotIron,
    /// Black over red and yellow to white: `hot` of Matplotlib and MATLAB, which reaches yellow sooner.
    Hot,
    /// Blue over green and yellow to red: `jet` of Matplotlib and MATLAB.
    Rainbow,
}

/// Colours of a map; between them it is linear.
pub(super) const COLOUR_MAP_SIZE: usize = 256;

/// (brightness, level) pairs of a channel, brightness rising from 0 to 1; linear between them.
type Channel = &'static [(f32, f32)];

const RISING: Channel = &[(0.0, 0.0), (1.0, 1.0)];
const FALLING: Channel = &[(0.0, 1.0), (1.0, 0.0)];

impl ColourMap {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Grey,
        Self::Pet,
        Self::HotIron,
        Self::Hot,
        Self::Rainbow,
    ];

    /// The name a reader knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grey => "Grey",
            Self::Pet => "PET",
            Self::HotIron => "Hot iron",
            Self::Hot => "Hot",
            Self::Rainbow => "Rainbow",
        }
    }

    /// Red, green and blue.
    const fn channels(self) -> [Channel; 3] {
        match self {
            Self::Grey => [RISING; 3],
            Self::Pet => [FALLING; 3],
            Self::HotIron => [
                &[(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)],
                &[(0.0, 0.0), (0.5, 0.0), (1.0, 1.0)],
                &[(0.0, 0.0), (0.75, 0.0), (1.0, 1.0)],
            ],
            Self::Hot => [
                &[(0.0, 0.0416), (0.365_079, 1.0), (1.0, 1.0)],
                &[(0.0, 0.0), (0.365_079, 0.0), (0.746_032, 1.0), (1.0, 1.0)],
                &[(0.0, 0.0), (0.746_032, 0.0), (1.0, 1.0)],
            ],
            Self::Rainbow => [
                &[
                    (0.0, 0.0),
                    (0.35, 0.0),
                    (0.66, 1.0),
                    (0.89, 1.0),
                    (1.0, 0.5),
                ],
                &[
                    (0.0, 0.0),
                    (0.125, 0.0),
                    (0.375, 1.0),
                    (0.64, 1.0),
                    (0.91, 0.0),
                    (1.0, 0.0),
                ],
                &[
                    (0.0, 0.5),
                    (0.11, 1.0),
                    (0.34, 1.0),
                    (0.65, 0.0),
                    (1.0, 0.0),
                ],
            ],
        }
    }

    /// The row of the map in the texture of all.
    pub(super) const fn row(self) -> u32 {
        self as u32
    }

    /// The colours of evenly spaced brightnesses, both ends included; red, green and blue from 0 to 1.
    pub fn table(self) -> Vec<[f32; 3]> {
        let last = (COLOUR_MAP_SIZE - 1) as f32;
        let channels = self.channels();
        (0..COLOUR_MAP_SIZE)
            .map(|n| channels.map(|channel| level(channel, n as f32 / last)))
            .collect()
    }
}

/// The level of a channel at a brightness.
fn level(channel: Channel, at: f32) -> f32 {
    let after = channel.partition_point(|(x, _)| *x < at).max(1);
    match (channel.get(after - 1), channel.get(after)) {
        (Some(&(x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * ((at - x0) / (x1 - x0)),
        (Some(&(_, y)), None) => y,
        _ => 0.0,
    }
}

/// The colour of a brightness from 0 to 1 in a map's table.
pub(super) fn coloured(table: &[[f32; 3]], brightness: f32) -> [f32; 3] {
    let place = brightness.clamp(0.0, 1.0) * (table.len() - 1) as f32;
    let below = (place as usize).min(table.len() - 2);
    let part = place - below as f32;
    let (a, b) = (table[below], table[below + 1]);
    std::array::from_fn(|n| a[n] + (b[n] - a[n]) * part)
}

/// The texture of all maps, one a row.
pub(super) fn upload_all(gpu: &Gpu) -> wgpu::Texture {
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("colour maps"),
        size: wgpu::Extent3d {
            width: COLOUR_MAP_SIZE as u32,
            height: ColourMap::ALL.len() as u32,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba32Float,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let texels: Vec<[f32; 4]> = ColourMap::ALL
        .into_iter()
        .flat_map(ColourMap::table)
        .map(|[r, g, b]| [r, g, b, 1.0])
        .collect();
    write_2d(gpu, &texture, bytemuck::cast_slice(&texels), 16);
    texture
}

#[cfg(test)]
mod tests {
    use super::super::colour::byte;
    use super::*;

    fn bytes(map: ColourMap, n: usize) -> [u8; 3] {
        map.table()[n].map(byte)
    }

    #[test]
    fn maps_stand_in_the_rows_they_name() {
        for (row, map) in (0..).zip(ColourMap::ALL) {
            assert_eq!(map.row(), row);
        }
    }

    #[test]
    fn grey_is_the_brightness_itself() {
        let table = ColourMap::Grey.table();
        for n in 0..=2550 {
            let brightness = n as f32 / 2550.0;
            for level in coloured(&table, brightness) {
                assert!((level - brightness).abs() < 1e-6);
            }
        }
    }

    /// Entries of PS3.6 B.1.1, whose blue counts up by 4 and so ends at 252, where white is meant; entries
    /// of Matplotlib's `hot` and `jet`.
    #[test]
    fn maps_are_the_known_ones() {
        let close = |map: ColourMap, n: usize, wanted: [u8; 3]| {
            let found = bytes(map, n);
            let apart = found.iter().zip(&wanted).map(|(f, w)| f.abs_diff(*w));
            let most = if map == ColourMap::HotIron { 3 } else { 0 };
            assert!(
                apart.max() <= Some(most),
                "{map:?} {n}: {found:?} {wanted:?}"
            );
        };
        close(ColourMap::HotIron, 64, [128, 0, 0]);
        close(ColourMap::HotIron, 160, [255, 64, 0]);
        close(ColourMap::HotIron, 224, [255, 192, 128]);
        close(ColourMap::Hot, 0, [11, 0, 0]);
        close(ColourMap::Hot, 128, [255, 92, 0]);
        close(ColourMap::Hot, 200, [255, 255, 38]);
        close(ColourMap::Rainbow, 0, [0, 0, 128]);
        close(ColourMap::Rainbow, 64, [0, 129, 255]);
        close(ColourMap::Rainbow, 255, [128, 0, 0]);
        assert_eq!(bytes(ColourMap::Pet, 0), [255; 3]);
        assert_eq!(bytes(ColourMap::Pet, 255), [0; 3]);
    }
}
