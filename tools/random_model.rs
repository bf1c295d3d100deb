//! Writes the small random checkpoint that shows the whole path where no trained model is at hand.
//! What it answers means nothing.
//!
//!     cargo run --release --bin m3d-random-model -- FOLDER

use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        anyhow::bail!("usage: m3d-random-model FOLDER");
    };
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer");
    m3d_viewer::model::demo::write_demo_checkpoint(&folder, &tokenizer)?;
    Ok(())
}
