//! Letters at the borders, words in the corners, the scale bar, the notice.

use glam::DVec2;

use super::{CornerLine, CornerTexts, TEXT, TEXT_SIZE, plane_colour};
use crate::render::RESEARCH_NOTICE;
use crate::render::font::text_size;
use crate::render::marks::{Colour, Mark, MarkShape, Place};
use m3d_imaging::geometry::{SliceView, VoxelGrid, direction_letters, signed_letters};
use m3d_imaging::volume::{Spacing, Window};

/// From line to line, in points.
pub(super) const PITCH: f64 = 16.0;
/// Between the picture's border and what stands at it, in points.
pub(super) const MARGIN: f64 = 8.0;
/// Between words side by side, in points.
const APART: f64 = 8.0;
/// The smallest letters the research notice is shrunk to, in points.
const SMALLEST_NOTICE: f64 = 6.0;

/// How much can stand where, in points.
pub(super) struct Room {
    pub(super) size: DVec2,
    /// Taken by the notice at the bottom.
    pub(super) bottom: f64,
    /// Lines of words that fit above the letter in the middle of the left border, and below it.
    pub(super) lines: [usize; 2],
    /// The widest words in a corner: up to the letters in the middle of the upper and lower borders.
    width: f64,
}

impl Room {
    pub(super) fn new(size: DVec2, notice: bool) -> Self {
        let bottom = if notice { PITCH } else { 0.0 };
        let lines = |taken: f64| ((size.y - PITCH) / 2.0 - MARGIN - taken).max(0.0) / PITCH;
        let letters = text_size("HAL", TEXT_SIZE).x;
        Self {
            size,
            bottom,
            lines: [lines(0.0) as usize, lines(bottom) as usize],
            width: (size.x - letters) / 2.0 - MARGIN - APART,
        }
    }
}

/// Words in the usual size.
pub(super) fn words(at: Place, align: [f64; 2], text: impl Into<String>, colour: Colour) -> Mark {
    Mark {
        shape: MarkShape::Text {
            at,
            align: DVec2::from_array(align),
            text: text.into(),
            size: TEXT_SIZE,
        },
        colour,
        target: None,
    }
}

/// The letters of the patient directions the borders lie in.
pub(super) fn edge_letters(marks: &mut Vec<Mark>, view: &SliceView, room: &Room) {
    let plane = &view.plane;
    let [above, below] = room.lines.map(|lines| lines > 0);
    let beside = (room.size.y - PITCH) / 2.0 >= room.bottom;
    let (right, left) = (Place::picture(1.0, 0.5), Place::picture(0.0, 0.5));
    let (bottom, top) = (Place::picture(0.5, 1.0), Place::picture(0.5, 0.0));
    let lower = -MARGIN - room.bottom;
    for (fits, place, align, direction) in [
        (beside, right.moved(-MARGIN, 0.0), [1.0, 0.5], plane.right),
        (beside, left.moved(MARGIN, 0.0), [0.0, 0.5], -plane.right),
        (below, bottom.moved(0.0, lower), [0.5, 1.0], plane.down),
        (above, top.moved(0.0, MARGIN), [0.5, 0.0], -plane.down),
    ] {
        if fits {
            marks.push(words(place, align, direction_letters(direction), TEXT));
        }
    }
}

/// The words in the corners, as far as there is room.
pub(super) fn corner_texts(marks: &mut Vec<Mark>, texts: &CornerTexts, room: &Room) {
    let [above, below] = room.lines;
    for (lines, x, inwards) in [
        (&texts.top_left, 0.0, MARGIN),
        (&texts.top_right, 1.0, -MARGIN),
    ] {
        let mut down = MARGIN;
        for line in lines.iter().take(above) {
            let at = Place::picture(x, 0.0).moved(inwards, down);
            down += PITCH;
            let fitting = shortened_to(&line.text, room.width);
            marks.extend(fitting.map(|text| words(at, [x, 0.0], text, line.colour)));
        }
    }
    let mut up = -MARGIN - room.bottom;
    for line in texts.bottom_left.iter().rev().take(below) {
        let at = Place::picture(0.0, 1.0).moved(MARGIN, up);
        up -= PITCH;
        let fitting = shortened_to(&line.text, room.width);
        marks.extend(fitting.map(|text| words(at, [0.0, 1.0], text, line.colour)));
    }
}

