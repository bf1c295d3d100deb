//! The 3-D view: coarse while it moves, sharp at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use egui::{Color32, PointerButton, Response, Sense, Stroke, Ui, pos2, vec2};
use glam::{DVec2, DVec3};

use super::canvas::{Canvas, Painters};
use super::slice_frame::size_in_pixels;
use super::slice_overlay::rimmed_text;
use super::slice_view::ViewContext;
use super::theme;
use crate::app::{Command, FindingKind, Revision, Shown, ViewId};
use crate::geometry::VoxelBox;
use crate::render::{LabelStyle, RayCastConfig};

/// How long a frame may take while the view moves.
const MOVING_BUDGET: Duration = Duration::from_millis(40);
/// How long a tile may take while the view sharpens.
const TILE_BUDGET: Duration = Duration::from_millis(60);
/// The view sharpens when nothing has changed for this long.
const REST: Duration = Duration::from_millis(150);
/// The coarsest picture while moving: one ray for this many pixels a side.
const COARSEST: u32 = 8;

/// What a picture was made from.
#[derive(Clone, PartialEq)]
struct Drawn {
    config: RayCastConfig,
    volume: Revision,
    labels: Option<Revision>,
}

/// Measures how long the adapter takes: set when a submission is done.
#[derive(Clone, Default)]
struct Stopwatch {
    /// Microseconds of the last submission; 0 while one is under way.
    micros: Arc<AtomicU64>,
}

impl Stopwatch {
    fn start(&self, painters: &Painters) {
        self.micros.store(0, Ordering::Relaxed);
        let (micros, begin) = (Arc::clone(&self.micros), Instant::now());
        painters.gpu.queue.on_submitted_work_done(move || {
            let taken = begin.elapsed().as_micros().max(1) as u64;
            micros.store(taken, Ordering::Relaxed);
        });
    }

    /// How long the last submission took; `None` while it is under way.
    fn taken(&self) -> Option<Duration> {
        match self.micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }
}

/// What survives from frame to frame of the 3-D view.
pub struct VolumeView {
    coarse: Option<Canvas>,
    sharp: Option<Canvas>,
    /// What the coarse picture shows.
    coarse_drawn: Option<Drawn>,
    /// What the sharp picture shows, as far as it is drawn.
    sharp_drawn: Option<Drawn>,
    sharp_rows: u32,
    changed_at: Instant,
    reduction: u32,
    tile_rows: u32,
    watch: Stopwatch,
    busy: Option<Work>,
}

/// What the adapter is working on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Coarse,
    Tile,
}

impl Default for VolumeView {
    fn default() -> Self {
        Self {
            coarse: None,
            sharp: None,
            coarse_drawn: None,
            sharp_drawn: None,
            sharp_rows: 0,
            changed_at: Instant::now(),
            reduction: 3,
            tile_rows: 64,
            watch: Stopwatch::default(),
            busy: None,
        }
    }
}

