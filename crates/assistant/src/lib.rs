//! The assistant: models fetched and found ([`hub`]), and asked about volumes ([`inference`]). Neither opens a study:
//! volumes are handed in.

pub mod hub;
pub mod inference;
