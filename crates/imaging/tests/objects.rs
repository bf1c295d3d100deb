//! Structures drawn on images: surfaces, contours, and the files that hold them.

#[path = "objects/contours.rs"]
mod contours;
#[path = "objects/mesh.rs"]
mod mesh;
#[path = "objects/read.rs"]
mod read;
#[path = "objects/report.rs"]
mod report;
#[path = "objects/round_trip.rs"]
mod round_trip;
#[path = "import/support.rs"]
#[allow(dead_code, reason = "shared with the import tests")]
mod support;
#[path = "objects/write.rs"]
mod write;
