//! A run: what is not answered yet is asked, and every answer is on disk before the next question.

use std::fs;
use std::path::Path;

use super::engine::{Engine, ImageSession, Model};
use super::rows::{RowFile, RunFacts, facts_path, files_named, rename_old, rows_path};
use super::tasks::{Work, columns, retrieval, work};
use super::{BenchOptions, EvaluationError, Helpers, Summary};

/// A benchmark whose data are found, before any model is loaded.
pub struct Bench {
    options: BenchOptions,
    work: Work,
    refused: Vec<String>,
}

impl Bench {
    /// Reads the data's lists and makes the folder for the answers.
    ///
    /// # Errors
    /// When the data lack the task's set, there is nothing to ask, or the folder cannot be made or holds another
    /// task's answers.
    pub fn open(options: BenchOptions) -> Result<Self, EvaluationError> {
        let (work, refused) = work(&options)?;
        let out = &options.out;
        fs::create_dir_all(out).map_err(|error| EvaluationError::write(out, error))?;
        for path in files_named(out, "run", ".json")? {
            if let Some(facts) = RunFacts::read(&path)?
                && facts.task != options.task.name()
            {
                return Err(other_run(
                    &path,
                    ("task", facts.task, options.task.name().to_owned()),
                ));
            }
        }
        Ok(Self {
            options,
            work,
            refused,
        })
    }

    /// Rows of the data's lists that cannot be used, each with the reason.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// How many questions there are, asked before or not.
    pub fn len(&self) -> usize {
        match &self.work {
            Work::Asked(groups) => groups.iter().map(|group| group.items.len()).sum(),
            Work::Ranked(pairs) => pairs.len(),
        }
    }

    /// Whether the share has no questions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks what is not answered yet, and sums up the share's rows. `progress` is called with the number of questions done.
    ///
    /// # Errors
    /// When the folder holds answers of another run, an image cannot be read, the model fails, a row cannot be written,
    /// or it was cancelled. What is answered stays.
    pub fn run(
        &self,
        engine: &mut Engine,
        helpers: &Helpers,
        progress: &mut dyn FnMut(usize),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Summary, EvaluationError> {
        let BenchOptions {
            task, out, shard, ..
        } = &self.options;
        rename_old(out, *shard)?;
        self.check_facts(engine, helpers)?;
        let columns = columns(*task, helpers.bertscore.is_some());
        let mut rows = RowFile::open(&rows_path(out, *shard), task.name(), &columns)?;
        let mut done = 0;
        let row = |id: &str, image: &str, cells: Vec<String>| {
            let mut row = vec![task.name().to_owned(), id.to_owned(), image.to_owned()];
            row.extend(cells);
            row.resize(columns.len(), String::new());
            row
        };
        match (&self.work, &mut engine.model) {
            (Work::Asked(groups), Model::Answers(session)) => {
                // The images of a run before this one bear the same numbers.
                session.forget_images();
                for (number, group) in groups.iter().enumerate() {
                    let waiting = group
                        .items
                        .iter()
                        .filter(|item| !rows.done.contains(item.id()));
                    let waiting: Vec<_> = waiting.collect();
                    done += group.items.len() - waiting.len();
                    progress(done);
                    let Some(first) = waiting.first() else {
                        continue;
                    };
                    let image = first.load_image()?;
                    let number = number as u64;
                    let mut image_session =
                        ImageSession::new(session, image, &group.image, number, cancelled)?;
                    for item in waiting {
                        let cells = item.measure(&mut image_session, helpers)?;
                        rows.append(row(item.id(), &group.image, cells))?;
                        done += 1;
                        progress(done);
                    }
                }
            }
            (Work::Ranked(pairs), Model::Ranks(ranker)) => {
                for pair in pairs {
                    if cancelled() {
                        return Err(m3d_assistant::inference::InferenceError::Cancelled.into());
                    }
                    if !rows.done.contains(&pair.id) {
                        let cells = retrieval::measure(pair, ranker)?;
                        rows.append(row(&pair.id, pair.record.image.as_written(), cells))?;
                    }
                    done += 1;
                    progress(done);
                }
            }
            _ => {
                return Err(EvaluationError::WrongModel {
                    folder: engine.name().into(),
                    found: "of the other kind",
                    task: task.name(),
                    wanted: "another",
                });
            }
        }
        let mut table = rows.table;
        table.rows.sort_by(|a, b| a[1].cmp(&b[1]));
        let summary = Summary::of(*task, &table);
        let summary = with_synonyms_note(summary, helpers.wordnet.is_some());
        if shard.count() == 1 {
            write_summary(out, &summary)?;
        }
        Ok(summary)
    }

    /// Refuses a folder with answers of another run, else writes down what run this is.
    fn check_facts(&self, engine: &Engine, helpers: &Helpers) -> Result<(), EvaluationError> {
        let options = &self.options;
        let data = options.data.canonicalize();
        let data = data.unwrap_or_else(|_| options.data.clone());
        let own = RunFacts {
            task: options.task.name().to_owned(),
            data: data.display().to_string(),
            part: options.part.name().to_owned(),
            wording: options.wording.name().to_owned(),
            data_set: options.tag.clone().unwrap_or_else(|| "all".to_owned()),
            least_voxels: options.least_voxels,
            model: engine.name(),
            fingerprint: engine.fingerprint().to_owned(),
            settings: engine.settings().to_owned(),
            numbers: engine.numbers().to_owned(),
            synonyms: helpers.wordnet.is_some(),
            bertscore: helpers.bertscore.is_some(),
        };
        for path in files_named(&options.out, "run", ".json")? {
            if let Some(other) = RunFacts::read(&path)?
                && let Some(differs) = other.differs(&own)
            {
                return Err(other_run(&path, differs));
            }
        }
        own.write(&facts_path(&options.out, options.shard))
    }
}

pub(super) fn other_run(
    path: &Path,
    (what, found, wanted): (&'static str, String, String),
) -> EvaluationError {
    EvaluationError::OtherRun {
        path: path.to_owned(),
        what,
        found,
        wanted,
    }
}

/// Says aloud that METEOR went without synonyms.
pub(super) fn with_synonyms_note(mut summary: Summary, synonyms: bool) -> Summary {
    if summary.figures.iter().any(|(name, _)| name == "meteor") && !synonyms {
        let note = "METEOR was computed without WordNet's synonyms (give its folder with --wordnet): published figures \
                    have them and lie a little higher.";
        summary.notes.push(note.to_owned());
    }
    summary
}

pub(super) fn write_summary(out: &Path, summary: &Summary) -> Result<(), EvaluationError> {
    let path = out.join("summary.md");
    fs::write(&path, summary.markdown()).map_err(|error| EvaluationError::write(&path, error))
}
