//! Data to train and to measure with: phantoms, questions and answers about them, and M3D-Data's layout
//! on disk.
//!
//! A [`Phantom`] is a CT volume with everything in it known; a [`Scene`] is a phantom as the model sees
//! it, cropped and resized. From a scene come [`report()`]s, [`vqa()`] items and [`pair`]s about places. The
//! preparation of the image itself belongs to inference and is handed in.

mod layout;
pub mod phantom;
pub mod prepare;
mod random;
pub mod read;
mod report;
mod scene;
mod structure;
pub mod templates;
mod vqa;

pub use layout::{DatasetError, LayoutWriter, PreparedPhantom, Split};
use m3d_imaging::wording::capital;
pub use phantom::{
    FindingKind, Phantom, PhantomConfig, PhantomError, PhantomFinding, Phase, Region,
};
pub use random::Random;
pub use report::report;
pub use scene::{Scene, Target, box_number, box_text};
pub use structure::{Laterality, Structure};
pub use templates::{Pair, PairTask, Subject, pair, pair_about, random_pair};
pub use vqa::{VqaItem, VqaType, vqa};
