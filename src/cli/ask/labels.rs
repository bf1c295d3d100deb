//! Several structures into one label map.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::json;

use super::{AskArguments, Image, answer, document, drawn};
use crate::cli::output;
use crate::cli::target::beside;
use crate::render::RESEARCH_NOTICE;
use m3d_assistant::inference::Session;
use m3d_assistant::reply::{Place, Reply};
use m3d_imaging::io;
use m3d_imaging::io::objects::{self, ObjectFormat};
use m3d_imaging::volume::Mask;

/// Draws what is named into one label map, with names and volumes beside it.
pub(super) fn run(
    arguments: &AskArguments,
    out: &Path,
    image: &Image,
    session: &mut Session,
) -> anyhow::Result<()> {
    let names: Vec<&str> = arguments.labels.iter().map(|name| name.trim()).collect();
    let text = match names.as_slice() {
        ["all"] => "segment everything".to_owned(),
        names => format!("segment {}", names.join(", ")),
    };
    let question = image.question(arguments, text);
    let (reply, _) = answer(session, &question, true)?;
    for step in reply.steps.iter().filter(|step| !step.outcome.is_success()) {
        output::note(&format!("left out: {}", step.text));
    }
    let drawn = drawn(&reply);
    if drawn.is_empty() {
        bail!("nothing was drawn; {} was not written", out.display());
    }
    match ObjectFormat::of(out)? {
        ObjectFormat::Nifti => {
            let masks: Vec<&Mask> = drawn.iter().map(|d| d.mask).collect();
            io::write_labels(out, image.volume.grid(), &masks)?;
        }
        _ => objects::write(out, &image.series, &drawn)?,
    }
    let (names, volumes) = (beside(out, "json"), beside(out, "csv"));
    write(
        &names,
        &(serde_json::to_string_pretty(&numbered(&reply))? + "\n"),
    )?;
    write(&volumes, &table(&reply))?;
    if arguments.json {
        let document = document::of(&reply, &question, image, session);
        output::print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        output::print(&document::places(&reply, &image.volume))?;
        output::note(RESEARCH_NOTICE);
    }
    Ok(())
}

/// Every label's number, name and code.
fn numbered(reply: &Reply) -> serde_json::Value {
    let drawn = reply.found().filter(|f| matches!(f.place, Place::Mask(..)));
    let labels: Vec<_> = (1..)
        .zip(drawn)
        .map(|(label, found)| {
            let code = found.term.and_then(m3d_imaging::terms::Term::code);
            let code =
                code.map(|c| json!({"scheme": c.scheme, "value": c.value, "meaning": c.meaning}));
            json!({"label": label, "name": found.name, "code": code})
        })
        .collect();
    json!({"labels": labels, "model": reply.model_name, "model_fingerprint": reply.model_fingerprint})
}

/// A table of volumes.
fn table(reply: &Reply) -> String {
    let mut text = "label,name,voxels,volume_ml,cut_by_edge\n".to_owned();
    let drawn = reply.steps.iter().flat_map(|step| {
        let measures = step.measures.as_deref();
        let cut = measures.is_some_and(|figures| !figures.cut_by.is_empty());
        step.found
            .iter()
            .filter_map(move |found| match &found.place {
                Place::Mask(mask, _) => Some((found, mask, cut)),
                Place::Box(_) => None,
            })
    });
    for (label, (found, mask, cut)) in (1..).zip(drawn) {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{label},{},{},{:.3},{cut}",
            found.name,
            mask.count(),
            mask.volume_ml()
        );
    }
    text
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
