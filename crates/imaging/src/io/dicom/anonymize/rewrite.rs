//! The data set as the profile leaves it (PS3.15 E.2).

use std::io::{Read, Seek, Write};
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::Tag;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::facts::{Facts, LONGEST_VALUE, open_whole, parts};
use super::identities::Identities;
use super::values::{dummy, inside, is_known_sequence, is_text, vr};
use super::writing::{self, even};
use crate::io::anonymize::{Action, AnonymizeKey, action};
use crate::io::dicom::charset::TextKind;
use crate::io::dicom::elements::{
    Element, Encoding, ITEM, ITEM_END, SEQUENCE_END, Walker, malformed,
};
use crate::io::dicom::identity::compared;
use crate::io::dicom::open::Opened;
use crate::io::error::Refusal;

/// Sequences in sequences, at most.
const DEEPEST: usize = 16;

/// Values are copied by parts of this size.
const PART: u32 = 1 << 20;

/// Texts longer than this are not looked through but left out.
const LONGEST_TEXT: u32 = 1 << 20;

/// The UIDs of the standard itself: they name no instance.
const STANDARD_ROOT: &str = "1.2.840.10008.";

/// Writes an object without its identities, in its own transfer syntax; the pixels stay as they are.
///
/// # Errors
/// When the file is damaged or cannot be read, or `out` cannot be written.
pub(in crate::io) fn rewrite(
    path: &Path,
    facts: &Facts,
    identities: &Identities,
    key: &AnonymizeKey,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let opened = open_whole(path, facts.meta)?;
    let instance = key.uid(&facts.instance);
    let syntax = true_syntax(&opened.syntax, opened.encoding);
    out.write_all(&writing::file_meta(&facts.class, &instance, syntax))?;
    if opened.syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let mut deflated = Vec::new();
        let mut encoder = DeflateEncoder::new(&mut deflated, Compression::default());
        rewrite_opened(opened, facts, identities, key, &mut encoder)?;
        encoder.finish()?;
        return Ok(out.write_all(&even(deflated, 0))?);
    }
    rewrite_opened(opened, facts, identities, key, out)
}

/// The transfer syntax in which the data set is written: files exist that declare explicit value types and are implicit.
fn true_syntax(declared: &str, encoding: Encoding) -> &str {
    match (declared, encoding.explicit) {
        (uids::EXPLICIT_VR_LITTLE_ENDIAN, false) => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        (uids::IMPLICIT_VR_LITTLE_ENDIAN, true) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        _ => declared,
    }
}

fn rewrite_opened(
    opened: Opened,
    facts: &Facts,
    identities: &Identities,
    key: &AnonymizeKey,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let mut rewriter = Rewriter {
        walker: opened.walker,
        out,
        facts,
        identities,
        key,
    };
    rewriter.top(opened.encoding)
}

/// The elements that say what was done, in the order of their tags (PS3.15 E.1.1, PS3.3 C.12.1.1.6).
fn marks(encoding: Encoding) -> Vec<(Tag, Vec<u8>)> {
    let short = |tag, vr: &[u8; 2], value| writing::short(encoding, tag, *vr, value);
    let method = concat!(
        "DICOM PS3.15 Basic Profile\\m3d-viewer ",
        env!("CARGO_PKG_VERSION")
    );
    let code = [
        short(tags::CODE_VALUE, b"SH", "113100"),
        short(tags::CODING_SCHEME_DESIGNATOR, b"SH", "DCM"),
        short(
            tags::CODE_MEANING,
            b"LO",
            "Basic Application Confidentiality Profile",
        ),
    ];
    [
        (
            tags::PATIENT_IDENTITY_REMOVED,
            short(tags::PATIENT_IDENTITY_REMOVED, b"CS", "YES"),
        ),
        (
            tags::DEIDENTIFICATION_METHOD,
            short(tags::DEIDENTIFICATION_METHOD, b"LO", method),
        ),
        (
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
            writing::sequence(encoding, tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, &code),
        ),
        (
            tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
            short(
                tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
                b"CS",
                "REMOVED",
            ),
        ),
    ]
    .into()
}

struct Rewriter<'a, R> {
    walker: Walker<R>,
    out: &'a mut dyn Write,
    facts: &'a Facts,
    identities: &'a Identities,
    key: &'a AnonymizeKey,
}

