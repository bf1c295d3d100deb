//! What masks are corrected with: tools for the mouse, operations on a whole mask, and their settings.

use std::sync::Arc;

use m3d_imaging::volume::edit::ValueRange;
use m3d_imaging::volume::{Combine, ImageKey, Mask};

/// What the left mouse button does to masks in a slice view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskTool {
    /// Drag paints.
    Brush,
    /// Drag erases.
    Eraser,
    /// Drag draws around what is filled.
    Lasso,
    /// A click grows a region of like values.
    Region,
}

impl MaskTool {
    /// All, in the order of the panel.
    pub const ALL: [Self; 4] = [Self::Brush, Self::Eraser, Self::Lasso, Self::Region];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brush => "Brush",
            Self::Eraser => "Eraser",
            Self::Lasso => "Lasso",
            Self::Region => "Region",
        }
    }

    /// What it does, in a sentence.
    pub const fn tooltip(self) -> &'static str {
        match self {
            Self::Brush => "Drag to paint into the chosen mask, or a new one; Ctrl erases",
            Self::Eraser => "Drag to erase from the chosen mask; Ctrl paints",
            Self::Lasso => "Draw around what is to be inside; Ctrl takes it out",
            Self::Region => "Click to fill what is joined and alike; Ctrl takes it out",
        }
    }
}

/// What is done to a whole mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskOperation {
    /// A smoother border.
    Smooth,
    /// The largest piece alone.
    KeepLargest,
    /// Small pieces go.
    RemoveIslands,
    /// What is enclosed is filled.
    FillHoles,
    /// What is enclosed within slices of the active view is filled.
    FillHolesInSlices,
    /// The border moves outwards.
    Grow,
    /// The border moves inwards.
    Shrink,
    /// Empty slices between drawn ones are filled.
    FillBetween,
    /// Each piece becomes a mask of its own.
    Split,
    /// What is in another mask is put in.
    Union,
    /// What is not in another mask goes.
    Intersect,
    /// What is in another mask goes.
    Subtract,
}

impl MaskOperation {
    /// All, in the order of the panel.
    pub const ALL: [Self; 12] = [
        Self::Smooth,
        Self::Grow,
        Self::Shrink,
        Self::KeepLargest,
        Self::RemoveIslands,
        Self::FillHoles,
        Self::FillHolesInSlices,
        Self::FillBetween,
        Self::Split,
        Self::Union,
        Self::Intersect,
        Self::Subtract,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smooth => "Smooth",
            Self::KeepLargest => "Keep largest",
            Self::RemoveIslands => "Remove islands",
            Self::FillHoles => "Fill holes",
            Self::FillHolesInSlices => "Fill holes in slices",
            Self::Grow => "Grow",
            Self::Shrink => "Shrink",
            Self::FillBetween => "Fill between slices",
            Self::Split => "Split into pieces",
            Self::Union => "Add other",
            Self::Intersect => "Keep shared",
            Self::Subtract => "Subtract other",
        }
    }

    /// What it does, in a sentence.
    pub const fn tooltip(self) -> &'static str {
        match self {
            Self::Smooth => "Smooth the border of the chosen mask; finer details go",
            Self::KeepLargest => "Keep the largest piece of the chosen mask alone",
            Self::RemoveIslands => "Remove the small pieces of the chosen mask",
            Self::FillHoles => "Fill what the chosen mask encloses on all sides",
            Self::FillHolesInSlices => {
                "Fill what the chosen mask encloses within slices of this plane"
            }
            Self::Grow => "Move the border of the chosen mask outwards",
            Self::Shrink => "Move the border of the chosen mask inwards",
            Self::FillBetween => "Fill empty slices of this plane between those that are drawn",
            Self::Split => "Make a mask of each piece of the chosen one",
            Self::Union => "Put what is in the other mask into the chosen one",
            Self::Intersect => "Keep what the chosen mask shares with the other one",
            Self::Subtract => "Take what is in the other mask out of the chosen one",
        }
    }

    /// How it makes one mask of two, if it does.
    pub const fn combines(self) -> Option<Combine> {
        match self {
            Self::Union => Some(Combine::Union),
            Self::Intersect => Some(Combine::Intersection),
            Self::Subtract => Some(Combine::Difference),
            _ => None,
        }
    }
}

/// Sizes and ranges of the tools and operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskSettings {
    /// The brush across, in mm.
    pub size_mm: f64,
    /// Whether the brush is a ball; else it paints in one slice.
    pub ball: bool,
    /// Whether brush, eraser, lasso and region keep to the range of values.
    pub limit: bool,
    /// The values that count, in the image's unit.
    pub range: ValueRange,
    /// How far a region goes from the click, in mm.
    pub reach_mm: f64,
    /// How far grow and shrink move the border, in mm.
    pub move_mm: f64,
    /// The deviation that smoothing blurs by, in mm.
    pub smooth_mm: f64,
    /// Pieces smaller than this are islands, in mL.
    pub island_ml: f64,
}

impl MaskSettings {
    /// The sizes that a brush can have, in mm.
    pub const SIZES_MM: std::ops::RangeInclusive<f64> = 0.5..=150.0;

    /// The same with a brush so many times as large.
    #[must_use]
    pub fn resized(self, factor: f64) -> Self {
        let size_mm = self.size_mm * factor;
        Self {
            size_mm: size_mm.clamp(*Self::SIZES_MM.start(), *Self::SIZES_MM.end()),
            ..self
        }
    }
}

impl Default for MaskSettings {
    fn default() -> Self {
        Self {
            size_mm: 15.0,
            ball: false,
            limit: false,
            range: ValueRange::new(-150.0, 250.0),
            reach_mm: 60.0,
            move_mm: 2.0,
            smooth_mm: 1.5,
            island_ml: 1.0,
        }
    }
}

/// A threshold that is being chosen: what it would give is shown until it is taken or given up.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// The image.
    pub image: ImageKey,
    /// Its time point.
    pub time: u32,
    /// The range that is chosen.
    pub range: ValueRange,
    /// What an earlier or this range gives.
    pub shown: Option<(ValueRange, Arc<Mask>)>,
}

/// The state of correcting masks; none of it is the reader's work.
#[derive(Debug, Default)]
pub struct MaskWork {
    /// Sizes and ranges.
    pub settings: MaskSettings,
    /// The threshold that is being chosen.
    pub threshold: Option<Threshold>,
    /// Whether a stroke is being drawn.
    pub(super) painting: bool,
}
