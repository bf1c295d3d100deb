//! What the networks compute with: kernels for narrow weights, and fused operators over candle with their backward
//! passes. No network is built here, no file is read.

mod format;
pub mod kernels;
pub mod linear;
pub mod matrix;
pub mod ops;
mod threads;

pub use format::WeightFormat;
pub use threads::compute_on_this_thread;
