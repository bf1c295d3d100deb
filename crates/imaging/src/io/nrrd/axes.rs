//! The axes of a NRRD: which are space, and where they lie.

use glam::{DAffine3, DMat3, DVec3, UVec3};

use super::fields::Fields;
use super::{malformed, take};
use crate::io::Warning;
use crate::io::array::{Number, Take, first_component, no_orientation, no_spacing};
use crate::io::error::Refusal;

/// The three axes of space, and what lies along the others.
#[derive(Debug)]
pub(super) struct Axes {
    pub dims: UVec3,
    pub patient_from_voxel: DAffine3,
    pub side_known: bool,
    /// Numbers side by side at each voxel, along an axis before those of space.
    pub side_by_side: usize,
    pub take: Take,
    /// Volumes behind each other.
    pub times: usize,
    pub components: usize,
    pub warnings: Vec<Warning>,
}

/// One axis as the header has it.
struct Axis<'a> {
    size: usize,
    kind: &'a str,
    /// The step between voxels in the header's space; none for an axis that is not in it.
    step: Option<DVec3>,
}

/// The most axes of a NRRD.
const MOST_AXES: usize = 16;

impl Axes {
    pub fn of(fields: &Fields, number: Number) -> Result<Self, Refusal> {
        let axes = read(fields)?;
        let known = fields.get("space directions").is_some();
        let inside: Vec<usize> = spatial(&axes, known);
        let (Some(&first), Some(&last)) = (inside.first(), inside.last()) else {
            return Err(malformed("no axis of space"));
        };
        if inside.len() > 3 || last - first + 1 != inside.len() {
            let message =
                "its axes of space are not three in a row; permute them with another program";
            return Err(Refusal::new("axis_order", message));
        }
        let size = |n: usize| {
            let size = inside.get(n).map_or(1, |&axis| axes[axis].size);
            u32::try_from(size).map_err(|_| malformed(&format!("a size of {size}")))
        };
        let mut found = Self {
            dims: UVec3::new(size(0)?, size(1)?, size(2)?),
            patient_from_voxel: DAffine3::IDENTITY,
            side_known: false,
            side_by_side: 1,
            take: Take::First,
            times: 1,
            components: 1,
            warnings: Vec::new(),
        };
        found.place(fields, &axes, &inside, known)?;
        found.others(fields, number, &axes[..first], &axes[last + 1..])?;
        Ok(found)
    }

    /// Bytes of all voxels.
    pub fn bytes(&self, number: Number) -> Option<u64> {
        let behind = if self.take == Take::EachTime {
            1
        } else {
            self.times
        };
        [
            self.dims.x as usize,
            self.dims.y as usize,
            self.dims.z as usize,
        ]
        .into_iter()
        .chain([self.side_by_side, behind, self.components, number.size()])
        .try_fold(1_u64, |n, size| n.checked_mul(size as u64))
    }

    fn place(
        &mut self,
        fields: &Fields,
        axes: &[Axis],
        inside: &[usize],
        known: bool,
    ) -> Result<(), Refusal> {
        let lps_from_space = lps_from_space(fields);
        let mm = millimetres(fields, &mut self.warnings);
        let steps: Vec<Option<DVec3>> = inside.iter().map(|&axis| axes[axis].step).collect();
        let step = |n: usize, unit: DVec3| steps.get(n).map_or(Some(unit), |step| *step);
        let matrix = if let (true, Some(i), Some(j)) = (known, step(0, DVec3::X), step(1, DVec3::Y))
        {
            // A single picture has no third direction.
            let k = step(2, i.cross(j).normalize_or_zero()).unwrap_or(DVec3::Z);
            DMat3::from_cols(i, j, k)
        } else {
            let sizes = spacings(fields, inside);
            if sizes.iter().take(inside.len()).any(Option::is_none) {
                self.warnings.push(no_spacing());
            }
            DMat3::from_diagonal(DVec3::from_array(sizes.map(|size| size.unwrap_or(1.0))))
        };
        let origin = match fields.get("space origin") {
            Some(text) => vector(text)?.unwrap_or(DVec3::ZERO),
            None => DVec3::ZERO,
        };
        if known && lps_from_space.is_some() {
            self.side_known = true;
        } else {
            self.warnings.push(no_orientation());
        }
        let turn = lps_from_space.unwrap_or(DMat3::IDENTITY);
        self.patient_from_voxel = DAffine3 {
            matrix3: turn * matrix * mm,
            translation: turn * origin * mm,
        };
        Ok(())
    }

