//! Windowing: which values become black and white.

use super::{Modality, Statistics};
use serde::{Deserialize, Serialize};

/// A linear window (PS3.3 C.11.2.1.2): values from `centre - width / 2` to `centre + width / 2` run
/// from black to white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The middle of the window, in the volume's units.
    pub centre: f32,
    /// Its width, at least [`Window::NARROWEST`].
    pub width: f32,
}

/// A named window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowPreset {
    /// The name a reader knows it by.
    pub name: &'static str,
    /// The window.
    pub window: Window,
}

const fn preset(name: &'static str, width: f32, centre: f32) -> WindowPreset {
    WindowPreset {
        name,
        window: Window { centre, width },
    }
}

/// The usual windows for CT, in HU; keys 1 to 7 choose them.
pub const CT_PRESETS: [WindowPreset; 7] = [
    preset("Soft tissue", 400.0, 40.0),
    preset("Lung", 1500.0, -600.0),
    preset("Liver", 150.0, 90.0),
    preset("Bone", 2500.0, 480.0),
    preset("Brain", 80.0, 40.0),
    preset("Mediastinum", 350.0, 50.0),
    preset("Angiography", 600.0, 300.0),
];

impl Window {
    /// The window that CT is read in first, in HU: captions and questions of the training data were prepared with it.
    pub const SOFT_TISSUE: Self = CT_PRESETS[0].window;

    /// The narrowest window.
    pub const NARROWEST: f32 = 1e-6;

    /// A window with the width held to something usable.
    pub fn new(centre: f32, width: f32) -> Self {
        Self {
            centre: if centre.is_finite() { centre } else { 0.0 },
            width: if width.is_finite() {
                width.max(Self::NARROWEST)
            } else {
                1.0
            },
        }
    }

    /// The window from one value to another.
    pub fn from_range(low: f32, high: f32) -> Self {
        Self::new(low + (high - low) / 2.0, high - low)
    }

    /// The window in which colours look as they are stored.
    pub const COLOURS: Self = Self {
        centre: 127.5,
        width: 255.0,
    };

    /// The first window of an image that brings none of its own: soft tissue for CT, the 1st to 99th
    /// percentile else. Of colours it is the full range.
    pub fn for_volume(modality: Modality, statistics: &Statistics) -> Self {
        match modality.shown_as(statistics) {
            _ if statistics.colour => Self::COLOURS,
            Modality::Ct => Self::SOFT_TISSUE,
            _ if statistics.p99 > statistics.p01 => {
                Self::from_range(statistics.p01, statistics.p99)
            }
            _ => Self::from_range(statistics.min, statistics.max.max(statistics.min + 1.0)),
        }
    }

    /// The lowest and the highest value inside.
    pub fn range(self) -> [f32; 2] {
        [
            self.centre - self.width / 2.0,
            self.centre + self.width / 2.0,
        ]
    }

    /// The brightness of a value: 0 below the window, 1 above.
    pub fn brightness(self, value: f32) -> f32 {
        ((value - self.range()[0]) / self.width).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_runs_across_the_window() {
        let soft = CT_PRESETS[0].window;
        assert_eq!(soft.range(), [-160.0, 240.0]);
        assert_eq!(soft.brightness(-161.0), 0.0);
        assert_eq!(soft.brightness(40.0), 0.5);
        assert_eq!(soft.brightness(9000.0), 1.0);
        assert_eq!(Window::new(f32::NAN, -3.0).width, Window::NARROWEST);
    }

    #[test]
    fn hounsfield_units_are_known_without_a_label() {
        let values = |like_hounsfield: bool| Statistics {
            min: -1024.0,
            max: 3000.0,
            mean: 0.0,
            std: 1.0,
            p01: -1024.0,
            p99: 400.0,
            like_hounsfield,
            colour: false,
        };
        let soft = CT_PRESETS[0].window;
        let of = |modality, like| Window::for_volume(modality, &values(like));
        assert_eq!(of(Modality::Other, true), soft);
        assert_eq!(of(Modality::Ct, false), soft);
        assert_ne!(of(Modality::Other, false), soft);
        assert_ne!(of(Modality::Mr, true), soft);
    }
}
