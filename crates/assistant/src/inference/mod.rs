//! From a volume and a question to an answer whose words point at places in the volume.
//!
//! ```text
//! Volume --prepare--> PreparedImage --model--> tokens, masks --ModelFrame--> text, boxes, masks
//! ```
//!
//! [`Session`] does this for a loaded model. [`ModelFrame`] is the way between the study's grid and the model's image.

mod answer;
mod cache;
mod detokenize;
mod error;
mod frame;
mod knowledge;
mod memory;
mod prepare;
mod prepared;
mod prompt;
mod room;
mod sampling;
mod session;
mod task;

pub use answer::{Answer, Event, ModelFacts, Request};
pub use cache::CacheStats;
pub use error::InferenceError;
pub use frame::ModelFrame;
pub use knowledge::{Detection, Knowledge, Overlap, Target};
pub use memory::release_freed_memory;
pub use prepare::{Preparation, PreparedImage, prepare, prepare_in};
pub use prepared::PreparedAnswer;
pub use prompt::{Prompt, build_prompt};
pub use sampling::GenerationSettings;
pub use session::{OpenedModel, Session};
pub use task::Task;

pub use m3d_imaging::wording::ModelBox;
