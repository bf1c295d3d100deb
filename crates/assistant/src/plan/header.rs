//! What a file says of patient and image.

/// Something that is read from the header or the grid rather than from the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFact {
    /// The patient's age.
    Age,
    /// The patient's sex.
    Sex,
    /// When it was taken.
    Date,
    /// What made it: CT, MR, PET.
    Modality,
    /// The plane of the slices.
    Plane,
    /// The size of a voxel and the distance of the slices.
    Spacing,
    /// How many slices there are.
    Slices,
    /// What part of the body is shown.
    Region,
}

impl HeaderFact {
    /// As the plan shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Sex => "sex",
            Self::Date => "date",
            Self::Modality => "modality",
            Self::Plane => "plane",
            Self::Spacing => "spacing",
            Self::Slices => "slices",
            Self::Region => "region",
        }
    }
}
