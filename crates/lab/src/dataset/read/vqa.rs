//! M3D-VQA: images with questions, open and with four choices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::list::{lists_of, split_in};
use super::paths::{Origin, Root, SetKind};
use super::table::{Line, Table};
use super::{FileName, ImageArray, ReadError, Record, Set};
use crate::dataset::{Split, VqaType};
use m3d_imaging::wording;

/// A question about an image.
#[derive(Clone, Debug)]
pub struct VqaRecord {
    /// The split it belongs to.
    pub split: Split,
    /// The image.
    pub image: FileName,
    /// What it is about; `None` where the table does not say, or says something that is none of the five.
    pub kind: Option<VqaType>,
    /// The question alone.
    pub question: String,
    /// Choices A to D; `None` where the table has none (questions to be answered with yes or no).
    pub choices: Option<[String; 4]>,
    /// The answer alone.
    pub answer: String,
    /// The right choice's letter.
    pub letter: Option<char>,
}

/// What a [`VqaRecord`] stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct VqaSample {
    /// The image, prepared as it is displayed.
    pub image: ImageArray,
}

const COLUMNS: [&str; 3] = ["Image Path", "Question", "Answer"];
const CHOICES: [&str; 4] = ["Choice A", "Choice B", "Choice C", "Choice D"];

/// The lists of M3D-VQA in a folder of M3D-Data. Of several lists of one part, such as `test` and `test5k`,
/// the one with the shortest name counts; [`open_vqa_file`] reads any other.
///
/// # Errors
/// When there is none, or one cannot be read, or no row can be used.
pub fn open_vqa(root: &Path) -> Result<Set<VqaRecord>, ReadError> {
    let root = Arc::new(Root::open(root)?);
    for folder in root.folders(SetKind::Vqa) {
        let mut taken: Vec<(Split, bool, PathBuf)> = Vec::new();
        for (rest, path) in lists_of(folder, "m3d_vqa", ".csv") {
            let Some(split) = split_in(&rest) else {
                continue;
            };
            let yes_no = rest.split('_').any(|word| word == "yn");
            if !taken.iter().any(|(s, y, _)| (*s, *y) == (split, yes_no)) {
                taken.push((split, yes_no, path));
            }
        }
        if taken.is_empty() {
            continue;
        }
        taken.sort_by_key(|(split, yes_no, _)| (*split as usize, *yes_no));
        let (mut records, mut refused) = (Vec::new(), Vec::new());
        for (split, _, path) in taken {
            read(&root, folder, path, split, &mut records, &mut refused)?;
        }
        return Set::new(records, refused);
    }
    Err(root.lacks(SetKind::Vqa))
}

/// One table of M3D-VQA, of which all rows belong to `split`.
///
/// # Errors
/// When it cannot be read or no row can be used.
pub fn open_vqa_file(root: &Path, file: &Path, split: Split) -> Result<Set<VqaRecord>, ReadError> {
    let root = Arc::new(Root::open(root)?);
    let folder = root.folders(SetKind::Vqa).next().unwrap_or(file);
    let (mut records, mut refused) = (Vec::new(), Vec::new());
    read(
        &root,
        folder,
        file.to_owned(),
        split,
        &mut records,
        &mut refused,
    )?;
    Set::new(records, refused)
}

fn read(
    root: &Arc<Root>,
    folder: &Path,
    file: PathBuf,
    split: Split,
    records: &mut Vec<VqaRecord>,
    refused: &mut Vec<ReadError>,
) -> Result<(), ReadError> {
    let file: Arc<Path> = file.into();
    let origin = Arc::new(Origin {
        root: Arc::clone(root),
        folder: folder.to_owned(),
        file: Arc::clone(&file),
    });
    Table::open(&file, &COLUMNS)?.each(|line| match row(line, split, &origin) {
        Ok(record) => records.push(record),
        Err(error) => refused.push(error),
    })
}

fn row(line: &Line, split: Split, origin: &Arc<Origin>) -> Result<VqaRecord, ReadError> {
    let image = FileName::new(&line.needed("Image Path")?, &line.place, origin)?;
    let question = line.needed("Question")?;
    let answer = line.needed("Answer")?;
    let cells = CHOICES.map(|column| line.cell(column));
    let choices = if cells.iter().all(Option::is_none) {
        None
    } else {
        Some(cells.map(Option::unwrap_or_default))
    };
    let letter = match line.cell("Answer Choice") {
        None => None,
        Some(word) => Some(letter(&word).ok_or_else(|| {
            let message = format!("its \"Answer Choice\" is {word:?}; write A, B, C or D");
            line.place.error(message)
        })?),
    };
    if choices.is_some() && letter.is_none() {
        return Err(line
            .place
            .error("it has choices and no \"Answer Choice\"; complete the row"));
    }
    let number = line.cell("Question Type").and_then(|w| w.parse().ok());
    Ok(VqaRecord {
        split,
        image,
        kind: number.and_then(VqaType::from_number),
        question,
        choices,
        answer,
        letter,
    })
}

/// `B`, `b`, `B.` or `(B)`.
fn letter(word: &str) -> Option<char> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let mut letters = word.chars();
    let letter = letters.next()?.to_ascii_uppercase();
    (letters.next().is_none() && ('A'..='D').contains(&letter)).then_some(letter)
}

impl Record for VqaRecord {
    fn split(&self) -> Split {
        self.split
    }
}

impl VqaRecord {
    /// The question with its choices, as the model is asked it; `None` where there are none.
    pub fn closed_question(&self) -> Option<String> {
        let choices = self.choices.as_ref()?;
        Some(wording::closed_question(&self.question, choices))
    }

    /// `B. answer`; `None` where there are no choices.
    pub fn closed_answer(&self) -> Option<String> {
        Some(wording::closed_answer(self.letter?, &self.answer))
    }

    /// Reads the image.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn load(&self) -> Result<VqaSample, ReadError> {
        let image = ImageArray::read(&self.image)?;
        Ok(VqaSample { image })
    }
}
