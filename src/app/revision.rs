//! Counting states.

/// Counts the states of a thing; a result carries the revision it was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The next state.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
