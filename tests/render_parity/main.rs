//! The GPU's pictures compared with the CPU twins', and the twins with what geometry says.
//!
//! Any adapter will do, a software one too; without one the comparisons say so and are skipped. The
//! truths about the twins need none.

mod colours;
mod figures;
mod fusion;
mod limits;
mod scenes;
mod truths;
mod twins;
