//! Marks and words on pictures that leave the program.

use font8x8::UnicodeFonts as _;
use glam::DVec2;

use super::{Picture, RESEARCH_NOTICE};
use m3d_imaging::geometry::{SliceView, direction_letters};

/// The side of a character's cell in dots.
const CELL: u32 = 8;

/// The colour of words.
pub const INK: [u8; 3] = [236, 236, 230];

/// The shade under words and lines, so that they are read on any grey.
const SHADE: [u8; 3] = [0, 0, 0];

/// The size at which a picture's words are set: dots per dot of the font.
pub fn text_scale(picture: &Picture) -> u32 {
    (picture.width.min(picture.height) / 360).clamp(1, 6)
}

/// The width of a text in pixels.
pub fn text_width(text: &str, scale: u32) -> u32 {
    text.chars().count() as u32 * CELL * scale
}

/// Writes a text with its top left corner at (x, y), shaded, `scale` pixels to a dot. What does not
/// fit is cut off; characters the font lacks become `?`.
pub fn text(picture: &mut Picture, x: i64, y: i64, text: &str, scale: u32, colour: [u8; 3]) {
    let scale = i64::from(scale.max(1));
    for (offset, ink) in [(scale.min(2), SHADE), (0, colour)] {
        for (n, character) in (0_i64..).zip(text.chars()) {
            let left = x + n * i64::from(CELL) * scale + offset;
            glyph(picture, left, y + offset, character, scale, ink);
        }
    }
}

fn glyph(picture: &mut Picture, x: i64, y: i64, character: char, scale: i64, ink: [u8; 3]) {
    let fonts = font8x8::BASIC_FONTS;
    let rows = fonts
        .get(character)
        .or_else(|| font8x8::LATIN_FONTS.get(character))
        .or_else(|| fonts.get('?'))
        .unwrap_or_default();
    for (row, bits) in (0_i64..).zip(rows) {
        for column in 0..i64::from(CELL) {
            if bits >> column & 1 == 1 {
                block(
                    picture,
                    x + column * scale,
                    y + row * scale,
                    scale,
                    scale,
                    ink,
                );
            }
        }
    }
}

/// Fills a rectangle, as far as it is on the picture.
fn block(picture: &mut Picture, x: i64, y: i64, width: i64, height: i64, ink: [u8; 3]) {
    let span = |from: i64, length: i64, size: u32| {
        let held = |at: i64| at.clamp(0, i64::from(size)) as u32;
        held(from)..held(from.saturating_add(length))
    };
    for py in span(y, height, picture.height) {
        for px in span(x, width, picture.width) {
            picture.set_pixel(px, py, ink);
        }
    }
}

/// The longest scale bar, as a share of the picture's width.
const LONGEST_BAR: f64 = 0.3;

/// The length in mm of the scale bar of a picture: the longest of 1, 2 and 5 times a power of ten
/// that takes at most three tenths of its width.
pub fn scale_bar_mm(width_px: f64, mm_per_pixel: f64) -> f64 {
    let most = (width_px * mm_per_pixel * LONGEST_BAR).max(1e-6);
    let decade = 10_f64.powf(most.log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|n| n * decade)
        .find(|&length| length <= most)
        .unwrap_or(decade)
}

/// A round length as a scale bar says it: in cm from 10 mm on.
pub fn length_text(length_mm: f64) -> String {
    if length_mm >= 10.0 {
        format!("{} cm", length_mm / 10.0)
    } else {
        format!("{length_mm} mm")
    }
}

/// What every exported slice says: the letters of its four edges, the plane's name, a scale bar in
/// mm, `lines` of text under the name (series, slice, window), and the research notice.
pub fn slice_annotations(picture: &mut Picture, view: &SliceView, lines: &[String]) {
    let scale = text_scale(picture);
    let (width, height) = (i64::from(picture.width), i64::from(picture.height));
    let cell = i64::from(CELL * scale);
    let margin = cell / 2;

    let plane = &view.plane;
    let letters = |direction| direction_letters(direction);
    let middle = height / 2 - cell / 2;
    let across = |word: &str| i64::from(text_width(word, scale));
    let (left, right) = (letters(-plane.right), letters(plane.right));
    let (up, down) = (letters(-plane.down), letters(plane.down));
    text(picture, margin, middle, &left, scale, INK);
    text(
        picture,
        width - margin - across(&right),
        middle,
        &right,
        scale,
        INK,
    );
    text(picture, (width - across(&up)) / 2, margin, &up, scale, INK);
    // Above the notice, which takes the last line.
    let last_line = height - margin - cell;
    let above = last_line - cell - margin;
    text(
        picture,
        (width - across(&down)) / 2,
        above,
        &down,
        scale,
        INK,
    );

    text(
        picture,
        margin,
        margin,
        plane.orientation.name(),
        scale,
        INK,
    );
    for (n, line) in (1_i64..).zip(lines) {
        text(
            picture,
            margin,
            margin + n * (cell + margin / 2),
            line,
            scale,
            INK,
        );
    }

    let bar_mm = scale_bar_mm(f64::from(picture.width), view.mm_per_pixel);
    let bar_px = (bar_mm / view.mm_per_pixel).round() as i64;
    let word = length_text(bar_mm);
    let thick = i64::from(scale);
    let (bar_x, bar_y) = (width - margin - bar_px, above + cell - thick);
    for (offset, ink) in [(thick.min(2), SHADE), (0, INK)] {
        let (x, y) = (bar_x + offset, bar_y + offset);
        block(picture, x, y, bar_px, thick, ink);
        block(picture, x, y - 2 * thick, thick, 3 * thick, ink);
        block(
            picture,
            x + bar_px - thick,
            y - 2 * thick,
            thick,
            3 * thick,
            ink,
        );
    }
    text(
        picture,
        width - margin - across(&word),
        bar_y - cell - 3 * thick,
        &word,
        scale,
        INK,
    );
    research_notice(picture);
}

