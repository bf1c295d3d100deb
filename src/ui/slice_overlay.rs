//! What is drawn over a slice: crosshair, boxes, letters, corner text and the scale bar.

use egui::{Align2, Color32, Painter, Pos2, Rect, Stroke, StrokeKind, pos2, vec2};

use super::slice_frame::{SliceFrame, rect_between};
use super::theme;
use crate::app::{Seen, Shape, shortened};
use crate::render::annotate::{length_text, scale_bar_mm};
use m3d_imaging::geometry::{Orientation, VoxelBox, direction_letters, signed_letters};

const MARGIN: f32 = 8.0;
/// How far from its point the crosshair's lines begin, in points.
const GAP: f32 = 10.0;
/// The radius of a box's handles, in points.
pub const HANDLE: f32 = 4.0;

/// Draws everything that stands over the slice of `frame`.
pub fn draw(painter: &Painter, frame: &SliceFrame, seen: &Seen<'_>, show_handles: bool) {
    crosshair(painter, frame, seen);
    for finding in seen.findings().filter(|f| f.visible) {
        if let Shape::Box(found) = &finding.shape {
            let colour = theme::finding_colour(finding.colour);
            draw_box(painter, frame, seen, &found.on(seen.grid()), colour, false);
        }
    }
    if let Some(region) = &seen.region() {
        draw_box(painter, frame, seen, region, theme::REGION, show_handles);
    }
    edge_letters(painter, frame);
    corner_text(painter, frame, seen);
    scale_bar(painter, frame);
}

/// The lines of the two other planes, each in its own colour, with a gap around the point.
fn crosshair(painter: &Painter, frame: &SliceFrame, seen: &Seen<'_>) {
    let at = frame.screen_from_patient(seen.cursor_mm());
    let (vertical, horizontal) = match frame.view.plane.orientation {
        Orientation::Axial => (Orientation::Sagittal, Orientation::Coronal),
        Orientation::Sagittal => (Orientation::Coronal, Orientation::Axial),
        Orientation::Coronal => (Orientation::Sagittal, Orientation::Axial),
    };
    let rect = frame.rect;
    let stroke = |plane| Stroke::new(1.0, theme::plane_colour(plane).gamma_multiply(0.75));
    let lines = [
        (pos2(at.x, rect.top()), pos2(at.x, at.y - GAP), vertical),
        (pos2(at.x, at.y + GAP), pos2(at.x, rect.bottom()), vertical),
        (pos2(rect.left(), at.y), pos2(at.x - GAP, at.y), horizontal),
        (pos2(at.x + GAP, at.y), pos2(rect.right(), at.y), horizontal),
    ];
    for (from, to, plane) in lines {
        if from.x <= to.x && from.y <= to.y {
            painter.line_segment([from, to], stroke(plane));
        }
    }
}

/// The outline of a box where it cuts the slice; fainter where the slice misses it.
fn draw_box(
    painter: &Painter,
    frame: &SliceFrame,
    seen: &Seen<'_>,
    voxel_box: &VoxelBox,
    colour: Color32,
    handles: bool,
) {
    let rect = box_on_screen(frame, seen, voxel_box);
    let normal = frame.view.plane.normal_axis;
    let grid = seen.grid();
    let slice = grid.voxel_from_patient().transform_point3(seen.cursor_mm())[normal];
    let cut = slice >= voxel_box.min[normal] && slice <= voxel_box.max[normal];
    let stroke = if cut {
        Stroke::new(1.8, colour)
    } else {
        Stroke::new(1.0, colour.gamma_multiply(0.45))
    };
    painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Middle);
    if handles {
        for at in handle_positions(rect) {
            painter.circle_filled(at, HANDLE - 0.5, colour);
        }
    }
}

/// The rectangle of a box on the screen.
pub fn box_on_screen(frame: &SliceFrame, seen: &Seen<'_>, voxel_box: &VoxelBox) -> Rect {
    let [a, b] = voxel_box.patient_corners(seen.grid());
    rect_between(frame.screen_from_patient(a), frame.screen_from_patient(b))
}

/// The corners, the middles of the sides and the middle of a rectangle.
fn handle_positions(rect: Rect) -> [Pos2; 9] {
    [
        rect.left_top(),
        rect.center_top(),
        rect.right_top(),
        rect.left_center(),
        rect.center(),
        rect.right_center(),
        rect.left_bottom(),
        rect.center_bottom(),
        rect.right_bottom(),
    ]
}

/// Text with a dark rim, readable over black and white.
pub fn rimmed_text(painter: &Painter, at: Pos2, align: Align2, text: &str, colour: Color32) {
    let font = theme::overlay_font();
    for offset in [
        vec2(1.0, 1.0),
        vec2(-1.0, 1.0),
        vec2(1.0, -1.0),
        vec2(-1.0, -1.0),
    ] {
        let rim = Color32::from_black_alpha(200);
        painter.text(at + offset, align, text, font.clone(), rim);
    }
    painter.text(at, align, text, font, colour);
}

