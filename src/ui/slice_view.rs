//! A slice view: the mouse on it, the picture in it.

use egui::{CursorIcon, PointerButton, Pos2, Response, Sense, Ui};
use glam::{DVec2, DVec3};

use super::canvas::{Canvas, Painters};
use super::slice_frame::{SliceFrame, size_in_pixels};
use super::slice_overlay::{self, HANDLE};
use super::theme;
use crate::app::{BoxDrag, Command, Revision, Shown, Tool, ViewId};
use crate::render::{LabelStyle, LayerStyle, SliceConfig, cpu};
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::Window;

/// What the picture was last drawn from.
#[derive(Clone, PartialEq)]
struct Drawn {
    config: SliceConfig,
    volume: Revision,
    labels: Option<Revision>,
}

/// What survives from frame to frame of one slice view.
pub struct SliceView {
    orientation: Orientation,
    canvas: Option<Canvas>,
    drawn: Option<Drawn>,
    box_drag: Option<BoxDrag>,
    /// The window when the drag that changes it began.
    window_before: Option<Window>,
    wheel: f32,
}

/// What every view is given to draw.
pub struct ViewContext<'a> {
    /// What is shown.
    pub shown: &'a mut Shown,
    /// The renderers; none where there is no adapter.
    pub painters: Option<&'a Painters>,
    /// What the left button does.
    pub tool: Tool,
    /// Smooth between voxels.
    pub interpolate: bool,
    /// How masks are drawn, by label.
    pub labels: &'a [LabelStyle],
    /// Where the pointer is in the patient; written by the view it is in.
    pub pointer_mm: &'a mut Option<DVec3>,
    /// What the reader asked for; carried out after the frame.
    pub commands: &'a mut Vec<Command>,
}

impl SliceView {
    /// A view of one plane.
    pub const fn new(orientation: Orientation) -> Self {
        Self {
            orientation,
            canvas: None,
            drawn: None,
            box_drag: None,
            window_before: None,
            wheel: 0.0,
        }
    }

    /// Shows the view in all of `ui`.
    pub fn show(&mut self, ui: &mut Ui, cx: &mut ViewContext<'_>) -> Response {
        let rect = ui.available_rect_before_wrap();
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let name = format!("{} view", self.orientation.name());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
        let frame = self.frame(rect, ui.pixels_per_point(), cx.shown);
        self.pointer(ui, &response, &frame, cx);
        // The pointer may have moved the picture.
        let frame = self.frame(rect, ui.pixels_per_point(), cx.shown);
        self.draw(ui, &frame, cx);
        let painter = ui.painter_at(rect);
        let show_handles = cx.tool == Tool::Box;
        slice_overlay::draw(&painter, &frame, cx.shown, show_handles);
        response
    }

    fn frame(&self, rect: egui::Rect, scale: f32, shown: &Shown) -> SliceFrame {
        let [width, height] = size_in_pixels(rect, scale);
        let size = DVec2::new(f64::from(width), f64::from(height));
        let state = shown.slices[ViewId::Slice(self.orientation).index()];
        let grid = shown.volume.grid();
        SliceFrame {
            rect,
            scale: f64::from(scale),
            view: state.view(grid, self.orientation, shown.crosshair_mm, size),
        }
    }