    /// What lies before the axes of space (side by side) and behind them.
    fn others(
        &mut self,
        fields: &Fields,
        number: Number,
        before: &[Axis],
        behind: &[Axis],
    ) -> Result<(), Refusal> {
        let product = |axes: &[Axis]| axes.iter().try_fold(1_usize, |n, a| n.checked_mul(a.size));
        let many = || malformed("more numbers than can be counted");
        let layers = fields.keys.keys().any(|key| key.starts_with("Segment"));
        self.side_by_side = product(before).ok_or_else(many)?;
        if let [axis] = before {
            self.take = take(axis.kind, axis.size, number);
        }
        if self.take == Take::EachTime && layers {
            self.take = Take::First;
        }
        let count = product(behind).ok_or_else(many)?;
        let vector_behind = behind.iter().any(|axis| is_vector(axis.kind)) || layers;
        match self.take {
            Take::EachTime => {
                self.times = self.side_by_side;
                self.components = count;
            }
            _ if vector_behind => self.components = count,
            _ => self.times = count,
        }
        let what = match (
            layers,
            before.first().or(behind.first()).map(|axis| axis.kind),
        ) {
            (true, _) => "a layer of segments each",
            (_, Some("covariant-vector" | "vector" | "2-vector" | "3-vector" | "4-vector")) => {
                "a vector"
            }
            (_, Some("3-gradient" | "3-normal" | "normal" | "gradient")) => "a direction",
            (_, Some(kind)) if kind.contains("matrix") => "a matrix",
            (_, Some(kind)) if kind.contains("color") => "a colour",
            _ => "a vector",
        };
        let side = if self.take == Take::First {
            self.side_by_side
        } else {
            1
        };
        let components = side.max(self.components);
        if components > 1 {
            self.warnings.push(first_component(components, what));
        }
        Ok(())
    }
}

/// The distances between voxels along the axes of space, where `spacings` has them.
fn spacings(fields: &Fields, inside: &[usize]) -> [Option<f64>; 3] {
    let spacings: Vec<Option<f64>> = fields
        .words("spacings")
        .map(|word| word.parse().ok())
        .collect();
    [0, 1, 2].map(|n| {
        let spacing: f64 = (*spacings.get(*inside.get(n)?)?)?;
        (spacing.is_finite() && spacing != 0.0).then_some(spacing.abs())
    })
}

/// Whether the numbers along an axis of this kind are parts of one value.
fn is_vector(kind: &str) -> bool {
    kind.contains("vector")
        || kind.contains("matrix")
        || kind.contains("color")
        || kind == "complex"
}

fn read(fields: &Fields) -> Result<Vec<Axis<'_>>, Refusal> {
    let count = usize::try_from(fields.count("dimension")?).unwrap_or(0);
    if !(1..=MOST_AXES).contains(&count) {
        return Err(malformed("dimension"));
    }
    let sizes: Result<Vec<usize>, _> = fields.words("sizes").map(str::parse).collect();
    let sizes = sizes.map_err(|_| malformed("sizes"))?;
    if sizes.len() != count || sizes.contains(&0) {
        return Err(malformed("sizes"));
    }
    let kinds: Vec<&str> = fields.words("kinds").collect();
    let steps = match fields.get("space directions") {
        Some(text) => vectors(text)?,
        None => vec![None; count],
    };
    if steps.len() != count {
        return Err(malformed("space directions"));
    }
    let axes = sizes.into_iter().zip(steps).enumerate();
    Ok(axes
        .map(|(n, (size, step))| Axis {
            size,
            kind: kinds.get(n).copied().unwrap_or("???"),
            step,
        })
        .collect())
}

