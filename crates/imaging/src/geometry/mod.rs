//! Places and directions: grids, planes, boxes and the camera, in f64 and with nothing but glam.
//!
//! Three spaces live here. `voxel` counts columns, rows and slices `(i, j, k)` with integers at voxel
//! centres; `patient` is millimetres in DICOM's LPS (x to the patient's left, y to the back, z to the
//! head, PS3.3 C.7.6.2.1.1); `view` is the plane of a picture. Maps are named `to_from`.

mod anatomy;
mod axis_order;
mod body_level;
mod camera;
mod grid;
mod slice_plane;
mod voxel_box;

pub use anatomy::{Orientation, direction_letters, signed_letters};
pub use axis_order::{AxisOrder, OrderedCrop};
pub use body_level::{BodyLevel, NotALevel};
pub use camera::{Camera, Ray};
pub use grid::{GridError, VoxelGrid};
pub use slice_plane::{SlicePlane, SliceView};
pub use voxel_box::VoxelBox;
