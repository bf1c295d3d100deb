//! Training models: losses, gradients, the optimiser's loop, adapters and what is kept on disk.
//!
//! ```text
//! samples (phantoms, folders) -> batches -> step: losses, gradients -> optimiser -> states, log, model
//! ```
//!
//! [`train()`] runs a [`TrainingConfig`] from beginning to end. The networks are those of
//! [`model`](m3d_model), built on [`Variables`].

mod adapter_files;
mod config;
pub mod contrast;
mod dense;
mod device_memory;
mod error;
mod facts;
mod files;
mod folder;
mod initial;
mod log;
mod lora;
pub mod losses;
mod muon;
mod network;
pub mod optimiser;
mod phantoms;
mod plot;
mod repatch;
mod run;
mod sample;
mod state;
pub mod step;
mod targets;
mod variables;
pub mod vocabulary;
mod wordpiece;
mod words;

pub use config::{DataConfig, LoraConfig, Stage, StageConfig, TrainingConfig, VocabularyConfig};
pub use error::TrainingError;
pub use facts::{FactKinds, Facts};
pub use folder::FolderSamples;
pub use log::Row;
pub use lora::Adapter;
pub use phantoms::PhantomSamples;
pub use run::{TrainingEvent, train};
pub use sample::{MaskLabel, QuestionAnswer, Sample, Samples, Wanted};
pub use state::TrainingProgress;
pub use step::{AnswerLoss, Gradients, Losses, Objective};
pub use variables::Variables;
pub use words::Words;
