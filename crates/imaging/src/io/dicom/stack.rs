//! Frames to series.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::copies::drop_copies;
use super::frame::{Frame, ImageFile};
use super::identity::{SeriesFrames, by_series};
use super::place::{Laid, lay, repeated};
use super::split::{Stack, stacks};
use super::{DicomSource, ImageName, load, pet};
use crate::io::error::Refusal;
use crate::io::library::{Filed, Role, Source};
use crate::io::refusals::COPY;
use crate::io::{Refused, Series, Warning};
use crate::volume::{Modality, Spacing, Stated, Units};

/// Sorts frames into series. Those that make none are refused, file by file.
pub(in crate::io) fn stack(
    frames: Vec<Frame>,
    root: &Path,
    filed: &mut Vec<Filed>,
    refused: &mut Vec<Refused>,
) {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for mut group in by_series(frames, refused) {
        let copies = drop_copies(&mut group.frames);
        if !copies.is_empty() {
            let count = copies.len();
            let message = format!("{count} of its pictures were there twice; one of each is shown");
            group.warnings.push(Warning::new("copies", message));
            let refusal = Refusal::new(
                COPY,
                "another file has the same SOP Instance UID and place; one of them is shown",
            );
            refused.extend(refuse(copies.iter(), &refusal));
        }
        refuse_unscaled(&mut group.frames, refused);
        let mut images = Vec::new();
        for stack in stacks(std::mem::take(&mut group.frames)) {
            match describe(&group, &stack) {
                Ok(image) => images.push((image, stack.times)),
                Err(refusal) => refused.extend(refuse(stack.times.iter().flatten(), &refusal)),
            }
        }
        // The largest keeps the series' UID.
        images.sort_by_key(|(image, times)| {
            let z = image.series.grid.dims().z as usize;
            std::cmp::Reverse((image.series.role == Role::Volume, z * times.len()))
        });
        let count = images.len();
        for (n, (mut image, times)) in images.into_iter().enumerate() {
            let series = &mut image.series;
            if count > 1 {
                let message = format!("one of {count} images that this series held");
                series.warnings.push(Warning::new("split_series", message));
            }
            series.source = Source::Dicom(Arc::new(DicomSource {
                name: ImageName::of(&group.facts, n as u32 + 1),
                times,
                acquired_mm: series.resampled_from_mm.clone(),
            }));
            if series.uid.is_empty() {
                series.uid = made_uid(series, root, &mut made);
            } else if n > 0 {
                series.uid = format!("{}#{}", series.uid, n + 1);
            }
            filed.push(image);
        }
    }
}

/// Takes out the frames that lack a rescale, or half of it, where the rest of their series has it: their values would be
/// off by a thousand beside the others.
fn refuse_unscaled(frames: &mut Vec<Frame>, refused: &mut Vec<Refused>) {
    let is_whole =
        |frame: &Frame| frame.table.is_some() || (frame.rescale.is_some() && !frame.half_rescaled);
    if !frames.iter().any(is_whole) {
        return;
    }
    let (whole, lacking): (Vec<_>, Vec<_>) = std::mem::take(frames).into_iter().partition(is_whole);
    *frames = whole;
    let message = "it lacks the rescale that the rest of its series has, so its values cannot be compared with theirs; \
                   export it again";
    refused.extend(refuse(lacking.iter(), &Refusal::new("no_rescale", message)));
}

/// Each file of some frames once.
fn refuse<'a>(frames: impl Iterator<Item = &'a Frame>, refusal: &Refusal) -> Vec<Refused> {
    let mut found: Vec<Refused> = frames
        .map(|frame| Refused::of_frame(frame, refusal.clone()))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup();
    found
}

/// A name for a series without a UID, the same at every opening of one folder; `made` counts those that
/// would be called alike.
fn made_uid(series: &Series, root: &Path, made: &mut BTreeMap<String, usize>) -> String {
    let folder = series.path.parent().unwrap_or(root);
    let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
    let number = series.number.map_or("none".to_owned(), |n| n.to_string());
    let mut parts = vec!["no-uid".into()];
    parts.extend(below.iter().map(std::ffi::OsStr::to_string_lossy));
    parts.push(number.into());
    let uid = parts.join("/");
    let count = made.entry(uid.clone()).or_default();
    *count += 1;
    if *count == 1 {
        uid
    } else {
        format!("{uid}#{count}")
    }
}

