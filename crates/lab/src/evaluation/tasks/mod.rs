//! The tasks: what is asked of which image, and what becomes of the answer.
//!
//! Questions have the forms that the reference's own benchmark asks in, which lead each family of
//! [`templates`](crate::dataset::templates); which of them is asked follows from the entry's number, so that every run
//! asks the same.

mod refseg;
mod report;
pub(super) mod retrieval;
mod structures;
mod vqa;

use std::collections::HashMap;

use super::engine::ImageSession;
use super::metrics::{bleu1, meteor, rouge1};
use super::rows::FIRST_COLUMNS;
use super::{BenchOptions, BenchTask, EvaluationError, Helpers, SplitChoice};
use crate::dataset::Split;
use crate::dataset::read::{
    CaptionRecord, ImageArray, ReadError, Record, Set, open_captions, open_refseg, open_seg,
    open_vqa,
};

/// A question about an image.
pub(super) trait Item {
    /// What tells it from every other question of the task, on every run.
    fn id(&self) -> &str;
    /// The image, as the list names it.
    fn image(&self) -> &str;
    /// Reads the image.
    fn load_image(&self) -> Result<ImageArray, ReadError>;
    /// Asks, and measures the answer: the cells behind the first columns.
    fn measure(
        &self,
        image_session: &mut ImageSession<'_>,
        helpers: &Helpers,
    ) -> Result<Vec<String>, EvaluationError>;
}

/// Questions about one image.
pub(super) struct Group {
    pub image: String,
    pub items: Vec<Box<dyn Item>>,
}

/// A caption with its number.
pub(super) struct Ranked {
    pub id: String,
    pub record: CaptionRecord,
}

/// All there is to do.
pub(super) enum Work {
    /// Questions, by their images.
    Asked(Vec<Group>),
    /// Images and texts to find each other.
    Ranked(Vec<Ranked>),
}

/// The columns of a task's rows.
pub(super) fn columns(task: BenchTask, bertscore: bool) -> Vec<&'static str> {
    let own: &[&str] = match task {
        BenchTask::Report => report::COLUMNS,
        BenchTask::VqaClosed => vqa::CLOSED_COLUMNS,
        BenchTask::VqaOpen => vqa::OPEN_COLUMNS,
        BenchTask::Rec => structures::REC_COLUMNS,
        BenchTask::Reg => structures::REG_COLUMNS,
        BenchTask::Seg => structures::SEG_COLUMNS,
        BenchTask::RefSeg => refseg::COLUMNS,
        BenchTask::Retrieval => retrieval::COLUMNS,
    };
    let mut columns = FIRST_COLUMNS.to_vec();
    columns.extend(own);
    if has_texts(task) {
        columns.extend(["bleu1", "rouge1", "meteor"]);
        columns.extend(bertscore.then_some("bertscore"));
    }
    columns
}

/// Whether the answers of a task are compared as texts.
pub(super) const fn has_texts(task: BenchTask) -> bool {
    matches!(
        task,
        BenchTask::Report | BenchTask::VqaOpen | BenchTask::Reg
    )
}

