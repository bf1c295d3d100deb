//! A phantom as the model sees it: cropped and resized, with its labels.

use glam::UVec3;

use super::phantom::{FindingKind, Phantom, PhantomFinding, Phase, Region, size_of};
use super::{Laterality, Structure};
use m3d_imaging::geometry::{AxisOrder, OrderedCrop, Orientation};
use m3d_imaging::volume::nearest_voxels;
use m3d_imaging::wording::{ModelBox, three_decimals};

/// A prepared image with all that is known about it. Arrays are `[D,H,W]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Depth, height, width.
    pub size: [usize; 3],
    labels: Vec<u8>,
    finding_labels: Vec<u8>,
    /// Where each label and each finding's number lies.
    structures: Vec<Extent>,
    marks: Vec<Extent>,
    /// What is wrong and still has a voxel here.
    pub findings: Vec<PhantomFinding>,
    /// The plane the slices lie in.
    pub plane: Orientation,
    /// When it was taken after contrast medium.
    pub phase: Phase,
    /// The part of the body.
    pub region: Region,
}

/// How much there is of something, and from where to where (depth, height, width; both inside).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Extent {
    count: usize,
    low: [usize; 3],
    high: [usize; 3],
}

impl Extent {
    const NOTHING: Self = Self {
        count: 0,
        low: [usize::MAX; 3],
        high: [0; 3],
    };

    /// The extents of all 256 labels, in one pass.
    fn of_labels(labels: &[u8], [_, height, width]: [usize; 3]) -> Vec<Self> {
        let mut extents = vec![Self::NOTHING; 256];
        for (row, line) in labels.chunks_exact(width.max(1)).enumerate() {
            let (d, h) = (row / height, row % height);
            for (w, &label) in line.iter().enumerate() {
                let extent = &mut extents[usize::from(label)];
                extent.count += 1;
                for (axis, at) in [d, h, w].into_iter().enumerate() {
                    extent.low[axis] = extent.low[axis].min(at);
                    extent.high[axis] = extent.high[axis].max(at);
                }
            }
        }
        extents
    }

    fn and(self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            low: std::array::from_fn(|axis| self.low[axis].min(other.low[axis])),
            high: std::array::from_fn(|axis| self.high[axis].max(other.high[axis])),
        }
    }
}

/// Something a question can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A structure.
    Structure(Structure),
    /// All findings of a kind.
    Finding(FindingKind),
}

impl Target {
    /// Everything that can be asked for, in the order of the classes on disk.
    pub fn all() -> impl Iterator<Item = Self> {
        let structures = Structure::ALL.iter().copied().map(Self::Structure);
        structures.chain(FindingKind::ALL.into_iter().map(Self::Finding))
    }

    /// As questions and answers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure(structure) => structure.name(),
            Self::Finding(kind) => kind.name(),
        }
    }

    /// What it is, in one sentence that does not say its name.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Structure(structure) => structure.description(),
            Self::Finding(kind) => kind.description(),
        }
    }
}

/// The least voxels of a structure that questions are asked about.
const LEAST_VOXELS: usize = 4;

impl Scene {
    /// The scene of a phantom cropped to `crop`, read in its order and resized to `size`; labels are picked as the reference's "nearest" does, rounding
    /// down. A crop that leaves the phantom is held to it.
    pub fn new(phantom: &Phantom, crop: OrderedCrop, size: [usize; 3]) -> Self {
        let [_, height, width] = size_of(phantom.grid());
        let dims = phantom.grid().dims();
        let low = crop.min.min(dims - 1);
        let high = crop.max.clamp(low + 1, dims);
        let held = OrderedCrop::new(crop.order, low, high);
        let resized = |labels: &[u8]| -> Vec<u8> {
            nearest_voxels(held, size)
                .map(|v| labels[(v.z as usize * height + v.y as usize) * width + v.x as usize])
                .collect()
        };
        let labels = resized(&phantom.labels);
        let finding_labels = resized(&phantom.finding_labels);
        let marks = Extent::of_labels(&finding_labels, size);
        let findings = phantom.findings.iter();
        Self {
            size,
            structures: Extent::of_labels(&labels, size),
            labels,
            findings: findings
                .filter(|f| marks[usize::from(f.number)].count > 0)
                .cloned()
                .collect(),
            finding_labels,
            marks,
            plane: phantom.plane,
            phase: phantom.phase,
            region: phantom.region,
        }
    }

