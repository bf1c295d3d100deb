//! Structures drawn on images, in and out: what lies on top of an image.

mod codes;
mod colour;
mod drawn;
mod elements;
mod file;
mod found;
mod labels;
mod original;
mod report;
mod rtstruct;
mod seg;
mod surface;

pub use drawn::{Drawn, DrawnBy, ObjectFormat, check, write};
pub use found::{Belongs, LoadedObject, LoadedStructure, ObjectKind, ObjectOnTop, Structure, load};
pub(super) use found::{inspect, is_object};
pub(super) use labels::Names;
pub use labels::{load_label_map, load_label_series, may_label};
pub use report::{MeasuredFinding, Quantity, Region, ReportText, TextKind, write_pdf, write_sr};
pub use surface::{write_obj, write_stl};
