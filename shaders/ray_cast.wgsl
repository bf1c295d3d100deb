// Ray casting: front to back through the volume's box with a fixed step (Levoy 1988), or the largest
// value along the ray.
//
// Samples stand on a lattice along each ray that only the ray decides. Bricks in which nothing can be
// seen are leapt over from lattice point to lattice point, so that leaping changes no sample.
//
// Adapters run rays in groups and software ones take both ways of every `if`; only a loop that no ray
// of the group enters costs nothing. Hence the shape: loops seek the next sample to be seen in every
// ray, then those are lit together, and what a picture does not use is an override that drops it.

struct RayCastUniforms {
    eye_voxel: vec3<f32>,
    step_mm: f32,
    ray_origin: vec3<f32>,
    distance_mm: f32,
    ray_dx: vec3<f32>,
    mm_per_pixel: f32,
    ray_dy: vec3<f32>,
    label_offset: f32,
    box_max: vec3<f32>,
    lut_scale: f32,
    gradient_x: vec3<f32>,
    lut_offset: f32,
    gradient_y: vec3<f32>,
    label_scale: f32,
    gradient_z: vec3<f32>,
    lut_floor: f32,
    background: vec3<f32>,
    half_size_px: vec2<f32>,
}

@group(0) @binding(0) var<uniform> u: RayCastUniforms;
// Distance of each brick from the nearest one in which something can be seen, in bricks.
@group(0) @binding(4) var distances: texture_3d<u32>;
// Colour times opacity, and opacity, of LUT_SIZE values.
@group(0) @binding(5) var lut: texture_2d<f32>;
@group(0) @binding(6) var linear: sampler;

// Labels are drawn.
override WITH_LABELS: bool;
// Surfaces are lit.
override SHADING: bool;
// The largest value along the ray is shown.
override MAXIMUM: bool;
// Values are interpolated here: the adapter's own filter rounds them too much.
override EXACT: bool;

// A number from 0 to 1 that belongs to a pixel: starting rays there breaks up banding.
fn jitter(pixel: vec2<u32>) -> f32 {
    var h = pixel.x * 0x9E3779B1u ^ pixel.y * 0x85EBCA77u;
    h = (h ^ (h >> 16u)) * 0x7FEB352Du;
    h = (h ^ (h >> 15u)) * 0x846CA68Bu;
    return f32((h ^ (h >> 16u)) >> 8u) / 16777216.0;
}

fn texel_at(voxel: vec3<f32>, per_size: vec3<f32>) -> f32 {
    if EXACT {
        return texel_linear(volume, voxel).r;
    }
    return textureSampleLevel(volume, linear, (voxel + 0.5) * per_size, 0.0).r;
}

// The voxel of the label map that a voxel coordinate of the volume falls on: the two differ in size
// when one had to be reduced more than the other.
fn label_voxel(voxel: vec3<f32>, scale: f32, offset: f32) -> vec3<i32> {
    return vec3<i32>(floor(voxel * scale + offset + 0.5));
}

// Where a texel's value stands in the table; beyond its ends the end's entry holds.
fn lut_place(texel: f32) -> f32 {
    return clamp(texel * u.lut_scale + u.lut_offset, 0.0, f32(LUT_SIZE - 1u));
}

fn lut_at(place: f32) -> vec4<f32> {
    let below = min(i32(place), i32(LUT_SIZE) - 2);
    let a = textureLoad(lut, vec2<i32>(below, 0), 0);
    let b = textureLoad(lut, vec2<i32>(below + 1, 0), 0);
    return mix(a, b, place - f32(below));
}

// How a layer of premultiplied colour looks when lit from the eye: `gradient` per voxel, in shares of
// the table per voxel; `direction` the ray's, in voxels per mm.
fn lit(layer: vec4<f32>, gradient: vec3<f32>, direction: vec3<f32>) -> vec4<f32> {
    let g = vec3<f32>(dot(u.gradient_x, gradient), dot(u.gradient_y, gradient), dot(u.gradient_z, gradient));
    let steep = length(g);
    // The cosine between ray and gradient in patient space; both faces of a surface are lit.
    let facing = min(abs(dot(gradient, direction)) / max(steep, 1e-12), 1.0);
    let sure = steep / (steep + HALF_GRADIENT);
    let diffuse = AMBIENT + DIFFUSE * mix(FLAT_COSINE, facing, sure);
    let gloss = SPECULAR * sure * pow(facing, SHININESS);
    return vec4<f32>(layer.rgb * diffuse + gloss * layer.a, layer.a);
}

fn value_gradient(voxel: vec3<f32>, per_size: vec3<f32>) -> vec3<f32> {
    let x = vec3<f32>(1.0, 0.0, 0.0);
    let y = vec3<f32>(0.0, 1.0, 0.0);
    let z = vec3<f32>(0.0, 0.0, 1.0);
    return vec3<f32>(
        texel_at(voxel + x, per_size) - texel_at(voxel - x, per_size),
        texel_at(voxel + y, per_size) - texel_at(voxel - y, per_size),
        texel_at(voxel + z, per_size) - texel_at(voxel - z, per_size),
    ) * (0.5 * u.lut_scale / f32(LUT_SIZE - 1u));
}

