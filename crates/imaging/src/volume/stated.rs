//! What a file says of an image beside its voxels and their place.

/// What the distance between pixels is one of, and so whether it measures the patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// In the patient.
    #[default]
    Patient,
    /// At the detector of a projection: the patient is magnified by an unknown factor.
    Detector,
    /// Not said: distances are in pixels.
    Unknown,
}

impl Spacing {
    /// What a length in the image is said in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Patient => "mm",
            Self::Detector => "mm at the detector",
            Self::Unknown => "px",
        }
    }
}

/// What a file says of an image beside its voxels and their place. An array without a header says [`Stated::NOTHING`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// It says how the image lies in the patient. Else (NIfTI with qform and sform code 0, Analyze, a bare array) left
    /// and right are a guess, and no side may be named.
    pub side_known: bool,
    /// What distances in the image are worth.
    pub spacing: Spacing,
    /// The voxels were once compressed with loss: Lossy Image Compression (0028,2110), or a transfer syntax that is
    /// never lossless.
    pub lossy: bool,
    /// The values are said to be numbers of labels (NIFTI_INTENT_LABEL).
    pub label_map: bool,
    /// Patient's Age (0010,1010) as written (`067Y`); empty where it is not said.
    pub patient_age: String,
    /// Patient's Sex (0010,0040) as written; empty where it is not said.
    pub patient_sex: String,
    /// Study Date (0008,0020), `YYYYMMDD`; empty where it is not said.
    pub study_date: String,
}

impl Stated {
    /// Of a bare array.
    pub const NOTHING: Self = Self {
        side_known: false,
        spacing: Spacing::Patient,
        lossy: false,
        label_map: false,
        patient_age: String::new(),
        patient_sex: String::new(),
        study_date: String::new(),
    };
}
