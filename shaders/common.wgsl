// What every shader here shares: the volume, its labels, and how they are read.
//
// Voxel coordinates are those of the texture: integers at texel centres, so that the volume reaches
// from -0.5 to its size - 0.5. In the outer half voxel the border's value holds.

@group(0) @binding(1) var volume: texture_3d<f32>;
@group(0) @binding(2) var labels: texture_3d<u32>;
// Colour and opacity of each label; hidden ones have opacity 0.
@group(0) @binding(3) var<uniform> styles: array<vec4<f32>, 256>;

// One triangle that covers the target.
@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    return vec4<f32>(corner * 4.0 - 1.0, 0.0, 1.0);
}

fn is_inside(voxel: vec3<f32>, box_max: vec3<f32>) -> bool {
    return all(voxel >= vec3<f32>(-0.5)) && all(voxel < box_max);
}

// Trilinear between texel centres. Adapters interpolate with 8 bits of position, which shows as steps
// in a narrow window; this is exact. At whole coordinates it is the texel there. The channels of
// colours are luma, red, green and blue; of other voxels the first is the value.
fn texel_linear(texels: texture_3d<f32>, voxel: vec3<f32>) -> vec4<f32> {
    let last = vec3<i32>(textureDimensions(texels)) - 1;
    let inside = clamp(voxel, vec3<f32>(0.0), vec3<f32>(last));
    let base = floor(inside);
    let part = inside - base;
    let a = vec3<i32>(base);
    let b = min(a + 1, last);
    let x00 = mix(textureLoad(texels, vec3<i32>(a.x, a.y, a.z), 0), textureLoad(texels, vec3<i32>(b.x, a.y, a.z), 0), part.x);
    let x10 = mix(textureLoad(texels, vec3<i32>(a.x, b.y, a.z), 0), textureLoad(texels, vec3<i32>(b.x, b.y, a.z), 0), part.x);
    let x01 = mix(textureLoad(texels, vec3<i32>(a.x, a.y, b.z), 0), textureLoad(texels, vec3<i32>(b.x, a.y, b.z), 0), part.x);
    let x11 = mix(textureLoad(texels, vec3<i32>(a.x, b.y, b.z), 0), textureLoad(texels, vec3<i32>(b.x, b.y, b.z), 0), part.x);
    return mix(mix(x00, x10, part.y), mix(x01, x11, part.y), part.z);
}

// The label of a voxel, held at the border.
fn label_of(voxel: vec3<i32>) -> u32 {
    let last = vec3<i32>(textureDimensions(labels)) - 1;
    return textureLoad(labels, clamp(voxel, vec3<i32>(0), last), 0).r & 255u;
}
