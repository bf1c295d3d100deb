//! Names of findings, views and answers.

use std::hash::{BuildHasher, Hasher, RandomState};

use serde::{Deserialize, Serialize};

/// A random number of 48 bits. Work of several studies comes together in one workspace and is saved in
/// one session each: a counter would name two things alike.
pub(in crate::app) fn fresh() -> u64 {
    // Every state is seeded by the system and differs from the one before.
    RandomState::new().build_hasher().finish() >> 16
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// One that was never given before.
            #[must_use]
            pub fn fresh() -> Self {
                Self(fresh())
            }
        }
    };
}

id! {
    /// Names a finding.
    FindingId
}
id! {
    /// Names a view.
    ViewId
}
id! {
    /// Names a piece of a report.
    PieceId
}
id! {
    /// Names a picture of a report.
    KeyImageId
}
id! {
    /// Names a question and its answer; the worker's events carry it.
    CardId
}
