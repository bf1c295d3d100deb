//! Words to lines.

use super::faces::{Faces, Set};

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// In points.
    pub size: f32,
    /// Red, green and blue.
    pub colour: [u8; 3],
}

/// A piece of a line, at so many points from its left.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub x: f32,
    pub set: Set,
    pub look: Look,
}

/// A line.
pub(super) type Line = Vec<Placed>;

/// What is not parted: a word, or an ideograph.
struct Atom {
    text: String,
    look: Look,
    /// A space stands before it, unless a line begins.
    spaced: bool,
}

/// Whether a line may end before and behind a letter: scripts without spaces.
fn is_ideograph(letter: char) -> bool {
    matches!(u32::from(letter), 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn atoms(spans: &[(String, Look)]) -> Vec<Atom> {
    let mut atoms: Vec<Atom> = Vec::new();
    let mut spaced = false;
    for (text, look) in spans {
        let mut joins = !spaced && !atoms.is_empty();
        for letter in text.chars() {
            if letter.is_whitespace() {
                (spaced, joins) = (true, false);
                continue;
            }
            let alone = is_ideograph(letter);
            match atoms.last_mut() {
                Some(last) if joins && !spaced && !alone && last.look == *look => {
                    last.text.push(letter);
                }
                _ => atoms.push(Atom {
                    text: letter.to_string(),
                    look: *look,
                    spaced,
                }),
            }
            // What follows an ideograph may begin a line.
            (spaced, joins) = (false, !alone);
        }
    }
    atoms
}

/// Sets a paragraph in lines of a width, in points. A word that is wider is parted.
pub(super) fn lines(faces: &mut Faces<'_>, spans: &[(String, Look)], width: f32) -> Vec<Line> {
    let mut lines: Vec<Line> = vec![Line::new()];
    let mut x = 0.0;
    for atom in atoms(spans) {
        let sets = faces.set(&atom.text);
        let wide: f32 = sets
            .iter()
            .map(|set| faces.width(set, atom.look.size))
            .sum();
        let space = Set {
            face: 0,
            text: " ".to_owned(),
        };
        let gap = if atom.spaced && x > 0.0 {
            faces.width(&space, atom.look.size)
        } else {
            0.0
        };
        if x > 0.0 && x + gap + wide > width {
            lines.push(Line::new());
            x = 0.0;
        } else {
            if gap > 0.0 {
                place(&mut lines, x, space, atom.look);
            }
            x += gap;
        }
        for set in sets {
            for part in parted(faces, set, atom.look.size, width) {
                let wide = faces.width(&part, atom.look.size);
                if x > 0.0 && x + wide > width {
                    lines.push(Line::new());
                    x = 0.0;
                }
                place(&mut lines, x, part, atom.look);
                x += wide;
            }
        }
    }
    lines
}

/// Puts a piece at the end of the last line; what looks alike becomes one piece, so that it is one text to a reader of the
/// file.
fn place(lines: &mut [Line], x: f32, set: Set, look: Look) {
    let Some(line) = lines.last_mut() else {
        return;
    };
    match line.last_mut() {
        Some(last) if last.look == look && last.set.face == set.face => {
            last.set.text += &set.text;
        }
        _ => line.push(Placed { x, set, look }),
    }
}

/// A piece in parts that are no wider than a line.
fn parted(faces: &Faces<'_>, set: Set, size: f32, width: f32) -> Vec<Set> {
    if faces.width(&set, size) <= width {
        return vec![set];
    }
    let mut parts: Vec<Set> = Vec::new();
    let mut x = 0.0;
    for letter in set.text.chars() {
        let one = Set {
            face: set.face,
            text: letter.to_string(),
        };
        let wide = faces.width(&one, size);
        match parts.last_mut() {
            Some(last) if x + wide <= width => last.text.push(letter),
            _ => {
                parts.push(one);
                x = 0.0;
            }
        }
        x += wide;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::SystemFonts;

    const BLACK: Look = Look {
        size: 10.0,
        colour: [0; 3],
    };

    fn words(spans: &[(&str, Look)], width: f32) -> Vec<String> {
        let system = SystemFonts::in_folders(&[]);
        let mut faces = Faces::new(&system).unwrap();
        let spans: Vec<_> = spans.iter().map(|(t, l)| ((*t).to_owned(), *l)).collect();
        let lines = lines(&mut faces, &spans, width);
        for line in &lines {
            for placed in line {
                let end = placed.x + faces.width(&placed.set, placed.look.size);
                assert!(end <= width + 0.01, "{placed:?}");
            }
        }
        let text = |line: &Line| line.iter().map(|p| p.set.text.as_str()).collect();
        lines.iter().map(text).collect()
    }

    #[test]
    fn lines_end_between_words_and_long_words_are_parted() {
        let grey = Look {
            colour: [128; 3],
            ..BLACK
        };
        assert_eq!(
            words(&[("a cyst, simple", BLACK)], 500.0),
            ["a cyst, simple"]
        );
        let two = words(&[("a cyst, ", BLACK), ("simple", grey), (".", BLACK)], 45.0);
        assert_eq!(two, ["a cyst,", "simple."]);
        let long = words(&[("Pneumonoultramicroscopic", BLACK)], 40.0);
        assert!(long.len() > 2, "{long:?}");
        assert_eq!(long.concat(), "Pneumonoultramicroscopic");
        assert_eq!(words(&[("", BLACK)], 40.0), [""]);
    }

    #[test]
    fn letters_that_no_font_has_stand_as_numbers() {
        assert_eq!(
            words(&[("张三 Zhang", BLACK)], 500.0),
            ["[U+5F20][U+4E09] Zhang"]
        );
    }
}
