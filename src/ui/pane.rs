//! One view of the window: a slice, a volume, or the room for one.

use std::collections::HashMap;

use egui::{Align2, FontId, Popup, Rect, Response, Sense, Ui, Vec2, pos2, vec2};
use glam::DVec3;

use super::canvas::Painters;
use super::command_ui;
use super::slice_pane::SlicePane;
use super::theme;
use super::volume_pane::VolumePane;
use super::{slice_slider, window_choice};
use crate::app::jobs::LoadImage;
use crate::app::{Application, Command, Effect, Layer, Outbox, Seen, View, ViewId, ViewKind};
use crate::render::LabelStyle;

/// The room of the plane's name in the corner of a view, in points.
const NAME_SIZE: Vec2 = vec2(96.0, 22.0);

/// What every view is given to draw.
pub struct PaneContext<'a> {
    /// The application, to be read.
    pub app: &'a Application,
    /// The view.
    pub id: ViewId,
    /// The renderers; none where there is no adapter.
    pub painters: Option<&'a Painters>,
    /// How masks are drawn, by label.
    pub labels: &'a [LabelStyle],
    /// Where the pointer is in the patient; written by the view it is in.
    pub pointer: &'a mut Option<(ViewId, DVec3)>,
    /// The base layer that each view last drew.
    pub drawn: &'a mut HashMap<ViewId, Layer>,
    /// What the reader wishes for.
    pub outbox: &'a mut Outbox,
}

/// What survives from frame to frame of one view.
pub enum Pane {
    /// A slice.
    Slice(Box<SlicePane>),
    /// The volume.
    Volume(Box<VolumePane>),
}

impl Pane {
    /// A pane of a kind.
    pub fn new(kind: ViewKind) -> Self {
        match kind {
            ViewKind::Slice(orientation) => Self::Slice(Box::new(SlicePane::new(orientation))),
            ViewKind::Volume => Self::Volume(Box::default()),
        }
    }

    /// What kind of view it draws.
    pub const fn kind(&self) -> ViewKind {
        match self {
            Self::Slice(pane) => ViewKind::Slice(pane.orientation()),
            Self::Volume(_) => ViewKind::Volume,
        }
    }

    /// Shows the view in all of `ui`.
    pub fn show(&mut self, ui: &mut Ui, view: &View, cx: &mut PaneContext<'_>) -> Response {
        let rect = ui.available_rect_before_wrap();
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let name = format!("{} view", view.kind.name());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
        let app = cx.app;
        let earlier = time_on_screen(app, view, cx);
        let earlier = earlier.as_ref();
        let seen = app.seen(cx.id);
        let Some(seen) = seen.or_else(|| app.seen_at(cx.id, earlier?)) else {
            ui.painter_at(rect)
                .rect_filled(rect, 0.0, theme::VIEW_BACKGROUND);
            let text = absence(app, view);
            let font = FontId::proportional(14.0);
            ui.painter_at(rect).text(
                rect.center(),
                Align2::CENTER_CENTER,
                text,
                font,
                theme::FAINT,
            );
            return response;
        };
        if response.double_clicked() && !app.tool.draws() {
            cx.outbox.push(Effect::Activate(cx.id));
            cx.outbox.run(Command::Maximise);
        }
        match self {
            Self::Slice(pane) => pane.show(ui, &response, &seen, cx),
            Self::Volume(pane) => pane.show(ui, &response, &seen, cx),
        }
        plane_choice(ui, rect, view.kind, cx);
        if let ViewKind::Slice(orientation) = view.kind {
            slice_slider::show(ui, rect, orientation, &seen, cx);
            window_choice::show(ui, rect, &seen, cx);
        }
        response.context_menu(|ui| menu(ui, &seen, cx));
        response
    }
}

/// The base with the time point that stays on screen while the wanted one is read; notes which one is here.
fn time_on_screen(app: &Application, view: &View, cx: &mut PaneContext<'_>) -> Option<Layer> {
    let base = view.base()?;
    if app.seen(cx.id).is_some() {
        cx.drawn.insert(cx.id, base.clone());
        return None;
    }
    let before = cx.drawn.get(&cx.id)?;
    (before.image == base.image).then(|| Layer {
        time: before.time,
        ..base.clone()
    })
}

/// Why a view shows nothing.
fn absence(app: &Application, view: &View) -> String {
    let Some(layer) = view.base() else {
        let arriving = app.arrival_text();
        return arriving.unwrap_or_else(|| "Drag a series here, or double-click one".into());
    };
    let source = app.resources.source(&layer.image);
    let loading =
        source.is_some_and(|series| app.jobs.goes_on(&LoadImage::slot_of(series, layer.time)));
    if loading {
        "Loading…".into()
    } else {
        "This image is not here. Open the folder or file it is in.".into()
    }
}

/// The name of the plane in the corner is a menu of all of them.
fn plane_choice(ui: &Ui, rect: Rect, kind: ViewKind, cx: &mut PaneContext<'_>) {
    let corner = Rect::from_min_max(
        pos2(rect.right() - NAME_SIZE.x, rect.top()),
        pos2(rect.right(), rect.top() + NAME_SIZE.y),
    );
    let name = ui.interact(
        corner.intersect(rect),
        ui.scope_id().with("plane"),
        Sense::click(),
    );
    let label = format!("Plane: {}", kind.name());
    name.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
    if name.clicked() {
        cx.outbox.push(Effect::Activate(cx.id));
    }
    let name = name.on_hover_cursor(egui::CursorIcon::PointingHand);
    Popup::menu(&name).show(|ui| planes(ui, cx));
}

fn planes(ui: &mut Ui, cx: &mut PaneContext<'_>) {
    for kind in ViewKind::ALL {
        command_ui::entry(ui, cx.app, Command::Plane(kind), cx.outbox);
    }
}

/// What a right click offers.
fn menu(ui: &mut Ui, seen: &Seen<'_>, cx: &mut PaneContext<'_>) {
    ui.menu_button("Window", |ui| {
        for command in command_ui::window_commands(seen) {
            command_ui::entry(ui, cx.app, command, cx.outbox);
        }
    });
    ui.menu_button("Plane", |ui| planes(ui, cx));
    for command in [Command::Invert, Command::ResetView, Command::Maximise] {
        command_ui::entry(ui, cx.app, command, cx.outbox);
    }
    ui.separator();
    for command in [Command::Describe, Command::ClearBox, Command::Report] {
        command_ui::entry(ui, cx.app, command, cx.outbox);
    }
    ui.separator();
    for command in [Command::Undo, Command::Redo] {
        command_ui::entry(ui, cx.app, command, cx.outbox);
    }
}