    fn pointer(
        &mut self,
        ui: &Ui,
        response: &Response,
        frame: &SliceFrame,
        cx: &mut ViewContext<'_>,
    ) {
        if response.double_clicked() {
            cx.commands
                .push(Command::Maximise(ViewId::Slice(self.orientation)));
        }
        if let Some(at) = response.hover_pos() {
            let point = frame.patient_from_screen(at);
            *cx.pointer_mm = Some(point);
            self.wheel(ui, at, frame, cx);
            let moving = ui.input(|i| i.modifiers.shift && !i.pointer.any_down());
            if moving && ui.input(|i| i.pointer.delta() != egui::Vec2::ZERO) {
                cx.shown.go_to(point);
            }
        }
        let Some(at) = response.interact_pointer_pos() else {
            if !response.dragged() {
                self.box_drag = None;
            }
            cursor(ui, response, frame, cx);
            return;
        };
        let moved = response.drag_delta();
        let moved_px = DVec2::new(f64::from(moved.x), f64::from(moved.y)) * frame.scale;
        if response.dragged_by(PointerButton::Middle) {
            let state = cx.shown.slice_state(self.orientation);
            state.pan(moved_px, frame.view.mm_per_pixel);
        } else if response.dragged_by(PointerButton::Secondary) {
            let factor = (-f64::from(moved.y) * 0.01).exp();
            let start = ui.input(|i| i.pointer.press_origin()).unwrap_or(at);
            let state = cx.shown.slice_state(self.orientation);
            state.zoom_at(factor, frame.pixel(start), &frame.view);
        } else if response.drag_started_by(PointerButton::Primary)
            || response.dragged_by(PointerButton::Primary)
        {
            match cx.tool {
                Tool::Window => self.drag_window(ui, at, cx.shown),
                Tool::Crosshair => cx.shown.go_to(frame.patient_from_screen(at)),
                Tool::Box => self.drag_box(ui, response, at, frame, cx.shown),
            }
        } else if response.clicked_by(PointerButton::Primary) && cx.tool == Tool::Crosshair {
            cx.shown.go_to(frame.patient_from_screen(at));
        }
        if response.drag_stopped() {
            self.box_drag = None;
            self.window_before = None;
        }
    }

    fn wheel(&mut self, ui: &Ui, at: Pos2, frame: &SliceFrame, cx: &mut ViewContext<'_>) {
        let zoom = ui.input(egui::InputState::zoom_delta);
        let state = cx.shown.slice_state(self.orientation);
        if (zoom - 1.0).abs() > 1e-6 {
            state.zoom_at(f64::from(zoom), frame.pixel(at), &frame.view);
            return;
        }
        // One notch is one slice, at once; egui's smoothing would let slices lag behind the hand.
        let (notches, fast) = ui.input(|i| {
            let notches: f32 = i.events.iter().map(wheel_notches).sum();
            (notches, i.modifiers.alt)
        });
        self.wheel += if fast { notches * 5.0 } else { notches };
        let steps = self.wheel.trunc();
        if steps != 0.0 {
            self.wheel -= steps;
            cx.shown.step_slice(self.orientation, steps as i64);
        }
    }

    /// Right widens, down raises the centre (and so darkens); Shift is fine, Ctrl coarse. Told by where
    /// the drag began and is, so that slow frames change nothing.
    fn drag_window(&mut self, ui: &Ui, at: Pos2, shown: &mut Shown) {
        let before = *self.window_before.get_or_insert(shown.window);
        let (factor, origin) = ui.input(|i| {
            let factor = match (i.modifiers.shift, i.modifiers.command) {
                (true, _) => 0.2,
                (_, true) => 5.0,
                _ => 1.0,
            };
            (factor, i.pointer.press_origin().unwrap_or(at))
        });
        let moved = at - origin;
        // A drag across the view (some 400 points) doubles a window, at any width.
        let step = before.width.max(shown.statistics.std as f32 * 0.01) / 400.0 * factor;
        shown.window = Window::new(
            before.centre + moved.y * step,
            (before.width + moved.x * step * 2.0).max(step),
        );
    }

    fn drag_box(
        &mut self,
        ui: &Ui,
        response: &Response,
        at: Pos2,
        frame: &SliceFrame,
        shown: &mut Shown,
    ) {
        let grid = *shown.volume.grid();
        let voxel_at = |at: Pos2| {
            let voxel = grid.voxel_from_patient();
            voxel.transform_point3(frame.patient_from_screen(at))
        };
        if response.drag_started() || self.box_drag.is_none() {
            let origin = ui.input(|i| i.pointer.press_origin()).unwrap_or(at);
            let anchor = voxel_at(origin);
            let reach = reach_voxels(frame, grid.spacing_mm());
            let plane = &frame.view.plane;
            let held = shown
                .region
                .and_then(|current| BoxDrag::grip(plane, &current, anchor, reach));
            self.box_drag = Some(held.unwrap_or(BoxDrag::New { anchor }));
        }
        if let Some(drag) = &self.box_drag
            && let Some(changed) = drag.result(&grid, &frame.view.plane, voxel_at(at))
        {
            shown.region = Some(changed);
        }
    }

