//! Data to teach and to measure with: phantoms, and M3D-Data's layout on disk.

pub mod phantom;
mod random;
mod structure;

pub use phantom::{Finding, FindingKind, Phantom, PhantomConfig, PhantomError, Phase, Region};
pub use random::Random;
pub use structure::{Side, Structure};
