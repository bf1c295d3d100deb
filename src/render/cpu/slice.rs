//! Slices.

use glam::{DVec2, DVec3, Vec3};

use super::super::colour_map::coloured;
use super::super::slice::OUTLINE;
use super::super::style::{StyleTable, slice_styles, unit};
use super::super::texels::{Stored, with_values};
use super::super::{LayerStyle, MOST_LAYERS, Picture, SliceConfig};
use super::picture;
use super::sampler::Sampler;
use m3d_imaging::geometry::{SliceView, VoxelGrid};
use m3d_imaging::volume::{LabelMap, Volume};

/// The slice as [`super::super::SliceRenderer`] draws it, from every voxel whatever an adapter allows.
pub fn slice(layers: &[&Volume], labels: Option<&LabelMap>, config: &SliceConfig) -> Picture {
    let layers: Vec<_> = layers
        .iter()
        .zip(&config.layers)
        .take(MOST_LAYERS)
        .map(|(volume, style)| (*volume, style, style.colours.table()))
        .collect();
    let labels = labels.filter(|_| config.shows_labels());
    let styles = slice_styles(&config.labels);
    picture(config.size_px(), |y, row| {
        for (volume, style, table) in &layers {
            with_values!(volume.voxels(), values => {
                let sampler = Sampler::new(values, volume.grid().dims(), volume.rescale());
                lay_over(row, y, &sampler, volume.grid(), style, table, &config.view);
            });
        }
        if let Some(map) = labels {
            lay_labels_over(row, y, map, &styles, &config.view);
        }
    })
}

/// The middle of a pixel, from the picture's top left corner.
fn middle(x: u32, y: u32) -> DVec2 {
    DVec2::new(f64::from(x), f64::from(y)) + 0.5
}

fn voxel_under(grid: &VoxelGrid, view: &SliceView, pixel: DVec2) -> DVec3 {
    grid.voxel_from_patient()
        .transform_point3(view.patient_from_pixel(pixel))
}

/// One row of an image over what is below it.
fn lay_over<T: Stored>(
    row: &mut [Vec3],
    y: u32,
    sampler: &Sampler<'_, T>,
    grid: &VoxelGrid,
    style: &LayerStyle,
    table: &[[f32; 3]],
    view: &SliceView,
) {
    let width = f64::from(style.window.width);
    let low = f64::from(style.window.centre) - width / 2.0;
    let opacity = unit(style.opacity);
    for (colour, x) in row.iter_mut().zip(0..) {
        let voxel = voxel_under(grid, view, middle(x, y));
        if grid.nearest(voxel).is_none() {
            continue;
        }
        let value = if style.interpolate {
            sampler.linear(voxel)
        } else {
            f64::from(sampler.nearest(voxel))
        };
        let mut brightness = ((value - low) / width).clamp(0.0, 1.0) as f32;
        if style.invert {
            brightness = 1.0 - brightness;
        }
        *colour = colour.lerp(Vec3::from_array(coloured(table, brightness)), opacity);
    }
}

/// One row of the labels over the images.
fn lay_labels_over(
    row: &mut [Vec3],
    y: u32,
    map: &LabelMap,
    styles: &StyleTable,
    view: &SliceView,
) {
    let grid = map.grid();
    let label_under = |pixel: DVec2| -> usize {
        let voxel = grid.nearest(voxel_under(grid, view, pixel));
        voxel.map_or(0, |v| usize::from(map.label(v)))
    };
    for (colour, x) in row.iter_mut().zip(0..) {
        let pixel = middle(x, y);
        let label = label_under(pixel);
        let [r, g, b, opacity] = styles[label];
        if opacity > 0.0 {
            let same = [DVec2::X, DVec2::NEG_X, DVec2::Y, DVec2::NEG_Y]
                .iter()
                .all(|&side| label_under(pixel + side) == label);
            let share = if same {
                opacity
            } else {
                opacity + (1.0 - opacity) * OUTLINE
            };
            *colour = colour.lerp(Vec3::new(r, g, b), share);
        }
    }
}
