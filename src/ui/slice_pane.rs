//! A slice view: the mouse on it, the picture in it.

use egui::{CursorIcon, PointerButton, Pos2, Response, Ui};
use glam::{DVec2, DVec3};

use super::canvas::Canvas;
use super::mask_pointer::MaskPointer;
use super::measure_pointer::MeasurePointer;
use super::pane::PaneContext;
use super::slice_frame::{SliceFrame, size_in_pixels};
use super::slice_overlay;
use super::theme;
use crate::app::{BoxDrag, Edit, Effect, PatientBox, Revision, Seen, Step, Tool};
use crate::render::overlay::HANDLE_RADIUS;
use crate::render::{LayerStyle, SliceConfig, cpu};
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::Window;

/// What the picture was last drawn from.
#[derive(Clone, PartialEq)]
struct Drawn {
    config: SliceConfig,
    images: Vec<Revision>,
    labels: Option<Revision>,
}

/// A drag that changes the reader's work: one step.
#[derive(Clone, Debug)]
struct WindowDrag {
    before: Window,
    group: u64,
}

/// A drag of the box.
#[derive(Clone, Debug)]
struct RegionDrag {
    drag: BoxDrag,
    group: u64,
}

/// What survives from frame to frame of one slice view.
pub struct SlicePane {
    orientation: Orientation,
    canvas: Option<Canvas>,
    drawn: Option<Drawn>,
    region_drag: Option<RegionDrag>,
    window_drag: Option<WindowDrag>,
    measuring: MeasurePointer,
    masking: MaskPointer,
    wheel: f32,
}

impl SlicePane {
    /// A view of one plane.
    pub fn new(orientation: Orientation) -> Self {
        Self {
            orientation,
            canvas: None,
            drawn: None,
            region_drag: None,
            window_drag: None,
            measuring: MeasurePointer::default(),
            masking: MaskPointer::default(),
            wheel: 0.0,
        }
    }

    /// The plane.
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Draws the slice and what stands over it, and takes the mouse.
    pub fn show(
        &mut self,
        ui: &Ui,
        response: &Response,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        let frame = self.frame(response.rect, ui.pixels_per_point(), seen);
        self.pointer(ui, response, &frame, seen, cx);
        self.draw(ui, &frame, seen, cx);
        let painter = ui.painter_at(response.rect);
        let show_handles = cx.app.tool == Tool::Box;
        slice_overlay::draw(&painter, &frame, cx.app, seen, show_handles);
        self.masking.draw(&painter, response, &frame, cx.app);
    }

    fn frame(&self, rect: egui::Rect, scale: f32, seen: &Seen<'_>) -> SliceFrame {
        let [width, height] = size_in_pixels(rect, scale);
        let size = DVec2::new(f64::from(width), f64::from(height));
        let look = seen.view.look;
        SliceFrame {
            rect,
            scale: f64::from(scale),
            view: look.slice_view(seen.grid(), self.orientation, seen.cursor_mm(), size),
        }
    }

    fn pointer(
        &mut self,
        ui: &Ui,
        response: &Response,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        if let Some(at) = response.hover_pos() {
            let point = frame.patient_from_screen(at);
            *cx.pointer = Some((cx.id, point));
            self.wheel(ui, at, frame, seen, cx);
            let moving = ui.input(|i| i.modifiers.shift && !i.pointer.any_down());
            if moving && ui.input(|i| i.pointer.delta() != egui::Vec2::ZERO) {
                cx.outbox.look(seen.go_to(point));
            }
        }
        if self.masking.take(ui, response, frame, seen, cx)
            || self.measuring.take(ui, response, frame, seen, cx)
        {
            return;
        }
        let Some(at) = response.interact_pointer_pos() else {
            if !response.dragged() {
                self.region_drag = None;
            }
            cursor(ui, response, frame, seen, cx);
            return;
        };
        let moved = response.drag_delta();
        let moved_px = DVec2::new(f64::from(moved.x), f64::from(moved.y)) * frame.scale;
        let look = seen.view.look;
        if response.dragged_by(PointerButton::Middle) {
            let look = look.panned(moved_px, frame.view.mm_per_pixel);
            cx.outbox.look([Edit::Look { id: cx.id, look }]);
        } else if response.dragged_by(PointerButton::Secondary) {
            let factor = (-f64::from(moved.y) * 0.01).exp();
            let start = ui.input(|i| i.pointer.press_origin()).unwrap_or(at);
            let look = look.zoomed_at(factor, frame.pixel(start), &frame.view);
            cx.outbox.look([Edit::Look { id: cx.id, look }]);
        } else if response.drag_started_by(PointerButton::Primary)
            || response.dragged_by(PointerButton::Primary)
        {
            match cx.app.tool {
                Tool::Window => self.drag_window(ui, at, seen, cx),
                Tool::Crosshair => cx.outbox.look(seen.go_to(frame.patient_from_screen(at))),
                Tool::Box => self.drag_region(ui, response, at, frame, seen, cx),
                Tool::Measure(_) | Tool::Mask(_) => {}
            }
        } else if response.clicked_by(PointerButton::Primary) && cx.app.tool == Tool::Crosshair {
            cx.outbox.look(seen.go_to(frame.patient_from_screen(at)));
        }
        // Escape gives a drag up.
        if ui.input(|i| i.key_pressed(egui::Key::Escape)) {
            let group = self.region_drag.as_ref().map(|d| d.group);
            let group = group.or(self.window_drag.as_ref().map(|d| d.group));
            if let Some(group) = group {
                cx.outbox.push(Effect::CancelStep(group));
            }
        }
        if response.drag_stopped() {
            self.region_drag = None;
            self.window_drag = None;
        }
    }

