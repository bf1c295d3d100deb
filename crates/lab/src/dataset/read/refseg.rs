//! M3D-RefSeg: images with questions that a mask answers.

use std::path::Path;
use std::sync::Arc;

use super::list::{lists_of, split_in};
use super::paths::{Origin, Root, SetKind};
use super::table::{Line, Table};
use super::{FileName, ImageArray, MaskArray, ReadError, Record, Set};
use crate::dataset::Split;

/// A question about an image that a mask answers.
#[derive(Clone, Debug)]
pub struct RefSegRecord {
    /// The split it belongs to.
    pub split: Split,
    /// The image.
    pub image: FileName,
    /// The label map.
    pub mask: FileName,
    /// The label that is meant.
    pub mask_id: u32,
    /// The question.
    pub question: String,
    /// The answer, with `[SEG]` where the mask stands.
    pub answer: String,
}

/// What a [`RefSegRecord`] stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct RefSegSample {
    /// The image, prepared as segmentation data is.
    pub image: ImageArray,
    /// The mask, of the image's size.
    pub mask: MaskArray,
}

const COLUMNS: [&str; 5] = ["Image", "Mask", "Mask_ID", "Question", "Answer"];

/// The lists of M3D-RefSeg in a folder of M3D-Data. The published list for training is called
/// `M3D_RefSeg.csv`, without a part.
///
/// # Errors
/// When there is none, or one cannot be read, or no row can be used.
pub fn open_refseg(root: &Path) -> Result<Set<RefSegRecord>, ReadError> {
    let root = Arc::new(Root::open(root)?);
    for folder in root.folders(SetKind::RefSeg) {
        let lists = lists_of(folder, "m3d_refseg", ".csv");
        let named = |split| lists.iter().find(|(rest, _)| split_in(rest) == Some(split));
        let plain = lists.iter().find(|(rest, _)| rest.is_empty());
        let (mut records, mut refused) = (Vec::new(), Vec::new());
        let mut found = false;
        for split in [Split::Train, Split::Validation, Split::Test] {
            let list = named(split).or_else(|| plain.filter(|_| split == Split::Train));
            let Some((_, path)) = list else { continue };
            found = true;
            let file: Arc<Path> = path.clone().into();
            let origin = Arc::new(Origin {
                root: Arc::clone(&root),
                folder: folder.to_owned(),
                file: Arc::clone(&file),
            });
            Table::open(&file, &COLUMNS)?.each(|line| match row(line, split, &origin) {
                Ok(record) => records.push(record),
                Err(error) => refused.push(error),
            })?;
        }
        if found {
            return Set::new(records, refused);
        }
    }
    Err(root.lacks(SetKind::RefSeg))
}

fn row(line: &Line, split: Split, origin: &Arc<Origin>) -> Result<RefSegRecord, ReadError> {
    let image = FileName::new(&line.needed("Image")?, &line.place, origin)?;
    let mask = FileName::new(&line.needed("Mask")?, &line.place, origin)?;
    let number = line.needed("Mask_ID")?;
    // Tables that went through pandas may say 2.0.
    let mask_id = number.strip_suffix(".0").unwrap_or(&number).parse();
    let mask_id = mask_id.map_err(|_| {
        let message = format!("its \"Mask_ID\" is {number:?}; write a label, as 1");
        line.place.error(message)
    })?;
    Ok(RefSegRecord {
        split,
        image,
        mask,
        mask_id,
        question: line.needed("Question")?,
        // Some published answers still carry the mark their makers asked the text model for.
        answer: line.needed("Answer")?.replace("<SEG>", "[SEG]"),
    })
}

impl Record for RefSegRecord {
    fn split(&self) -> Split {
        self.split
    }
}

impl RefSegRecord {
    /// Reads the image and the mask of the label that is meant.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read, or their sizes differ.
    pub fn load(&self) -> Result<RefSegSample, ReadError> {
        let image = ImageArray::read(&self.image)?;
        let label = self.mask_id as f32;
        let mask = MaskArray::read(&self.mask, image.size, |v| v == label)?;
        Ok(RefSegSample { image, mask })
    }
}
