//! Many questions about one image, from a file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AskArguments, Image, answer, document};
use crate::cli::output;
use m3d_assistant::inference::{Session, Task};
use m3d_imaging::geometry::VoxelBox;

/// The most bytes of a line.
const LONGEST_LINE: usize = 1 << 20;

/// One line of the file; what is not named here is passed over.
#[derive(Deserialize)]
struct Line {
    question: String,
    #[serde(default)]
    id: Value,
    #[serde(rename = "box")]
    corners: Option<[f64; 6]>,
    task: Option<String>,
    seed: Option<u64>,
}

/// Answers every line and prints one document a line. A line that fails is told as `{"id", "error"}`, and the next one is
/// answered all the same.
pub(super) fn run(
    arguments: &AskArguments,
    questions: &Path,
    image: &Image,
    session: &mut Session,
) -> anyhow::Result<()> {
    let file =
        File::open(questions).with_context(|| format!("{} cannot be read", questions.display()))?;
    let mut failed = 0_usize;
    let mut asked = 0_usize;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("{}, line {number}", questions.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        asked += 1;
        let (id, done) = one(arguments, &line, image, session);
        let document = done.unwrap_or_else(|error| {
            failed += 1;
            json!({"error": output::one_line(&error), "line": number})
        });
        output::print(&format!("{}\n", with_id(document, id)))?;
    }
    if asked == 0 {
        bail!("{}: there are no questions in it", questions.display());
    }
    if failed > 0 {
        bail!("{failed} of {asked} questions failed; their lines say why");
    }
    Ok(())
}

/// A document with the id of its line in front.
fn with_id(document: Value, id: Value) -> Value {
    let mut whole = serde_json::Map::new();
    whole.insert("id".to_owned(), id);
    if let Value::Object(fields) = document {
        whole.extend(fields);
    }
    Value::Object(whole)
}

fn one(
    arguments: &AskArguments,
    line: &str,
    image: &Image,
    session: &mut Session,
) -> (Value, anyhow::Result<Value>) {
    if line.len() > LONGEST_LINE {
        return (Value::Null, Err(anyhow::anyhow!("the line is too long")));
    }
    let line: Line = match serde_json::from_str(line) {
        Ok(line) => line,
        Err(error) => {
            // The id may be there although the rest is not.
            let id = serde_json::from_str::<Value>(line).ok();
            let id = id.and_then(|mut v| v.get_mut("id").map(Value::take));
            let error = anyhow::anyhow!("no question can be read in it: {error}");
            return (id.unwrap_or_default(), Err(error));
        }
    };
    let id = line.id.clone();
    (id, answered(arguments, line, image, session))
}

fn answered(
    arguments: &AskArguments,
    line: Line,
    image: &Image,
    session: &mut Session,
) -> anyhow::Result<Value> {
    let mut question = image.question(arguments, line.question);
    if let Some([x0, y0, z0, x1, y1, z1]) = line.corners {
        let corners = [[x0, y0, z0], [x1, y1, z1]].map(glam::DVec3::from_array);
        let grid = *image.volume.grid();
        question.voxel_box = Some(VoxelBox::from_patient_corners(&grid, corners));
    }
    match line.task.as_deref() {
        None | Some("auto") => {}
        Some(task) => question.task = Some(task.parse::<Task>()?),
    }
    question.settings.seed = line.seed.unwrap_or(question.settings.seed);
    let (reply, _) = answer(session, &question, true)?;
    Ok(serde_json::to_value(document::of(
        &reply, &question, image, session,
    ))?)
}
