// A flat cut: window to grey, labels over it.

struct SliceUniforms {
    voxel_origin: vec3<f32>,
    brightness_scale: f32,
    voxel_dx: vec3<f32>,
    brightness_offset: f32,
    voxel_dy: vec3<f32>,
    invert: u32,
    box_max: vec3<f32>,
    label_scale: f32,
    label_offset: f32,
}

@group(0) @binding(0) var<uniform> u: SliceUniforms;

// Labels are drawn.
override WITH_LABELS: bool;
// Values are interpolated; else the nearest voxel's.
override INTERPOLATE: bool;

fn voxel_from_pixel(pixel: vec2<f32>) -> vec3<f32> {
    return u.voxel_origin + u.voxel_dx * pixel.x + u.voxel_dy * pixel.y;
}

// The label under a pixel: 0 outside the volume.
fn label_under(pixel: vec2<f32>) -> u32 {
    let voxel = voxel_from_pixel(pixel);
    if !is_inside(voxel, u.box_max) {
        return 0u;
    }
    return label_of(label_voxel(voxel, u.label_scale, u.label_offset));
}

@fragment
fn slice(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let voxel = voxel_from_pixel(position.xy);
    if !is_inside(voxel, u.box_max) {
        return vec4<f32>(0.0, 0.0, 0.0, 1.0);
    }
    var texel = 0.0;
    if INTERPOLATE {
        texel = texel_linear(voxel);
    } else {
        texel = texel_nearest(voxel);
    }
    var grey = clamp(texel * u.brightness_scale + u.brightness_offset, 0.0, 1.0);
    if u.invert != 0u {
        grey = 1.0 - grey;
    }
    var colour = vec3<f32>(grey);
    if WITH_LABELS {
        let label = label_under(position.xy);
        let style = styles[label];
        if style.a > 0.0 {
            // Pixels whose neighbour wears another label form the outline.
            let same = label_under(position.xy + vec2<f32>(1.0, 0.0)) == label
                && label_under(position.xy - vec2<f32>(1.0, 0.0)) == label
                && label_under(position.xy + vec2<f32>(0.0, 1.0)) == label
                && label_under(position.xy - vec2<f32>(0.0, 1.0)) == label;
            let opacity = select(mix(style.a, 1.0, OUTLINE), style.a, same);
            colour = mix(colour, style.rgb, opacity);
        }
    }
    return vec4<f32>(colour, 1.0);
}
