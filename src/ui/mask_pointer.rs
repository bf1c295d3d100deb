//! The mouse on masks: strokes, outlines, and clicks that grow.

use egui::{Color32, CursorIcon, Key, Painter, Pos2, Response, Shape, Stroke, Ui};
use glam::DVec3;
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::Paint;

use super::pane::PaneContext;
use super::slice_frame::SliceFrame;
use super::theme;
use crate::app::{Application, Effect, MaskAct, MaskPlace, MaskTool, Seen, Step, Tool, ViewKind};

/// Corners of an outline are so far apart, in points of the window.
const CORNER: f32 = 2.0;

/// A stroke or an outline that is being drawn.
struct Drawn {
    paint: Paint,
    /// What edits of a stroke are one step by.
    group: u64,
    /// The last place of a stroke; all corners of an outline, in patient mm.
    points_mm: Vec<DVec3>,
    last: Pos2,
}

/// What survives from frame to frame of one view.
#[derive(Default)]
pub struct MaskPointer {
    drawn: Option<Drawn>,
}

impl MaskPointer {
    /// Takes the left button where a tool for masks is in hand; whether nothing else should.
    pub fn take(
        &mut self,
        ui: &Ui,
        response: &Response,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) -> bool {
        let (Tool::Mask(tool), ViewKind::Slice(orientation)) = (cx.app.tool, seen.view.kind) else {
            self.drawn = None;
            return false;
        };
        if ui.input(|i| i.key_pressed(Key::Escape)) {
            self.give_up(cx);
        }
        let Some(at) = ui.input(|i| i.pointer.latest_pos()) else {
            return false;
        };
        let (pressed, down, turned) = ui.input(|i| {
            let pressed = i.pointer.primary_pressed() && response.contains_pointer();
            (pressed, i.pointer.primary_down(), i.modifiers.command)
        });
        let place = place_of(seen, orientation);
        if pressed {
            let erases = (tool == MaskTool::Eraser) != turned;
            let paint = if erases { Paint::Erase } else { Paint::Add };
            self.press(tool, paint, at, frame, place, cx);
        } else if let Some(drawn) = &mut self.drawn {
            let point = frame.patient_from_screen(at);
            match tool {
                MaskTool::Brush | MaskTool::Eraser if at != drawn.last => {
                    let from = drawn.points_mm.last().copied().unwrap_or(point);
                    drawn.points_mm = vec![point];
                    let ends_mm = [from, point];
                    cx.outbox
                        .push(stroke(place, ends_mm, drawn.paint, drawn.group));
                    drawn.last = at;
                }
                MaskTool::Lasso if at.distance(drawn.last) >= CORNER => {
                    drawn.points_mm.push(point);
                    drawn.last = at;
                }
                _ => {}
            }
        }
        if !down {
            self.release(seen, orientation, cx);
        }
        if response.hovered() {
            ui.set_cursor_icon(CursorIcon::Crosshair);
        }
        // Other buttons move and zoom as ever.
        pressed || self.drawn.is_some() || ui.input(|i| i.pointer.primary_released())
    }

    fn press(
        &mut self,
        tool: MaskTool,
        paint: Paint,
        at: Pos2,
        frame: &SliceFrame,
        place: MaskPlace,
        cx: &mut PaneContext<'_>,
    ) {
        let point = frame.patient_from_screen(at);
        let group = Step::group();
        match tool {
            MaskTool::Region => {
                let seed_mm = point;
                return cx.outbox.push(Effect::Mask(MaskAct::Region {
                    place,
                    seed_mm,
                    paint,
                }));
            }
            MaskTool::Brush | MaskTool::Eraser => {
                cx.outbox.push(stroke(place, [point; 2], paint, group));
            }
            MaskTool::Lasso => {}
        }
        self.drawn = Some(Drawn {
            paint,
            group,
            points_mm: vec![point],
            last: at,
        });
    }

    fn release(&mut self, seen: &Seen<'_>, orientation: Orientation, cx: &mut PaneContext<'_>) {
        let Some(drawn) = self.drawn.take() else {
            return;
        };
        if cx.app.tool == Tool::Mask(MaskTool::Lasso) {
            cx.outbox.push(Effect::Mask(MaskAct::Outline {
                place: place_of(seen, orientation),
                corners_mm: drawn.points_mm,
                paint: drawn.paint,
            }));
        } else {
            cx.outbox.push(Effect::Mask(MaskAct::Rest));
        }
    }

    /// Escape takes a stroke back and forgets an outline.
    fn give_up(&mut self, cx: &mut PaneContext<'_>) {
        if let Some(drawn) = self.drawn.take() {
            cx.outbox.push(Effect::CancelStep(drawn.group));
            cx.outbox.push(Effect::Mask(MaskAct::Rest));
        }
    }

    /// Draws how far the brush reaches, and the outline so far.
    pub fn draw(
        &self,
        painter: &Painter,
        response: &Response,
        frame: &SliceFrame,
        app: &Application,
    ) {
        let Tool::Mask(tool) = app.tool else {
            return;
        };
        let rim = Stroke::new(2.5, Color32::from_black_alpha(140));
        let ink = Stroke::new(1.0, theme::REGION);
        if let (MaskTool::Brush | MaskTool::Eraser, Some(at)) = (tool, response.hover_pos()) {
            let radius = app.masks.settings.size_mm / 2.0 / frame.mm_per_point();
            painter.circle_stroke(at, radius as f32, rim);
            painter.circle_stroke(at, radius as f32, ink);
        }
        let drawn = self.drawn.as_ref().filter(|_| tool == MaskTool::Lasso);
        if let Some(drawn) = drawn {
            let corner = |point: &DVec3| {
                let pixel = frame.view.pixel_from_patient(*point) / frame.scale;
                frame.rect.min + egui::vec2(pixel.x as f32, pixel.y as f32)
            };
            let corners: Vec<Pos2> = drawn.points_mm.iter().map(corner).collect();
            painter.add(Shape::closed_line(corners.clone(), rim));
            painter.add(Shape::closed_line(corners, ink));
        }
    }
}

fn stroke(place: MaskPlace, ends_mm: [DVec3; 2], paint: Paint, group: u64) -> Effect {
    Effect::Mask(MaskAct::Stroke {
        place,
        ends_mm,
        paint,
        group,
    })
}

/// The slice that a view shows.
fn place_of(seen: &Seen<'_>, orientation: Orientation) -> MaskPlace {
    let grid = seen.grid();
    let plane = Orientation::ALL.iter().position(|o| *o == orientation);
    let axis = grid.axes_of_planes()[plane.unwrap_or(0)];
    let voxel = grid.voxel_from_patient().transform_point3(seen.cursor_mm());
    let last = f64::from(grid.dims()[axis] - 1);
    MaskPlace {
        image: seen.layer.image.clone(),
        time: seen.layer.time,
        slice: (axis, voxel[axis].round().clamp(0.0, last) as u32),
    }
}