/// The text, its end cut off where it is wider than `width` points; `None` where next to nothing fits.
fn shortened_to(text: &str, width: f64) -> Option<String> {
    const LEAST: usize = 3;
    if text.is_empty() || text_size(text, TEXT_SIZE).x <= width {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.len() > LEAST {
        kept.pop();
        let shorter = format!("{}…", String::from_iter(&kept).trim_end());
        if text_size(&shorter, TEXT_SIZE).x <= width {
            return Some(shorter);
        }
    }
    None
}

/// The longest scale bar, as a share of the picture's width.
const LONGEST_BAR: f64 = 0.3;

/// A bar of a round length in mm, with its length above it.
pub(super) fn scale_bar(marks: &mut Vec<Mark>, mm_per_point: f64, spacing: Spacing, room: &Room) {
    let length_mm = scale_bar_mm((room.size.x - 2.0 * MARGIN) * mm_per_point);
    let length = length_mm / mm_per_point;
    let text = length_text(length_mm, spacing);
    let text_width = text_size(&text, TEXT_SIZE).x;
    if room.lines[1] < 2 || length.max(text_width) > room.width {
        return;
    }
    let at = |x: f64, y: f64| Place::picture(1.0, 1.0).moved(x - MARGIN, y - MARGIN - room.bottom);
    let ends = vec![
        at(-length, -5.0),
        at(-length, 0.0),
        at(0.0, 0.0),
        at(0.0, -5.0),
    ];
    marks.push(Mark {
        shape: MarkShape::Line {
            points: ends,
            closed: false,
            width: 1.5,
            rim: true,
        },
        colour: TEXT,
        target: None,
    });
    let (x, align) = if text_width > length {
        (0.0, 1.0)
    } else {
        (-length / 2.0, 0.5)
    };
    marks.push(words(at(x, -7.0), [align, 1.0], text, TEXT));
}

/// The length in mm of the scale bar in a picture as wide as `width_mm`: the longest of 1, 2 and 5 times
/// a power of ten that takes at most three tenths of it.
fn scale_bar_mm(width_mm: f64) -> f64 {
    let most = (width_mm * LONGEST_BAR).max(1e-6);
    let decade = 10_f64.powf(most.log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|n| n * decade)
        .find(|&length| length <= most)
        .unwrap_or(decade)
}

/// A round length as a scale bar says it: in cm from 10 mm on. Where pixels have no size, one is as long as a mm is drawn.
fn length_text(length_mm: f64, spacing: Spacing) -> String {
    match spacing {
        Spacing::Patient | Spacing::Detector if length_mm >= 10.0 => {
            let unit = spacing.unit().replacen("mm", "cm", 1);
            format!("{} {unit}", length_mm / 10.0)
        }
        _ => format!("{length_mm} {}", spacing.unit()),
    }
}

/// The research notice along the lower border, in smaller letters where the picture is narrow.
pub(super) fn notice(room: &Room) -> Mark {
    let width = text_size(RESEARCH_NOTICE, TEXT_SIZE).x;
    let shrunk = TEXT_SIZE * ((room.size.x - MARGIN) / width).min(1.0);
    Mark {
        shape: MarkShape::Text {
            at: Place::picture(0.5, 1.0).moved(0.0, -MARGIN / 2.0),
            align: DVec2::new(0.5, 1.0),
            text: RESEARCH_NOTICE.into(),
            size: shrunk.max(SMALLEST_NOTICE),
        },
        colour: TEXT,
        target: None,
    }
}

/// The name of a slice's plane with its number among those of a grid, and, where sides are known, on which it lies.
pub fn slice_lines(grid: &VoxelGrid, view: &SliceView, sides_known: bool) -> Vec<CornerLine> {
    let plane = &view.plane;
    let slice = plane.slice_of(grid, view.centre_mm) + 1;
    let (name, count) = (plane.orientation.name(), plane.slice_count(grid));
    let along_mm = view.centre_mm.dot(plane.normal);
    let place = format!("{} mm", signed_letters(plane.normal, along_mm));
    let title = CornerLine {
        text: format!("{name} {slice}/{count}"),
        colour: plane_colour(plane.orientation),
    };
    let place = sides_known.then(|| CornerLine::new(place));
    std::iter::once(title).chain(place).collect()
}

/// A window as readers write it.
pub fn window_line(window: Window, invert: bool) -> CornerLine {
    let [width, centre] = [window.width, window.centre].map(figure);
    let inverted = if invert { "  inverted" } else { "" };
    CornerLine::new(format!("W {width} C {centre}{inverted}"))
}

/// A number with as many decimals as its size wants.
pub fn figure(value: f32) -> String {
    match value.abs() {
        v if v >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_round_lengths() {
        assert_eq!(scale_bar_mm(500.0), 100.0);
        assert_eq!(scale_bar_mm(100.0), 20.0);
        assert_eq!(scale_bar_mm(1.0), 0.2);
        assert_eq!(length_text(100.0, Spacing::Patient), "10 cm");
        assert_eq!(length_text(0.2, Spacing::Patient), "0.2 mm");
        assert_eq!(length_text(5.0, Spacing::Detector), "5 mm at the detector");
        assert_eq!(length_text(200.0, Spacing::Unknown), "200 px");
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(figure(-600.0), "-600");
        assert_eq!(figure(12.345), "12.3");
        assert_eq!(figure(0.0625), "0.062");
    }

    #[test]
    fn long_words_end_in_dots_and_tiny_room_has_none() {
        let long = "CT Abdomen portal venous, thin slices";
        let shorter = shortened_to(long, 100.0).unwrap();
        assert!(shorter.ends_with('…') && long.starts_with(shorter.trim_end_matches('…')));
        let width = text_size(&shorter, TEXT_SIZE).x;
        assert!((80.0..=100.0).contains(&width), "{width}");
        assert_eq!(shortened_to("W 400", 100.0).as_deref(), Some("W 400"));
        assert_eq!(shortened_to(long, 12.0), None);
        assert_eq!(shortened_to("", 100.0), None);
    }
}
