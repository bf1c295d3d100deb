//! What an axial section of a CT shows that tells its height in the body.

use rayon::prelude::*;

use super::regions::{distances, eroded, flood, neighbours, regions};
use super::section::Sections;

/// Thresholds in HU: air around, the border of the body, the lowest value from which on air has been clipped away, lung,
/// and bone.
const AIR_HU: f32 = -930.0;
const SOLID_HU: f32 = -300.0;
const CLIPPED_HU: f32 = -900.0;
const LUNG_HU: [f32; 2] = [-965.0, -500.0];
const BONE_HU: f32 = 220.0;

/// Sections of less than this show no body.
const LEAST_BODY_CM2: f64 = 15.0;

/// Parts of the body smaller than this share of the largest one are arms, or lie beside the body.
const LEAST_PART: f64 = 0.3;

/// Regions of lung smaller than this are bowel gas whose edge is blurred.
const LEAST_LUNG_CM2: f64 = 4.0;

/// Bone further from the middle than this share of the body's width lies at its sides.
const SIDE: f64 = 0.23;

/// How many [`Features::shares`] there are.
pub(super) const SHARES: usize = 6;

/// What a section shows of the body, without the arms where they are apart from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Features {
    /// With all the body encloses, in cm2.
    pub area_cm2: f64,
    /// Parts side by side: two where the legs begin.
    pub parts: usize,
    /// The body goes on outside the image.
    pub is_cut: bool,
    /// The share of the area that is lung; `None` where air is clipped, so that lung and gas are alike.
    pub lung: Option<f64>,
    /// Shares of the area: bone, and what bone encloses (a skull).
    pub bone: f64,
    pub vault: f64,
    /// The share of bone that lies at the sides.
    pub lateral_bone: f64,
    /// Pieces of bone at the sides: ribs are many, hips are few.
    pub pieces: usize,
    /// How deep bone at the sides lies below the skin (the median, in mm): ribs are shallow, hips are deep.
    pub under_skin_mm: f64,
}

impl Features {
    /// Of each section: how far below the upper edge of the image it lies, in mm, and what it shows; `None` where there
    /// is no body in it.
    pub fn of_all(sections: &Sections) -> Vec<(f64, Option<Self>)> {
        sections
            .all
            .par_iter()
            .map(|section| {
                (
                    section.depth_mm,
                    Picture::of(sections, &section.hu).features(),
                )
            })
            .collect()
    }

    /// Lung, bone, bone at the sides, vault, pieces and depth of bone. `None` where it does not count: of a body that
    /// is cut only what cannot have been cut away does.
    pub fn shares(&self) -> [Option<f64>; SHARES] {
        let whole = !self.is_cut;
        [
            self.lung.filter(|&lung| whole || lung > 0.03),
            whole.then_some(self.bone),
            whole.then_some(self.lateral_bone),
            Some(self.vault),
            whole.then_some(self.pieces as f64),
            (whole && self.pieces > 0).then_some(self.under_skin_mm),
        ]
    }
}

/// A section and where the body is in it.
struct Picture<'a> {
    hu: &'a [f32],
    width: usize,
    spacing_mm: [f64; 2],
    /// Pixels of the body, with all it encloses.
    body: Vec<bool>,
    parts: usize,
    is_clipped: bool,
}

impl<'a> Picture<'a> {
    fn of(sections: &Sections, hu: &'a [f32]) -> Self {
        let (width, count) = (sections.width, hu.len());
        let mut picture = Self {
            hu,
            width,
            spacing_mm: sections.spacing_mm,
            body: vec![false; count],
            parts: 0,
            is_clipped: sections.lowest > CLIPPED_HU,
        };
        let (air_hu, solid_hu) = if picture.is_clipped {
            (sections.lowest + 1.0, SOLID_HU.max(sections.lowest + 1.0))
        } else {
            (AIR_HU, SOLID_HU)
        };
        // A table is thin and a body is not.
        let solid: Vec<bool> = hu.iter().map(|&v| v > solid_hu).collect();
        let core = eroded(width, &solid);
        let cores = regions(width, |n| core[n], count);
        let largest = cores.largest();
        if picture.cm2(largest) < LEAST_BODY_CM2 {
            return picture;
        }
        let is_part = |n: usize| cores.size_at(n) as f64 >= LEAST_PART * largest as f64;
        let tissue = flood(width, count, is_part, |n| solid[n] && !core[n]);
        // All that cannot be reached from the air around belongs to it.
        let around = flood(
            width,
            count,
            |n| hu[n] < air_hu && picture.is_edge(n),
            |n| !tissue[n] && !hu[n].is_nan(),
        );
        let is_inside = |n: usize| tissue[n] || (!around[n] && hu[n] <= solid_hu);
        let wholes = regions(width, is_inside, count);
        let least = LEAST_PART * wholes.largest() as f64;
        picture.body = (0..count)
            .map(|n| wholes.of[n] != 0 && wholes.size_at(n) as f64 >= least)
            .collect();
        picture.parts = wholes.sizes.iter().filter(|&&s| s as f64 >= least).count();
        picture
    }

