//! The structured report on a study: sections of pieces, each the reader's words, a finding or a drafted sentence.

use glam::DVec3;
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::{ImageKey, Window};
use serde::{Deserialize, Serialize};

use super::{CardId, FindingId, KeyImageId, PieceId};

/// What a section is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Why the images were made.
    Indication,
    /// How they were made.
    Technique,
    /// What they are compared with.
    Comparison,
    /// What is seen, of an organ or of all.
    #[default]
    Findings,
    /// What it means.
    Impression,
}

/// A sentence that a model drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// The words.
    pub text: String,
    /// The answer it is from.
    pub card: CardId,
    /// The model's name.
    pub model: String,
    /// Whether the reader has accepted it; else it is grey, and no part of what is exported.
    pub accepted: bool,
}

/// What a piece is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The reader's own words.
    Text(String),
    /// A finding; its words, and whether it is accepted, are its own at any time.
    Finding(FindingId),
    /// A drafted sentence.
    Sentence(Sentence),
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its name.
    pub id: PieceId,
    /// What it is.
    pub content: Content,
}

impl Piece {
    /// A new piece.
    pub fn new(content: Content) -> Self {
        let id = PieceId::fresh();
        Self { id, content }
    }

    /// Words of the reader's own.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    const fn words(&self) -> Option<&String> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A part of a report under a heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What it is for.
    pub kind: SectionKind,
    /// The structures it speaks of, by the lexicon's names; none where it speaks of anything.
    pub about: Vec<String>,
    /// What it says. No two texts are neighbours, and the last piece is a text, so that the reader can go on.
    pub pieces: Vec<Piece>,
}

/// A view to be shown in the report, with what is drawn over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyImage {
    /// Its name.
    pub id: KeyImageId,
    /// The image.
    pub image: ImageKey,
    /// The time point.
    pub time: u32,
    /// The plane.
    pub orientation: Orientation,
    /// A point of the slice in patient mm.
    pub point_mm: DVec3,
    /// How values become brightness.
    pub window: Window,
    /// Dark and bright change places.
    pub invert: bool,
    /// The reader's words under it.
    pub caption: String,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The image it was begun on.
    pub image: ImageKey,
    /// The name of the template.
    pub template: String,
    /// Its parts, in order.
    pub sections: Vec<Section>,
    /// The pictures, in order.
    #[serde(default)]
    pub key_images: Vec<KeyImage>,
}

impl Section {
    /// A section that says what a template says.
    pub fn new(heading: String, kind: SectionKind, about: Vec<String>, text: String) -> Self {
        Self {
            heading,
            kind,
            about,
            pieces: vec![Piece::text(text)],
        }
    }

    /// Puts a piece behind the others, before the reader's last words if they are empty.
    fn push(&mut self, piece: Piece) {
        self.pieces.push(piece);
        self.tidy();
    }

    /// Joins texts that are neighbours and puts one at the end.
    fn tidy(&mut self) {
        let mut tidy: Vec<Piece> = Vec::with_capacity(self.pieces.len() + 1);
        for piece in std::mem::take(&mut self.pieces) {
            match (tidy.last_mut().map(|last| &mut last.content), piece.words()) {
                (Some(Content::Text(before)), Some(text)) => *before = joined(before, text),
                _ => tidy.push(piece),
            }
        }
        let last = tidy.len().saturating_sub(1);
        let mut at = 0;
        tidy.retain(|piece| {
            at += 1;
            at > last || piece.words().is_none_or(|text| !text.trim().is_empty())
        });
        if tidy.last().is_none_or(|piece| piece.words().is_none()) {
            tidy.push(Piece::text(""));
        }
        self.pieces = tidy;
    }
}

/// Two texts with a space between them where neither has one.
fn joined(before: &str, after: &str) -> String {
    let bare = before.is_empty() || after.is_empty();
    let parted = before.ends_with(char::is_whitespace) || after.starts_with(char::is_whitespace);
    let gap = if bare || parted { "" } else { " " };
    format!("{before}{gap}{after}")
}