    fn draw(&mut self, ui: &Ui, frame: &SliceFrame, cx: &ViewContext<'_>) {
        let painter = ui.painter_at(frame.rect);
        painter.rect_filled(frame.rect, 0.0, theme::VIEW_BACKGROUND);
        let shown = &*cx.shown;
        let (Some(painters), Some(texture)) = (cx.painters, shown.texture.as_deref()) else {
            return;
        };
        let labels = shown.labels.as_ref();
        let wanted = Drawn {
            config: SliceConfig {
                view: frame.view,
                layers: vec![LayerStyle {
                    invert: shown.invert,
                    interpolate: cx.interpolate,
                    ..LayerStyle::grey(shown.window)
                }],
                labels: cx.labels.to_vec(),
            },
            volume: shown.revision,
            labels: labels.map(|l| l.revision),
        };
        let canvas = self.canvas.get_or_insert_with(|| Canvas::new(painters));
        if self.drawn.as_ref() != Some(&wanted) {
            let (gpu, slot) = (&painters.gpu, &mut canvas.slot);
            if texture.reduction().is_some() {
                // The adapter holds a coarser copy; slices keep the image's resolution.
                let map = labels.map(|l| &*l.map);
                slot.show(gpu, &cpu::slice(&[&shown.volume], map, &wanted.config));
            } else {
                let map = labels.and_then(|l| l.texture.as_deref());
                painters
                    .slices
                    .draw(gpu, slot, &[texture], map, &wanted.config);
            }
            self.drawn = Some(wanted);
        }
        let id = canvas.texture(painters);
        if let Some(id) = id {
            let uv = egui::Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
            painter.image(id, frame.rect, uv, egui::Color32::WHITE);
        }
    }
}

/// Shows by the pointer's shape what a press would take hold of.
fn cursor(ui: &Ui, response: &Response, frame: &SliceFrame, cx: &ViewContext<'_>) {
    let Some(at) = response.hover_pos() else {
        return;
    };
    if cx.tool == Tool::Box {
        let grid = cx.shown.volume.grid();
        let voxel = grid
            .voxel_from_patient()
            .transform_point3(frame.patient_from_screen(at));
        let reach = reach_voxels(frame, grid.spacing_mm());
        let grip = cx
            .shown
            .region
            .and_then(|current| BoxDrag::grip(&frame.view.plane, &current, voxel, reach));
        ui.set_cursor_icon(match grip {
            Some(BoxDrag::Sides {
                sides: [Some(_), None],
                ..
            }) => CursorIcon::ResizeHorizontal,
            Some(BoxDrag::Sides {
                sides: [None, Some(_)],
                ..
            }) => CursorIcon::ResizeVertical,
            Some(BoxDrag::Move { .. } | BoxDrag::Sides { .. }) => CursorIcon::Move,
            _ => CursorIcon::Crosshair,
        });
    }
}

/// Wheel notches of an event, up positive; 40 points of a touch pad make one.
fn wheel_notches(event: &egui::Event) -> f32 {
    match event {
        egui::Event::MouseWheel {
            unit,
            delta,
            modifiers,
            ..
        } if !modifiers.command => match unit {
            egui::MouseWheelUnit::Point => delta.y / 40.0,
            egui::MouseWheelUnit::Line => delta.y,
            egui::MouseWheelUnit::Page => delta.y * 10.0,
        },
        _ => 0.0,
    }
}

/// How far, in voxels per axis, a press may be from a handle.
fn reach_voxels(frame: &SliceFrame, spacing_mm: DVec3) -> DVec3 {
    DVec3::splat(frame.mm_per_point() * f64::from(HANDLE + 3.0)) / spacing_mm
}
