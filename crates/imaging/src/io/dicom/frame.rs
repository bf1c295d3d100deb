//! One picture of a file, with its place in the patient and what tells it apart from others at that place.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::DVec3;

use super::facts::Facts;
use super::header::PixelPlace;
use super::lookup::{LookupTable, Palette};
use super::pixels::PixelFormat;
use crate::io::Warning;
use crate::volume::{Rescale, Spacing, Window};

/// A file that holds one or more frames.
#[derive(Debug)]
pub(in crate::io) struct ImageFile {
    pub path: PathBuf,
    pub facts: Arc<Facts>,
    pub sop_uid: String,
    pub rows: u32,
    pub columns: u32,
    /// Number of Frames (0028,0008), at least 1.
    pub frames: u32,
    /// MONOCHROME1.
    pub inverted: bool,
    pub lossy: bool,
    /// The unit that Rescale Type (0028,1054) or the modality table names.
    pub rescale_type: String,
    /// What turns PET values into other units; `None` for other modalities.
    pub pet: Option<super::pet::PetFacts>,
    pub palette: Option<Arc<Palette>>,
    pub notes: Vec<Warning>,
    pub(super) format: PixelFormat,
    pub(super) place: PixelPlace,
}

/// Where the part of a mosaic that is one slice begins, in pixels of the file's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub column: u32,
    pub row: u32,
}

/// Where a frame lies (PS3.3 C.7.6.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::io) struct Place {
    /// The centre of the first pixel.
    pub position_mm: DVec3,
    /// Unit direction along a row (growing column index).
    pub row: DVec3,
    /// Unit direction along a column (growing row index).
    pub column: DVec3,
}

impl Place {
    /// The direction in which slices ascend: row x column.
    pub fn normal(&self) -> DVec3 {
        self.row.cross(self.column)
    }
}

/// One picture.
#[derive(Clone, Debug)]
pub(in crate::io) struct Frame {
    pub file: Arc<ImageFile>,
    /// Counted from 0 in its file.
    pub number: u32,
    pub(super) tile: Option<Tile>,
    pub rows: u32,
    pub columns: u32,
    /// `None` where the file does not say where it lies.
    pub place: Option<Place>,
    /// The distance between rows, then between columns, as Pixel Spacing (0028,0030) writes them.
    pub spacing_mm: [f64; 2],
    /// What that distance is one of.
    pub spacing: Spacing,
    /// Slice Thickness (0018,0050).
    pub thickness_mm: Option<f64>,
    /// Spacing Between Slices (0018,0088).
    pub between_mm: Option<f64>,
    /// `None` where the file has none.
    pub rescale: Option<Rescale>,
    /// Of slope and intercept one is missing.
    pub half_rescaled: bool,
    /// From stored values to what they mean, where that is no line (0028,3000).
    pub table: Option<Arc<LookupTable>>,
    pub windows: Vec<Window>,
    pub(super) marks: Marks,
}

/// What tells frames at one place apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub instance: Option<i64>,
    pub image_type: String,
    pub stack: String,
    /// How the picture was made: reconstruction, tube, thickness, and what the operator called it.
    pub protocol: String,
    pub acquisition: Option<i64>,
    pub temporal: Option<f64>,
    pub trigger_ms: Option<f64>,
    pub echo_ms: Option<f64>,
    pub inversion_ms: Option<f64>,
    pub b_value: Option<f64>,
    /// Seconds since midnight.
    pub time: Option<f64>,
}

/// A difference by which frames come apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Stack,
    Acquisition,
    ImageType,
    Protocol,
    Folder,
    Temporal,
    Trigger,
    Echo,
    Inversion,
    BValue,
    Time,
    Instance,
}

/// What a frame says of one difference.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Mark {
    Number(f64),
    Text(String),
}

impl By {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Acquisition => "acquisition number",
            Self::ImageType => "image type",
            Self::Protocol => {
                "protocol (kernel, tube voltage, thickness, series number or description)"
            }
            Self::Folder => "folder",
            Self::Temporal => "temporal position",
            Self::Trigger => "trigger time",
            Self::Echo => "echo time",
            Self::Inversion => "inversion time",
            Self::BValue => "b-value",
            Self::Time => "acquisition time",
            Self::Instance => "instance number",
        }
    }

    /// Whether frames so told apart are one image over time (or echo, or b-value) rather than several images.
    pub const fn is_series_of_one_image(self) -> bool {
        !matches!(
            self,
            Self::Stack | Self::ImageType | Self::Protocol | Self::Folder
        )
    }
}

impl Frame {
    pub fn facts(&self) -> &Facts {
        &self.file.facts
    }

    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// What the frame says of a difference; `None` where it says nothing.
    pub(super) fn mark(&self, by: By) -> Option<Mark> {
        let text = |text: &str| (!text.is_empty()).then(|| Mark::Text(text.to_owned()));
        let marks = &self.marks;
        let number = match by {
            By::Stack => return text(&marks.stack),
            By::ImageType => return text(&marks.image_type),
            By::Protocol => return text(&marks.protocol),
            By::Folder => {
                return text(&self.path().parent()?.to_string_lossy());
            }
            By::Acquisition => marks.acquisition.map(|n| n as f64),
            By::Instance => marks.instance.map(|n| n as f64),
            By::Temporal => marks.temporal,
            By::Trigger => marks.trigger_ms,
            By::Echo => marks.echo_ms,
            By::Inversion => marks.inversion_ms,
            By::BValue => marks.b_value,
            By::Time => marks.time,
        };
        number.map(Mark::Number)
    }

    /// The order in which frames of one place were made.
    pub(super) fn before(&self, other: &Self) -> Ordering {
        self.made().cmp(&other.made())
    }

    fn made(&self) -> (Option<i64>, &Path, u32) {
        (self.marks.instance, self.path(), self.number)
    }

    /// Whether this is a scout picture (PS3.3 C.8.2.1.1.1).
    pub(super) fn is_localizer(&self) -> bool {
        let mut parts = self.marks.image_type.split('\\');
        parts.any(|part| part.trim() == "LOCALIZER")
    }
}
