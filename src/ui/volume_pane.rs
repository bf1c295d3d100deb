//! The 3-D view: coarse while it moves, sharp at rest.

use std::time::{Duration, Instant};

use egui::{Color32, PointerButton, Pos2, Rect, Response, Ui, pos2, vec2};
use glam::DVec2;

use super::canvas::{Canvas, Painters};
use super::paint_marks::{colour, paint_marks};
use super::pane::PaneContext;
use super::slice_frame::size_in_pixels;
use super::slice_overlay::boxes;
use super::theme;
use crate::app::{Application, Edit, Revision, Seen};
use crate::render::marks::CameraView;
use crate::render::overlay::{CornerLine, CornerTexts, VolumeOverlay, volume_marks};
use crate::render::{DrawTimer, LabelStyle, RayCastConfig};

/// How long a picture may take while the view moves.
const MOVING_BUDGET: Duration = Duration::from_millis(40);
/// How long a tile may take while the view sharpens.
const TILE_BUDGET: Duration = Duration::from_millis(60);
/// The view sharpens when nothing has changed for this long.
const REST: Duration = Duration::from_millis(120);
/// How soon to look again whether the adapter is done, should nobody tell.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The coarsest picture while moving: one ray for this many pixels a side.
const COARSEST: u32 = 6;

/// What a picture was made from.
#[derive(Clone, PartialEq)]
struct Drawn {
    config: RayCastConfig,
    volume: Revision,
    labels: Option<Revision>,
}

impl Drawn {
    /// Whether both show the same, at whatever resolution.
    fn shows_the_same(&self, other: &Self) -> bool {
        let mut at_this_size = other.clone();
        at_this_size.config.size_px = self.config.size_px;
        at_this_size.config.step_voxels = self.config.step_voxels;
        at_this_size == *self
    }
}

/// What the adapter is drawing.
enum Drawing {
    Coarse,
    Tile { rows: u32 },
}

/// What survives from frame to frame of the 3-D view.
pub struct VolumePane {
    coarse: Option<Canvas>,
    sharp: Option<Canvas>,
    /// What the coarse picture shows.
    coarse_drawn: Option<Drawn>,
    /// What the sharp picture shows, as far down as `sharp_rows`.
    sharp_drawn: Option<Drawn>,
    sharp_rows: u32,
    /// What was last asked for, and when that was new.
    wanted: Option<Drawn>,
    changed_at: Instant,
    /// Pictures and tiles are drawn one at a time: what is asked for meanwhile is drawn next, as it is
    /// then.
    timer: Option<DrawTimer>,
    drawing: Option<Drawing>,
    reduction: u32,
    tile_rows: u32,
}

impl Default for VolumePane {
    fn default() -> Self {
        Self {
            coarse: None,
            sharp: None,
            coarse_drawn: None,
            sharp_drawn: None,
            sharp_rows: 0,
            wanted: None,
            changed_at: Instant::now(),
            timer: None,
            drawing: None,
            reduction: 3,
            tile_rows: 64,
        }
    }
}

impl VolumePane {
    /// Draws the volume and what stands over it, and takes the mouse.
    pub fn show(
        &mut self,
        ui: &Ui,
        response: &Response,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        let rect = response.rect;
        pointer(ui, response, seen, cx);
        let painter = ui.painter_at(rect);
        let [r, g, b] = theme::VOLUME_BACKGROUND.map(|c| (c * 255.0) as u8);
        painter.rect_filled(rect, 0.0, Color32::from_rgb(r, g, b));
        if let (Some(painters), true) = (cx.painters, seen.image.texture.is_some()) {
            let size = size_in_pixels(rect, ui.pixels_per_point());
            self.draw(ui, painters, seen, cx, size);
            let done = (self.sharp_rows as f32 / size[1] as f32).min(1.0);
            // The coarse picture below, the sharp one over it as far as it is drawn.
            for (canvas, part) in [(&mut self.coarse, 1.0), (&mut self.sharp, done)] {
                let texture = canvas.as_mut().and_then(|c| c.texture(painters));
                if let (Some(id), true) = (texture, part > 0.0) {
                    let uv = Rect::from_min_max(Pos2::ZERO, pos2(1.0, part));
                    let upper =
                        Rect::from_min_size(rect.min, vec2(rect.width(), rect.height() * part));
                    painter.image(id, upper, uv, Color32::WHITE);
                }
            }
        }
        overlay(&painter, rect, cx.app, seen);
    }