impl<R: Read + Seek> Rewriter<'_, R> {
    /// The data set itself, with the marks put in.
    fn top(&mut self, encoding: Encoding) -> Result<(), Refusal> {
        let mut marks = marks(encoding).into_iter().peekable();
        let marked: Vec<Tag> = marks.clone().map(|(tag, _)| tag).collect();
        while let Some(element) = self.walker.next(encoding)? {
            while let Some((_, mark)) = marks.next_if(|(tag, _)| *tag <= element.tag) {
                self.out.write_all(&mark)?;
            }
            // Items outside any sequence are a writer's mistake.
            if marked.contains(&element.tag) || element.tag.group() == 0xFFFE {
                self.walker.skip_value(&element, encoding)?;
            } else {
                self.element(&element, encoding, 0)?;
            }
        }
        for (_, mark) in marks {
            self.out.write_all(&mark)?;
        }
        Ok(())
    }

    fn element(
        &mut self,
        element: &Element,
        encoding: Encoding,
        depth: usize,
    ) -> Result<(), Refusal> {
        let vr = vr(element);
        let wish = match action(element.tag) {
            // A name that the table does not know is a name.
            Action::Keep if vr == Some(VR::PN) => Action::Empty,
            wish => wish,
        };
        if tags::PIXEL_DATA == element.tag && wish == Action::Keep {
            return self.copy(element, encoding);
        }
        if vr == Some(VR::SQ) {
            return self.sequence(element, encoding, wish, depth);
        }
        // Of undefined length are sequences and pixels; anything else hides what it holds. So does a value
        // where the standard has a sequence.
        let Some(length) = element.length.filter(|_| !is_known_sequence(element.tag)) else {
            return self.walker.skip_value(element, encoding);
        };
        let value = match (element.tag, wish) {
            (_, Action::Remove) => None,
            (tags::PATIENT_NAME | tags::PATIENT_ID, _) | (_, Action::Uid) => {
                if length > LONGEST_VALUE {
                    return Err(malformed(&format!(
                        "element {} of {length} bytes",
                        element.tag
                    )));
                }
                let value = self.walker.value(length)?;
                let value = self.pseudonym(element.tag, &value);
                return self.leaf(element, encoding, &value);
            }
            (_, Action::Empty) => Some(Vec::new()),
            (_, Action::Dummy) => Some(if length == 0 { Vec::new() } else { dummy(vr) }),
            (_, Action::Keep) if is_text(vr) => return self.text(element, length),
            (_, Action::Keep) => return self.copy(element, encoding),
        };
        self.walker.skip(length)?;
        match value {
            Some(value) => self.leaf(element, encoding, &value),
            None => Ok(()),
        }
    }

    /// A new value for an element that was read.
    fn leaf(&mut self, element: &Element, encoding: Encoding, value: &[u8]) -> Result<(), Refusal> {
        // Of many short UIDs the new ones are longer.
        if !writing::fits(element, value.len()) {
            let message = format!("element {} of more UIDs than can be replaced", element.tag);
            return Err(malformed(&message));
        }
        let header = writing::header(element, encoding, Some(value.len() as u32));
        self.out.write_all(&header)?;
        Ok(self.out.write_all(value)?)
    }

    /// What stands for a patient, or for UIDs; nothing where there was nothing.
    fn pseudonym(&self, tag: Tag, value: &[u8]) -> Vec<u8> {
        let kind = match tag {
            tags::PATIENT_NAME => TextKind::Name,
            tags::PATIENT_ID => TextKind::Values,
            _ => {
                let uids: Vec<String> = parts(value).map(|uid| self.uid(uid)).collect();
                return even(uids.join("\\").into_bytes(), 0);
            }
        };
        let text = self.facts.charset.decode(value, kind);
        // Empty components at the end of a name may be there or not (PS3.5 6.2.1.1).
        let text = compared(text.trim_end_matches(['^', '=', ' ']));
        if text.is_empty() {
            return Vec::new();
        }
        let kind = if tag == tags::PATIENT_NAME {
            "name"
        } else {
            "id"
        };
        even(self.key.pseudonym(kind, &text).into_bytes(), b' ')
    }

    fn uid(&self, uid: String) -> String {
        if uid.is_empty() || uid.starts_with(STANDARD_ROOT) {
            uid
        } else {
            self.key.uid(&uid)
        }
    }

    /// A text that stays, unless it holds what identifies.
    fn text(&mut self, element: &Element, length: u32) -> Result<(), Refusal> {
        if length > LONGEST_TEXT {
            return self.walker.skip(length);
        }
        let value = self.walker.value(length)?;
        let text = self.facts.charset.decode(&value, TextKind::Text);
        if self.identities.are_in(&text) {
            return Ok(());
        }
        self.out.write_all(element.raw())?;
        Ok(self.out.write_all(&value)?)
    }

    /// An element as it is: pixels in one piece or in fragments, or any value.
    fn copy(&mut self, element: &Element, encoding: Encoding) -> Result<(), Refusal> {
        self.out.write_all(element.raw())?;
        if let Some(length) = element.length {
            return self.copy_bytes(length);
        }
        loop {
            let Some(item) = self.walker.next(encoding)? else {
                return Err(Refusal::truncated(
                    "the file ends inside its pixels; copy or export it again",
                ));
            };
            self.out.write_all(item.raw())?;
            match (item.tag, item.length) {
                (SEQUENCE_END, _) => return Ok(()),
                (ITEM, Some(length)) => self.copy_bytes(length)?,
                _ => return Err(malformed("its pixels are in no fragments")),
            }
        }
    }

    fn copy_bytes(&mut self, length: u32) -> Result<(), Refusal> {
        let mut left = length;
        while left > 0 {
            let part = self.walker.value(left.min(PART))?;
            self.out.write_all(&part)?;
            left -= part.len() as u32;
        }
        Ok(())
    }

    fn sequence(
        &mut self,
        element: &Element,
        encoding: Encoding,
        wish: Action,
        depth: usize,
    ) -> Result<(), Refusal> {
        match wish {
            Action::Keep | Action::Uid => {}
            Action::Remove => return self.walker.skip_value(element, encoding),
            Action::Empty => {
                self.walker.skip_value(element, encoding)?;
                return self.leaf(element, encoding, &[]);
            }
            Action::Dummy => {
                self.walker.skip_value(element, encoding)?;
                return self.leaf(
                    element,
                    encoding,
                    &writing::empty_item(inside(element, encoding)),
                );
            }
        }
        if depth == DEEPEST {
            let message = format!("its sequences are nested deeper than {DEEPEST}");
            return Err(malformed(&message));
        }
        let inner = inside(element, encoding);
        self.out
            .write_all(&writing::header(element, encoding, None))?;
        let end = element
            .length
            .map(|length| self.walker.position() + u64::from(length));
        while !self.is_at(end)? {
            let Some(item) = self.walker.next(inner)? else {
                return Err(Refusal::truncated(
                    "the file ends inside a sequence; copy or export it again",
                ));
            };
            match item.tag {
                SEQUENCE_END => break,
                ITEM => {
                    self.out.write_all(&writing::item(inner))?;
                    self.item(&item, inner, depth)?;
                    self.out.write_all(&writing::item_end(inner))?;
                }
                tag => return Err(malformed(&format!("{tag} where an item should be"))),
            }
        }
        Ok(self.out.write_all(&writing::sequence_end(inner))?)
    }

    fn item(&mut self, item: &Element, encoding: Encoding, depth: usize) -> Result<(), Refusal> {
        let end = item
            .length
            .map(|length| self.walker.position() + u64::from(length));
        while !self.is_at(end)? {
            let Some(element) = self.walker.next(encoding)? else {
                return Err(Refusal::truncated(
                    "the file ends inside an item; copy or export it again",
                ));
            };
            if element.tag == ITEM_END {
                break;
            }
            self.element(&element, encoding, depth + 1)?;
        }
        Ok(())
    }

    /// Whether a sequence or item of a known length is over.
    fn is_at(&self, end: Option<u64>) -> Result<bool, Refusal> {
        match end {
            Some(end) if self.walker.position() > end => {
                Err(malformed("an item is longer than its sequence"))
            }
            Some(end) => Ok(self.walker.position() == end),
            None => Ok(false),
        }
    }
}
