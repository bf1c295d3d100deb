//! The grid a phantom is drawn on: shapes are put one over another, each with a soft edge.

use std::sync::Arc;

use glam::{DAffine3, DVec3, Vec3};

use super::body::Body;
use super::noise::{Lattice, Warp};
use crate::dataset::Structure;
use m3d_imaging::geometry::VoxelGrid;

/// A voxel while something is drawn over it.
#[derive(Clone, Copy)]
pub(super) struct Here {
    /// Its place in the (warped) body, in mm.
    pub p: Vec3,
    /// Distance from the cavity's wall in mm, negative inside.
    pub cavity: f32,
    /// 0 in the middle of the cavity, 1 at its wall.
    pub radius: f32,
    /// What was drawn there before.
    pub label: u8,
}

/// What a shape is labelled with.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    /// A structure.
    Of(Structure),
    /// Nothing known: a bone or tissue without a name here.
    Nameless,
    /// What is beneath keeps its label.
    Keep,
    /// What is beneath keeps its label, and the voxel belongs to this finding (from 1).
    Finding(u8),
    /// A structure that also is the site of a finding.
    FindingIn(Structure, u8),
}

/// The picture in the making.
pub(super) struct Canvas {
    dims: [usize; 3],
    points: Vec<Vec3>,
    cavity: Vec<[f32; 2]>,
    inside: Vec<bool>,
    /// Hounsfield units.
    pub hu: Vec<f32>,
    /// Structures' labels.
    pub labels: Vec<u8>,
    /// Findings' numbers, from 1.
    pub findings: Vec<u8>,
    /// Noise for textures.
    pub lattice: Arc<Lattice>,
    warp: Warp,
    voxel_from_body: DAffine3,
    /// Half the width of an edge in mm.
    soft_mm: f32,
    field: Vec<f32>,
    touched: Vec<u32>,
}

/// A distance that means nothing was measured.
const FAR: f32 = 1e9;

impl Canvas {
    /// An empty grid: air of `air_hu` everywhere.
    pub fn new(
        grid: &VoxelGrid,
        patient_from_body: DAffine3,
        lattice: Arc<Lattice>,
        warp: Warp,
        soft_mm: f32,
        air_hu: f32,
    ) -> Self {
        let dims = grid.dims().to_array().map(|n| n as usize);
        let body_from_voxel = patient_from_body.inverse() * grid.patient_from_voxel();
        let step = |axis: DVec3| axis.as_vec3();
        let (di, dj, dk) = (
            step(body_from_voxel.matrix3.x_axis),
            step(body_from_voxel.matrix3.y_axis),
            step(body_from_voxel.matrix3.z_axis),
        );
        let origin = body_from_voxel.translation.as_vec3();
        // The displacement changes over 80 mm and more: along a row it is looked up every 14 mm.
        let stride = ((14.0 / di.length().max(1e-3)) as usize).clamp(1, dims[0].max(1));
        let mut points = Vec::with_capacity(grid.len());
        for k in 0..dims[2] {
            for j in 0..dims[1] {
                let row = origin + dk * k as f32 + dj * j as f32;
                let moved = |i: usize| warp.at(&lattice, row + di * i as f32);
                let mut next = moved(0);
                for start in (0..dims[0]).step_by(stride) {
                    let here = next;
                    next = moved(start + stride);
                    let step = (next - here) / stride as f32;
                    for off in 0..stride.min(dims[0] - start) {
                        let p = row + di * (start + off) as f32;
                        points.push(p + here + step * off as f32);
                    }
                }
            }
        }
        let count = grid.len();
        Self {
            dims,
            points,
            cavity: vec![[FAR, 10.0]; count],
            inside: vec![false; count],
            hu: vec![air_hu; count],
            labels: vec![0; count],
            findings: vec![0; count],
            lattice,
            warp,
            voxel_from_body: body_from_voxel.inverse(),
            soft_mm,
            field: vec![FAR; count],
            touched: Vec::new(),
        }
    }

    /// Draws the layers of the trunk; everything drawn later stays inside its skin.
    pub fn draw_trunk(
        &mut self,
        body: &Body,
        layer: impl Fn(&Lattice, Vec3, [f32; 3]) -> (f32, u8),
    ) {
        for n in 0..self.points.len() {
            let p = self.points[n];
            let skin = body.skin(p).distance;
            if skin > self.soft_mm {
                continue;
            }
            let cavity = body.cavity(p);
            let muscle = if cavity.distance < -3.0 {
                cavity.distance - 9.0
            } else {
                body.muscle(p).distance
            };
            self.cavity[n] = [cavity.distance, cavity.radius];
            let (hu, label) = layer(&self.lattice, p, [skin, muscle, cavity.distance]);
            let cover = self.cover(skin);
            self.hu[n] += (hu - self.hu[n]) * cover;
            if skin <= 0.0 {
                self.inside[n] = true;
                self.labels[n] = label;
            }
        }
    }

    /// How much of a voxel a surface at a distance covers.
    fn cover(&self, distance: f32) -> f32 {
        (0.5 - distance / (2.0 * self.soft_mm)).clamp(0.0, 1.0)
    }