    /// Draws the coarse picture when something changed, else the next tile of the sharp one, unless the
    /// adapter is still busy with the one before. Egui draws on the same queue after this, so its frame
    /// waits for a picture no longer than the picture takes; measuring keeps that short on every adapter.
    fn draw(
        &mut self,
        ui: &Ui,
        painters: &Painters,
        seen: &Seen<'_>,
        cx: &PaneContext<'_>,
        size: [u32; 2],
    ) {
        let wanted = wanted(seen, cx, size);
        if self.wanted.as_ref() != Some(&wanted) {
            self.wanted = Some(wanted.clone());
            self.changed_at = Instant::now();
        }
        if self.is_busy() {
            ui.ctx().request_repaint_after(LOOK_AGAIN);
            return;
        }
        if self.sharp_drawn.as_ref() != Some(&wanted) {
            let fresh = self.coarse_drawn.as_ref();
            if !fresh.is_some_and(|drawn| drawn.shows_the_same(&wanted)) {
                self.sharp_drawn = None;
                self.sharp_rows = 0;
                self.draw_coarse(ui, painters, seen, wanted);
                return;
            }
            if let Some(rest) = REST.checked_sub(self.changed_at.elapsed()) {
                ui.ctx().request_repaint_after(rest);
                return;
            }
            self.sharp_drawn = Some(wanted);
            self.sharp_rows = 0;
        }
        if self.sharp_rows < size[1] {
            self.draw_tile(ui, painters, seen);
        }
    }

    /// Whether the adapter is still drawing; what it took for is learnt from.
    fn is_busy(&mut self) -> bool {
        let Some(timer) = &mut self.timer else {
            return false;
        };
        if let (Some(taken), Some(drawing)) = (timer.taken(), &self.drawing) {
            match *drawing {
                Drawing::Coarse => self.reduction = next_reduction(self.reduction, taken),
                Drawing::Tile { rows } => self.tile_rows = next_rows(rows, taken),
            }
        }
        timer.is_busy()
    }

    fn draw_coarse(&mut self, ui: &Ui, painters: &Painters, seen: &Seen<'_>, mut drawn: Drawn) {
        drawn.config.size_px = drawn.config.size_px.map(|s| (s / self.reduction).max(1));
        drawn.config.step_voxels = 1.0;
        let canvas = self.coarse.get_or_insert_with(|| Canvas::new(painters));
        let timer = timer(&mut self.timer, ui, painters);
        timer.time(|| send(painters, seen, canvas, &drawn.config, None));
        self.drawing = Some(Drawing::Coarse);
        self.coarse_drawn = Some(drawn);
    }

    fn draw_tile(&mut self, ui: &Ui, painters: &Painters, seen: &Seen<'_>) {
        let Some(drawn) = &self.sharp_drawn else {
            return;
        };
        let [width, height] = drawn.config.size_px;
        let rows = self.tile_rows.min(height - self.sharp_rows);
        let tile = [0, self.sharp_rows, width, rows];
        let canvas = self.sharp.get_or_insert_with(|| Canvas::new(painters));
        let timer = timer(&mut self.timer, ui, painters);
        timer.time(|| send(painters, seen, canvas, &drawn.config, Some(tile)));
        self.drawing = Some(Drawing::Tile { rows });
        self.sharp_rows += rows;
    }
}

/// The view's timer, which asks for a frame when a picture is done.
fn timer<'a>(timer: &'a mut Option<DrawTimer>, ui: &Ui, painters: &Painters) -> &'a mut DrawTimer {
    timer.get_or_insert_with(|| {
        let window = ui.ctx().clone();
        DrawTimer::new(&painters.gpu, move || window.request_repaint())
    })
}