// The gradient of a label's own mask, smoothed over the neighbours (Sobel): the values under a mask
// say nothing about its surface. Zero, and no work, for label 0.
fn label_gradient(at: vec3<i32>, label: u32) -> vec3<f32> {
    var sum = vec3<f32>(0.0);
    for (var z = select(2, -1, label != 0u); z <= 1; z++) {
        for (var y = -1; y <= 1; y++) {
            for (var x = -1; x <= 1; x++) {
                let same = label_of(at + vec3<i32>(x, y, z)) == label;
                let side = vec3<f32>(f32(x), f32(y), f32(z));
                let weight = vec3<f32>(2.0) - abs(side);
                let pull = side * vec3<f32>(weight.y * weight.z, weight.x * weight.z, weight.x * weight.y);
                sum += select(vec3<f32>(0.0), pull, same);
            }
        }
    }
    return sum / 32.0;
}

fn display_from_linear(c: vec3<f32>) -> vec3<f32> {
    let held = clamp(c, vec3<f32>(0.0), vec3<f32>(1.0));
    return select(1.055 * pow(held, vec3<f32>(1.0 / 2.4)) - 0.055, held * 12.92, held <= vec3<f32>(0.0031308));
}

// Divides by something that is not zero.
fn divisor(d: vec3<f32>) -> vec3<f32> {
    return select(d, vec3<f32>(1e-12), abs(d) < vec3<f32>(1e-12));
}

@fragment
fn ray_cast(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let nothing = vec4<f32>(display_from_linear(u.background), 1.0);

    // The ray: voxels per mm, and where it is inside the volume's box, in mm from the eye.
    let through = u.ray_origin + u.ray_dx * position.x + u.ray_dy * position.y;
    let offset_mm = (position.xy - u.half_size_px) * u.mm_per_pixel;
    let length_mm = sqrt(u.distance_mm * u.distance_mm + dot(offset_mm, offset_mm));
    let direction = through / length_mm;
    let per_direction = 1.0 / divisor(direction);
    let to_low = (vec3<f32>(-0.5) - u.eye_voxel) * per_direction;
    let to_high = (u.box_max - u.eye_voxel) * per_direction;
    let near = min(to_low, to_high);
    let far = max(to_low, to_high);
    let enter = max(max(near.x, max(near.y, near.z)), 0.0);
    let leave = min(far.x, min(far.y, far.z));
    let start = enter + jitter(vec2<u32>(position.xy)) * u.step_mm;
    if start > leave {
        return nothing;
    }
    let last = i32(min((leave - start) / u.step_mm, f32(MOST_SAMPLES)));
    let first = u.eye_voxel + direction * start;
    let step = direction * u.step_mm;
    let per_step = 1.0 / divisor(step);

    let per_size = 1.0 / vec3<f32>(textureDimensions(volume));
    let last_brick = vec3<i32>(textureDimensions(distances)) - 1;
    let brick_size = f32(BRICK);

    var sum = vec4<f32>(0.0);
    // Place of the largest value in the table; what lies below the table looks like its start.
    var largest = 0.0;
    var n = 0;
    // Samples before this one are known to be in a brick where something can be seen.
    var next = 0;
    while n <= last {
        var label = 0u;
        var place = 0.0;
        var voxel = first;
        var found = false;
        while n <= last && !found {
            while n >= next && n <= last {
                let at = first + step * f32(n);
                let brick = clamp(vec3<i32>(floor((at + 0.5) / brick_size)), vec3<i32>(0), last_brick);
                let distance = i32(textureLoad(distances, brick, 0).r);
                // The block of bricks around this one of which all are like it, and the first sample
                // past where the ray leaves it.
                let around = max(distance - 1, 0);
                let low = vec3<f32>(brick - around) * brick_size - 0.5;
                let high = vec3<f32>(brick + around + 1) * brick_size - 0.5;
                let out = (select(low, high, step > vec3<f32>(0.0)) - first) * per_step;
                let out_at = min(out.x, min(out.y, out.z));
                next = clamp(i32(ceil(min(out_at, f32(last + 1)))), n + 1, last + 1);
                n = select(next, n, distance == 0);
            }
            while n < next && !found {
                voxel = first + step * f32(n);
                n++;
                if WITH_LABELS {
                    label = label_of(label_voxel(voxel, u.label_scale, u.label_offset));
                    label = select(0u, label, styles[label].a > 0.0);
                    found = label != 0u;
                }
                place = lut_place(texel_at(voxel, per_size));
                if MAXIMUM {
                    largest = max(largest, place);
                    if !WITH_LABELS && largest >= f32(LUT_SIZE - 1u) {
                        n = last + 1;
                        next = n;
                    }
                } else {
                    found = found || place > u.lut_floor;
                }
            }
        }
        var layer = vec4<f32>(0.0);
        if !MAXIMUM {
            layer = select(layer, lut_at(place), found);
        }
        if WITH_LABELS {
            let style = styles[label];
            layer = select(layer, vec4<f32>(style.rgb * style.a, style.a), label != 0u);
        }
        if SHADING {
            var gradient = vec3<f32>(0.0);
            if !MAXIMUM {
                gradient = value_gradient(voxel, per_size);
            }
            if WITH_LABELS {
                let here = label_voxel(voxel, u.label_scale, u.label_offset);
                let own = label_gradient(here, label) * u.label_scale;
                gradient = select(gradient, own, label != 0u);
            }
            layer = lit(layer, gradient, direction);
        }
        sum += layer * (1.0 - sum.a);
        if sum.a >= OPAQUE {
            break;
        }
    }
    if MAXIMUM {
        sum += lut_at(largest) * (1.0 - sum.a);
    }
    return vec4<f32>(display_from_linear(sum.rgb + u.background * (1.0 - sum.a)), 1.0);
}
