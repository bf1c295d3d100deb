//! How labels look.

use super::colour::linear_from_display;
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::LabelMap;

/// How one label looks; the first style of a list is label 1's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelStyle {
    /// Red, green and blue as displayed, 0 to 1.
    pub colour: [f32; 3],
    /// 0 hides the label, 1 hides what is under it. In 3-D it is the opacity of a layer 1 mm thick.
    pub opacity: f32,
    /// Whether a slice shows its outline alone.
    pub outline: bool,
}

/// The styles of all label values: entry 0 is no label, hidden like those without a style.
pub(super) type StyleTable = [[f32; 4]; 256];

/// Display colours with the opacity as given, for slices; below 0 where the outline alone is drawn.
pub(super) fn slice_styles(styles: &[LabelStyle]) -> StyleTable {
    table(styles, |style| {
        let [r, g, b] = style.colour.map(unit);
        let opacity = unit(style.opacity);
        [r, g, b, if style.outline { -opacity } else { opacity }]
    })
}

/// Linear colours with the opacity of a layer `step_mm` thick, for ray casting.
pub(super) fn ray_cast_styles(styles: &[LabelStyle], step_mm: f32) -> StyleTable {
    table(styles, |style| {
        let [r, g, b] = style.colour.map(|c| linear_from_display(unit(c)));
        [
            r,
            g,
            b,
            super::colour::opacity_of_step(unit(style.opacity), step_mm),
        ]
    })
}

fn table(styles: &[LabelStyle], entry: impl Fn(&LabelStyle) -> [f32; 4]) -> StyleTable {
    let mut table = [[0.0; 4]; 256];
    for (slot, style) in table[1..].iter_mut().zip(styles) {
        *slot = entry(style);
    }
    table
}

/// Held to 0..=1; what is not a number is 0.
pub(super) fn unit(value: f32) -> f32 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

/// The labels when they lie on the volume's own voxels: others are not drawn.
pub(super) fn on_grid<'a>(labels: Option<&'a LabelMap>, grid: &VoxelGrid) -> Option<&'a LabelMap> {
    labels.filter(|map| map.grid() == grid)
}
