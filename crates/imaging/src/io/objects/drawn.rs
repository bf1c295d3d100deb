//! Structures to be written.

use std::path::Path;

use super::{rtstruct, seg, surface};
use crate::geometry::VoxelGrid;
use crate::io::error::Refusal;
use crate::io::library::Source;
use crate::io::{IoError, Series, files, nifti};
use crate::terms::Term;
use crate::volume::{Mask, Mesh};

/// Who drew a structure (PS3.3 C.8.20.4): what a reader of the file is to know first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrawnBy {
    /// A model or another program, by itself.
    Automatic {
        /// Its name.
        name: String,
        /// Its version, or what else tells which one it was.
        version: String,
    },
    /// A person with such help, or after it.
    SemiAutomatic {
        /// The name of the help.
        name: String,
        /// Its version.
        version: String,
    },
    /// A person.
    Manual,
}

impl DrawnBy {
    /// DICOM's word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Automatic { .. } => "AUTOMATIC",
            Self::SemiAutomatic { .. } => "SEMIAUTOMATIC",
            Self::Manual => "MANUAL",
        }
    }

    /// The name and the version of what drew or helped.
    pub fn program(&self) -> Option<(&str, &str)> {
        match self {
            Self::Automatic { name, version } | Self::SemiAutomatic { name, version } => {
                Some((name, version))
            }
            Self::Manual => None,
        }
    }
}

/// A structure to be written.
#[derive(Clone, Debug)]
pub struct Drawn<'a> {
    /// What the reader calls it.
    pub name: &'a str,
    /// What it is.
    pub term: Option<&'static Term>,
    /// Red, green and blue; the term's or a plain one otherwise.
    pub colour: Option<[u8; 3]>,
    /// Its voxels.
    pub mask: &'a Mask,
    /// Who drew it.
    pub by: DrawnBy,
}

/// What has no colour is shown in.
const PLAIN: [u8; 3] = [255, 200, 60];

impl Drawn<'_> {
    /// The colour it is written with.
    pub fn shown_colour(&self) -> [u8; 3] {
        let of_term = || self.term.and_then(Term::colour);
        self.colour.or_else(of_term).unwrap_or(PLAIN)
    }
}

/// The forms that structures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFormat {
    /// A NIfTI label map, `.nii` or `.nii.gz`.
    Nifti,
    /// A DICOM segmentation, `.dcm`.
    Segmentation,
    /// A DICOM radiotherapy structure set, `.rtstruct.dcm`.
    StructureSet,
    /// A surface, `.stl`.
    Stl,
    /// Surfaces with names, `.obj`.
    Obj,
}

impl ObjectFormat {
    /// The form that a file's name asks for.
    ///
    /// # Errors
    /// When it names none of these.
    pub fn of(path: &Path) -> Result<Self, IoError> {
        let name = files::lower_name(path);
        let endings = [
            (".rtstruct.dcm", Self::StructureSet),
            (".dcm", Self::Segmentation),
            (".nii", Self::Nifti),
            (".nii.gz", Self::Nifti),
            (".stl", Self::Stl),
            (".obj", Self::Obj),
        ];
        let found = endings.iter().find(|(ending, _)| name.ends_with(ending));
        let format = found.map(|(_, format)| *format);
        format.ok_or_else(|| IoError::ObjectName(path.to_owned()))
    }

    /// Whether it names the images it lies on, and so cannot be without them.
    pub const fn is_dicom(self) -> bool {
        matches!(self, Self::Segmentation | Self::StructureSet)
    }
}

/// Refuses a name under which structures of a series could not be written, before there is anything to write.
///
/// # Errors
/// When it names no form, or a DICOM object where the image is none.
pub fn check(path: &Path, series: &Series) -> Result<ObjectFormat, IoError> {
    let format = ObjectFormat::of(path)?;
    if format.is_dicom() && !matches!(series.source, Source::Dicom(_)) {
        return Err(IoError::OutputShape {
            path: path.to_owned(),
            message: "the image is no DICOM image, so there are no patient and study to refer to; write .nii.gz, .stl \
                      or .obj"
                .to_owned(),
        });
    }
    Ok(format)
}

/// Writes structures that were drawn on `series`, in the form that the name of `path` asks for ([`ObjectFormat`]).
///
/// In a NIfTI label map the first one is 1, and where two overlap the later one stands; a single one is 0 and 1. DICOM
/// objects take patient and study from the first file of the series and name its images; overlaps stay, and each is a
/// series of its own, of today.
///
/// # Errors
/// When the name asks for no such form, nothing is drawn, masks lie on different grids, a DICOM object is asked for of
/// an image that is none, or reading the first file or writing fails.
pub fn write(path: &Path, series: &Series, drawn: &[Drawn]) -> Result<(), IoError> {
    let format = check(path, series)?;
    let refused = |message: &str| IoError::OutputShape {
        path: path.to_owned(),
        message: message.to_owned(),
    };
    let grid = match drawn {
        [] => return Err(refused("nothing is drawn")),
        [first, ..] => *first.mask.grid(),
    };
    if drawn.iter().any(|d| *d.mask.grid() != grid) {
        return Err(refused("the structures lie on different grids"));
    }
    if drawn.iter().all(|d| d.mask.count() == 0) {
        return Err(refused("no voxel is drawn"));
    }
    match format {
        ObjectFormat::Nifti => write_nifti(path, &grid, drawn),
        ObjectFormat::Segmentation => seg::write(path, series, &grid, drawn),
        ObjectFormat::StructureSet => rtstruct::write(path, series, &grid, drawn),
        ObjectFormat::Stl => {
            let meshes: Vec<Mesh> = drawn.iter().map(|d| Mesh::of(d.mask)).collect();
            surface::write_stl(path, &meshes)
        }
        ObjectFormat::Obj => {
            let meshes: Vec<Mesh> = drawn.iter().map(|d| Mesh::of(d.mask)).collect();
            let names = drawn.iter().map(|d| d.name);
            surface::write_obj(path, names.zip(&meshes))
        }
    }
}

fn write_nifti(path: &Path, grid: &VoxelGrid, drawn: &[Drawn]) -> Result<(), IoError> {
    if let [only] = drawn {
        return nifti::write_mask(path, only.mask);
    }
    let masks: Vec<&Mask> = drawn.iter().map(|d| d.mask).collect();
    nifti::write_labels(path, grid, &masks)
}

/// More structures than DICOM numbers.
pub(super) fn too_many(path: &Path, drawn: &[Drawn]) -> Result<(), IoError> {
    if u16::try_from(drawn.len()).is_ok() {
        return Ok(());
    }
    let message = format!("{} structures are more than can be numbered", drawn.len());
    Err(Refusal::new("too_many", message).at(path))
}
