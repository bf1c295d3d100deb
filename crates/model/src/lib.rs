//! M3D-LaMed in candle, and M3D-CLIP beside it ([`clip`]): networks and their checkpoints, nothing else.
//!
//! A volume's way through M3D-LaMed, one file per network:
//!
//! ```text
//! image [1,1,D,H,W] -> vit -> projector -> image tokens [1,N,hidden] -> decoder -> hidden states -> logits
//!        \-> segvol image encoder -> features [1,C,d,h,w] ----------\
//!            hidden states that produced [SEG] -> seg_projector -> prompt -> mask decoder -> logits [D,H,W]
//! ```
//!
//! Every struct takes its weights from a [`source`] with `weights.pp(...)` under the checkpoint's own names. The names
//! and shapes that the constructors ask for are recorded once ([`tensors`]) and are what [`Checkpoint::open`] checks a
//! folder against, so the list of expected tensors cannot drift from the code that uses them.

mod augmented_views;
mod built_in;
pub mod checkpoint;
pub mod checkpoint_source;
pub mod clip;
pub mod config;
pub mod decoder;
pub mod demo;
pub mod device;
pub mod error;
pub mod file_names;
mod folder;
pub mod full_size;
mod gguf;
mod gguf_writer;
pub mod hub_cache;
pub mod kv_cache;
pub mod lamed;
pub mod lock;
mod lora;
mod lora_config;
mod place;
pub mod precision;
pub mod probe;
pub mod projector;
pub mod quantize;
pub mod resize;
pub mod rule;
pub mod segvol;
pub mod sentencepiece;
pub mod source;
mod stop_ids;
pub mod stored;
pub mod sums;
pub mod tensors;
pub mod tokenizer;
pub mod vit;
pub mod weights;
mod weights_bytes;

pub use built_in::BuiltIn;
pub use checkpoint::Checkpoint;
pub use clip::{Clip, ClipCheckpoint, ClipConfig, WordPieceTokenizer};
pub use config::LamedConfig;
pub use demo::write_demo_checkpoint;
pub use device::{DTypeChoice, DeviceChoice, DeviceError, UnknownChoice, precision_of};
pub use error::ModelError;
pub use folder::{Contents, ModelFolder};
pub use kv_cache::KvCache;
pub use lamed::Lamed;
pub use lora::{AdapterFacts, adapter_facts};
pub use lora_config::{base_folder, is_adapter};
pub use place::ModelPlace;
pub use precision::Precision;
pub use tokenizer::Tokenizer;
