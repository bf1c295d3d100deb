//! What is left off the screen for a moment. It is not remembered: nobody should wonder tomorrow where a name has gone.

/// What is shown over the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Masks, boxes, measurements and the words in the corners.
    pub overlays: bool,
    /// The lines of the other planes.
    pub crosshair: bool,
    /// Names and dates of patients are left out.
    pub anonymous: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            overlays: true,
            crosshair: true,
            anonymous: false,
        }
    }
}
