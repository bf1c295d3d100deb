//! The mouse on measurements: drawing them, taking hold of them.

use egui::{CursorIcon, Key, Pos2, Response, Ui};
use glam::DVec3;

use super::pane::PaneContext;
use super::slice_frame::SliceFrame;
use super::slice_overlay;
use crate::app::{
    DialogRequest, Drawing, Edit, Effect, Finding, FindingId, Held, HeldPart, Measurement, Seen,
    Shape, Step, Tool,
};
use crate::render::marks::{MarkFrame, MarkPart, MarkTarget, hit};
use crate::render::overlay::annotation_marks;

/// How near a press must be to what it takes hold of, in points.
const REACH: f64 = 6.0;
/// A press that moves farther is a drag, in points.
const DRAGGED: f32 = 4.0;
/// Points of a line drawn in one go are so far apart, in points of the window.
const STEP: f64 = 2.5;

/// What is being drawn or moved in one view.
#[derive(Default)]
pub struct MeasurePointer {
    drawing: Option<Drawing>,
    held: Option<Held>,
    pressed_at: Option<Pos2>,
}

impl MeasurePointer {
    /// Takes the mouse on measurements; whether it did, and nothing else should.
    pub fn take(
        &mut self,
        ui: &Ui,
        response: &Response,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) -> bool {
        let kind = match cx.app.tool {
            Tool::Measure(kind) => Some(kind),
            _ => None,
        };
        let left = self.drawing.as_ref().filter(|d| kind != Some(d.kind()));
        if left.is_some() || ui.input(|i| i.key_pressed(Key::Escape)) {
            self.give_up(cx);
        }
        let Some(at) = ui.input(|i| i.pointer.latest_pos()) else {
            return false;
        };
        let (pressed, down, released) = ui.input(|i| {
            let pointer = &i.pointer;
            (
                pointer.primary_pressed() && response.contains_pointer(),
                pointer.primary_down(),
                pointer.primary_released(),
            )
        });
        // A quick hand is elsewhere before the press is seen, and may have let go.
        let press_pos = ui.input(|i| i.events.iter().find_map(press_of));
        let begun = press_pos.filter(|_| pressed).unwrap_or(at);
        let point = frame.patient_from_screen(at);
        if pressed {
            self.pressed_at = Some(begun);
            self.press(begun, frame.patient_from_screen(begun), frame, seen, cx);
        }
        let dragged = self
            .pressed_at
            .is_some_and(|from| from.distance(at) > DRAGGED);
        if (down && !pressed) || released {
            self.drag(point, released, dragged, frame, seen, cx);
        } else if let Some(drawing) = &mut self.drawing
            && !pressed
            && response.contains_pointer()
        {
            drawing.hover(point, false, STEP * frame.mm_per_point());
            self.put(seen, cx);
        }
        let ended = ui.input(|i| i.key_pressed(Key::Enter)) || response.double_clicked();
        if let Some(drawing) = self.drawing.as_mut().filter(|_| ended) {
            drawing.close();
            self.put(seen, cx);
        }
        self.finish(cx);
        let busy = self.held.is_some() || self.drawing.is_some();
        if released {
            self.pressed_at = None;
            self.held = None;
        }
        if busy || kind.is_some() {
            cursor(ui, response, at, frame, seen, cx);
        }
        busy || (kind.is_some() && (pressed || down || released))
    }

    fn press(
        &mut self,
        at: Pos2,
        point: DVec3,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        if let Some(drawing) = &mut self.drawing {
            drawing.press(point, 2.0 * REACH * frame.mm_per_point());
            return self.put(seen, cx);
        }
        if let Some(target) = hit_at(at, frame, seen, cx) {
            let id = FindingId(target.id);
            cx.outbox.push(Effect::Select(vec![id]));
            self.held = hold(id, target.part, point, frame, seen, cx);
            return;
        }
        if let Tool::Measure(kind) = cx.app.tool {
            let plane = &frame.view.plane;
            // Points lie on the slice that is shown.
            self.drawing = Some(Drawing::begin(kind, point, [plane.right, plane.down]));
            self.put(seen, cx);
        } else if cx.app.selected().any(|finding| finding.mask().is_none()) {
            // A mask stays chosen, to be corrected further when the window was changed meanwhile.
            let masks = cx.app.selected().filter(|finding| finding.mask().is_some());
            cx.outbox
                .push(Effect::Select(masks.map(|mask| mask.id).collect()));
        }
    }

    fn drag(
        &mut self,
        point: DVec3,
        released: bool,
        dragged: bool,
        frame: &SliceFrame,
        seen: &Seen<'_>,
        cx: &mut PaneContext<'_>,
    ) {
        if let Some(held) = self.held.as_ref().filter(|_| dragged) {
            let label = match held.part {
                HeldPart::Handle(_) => "change",
                HeldPart::Whole => "move",
                HeldPart::Label => "move words of",
            };
            let changed = held.result(point);
            if let Some(finding) = cx.app.workspace.finding(held.id) {
                let label = format!("{label} {}", finding.name);
                let step = Step::of_group(label, held.group);
                put_shape(finding, changed, step, cx);
            }
        }
        if let Some(drawing) = self.drawing.as_mut().filter(|_| self.pressed_at.is_some()) {
            if released {
                drawing.release(point, dragged);
            } else if dragged {
                drawing.hover(point, true, STEP * frame.mm_per_point());
            }
            self.put(seen, cx);
        }
    }