impl VolumeView {
    /// Shows the view in all of `ui`.
    pub fn show(&mut self, ui: &mut Ui, cx: &mut ViewContext<'_>) -> Response {
        let rect = ui.available_rect_before_wrap();
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "3-D view"));
        pointer(ui, &response, cx);
        let painter = ui.painter_at(rect);
        let [r, g, b] = theme::VOLUME_BACKGROUND.map(|c| (c * 255.0) as u8);
        painter.rect_filled(rect, 0.0, Color32::from_rgb(r, g, b));
        if let (Some(painters), true) = (cx.painters, cx.shown.texture.is_some()) {
            let size = size_in_pixels(rect, ui.pixels_per_point());
            self.draw(ui, painters, cx, size);
            let sharp = self.sharp_rows >= size[1];
            let canvas = if sharp {
                &mut self.sharp
            } else {
                &mut self.coarse
            };
            if let Some(id) = canvas.as_mut().and_then(|c| c.texture(painters)) {
                let uv = egui::Rect::from_min_max(egui::Pos2::ZERO, pos2(1.0, 1.0));
                painter.image(id, rect, uv, Color32::WHITE);
            }
        }
        overlay(&painter, rect, cx.shown);
        response
    }

    /// Whether the picture is at its best.
    pub const fn is_sharp(&self) -> bool {
        self.sharp_drawn.is_some() && self.busy.is_none() && self.sharp_rows > 0
    }

    fn draw(&mut self, ui: &Ui, painters: &Painters, cx: &ViewContext<'_>, size: [u32; 2]) {
        let shown = &*cx.shown;
        let Some(texture) = shown.texture.as_deref() else {
            return;
        };
        let labels = shown.labels.as_ref();
        let label_texture = labels.and_then(|l| l.texture.as_deref());
        let wanted = |size_px: [u32; 2], step_voxels: f32| Drawn {
            config: RayCastConfig {
                camera: shown.camera,
                size_px,
                transfer: shown.transfer_function(),
                labels: cx.labels.iter().map(thinned).collect(),
                step_voxels,
                shading: true,
                background: theme::VOLUME_BACKGROUND,
            },
            volume: shown.revision,
            labels: labels.map(|l| l.revision),
        };
        // Callbacks of finished work run here.
        let _ = painters.gpu.device.poll(wgpu::PollType::Poll);
        self.learn();
        let sharp = wanted(size, 0.5);
        let small = size.map(|s| (s / self.reduction).max(1));
        let coarse = wanted(small, 1.0);
        if self.sharp_drawn.as_ref() != Some(&sharp) {
            let stale = self.coarse_drawn.as_ref().is_none_or(|drawn| {
                let mut same_size = coarse.clone();
                same_size.config.size_px = drawn.config.size_px;
                same_size != *drawn
            });
            if stale {
                self.changed_at = Instant::now();
                self.sharp_rows = 0;
                self.sharp_drawn = None;
                if self.busy.is_none() {
                    let canvas = self.coarse.get_or_insert_with(|| Canvas::new(painters));
                    let (volumes, gpu) = (&painters.volumes, &painters.gpu);
                    let config = &coarse.config;
                    volumes.draw(gpu, &mut canvas.slot, texture, label_texture, config, None);
                    self.coarse_drawn = Some(coarse);
                    self.watch.start(painters);
                    self.busy = Some(Work::Coarse);
                }
                ui.ctx().request_repaint();
                return;
            }
            if self.changed_at.elapsed() < REST {
                ui.ctx().request_repaint_after(REST);
                return;
            }
            self.sharp_drawn = Some(sharp.clone());
            self.sharp_rows = 0;
        }
        if self.sharp_rows < size[1] {
            if self.busy.is_none() {
                let rows = self.tile_rows.min(size[1] - self.sharp_rows);
                let tile = [0, self.sharp_rows, size[0], rows];
                let canvas = self.sharp.get_or_insert_with(|| Canvas::new(painters));
                let (volumes, gpu) = (&painters.volumes, &painters.gpu);
                let slot = &mut canvas.slot;
                volumes.draw(gpu, slot, texture, label_texture, &sharp.config, Some(tile));
                self.sharp_rows += rows;
                self.watch.start(painters);
                self.busy = Some(Work::Tile);
            }
            ui.ctx().request_repaint_after(Duration::from_millis(8));
        } else if self.busy.is_some() {
            ui.ctx().request_repaint_after(Duration::from_millis(8));
        }
    }

    /// Adapts the coarseness and the tiles to what the adapter needed.
    fn learn(&mut self) {
        let Some(taken) = self.watch.taken() else {
            return;
        };
        match self.busy.take() {
            Some(Work::Coarse) => {
                if taken > MOVING_BUDGET {
                    self.reduction = (self.reduction + 1).min(COARSEST);
                } else if taken < MOVING_BUDGET / 3 {
                    self.reduction = (self.reduction - 1).max(1);
                }
            }
            Some(Work::Tile) => {
                let share = TILE_BUDGET.as_secs_f32() / taken.as_secs_f32();
                let rows = self.tile_rows as f32 * share.clamp(0.5, 2.0);
                self.tile_rows = (rows as u32).clamp(8, 4096);
            }
            None => {}
        }
    }
}

