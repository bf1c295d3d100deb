//! Teaching models: losses, gradients, the optimiser's loop, adapters and what is kept on disk.

mod error;
mod files;
mod initial;
mod lora;
pub mod losses;
mod sample;
pub mod step;
mod variables;

pub use error::TrainingError;
pub use lora::Adapter;
pub use sample::{Sample, Samples, Talk, Target};
pub use step::{Gradients, Lesson, Losses};
pub use variables::Variables;
