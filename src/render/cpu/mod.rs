//! The twins: the same pictures in plain Rust, over as many threads as rayon has.
//!
//! They take the other road wherever there is one. Geometry is f64 from end to end and goes through
//! [`m3d_imaging::geometry`]'s own maps, and rays take every sample instead of leaping over empty bricks, so
//! that agreement with the shaders means something. They also draw where there is no adapter.

mod ray_cast;
mod sampler;
mod slice;

pub use ray_cast::ray_cast;
pub use slice::slice;

use glam::Vec3;
use rayon::prelude::*;

use super::Picture;
use super::colour::byte;

/// A picture computed row by row in parallel: `row` is given its number and black pixels to colour.
fn picture(size_px: [u32; 2], row: impl Fn(u32, &mut [Vec3]) + Sync) -> Picture {
    let [width, height] = size_px;
    let mut picture = Picture::filled(width, height, [0; 3]);
    picture
        .rgba
        .par_chunks_mut((width as usize * 4).max(4))
        .zip(0..height)
        .for_each_init(
            || vec![Vec3::ZERO; width as usize],
            |colours, (bytes, y)| {
                colours.fill(Vec3::ZERO);
                row(y, colours);
                for (rgba, colour) in bytes.chunks_exact_mut(4).zip(colours) {
                    rgba[..3].copy_from_slice(&colour.to_array().map(byte));
                }
            },
        );
    picture
}
