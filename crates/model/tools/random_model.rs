//! Writes a random checkpoint, for tests and to measure speed and memory. What it answers means nothing.
//!
//!     cargo run --release -p m3d-model --bin m3d-random-model -- FOLDER
//!     cargo run --release -p m3d-model --bin m3d-random-model -- FOLDER --full-size [LAYERS]
//!
//! The first is small and answers every question with a box and a mask. The second has the sizes of the published
//! 4-billion model, 16.2 GB in f32 with all its 32 decoder layers.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use m3d_model::demo::write_demo_checkpoint;
use m3d_model::full_size::write_full_size_checkpoint;

fn main() -> anyhow::Result<()> {
    let usage = "usage: m3d-random-model FOLDER [--full-size [LAYERS]]";
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let (folder, rest) = arguments.split_first().context(usage)?;
    let folder = PathBuf::from(folder);
    let tokenizer =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tokenizer");
    match rest {
        [] => write_demo_checkpoint(&folder, &tokenizer)?,
        [flag, layers @ ..] if flag == "--full-size" && layers.len() < 2 => {
            let layers = match layers.first().map(|word| word.to_string_lossy()) {
                Some(word) => word.parse().context(usage)?,
                None => 32,
            };
            write_full_size_checkpoint(&folder, &tokenizer, layers)?;
        }
        _ => bail!(usage),
    }
    Ok(())
}