    fn wheel(
        &mut self,
        ui: &Ui,
        at: Pos2,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        let zoom = ui.input(egui::InputState::zoom_delta);
        if (zoom - 1.0).abs() > 1e-6 {
            let look = seen.view.look;
            let look = look.zoomed_at(f64::from(zoom), frame.pixel(at), &frame.view);
            cx.outbox.look([Edit::Look { id: cx.id, look }]);
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
            cx.outbox
                .look(seen.step_slice(self.orientation, steps as i64));
        }
    }

    /// Right widens, down raises the centre (and so darkens); Shift is fine, Ctrl coarse. Told by where
    /// the drag began and is, so that slow frames change nothing.
    fn drag_window(&mut self, ui: &Ui, at: Pos2, seen: &Seen<'_>, cx: &mut PaneContext<'_>) {
        let drag = self.window_drag.get_or_insert_with(|| WindowDrag {
            before: seen.window(),
            group: Step::group(),
        });
        let (before, group) = (drag.before, drag.group);
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
        let step = before.width.max(seen.image.statistics.std as f32 * 0.01) / 400.0 * factor;
        let window = Window::new(
            before.centre + moved.y * step,
            (before.width + moved.x * step * 2.0).max(step),
        );
        for edit in cx.app.layer_edits(cx.id, |layer| layer.window = window) {
            cx.outbox.step(edit, Step::of_group("window", group));
        }
    }

    fn drag_region(
        &mut self,
        ui: &Ui,
        response: &Response,
        at: Pos2,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        let grid = *seen.grid();
        let voxel_at = |at: Pos2| {
            let voxel = grid.voxel_from_patient();
            voxel.transform_point3(frame.patient_from_screen(at))
        };
        let plane = &frame.view.plane;
        if response.drag_started() || self.region_drag.is_none() {
            let origin = ui.input(|i| i.pointer.press_origin()).unwrap_or(at);
            let anchor = voxel_at(origin);
            let reach = reach_voxels(frame, grid.spacing_mm());
            let held = seen
                .region()
                .and_then(|current| BoxDrag::grip(plane, &current, anchor, reach));
            self.region_drag = Some(RegionDrag {
                drag: held.unwrap_or(BoxDrag::New { anchor }),
                group: Step::group(),
            });
        }
        if let Some(RegionDrag { drag, group }) = &self.region_drag
            && let Some(changed) = drag.result(&grid, plane, voxel_at(at))
        {
            let label = match drag {
                BoxDrag::New { .. } => "draw box",
                BoxDrag::Sides { .. } => "resize box",
                BoxDrag::Move { .. } => "move box",
            };
            let edit = Edit::Region {
                image: seen.layer.image.clone(),
                region: Some(PatientBox::of(&changed, &grid)),
            };
            cx.outbox.step(edit, Step::of_group(label, *group));
        }
    }

    fn draw(&mut self, ui: &Ui, frame: &SliceFrame, seen: &Seen<'_>, cx: &PaneContext<'_>) {
        let painter = ui.painter_at(frame.rect);
        painter.rect_filled(frame.rect, 0.0, theme::VIEW_BACKGROUND);
        let Some(painters) = cx.painters else {
            return;
        };
        let interpolate = cx.app.workspace.display.interpolate;
        let layers: Vec<_> = seen.layers().collect();
        let wanted = Drawn {
            config: SliceConfig {
                view: frame.view,
                layers: layers
                    .iter()
                    .map(|(layer, _)| LayerStyle {
                        window: layer.window,
                        invert: layer.invert,
                        colours: layer.colour_map,
                        opacity: layer.opacity,
                        interpolate,
                    })
                    .collect(),
                labels: cx.labels.to_vec(),
            },
            images: layers.iter().map(|(_, image)| image.revision).collect(),
            labels: seen.labels.map(|labels| labels.revision),
        };
        let canvas = self.canvas.get_or_insert_with(|| Canvas::new(painters));
        if self.drawn.as_ref() != Some(&wanted) {
            let (gpu, slot) = (&painters.gpu, &mut canvas.slot);
            // An adapter that holds a coarser copy, or none, draws no slice: slices keep the image's own
            // resolution.
            let textures: Option<Vec<_>> = layers
                .iter()
                .map(|(_, image)| image.texture.as_deref())
                .map(|texture| texture.filter(|t| t.reduction().is_none()))
                .collect();
            if let Some(textures) = textures {
                let labels = seen.labels.and_then(|labels| labels.texture.as_ref());
                let slices = &painters.slices;
                slices.draw(gpu, slot, &textures, labels, &wanted.config);
            } else {
                let volumes: Vec<_> = layers.iter().map(|(_, image)| &*image.volume).collect();
                let labels = seen.labels.map(|labels| &labels.map);
                slot.show(gpu, &cpu::slice(&volumes, labels, &wanted.config));
            }
            self.drawn = Some(wanted);
        }
        if let Some(id) = canvas.texture(painters) {
            let uv = egui::Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
            painter.image(id, frame.rect, uv, egui::Color32::WHITE);
        }
    }
}

/// Shows by the pointer's shape what a press would take hold of.
fn cursor(ui: &Ui, response: &Response, frame: &SliceFrame, seen: &Seen<'_>, cx: &PaneContext<'_>) {
    let Some(at) = response.hover_pos() else {
        return;
    };
    if cx.app.tool == Tool::Box {
        let grid = seen.grid();
        let voxel = grid
            .voxel_from_patient()
            .transform_point3(frame.patient_from_screen(at));
        let reach = reach_voxels(frame, grid.spacing_mm());
        let grip = seen
            .region()
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
    DVec3::splat(frame.mm_per_point() * (HANDLE_RADIUS + 3.5)) / spacing_mm
}