/// The axes of space: those with a direction; else those whose kind says so; else the first three, behind an axis of
/// colours or vectors.
fn spatial(axes: &[Axis], known: bool) -> Vec<usize> {
    let all = 0..axes.len();
    if known {
        return all.filter(|&n| axes[n].step.is_some()).collect();
    }
    let is_space = |n: &usize| matches!(axes[*n].kind, "domain" | "space");
    if axes.iter().any(|axis| axis.kind != "???") {
        let said: Vec<usize> = all.clone().filter(is_space).collect();
        if !said.is_empty() {
            return said.into_iter().take(3).collect();
        }
    }
    all.filter(|&n| axes[n].kind == "???" || is_space(&n))
        .take(3)
        .collect()
}

/// LPS from the header's space, if it is one of the patient.
fn lps_from_space(fields: &Fields) -> Option<DMat3> {
    let space = fields.get("space")?.to_lowercase();
    let space = space.trim_end_matches("-time");
    let signs = match space {
        "left-posterior-superior" | "lps" | "lpst" => DVec3::new(1.0, 1.0, 1.0),
        "right-anterior-superior" | "ras" | "rast" => DVec3::new(-1.0, -1.0, 1.0),
        "left-anterior-superior" | "las" | "last" => DVec3::new(1.0, -1.0, 1.0),
        _ => return None,
    };
    Some(DMat3::from_diagonal(signs))
}

/// Millimetres per unit of space.
fn millimetres(fields: &Fields, warnings: &mut Vec<Warning>) -> f64 {
    let units = fields
        .get("space units")
        .or(fields.get("units"))
        .unwrap_or_default();
    let (mm, unit) = match units.split('"').find(|unit| !unit.trim().is_empty()) {
        Some("m" | "meter" | "meters") => (1000.0, "metres"),
        Some("cm") => (10.0, "centimetres"),
        Some("um" | "micron" | "microns" | "µm") => (0.001, "micrometres"),
        _ => return 1.0,
    };
    let message = format!("lengths are in {unit} and were converted to mm");
    warnings.push(Warning::new("units", message));
    mm
}

/// Vectors in parentheses, or `none`.
fn vectors(text: &str) -> Result<Vec<Option<DVec3>>, Refusal> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.starts_with('(') {
            rest.find(')')
                .ok_or_else(|| malformed("a vector without an end"))?
                + 1
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        let (word, more) = rest.split_at(end);
        found.push(vector(word)?);
        rest = more.trim_start();
    }
    Ok(found)
}

/// `(x,y,z)`, or with two numbers on a plane; more than three are space and time.
fn vector(word: &str) -> Result<Option<DVec3>, Refusal> {
    if word == "none" {
        return Ok(None);
    }
    let wrong = || malformed(&format!("the vector {word:?}"));
    let inside = word.strip_prefix('(').and_then(|w| w.strip_suffix(')'));
    let numbers: Result<Vec<f64>, _> = inside
        .ok_or_else(wrong)?
        .split(',')
        .map(|number| number.trim().parse())
        .collect();
    let numbers = numbers.map_err(|_| wrong())?;
    match numbers[..] {
        [x, y] => Ok(Some(DVec3::new(x, y, 0.0))),
        // A step in time alone is none in space.
        [0.0, 0.0, 0.0, _] => Ok(None),
        [x, y, z] | [x, y, z, _] => Ok(Some(DVec3::new(x, y, z))),
        _ => Err(wrong()),
    }
}
