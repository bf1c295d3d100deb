//! The assistant: models fetched and found ([`hub`]), asked about volumes ([`inference`]), and what stands between them and
//! a reader: the plan of a question ([`plan`]) and the answer that can be trusted as far as it goes ([`reply`]). None of
//! them opens a study: volumes are handed in.
//!
//! # Layers
//! `worker -> reply -> plan -> inference`; `hub` stands alone.

pub mod hub;
pub mod inference;
pub mod plan;
pub mod reply;
mod worker;

pub use worker::{Worker, WorkerEvent};
