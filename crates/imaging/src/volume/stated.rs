//! What a file says of an image beside its voxels and their place.

/// What a file says of an image beside its voxels and their place. An array without a header says [`Stated::NOTHING`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// It says how the image lies in the patient. Else (NIfTI with qform and sform code 0, Analyze, a bare array) left
    /// and right are a guess, and no side may be named.
    pub side_known: bool,
    /// The voxels were once compressed with loss: Lossy Image Compression (0028,2110), or a transfer syntax that is
    /// never lossless.
    pub lossy: bool,
    /// The values are said to be numbers of labels (NIFTI_INTENT_LABEL).
    pub label_map: bool,
    /// Body Part Examined (0018,0015) as written; empty where it is not said. Often wrong: a hint, no more.
    pub body_part: String,
}

impl Stated {
    /// Of a bare array.
    pub const NOTHING: Self = Self {
        side_known: false,
        lossy: false,
        label_map: false,
        body_part: String::new(),
    };
}
