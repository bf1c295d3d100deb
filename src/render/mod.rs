//! Pictures of volumes: slices and ray casting on the GPU, and their twins on the CPU.
//!
//! # How a picture comes to be
//! A [`VolumeTexture`] holds the voxels once on the GPU, a [`LabelTexture`] the masks. A renderer
//! ([`SliceRenderer`], [`VolumeRenderer`]) is made once and never changes; what belongs to one view
//! (uniforms, bind group, target) lives in its [`ViewSlot`]. `draw` takes a documented configuration
//! and leaves an opaque picture in display colours in the slot's texture, which a window shows and
//! [`read_back()`] fetches. A whole picture is drawn again only when something it shows has changed.
//!
//! # Truth
//! [`cpu`] computes the same pictures in plain Rust and in f64 geometry. Tests compare the two pixel
//! by pixel; where no adapter is found the twin draws in the GPU's place.
//!
//! # Colours
//! Targets hold display colours (gamma-encoded, as sRGB). Slices are levels of the window in the colours
//! of a [`ColourMap`], and layers are mixed as they stand. Ray casting adds light, so it computes in linear light and encodes at the end.
//! [`LabelStyle::colour`] and [`RayCastConfig::background`] are display colours.

mod annotate;
mod bricks;
mod colour;
mod colour_map;
pub mod cpu;
mod draw_timer;
mod error;
mod font;
mod gpu;
mod label_bricks;
mod label_texture;
pub mod marks;
pub mod overlay;
mod pass;
mod picture;
mod ray_cast;
mod read_back;
mod reduce;
mod shader;
mod slice;
mod slot;
mod style;
mod system_fonts;
mod texels;
pub mod uniforms;
mod volume_texture;

pub use annotate::{annotate, pixels_per_point};
pub use colour_map::ColourMap;
pub use draw_timer::DrawTimer;
pub use error::RenderError;
pub use font::{TEXT_FACE, text_size};
pub use gpu::{Gpu, wanted_features, wanted_limits};
pub use label_texture::LabelTexture;
pub use picture::Picture;
pub use ray_cast::{RayCastConfig, VolumeRenderer};
pub use read_back::read_back;
pub use shader::Shader;
pub use slice::{LayerStyle, MOST_LAYERS, SliceConfig, SliceRenderer};
pub use slot::ViewSlot;
pub use style::LabelStyle;
pub use system_fonts::{SystemFont, SystemFonts};
pub use volume_texture::VolumeTexture;

/// What is written on every picture that leaves the program.
pub const RESEARCH_NOTICE: &str = "Research use only, not for diagnosis";
