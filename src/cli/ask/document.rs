//! An answer as a JSON document, and its places in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::Image;
use crate::render::RESEARCH_NOTICE;
use m3d_assistant::inference::Session;
use m3d_assistant::reply::{Found, Place, Question, Reply, StepReply};
use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::volume::measure::Measures;
use m3d_imaging::volume::{Volume, Window};

/// What `ask --json` prints.
#[derive(Serialize)]
pub(super) struct Document {
    question: String,
    outcome: &'static str,
    subjects: Vec<String>,
    read_as: Option<String>,
    plan: Vec<StepDocument>,
    text: String,
    statements: Vec<StatementDocument>,
    masks: Vec<MaskDocument>,
    places: Vec<PlaceDocument>,
    warnings: Vec<WarningDocument>,
    task: Option<&'static str>,
    prompt: String,
    raw_text: String,
    /// Two opposite corners each, patient mm.
    boxes: Vec<[f64; 6]>,
    mask: Option<FirstMask>,
    #[serde(rename = "box")]
    drawn_box: Option<[f64; 6]>,
    seed: u64,
    temperature: f64,
    top_p: f64,
    max_tokens: usize,
    truncated: bool,
    window: WindowDocument,
    /// The voxels that the model saw: the first one inside and the first one past it, as i, j, k.
    crop: Option<[[u32; 3]; 2]>,
    clipped_to: Option<[f64; 2]>,
    series_uid: String,
    image_digest: String,
    program_version: &'static str,
    model: String,
    model_fingerprint: String,
    device: &'static str,
    dtype: &'static str,
    timings_ms: BTreeMap<&'static str, f64>,
    total_ms: f64,
    notice: &'static str,
}

#[derive(Serialize)]
struct StepDocument {
    step: &'static str,
    subject: Option<String>,
    outcome: &'static str,
}

#[derive(Serialize)]
struct StatementDocument {
    text: String,
    subject: Option<String>,
    place: Option<String>,
    by_model: bool,
}

#[derive(Serialize)]
struct MaskDocument {
    name: String,
    volume_ml: f64,
    voxels: usize,
    /// The size of the voxels the model drew it in, along i, j, k.
    drawn_at_mm: [f64; 3],
    statistics: Option<Statistics>,
}

/// The figures of a mask; lengths from right to left, front to back and foot to head. What the image cuts has no extent.
#[derive(Serialize)]
struct Statistics {
    volume_error_ml: f64,
    at_least: bool,
    extents_mm: [Option<f64>; 3],
    longest_diameter_mm: Option<f64>,
    mean: Option<f64>,
    std: Option<f64>,
    units: &'static str,
}

#[derive(Serialize)]
struct PlaceDocument {
    name: String,
    corners_mm: [f64; 6],
}

