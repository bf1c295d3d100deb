//! The face of texts: how wide they are, and their outlines.

use glam::DVec2;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, HintingInstance, OutlinePen, Target};
use skrifa::{FontRef, GlyphId, MetadataProvider as _};
use vello_cpu::kurbo::BezPath;

/// The face of every text over pictures, as a TrueType file: Roboto, in which all figures are as wide.
pub const TEXT_FACE: &[u8] = include_bytes!("../../assets/fonts/Roboto-Regular.ttf");

/// A text on one line.
struct Line {
    /// Glyphs with where each begins, to the right of the first.
    glyphs: Vec<(GlyphId, f32)>,
    width: f32,
}

/// The face; the file is part of the program, and a test reads it.
fn face() -> Option<FontRef<'static>> {
    FontRef::new(TEXT_FACE).ok()
}

/// Sets a text; characters the face lacks become `?`, as wide as an ideograph: the window has other faces for them.
fn line(face: &FontRef<'_>, text: &str, size: f32) -> Line {
    let characters = face.charmap();
    let metrics = face.glyph_metrics(Size::new(size), LocationRef::default());
    let mut width = 0.0;
    let mut glyphs = Vec::new();
    for character in text.chars() {
        let own = characters.map(character);
        if let Some(glyph) = own.or_else(|| characters.map('?')) {
            glyphs.push((glyph, width));
            let advance = metrics.advance_width(glyph).unwrap_or_default();
            width += if own.is_some() { advance } else { size };
        }
    }
    Line { glyphs, width }
}

/// The width and the height of a text set at a size, in the size's own unit (pixels or points).
pub fn text_size(text: &str, size: f64) -> DVec2 {
    face().map_or(DVec2::ZERO, |face| {
        let metrics = face.metrics(Size::new(size as f32), LocationRef::default());
        DVec2::new(
            f64::from(line(&face, text, size as f32).width),
            f64::from(metrics.ascent - metrics.descent),
        )
    })
}

/// The outline of a text whose box has its top left corner at `corner`, in pixels. The baseline lies on
/// a whole pixel, on which the letters' feet are sharp.
pub(super) fn text_outline(text: &str, size_px: f64, corner: DVec2) -> BezPath {
    let mut path = BezPath::new();
    let Some(face) = face() else {
        return path;
    };
    let size = Size::new(size_px as f32);
    let glyphs = face.outline_glyphs();
    let ascent = f64::from(face.metrics(size, LocationRef::default()).ascent);
    let baseline = (corner.y + ascent).round();
    let hinting =
        HintingInstance::new(&glyphs, size, LocationRef::default(), Target::default()).ok();
    for (glyph, right) in line(&face, text, size_px as f32).glyphs {
        let mut pen = Pen {
            path: &mut path,
            origin: DVec2::new(corner.x + f64::from(right), baseline),
        };
        let settings = hinting.as_ref().map_or_else(
            || DrawSettings::unhinted(size, LocationRef::default()),
            |hinting| DrawSettings::hinted(hinting, false),
        );
        if let Some(outline) = glyphs.get(glyph)
            && let Err(why) = outline.draw(settings, &mut pen)
        {
            tracing::warn!("a letter of {text:?} cannot be drawn: {why}");
        }
    }
    path
}

/// Puts a glyph's outline, whose y points up, into a path, whose y points down.
struct Pen<'a> {
    path: &'a mut BezPath,
    origin: DVec2,
}

impl Pen<'_> {
    fn at(&self, x: f32, y: f32) -> (f64, f64) {
        (self.origin.x + f64::from(x), self.origin.y - f64::from(y))
    }
}

impl OutlinePen for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.at(x, y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.at(x, y));
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        self.path.quad_to(self.at(cx0, cy0), self.at(x, y));
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        self.path
            .curve_to(self.at(cx0, cy0), self.at(cx1, cy1), self.at(x, y));
    }

    fn close(&mut self) {
        self.path.close_path();
    }
}

#[cfg(test)]
mod tests {
    use vello_cpu::kurbo::Shape as _;

    use super::*;

    #[test]
    fn figures_are_as_wide_as_one_another() {
        let one = text_size("1", 12.0);
        assert!(one.x > 5.0 && one.y > 12.0);
        for figure in '0'..='9' {
            assert_eq!(text_size(&figure.to_string(), 12.0), one);
        }
        let long = text_size("1234567890", 12.0);
        assert!((long.x - one.x * 10.0).abs() < 1e-3);
    }

    #[test]
    fn the_face_has_the_letters_of_readers_and_of_this_program() {
        let face = face().unwrap();
        for character in "AZaz09 äöüßéèñçøåłśž ΑΩαω АЯая °±²³µ×·–…≤≥".chars()
        {
            assert!(face.charmap().map(character).is_some(), "{character}");
        }
    }

    #[test]
    fn outlines_fill_their_box_and_what_is_lacking_is_a_question_mark() {
        let corner = DVec2::new(30.0, 50.0);
        let bounds = text_outline("HÅg", 20.0, corner).bounding_box();
        let size = text_size("HÅg", 20.0);
        assert!(bounds.x0 >= 30.0 && bounds.x1 <= 30.0 + size.x + 1.0);
        assert!(bounds.y0 >= 49.0 && bounds.y1 <= 50.5 + size.y);
        assert!(bounds.height() > 20.0 && bounds.width() > 25.0);
        assert_eq!(
            text_outline("\u{4e2d}", 20.0, corner).elements(),
            text_outline("?", 20.0, corner).elements()
        );
    }
}
