//! Questions with and without choices.

use super::{Item, number, text_cells};
use crate::dataset::VqaType;
use crate::dataset::read::{ImageArray, ReadError, VqaRecord};
use crate::evaluation::engine::ImageSession;
use crate::evaluation::metrics::has_letter;
use crate::evaluation::{BenchTask, EvaluationError, Helpers};

pub(super) const CLOSED_COLUMNS: &[&str] = &[
    "type",
    "question",
    "answer",
    "letter",
    "prediction",
    "correct",
];
pub(super) const OPEN_COLUMNS: &[&str] = &["type", "question", "answer", "prediction"];

struct Vqa {
    id: String,
    record: VqaRecord,
    question: String,
    /// The right letter, where there are choices.
    letter: Option<char>,
}

/// Questions with choices, in the form the model was trained on.
pub(super) fn closed_items(records: Vec<(usize, VqaRecord)>) -> Vec<Box<dyn Item>> {
    let items = records.into_iter().filter_map(|(entry, record)| {
        Some(Box::new(Vqa {
            id: number(entry),
            question: record.closed_question()?,
            letter: Some(record.letter?),
            record,
        }) as Box<dyn Item>)
    });
    items.collect()
}

/// Questions alone. Those to be answered with yes or no belong to another benchmark.
pub(super) fn open_items(records: Vec<(usize, VqaRecord)>) -> Vec<Box<dyn Item>> {
    let asked = |record: &VqaRecord| record.choices.is_some() || record.kind.is_some();
    let records = records.into_iter().filter(|(_, record)| asked(record));
    let items = records.map(|(entry, record)| {
        Box::new(Vqa {
            id: number(entry),
            question: record.question.clone(),
            letter: None,
            record,
        }) as Box<dyn Item>
    });
    items.collect()
}

/// The name of a type in tables.
pub(in crate::evaluation) const fn kind_name(kind: VqaType) -> &'static str {
    match kind {
        VqaType::Plane => "plane",
        VqaType::Phase => "phase",
        VqaType::Organ => "organ",
        VqaType::Abnormality => "abnormality",
        VqaType::Location => "location",
    }
}

impl Item for Vqa {
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
        let task = match self.letter {
            Some(_) => BenchTask::VqaClosed,
            None => BenchTask::VqaOpen,
        };
        let predicted = image_session.ask(task, &self.question)?;
        let predicted = predicted
            .map(|predicted| predicted.answer.text)
            .unwrap_or_default();
        let mut cells = vec![
            self.record.kind.map_or("", kind_name).to_owned(),
            self.question.clone(),
            self.record.answer.clone(),
        ];
        if let Some(letter) = self.letter {
            let correct = u8::from(has_letter(&predicted, letter));
            cells.extend([letter.to_string(), predicted, correct.to_string()]);
        } else {
            let scores = text_cells(&predicted, &self.record.answer, helpers)?;
            cells.push(predicted);
            cells.extend(scores);
        }
        Ok(cells)
    }
}
