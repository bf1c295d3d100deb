//! Transfer functions: what a value looks like in 3-D.

use super::{Modality, Statistics};
use serde::{Deserialize, Serialize};

/// The number of entries of a baked transfer function.
pub const LUT_SIZE: usize = 512;

/// One point of a transfer function; between points colour and opacity are interpolated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControlPoint {
    /// The value, in the volume's units.
    pub value: f32,
    /// Linear red, green and blue, 0 to 1.
    pub colour: [f32; 3],
    /// Opacity of a layer [`TransferFunction::OPACITY_UNIT_MM`] thick, 0 to 1.
    pub opacity: f32,
}

/// How samples along a ray become one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blend {
    /// Front-to-back compositing with gradient shading.
    Composite,
    /// The largest value along the ray, seen through the transfer function.
    MaximumIntensity,
}

/// A piecewise linear map from values to colour and opacity (Levoy 1988), with the way to blend.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferFunction {
    /// Control points by rising value.
    points: Vec<ControlPoint>,
    /// How samples are blended.
    pub blend: Blend,
}

/// The transfer functions offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumePreset {
    /// Bone and contrast, for CT.
    CtBone,
    /// Muscle, organs and vessels, for CT.
    CtSoftTissue,
    /// The brightest value along the line of sight, in the window on screen.
    MaximumIntensity,
    /// A smooth ramp over the values, for anything that is not CT.
    Ramp,
}

impl VolumePreset {
    /// All, in the order of the menu.
    pub const ALL: [Self; 4] = [
        Self::CtBone,
        Self::CtSoftTissue,
        Self::MaximumIntensity,
        Self::Ramp,
    ];

    /// The name in the menu.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CtBone => "CT bone",
            Self::CtSoftTissue => "CT soft tissue",
            Self::MaximumIntensity => "MIP",
            Self::Ramp => "Grey levels",
        }
    }

    /// Those that make sense for an image.
    pub fn for_choice(modality: Modality) -> impl Iterator<Item = Self> {
        let ct = modality == Modality::Ct;
        let all = Self::ALL.into_iter();
        all.filter(move |preset| ct || !matches!(preset, Self::CtBone | Self::CtSoftTissue))
    }

    /// The preset a volume is first shown with.
    pub const fn for_modality(modality: Modality) -> Self {
        match modality {
            Modality::Ct => Self::CtBone,
            Modality::Mr | Modality::Other => Self::Ramp,
            Modality::Pet => Self::MaximumIntensity,
        }
    }

    /// The transfer function. `range` is the window on screen (lowest and highest value), which MIP
    /// follows; `statistics` give the ramp its ends.
    pub fn transfer_function(self, range: [f32; 2], statistics: &Statistics) -> TransferFunction {
        let point = |value: f32, colour: [f32; 3], opacity: f32| ControlPoint {
            value,
            colour,
            opacity,
        };
        match self {
            Self::CtBone => TransferFunction::new(
                vec![
                    point(120.0, [0.55, 0.20, 0.13], 0.0),
                    point(220.0, [0.85, 0.55, 0.38], 0.10),
                    point(400.0, [0.95, 0.86, 0.70], 0.55),
                    point(1200.0, [1.0, 0.98, 0.93], 0.95),
                ],
                Blend::Composite,
            ),
            Self::CtSoftTissue => TransferFunction::new(
                vec![
                    point(-160.0, [0.60, 0.36, 0.24], 0.0),
                    point(-20.0, [0.72, 0.42, 0.30], 0.02),
                    point(40.0, [0.80, 0.35, 0.28], 0.20),
                    point(150.0, [0.92, 0.55, 0.45], 0.40),
                    point(300.0, [0.98, 0.90, 0.80], 0.80),
                    point(1500.0, [1.0, 1.0, 0.97], 0.95),
                ],
                Blend::Composite,
            ),
            Self::MaximumIntensity => TransferFunction::new(
                vec![
                    point(range[0], [0.0; 3], 0.0),
                    point(range[1], [1.0; 3], 1.0),
                ],
                Blend::MaximumIntensity,
            ),
            Self::Ramp => {
                let at = |share: f32| statistics.p01 + (statistics.p99 - statistics.p01) * share;
                TransferFunction::new(
                    vec![
                        point(at(0.25), [0.35, 0.30, 0.30], 0.0),
                        point(at(0.5), [0.70, 0.62, 0.58], 0.10),
                        point(at(1.0), [1.0, 0.97, 0.92], 0.60),
                    ],
                    Blend::Composite,
                )
            }
        }
    }
}

impl TransferFunction {
    /// The thickness of the layer an opacity speaks of, in mm.
    pub const OPACITY_UNIT_MM: f32 = 1.0;

    /// A transfer function of at least one point; they are sorted by value.
    pub fn new(mut points: Vec<ControlPoint>, blend: Blend) -> Self {
        points.retain(|p| p.value.is_finite());
        points.sort_by(|a, b| a.value.total_cmp(&b.value));
        Self { points, blend }
    }

    /// The lowest and highest value with a point of their own; outside, the end points hold.
    pub fn range(&self) -> [f32; 2] {
        match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) if last.value > first.value => [first.value, last.value],
            (Some(first), _) => [first.value, first.value + 1.0],
            _ => [0.0, 1.0],
        }
    }

    /// Linear red, green, blue and opacity (of a layer [`Self::OPACITY_UNIT_MM`] thick) of a value.
    pub fn rgba(&self, value: f32) -> [f32; 4] {
        let of = |p: &ControlPoint| [p.colour[0], p.colour[1], p.colour[2], p.opacity];
        let above = self.points.partition_point(|p| p.value <= value);
        let after = self.points.get(above);
        let before = above.checked_sub(1).and_then(|n| self.points.get(n));
        match (before, after) {
            (Some(a), Some(b)) => {
                let part = (value - a.value) / (b.value - a.value);
                let (a, b) = (of(a), of(b));
                std::array::from_fn(|n| a[n] + (b[n] - a[n]) * part)
            }
            (Some(a), None) => of(a),
            (None, Some(b)) => of(b),
            (None, None) => [0.0; 4],
        }
    }

    /// The function sampled at [`LUT_SIZE`] values evenly spaced over [`Self::range`], ends included.
    pub fn bake(&self) -> Vec<[f32; 4]> {
        let [low, high] = self.range();
        (0..LUT_SIZE)
            .map(|n| self.rgba(low + (high - low) * n as f32 / (LUT_SIZE - 1) as f32))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_interpolated_and_held_at_the_ends() {
        let point = |value, opacity| ControlPoint {
            value,
            colour: [opacity; 3],
            opacity,
        };
        let f = TransferFunction::new(vec![point(10.0, 1.0), point(0.0, 0.0)], Blend::Composite);
        assert_eq!(f.range(), [0.0, 10.0]);
        assert_eq!(f.rgba(2.5), [0.25; 4]);
        assert_eq!(f.rgba(-5.0), [0.0; 4]);
        assert_eq!(f.rgba(99.0), [1.0; 4]);
        let lut = f.bake();
        assert_eq!((lut[0], lut[LUT_SIZE - 1]), ([0.0; 4], [1.0; 4]));
    }

    #[test]
    fn an_empty_function_is_transparent() {
        let f = TransferFunction::new(Vec::new(), Blend::Composite);
        assert_eq!(f.rgba(3.0), [0.0; 4]);
        assert_eq!(f.bake().len(), LUT_SIZE);
    }
}
