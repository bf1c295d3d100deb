//! Structures drawn on images, in and out: what lies on top of an image.

mod surface;

pub use surface::{write_obj, write_stl};
