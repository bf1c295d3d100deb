//! Ray casting.

use glam::{DMat3, DVec2, DVec3, IVec3, Vec3, Vec4};

use super::super::colour::{
    Lighting, Lut, MOST_SAMPLES, OPAQUE, display_from_linear, linear_from_display,
};
use super::super::style::{StyleTable, on_grid, ray_cast_styles};
use super::super::texels::{Stored, with_values};
use super::super::{Picture, RayCastConfig};
use super::picture;
use super::sampler::Sampler;
use m3d_imaging::geometry::{Ray, VoxelGrid};
use m3d_imaging::volume::{Blend, LUT_SIZE, LabelMap, Volume};

/// The picture as [`super::super::VolumeRenderer`] draws it, without leaping over anything.
pub fn ray_cast(volume: &Volume, labels: Option<&LabelMap>, config: &RayCastConfig) -> Picture {
    let grid = volume.grid();
    let visible = config.labels.iter().any(|style| style.opacity > 0.0);
    let step_mm = config.step_mm(grid);
    let scene = Scene {
        grid,
        labels: on_grid(labels, grid).filter(|_| visible),
        styles: ray_cast_styles(&config.labels, step_mm as f32),
        lut: config.lut(step_mm),
        config,
        step_mm,
        background: Vec3::from_array(config.background.map(linear_from_display)),
    };
    let size_px = config.size_px.map(|n| n.max(1));
    let size = DVec2::new(f64::from(size_px[0]), f64::from(size_px[1]));
    with_values!(volume.voxels(), values => {
        let sampler = Sampler::new(values, grid.dims(), volume.rescale());
        picture(size_px, |y, row| {
            for (colour, x) in row.iter_mut().zip(0..) {
                let pixel = DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5);
                let ray = config.camera.ray(pixel, size);
                *colour = scene.colour(&sampler, &ray, jitter(x, y));
            }
        })
    })
}

/// All that the rays of a picture share.
struct Scene<'a> {
    grid: &'a VoxelGrid,
    labels: Option<&'a LabelMap>,
    styles: StyleTable,
    lut: Lut,
    config: &'a RayCastConfig,
    step_mm: f64,
    /// Linear light.
    background: Vec3,
}

/// A number from 0 to 1 that belongs to a pixel.
fn jitter(x: u32, y: u32) -> f64 {
    let mut h = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    f64::from((h ^ (h >> 16)) >> 8) / 16_777_216.0
}