    /// The voxels (half-open ranges i, j, k) that a box of the body may touch.
    fn voxels(&self, [low, high]: [Vec3; 2]) -> Option<[[usize; 2]; 3]> {
        // Points moved by the warp: look from the box's centre back to where it came from.
        let centre = (low + high) * 0.5;
        let came = centre - self.warp.at(&self.lattice, centre);
        let half = (high - low) * 0.5;
        let pad = 5.0 + self.soft_mm + 0.17 * half.max_element().min(60.0);
        let mut first = DVec3::INFINITY;
        let mut last = DVec3::NEG_INFINITY;
        for corner in 0..8 {
            let sign = |bit: u32| if corner >> bit & 1 == 1 { 1.0 } else { -1.0 };
            let off = (half + pad) * Vec3::new(sign(0), sign(1), sign(2));
            let v = self
                .voxel_from_body
                .transform_point3((came + off).as_dvec3());
            first = first.min(v);
            last = last.max(v);
        }
        let mut ranges = [[0; 2]; 3];
        for (axis, range) in ranges.iter_mut().enumerate() {
            let n = self.dims[axis] as f64;
            *range = [
                first[axis].ceil().clamp(0.0, n) as usize,
                (last[axis].floor() + 1.0).clamp(0.0, n) as usize,
            ];
            if range[0] >= range[1] {
                return None;
            }
        }
        Some(ranges)
    }

    /// Adds a solid to the shape that the next [`fill`](Self::fill) draws.
    pub fn add(&mut self, bounds: [Vec3; 2], distance: impl Fn(&Here) -> f32) {
        let Some([is, js, ks]) = self.voxels(bounds) else {
            return;
        };
        for k in ks[0]..ks[1] {
            for j in js[0]..js[1] {
                let row = (k * self.dims[1] + j) * self.dims[0];
                for n in row + is[0]..row + is[1] {
                    if !self.inside[n] {
                        continue;
                    }
                    let here = self.here(n);
                    let d = distance(&here);
                    if d < self.soft_mm {
                        if self.field[n] == FAR {
                            self.touched.push(n as u32);
                        }
                        if d < self.field[n] {
                            self.field[n] = d;
                        }
                    }
                }
            }
        }
    }

    fn here(&self, n: usize) -> Here {
        let [cavity, radius] = self.cavity[n];
        Here {
            p: self.points[n],
            cavity,
            radius,
            label: self.labels[n],
        }
    }

    /// How many voxels the shape that is being made would fill.
    pub fn pending(&self) -> usize {
        self.touched
            .iter()
            .filter(|&&n| self.field[n as usize] <= 0.0)
            .count()
    }

    /// Forgets the shape that is being made.
    pub fn discard(&mut self) {
        for &n in &self.touched {
            self.field[n as usize] = FAR;
        }
        self.touched.clear();
    }

    /// Draws the shape made with [`add`](Self::add), with a value for each voxel and its depth.
    pub fn fill(&mut self, tag: Tag, value: impl Fn(&Lattice, &Here, f32) -> f32) {
        let touched = std::mem::take(&mut self.touched);
        for &n in &touched {
            let n = n as usize;
            let d = self.field[n];
            self.field[n] = FAR;
            let cover = self.cover(d);
            let hu = value(&self.lattice, &self.here(n), d);
            self.hu[n] += (hu - self.hu[n]) * cover;
            if d <= 0.0 {
                match tag {
                    Tag::Of(structure) => {
                        self.labels[n] = structure.label();
                        self.findings[n] = 0;
                    }
                    Tag::Nameless => {
                        self.labels[n] = 0;
                        self.findings[n] = 0;
                    }
                    Tag::Keep => {}
                    Tag::Finding(number) => self.findings[n] = number,
                    Tag::FindingIn(structure, number) => {
                        self.labels[n] = structure.label();
                        self.findings[n] = number;
                    }
                }
            }
        }
        self.touched = touched;
        self.touched.clear();
    }

    /// Puts the shape made with [`add`](Self::add) into a finding, and draws nothing.
    pub fn mark(&mut self, number: u8) {
        for &n in &self.touched {
            if self.field[n as usize] <= 0.0 {
                self.findings[n as usize] = number;
            }
        }
        self.discard();
    }

    /// The voxels with a label, as offsets.
    pub fn voxels_of(&self, label: u8) -> Vec<u32> {
        (0..self.labels.len() as u32)
            .filter(|&n| self.labels[n as usize] == label)
            .collect()
    }

    /// A voxel as shapes see it.
    pub fn look(&self, offset: u32) -> Here {
        self.here(offset as usize)
    }

    /// Draws one solid of one value.
    pub fn paint(&mut self, tag: Tag, bounds: [Vec3; 2], hu: f32, distance: impl Fn(&Here) -> f32) {
        self.add(bounds, distance);
        self.fill(tag, |_, _, _| hu);
    }

    /// Draws outside the body, in unwarped coordinates: the table and the arms.
    pub fn paint_around(
        &mut self,
        body_from_voxel: DAffine3,
        value: impl Fn(Vec3) -> Option<(f32, f32)>,
    ) {
        let origin = body_from_voxel.translation.as_vec3();
        let m = body_from_voxel.matrix3;
        let (di, dj, dk) = (m.x_axis.as_vec3(), m.y_axis.as_vec3(), m.z_axis.as_vec3());
        let mut n = 0;
        for k in 0..self.dims[2] {
            for j in 0..self.dims[1] {
                let row = origin + dk * k as f32 + dj * j as f32;
                for i in 0..self.dims[0] {
                    if !self.inside[n]
                        && let Some((d, hu)) = value(row + di * i as f32)
                    {
                        let cover = self.cover(d);
                        self.hu[n] += (hu - self.hu[n]) * cover;
                    }
                    n += 1;
                }
            }
        }
    }
}