fn pointer(ui: &Ui, response: &Response, cx: &mut ViewContext<'_>) {
    if response.double_clicked() {
        cx.commands.push(Command::Maximise(ViewId::Volume));
    }
    let rect = response.rect;
    let height = f64::from(rect.height().max(1.0));
    let moved = response.drag_delta();
    let delta = DVec2::new(f64::from(moved.x), f64::from(moved.y)) / height;
    let camera = &mut cx.shown.camera;
    if response.dragged_by(PointerButton::Middle) {
        camera.pan(delta);
    } else if response.dragged_by(PointerButton::Secondary) {
        camera.zoom((-delta.y * 4.0).exp());
    } else if response.dragged_by(PointerButton::Primary) {
        camera.orbit(delta * std::f64::consts::PI);
    }
    if response.hovered() {
        let zoom = ui.input(|i| i.zoom_delta() * (i.smooth_scroll_delta().y * 0.004).exp());
        if (zoom - 1.0).abs() > 1e-6 {
            camera.zoom(f64::from(zoom));
        }
    }
}

/// In 3-D an opacity is that of 1 mm, and many of them lie behind each other.
fn thinned(style: &LabelStyle) -> LabelStyle {
    LabelStyle {
        opacity: style.opacity * style.opacity * 0.5,
        ..*style
    }
}

/// Boxes, the name of the view, and where the patient's sides are.
fn overlay(painter: &egui::Painter, rect: egui::Rect, shown: &Shown) {
    let size = DVec2::new(f64::from(rect.width()), f64::from(rect.height()));
    let on_screen = |point: DVec3| {
        let pixel = shown.camera.pixel_from_patient(point, size)?;
        Some(rect.min + vec2(pixel.x as f32, pixel.y as f32))
    };
    let grid = shown.volume.grid();
    let edges = |voxel_box: &VoxelBox, colour: Color32| {
        for [a, b] in voxel_box.edges_mm(grid) {
            if let (Some(a), Some(b)) = (on_screen(a), on_screen(b)) {
                painter.line_segment([a, b], Stroke::new(1.3, colour));
            }
        }
    };
    for finding in shown.findings.iter().filter(|f| f.visible) {
        if let FindingKind::Box(voxel_box) = &finding.kind {
            edges(voxel_box, theme::finding_colour(finding.colour));
        }
    }
    if let Some(region) = &shown.region {
        edges(region, theme::REGION);
    }
    let inner = rect.shrink(8.0);
    let title = format!("3-D  {}", shown.preset.name());
    let corner = egui::Align2::RIGHT_TOP;
    rimmed_text(
        painter,
        inner.right_top(),
        corner,
        &title,
        theme::OVERLAY_TEXT,
    );
    if let Some(factor) = shown.texture.as_ref().and_then(|t| t.reduction()) {
        let text = format!("shown at 1/{factor} of its resolution");
        let below = inner.right_top() + vec2(0.0, 16.0);
        rimmed_text(painter, below, corner, &text, theme::WARNING);
    }
    compass(painter, inner.left_bottom() + vec2(26.0, -26.0), shown);
}

/// Three short arms that point to the patient's left, back and head.
fn compass(painter: &egui::Painter, centre: egui::Pos2, shown: &Shown) {
    let view = shown.camera.patient_from_view.inverse();
    let mut arms = [(DVec3::X, "L"), (DVec3::Y, "P"), (DVec3::Z, "H")]
        .map(|(direction, letter)| (view * direction, letter));
    // The farthest is drawn first.
    arms.sort_by(|a, b| b.0.z.total_cmp(&a.0.z));
    for (arm, letter) in arms {
        let shade = (0.75 - arm.z * 0.25) as f32;
        let colour = theme::OVERLAY_TEXT.gamma_multiply(shade);
        let tip = centre + vec2(arm.x as f32, arm.y as f32) * 18.0;
        painter.line_segment([centre, tip], Stroke::new(1.5, colour));
        let text_at = centre + vec2(arm.x as f32, arm.y as f32) * 26.0;
        rimmed_text(
            painter,
            text_at,
            egui::Align2::CENTER_CENTER,
            letter,
            colour,
        );
    }
}