    /// Puts what is drawn so far into the reader's work.
    fn put(&self, seen: &Seen<'_>, cx: &mut PaneContext<'_>) {
        let Some(drawing) = &self.drawing else {
            return;
        };
        let kind = drawing.kind();
        let step = || {
            Step::of_group(
                format!("draw {}", kind.name().to_lowercase()),
                drawing.group,
            )
        };
        let drawn = drawing.measurement();
        if let Some(finding) = cx.app.workspace.finding(drawing.id) {
            return put_shape(finding, drawn, step(), cx);
        }
        let alike = seen.findings().filter_map(Finding::measurement);
        let number = alike.filter(|other| other.kind == kind).count() + 1;
        let image = &seen.layer.image;
        let finding = Finding {
            id: drawing.id,
            time: seen.layer.time,
            colour: cx.app.workspace.next_colour(image),
            ..Finding::new(
                image,
                format!("{} {number}", kind.name()),
                Shape::Measurement(Box::new(drawn)),
            )
        };
        cx.outbox.step(Edit::add(finding), step());
    }

    /// Lets go of a drawing that is complete.
    fn finish(&mut self, cx: &mut PaneContext<'_>) {
        let Some(drawing) = self.drawing.take_if(|drawing| drawing.is_complete()) else {
            return;
        };
        if !drawing.is_worth_keeping() {
            return cx.outbox.push(Effect::CancelStep(drawing.group));
        }
        cx.outbox.push(Effect::Select(vec![drawing.id]));
        if drawing.kind().is_words() {
            let request = DialogRequest::Words(drawing.id);
            cx.outbox.push(Effect::Dialog(request));
        }
    }

    fn give_up(&mut self, cx: &mut PaneContext<'_>) {
        let drawing = self.drawing.take().map(|drawing| drawing.group);
        let held = self.held.take().map(|held| held.group);
        if let Some(group) = drawing.or(held) {
            cx.outbox.push(Effect::CancelStep(group));
        }
    }
}

/// Where an event presses the primary button.
fn press_of(event: &egui::Event) -> Option<Pos2> {
    match event {
        egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed: true,
            ..
        } => Some(*pos),
        _ => None,
    }
}

fn put_shape(finding: &Finding, drawn: Measurement, step: Step, cx: &mut PaneContext<'_>) {
    if finding.measurement() != Some(&drawn) {
        let changed = Finding {
            shape: Shape::Measurement(Box::new(drawn)),
            ..finding.clone()
        };
        cx.outbox.step(Edit::add(changed), step);
    }
}

/// What of the measurements is under the pointer.
fn hit_at(
    at: Pos2,
    frame: &SliceFrame,
    seen: &Seen<'_>,
    cx: &PaneContext<'_>,
) -> Option<MarkTarget> {
    let mut annotations = slice_overlay::annotations(cx.app, &frame.view, seen);
    // Handles can be taken hold of before they are drawn.
    for annotation in &mut annotations {
        annotation.chosen = true;
    }
    let marks = annotation_marks(&frame.view, frame.scale, &annotations);
    let picture = MarkFrame {
        projection: &frame.view,
        pixels_per_point: frame.scale,
    };
    hit(&marks, &picture, frame.pixel(at), REACH)
}

fn hold(
    id: FindingId,
    part: MarkPart,
    from: DVec3,
    frame: &SliceFrame,
    seen: &Seen<'_>,
    cx: &PaneContext<'_>,
) -> Option<Held> {
    let finding = cx.app.workspace.finding(id).filter(|f| !f.locked)?;
    let annotation = slice_overlay::annotation(cx.app, &frame.view, seen, finding)?;
    let picture = MarkFrame {
        projection: &frame.view,
        pixels_per_point: frame.scale,
    };
    let words = annotation.words_place(&frame.view);
    let words = words.and_then(|place| picture.pixel(&place));
    Some(Held {
        id,
        group: Step::group(),
        part: match part {
            MarkPart::Handle(handle) => HeldPart::Handle(handle as usize),
            MarkPart::Body => HeldPart::Whole,
            MarkPart::Label => HeldPart::Label,
        },
        before: finding.measurement()?.clone(),
        from,
        label_mm: words.map_or(from, |pixel| frame.view.patient_from_pixel(pixel)),
    })
}

/// Shows by the pointer's shape what a press would take hold of.
fn cursor(
    ui: &Ui,
    response: &Response,
    at: Pos2,
    frame: &SliceFrame,
    seen: &Seen<'_>,
    cx: &PaneContext<'_>,
) {
    if response.contains_pointer() {
        let part = hit_at(at, frame, seen, cx).map(|target| target.part);
        ui.set_cursor_icon(match part {
            Some(MarkPart::Handle(_)) => CursorIcon::Grab,
            Some(MarkPart::Body | MarkPart::Label) => CursorIcon::Move,
            None => CursorIcon::Crosshair,
        });
    }
}
