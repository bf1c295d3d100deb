//! The shaders as assembled are valid, and their uniform blocks lie in memory as Rust writes them.

use std::mem::offset_of;

use m3d_viewer::render::Shader;
use m3d_viewer::render::uniforms::{LayerUniforms, RayCastUniforms, SliceUniforms};
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn parse(shader: Shader) -> naga::Module {
    let source = shader.source();
    naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|why| panic!("{}: {}", shader.file(), why.emit_to_string(&source)))
}

#[test]
fn every_shader_is_valid_without_any_extension() {
    for shader in Shader::ALL {
        let module = parse(shader);
        Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|why| {
                panic!(
                    "{}: {}",
                    shader.file(),
                    why.emit_to_string(&shader.source())
                )
            });
        assert_eq!(module.entry_points.len(), 2, "{}", shader.file());
    }
}

#[test]
fn every_file_of_the_folder_is_part_of_a_shader() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(
            Shader::ALL.iter().any(|s| s.source().contains(&source)),
            "{} is never assembled, so never tested",
            path.display()
        );
        seen += 1;
    }
    assert_eq!(seen, Shader::ALL.len() + 1);
}

/// Compares every member of the shader's struct with the field of the same name.
fn assert_layout(shader: Shader, name: &str, size: usize, fields: &[(&str, usize)]) {
    let module = parse(shader);
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let (handle, block) = module
        .types
        .iter()
        .find(|(_, ty)| ty.name.as_deref() == Some(name))
        .unwrap_or_else(|| panic!("{} declares no {name}", shader.file()));
    let naga::TypeInner::Struct { members, .. } = &block.inner else {
        panic!("{name} is no struct");
    };
    let found: Vec<(&str, usize)> = members
        .iter()
        .map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize))
        .collect();
    assert_eq!(found, fields, "{name}");
    assert_eq!(layouter[handle].size as usize, size, "size of {name}");
}

macro_rules! fields {
    ($block:ty: $($field:ident),* $(,)?) => {
        [$((stringify!($field), offset_of!($block, $field))),*]
    };
}

#[test]
fn uniform_blocks_lie_as_the_shaders_read_them() {
    let fields = fields!(LayerUniforms: voxel_origin, brightness_scale, voxel_dx, brightness_offset,
        voxel_dy, opacity, box_max, colour_map, interpolate, is_colour);
    assert_layout(Shader::Slice, "Layer", size_of::<LayerUniforms>(), &fields);
    let fields = fields!(SliceUniforms: layers, label_origin, label_dx, label_dy, label_box_max);
    assert_layout(
        Shader::Slice,
        "SliceUniforms",
        size_of::<SliceUniforms>(),
        &fields,
    );
    let fields = fields!(RayCastUniforms: eye_voxel, step_mm, ray_origin, distance_mm, ray_dx,
        mm_per_pixel, ray_dy, label_offset, box_max, lut_scale, gradient_x, lut_offset, gradient_y,
        label_scale, gradient_z, lut_floor, background, half_size_px);
    assert_layout(
        Shader::RayCast,
        "RayCastUniforms",
        size_of::<RayCastUniforms>(),
        &fields,
    );
}
