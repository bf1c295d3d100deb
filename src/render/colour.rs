//! Light and display colours, opacity and transfer functions as both twins use them.

use m3d_imaging::volume::{LUT_SIZE, TransferFunction};

/// How a lit sample is made of its parts: light from everywhere, light from the eye, and gloss.
pub(super) struct Lighting;

impl Lighting {
    /// The share of a colour that shows whatever way its surface faces.
    pub(super) const AMBIENT: f32 = 0.22;
    /// The share that shows when it faces the eye.
    pub(super) const DIFFUSE: f32 = 0.78;
    /// The strength of the highlight.
    pub(super) const SPECULAR: f32 = 0.18;
    /// The exponent of the highlight (Blinn-Phong).
    pub(super) const SHININESS: f32 = 24.0;
    /// The cosine assumed where there is no surface to speak of.
    pub(super) const FLAT_COSINE: f32 = 0.8;
    /// The gradient at which a surface counts half, as a share of the transfer function's range per
    /// mm: noise in even tissue is not lit as if it was a surface.
    pub(super) const HALF_GRADIENT: f32 = 0.004;
}

/// Opacity at which a ray ends: what lies behind adds less than a grey level or two.
pub(super) const OPAQUE: f32 = 0.99;

/// The most samples of one ray; more than any volume that fits a texture has at half-voxel steps.
pub(super) const MOST_SAMPLES: u32 = 1 << 15;

/// Linear light of a display colour (IEC 61966-2-1).
pub(super) fn linear_from_display(c: f32) -> f32 {
    if c <= 0.04045 {
        c / 12.92
    } else {
        ((c + 0.055) / 1.055).powf(2.4)
    }
}

/// The display colour of linear light (IEC 61966-2-1).
pub(super) fn display_from_linear(c: f32) -> f32 {
    if c <= 0.003_130_8 {
        c * 12.92
    } else {
        1.055 * c.powf(1.0 / 2.4) - 0.055
    }
}

/// A level of 0..=1 as a byte, rounded as targets round.
pub(super) fn byte(level: f32) -> u8 {
    (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// The opacity of a layer `step_mm` thick of what has `opacity` at
/// [`TransferFunction::OPACITY_UNIT_MM`].
pub(super) fn opacity_of_step(opacity: f32, step_mm: f32) -> f32 {
    let exponent = step_mm / TransferFunction::OPACITY_UNIT_MM;
    1.0 - (1.0 - opacity.clamp(0.0, 1.0)).powf(exponent)
}

/// A transfer function ready for one step length: entries over its range, looked up linearly.
pub(super) struct Lut {
    /// The value of the first entry.
    pub(super) low: f32,
    /// The value of the last entry; above `low`.
    pub(super) high: f32,
    /// Colour times opacity, and opacity.
    pub(super) entries: Vec<[f32; 4]>,
}

impl Lut {
    /// For compositing with samples `step_mm` apart.
    pub(super) fn for_compositing(transfer: &TransferFunction, step_mm: f32) -> Self {
        Self::new(transfer, |opacity| opacity_of_step(opacity, step_mm))
    }

    /// For projections, in which a value counts once whatever the steps.
    pub(super) fn for_projection(transfer: &TransferFunction) -> Self {
        Self::new(transfer, |opacity| opacity.clamp(0.0, 1.0))
    }

    fn new(transfer: &TransferFunction, opacity: impl Fn(f32) -> f32) -> Self {
        let [low, high] = transfer.range();
        let entries = transfer
            .bake()
            .into_iter()
            .map(|[r, g, b, a]| {
                let a = opacity(a);
                [r * a, g * a, b * a, a]
            })
            .collect();
        Self { low, high, entries }
    }

    /// The place of a value among the entries, 0 to their last.
    pub(super) fn place(&self, value: f32) -> f32 {
        let last = (LUT_SIZE - 1) as f32;
        ((value - self.low) * (last / (self.high - self.low))).clamp(0.0, last)
    }

    /// The place up to which all is transparent; below 0 when nothing is.
    pub(super) fn transparent_up_to(&self) -> f32 {
        let first = self.entries.iter().position(|entry| entry[3] > 0.0);
        first.unwrap_or(self.entries.len()) as f32 - 1.0
    }

    /// Colour times opacity, and opacity, of a value.
    pub(super) fn at(&self, value: f32) -> [f32; 4] {
        let place = self.place(value);
        let below = (place as usize).min(LUT_SIZE - 2);
        let part = place - below as f32;
        let (a, b) = (self.entries[below], self.entries[below + 1]);
        std::array::from_fn(|n| a[n] + (b[n] - a[n]) * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_light_are_inverse() {
        for level in 0..=255_u8 {
            let display = f32::from(level) / 255.0;
            assert_eq!(
                byte(display_from_linear(linear_from_display(display))),
                level
            );
        }
    }

    #[test]
    fn many_thin_layers_are_as_opaque_as_a_thick_one() {
        let thin = opacity_of_step(0.7, 0.1);
        let through: f32 = (0..10).map(|_| 1.0 - thin).product();
        assert!((1.0 - through - 0.7).abs() < 1e-5);
        assert_eq!(opacity_of_step(1.0, 0.3), 1.0);
    }
}
