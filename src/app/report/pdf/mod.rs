//! A report as a PDF file: pages of A4 with the research notice on each.

mod faces;
mod lines;

use krilla::Document as File;
use krilla::color::rgb;
use krilla::geom::{Point, Size, Transform};
use krilla::image::Image;
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::text::TextDirection;

use self::faces::Faces;
use self::lines::{Line, Look, Placed, lines};
use super::document::{Document, Picture};
use super::words::{needs_space, run_words};
use crate::render::{RESEARCH_NOTICE, SystemFonts};

/// A4, in points.
const PAGE: [f32; 2] = [595.28, 841.89];
/// The margin on each side.
const MARGIN: f32 = 56.0;
/// How far words go down before the foot of a page.
const FOOT: f32 = 64.0;
/// The most height of a key image.
const PICTURE: f32 = 330.0;
/// From line to line, by the size of the letters.
const LEADING: f32 = 1.42;

const INK: [u8; 3] = [20, 24, 28];
const FAINT: [u8; 3] = [110, 118, 126];
const HEADING: [u8; 3] = [22, 74, 118];
const NOTICE: [u8; 3] = [160, 60, 20];

const TEXT: Look = Look {
    size: 10.0,
    colour: INK,
};
/// What nobody has reviewed.
const GREY: Look = Look {
    size: 10.0,
    colour: [130, 136, 142],
};
const SMALL: Look = Look {
    size: 8.5,
    colour: FAINT,
};

/// A file, and what could not be set.
#[derive(Debug)]
pub struct Pdf {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// Letters that no font of this computer has; their numbers stand in their place.
    pub missing: Vec<char>,
}

/// Something on a page, its baseline or its lower border at so many points from the top.
enum Item<'a> {
    Line(f32, Line),
    Picture(f32, [f32; 2], &'a Picture),
}

/// Pages as they fill.
struct Pages<'a> {
    pages: Vec<Vec<Item<'a>>>,
    /// How far down the last page is full.
    y: f32,
}

const WIDTH: f32 = PAGE[0] - 2.0 * MARGIN;

impl<'a> Pages<'a> {
    fn new() -> Self {
        Self {
            pages: vec![Vec::new()],
            y: MARGIN,
        }
    }

    /// Begins a page where less than so many points are left.
    fn need(&mut self, height: f32) {
        if self.y + height > PAGE[1] - FOOT && self.y > MARGIN {
            self.pages.push(Vec::new());
            self.y = MARGIN;
        }
    }

    fn put(&mut self, item: Item<'a>) {
        if let Some(page) = self.pages.last_mut() {
            page.push(item);
        }
    }

    fn paragraph(&mut self, faces: &mut Faces<'_>, spans: &[(String, Look)]) {
        let size = spans.first().map_or(TEXT.size, |(_, look)| look.size);
        for line in lines(faces, spans, WIDTH) {
            let height = size * LEADING;
            self.need(height);
            self.y += height;
            self.put(Item::Line(self.y, line));
        }
    }

    fn text(&mut self, faces: &mut Faces<'_>, text: &str, look: Look) {
        self.paragraph(faces, &[(text.to_owned(), look)]);
    }

    fn heading(&mut self, faces: &mut Faces<'_>, text: &str) {
        let look = Look {
            size: 12.0,
            colour: HEADING,
        };
        // With a line of what it stands over.
        self.need(48.0);
        self.y += 9.0;
        self.text(faces, text, look);
    }

    fn picture(&mut self, faces: &mut Faces<'_>, number: usize, picture: &'a Picture) {
        let size = picture_size(picture);
        self.need(size[1] + 34.0);
        self.y += 8.0 + size[1];
        self.put(Item::Picture(self.y, size, picture));
        let caption = format!("Key image {number}: {}", picture.caption);
        self.text(faces, &caption, SMALL);
    }
}

/// The size of a picture on a page, in points.
fn picture_size(picture: &Picture) -> [f32; 2] {
    let (w, h) = (picture.picture.width as f32, picture.picture.height as f32);
    let scale = (WIDTH / w.max(1.0)).min(PICTURE / h.max(1.0));
    [w * scale, h * scale]
}

