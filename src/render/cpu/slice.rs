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
use m3d_imaging::volume::{LabelMap, Volume, Voxels};

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
            let (dims, rescale) = (volume.grid().dims(), volume.rescale());
            if let Voxels::Rgb8(colours) = volume.voxels() {
                let sampler = Sampler::new(colours, dims, rescale);
                lay_over(row, y, volume.grid(), style, &config.view, |voxel| {
                    [0, 1, 2].map(|n| {
                        let level = |colour: [u8; 3]| f32::from(colour[n]);
                        shade(style, sampler.value(voxel, style.interpolate, level))
                    })
                });
                continue;
            }
            with_values!(volume.voxels(), values => {
                let sampler = Sampler::new(values, dims, rescale);
                lay_over(row, y, volume.grid(), style, &config.view, |voxel| {
                    let value = sampler.value(voxel, style.interpolate, Stored::f32);
                    coloured(table, shade(style, value))
                });
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

/// Where a value lies in the window, from 0 to 1.
fn shade(style: &LayerStyle, value: f64) -> f32 {
    let width = f64::from(style.window.width);
    let low = f64::from(style.window.centre) - width / 2.0;
    let shade = ((value - low) / width).clamp(0.0, 1.0) as f32;
    if style.invert { 1.0 - shade } else { shade }
}

/// One row of an image, of which `colour` gives the colours by voxel coordinates, over what is below it.
fn lay_over(
    row: &mut [Vec3],
    y: u32,
    grid: &VoxelGrid,
    style: &LayerStyle,
    view: &SliceView,
    colour: impl Fn(DVec3) -> [f32; 3],
) {
    let opacity = unit(style.opacity);
    for (below, x) in row.iter_mut().zip(0..) {
        let voxel = voxel_under(grid, view, middle(x, y));
        if grid.nearest(voxel).is_some() {
            *below = below.lerp(Vec3::from_array(colour(voxel)), opacity);
        }
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
        // Below 0 the outline alone is drawn.
        let [r, g, b, fill] = styles[label];
        let opacity = fill.abs();
        if opacity > 0.0 {
            let same = [DVec2::X, DVec2::NEG_X, DVec2::Y, DVec2::NEG_Y]
                .iter()
                .all(|&side| label_under(pixel + side) == label);
            let share = if same {
                fill.max(0.0)
            } else {
                opacity + (1.0 - opacity) * OUTLINE
            };
            *colour = colour.lerp(Vec3::new(r, g, b), share);
        }
    }
}
