//! What the left mouse button does.

/// What the left mouse button does in a slice view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Drag changes the window.
    Window,
    /// Drag moves the crosshair.
    Crosshair,
    /// Drag draws the box.
    Box,
}

impl Tool {
    /// All, in the order of the toolbar.
    pub const ALL: [Self; 3] = [Self::Window, Self::Crosshair, Self::Box];
}
