//! Where the slice lies among all, at the right edge of its view: dragged or clicked it goes there.

use egui::{Rect, Sense, Stroke, Ui, pos2, vec2};

use super::pane::PaneContext;
use super::theme;
use crate::app::Seen;
use m3d_imaging::geometry::Orientation;

/// From the upper and lower border to the ends of the slider, in points.
const ENDS: f32 = 44.0;
const WIDTH: f32 = 10.0;

/// Shows the slider in the view that fills `rect`; views too small for one have none.
pub fn show(
    ui: &Ui,
    rect: Rect,
    orientation: Orientation,
    seen: &Seen<'_>,
    cx: &mut PaneContext<'_>,
) {
    let (plane, slice, count) = seen.slice_position(orientation);
    if rect.height() < 4.0 * ENDS || count < 2 {
        return;
    }
    let track = Rect::from_min_max(
        pos2(rect.right() - WIDTH, rect.top() + ENDS),
        pos2(rect.right(), rect.bottom() - ENDS),
    );
    let response = ui.interact(track, ui.scope_id().with("slices"), Sense::click_and_drag());
    let name = format!("{} slices", orientation.name());
    response.widget_info(|| egui::WidgetInfo::slider(true, f64::from(slice + 1), &name));
    // The head, the left and the back are up, as slices are counted.
    if let Some(at) = response.interact_pointer_pos() {
        let share = ((track.bottom() - at.y) / track.height()).clamp(0.0, 1.0);
        let wanted = (share * (count - 1) as f32).round() as u32;
        let point = plane.point_on_slice(seen.grid(), seen.cursor_mm(), wanted);
        if wanted != slice {
            cx.outbox.look(seen.go_to(point));
        }
    }
    let y = egui::lerp(
        track.bottom()..=track.top(),
        slice as f32 / (count - 1) as f32,
    );
    let near = response.hovered() || response.dragged();
    let colour = if near {
        theme::ACCENT
    } else {
        theme::FAINT.gamma_multiply(0.5)
    };
    let x = track.center().x;
    ui.painter()
        .vline(x, track.y_range(), Stroke::new(1.0, colour));
    let thumb = Rect::from_center_size(pos2(x, y), vec2(WIDTH - 3.0, 4.0));
    ui.painter().rect_filled(thumb, 2.0, colour);
}
