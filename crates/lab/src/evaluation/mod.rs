//! M3D-Bench: what a model answers to the questions of a data set, and how well.
//!
//! ```text
//! DATA (M3D-Data) -> Bench::open -> Bench::run(engine) -> OUT/samples.csv, a row per question, as they come
//!                                                     \-> Table -> Summary -> OUT/summary.md
//! ```
//!
//! A [`Bench`] asks through the same [`Session`](m3d_assistant::inference::Session) as the window and `ask`; each image is
//! encoded once for all its questions. Rows that are there already are not asked again. Of a job array every job takes
//! its share of the images ([`Shard`]), and [`merge()`] joins what they wrote. A [`Summary`] is made from rows alone.

mod bench;
mod engine;
mod error;
mod merge;
pub mod metrics;
mod options;
mod rows;
mod summary;
mod table;
mod tasks;

pub use bench::Bench;
pub use engine::Engine;
pub use error::EvaluationError;
pub use merge::{Merged, merge};
pub use options::{BenchOptions, BenchTask, Helpers, Shard, SplitChoice, Wording};
pub use summary::{Breakdown, Summary};
pub use table::Table;
