//! Questions that a mask answers.

use super::structures::{mask_cells, on_model_grid};
use super::{Item, number};
use crate::dataset::read::{ImageArray, ReadError, RefSegRecord};
use crate::evaluation::engine::ImageSession;
use crate::evaluation::{BenchTask, EvaluationError, Helpers};

pub(super) const COLUMNS: &[&str] = &[
    "present",
    "voxels",
    "answer",
    "question",
    "prediction",
    "voxels_told",
    "dice",
    "dice_soft",
    "refused",
];

struct RefSeg {
    id: String,
    record: RefSegRecord,
}

pub(super) fn items(records: Vec<(usize, RefSegRecord)>) -> Vec<Box<dyn Item>> {
    let items = records.into_iter().map(|(entry, record)| {
        let id = number(entry);
        Box::new(RefSeg { id, record }) as Box<dyn Item>
    });
    items.collect()
}

impl Item for RefSeg {
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
        _: &Helpers,
    ) -> Result<Vec<String>, EvaluationError> {
        let stored = self.record.load()?.mask;
        let wanted = on_model_grid(&stored, image_session.model_size());
        let present = match (stored.count(), wanted.count()) {
            (0, _) => "no",
            (_, 0) => "too little",
            _ => "yes",
        };
        let mut cells = vec![
            present.to_owned(),
            wanted.count().to_string(),
            self.record.answer.clone(),
        ];
        if present != "too little" {
            let question = self.record.question.clone();
            cells.extend(mask_cells(
                image_session,
                BenchTask::RefSeg,
                question,
                &wanted,
            )?);
        }
        Ok(cells)
    }
}