#[derive(Serialize)]
struct WarningDocument {
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct FirstMask {
    voxels: usize,
    volume_ml: f64,
    /// The size of the voxels the model drew it in, along i, j, k.
    drawn_at_mm: Option<[f64; 3]>,
}

#[derive(Serialize)]
struct WindowDocument {
    centre: f32,
    width: f32,
}

impl From<Window> for WindowDocument {
    fn from(window: Window) -> Self {
        Self {
            centre: window.centre,
            width: window.width,
        }
    }
}

impl From<&Measures> for Statistics {
    fn from(measures: &Measures) -> Self {
        let values = measures.values.as_ref();
        Self {
            volume_error_ml: measures.volume_ml.error,
            at_least: measures.volume_ml.at_least,
            extents_mm: measures
                .extents_mm
                .map(|extent| (!extent.at_least).then_some(extent.value)),
            longest_diameter_mm: (!measures.longest_diameter_mm.at_least
                && measures.check_diameter().is_ok())
            .then_some(measures.longest_diameter_mm.value),
            mean: values.map(|values| values.mean),
            std: values.map(|values| values.std),
            units: measures.units.symbol(),
        }
    }
}

fn corners(region: &VoxelBox, grid: &VoxelGrid) -> [f64; 6] {
    let [a, b] = region.patient_corners(grid);
    [a.x, a.y, a.z, b.x, b.y, b.z]
}

pub(super) fn of(reply: &Reply, question: &Question, image: &Image, session: &Session) -> Document {
    let grid = image.volume.grid();
    let answer = reply.answers().next();
    let facts = session.facts();
    let masks: Vec<MaskDocument> = reply.steps.iter().flat_map(mask_documents).collect();
    let places = reply.found().filter_map(|f| match f.place {
        Place::Box(place) => Some(PlaceDocument {
            name: f.name.clone(),
            corners_mm: corners(&place, grid),
        }),
        Place::Mask(..) => None,
    });
    let boxes = reply.answers().flat_map(|answer| &answer.boxes);
    Document {
        question: question.text.clone(),
        outcome: reply.outcome.name(),
        subjects: reply.subjects.clone(),
        read_as: reply.read_as.clone(),
        plan: reply
            .steps
            .iter()
            .map(|step| StepDocument {
                step: step.kind.name(),
                subject: step.subject.clone(),
                outcome: step.outcome.name(),
            })
            .collect(),
        text: reply.text.clone(),
        statements: reply
            .statements
            .iter()
            .map(|s| StatementDocument {
                text: s.text.clone(),
                subject: s.subject.map(|term| term.name().to_owned()),
                place: s.place.clone(),
                by_model: s.by_model,
            })
            .collect(),
        mask: masks.first().map(|mask| FirstMask {
            voxels: mask.voxels,
            volume_ml: mask.volume_ml,
            drawn_at_mm: Some(mask.drawn_at_mm),
        }),
        masks,
        places: places.collect(),
        warnings: reply
            .warnings
            .iter()
            .map(|w| WarningDocument {
                code: w.code,
                message: w.message.clone(),
            })
            .chain(image.series.warnings.iter().map(|w| WarningDocument {
                code: w.code,
                message: w.message.clone(),
            }))
            .collect(),
        task: answer.map(|a| a.task.name()),
        prompt: answer.map(|a| a.prompt.clone()).unwrap_or_default(),
        raw_text: answer.map(|a| a.text.clone()).unwrap_or_default(),
        boxes: boxes.map(|b| corners(b, grid)).collect(),
        drawn_box: question.voxel_box.map(|b| corners(&b, grid)),
        seed: reply.settings.seed,
        temperature: reply.settings.temperature,
        top_p: reply.settings.top_p,
        max_tokens: reply.settings.max_tokens,
        truncated: reply.answers().any(|answer| answer.truncated),
        window: reply.window.into(),
        crop: answer.map(|a| [a.crop.min.to_array(), a.crop.max.to_array()]),
        clipped_to: answer.and_then(|a| a.clipped_to),
        series_uid: image.series.uid.clone(),
        image_digest: image.digest.to_string(),
        program_version: env!("CARGO_PKG_VERSION"),
        model: reply.model_name.clone(),
        model_fingerprint: reply.model_fingerprint.clone(),
        device: facts.device,
        dtype: facts.dtype,
        timings_ms: reply.timings_ms().into_iter().collect(),
        total_ms: reply.total_ms,
        notice: RESEARCH_NOTICE,
    }
}

/// The masks that a step brought, with the figures that were measured on them.
fn mask_documents(step: &StepReply) -> impl Iterator<Item = MaskDocument> {
    step.found.iter().filter_map(|found| {
        let Place::Mask(mask, drawn_at_mm) = &found.place else {
            return None;
        };
        Some(MaskDocument {
            name: found.name.clone(),
            volume_ml: mask.volume_ml(),
            voxels: mask.count(),
            drawn_at_mm: drawn_at_mm.to_array(),
            statistics: step.measures.as_deref().map(Statistics::from),
        })
    })
}

/// The places of an answer, a line each.
pub(super) fn places(reply: &Reply, volume: &Volume) -> String {
    let grid = volume.grid();
    let mut text = String::new();
    let found: Vec<&Found> = reply.found().collect();
    let named = |found: &Found| {
        // One place is the question's; several are told apart.
        let alone = reply.found().count() == 1;
        if alone {
            String::new()
        } else {
            format!(" {}", found.name)
        }
    };
    for found in found {
        // Writing to a string does not fail.
        match &found.place {
            Place::Box(place) => {
                let mm = corners(place, grid).map(|c| format!("{c:.1}"));
                let _ = writeln!(text, "box{} {} (mm, LPS)", named(found), mm.join(","));
            }
            Place::Mask(mask, _) => {
                let (voxels, ml) = (mask.count(), mask.volume_ml());
                let _ = writeln!(text, "mask{} {voxels} voxels, {ml:.2} mL", named(found));
            }
        }
    }
    text
}
