//! Outlines of structures, as radiotherapy keeps them: closed polygons in planes.

mod fill;
mod trace;

pub use fill::{Filled, fill};
pub use trace::{Region, regions};
