//! `render`: one view as a picture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use glam::{DVec2, DVec3};

use super::{numbers, output, source, target};
use crate::app::{Look, first_window};
use crate::render::{
    Gpu, LabelStyle, LabelTexture, LayerStyle, Picture, RayCastConfig, RenderError, SliceConfig,
    SliceRenderer, ViewSlot, VolumeRenderer, VolumeTexture, annotate, cpu, read_back,
};
use m3d_imaging::geometry::{Camera, Orientation, VoxelBox};
use m3d_imaging::io;
use m3d_imaging::volume::{LabelMap, Volume, VolumePreset, Window};

/// Arguments of `render`.
#[derive(Args, Debug)]
pub struct RenderArguments {
    /// A file or folder with images.
    path: PathBuf,
    /// The PNG file to write.
    out: PathBuf,
    /// Which view.
    #[arg(long, value_enum)]
    view: View,
    /// The series, where there are several; the largest otherwise.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// The patient point (mm, LPS) the slice goes through; the middle otherwise.
    #[arg(long, value_name = "X,Y,Z", value_parser = numbers::point, allow_hyphen_values = true)]
    at: Option<DVec3>,
    /// Centre and width of the window, in the image's units.
    #[arg(long, value_name = "C,W", value_parser = numbers::window, allow_hyphen_values = true)]
    window: Option<Window>,
    /// The picture's size in pixels.
    #[arg(long, value_name = "WxH", value_parser = numbers::size, default_value = "800x800")]
    size: [u32; 2],
    /// A mask (NIfTI, on the image's grid) to draw over the image.
    #[arg(long, value_name = "MASK")]
    mask: Option<PathBuf>,
    /// A box to draw: two opposite corners in patient mm (LPS).
    #[arg(long = "box", value_name = "X0,Y0,Z0,X1,Y1,Z1", value_parser = numbers::corners, allow_hyphen_values = true)]
    corners: Option<[DVec3; 2]>,
}

/// The views that can be drawn.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum View {
    /// Across the body.
    Axial,
    /// Along the body, from the front.
    Coronal,
    /// Along the body, from the side.
    Sagittal,
    /// In 3-D.
    Volume,
}

/// The colours of the mask and the box.
const MASK_COLOUR: [f32; 3] = [1.0, 0.47, 0.35];
const BOX_COLOUR: [u8; 3] = [255, 196, 61];

pub(super) fn run(arguments: &RenderArguments) -> anyhow::Result<()> {
    let out = &arguments.out;
    target::check_png(out)?;
    if let Some(mask) = &arguments.mask {
        target::refuse_same(out, mask)?;
    }
    let (series, volume) = source::read(&arguments.path, arguments.series.as_deref(), Some(out))?;
    let grid = *volume.grid();
    let labels = match &arguments.mask {
        Some(path) => {
            let mask = io::read_mask(path, &grid)?;
            Some(LabelMap::from_masks(grid, [&mask]))
        }
        None => None,
    };
    let statistics = volume.statistics();
    let window = arguments
        .window
        .unwrap_or_else(|| first_window(&series, volume.modality(), &statistics));
    let styles = vec![LabelStyle {
        colour: MASK_COLOUR,
        opacity: 0.4,
    }];
    let orientation = match arguments.view {
        View::Axial => Some(Orientation::Axial),
        View::Coronal => Some(Orientation::Coronal),
        View::Sagittal => Some(Orientation::Sagittal),
        View::Volume => None,
    };
    let size = DVec2::new(f64::from(arguments.size[0]), f64::from(arguments.size[1]));
    let at = arguments.at.unwrap_or(grid.middle_voxel_mm());
    let region = arguments
        .corners
        .map(|corners| VoxelBox::from_patient_corners(&grid, corners));
    let picture = if let Some(orientation) = orientation {
        let config = SliceConfig {
            view: Look::default().slice_view(&grid, orientation, at, size),
            layers: vec![LayerStyle {
                invert: series.inverted,
                ..LayerStyle::grey(window)
            }],
            labels: styles,
        };
        let mut picture = draw_slice(&volume, labels.as_ref(), &config)?;
        if let Some(region) = region {
            let edges = region
                .edges_mm(&grid)
                .map(|edge| edge.map(|p| config.view.pixel_from_patient(p)));
            annotate::draw_box(&mut picture, &edges, BOX_COLOUR);
        }
        let lines = [
            format!("{} {}", series.modality_code, series.description),
            format!("W {} C {}", window.width, window.centre),
        ];
        annotate::slice_annotations(&mut picture, &config.view, &lines);
        picture
    } else {
        let preset = VolumePreset::for_modality(volume.modality().shown_as(&statistics));
        let config = RayCastConfig {
            camera: Camera::facing(grid.centre_mm(), grid.radius_mm()),
            size_px: arguments.size,
            transfer: preset.transfer_function(window.range(), &statistics),
            labels: styles,
            step_voxels: 0.5,
            shading: true,
            background: [0.0; 3],
        };
        let mut picture = draw_volume(&volume, labels.as_ref(), &config)?;
        if let Some(region) = region {
            let seen = |p| config.camera.pixel_from_patient(p, size);
            let edges: Vec<[DVec2; 2]> = region
                .edges_mm(&grid)
                .into_iter()
                .filter_map(|[a, b]| Some([seen(a)?, seen(b)?]))
                .collect();
            annotate::draw_box(&mut picture, &edges, BOX_COLOUR);
        }
        annotate::research_notice(&mut picture);
        picture
    };
    picture.save_png(out)?;
    Ok(())
}

fn draw_slice(
    volume: &Volume,
    labels: Option<&LabelMap>,
    config: &SliceConfig,
) -> Result<Picture, RenderError> {
    let Some(gpu) = adapter() else {
        return Ok(cpu::slice(&[volume], labels, config));
    };
    let texture = VolumeTexture::upload(&gpu, volume)?;
    if texture.reduction().is_some() {
        return Ok(cpu::slice(&[volume], labels, config));
    }
    let labels = labels.map(|l| LabelTexture::upload(&gpu, l)).transpose()?;
    let mut slot = ViewSlot::new(&gpu);
    SliceRenderer::new(&gpu).draw(&gpu, &mut slot, &[&texture], labels.as_ref(), config);
    read_back(&gpu, &slot)
}

fn draw_volume(
    volume: &Volume,
    labels: Option<&LabelMap>,
    config: &RayCastConfig,
) -> Result<Picture, RenderError> {
    let Some(gpu) = adapter() else {
        return Ok(cpu::ray_cast(volume, labels, config));
    };
    let texture = VolumeTexture::upload(&gpu, volume)?;
    let labels = labels.map(|l| LabelTexture::upload(&gpu, l)).transpose()?;
    let mut slot = ViewSlot::new(&gpu);
    let renderer = VolumeRenderer::new(&gpu);
    renderer.draw(&gpu, &mut slot, &texture, labels.as_ref(), config, None);
    read_back(&gpu, &slot)
}

/// The graphics adapter; where there is none the twins on the CPU draw.
fn adapter() -> Option<Gpu> {
    Gpu::headless()
        .inspect_err(|why| output::note(&format!("drawing on the CPU: {why}")))
        .ok()
}