/// Writes the research notice along the lower edge, smaller where the picture is narrow.
pub fn research_notice(picture: &mut Picture) {
    let mut scale = text_scale(picture);
    while scale > 1 && text_width(RESEARCH_NOTICE, scale) > picture.width {
        scale -= 1;
    }
    let cell = i64::from(CELL * scale);
    let x = (i64::from(picture.width) - i64::from(text_width(RESEARCH_NOTICE, scale))) / 2;
    let y = i64::from(picture.height) - cell / 2 - cell;
    text(picture, x.max(0), y, RESEARCH_NOTICE, scale, INK);
}

/// Draws line segments in pixel positions ((0, 0) is the top left corner), such as the edges of a box,
/// shaded, as thick as the picture's words.
pub fn draw_box(picture: &mut Picture, edges: &[[DVec2; 2]], colour: [u8; 3]) {
    let thick = i64::from(text_scale(picture));
    for (offset, ink) in [(1, SHADE), (0, colour)] {
        for edge in edges {
            segment(picture, *edge, offset, thick, ink);
        }
    }
}

fn segment(picture: &mut Picture, edge: [DVec2; 2], offset: i64, thick: i64, ink: [u8; 3]) {
    let Some([a, b]) = clipped(edge, picture) else {
        return;
    };
    let steps = (b - a).abs().max_element().ceil().max(1.0) as u32;
    for n in 0..=steps {
        let at = a.lerp(b, f64::from(n) / f64::from(steps)).floor();
        let half = thick / 2;
        let (x, y) = (at.x as i64 - half + offset, at.y as i64 - half + offset);
        block(picture, x, y, thick, thick, ink);
    }
}

/// The part of a segment on the picture or close to it (Liang and Barsky 1984); `None` when there is
/// none or it is not finite.
fn clipped([a, b]: [DVec2; 2], picture: &Picture) -> Option<[DVec2; 2]> {
    const SLACK: f64 = 16.0;
    if !a.is_finite() || !b.is_finite() {
        return None;
    }
    let size = DVec2::new(f64::from(picture.width), f64::from(picture.height));
    let way = b - a;
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for axis in 0..2 {
        let (low, high) = (-SLACK - a[axis], size[axis] + SLACK - a[axis]);
        if way[axis].abs() < 1e-9 {
            if low > 0.0 || high < 0.0 {
                return None;
            }
            continue;
        }
        let (s, t) = (low / way[axis], high / way[axis]);
        from = from.max(s.min(t));
        to = to.min(s.max(t));
    }
    (from <= to).then(|| [a + way * from, a + way * to])
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3, UVec3};

    use super::*;
    use m3d_imaging::geometry::{Orientation, SlicePlane, VoxelGrid};

    fn lit(picture: &Picture, x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> usize {
        y.flat_map(|y| x.clone().map(move |x| (x, y)))
            .filter(|&(x, y)| picture.pixel(x, y).is_some_and(|p| p[0] > 200))
            .count()
    }

    #[test]
    fn slices_wear_letters_a_bar_and_the_notice() {
        let grid = VoxelGrid::new(UVec3::splat(64), DAffine3::IDENTITY).unwrap();
        let plane = SlicePlane::new(&grid, Orientation::Axial);
        let view = SliceView::fit(&grid, plane, DVec3::splat(32.0), DVec2::new(400.0, 300.0));
        let mut picture = Picture::filled(400, 300, [128; 3]);
        slice_annotations(&mut picture, &view, &["Slice 3".into()]);
        assert!(lit(&picture, 0..14, 140..160) > 5, "R on the left");
        assert!(lit(&picture, 386..400, 140..160) > 5, "L on the right");
        assert!(lit(&picture, 190..210, 0..14) > 5, "A above");
        assert!(lit(&picture, 60..340, 286..300) > 200, "the notice below");
        let bar = scale_bar_mm(400.0, view.mm_per_pixel) / view.mm_per_pixel;
        let y = 300 - 4 - 8 - 4 - 1;
        let along = (0..400).filter(|&x| picture.pixel(x, y).is_some_and(|p| p[0] > 200));
        assert_eq!(along.count() as f64, bar.round());
    }

    #[test]
    fn bars_have_round_lengths() {
        assert_eq!(scale_bar_mm(1000.0, 0.5), 100.0);
        assert_eq!(scale_bar_mm(1000.0, 0.1), 20.0);
        assert_eq!(scale_bar_mm(10.0, 0.1), 0.2);
    }

    #[test]
    fn lines_from_far_outside_are_cut_not_walked() {
        let mut picture = Picture::filled(50, 40, [0; 3]);
        let edges = [
            [DVec2::new(-1e12, 20.0), DVec2::new(1e12, 20.0)],
            [DVec2::new(10.0, f64::NAN), DVec2::new(3.0, 4.0)],
            [DVec2::new(-900.0, -50.0), DVec2::new(900.0, -60.0)],
        ];
        draw_box(&mut picture, &edges, [255, 210, 60]);
        let count = (0..50).filter(|&x| picture.pixel(x, 20) == Some([255, 210, 60, 255]));
        assert_eq!(count.count(), 50);
        assert_eq!(picture.pixel(10, 5), Some([0, 0, 0, 255]));
    }
}
