//! Shader sources, put together.

use std::fmt::Write as _;

use super::MOST_LAYERS;
use super::bricks::BRICK;
use super::colour::{Lighting, MOST_SAMPLES, OPAQUE};
use super::colour_map::COLOUR_MAP_SIZE;
use m3d_imaging::volume::LUT_SIZE;

/// The shaders, each assembled of generated constants, the shared part and its own file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shader {
    /// Slices.
    Slice,
    /// Ray casting.
    RayCast,
}

impl Shader {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Slice, Self::RayCast];

    /// The name of its file in `shaders/`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Slice => "slice.wgsl",
            Self::RayCast => "ray_cast.wgsl",
        }
    }

    /// The name of its fragment stage.
    pub const fn fragment(self) -> &'static str {
        match self {
            Self::Slice => "slice",
            Self::RayCast => "ray_cast",
        }
    }

    /// The names of its overrides: each is a way of drawing that is compiled in or left out.
    pub const fn overrides(self) -> &'static [&'static str] {
        match self {
            Self::Slice => &["WITH_LABELS", "SECOND", "THIRD", "FOURTH"],
            Self::RayCast => &["WITH_LABELS", "SHADING", "MAXIMUM", "EXACT"],
        }
    }

    /// The whole source. Constants that Rust needs too are written here from Rust's, so that each
    /// stands in one place.
    pub fn source(self) -> String {
        let own = match self {
            Self::Slice => include_str!("../../shaders/slice.wgsl"),
            Self::RayCast => include_str!("../../shaders/ray_cast.wgsl"),
        };
        let mut source = String::new();
        for (name, value) in [
            ("AMBIENT", Lighting::AMBIENT),
            ("DIFFUSE", Lighting::DIFFUSE),
            ("SPECULAR", Lighting::SPECULAR),
            ("SHININESS", Lighting::SHININESS),
            ("FLAT_COSINE", Lighting::FLAT_COSINE),
            ("HALF_GRADIENT", Lighting::HALF_GRADIENT),
            ("OPAQUE", OPAQUE),
            ("OUTLINE", super::slice::OUTLINE),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(source, "const {name}: f32 = {value:?};");
        }
        for (name, value) in [
            ("BRICK", BRICK),
            ("COLOUR_MAP_SIZE", COLOUR_MAP_SIZE as u32),
            ("LUT_SIZE", LUT_SIZE as u32),
            ("MOST_LAYERS", MOST_LAYERS as u32),
            ("MOST_SAMPLES", MOST_SAMPLES),
        ] {
            let _ = writeln!(source, "const {name}: u32 = {value}u;");
        }
        source.push_str(include_str!("../../shaders/common.wgsl"));
        source.push_str(own);
        source
    }

    /// Compiles it.
    pub(super) fn module(self, device: &wgpu::Device) -> wgpu::ShaderModule {
        device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(self.file()),
            source: wgpu::ShaderSource::Wgsl(self.source().into()),
        })
    }
}