/// Lists the work, with the rows of the data's lists that cannot be used.
///
/// # Errors
/// When the data lacks the task's set or there is nothing to ask.
pub(super) fn work(options: &BenchOptions) -> Result<(Work, Vec<String>), EvaluationError> {
    let data = &options.data;
    let mut refused = Vec::new();
    let work = match options.task {
        BenchTask::Report => {
            let records = entries(&open_captions(data)?, options, &mut refused, |_| true)?;
            grouped(options, report::items(records))
        }
        BenchTask::Retrieval => {
            let records = entries(&open_captions(data)?, options, &mut refused, |_| true)?;
            let records = records.into_iter().enumerate();
            let records = records.filter(|(n, _)| options.shard.has(*n));
            let ranked = records.map(|(_, (entry, record))| Ranked {
                id: number(entry),
                record,
            });
            Work::Ranked(ranked.collect())
        }
        BenchTask::VqaClosed => {
            let records = entries(&open_vqa(data)?, options, &mut refused, |_| true)?;
            grouped(options, vqa::closed_items(records))
        }
        BenchTask::VqaOpen => {
            let records = entries(&open_vqa(data)?, options, &mut refused, |_| true)?;
            grouped(options, vqa::open_items(records))
        }
        BenchTask::Rec | BenchTask::Reg | BenchTask::Seg => {
            let set = open_seg(data)?;
            let tag = options.tag.as_deref();
            let records = entries(&set, options, &mut refused, |record| {
                tag.is_none_or(|tag| *tag == *record.tag)
            })?;
            let names = structures::name_lists(set.records());
            grouped(options, structures::items(options, records, &names))
        }
        BenchTask::RefSeg => {
            let records = entries(&open_refseg(data)?, options, &mut refused, |_| true)?;
            grouped(options, refseg::items(records))
        }
    };
    let nothing = match &work {
        Work::Asked(groups) => groups.is_empty(),
        Work::Ranked(records) => records.is_empty(),
    };
    // A share of few images may be empty; that is no fault.
    if nothing && options.shard.count() == 1 {
        return Err(empty(options));
    }
    Ok((work, refused))
}

fn empty(options: &BenchOptions) -> EvaluationError {
    EvaluationError::Empty {
        data: options.data.clone(),
        task: options.task.name(),
        part: options.part.name(),
    }
}

/// The records that fit, of the part that is wanted, numbered within it.
fn entries<R: Record + Clone>(
    set: &Set<R>,
    options: &BenchOptions,
    refused: &mut Vec<String>,
    fits: impl Fn(&R) -> bool,
) -> Result<Vec<(usize, R)>, EvaluationError> {
    refused.extend(set.refused().iter().map(ToString::to_string));
    let has_test = set.of(Split::Test).any(&fits);
    let wanted = |split: Split| match options.part {
        SplitChoice::All => true,
        SplitChoice::One(part) => split == part,
        SplitChoice::Auto => !has_test || split == Split::Test,
    };
    let fitting: Vec<&R> = set.records().iter().filter(|r| fits(r)).collect();
    let own = fitting.iter().filter(|r| wanted(r.split()));
    let others = fitting.len() - own.clone().count();
    if others > 0 && options.part == SplitChoice::Auto {
        refused.push(format!(
            "{others} entries that are not for tests (--split all takes them, too)"
        ));
    }
    let most = options.limit.unwrap_or(usize::MAX);
    let records: Vec<(usize, R)> = own.map(|&r| r.clone()).enumerate().take(most).collect();
    if records.is_empty() {
        return Err(empty(options));
    }
    Ok(records)
}

/// An entry's number as an id.
fn number(entry: usize) -> String {
    format!("{entry:06}")
}

/// Questions by their images, in the order of the list, and of them the images of the share.
fn grouped(options: &BenchOptions, items: Vec<Box<dyn Item>>) -> Work {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for item in items {
        let at = *places
            .entry(item.image().to_owned())
            .or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group {
                image: item.image().to_owned(),
                items: Vec::new(),
            });
        }
        groups[at].items.push(item);
    }
    let groups = groups.into_iter().enumerate();
    let own = groups.filter(|(n, _)| options.shard.has(*n));
    Work::Asked(own.map(|(_, group)| group).collect())
}

/// The measures of an answer as a text: cells of BLEU-1, ROUGE-1, METEOR and, where there is a model for it, BERTScore.
fn text_cells(
    prediction: &str,
    reference: &str,
    helpers: &Helpers,
) -> Result<Vec<String>, EvaluationError> {
    let (prediction, reference) = (prediction.trim(), reference.trim());
    let mut cells = vec![
        bleu1(prediction, reference).to_string(),
        rouge1(prediction, reference).to_string(),
        meteor(prediction, reference, helpers.wordnet.as_ref()).to_string(),
    ];
    if let Some(scorer) = &helpers.bertscore {
        cells.push(scorer.f1(prediction, reference)?.to_string());
    }
    Ok(cells)
}

/// `yes` or `no`.
fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