impl Scene<'_> {
    fn colour<T: Stored>(&self, sampler: &Sampler<'_, T>, ray: &Ray, jitter: f64) -> Vec3 {
        let sum = self.along(sampler, ray, jitter);
        let light = sum.truncate() + self.background * (1.0 - sum.w);
        light.map(|c| display_from_linear(c.clamp(0.0, 1.0)))
    }

    /// Colour times opacity, and opacity, of what a ray meets.
    fn along<T: Stored>(&self, sampler: &Sampler<'_, T>, ray: &Ray, jitter: f64) -> Vec4 {
        let place = self.grid.voxel_from_patient();
        let eye = place.transform_point3(ray.origin_mm);
        let direction = place.matrix3 * ray.direction;
        let Some([enter, leave]) = through_box(self.grid, eye, direction) else {
            return Vec4::ZERO;
        };
        let start = enter + jitter * self.step_mm;
        if start > leave {
            return Vec4::ZERO;
        }
        let last = ((leave - start) / self.step_mm).min(f64::from(MOST_SAMPLES)) as u32;
        let maximum = self.config.transfer.blend == Blend::MaximumIntensity;
        let mut largest = self.lut.low;
        let mut sum = Vec4::ZERO;
        for n in 0..=last {
            let voxel = eye + direction * (start + self.step_mm * f64::from(n));
            let label = self.label_layer(voxel, direction);
            if maximum {
                largest = largest.max(sampler.linear_f32(voxel.as_vec3()));
            }
            let layer = match label {
                Some(layer) => layer,
                None if maximum => Vec4::ZERO,
                None => self.value_layer(sampler, voxel.as_vec3(), direction),
            };
            sum += layer * (1.0 - sum.w);
            if sum.w >= OPAQUE || maximum && self.labels.is_none() && largest >= self.lut.high {
                break;
            }
        }
        if maximum {
            sum += Vec4::from_array(self.lut.at(largest)) * (1.0 - sum.w);
        }
        sum
    }

    /// What the value at a sample looks like.
    fn value_layer<T: Stored>(&self, sampler: &Sampler<'_, T>, voxel: Vec3, along: DVec3) -> Vec4 {
        let layer = Vec4::from_array(self.lut.at(sampler.linear_f32(voxel)));
        if layer.w <= 0.0 || !self.config.shading {
            return layer;
        }
        let difference =
            |axis: Vec3| sampler.linear_f32(voxel + axis) - sampler.linear_f32(voxel - axis);
        let gradient = Vec3::new(
            difference(Vec3::X),
            difference(Vec3::Y),
            difference(Vec3::Z),
        ) / (2.0 * (self.lut.high - self.lut.low));
        self.lit(layer, gradient, along)
    }

    /// What the label at a sample looks like; `None` where none is visible.
    fn label_layer(&self, voxel: DVec3, along: DVec3) -> Option<Vec4> {
        let labels = self.labels?;
        let here = (voxel + 0.5).floor().as_ivec3();
        let label = self.label_of(labels, here);
        let [r, g, b, a] = self.styles[usize::from(label)];
        if a <= 0.0 {
            return None;
        }
        let layer = Vec4::new(r * a, g * a, b * a, a);
        if !self.config.shading {
            return Some(layer);
        }
        let mut gradient = Vec3::ZERO;
        for z in -1..=1_i32 {
            for y in -1..=1_i32 {
                for x in -1..=1_i32 {
                    let side = IVec3::new(x, y, z);
                    if self.label_of(labels, here + side) == label {
                        let side = side.as_vec3();
                        let weight = 2.0 - side.abs();
                        gradient += side
                            * Vec3::new(
                                weight.y * weight.z,
                                weight.x * weight.z,
                                weight.x * weight.y,
                            );
                    }
                }
            }
        }
        Some(self.lit(layer, gradient / 32.0, along))
    }

    /// The label of a voxel, held at the border.
    fn label_of(&self, labels: &LabelMap, voxel: IVec3) -> u8 {
        let last = self.grid.dims().as_ivec3() - 1;
        labels.label(voxel.clamp(IVec3::ZERO, last).as_uvec3())
    }

    /// A layer lit from the eye: `gradient` in shares of the table per voxel, `along` in voxels per mm.
    fn lit(&self, layer: Vec4, gradient: Vec3, along: DVec3) -> Vec4 {
        let matrix: DMat3 = self.grid.voxel_from_patient().matrix3;
        let gradient = gradient.as_dvec3();
        let steep = (matrix.transpose() * gradient).length();
        let facing = (gradient.dot(along).abs() / steep.max(1e-12)).min(1.0) as f32;
        let steep = steep as f32;
        let sure = steep / (steep + Lighting::HALF_GRADIENT);
        let cosine = Lighting::FLAT_COSINE + (facing - Lighting::FLAT_COSINE) * sure;
        let diffuse = Lighting::AMBIENT + Lighting::DIFFUSE * cosine;
        let gloss = Lighting::SPECULAR * sure * facing.powf(Lighting::SHININESS);
        (layer.truncate() * diffuse + gloss * layer.w).extend(layer.w)
    }
}

/// Where a ray is inside the volume's box: from and to, in mm from the eye.
fn through_box(grid: &VoxelGrid, eye: DVec3, direction: DVec3) -> Option<[f64; 2]> {
    let per_direction = direction.map(|d| 1.0 / if d.abs() < 1e-12 { 1e-12 } else { d });
    let to_low = (DVec3::splat(-0.5) - eye) * per_direction;
    let to_high = (grid.dims().as_dvec3() - 0.5 - eye) * per_direction;
    let enter = to_low.min(to_high).max_element().max(0.0);
    let leave = to_low.max(to_high).min_element();
    (enter <= leave).then_some([enter, leave])
}

const _: () = assert!(LUT_SIZE >= 2, "a table has two ends");
