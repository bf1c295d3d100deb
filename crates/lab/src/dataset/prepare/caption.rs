//! Slices with a report, the M3D-Cap way.

use std::fs;
use std::path::{Path, PathBuf};

use glam::{DAffine3, UVec3};
use image::{DynamicImage, ImageReader, Limits};
use rayon::prelude::*;
use serde_json::Map;

use super::index::Index;
use super::source::CaptionCase;
use super::{
    CaseDone, Counter, Outcome, PrepareOptions, PrepareReport, PrepareSetError, SourceKind,
    is_whole, name_of, split_of, write_whole,
};
use m3d_imaging::geometry::AxisOrder;
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::write_npy_f32;
use m3d_imaging::volume::{
    Modality, Preparation, Rescale, Units, Volume, Voxels, Window, prepare as shrink,
};

/// The most pixels of a series.
const MOST_PIXELS: usize = 1 << 31;
/// The most pixels along a slice's side.
const LONGEST_SIDE: u32 = 1 << 14;
/// The most bytes of a text.
const MOST_TEXT_BYTES: u64 = 1 << 20;
/// With fewer letters a part of a text says nothing.
const LEAST_LETTERS: usize = 5;

pub(super) fn prepare(
    cases: &[CaptionCase],
    out: &Path,
    options: &PrepareOptions,
    report: &mut dyn FnMut(CaseDone),
) -> Result<PrepareReport, PrepareSetError> {
    let root = out.join("M3D_Cap");
    let list = root.join("M3D_Cap.json");
    let ours: Vec<String> = cases
        .iter()
        .map(|case| format!("{}/{}/", case.group, case.name))
        .collect();
    let mut index = Index::open(&list, |image| {
        ours.iter().any(|folder| image.starts_with(folder))
    })?;
    let mut counter = Counter::new(cases.len(), report);
    for (case, below) in cases.iter().zip(&ours) {
        let place = root.join(below);
        if counter.count(&case.name, one(case, &place, options.size)) {
            let split = split_of(&case.name, options.test_share, true);
            for (name, _) in &case.series {
                if place.join(format!("{name}.npy")).is_file() {
                    let (image, text) = (format!("{below}{name}.npy"), format!("{below}text.txt"));
                    index.add(split, &image, "text", &text);
                }
            }
        }
    }
    let counts = index.counts();
    let report = counter.report(SourceKind::Captions, options.size, Vec::new(), counts)?;
    index.write(&list, Map::new(), true)?;
    Ok(report)
}

fn one(case: &CaptionCase, place: &Path, size: [usize; 3]) -> Result<Outcome, String> {
    for (name, _) in &case.series {
        if is_whole(&place.join(format!("{name}.npy")), size)? {
            return Ok(Outcome::Kept);
        }
    }
    let text = findings(&read_text(&case.text)?);
    if text.is_empty() {
        return Err(format!(
            "{} is empty; write the report",
            name_of(&case.text)
        ));
    }
    if case.series.is_empty() {
        return Err("there are no slices beside the text; call them 1.png, 2.png ...".to_owned());
    }
    write_whole(place, |part| {
        let mut notes = Vec::new();
        let mut done = 0;
        for (name, slices) in &case.series {
            match series(slices, size, &mut notes) {
                Ok(voxels) => {
                    let [d, h, w] = size;
                    write_npy_f32(&part.join(format!("{name}.npy")), &[1, d, h, w], &voxels)
                        .map_err(|error| error.to_string())?;
                    done += 1;
                }
                Err(message) => notes.push(format!("{name} was left out: {message}")),
            }
        }
        if done == 0 {
            return Err(notes.join("; "));
        }
        let file = part.join("text.txt");
        fs::write(&file, &text)
            .map_err(|error| format!("{} cannot be written ({error})", file.display()))?;
        Ok(notes)
    })
    .map(Outcome::Prepared)
}