fn edge_letters(painter: &Painter, frame: &SliceFrame) {
    let (rect, plane) = (frame.rect.shrink(MARGIN), &frame.view.plane);
    let edges = [
        (rect.right_center(), Align2::RIGHT_CENTER, plane.right),
        (rect.left_center(), Align2::LEFT_CENTER, -plane.right),
        (rect.center_bottom(), Align2::CENTER_BOTTOM, plane.down),
        (rect.center_top(), Align2::CENTER_TOP, -plane.down),
    ];
    for (at, align, direction) in edges {
        rimmed_text(
            painter,
            at,
            align,
            &direction_letters(direction),
            theme::OVERLAY_TEXT,
        );
    }
}

fn corner_text(painter: &Painter, frame: &SliceFrame, seen: &Seen<'_>) {
    let rect = frame.rect.shrink(MARGIN);
    let orientation = frame.view.plane.orientation;
    let (plane, slice, count) = seen.slice_position(orientation);
    let along = frame.view.centre_mm.dot(plane.normal);
    // A small view has no room for all of it.
    let roomy = rect.width() > 300.0 && rect.height() > 200.0;
    let title = format!("{} {}/{}", orientation.name(), slice + 1, count);
    let colour = theme::plane_colour(orientation);
    rimmed_text(painter, rect.right_top(), Align2::RIGHT_TOP, &title, colour);
    let position = format!("{} mm", signed_letters(plane.normal, along));
    let below = rect.right_top() + vec2(0.0, 16.0);
    rimmed_text(
        painter,
        below,
        Align2::RIGHT_TOP,
        &position,
        theme::OVERLAY_TEXT,
    );
    if roomy {
        let lines = [
            seen.record.patient.clone(),
            readable_date(&seen.record.study_date),
            seen.record.description.clone(),
        ];
        let mut at = rect.left_top();
        for line in lines.iter().filter(|l| !l.is_empty()) {
            rimmed_text(
                painter,
                at,
                Align2::LEFT_TOP,
                &shortened(line, 40),
                theme::OVERLAY_TEXT,
            );
            at.y += 16.0;
        }
    }
    let zoom = seen.view.look.zoom;
    let lower = format!(
        "W {} C {}{}",
        figure(seen.window().width),
        figure(seen.window().centre),
        if seen.layer.invert { "  inverted" } else { "" }
    );
    let mut at = rect.left_bottom();
    rimmed_text(
        painter,
        at,
        Align2::LEFT_BOTTOM,
        &lower,
        theme::OVERLAY_TEXT,
    );
    if roomy {
        at.y -= 16.0;
        let zoom = format!("Zoom {:.0} %", zoom * 100.0);
        rimmed_text(
            painter,
            at,
            Align2::LEFT_BOTTOM,
            &zoom,
            theme::OVERLAY_FAINT,
        );
    }
}

/// A bar of a round length in mm.
fn scale_bar(painter: &Painter, frame: &SliceFrame) {
    let rect = frame.rect.shrink(MARGIN);
    let length_mm = scale_bar_mm(f64::from(rect.width()), frame.mm_per_point());
    let length = (length_mm / frame.mm_per_point()) as f32;
    let end = rect.right_bottom() - vec2(0.0, 4.0);
    let start = end - vec2(length, 0.0);
    for (width, colour) in [
        (4.0, Color32::from_black_alpha(180)),
        (1.5, theme::OVERLAY_TEXT),
    ] {
        let stroke = Stroke::new(width, colour);
        painter.line_segment([start, end], stroke);
        for tick in [start, end] {
            painter.line_segment([tick - vec2(0.0, 4.0), tick + vec2(0.0, 3.0)], stroke);
        }
    }
    let text = length_text(length_mm);
    let middle = start.lerp(end, 0.5) - vec2(0.0, 6.0);
    rimmed_text(
        painter,
        middle,
        Align2::CENTER_BOTTOM,
        &text,
        theme::OVERLAY_TEXT,
    );
}

/// A number with as many decimals as its size wants.
pub fn figure(value: f32) -> String {
    match value.abs() {
        v if v >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// DICOM's YYYYMMDD as YYYY-MM-DD; anything else as it is.
pub fn readable_date(date: &str) -> String {
    if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) {
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    } else {
        date.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_figures_are_readable() {
        assert_eq!(readable_date("20221208"), "2022-12-08");
        assert_eq!(readable_date("Dec 8"), "Dec 8");
        assert_eq!(figure(-600.0), "-600");
        assert_eq!(figure(0.0625), "0.062");
    }
}
