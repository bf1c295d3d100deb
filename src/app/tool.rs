//! What the left mouse button does.

use super::MaskTool;
use super::workspace::MeasurementKind;

/// What the left mouse button does in a slice view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Drag changes the window.
    Window,
    /// Drag moves the crosshair.
    Crosshair,
    /// Drag draws the box.
    Box,
    /// Drag or clicks measure.
    Measure(MeasurementKind),
    /// Corrects masks.
    Mask(MaskTool),
}

impl Tool {
    /// Whether clicks in a slice draw, so that two of them do not enlarge the view.
    pub const fn draws(self) -> bool {
        matches!(self, Self::Measure(_) | Self::Mask(_))
    }

    /// All, in the order of the toolbar.
    pub fn all() -> impl Iterator<Item = Self> {
        let measure = MeasurementKind::ALL.map(Self::Measure);
        let mask = MaskTool::ALL.map(Self::Mask);
        [Self::Window, Self::Crosshair, Self::Box]
            .into_iter()
            .chain(measure)
            .chain(mask)
    }
}
