//! Values between voxels.

use glam::{DVec3, UVec3, Vec3};

use super::super::texels::Stored;
use m3d_imaging::volume::Rescale;

/// Reads a volume of one stored type, as the shaders do: integers at voxel centres, the border's value
/// held beyond it.
#[derive(Clone, Copy)]
pub(super) struct Sampler<'a, T> {
    values: &'a [T],
    last: UVec3,
    row: usize,
    slice: usize,
    rescale: Rescale,
    slope: f32,
    intercept: f32,
}

impl<'a, T: Stored> Sampler<'a, T> {
    /// `values` fill a grid of `dims`.
    pub(super) fn new(values: &'a [T], dims: UVec3, rescale: Rescale) -> Self {
        Self {
            values,
            last: dims - 1,
            row: dims.x as usize,
            slice: dims.x as usize * dims.y as usize,
            rescale,
            slope: rescale.slope as f32,
            intercept: rescale.intercept as f32,
        }
    }

    fn at(&self, x: u32, y: u32, z: u32) -> T {
        self.values[z as usize * self.slice + y as usize * self.row + x as usize]
    }

    fn stored(&self, x: u32, y: u32, z: u32) -> f32 {
        self.at(x, y, z).f32()
    }

    /// The trilinear value or, without `interpolate`, that of the voxel whose centre is nearest; of what `number` makes
    /// of the voxels.
    pub(super) fn value(&self, voxel: DVec3, interpolate: bool, number: impl Fn(T) -> f32) -> f64 {
        if interpolate {
            self.linear(voxel, number)
        } else {
            f64::from(self.nearest(voxel, number))
        }
    }

    fn nearest(&self, voxel: DVec3, number: impl Fn(T) -> f32) -> f32 {
        let at = (voxel + 0.5)
            .floor()
            .clamp(DVec3::ZERO, self.last.as_dvec3())
            .as_uvec3();
        self.rescale.apply(number(self.at(at.x, at.y, at.z)))
    }

    fn linear(&self, voxel: DVec3, number: impl Fn(T) -> f32) -> f64 {
        let inside = voxel.clamp(DVec3::ZERO, self.last.as_dvec3());
        let base = inside.floor();
        let part = inside - base;
        let a = base.as_uvec3();
        let b = (a + 1).min(self.last);
        let mix = |p: f64, q: f64, share: f64| p + (q - p) * share;
        let along_x = |y: u32, z: u32| {
            let (p, q) = (number(self.at(a.x, y, z)), number(self.at(b.x, y, z)));
            mix(f64::from(p), f64::from(q), part.x)
        };
        let along_y = |z: u32| mix(along_x(a.y, z), along_x(b.y, z), part.y);
        mix(along_y(a.z), along_y(b.z), part.z) * self.rescale.slope + self.rescale.intercept
    }

    /// The trilinear value in f32, for the many samples of a ray.
    pub(super) fn linear_f32(&self, voxel: Vec3) -> f32 {
        let inside = voxel.clamp(Vec3::ZERO, self.last.as_vec3());
        let a = inside.as_uvec3();
        let part = inside - a.as_vec3();
        let b = (a + 1).min(self.last);
        let mix = |p: f32, q: f32, share: f32| p + (q - p) * share;
        let along_x = |y: u32, z: u32| mix(self.stored(a.x, y, z), self.stored(b.x, y, z), part.x);
        let along_y = |z: u32| mix(along_x(a.y, z), along_x(b.y, z), part.y);
        mix(along_y(a.z), along_y(b.z), part.z) * self.slope + self.intercept
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;
    use m3d_imaging::geometry::VoxelGrid;
    use m3d_imaging::volume::{Modality, Units, Volume, Voxels};

    #[test]
    fn values_are_those_of_the_volume() {
        let dims = UVec3::new(5, 4, 3);
        let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
        let values: Vec<i16> = (0..60).map(|n| (n * n * 7 % 311) - 150).collect();
        let rescale = Rescale {
            slope: -0.5,
            intercept: 20.0,
        };
        let sampler = Sampler::new(&values, dims, rescale);
        let voxels = Voxels::I16(values.clone());
        let volume = Volume::new(grid, voxels, rescale, Modality::Mr, Units::Arbitrary).unwrap();
        for n in 0..200 {
            let share = |k: f64| (f64::from(n) * k).fract() * 0.999;
            let voxel = DVec3::new(share(0.37), share(0.61), share(0.83)) * dims.as_dvec3() - 0.5;
            let wanted = f64::from(volume.sample(voxel).unwrap());
            assert!((sampler.linear(voxel, Stored::f32) - wanted).abs() < 1e-4);
            assert!((f64::from(sampler.linear_f32(voxel.as_vec3())) - wanted).abs() < 1e-3);
            let nearest = volume.grid().nearest(voxel).unwrap();
            assert_eq!(
                Some(sampler.nearest(voxel, Stored::f32)),
                volume.value(nearest)
            );
        }
    }
}