/// The series of a stack of frames.
fn describe(group: &SeriesFrames, stack: &Stack) -> Result<Filed, Refusal> {
    let frames = stack.times.first().map(Vec::as_slice).unwrap_or_default();
    let repeats = repeated(frames);
    if repeats > 0 {
        let places = frames.len() - repeats;
        return Err(Refusal::new(
            "duplicate_positions",
            format!(
                "{} slices at only {places} {}, and nothing in them tells time points apart; open one time point alone",
                frames.len(),
                if places == 1 { "place" } else { "places" }
            ),
        ));
    }
    let Laid {
        grid,
        warnings: of_place,
        acquired_mm,
    } = lay(frames)?;
    load::refuse_large(grid)?;
    let no_frame = || Refusal::new("single_slice", "no slices");
    let first = frames.first().ok_or_else(no_frame)?;
    let middle = frames.get(frames.len() / 2).unwrap_or(first);
    let facts = &group.facts;
    let modality = Modality::from_dicom(&facts.modality);
    let all: Vec<&Frame> = stack.times.iter().flatten().collect();
    let mut warnings = group.warnings.clone();
    warnings.extend(of_place);
    warnings.extend(stack.warnings.iter().cloned());
    warn_about_values(&all, modality, &mut warnings);
    warn_about_writing(&all, &mut warnings);
    let units = units(&all, modality);
    let suv = match pet::suv(frames) {
        Some(Ok(suv)) => Some(suv),
        Some(Err(lacking)) => {
            let message = format!("no standardised uptake values: its files lack {lacking}");
            warnings.push(Warning::new("no_suv", message));
            None
        }
        None => None,
    };
    let role = match first.place {
        Some(_) if first.is_localizer() => Role::Localizer,
        Some(_) => Role::Volume,
        None => Role::Picture,
    };
    if role == Role::Picture {
        warn_about_pictures(first, &mut warnings);
    }
    let series = Series {
        uid: facts.series_uid.clone(),
        modality,
        modality_code: facts.modality.clone(),
        description: facts.series_description.clone(),
        number: facts.series_number,
        path: first.path().to_owned(),
        grid,
        times: stack.times.len(),
        units,
        suv,
        role,
        windows: middle.windows.clone(),
        inverted: first.file.inverted,
        warnings,
        resampled_from_mm: acquired_mm,
        frame_of_reference: frame_of_reference(&all),
        stated: Stated {
            side_known: first.place.is_some(),
            spacing: first.spacing,
            lossy: all.iter().any(|f| f.file.lossy),
            label_map: false,
            patient_age: facts.patient_age.clone(),
            patient_sex: facts.patient_sex.clone(),
            study_date: facts.study_date.clone(),
        },
        source: Source::Dicom(Arc::default()),
    };
    Ok(Filed {
        patient_id: facts.patient_id.clone(),
        patient_name: facts.patient_name.clone(),
        study_uid: facts.study_uid.clone(),
        study_date: facts.study_date.clone(),
        study_description: facts.study_description.clone(),
        series,
    })
}

/// The frame of reference that all frames share, if they do.
fn frame_of_reference(frames: &[&Frame]) -> Option<String> {
    let first = frames.first()?.facts().frame_uid.as_str();
    let shared = !first.is_empty() && frames.iter().all(|f| f.facts().frame_uid == first);
    shared.then(|| first.to_owned())
}

/// Hounsfield only where CT says how to get there (PS3.3 C.8.2.1.1.2), Bq/mL where PET says so.
fn units(frames: &[&Frame], modality: Modality) -> Units {
    let all = |test: &dyn Fn(&Frame) -> bool| frames.iter().all(|f| test(f));
    let pet_in = |unit: &str| {
        modality == Modality::Pet
            && all(&|f| f.file.pet.as_ref().is_some_and(|pet| pet.units == unit))
    };
    let is_hounsfield = |f: &Frame| match f.file.rescale_type.as_str() {
        "HU" | "HOUNSFIELD" => true,
        "" => modality == Modality::Ct && (f.rescale.is_some() || f.table.is_some()),
        // Unspecified: what CT has otherwise.
        "US" => modality == Modality::Ct && f.rescale.is_some(),
        _ => false,
    };
    if all(&is_hounsfield) {
        Units::Hounsfield
    } else if pet_in("BQML") {
        Units::BecquerelPerMl
    } else {
        Units::Arbitrary
    }
}

fn warn_about_values(frames: &[&Frame], modality: Modality, warnings: &mut Vec<Warning>) {
    let mut warn = |code, message: &str| warnings.push(Warning::new(code, message));
    let has_meaning = |f: &&Frame| f.rescale.is_some() || f.table.is_some();
    if modality == Modality::Ct && !frames.iter().all(has_meaning) {
        warn(
            "no_rescale",
            "this CT does not say how its values become Hounsfield units; they are shown as stored",
        );
    }
    if frames.iter().any(|f| f.file.inverted) {
        warn(
            "monochrome1",
            "low values are meant to look bright (MONOCHROME1)",
        );
    }
    if frames.iter().any(|f| f.file.lossy) {
        warn(
            "lossy",
            "the pixels were compressed with loss before they came here",
        );
    }
    if frames.iter().any(|f| f.file.format.is_imprecise()) {
        warn(
            "reduced_precision",
            "values are held as 32-bit floats, of which 7 digits are exact",
        );
    }
}

/// What was odd in the files, once for each kind.
fn warn_about_writing(frames: &[&Frame], warnings: &mut Vec<Warning>) {
    let mut notes: Vec<(&Warning, usize)> = Vec::new();
    let mut last: Option<&Arc<ImageFile>> = None;
    for frame in frames {
        // A file's frames follow one another.
        if last.is_some_and(|last| Arc::ptr_eq(last, &frame.file)) {
            continue;
        }
        last = Some(&frame.file);
        for note in &frame.file.notes {
            match notes.iter_mut().find(|(other, _)| other.code == note.code) {
                Some((_, count)) => *count += 1,
                None => notes.push((note, 1)),
            }
        }
    }
    for (note, count) in notes {
        let more = if count > 1 {
            format!(" (and {} more of this kind)", count - 1)
        } else {
            String::new()
        };
        warnings.push(Warning::new(note.code, format!("{}{more}", note.message)));
    }
}

fn warn_about_pictures(first: &Frame, warnings: &mut Vec<Warning>) {
    let mut warn = |code, message: &str| warnings.push(Warning::new(code, message));
    if ["CT", "MR", "PT"].contains(&first.facts().modality.as_str()) {
        warn(
            "no_place",
            "its files do not say where the pictures lie in the patient; they are shown one after the other",
        );
    }
    match first.spacing {
        Spacing::Patient => {}
        Spacing::Detector => warn(
            "detector_spacing",
            "distances are those at the detector, larger than in the patient by an unknown factor",
        ),
        Spacing::Unknown => warn(
            "no_spacing",
            "its files do not say how large a pixel is; distances are in pixels",
        ),
    }
}
