//! `render`: one view as a picture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use glam::{DVec2, DVec3};

use super::{numbers, output, source, target};
use crate::app::{Look, first_window};
use crate::render::marks::{CameraView, Colour};
use crate::render::overlay::{
    BoxMark, CornerLine, CornerTexts, SliceOverlay, VolumeOverlay, slice_lines, slice_marks,
    volume_marks, window_line,
};
use crate::render::{
    Gpu, LabelStyle, LabelTexture, LayerStyle, Picture, RayCastConfig, RenderError, SliceConfig,
    SliceRenderer, ViewSlot, VolumeRenderer, VolumeTexture, annotate, cpu, pixels_per_point,
    read_back,
};
use m3d_imaging::geometry::{Camera, Orientation, VoxelBox};
use m3d_imaging::io;
use m3d_imaging::volume::{LabelMap, Spacing, Statistics, Volume, VolumePreset, Window};

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
    /// The series, where there are several; the largest CT, MR or PET of the newest study otherwise.
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
const BOX_COLOUR: Colour = [255, 196, 61, 255];

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
    let boxes = arguments.corners.iter().map(|corners| BoxMark {
        grid,
        region: VoxelBox::from_patient_corners(&grid, *corners),
        colour: BOX_COLOUR,
        handles: false,
        words: Vec::new(),
        id: None,
    });
    let size = DVec2::new(f64::from(arguments.size[0]), f64::from(arguments.size[1]));
    let scene = Scene {
        volume,
        labels,
        window,
        invert: series.inverted,
        size,
        scale: pixels_per_point(size),
        boxes: boxes.collect(),
        title: CornerLine::new(title(&series)),
        spacing: series.stated.spacing,
        sides_known: series.stated.side_known,
    };
    let at = arguments.at.unwrap_or(grid.middle_voxel_mm());
    let picture = match arguments.view {
        View::Axial => scene.slice(Orientation::Axial, at),
        View::Coronal => scene.slice(Orientation::Coronal, at),
        View::Sagittal => scene.slice(Orientation::Sagittal, at),
        View::Volume => scene.rays(&statistics),
    }?;
    picture.save_png(out)?;
    Ok(())
}

/// Modality and description; many a description begins with the modality.
fn title(series: &io::Series) -> String {
    let (modality, description) = (&series.modality_code, &series.description);
    if description.starts_with(modality) {
        description.clone()
    } else {
        format!("{modality} {description}")
    }
}

/// What is drawn, whichever the view.
struct Scene {
    volume: Volume,
    labels: Option<LabelMap>,
    window: Window,
    invert: bool,
    /// In pixels.
    size: DVec2,
    /// Pixels per point.
    scale: f64,
    boxes: Vec<BoxMark>,
    title: CornerLine,
    spacing: Spacing,
    sides_known: bool,
}

impl Scene {
    fn label_styles() -> Vec<LabelStyle> {
        vec![LabelStyle {
            colour: MASK_COLOUR,
            opacity: 0.4,
            outline: false,
        }]
    }

    fn slice(&self, orientation: Orientation, at: DVec3) -> Result<Picture, RenderError> {
        let grid = self.volume.grid();
        let config = SliceConfig {
            view: Look::default().slice_view(grid, orientation, at, self.size),
            layers: vec![LayerStyle {
                invert: self.invert,
                ..LayerStyle::grey(self.window)
            }],
            labels: Self::label_styles(),
        };
        let mut picture = draw_slice(&self.volume, self.labels.as_ref(), &config)?;
        let marks = slice_marks(&SliceOverlay {
            view: config.view,
            pixels_per_point: self.scale,
            crosshair_mm: None,
            boxes: self.boxes.clone(),
            annotations: Vec::new(),
            texts: CornerTexts {
                top_left: vec![self.title.clone()],
                top_right: slice_lines(grid, &config.view, self.sides_known),
                bottom_left: vec![window_line(self.window, self.invert)],
            },
            spacing: self.spacing,
            sides_known: self.sides_known,
            notice: true,
        });
        annotate(&mut picture, &marks, &config.view, self.scale);
        Ok(picture)
    }

    fn rays(&self, statistics: &Statistics) -> Result<Picture, RenderError> {
        let grid = self.volume.grid();
        let preset = VolumePreset::for_modality(self.volume.modality().shown_as(statistics));
        let view = CameraView {
            camera: Camera::facing(grid.centre_mm(), grid.radius_mm()),
            size_px: self.size,
        };
        let config = RayCastConfig {
            camera: view.camera,
            size_px: self.size.as_uvec2().to_array(),
            transfer: preset.transfer_function(self.window.range(), statistics),
            labels: Self::label_styles(),
            step_voxels: 0.5,
            shading: true,
            background: [0.0; 3],
        };
        let mut picture = draw_volume(&self.volume, self.labels.as_ref(), &config)?;
        let marks = volume_marks(&VolumeOverlay {
            view,
            pixels_per_point: self.scale,
            boxes: self.boxes.clone(),
            texts: CornerTexts {
                top_left: vec![self.title.clone()],
                top_right: vec![CornerLine::new(format!("3-D  {}", preset.name()))],
                bottom_left: Vec::new(),
            },
            sides_known: self.sides_known,
            notice: true,
        });
        annotate(&mut picture, &marks, &view, self.scale);
        Ok(picture)
    }
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
