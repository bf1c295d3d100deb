//! M3D-Cap: images with reports.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::list::{Lists, MOST_TEXT_BYTES, bytes, json, lists_of};
use super::paths::{Origin, Root, SetKind};
use super::{FileName, ImageArray, ListRow, ReadError, Record, Set};
use crate::dataset::Split;

/// An image with its report.
#[derive(Clone, Debug)]
pub struct CaptionRecord {
    /// The split it belongs to.
    pub split: Split,
    /// The image.
    pub image: FileName,
    /// The report.
    pub text: FileName,
}

/// What a [`CaptionRecord`] stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The image, prepared as it is displayed.
    pub image: ImageArray,
    /// The report, as it is in its file.
    pub text: String,
}

#[derive(Deserialize)]
struct Entry {
    image: String,
    text: String,
}

/// The list of M3D-Cap in a folder of M3D-Data.
///
/// # Errors
/// When there is none, or it cannot be read, or no entry can be used.
pub fn open_captions(root: &Path) -> Result<Set<CaptionRecord>, ReadError> {
    let root = Arc::new(Root::open(root)?);
    let found = root.folders(SetKind::Cap).find_map(|folder| {
        let (_, file) = lists_of(folder, "m3d_cap", ".json").into_iter().next()?;
        Some((folder.to_owned(), file))
    });
    let (folder, file) = found.ok_or_else(|| root.lacks(SetKind::Cap))?;
    let lists: Lists<Entry> = json(&file)?;
    let file: Arc<Path> = file.into();
    let origin = Arc::new(Origin {
        root,
        folder,
        file: Arc::clone(&file),
    });
    let (mut records, mut refused) = (Vec::new(), Vec::new());
    for (split, list, entries) in lists.parts() {
        for (n, entry) in entries.iter().enumerate() {
            let place = ListRow::entry(&file, list, n + 1);
            let name = |named: &str| FileName::new(named, &place, &origin);
            match (name(&entry.image), name(&entry.text)) {
                (Ok(image), Ok(text)) => records.push(CaptionRecord { split, image, text }),
                (Err(error), _) | (_, Err(error)) => refused.push(error),
            }
        }
    }
    Set::new(records, refused)
}

impl Record for CaptionRecord {
    fn split(&self) -> Split {
        self.split
    }
}

impl CaptionRecord {
    /// Reads the report alone.
    ///
    /// # Errors
    /// When it is not there, cannot be read, is empty or too long to be one.
    pub fn load_text(&self) -> Result<String, ReadError> {
        let path = self.text.path()?;
        let text = String::from_utf8_lossy(&bytes(&path, MOST_TEXT_BYTES)?).into_owned();
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Err(self.text.place().error(format!(
                "the report {} is empty; remove the entry or write it",
                self.text.as_written()
            )));
        }
        Ok(text.to_owned())
    }

    /// Reads the image and the report.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read.
    pub fn load(&self) -> Result<Caption, ReadError> {
        let text = self.load_text()?;
        let image = ImageArray::read(&self.image)?;
        Ok(Caption { image, text })
    }
}
