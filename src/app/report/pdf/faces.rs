//! The faces that a document's letters are in: the program's own, and fonts of the system for what it lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use krilla::text::Font;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider as _};

use crate::render::{SystemFonts, TEXT_FACE};

/// A face.
struct Face {
    font: Font,
    bytes: Arc<Vec<u8>>,
    index: u32,
}

/// The faces met so far, the program's own first.
pub(super) struct Faces<'a> {
    system: &'a SystemFonts,
    met: Vec<Face>,
    /// The face that has a letter; none where no font has it.
    known: BTreeMap<char, Option<usize>>,
    /// Letters that no font has.
    pub missing: BTreeSet<char>,
}

/// A piece of a text in one face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub face: usize,
    pub text: String,
}

impl<'a> Faces<'a> {
    /// The program's own face; `None` where it cannot be read, which a test rules out.
    pub fn new(system: &'a SystemFonts) -> Option<Self> {
        let mut faces = Self {
            system,
            met: Vec::new(),
            known: BTreeMap::new(),
            missing: BTreeSet::new(),
        };
        faces.add(TEXT_FACE.to_vec(), 0)?;
        Some(faces)
    }

    fn add(&mut self, bytes: Vec<u8>, index: u32) -> Option<usize> {
        let bytes = Arc::new(bytes);
        let font = Font::new(Arc::clone(&bytes).into(), index)?;
        self.met.push(Face { font, bytes, index });
        Some(self.met.len() - 1)
    }

    pub fn font(&self, face: usize) -> Option<Font> {
        self.met.get(face).map(|face| face.font.clone())
    }

    /// The face of a letter.
    fn of(&mut self, letter: char) -> Option<usize> {
        if let Some(known) = self.known.get(&letter) {
            return *known;
        }
        let has = |face: &Face| {
            let font = FontRef::from_index(&face.bytes, face.index).ok()?;
            font.charmap().map(letter)
        };
        let here = self.met.iter().position(|face| has(face).is_some());
        let found = here.or_else(|| {
            let font = self.system.with(letter)?;
            self.add(font.bytes, font.index)
        });
        self.known.insert(letter, found);
        found
    }

    /// A text in pieces of one face each. A letter that no font has stands as its number, for a box tells nothing.
    pub fn set(&mut self, text: &str) -> Vec<Set> {
        let mut sets: Vec<Set> = Vec::new();
        for letter in text.chars() {
            let letter = if letter.is_control() { ' ' } else { letter };
            let (face, shown) = if let Some(face) = self.of(letter) {
                (face, letter.to_string())
            } else {
                self.missing.insert(letter);
                (0, format!("[U+{:04X}]", u32::from(letter)))
            };
            match sets.last_mut() {
                Some(last) if last.face == face => last.text += &shown,
                _ => sets.push(Set { face, text: shown }),
            }
        }
        sets
    }

    /// How wide a piece is, in points.
    pub fn width(&self, set: &Set, size: f32) -> f32 {
        let Some(face) = self.met.get(set.face) else {
            return 0.0;
        };
        let Ok(font) = FontRef::from_index(&face.bytes, face.index) else {
            return 0.0;
        };
        let (characters, metrics) = (
            font.charmap(),
            font.glyph_metrics(Size::new(size), LocationRef::default()),
        );
        let glyphs = set.text.chars().filter_map(|c| characters.map(c));
        glyphs
            .filter_map(|glyph| metrics.advance_width(glyph))
            .sum()
    }
}