fn read_text(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read ({error})", name_of(path));
    if fs::metadata(path).map_err(failed)?.len() > MOST_TEXT_BYTES {
        return Err(format!("{} is too long for a report", name_of(path)));
    }
    let bytes = fs::read(path).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What follows `study_findings:`; where that is next to nothing, what follows `discussion:`; else all.
fn findings(text: &str) -> String {
    let one_line = |text: &str| text.replace(['\n', '\r'], " ").trim().to_owned();
    let says_something =
        |text: &String| text.chars().filter(|c| !c.is_whitespace()).count() >= LEAST_LETTERS;
    ["study_findings:", "discussion:"]
        .into_iter()
        .filter_map(|mark| Some(one_line(text.split_once(mark)?.1)))
        .find(says_something)
        .unwrap_or_else(|| one_line(text))
}

/// The slices of a series as one prepared image.
fn series(
    slices: &[PathBuf],
    size: [usize; 3],
    notes: &mut Vec<String>,
) -> Result<Vec<f32>, String> {
    // Sizes come from the headers, before any pixel is decoded.
    let sizes: Vec<Option<(u32, u32)>> = slices
        .iter()
        .map(|path| image::image_dimensions(path).ok())
        .collect();
    let mut counts: Vec<((u32, u32), usize)> = Vec::new();
    for found in sizes.iter().flatten() {
        match counts.iter_mut().find(|(size, _)| size == found) {
            Some((_, count)) => *count += 1,
            None => counts.push((*found, 1)),
        }
    }
    // Of sizes that are equally frequent the first one counts, as in the reference.
    let most = counts.iter().map(|(_, count)| *count).max();
    let ((width, height), count) = counts
        .into_iter()
        .find(|(_, count)| Some(*count) == most)
        .ok_or("none of its slices is a picture")?;
    let pixels = (width as usize)
        .checked_mul(height as usize)
        .and_then(|n| n.checked_mul(count))
        .filter(|&n| n > 0 && n <= MOST_PIXELS && width.max(height) <= LONGEST_SIDE);
    if pixels.is_none() {
        return Err(format!("{count} slices of {width} x {height} are too many"));
    }
    let decoded: Vec<Option<Vec<u8>>> = slices
        .par_iter()
        .zip(&sizes)
        .map(|(path, found)| {
            (*found == Some((width, height)))
                .then(|| grey(path, width, height))
                .flatten()
        })
        .collect();
    let whole: Vec<Vec<u8>> = decoded.into_iter().flatten().collect();
    let lost = slices.len() - whole.len();
    if lost > 0 {
        notes.push(format!(
            "{lost} of {} slices were left out: damaged, or not {width} x {height}",
            slices.len()
        ));
    }
    let depth = u32::try_from(whole.len()).map_err(|_| "it has too many slices")?;
    let grid = VoxelGrid::new(UVec3::new(width, height, depth), DAffine3::IDENTITY)
        .map_err(|error| error.to_string())?;
    let voxels = Voxels::U8(whole.concat());
    let volume = Volume::new(
        grid,
        voxels,
        Rescale::IDENTITY,
        Modality::Other,
        Units::Arbitrary,
    )
    .map_err(|error| error.to_string())?;
    // The slices are levels of a display already: each level stays what it is.
    let window = Window::from_range(0.0, 255.0);
    let prepared = shrink(
        &volume,
        AxisOrder::of_patient(volume.grid()),
        Preparation::Caption { window },
        size,
        &|| false,
    );
    Ok(prepared.map_err(|error| error.to_string())?.voxels)
}

/// A picture's grey levels; `None` where it is damaged.
fn grey(path: &Path, width: u32, height: u32) -> Option<Vec<u8>> {
    let mut reader = ImageReader::open(path).ok()?.with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(width);
    limits.max_image_height = Some(height);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    Some(match picture {
        DynamicImage::ImageLuma8(grey) => grey.into_raw(),
        DynamicImage::ImageLuma16(grey) => grey.pixels().map(|p| (p.0[0] >> 8) as u8).collect(),
        DynamicImage::ImageLumaA8(grey) => grey.pixels().map(|p| p.0[0]).collect(),
        other => other.to_rgb8().pixels().map(|p| luma(p.0)).collect(),
    })
}

/// The luma of ITU-R BT.601, rounded as the reference's decoder does.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    let sum = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000;
    (sum >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_findings_are_found() {
        for (text, wanted) in [
            (
                "title: x\nstudy_findings: A cyst\nin the liver.\n",
                "A cyst in the liver.",
            ),
            (
                "study_findings: -\ndiscussion: Long enough.",
                "- discussion: Long enough.",
            ),
            ("study_findings: \n", "study_findings:"),
            (
                "discussion: Long enough.\nstudy_findings: ab",
                "Long enough. study_findings: ab",
            ),
            ("Only words.", "Only words."),
        ] {
            assert_eq!(findings(text), wanted, "{text}");
        }
    }

    #[test]
    fn grey_stays_grey() {
        for level in 0..=255 {
            assert_eq!(luma([level; 3]), level);
        }
        assert_eq!(luma([255, 0, 0]), 76);
        assert_eq!(luma([0, 255, 0]), 150);
        assert_eq!(luma([0, 0, 255]), 29);
    }
}