/// How coarse the next picture is to be while the view moves.
fn next_reduction(reduction: u32, taken: Duration) -> u32 {
    if taken > MOVING_BUDGET {
        (reduction + 1).min(COARSEST)
    } else if taken < MOVING_BUDGET / 3 {
        (reduction - 1).max(1)
    } else {
        reduction
    }
}

/// How many rows the next tile is to have after one of `rows`.
fn next_rows(rows: u32, taken: Duration) -> u32 {
    let share = TILE_BUDGET.as_secs_f32() / taken.as_secs_f32().max(1e-4);
    ((rows as f32 * share.clamp(0.5, 4.0)) as u32).clamp(16, 4096)
}

/// The sharp picture of what is shown.
fn wanted(seen: &Seen<'_>, cx: &PaneContext<'_>, size_px: [u32; 2]) -> Drawn {
    Drawn {
        config: RayCastConfig {
            camera: seen.camera(),
            size_px,
            transfer: seen.transfer_function(),
            labels: cx.labels.iter().map(thinned).collect(),
            step_voxels: 0.5,
            shading: true,
            background: theme::VOLUME_BACKGROUND,
        },
        volume: seen.image.revision,
        labels: seen.labels.map(|labels| labels.revision),
    }
}

/// Sends a picture, or a tile of it, to the adapter.
fn send(
    painters: &Painters,
    seen: &Seen<'_>,
    canvas: &mut Canvas,
    config: &RayCastConfig,
    tile: Option<[u32; 4]>,
) {
    if let Some(texture) = seen.image.texture.as_deref() {
        let labels = seen.labels.and_then(|labels| labels.texture.as_ref());
        let (gpu, slot) = (&painters.gpu, &mut canvas.slot);
        painters
            .volumes
            .draw(gpu, slot, texture, labels, config, tile);
    }
}

fn pointer(ui: &Ui, response: &Response, seen: &Seen<'_>, cx: &mut PaneContext<'_>) {
    let rect = response.rect;
    let side = f64::from(rect.size().min_elem().max(1.0));
    let moved = response.drag_delta();
    let delta = DVec2::new(f64::from(moved.x), f64::from(moved.y)) / side;
    let before = seen.camera();
    let mut camera = before;
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
    if camera != before {
        let mut look = seen.view.look;
        look.camera = Some(camera);
        cx.outbox.look([Edit::Look { id: cx.id, look }]);
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
fn overlay(painter: &egui::Painter, rect: Rect, app: &Application, seen: &Seen<'_>) {
    let scale = painter.pixels_per_point();
    let [width, height] = size_in_pixels(rect, scale);
    let view = CameraView {
        camera: seen.camera(),
        size_px: DVec2::new(f64::from(width), f64::from(height)),
    };
    let title = format!("3-D  {}", seen.view.preset.name());
    let mut top_right = vec![CornerLine::new(title)];
    let texture = seen.image.texture.as_ref();
    if let Some(factor) = texture.and_then(|t| t.reduction()) {
        top_right.push(CornerLine {
            text: format!("shown at 1/{factor} of its resolution"),
            colour: colour(theme::WARNING),
        });
    }
    let marks = volume_marks(&VolumeOverlay {
        view,
        pixels_per_point: f64::from(scale),
        boxes: boxes(app, seen, false),
        texts: CornerTexts {
            top_right,
            ..CornerTexts::default()
        },
        sides_known: seen.image.series.stated.side_known,
        notice: false,
    });
    paint_marks(painter, rect, &marks, &view);
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn slow_pictures_become_coarser_and_fast_ones_finer() {
        assert_eq!(next_reduction(3, ms(55)), 4);
        assert_eq!(next_reduction(COARSEST, ms(900)), COARSEST);
        assert_eq!(next_reduction(3, ms(25)), 3);
        assert_eq!(next_reduction(3, ms(8)), 2);
        assert_eq!(next_reduction(1, ms(2)), 1);
    }

    #[test]
    fn tiles_grow_and_shrink_towards_their_budget() {
        assert_eq!(next_rows(64, ms(5)), 256);
        assert_eq!(next_rows(64, ms(120)), 32);
        assert_eq!(next_rows(16, ms(900)), 16);
        assert_eq!(next_rows(64, ms(60)), 64);
    }
}
