//! Stands in for `amx` on CPUs of other families: nothing of it can be had there.

pub use super::vectors::Vectors;

/// Never there.
#[derive(Debug, Clone, Copy)]
pub enum Amx {}

impl Amx {
    /// `None`.
    pub fn get() -> Option<Self> {
        None
    }
}

/// On which side of a product vectors stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// They tell the result's rows.
    Left,
    /// They tell the result's columns.
    Right,
}

/// Never there.
#[derive(Debug)]
pub struct Packed(Amx);

impl Packed {
    /// Cannot be called.
    pub fn new(amx: Amx, _: Vectors, _: Hand) -> Self {
        Self(amx)
    }
}

/// Cannot be called.
pub fn multiply(left: &Packed, _: &Packed, _: &mut [f32], _: usize, _: bool) {
    match left.0 {}
}
