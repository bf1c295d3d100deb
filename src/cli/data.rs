//! `data`: data sets to train and to measure with.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::{data_collect, data_prepare, output};
use m3d_assistant::inference::{Preparation, PreparedImage, prepare_in};
use m3d_imaging::geometry::AxisOrder;
use m3d_imaging::volume::Window;
use m3d_lab::dataset::{LayoutWriter, Phantom, PhantomConfig, PreparedPhantom, Scene};

/// Arguments of `data`.
#[derive(Args, Debug)]
pub struct DataArguments {
    #[command(subcommand)]
    command: DataCommands,
}

#[derive(Debug, Subcommand)]
enum DataCommands {
    /// Make CT volumes of bodies that never lived, with masks, reports and questions, as M3D-Data.
    Phantom(PhantomArguments),
    /// Bring images with labels, or slices with reports, into M3D-Data's layout.
    Prepare(data_prepare::PrepareArguments),
    /// Bring the masks of sessions, with their images, into nnU-Net's layout.
    Collect(data_collect::CollectArguments),
}

/// Arguments of `data phantom`.
#[derive(Args, Debug)]
struct PhantomArguments {
    /// The folder to write; it must be empty or not there yet.
    out: PathBuf,
    /// How many phantoms.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// The first phantom's seed; the others count up from it.
    #[arg(long, value_name = "S")]
    seed: u64,
    /// Slices, rows and columns of each image.
    #[arg(long, value_name = "DxHxW", value_parser = size, default_value = "32x64x64")]
    size: [usize; 3],
    /// `npy` for M3D-Data's layout alone; `nifti` for volumes and label maps beside it, for a viewer.
    #[arg(long, value_enum, default_value_t = Format::Npy)]
    format: Format,
    /// How far images stray from clean and typical ones, 0 to 1.
    #[arg(long, value_name = "V", value_parser = variety, default_value = "1")]
    variety: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Arrays only.
    Npy,
    /// Arrays, and NIfTI volumes with the pixels of a scanner.
    Nifti,
}

/// Slices, rows and columns, parted by `x` or commas.
pub(super) fn size(text: &str) -> Result<[usize; 3], String> {
    let wrong = || format!("{text:?} is no size; write slices x rows x columns, as 32x64x64");
    let sides: Result<Vec<usize>, _> = text.split(['x', ',']).map(str::parse).collect();
    let sides: [usize; 3] = sides
        .map_err(|_| wrong())?
        .try_into()
        .map_err(|_| wrong())?;
    if sides.iter().all(|n| (8..=1024).contains(n)) {
        Ok(sides)
    } else {
        Err(format!(
            "{text} is out of range; use 8 to 1024 along each axis"
        ))
    }
}

fn variety(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err(format!("{text:?} is no number from 0 to 1")),
    }
}

pub(super) fn run(arguments: &DataArguments) -> anyhow::Result<()> {
    match &arguments.command {
        DataCommands::Phantom(arguments) => phantoms(arguments),
        DataCommands::Prepare(arguments) => data_prepare::run(arguments),
        DataCommands::Collect(arguments) => data_collect::run(arguments),
    }
}

/// Phantoms are made side by side and written in order, this many at a time.
const BATCH: u64 = 16;

fn phantoms(arguments: &PhantomArguments) -> anyhow::Result<()> {
    let config = PhantomConfig {
        size: arguments.size,
        square_pixels: arguments.format == Format::Nifti,
        region: None,
        variety: arguments.variety,
        ..PhantomConfig::default()
    };
    let count = u64::from(arguments.count);
    let mut writer = LayoutWriter::new(&arguments.out, arguments.format == Format::Nifti)?;
    let bar = ProgressBar::new(count);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} phantoms, {eta} left") {
        bar.set_style(style);
    }
    let mut first = 0;
    while first < count {
        let last = (first + BATCH).min(count);
        let made: Vec<(u64, anyhow::Result<(Phantom, PreparedPhantom)>)> = (first..last)
            .into_par_iter()
            .map(|n| (n, make(arguments.seed.wrapping_add(n), &config)))
            .collect();
        for (n, case) in made {
            let (phantom, prepared) = case?;
            writer.add(usize::try_from(n)?, &phantom, &prepared)?;
            bar.inc(1);
        }
        first = last;
    }
    writer.finish()?;
    bar.finish_and_clear();
    output::note(&format!(
        "{count} phantoms written to {}",
        arguments.out.display()
    ));
    Ok(())
}

fn make(seed: u64, config: &PhantomConfig) -> anyhow::Result<(Phantom, PreparedPhantom)> {
    let phantom = Phantom::new(seed, config)?;
    let way = |preparation| -> anyhow::Result<PreparedImage> {
        prepare_in(
            AxisOrder::STORED,
            &phantom.volume,
            preparation,
            config.size,
            &|| false,
        )
        .with_context(|| format!("the phantom of seed {seed} cannot be prepared"))
    };
    let caption = way(Preparation::Caption {
        window: Window::SOFT_TISSUE,
    })?;
    let image = way(Preparation::Segmentation)?;
    let prepared = PreparedPhantom {
        caption_scene: Scene::new(&phantom, caption.frame.crop(), config.size),
        caption_image: caption.voxels,
        scene: Scene::new(&phantom, image.frame.crop(), config.size),
        image: image.voxels,
    };
    Ok((phantom, prepared))
}
