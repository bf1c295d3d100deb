//! Reports of whole images.

use super::{Item, number, text_cells};
use crate::dataset::read::{CaptionRecord, ImageArray, ReadError};
use crate::dataset::{FindingKind, templates};
use crate::evaluation::engine::ImageSession;
use crate::evaluation::metrics::findings;
use crate::evaluation::{BenchTask, EvaluationError, Helpers};

pub(super) const COLUMNS: &[&str] = &[
    "question",
    "answer",
    "prediction",
    "findings",
    "findings_told",
];
/// The forms that the reference asks in: the first of the family.
const FORMS: usize = 2;

struct Report {
    id: String,
    question: &'static str,
    record: CaptionRecord,
}

pub(super) fn items(records: Vec<(usize, CaptionRecord)>) -> Vec<Box<dyn Item>> {
    let items = records.into_iter().map(|(entry, record)| {
        let question = templates::REPORT[entry % FORMS];
        Box::new(Report {
            id: number(entry),
            question,
            record,
        }) as Box<dyn Item>
    });
    items.collect()
}

impl Item for Report {
    fn id(&self) -> &str {
        &self.id
    }

    fn image(&self) -> &str {
        self.record.image.as_written()
    }

    fn load_image(&self) -> Result<ImageArray, ReadError> {
        Ok(self.record.load()?.image)
    }

    fn measure(
        &self,
        image_session: &mut ImageSession<'_>,
        helpers: &Helpers,
    ) -> Result<Vec<String>, EvaluationError> {
        let wanted = self.record.load_text()?;
        let predicted = image_session.ask(BenchTask::Report, self.question)?;
        let predicted = predicted
            .map(|predicted| predicted.answer.text)
            .unwrap_or_default();
        let names = |kinds: Vec<FindingKind>| {
            let names: Vec<&str> = kinds.into_iter().map(FindingKind::name).collect();
            names.join("|")
        };
        let mut cells = vec![
            self.question.to_owned(),
            wanted.trim().to_owned(),
            predicted.clone(),
            names(findings(&wanted)),
            names(findings(&predicted)),
        ];
        cells.extend(text_cells(&predicted, &wanted, helpers)?);
        Ok(cells)
    }
}