/// A report as a PDF file, with fonts of the system for letters that the program's own face lacks.
///
/// # Errors
/// When the file cannot be made; what is wrong, in words.
pub fn pdf(document: &Document, fonts: &SystemFonts) -> Result<Pdf, String> {
    let mut faces = Faces::new(fonts).ok_or("the program's own font cannot be read")?;
    let pages = laid_out(document, &mut faces);
    let mut file = File::new();
    file.set_metadata(
        Metadata::new()
            .title("Radiology report".to_owned())
            .description(RESEARCH_NOTICE.to_owned())
            .creator(document.made_by.clone()),
    );
    let count = pages.len();
    for (number, items) in (1..).zip(&pages) {
        let settings = PageSettings::from_wh(PAGE[0], PAGE[1]).ok_or("the page has no size")?;
        let mut page = file.start_page_with(settings);
        let mut surface = page.surface();
        for item in items {
            match item {
                Item::Line(y, line) => draw_line(&mut surface, &faces, *y, line),
                Item::Picture(y, size, picture) => draw_picture(&mut surface, *y, *size, picture),
            }
        }
        let foot = PAGE[1] - 34.0;
        let notice = Look {
            colour: NOTICE,
            ..SMALL
        };
        let words = format!("Page {number} of {count}");
        for (text, look, right) in [(RESEARCH_NOTICE, notice, false), (&words, SMALL, true)] {
            for mut line in lines(&mut faces, &[(text.to_owned(), look)], WIDTH) {
                let end = line
                    .last()
                    .map_or(0.0, |p| p.x + faces.width(&p.set, p.look.size));
                let shift = if right { WIDTH - end } else { 0.0 };
                for placed in &mut line {
                    placed.x += shift;
                }
                draw_line(&mut surface, &faces, foot, &line);
            }
        }
        surface.finish();
        page.finish();
    }
    let bytes = file.finish().map_err(|error| format!("{error:?}"))?;
    Ok(Pdf {
        bytes,
        missing: faces.missing.into_iter().collect(),
    })
}

fn laid_out<'a>(document: &'a Document, faces: &mut Faces<'_>) -> Vec<Vec<Item<'a>>> {
    let mut pages = Pages::new();
    let title = Look {
        size: 18.0,
        colour: INK,
    };
    let notice = Look {
        size: 9.5,
        colour: NOTICE,
    };
    pages.text(faces, "Radiology report", title);
    pages.text(faces, RESEARCH_NOTICE, notice);
    pages.y += 4.0;
    for (label, words) in &document.facts {
        let label = Look {
            colour: FAINT,
            ..TEXT
        }
        .of(&format!("{label}: "));
        pages.paragraph(faces, &[label, TEXT.of(words)]);
    }
    for section in &document.sections {
        pages.heading(faces, &section.heading);
        for paragraph in paragraphs(section) {
            pages.paragraph(faces, &paragraph);
        }
    }
    if let Some(first) = document.pictures.first() {
        // A heading stands on the page of what it stands over.
        pages.need(48.0 + picture_size(first)[1] + 34.0);
        pages.heading(faces, "Key images");
    }
    for (number, picture) in (1..).zip(&document.pictures) {
        pages.picture(faces, number, picture);
    }
    pages.y += 10.0;
    pages.text(faces, &document.made_by, SMALL);
    pages.pages
}

impl Look {
    fn of(self, text: &str) -> (String, Self) {
        (text.to_owned(), self)
    }
}

/// A section's runs by the lines that the reader wrote.
fn paragraphs(section: &super::document::SectionWords) -> Vec<Vec<(String, Look)>> {
    let mut paragraphs: Vec<Vec<(String, Look)>> = vec![Vec::new()];
    let mut before = String::new();
    for run in &section.runs {
        let look = if run.unreviewed.is_some() { GREY } else { TEXT };
        let mut words = run_words(run);
        if needs_space(&before, &words) {
            words.insert(0, ' ');
        }
        for (n, line) in words.split('\n').enumerate() {
            if n > 0 {
                paragraphs.push(Vec::new());
            }
            if let Some(last) = paragraphs.last_mut() {
                last.push(look.of(line));
            }
        }
        before = words;
    }
    let says = |spans: &Vec<(String, Look)>| spans.iter().any(|(t, _)| !t.trim().is_empty());
    // Empty lines at the ends are nobody's wish.
    let first = paragraphs.iter().position(says).unwrap_or(0);
    let last = paragraphs.iter().rposition(says).map_or(0, |at| at + 1);
    paragraphs.drain(first..last.max(first)).collect()
}

