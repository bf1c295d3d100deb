//! Slices.

use glam::DVec2;

use super::super::colour::byte;
use super::super::slice::OUTLINE;
use super::super::style::{on_grid, slice_styles};
use super::super::texels::{Stored, with_values};
use super::super::{Picture, SliceConfig};
use super::picture;
use super::sampler::Sampler;
use m3d_imaging::volume::{LabelMap, Volume};

/// The slice as [`super::super::SliceRenderer`] draws it, from every voxel whatever an adapter allows.
pub fn slice(volume: &Volume, labels: Option<&LabelMap>, config: &SliceConfig) -> Picture {
    let labels = on_grid(labels, volume.grid());
    with_values!(volume.voxels(), values => {
        let sampler = Sampler::new(values, volume.grid().dims(), volume.rescale());
        draw(volume, &sampler, labels, config)
    })
}

fn draw<T: Stored>(
    volume: &Volume,
    sampler: &Sampler<'_, T>,
    labels: Option<&LabelMap>,
    config: &SliceConfig,
) -> Picture {
    let grid = volume.grid();
    let styles = slice_styles(&config.labels);
    let width = f64::from(config.window.width);
    let low = f64::from(config.window.centre) - width / 2.0;
    let voxel_under = |pixel: DVec2| {
        let point_mm = config.view.patient_from_pixel(pixel);
        grid.voxel_from_patient().transform_point3(point_mm)
    };
    let label_under = |map: &LabelMap, pixel: DVec2| -> usize {
        let offset = grid
            .nearest(voxel_under(pixel))
            .and_then(|v| grid.offset(v));
        let label = offset.and_then(|o| map.labels().get(o));
        label.copied().map_or(0, usize::from)
    };
    picture(config.size_px(), |x, y| {
        let pixel = DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5);
        let voxel = voxel_under(pixel);
        if grid.nearest(voxel).is_none() {
            return [0; 3];
        }
        let value = if config.interpolate {
            sampler.linear(voxel)
        } else {
            f64::from(sampler.nearest(voxel))
        };
        let mut grey = ((value - low) / width).clamp(0.0, 1.0) as f32;
        if config.invert {
            grey = 1.0 - grey;
        }
        let mut colour = [grey; 3];
        if let Some(map) = labels {
            let label = label_under(map, pixel);
            let [r, g, b, opacity] = styles[label];
            if opacity > 0.0 {
                let same = [DVec2::X, DVec2::NEG_X, DVec2::Y, DVec2::NEG_Y]
                    .iter()
                    .all(|&side| label_under(map, pixel + side) == label);
                let share = if same {
                    opacity
                } else {
                    opacity + (1.0 - opacity) * OUTLINE
                };
                for (c, style) in colour.iter_mut().zip([r, g, b]) {
                    *c += (style - *c) * share;
                }
            }
        }
        colour.map(byte)
    })
}
