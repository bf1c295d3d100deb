// A flat cut: up to four images over one another, labels over them.
//
// Every image and the label map have a grid of their own; each brings its own map from pixels to its
// voxels. Layers are mixed in display colours.

struct Layer {
    voxel_origin: vec3<f32>,
    brightness_scale: f32,
    voxel_dx: vec3<f32>,
    brightness_offset: f32,
    voxel_dy: vec3<f32>,
    opacity: f32,
    box_max: vec3<f32>,
    colour_map: u32,
    interpolate: u32,
    is_colour: u32,
}

struct SliceUniforms {
    layers: array<Layer, MOST_LAYERS>,
    label_origin: vec3<f32>,
    label_dx: vec3<f32>,
    label_dy: vec3<f32>,
    label_box_max: vec3<f32>,
}

@group(0) @binding(0) var<uniform> u: SliceUniforms;
// The layers over the base, which is `volume`.
@group(0) @binding(4) var second: texture_3d<f32>;
@group(0) @binding(5) var third: texture_3d<f32>;
@group(0) @binding(6) var fourth: texture_3d<f32>;
// One colour map a row, COLOUR_MAP_SIZE colours each.
@group(0) @binding(7) var colour_maps: texture_2d<f32>;

// Labels are drawn.
override WITH_LABELS: bool;
// There are as many layers.
override SECOND: bool;
override THIRD: bool;
override FOURTH: bool;

// The colour of a brightness from 0 to 1.
fn coloured(brightness: f32, colour_map: u32) -> vec3<f32> {
    let place = brightness * f32(COLOUR_MAP_SIZE - 1u);
    let below = min(u32(place), COLOUR_MAP_SIZE - 2u);
    let a = textureLoad(colour_maps, vec2<u32>(below, colour_map), 0).rgb;
    let b = textureLoad(colour_maps, vec2<u32>(below + 1u, colour_map), 0).rgb;
    return mix(a, b, place - f32(below));
}

// A layer over what is below it, which stays as it is outside the layer's box.
fn over(below: vec3<f32>, layer: Layer, texels: texture_3d<f32>, pixel: vec2<f32>) -> vec3<f32> {
    let voxel = layer.voxel_origin + layer.voxel_dx * pixel.x + layer.voxel_dy * pixel.y;
    let at = select(floor(voxel + 0.5), voxel, layer.interpolate != 0u);
    let opacity = select(0.0, layer.opacity, is_inside(voxel, layer.box_max));
    let shades = texel_linear(texels, at) * layer.brightness_scale + layer.brightness_offset;
    let bounded = clamp(shades, vec4<f32>(0.0), vec4<f32>(1.0));
    var colour = bounded.gba;
    if layer.is_colour == 0u {
        colour = coloured(bounded.r, layer.colour_map);
    }
    return mix(below, colour, opacity);
}

// The label under a pixel: 0 outside the label map.
fn label_under(pixel: vec2<f32>) -> u32 {
    let voxel = u.label_origin + u.label_dx * pixel.x + u.label_dy * pixel.y;
    if !is_inside(voxel, u.label_box_max) {
        return 0u;
    }
    return label_of(vec3<i32>(floor(voxel + 0.5)));
}

@fragment
fn slice(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = position.xy;
    var colour = over(vec3<f32>(0.0), u.layers[0], volume, pixel);
    if SECOND {
        colour = over(colour, u.layers[1], second, pixel);
    }
    if THIRD {
        colour = over(colour, u.layers[2], third, pixel);
    }
    if FOURTH {
        colour = over(colour, u.layers[3], fourth, pixel);
    }
    if WITH_LABELS {
        let label = label_under(pixel);
        let style = styles[label];
        // Below 0 the outline alone is drawn.
        let strength = abs(style.a);
        if strength > 0.0 {
            // Pixels whose neighbour wears another label form the outline.
            let same = label_under(pixel + vec2<f32>(1.0, 0.0)) == label
                && label_under(pixel - vec2<f32>(1.0, 0.0)) == label
                && label_under(pixel + vec2<f32>(0.0, 1.0)) == label
                && label_under(pixel - vec2<f32>(0.0, 1.0)) == label;
            let opacity = select(mix(strength, 1.0, OUTLINE), max(style.a, 0.0), same);
            colour = mix(colour, style.rgb, opacity);
        }
    }
    return vec4<f32>(colour, 1.0);
}