    /// The [`Structure`] of each voxel by its label, 0 for none.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The number of the finding each voxel belongs to, 0 for none.
    pub fn finding_labels(&self) -> &[u8] {
        &self.finding_labels
    }

    fn extent(&self, target: Target) -> Extent {
        match target {
            Target::Structure(structure) => self.structures[usize::from(structure.label())],
            Target::Finding(kind) => self
                .findings
                .iter()
                .filter(|f| f.kind == kind)
                .fold(Extent::NOTHING, |sum, f| {
                    sum.and(&self.marks[usize::from(f.number)])
                }),
        }
    }

    /// The scene of a phantom as it is, neither cropped nor resized.
    pub fn whole(phantom: &Phantom) -> Self {
        Self::new(
            phantom,
            OrderedCrop::new(AxisOrder::STORED, UVec3::ZERO, phantom.grid().dims()),
            size_of(phantom.grid()),
        )
    }

    /// One byte per voxel: 1 inside the target, 0 outside.
    pub fn mask(&self, target: Target) -> Vec<u8> {
        match target {
            Target::Structure(structure) => {
                let label = structure.label();
                self.labels.iter().map(|&l| u8::from(l == label)).collect()
            }
            Target::Finding(kind) => {
                let mut inside = [false; 256];
                for finding in self.findings.iter().filter(|f| f.kind == kind) {
                    inside[usize::from(finding.number)] = true;
                }
                let marks = self.finding_labels.iter();
                marks.map(|&n| u8::from(inside[usize::from(n)])).collect()
            }
        }
    }

    /// How many voxels a target has.
    pub fn voxels(&self, target: Target) -> usize {
        self.extent(target).count
    }

    /// Whether a target is there, large enough to be asked for. `None` where there is so little of it
    /// that neither "here it is" nor "there is none" would be fair.
    pub fn shows(&self, target: Target) -> Option<bool> {
        match (target, self.voxels(target)) {
            (_, 0) => Some(false),
            (Target::Structure(_), n) if n < LEAST_VOXELS => None,
            _ => Some(true),
        }
    }

    /// The targets that are there, and those that are not.
    pub fn targets(&self) -> [Vec<Target>; 2] {
        let mut split = [Vec::new(), Vec::new()];
        for target in Target::all() {
            match self.shows(target) {
                Some(true) => split[0].push(target),
                Some(false) => split[1].push(target),
                None => {}
            }
        }
        split
    }

    /// The box of a target as the model writes boxes: `d0, h0, w0, d1, h1, w1`, index over length, the
    /// last three of the last voxel inside, rounded to 3 decimals. `None` where there is none.
    pub fn model_box(&self, target: Target) -> Option<[f64; 6]> {
        let Extent { count, low, high } = self.extent(target);
        if count == 0 {
            return None;
        }
        Some(box_numbers(low, high, self.size))
    }

    /// Whether a kind of finding is present.
    pub fn has(&self, kind: FindingKind) -> bool {
        self.findings.iter().any(|f| f.kind == kind)
    }

    /// The sides on which findings of a kind lie.
    pub fn sides(&self, kind: FindingKind) -> Vec<Laterality> {
        let on = |side: &Laterality| {
            let mut of_kind = self.findings.iter().filter(|f| f.kind == kind);
            of_kind.any(|f| f.side == Some(*side))
        };
        Laterality::BOTH.into_iter().filter(on).collect()
    }
}

/// A voxel's index as boxes count: over the axis's length, rounded to 3 decimals.
fn box_part(index: usize, length: usize) -> f64 {
    three_decimals(index as f64 / length as f64)
}

/// The same as boxes print it.
pub fn box_number(index: usize, length: usize) -> String {
    format!("{:?}", box_part(index, length))
}

/// The box from the first to the last voxel inside, as the model writes boxes.
pub(super) fn box_numbers(low: [usize; 3], high: [usize; 3], size: [usize; 3]) -> [f64; 6] {
    std::array::from_fn(|n| {
        let index = if n < 3 { low[n] } else { high[n - 3] };
        box_part(index, size[n % 3])
    })
}

/// A box in the model's notation; empty where a number is not finite.
pub fn box_text(numbers: [f64; 6]) -> String {
    ModelBox::new(numbers).map_or_else(String::new, |found| found.to_string())
}
