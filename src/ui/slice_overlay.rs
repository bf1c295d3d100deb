//! What is drawn over a slice: the marks of what is shown.

use egui::Painter;

use super::paint_marks::{colour, paint_marks};
use super::slice_frame::SliceFrame;
use super::theme;
use crate::app::{Application, Finding, PatientBox, Seen, Shape, Subject};
use crate::render::overlay::{
    Annotation, BoxMark, CornerLine, CornerTexts, FAINT_TEXT, SliceOverlay, half_slice_mm,
    slice_lines, slice_marks, window_line,
};
use m3d_imaging::geometry::SliceView;
use m3d_imaging::volume::Window;
use m3d_imaging::wording::readable_date;

/// Draws everything that stands over the slice of `frame`.
pub fn draw(
    painter: &Painter,
    frame: &SliceFrame,
    app: &Application,
    seen: &Seen<'_>,
    show_handles: bool,
) {
    let marks = slice_marks(&SliceOverlay {
        view: frame.view,
        pixels_per_point: frame.scale,
        crosshair_mm: (app.screen.crosshair && app.screen.overlays).then(|| seen.cursor_mm()),
        boxes: boxes(app, seen, show_handles),
        annotations: annotations(app, &frame.view, seen),
        texts: if app.screen.overlays {
            slice_texts(app, frame, seen)
        } else {
            CornerTexts::default()
        },
        spacing: seen.image.series.stated.spacing,
        sides_known: seen.image.series.stated.side_known,
        notice: false,
    });
    paint_marks(painter, frame.rect, &marks, &frame.view);
}

/// The measurements of the image.
pub fn annotations(app: &Application, view: &SliceView, seen: &Seen<'_>) -> Vec<Annotation> {
    let shown = seen.findings().filter(|finding| finding.visible);
    let shown = shown.filter(|_| app.screen.overlays);
    shown
        .filter(|finding| finding.time == seen.layer.time)
        .filter_map(|finding| annotation(app, view, seen, finding))
        .collect()
}

/// A measurement as slices of a view's thickness show it.
pub fn annotation(
    app: &Application,
    view: &SliceView,
    seen: &Seen<'_>,
    finding: &Finding,
) -> Option<Annotation> {
    let drawn = finding.measurement()?;
    let words = app.measurement_words(finding, drawn, seen);
    let half_mm = half_slice_mm(&view.plane, seen.grid());
    finding.annotation(words, half_mm, app.is_selected(finding.id))
}

/// The boxes of the findings, and the reader's own over them.
pub fn boxes(app: &Application, seen: &Seen<'_>, show_handles: bool) -> Vec<BoxMark> {
    let mark = |found: &PatientBox, subject, shade, handles| BoxMark {
        grid: *seen.grid(),
        region: found.on(seen.grid()),
        colour: colour(shade),
        handles,
        words: app.box_words(subject, found, seen),
        id: None,
    };
    let found = seen.findings().filter(|f| f.visible && app.screen.overlays);
    let found = found.filter_map(|finding| match &finding.shape {
        Shape::Box(found) => {
            let colour = theme::finding_colour(finding.colour);
            Some(mark(found, Subject::Finding(finding.id), colour, false))
        }
        Shape::Mask(_) | Shape::Measurement(_) => None,
    });
    let image = &seen.layer.image;
    let own = app.workspace.regions.get(image);
    let own = own.map(|region| {
        let subject = Subject::Region(image.clone());
        mark(region, subject, theme::REGION, show_handles)
    });
    found.chain(own).collect()
}

fn slice_texts(app: &Application, frame: &SliceFrame, seen: &Seen<'_>) -> CornerTexts {
    let named = |text: String| {
        if app.screen.anonymous {
            String::new()
        } else {
            text
        }
    };
    let lines = [
        named(seen.record.patient.clone()),
        named(readable_date(&seen.record.study_date)),
        seen.record.description.clone(),
        time_line(seen),
    ];
    let zoom = seen.view.look.zoom;
    // A pixel of the image over how many of the screen; the smaller sides where they differ.
    let spacing = seen.grid().spacing_mm();
    let plane = &frame.view.plane;
    let side = spacing[plane.in_plane_axes[0]].min(spacing[plane.in_plane_axes[1]]);
    let scale = side / frame.view.mm_per_pixel;
    let fits = if (zoom - 1.0).abs() < 1e-6 {
        "Fit  "
    } else {
        ""
    };
    let zoom = CornerLine {
        text: format!("{fits}{:.0} %", scale * 100.0),
        colour: FAINT_TEXT,
    };
    CornerTexts {
        top_left: lines
            .into_iter()
            .filter(|line| !line.is_empty())
            .map(CornerLine::new)
            .collect(),
        top_right: slice_lines(
            seen.grid(),
            &frame.view,
            seen.image.series.stated.side_known,
        ),
        bottom_left: vec![zoom, window_text(seen)],
    }
}

/// The window, as uptake where that is known.
fn window_text(seen: &Seen<'_>) -> CornerLine {
    let Some(suv) = &seen.image.series.suv else {
        return window_line(seen.window(), seen.layer.invert);
    };
    let Window { centre, width } = seen.window();
    let [centre, width] = [centre, width].map(|v| suv.of(f64::from(v)) as f32);
    let mut line = window_line(Window { centre, width }, seen.layer.invert);
    line.text = format!("{}  {}", line.text, suv.kind);
    line
}

/// Which time point is on screen, and which one is being read; empty where there is one.
fn time_line(seen: &Seen<'_>) -> String {
    let (shown, count) = (seen.layer.time + 1, seen.record.times);
    let wanted = seen.view.base().map_or(shown, |base| base.time + 1);
    match count {
        0 | 1 => String::new(),
        _ if wanted == shown => format!("Time {shown}/{count}"),
        _ => format!("Time {shown}/{count}, reading {wanted}/{count}…"),
    }
}
