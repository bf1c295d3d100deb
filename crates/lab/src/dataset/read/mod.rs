//! M3D-Data as it lies on disk: lists that are read at once, images and masks that are read when asked for.
//!
//! ```text
//! DATA/M3D_Cap[_npy]/M3D_Cap.json              {train, validation, test: [{image, text}]}
//! DATA/M3D_VQA/M3D_VQA_{train,val,test}.csv    Image Path, Question Type, Question, Choice A-D, Answer, Answer Choice
//! DATA/M3D_Seg[_npy]/NNNN/NNNN.json            {train, test: [{image, label}]}, names in dataset_info.json
//! DATA/M3D_RefSeg[_npy]/M3D_RefSeg[_test].csv  Image, Mask, Mask_ID, Question, Answer
//! ```
//!
//! Both the published layout and the one that [`LayoutWriter`](super::LayoutWriter) writes are read; folders
//! may be named with `-` for `_`, and DATA may be one set's own folder. A path in a list counts from the
//! set's folder or from DATA; what stands before a set's name in it (where the list was made) is passed
//! over. Nothing outside DATA is opened: `..` and absolute paths that lead elsewhere are refused (links that
//! lie within DATA are followed). A row that cannot be used is left out and listed in [`Set::refused`].

mod array;
mod cap;
mod error;
mod list;
mod paths;
mod refseg;
mod seg;
mod table;
mod vqa;

pub use array::{ImageArray, MaskArray};
pub use cap::{Caption, CaptionRecord, open_captions};
pub use error::{ListRow, ReadError};
pub use paths::FileName;
pub use refseg::{RefSegRecord, RefSegSample, open_refseg};
pub use seg::{SegRecord, SegSample, open_seg};
pub use vqa::{VqaRecord, VqaSample, open_vqa, open_vqa_file};

use super::Split;

/// What every record has.
pub trait Record {
    /// The split of the data set it belongs to.
    fn split(&self) -> Split;
}

/// The list of a set's records, without their images.
#[derive(Debug)]
pub struct Set<R> {
    records: Vec<R>,
    refused: Vec<ReadError>,
}

impl<R: Record> Set<R> {
    /// A set of what could be used.
    ///
    /// # Errors
    /// The first refusal, when nothing could.
    fn new(records: Vec<R>, mut refused: Vec<ReadError>) -> Result<Self, ReadError> {
        if records.is_empty() && !refused.is_empty() {
            return Err(refused.swap_remove(0));
        }
        Ok(Self { records, refused })
    }

    /// All records, in the order of the lists.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// The records of one split.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &R> {
        self.records.iter().filter(move |r| r.split() == split)
    }

    /// The rows that were left out, each with file, line and reason.
    pub fn refused(&self) -> &[ReadError] {
        &self.refused
    }
}