impl Report {
    /// All pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.sections.iter().flat_map(|section| &section.pieces)
    }

    /// A piece.
    pub fn piece(&self, id: PieceId) -> Option<&Piece> {
        self.pieces().find(|piece| piece.id == id)
    }

    /// Whether it was begun on an image or shows it.
    pub fn is_about(&self, image: &ImageKey) -> bool {
        self.image == *image || self.key_images.iter().any(|key| key.image == *image)
    }

    /// Whether a finding is in it.
    pub fn has(&self, finding: FindingId) -> bool {
        self.pieces()
            .any(|piece| piece.content == Content::Finding(finding))
    }

    /// Puts a piece at the end of a section; nothing happens where there is no such section.
    pub fn push(&mut self, section: usize, piece: Piece) {
        if let Some(section) = self.sections.get_mut(section) {
            section.push(piece);
        }
    }

    /// Puts a piece into the reader's words, behind so many of their characters; nothing happens where the words are gone.
    pub fn insert(&mut self, into: PieceId, characters: usize, piece: Piece) {
        for section in &mut self.sections {
            let Some(at) = section.pieces.iter().position(|p| p.id == into) else {
                continue;
            };
            let Content::Text(text) = &mut section.pieces[at].content else {
                return;
            };
            let split = text.char_indices().nth(characters);
            let rest = text.split_off(split.map_or(text.len(), |(byte, _)| byte));
            section.pieces.insert(at + 1, piece);
            section.pieces.insert(at + 2, Piece::text(rest));
            section.tidy();
            return;
        }
    }

    /// Takes a piece out.
    pub fn strike(&mut self, id: PieceId) {
        for section in &mut self.sections {
            section.pieces.retain(|piece| piece.id != id);
            section.tidy();
        }
    }

    /// Makes a drafted sentence the reader's by consent.
    pub fn accept(&mut self, id: PieceId) {
        if let Some(Content::Sentence(sentence)) = self.content_mut(id) {
            sentence.accepted = true;
        }
    }

    /// Gives a piece other words. What the reader has written is accepted with it.
    pub fn write(&mut self, id: PieceId, words: String) {
        match self.content_mut(id) {
            Some(Content::Text(text)) => *text = words,
            Some(Content::Sentence(sentence)) => {
                sentence.text = words;
                sentence.accepted = true;
            }
            Some(Content::Finding(_)) | None => {}
        }
    }

    fn content_mut(&mut self, id: PieceId) -> Option<&mut Content> {
        let mut pieces = self.sections.iter_mut().flat_map(|s| &mut s.pieces);
        let found = pieces.find(|piece| piece.id == id)?;
        Some(&mut found.content)
    }

    /// The texts that somebody wrote, for what goes through all of them.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let sections = self.sections.iter_mut().flat_map(|section| {
            let pieces = section.pieces.iter_mut();
            let words = pieces.filter_map(|piece| match &mut piece.content {
                Content::Text(text) => Some(text),
                Content::Sentence(sentence) => Some(&mut sentence.text),
                Content::Finding(_) => None,
            });
            words.chain(std::iter::once(&mut section.heading))
        });
        sections.chain(self.key_images.iter_mut().map(|image| &mut image.caption))
    }

    /// Bytes it holds.
    pub fn byte_len(&self) -> usize {
        let pieces = self.pieces().map(|piece| {
            let words = match &piece.content {
                Content::Text(text) => text.len(),
                Content::Sentence(sentence) => sentence.text.len() + sentence.model.len(),
                Content::Finding(_) => 0,
            };
            size_of::<Piece>() + words
        });
        let sections = self.sections.iter().map(|section| {
            let about: usize = section.about.iter().map(|name| name.len() + 24).sum();
            size_of::<Section>() + section.heading.len() + about
        });
        let images = self.key_images.iter();
        let images = images.map(|image| size_of::<KeyImage>() + image.caption.len());
        size_of::<Self>() + pieces.chain(sections).chain(images).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use m3d_imaging::volume::Digest;

    use super::*;

    fn report() -> Report {
        let section = |heading: &str, text: &str| {
            Section::new(
                heading.into(),
                SectionKind::Findings,
                Vec::new(),
                text.into(),
            )
        };
        Report {
            image: ImageKey::File {
                sha256: Digest::of(b"an image"),
            },
            template: String::new(),
            sections: vec![section("Liver", "A cyst, simple."), section("Spleen", "")],
            key_images: Vec::new(),
        }
    }

    fn chip(n: u64) -> Piece {
        Piece::new(Content::Finding(FindingId(n)))
    }

    fn shape_of(section: &Section) -> Vec<&str> {
        let pieces = section.pieces.iter();
        let words = pieces.map(|piece| match &piece.content {
            Content::Text(text) => text.as_str(),
            Content::Finding(_) => "#",
            Content::Sentence(sentence) => &sentence.text,
        });
        words.collect()
    }

    #[test]
    fn a_finding_keeps_its_place_among_words_and_words_join_when_it_goes() {
        let mut report = report();
        let into = report.sections[0].pieces[0].id;
        let new = chip(7);
        let id = new.id;
        report.insert(into, 6, new);
        assert_eq!(shape_of(&report.sections[0]), ["A cyst", "#", ", simple."]);
        report.strike(id);
        assert_eq!(shape_of(&report.sections[0]), ["A cyst , simple."]);
        // Behind the last of letters with several bytes.
        report.write(into, "Zyste größer".into());
        report.insert(into, 999, chip(8));
        assert_eq!(shape_of(&report.sections[0]), ["Zyste größer", "#", ""]);
    }

    #[test]
    fn pieces_are_accepted_and_written_by_name() {
        let mut report = report();
        let sentence = Sentence {
            text: "Spleen: normal.".into(),
            card: CardId(1),
            model: "a model".into(),
            accepted: false,
        };
        report.push(1, Piece::new(Content::Sentence(sentence)));
        report.push(1, chip(9));
        assert_eq!(shape_of(&report.sections[1]), ["Spleen: normal.", "#", ""]);
        let [drafted, found] = [0, 1].map(|n| report.sections[1].pieces[n].id);
        report.write(found, "no words".into());
        assert_eq!(
            report.piece(found).unwrap().content,
            Content::Finding(FindingId(9))
        );
        report.write(drafted, "Spleen: large.".into());
        let sentence = &report.piece(drafted).unwrap().content;
        assert!(
            matches!(sentence, Content::Sentence(s) if s.accepted && s.text == "Spleen: large.")
        );
        assert!(report.has(FindingId(9)) && !report.has(FindingId(1)));
    }
}