fn draw_line(surface: &mut Surface<'_>, faces: &Faces<'_>, y: f32, line: &Line) {
    for Placed { x, set, look } in line {
        let Some(font) = faces.font(set.face) else {
            continue;
        };
        let [r, g, b] = look.colour;
        surface.set_fill(Some(Fill {
            paint: rgb::Color::new(r, g, b).into(),
            opacity: NormalizedF32::ONE,
            rule: FillRule::NonZero,
        }));
        let at = Point::from_xy(MARGIN + x, y);
        surface.draw_text(at, font, look.size, &set.text, false, TextDirection::Auto);
    }
}

fn draw_picture(surface: &mut Surface<'_>, y: f32, [w, h]: [f32; 2], picture: &Picture) {
    let pixels = &picture.picture;
    let Some(size) = Size::from_wh(w, h) else {
        return;
    };
    if pixels.rgba.len() != pixels.width as usize * pixels.height as usize * 4 {
        return;
    }
    let image = Image::from_rgba8(pixels.rgba.clone(), pixels.width, pixels.height);
    surface.push_transform(&Transform::from_translate(MARGIN, y - h));
    surface.draw_image(image, size);
    surface.pop();
}

#[cfg(test)]
mod tests {
    use super::super::document::{Run, SectionWords};
    use super::*;
    use crate::app::workspace::SectionKind;
    use crate::render;

    fn document(lines: usize) -> Document {
        let run = |text: &str, by: Option<&str>| Run {
            text: text.into(),
            unreviewed: by.map(str::to_owned),
        };
        let long = "A cyst of the left kidney, without a wall that enhances. ".repeat(lines);
        Document {
            facts: vec![("Patient", "Doe Jane / 张三".into())],
            sections: vec![SectionWords {
                heading: "Kidneys".into(),
                kind: SectionKind::Findings,
                runs: vec![
                    run(&long, None),
                    run("Liver: normal.", Some("unreviewed, by small")),
                    run("\nSpleen normal.", None),
                ],
            }],
            pictures: vec![Picture {
                caption: "The cyst".into(),
                picture: render::Picture::filled(300, 200, [40, 80, 120]),
            }],
            made_by: "Made with a test".into(),
        }
    }

    #[test]
    fn pages_are_as_many_as_words_need_and_nothing_runs_over_their_foot() {
        let fonts = SystemFonts::in_folders(&[]);
        let mut faces = Faces::new(&fonts).unwrap();
        let (short, long) = (document(1), document(300));
        assert_eq!(laid_out(&short, &mut faces).len(), 1);
        let pages = laid_out(&long, &mut faces);
        assert!(pages.len() > 3, "{}", pages.len());
        for item in pages.iter().flatten() {
            let (Item::Line(y, _) | Item::Picture(y, ..)) = item;
            assert!((MARGIN..=PAGE[1] - FOOT + 0.1).contains(y), "{y}");
        }
        let text: usize = pages
            .iter()
            .flatten()
            .map(|item| match item {
                Item::Line(_, line) => line
                    .iter()
                    .map(|p| p.set.text.matches("cyst").count())
                    .sum(),
                Item::Picture(..) => 0,
            })
            .sum();
        assert_eq!(text, 301, "every word is on a page, once");
    }

    /// Left for readers of PDF to look at, where that is asked for.
    #[test]
    fn a_file_is_made_with_the_fonts_of_this_computer() {
        let made = pdf(&document(40), &SystemFonts::default()).unwrap();
        assert!(
            made.bytes.starts_with(b"%PDF-") && made.bytes.trim_ascii_end().ends_with(b"%%EOF")
        );
        if let Some(folder) = std::env::var_os("M3D_OBJECTS_OUT") {
            let path = std::path::Path::new(&folder).join("letters.pdf");
            std::fs::write(path, &made.bytes).unwrap();
        }
    }

    #[test]
    fn what_no_font_has_is_told() {
        let fonts = SystemFonts::in_folders(&[]);
        let made = pdf(&document(2), &fonts).unwrap();
        assert!(made.bytes.starts_with(b"%PDF-"));
        assert_eq!(made.missing, ['三', '张']);
    }

    #[test]
    fn paragraphs_keep_the_readers_lines_and_the_spaces_between_pieces() {
        let document = document(1);
        let paragraphs = paragraphs(&document.sections[0]);
        assert_eq!(paragraphs.len(), 2);
        let words: String = paragraphs[0].iter().map(|(t, _)| t.as_str()).collect();
        assert!(
            words.ends_with("enhances. Liver: normal. [unreviewed, by small]"),
            "{words}"
        );
        assert_eq!(paragraphs[0][1].1, GREY);
    }
}