    fn cm2(&self, pixels: usize) -> f64 {
        pixels as f64 * self.spacing_mm[0] * self.spacing_mm[1] / 100.0
    }

    /// At the border of what the scanner saw.
    fn is_edge(&self, n: usize) -> bool {
        let (width, count) = (self.width, self.hu.len());
        n.is_multiple_of(width)
            || n % width + 1 == width
            || n < width
            || n + width >= count
            || neighbours(n, width, count).any(|next| self.hu[next].is_nan())
    }

    fn is_bone(&self, n: usize) -> bool {
        self.body[n] && self.hu[n] > BONE_HU
    }

    fn features(&self) -> Option<Features> {
        let (width, count) = (self.width, self.hu.len());
        let [dx, dy] = self.spacing_mm;
        let body: Vec<usize> = (0..count).filter(|&n| self.body[n]).collect();
        let span = |of: fn(usize, usize) -> usize| {
            let low = body.iter().map(|&n| of(n, width)).min()?;
            let high = body.iter().map(|&n| of(n, width)).max()?;
            Some([low, high])
        };
        let [x0, x1] = span(|n, width| n % width)?;
        let [y0, y1] = span(|n, width| n / width)?;
        let width_mm = (x1 + 1 - x0) as f64 * dx;
        let depth_mm = (y1 + 1 - y0) as f64 * dy;
        let middle = (x0 + x1) as f64 / 2.0;

        let at_edge = body.iter().filter(|&&n| self.is_edge(n)).count();
        let bones = body.iter().filter(|&&n| self.is_bone(n)).count();
        let lateral: Vec<bool> = (0..count)
            .map(|n| {
                let from_middle = ((n % width) as f64 - middle).abs() * dx;
                from_middle > SIDE * width_mm && self.is_bone(n)
            })
            .collect();
        let laterals = lateral.iter().filter(|&&l| l).count();
        let share = |pixels: usize| pixels as f64 / body.len() as f64;
        Some(Features {
            area_cm2: self.cm2(body.len()),
            parts: self.parts,
            is_cut: at_edge as f64 * dx.min(dy) > 0.3 * (width_mm + depth_mm),
            lung: (!self.is_clipped).then(|| share(self.lung())),
            bone: share(bones),
            vault: share(self.vault()),
            lateral_bone: laterals as f64 / bones.max(1) as f64,
            pieces: self.pieces(&lateral),
            under_skin_mm: self.under_skin_mm(&lateral),
        })
    }

    /// Pixels of lung: unlike bowel gas it is grey, and much of it hangs together.
    fn lung(&self) -> usize {
        let is_airy = |n: usize| self.body[n] && self.hu[n] < LUNG_HU[1];
        let found = regions(self.width, is_airy, self.hu.len());
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); found.sizes.len()];
        for (n, &region) in found.of.iter().enumerate().filter(|(_, r)| **r != 0) {
            values[region as usize - 1].push(self.hu[n]);
        }
        let is_lung = |values: &mut Vec<f32>| {
            let middle = values.len() / 2;
            let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
            *median > LUNG_HU[0] && self.cm2(values.len()) >= LEAST_LUNG_CM2
        };
        values
            .into_iter()
            .filter_map(|mut values| is_lung(&mut values).then_some(values.len()))
            .sum()
    }

    /// Pixels that bone encloses. A body that goes on outside the image is open there.
    fn vault(&self) -> usize {
        let count = self.hu.len();
        let outside = flood(
            self.width,
            count,
            |n| !self.is_bone(n) && (!self.body[n] || self.is_edge(n)),
            |n| !self.is_bone(n),
        );
        (0..count)
            .filter(|&n| !outside[n] && !self.is_bone(n))
            .count()
    }

    /// Pieces of bone at the sides; what is a pixel apart is one, since marrow is dark.
    fn pieces(&self, lateral: &[bool]) -> usize {
        let (width, count) = (self.width, self.hu.len());
        let is_near =
            |n: usize| lateral[n] || neighbours(n, width, count).any(|next| lateral[next]);
        regions(width, is_near, count).sizes.len()
    }

    fn under_skin_mm(&self, lateral: &[bool]) -> f64 {
        let steps = distances(self.width, &self.body);
        let mut depths: Vec<u16> = (0..steps.len())
            .filter(|&n| lateral[n])
            .map(|n| steps[n])
            .collect();
        depths.sort_unstable();
        let [dx, dy] = self.spacing_mm;
        let median = depths.get(depths.len() / 2);
        median.map_or(0.0, |&steps| f64::from(steps) * dx.min(dy))
    }
}
