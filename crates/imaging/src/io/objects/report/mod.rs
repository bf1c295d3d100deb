//! Reports beside images: as a document (PDF), and as measurements and codes that programs read (TID 1500).

mod content;
mod group;
mod pdf;
mod sr;

use glam::DVec3;

pub use pdf::write_pdf;
pub use sr::write_sr;

use super::drawn::DrawnBy;
use crate::terms::Term;
use crate::volume::Mask;

/// What a text of a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// Why the images were made.
    Indication,
    /// How they were made.
    Technique,
    /// What was known before.
    Comparison,
    /// What is seen.
    Finding,
    /// What it means.
    Impression,
}

/// A text of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportText {
    /// What it is.
    pub kind: TextKind,
    /// Its words.
    pub text: String,
}

/// Where a finding lies, in patient mm (LPS).
#[derive(Clone, Debug)]
pub enum Region<'a> {
    /// The voxels of a mask, written as contours slice by slice.
    Mask(&'a Mask),
    /// Closed planar polygons, each without its first corner again at the end.
    Polygons(Vec<Vec<DVec3>>),
    /// Lines from point to point, along which is measured: each value along its own where there are as many, else along
    /// all of them.
    Lines(Vec<Vec<DVec3>>),
    /// A point.
    Point(DVec3),
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// In mL.
    Volume,
    /// In mm.
    Length,
    /// Of two diameters the longer one, in mm.
    LongAxis,
    /// The shorter one, in mm.
    ShortAxis,
    /// In mm².
    Area,
    /// In degrees.
    Angle,
    /// The mean of the values, in HU.
    MeanHounsfield,
}

/// A finding with what is measured of it.
#[derive(Clone, Debug)]
pub struct MeasuredFinding<'a> {
    /// What the reader calls it.
    pub name: String,
    /// What it is.
    pub term: Option<&'static Term>,
    /// A number that it keeps through all reports on the study.
    pub number: u64,
    /// Who drew it.
    pub by: DrawnBy,
    /// What is to be said of it beside: that nobody has reviewed it.
    pub comment: Option<String>,
    /// Where.
    pub region: Region<'a>,
    /// What is measured, each a finite number.
    pub values: Vec<(Quantity, f64)>,
}
