//! Structures: where they are (REC), what is there (REG), and their masks.

use std::collections::BTreeMap;
use std::sync::Arc;

use glam::DVec3;

use super::{Item, number, text_cells, yes_no};
use crate::dataset::read::{ImageArray, MaskArray, ReadError, SegRecord};
use crate::dataset::{Structure, box_text, templates};
use crate::evaluation::engine::ImageSession;
use crate::evaluation::metrics::{
    NameList, hard_dice, iou, is_refusal, reference_iou, soft_dice, written_box,
};
use crate::evaluation::{BenchOptions, BenchTask, EvaluationError, Helpers, Wording};
use m3d_imaging::geometry::VoxelBox;

pub(super) const REC_COLUMNS: &[&str] = &[
    "set",
    "class",
    "present",
    "voxels",
    "wording",
    "question",
    "box",
    "prediction",
    "iou",
    "iou_reference",
    "refused",
];
pub(super) const REG_COLUMNS: &[&str] = &[
    "set",
    "class",
    "present",
    "voxels",
    "wording",
    "question",
    "answer",
    "prediction",
    "name_right",
];
pub(super) const SEG_COLUMNS: &[&str] = &[
    "set",
    "class",
    "present",
    "voxels",
    "wording",
    "question",
    "prediction",
    "voxels_told",
    "dice",
    "dice_soft",
    "refused",
];
/// The forms by name that the reference asks in: the first of each family. By description it has one each.
const NAME_FORMS: usize = 2;

struct Asked {
    id: String,
    task: BenchTask,
    entry: usize,
    described: bool,
    least_voxels: usize,
    record: SegRecord,
    names: Arc<NameList>,
}

/// Questions about every class in the list of every image, whether it is there or not.
pub(super) fn items(
    options: &BenchOptions,
    records: Vec<(usize, SegRecord)>,
    names: &BTreeMap<Arc<str>, Arc<NameList>>,
) -> Vec<Box<dyn Item>> {
    let mut items: Vec<Box<dyn Item>> = Vec::new();
    for (entry, record) in records {
        let Some(names) = names.get(&*record.tag) else {
            continue;
        };
        let can_describe = !record.descriptions.is_empty();
        let wordings: &[bool] = match options.wording {
            Wording::Description if can_describe => &[true],
            Wording::Both if can_describe => &[false, true],
            Wording::Name | Wording::Both => &[false],
            Wording::Description => &[],
        };
        for &described in wordings {
            let mut id = number(entry);
            if described {
                id.push('d');
            }
            items.push(Box::new(Asked {
                id,
                task: options.task,
                entry,
                described,
                least_voxels: options.least_voxels.max(1),
                record: record.clone(),
                names: Arc::clone(names),
            }));
        }
    }
    items
}

/// The names of each data set's classes; those of phantoms with their other names.
pub(super) fn name_lists(records: &[SegRecord]) -> BTreeMap<Arc<str>, Arc<NameList>> {
    let mut classes: BTreeMap<Arc<str>, BTreeMap<usize, Arc<str>>> = BTreeMap::new();
    for record in records {
        let names = classes.entry(Arc::clone(&record.tag)).or_default();
        names.insert(record.class, Arc::clone(&record.name));
    }
    let list = |names: BTreeMap<usize, Arc<str>>| {
        let last = names.keys().next_back().copied().unwrap_or(0);
        let ways = (0..=last).map(|class| {
            let name = names.get(&class).map_or("", |name| &**name);
            let other = Structure::from_name(name).map_or(&[][..], Structure::other_names);
            [name].into_iter().chain(other.iter().copied()).collect()
        });
        Arc::new(NameList::new(ways.collect::<Vec<Vec<&str>>>()))
    };
    let lists = classes.into_iter().map(|(tag, names)| (tag, list(names)));
    lists.collect()
}

/// Whether a structure is in the image that the model sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Yes,
    No,
    /// Neither "here it is" nor "there is none" would be fair.
    TooLittle,
}

impl Presence {
    const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::TooLittle => "too little",
        }
    }
}

/// A mask on the grid of the image that the model sees: to the nearest voxel, as training data is resized.
pub(super) fn on_model_grid(mask: &MaskArray, size: [usize; 3]) -> MaskArray {
    let taps = |axis: usize| -> Vec<usize> {
        let (from, to) = (mask.size[axis], size[axis]);
        (0..to).map(|n| (n * from / to).min(from - 1)).collect()
    };
    let [height, width] = [mask.size[1], mask.size[2]];
    let (deep, down, across) = (taps(0), taps(1), taps(2));
    let mut voxels = Vec::with_capacity(size.iter().product());
    for &d in &deep {
        for &h in &down {
            let row = (d * height + h) * width;
            voxels.extend(across.iter().map(|&w| mask.voxels[row + w]));
        }
    }
    MaskArray { size, voxels }
}

/// The edges of what is inside a mask, in voxels `i, j, k`.
fn edges(mask: &MaskArray) -> Option<VoxelBox> {
    let [_, height, width] = mask.size;
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for (n, _) in mask.voxels.iter().enumerate().filter(|&(_, &v)| v != 0) {
        let at = DVec3::new(
            (n % width) as f64,
            (n / width % height) as f64,
            (n / width / height) as f64,
        );
        (low, high) = (low.min(at), high.max(at));
    }
    low.is_finite().then(|| VoxelBox {
        min: low - 0.5,
        max: high + 0.5,
    })
}

/// A mask as it is stored and as the model sees it.
struct Shown {
    stored: MaskArray,
    seen: MaskArray,
    presence: Presence,
}

impl Asked {
    fn shown(&self, image_session: &ImageSession<'_>) -> Result<Shown, EvaluationError> {
        let stored = self.record.load_mask(image_session.stored_size())?;
        let seen = on_model_grid(&stored, image_session.model_size());
        let presence = match (stored.count(), seen.count()) {
            (0, _) => Presence::No,
            (_, n) if n < self.least_voxels => Presence::TooLittle,
            _ => Presence::Yes,
        };
        Ok(Shown {
            stored,
            seen,
            presence,
        })
    }

    /// The cells that all three tables have.
    fn first_cells(&self, shown: &Shown) -> Vec<String> {
        vec![
            self.record.tag.to_string(),
            self.record.name.to_string(),
            shown.presence.name().to_owned(),
            shown.seen.count().to_string(),
            if self.described {
                "description"
            } else {
                "name"
            }
            .to_owned(),
        ]
    }

    /// A question of a family by name and of one by description.
    fn question(&self, named: &[&str], described: &[&str]) -> String {
        if self.described {
            let description =
                &self.record.descriptions[self.entry % self.record.descriptions.len()];
            templates::fill(described[0], description)
        } else {
            templates::fill(named[self.entry % NAME_FORMS], &self.record.name)
        }
    }

    fn rec(
        &self,
        image_session: &mut ImageSession<'_>,
        shown: &Shown,
    ) -> Result<Vec<String>, EvaluationError> {
        let question = self.question(templates::REC, templates::REC_DESCRIBED);
        let predicted = image_session.ask(self.task, &question)?;
        let (text, boxes) =
            predicted.map_or_else(Default::default, |t| (t.answer.text, t.answer.boxes));
        let wanted = shown.seen.model_box();
        let mut cells = vec![
            question,
            wanted.map(box_text).unwrap_or_default(),
            text.clone(),
        ];
        if shown.presence == Presence::Yes {
            let edges = edges(&shown.stored);
            let overlap = boxes.first().zip(edges).map_or(0.0, |(a, b)| iou(a, &b));
            let reference = reference_iou(written_box(&text), wanted);
            cells.extend([
                overlap.to_string(),
                reference.to_string(),
                yes_no(boxes.is_empty()),
            ]);
        } else {
            let refused = boxes.is_empty() && is_refusal(&text);
            cells.extend([String::new(), String::new(), yes_no(refused)]);
        }
        Ok(cells)
    }

    fn reg(
        &self,
        image_session: &mut ImageSession<'_>,
        shown: &Shown,
        helpers: &Helpers,
    ) -> Result<Vec<String>, EvaluationError> {
        let place = shown.seen.model_box().map(box_text).unwrap_or_default();
        let form = if self.described {
            templates::REG_DESCRIBED[0]
        } else {
            templates::REG[0]
        };
        let question = templates::fill(form, &place);
        let mut answer = templates::fill(templates::REG_ANSWER[0], &self.record.name);
        if self.described {
            let about = self.record.descriptions.first().map_or("", String::as_str);
            answer = format!(
                "{} {about}",
                templates::fill(templates::REG_ANSWER[1], &self.record.name)
            );
        }
        let predicted = image_session.ask(self.task, &question)?;
        let predicted = predicted
            .map(|predicted| predicted.answer.text)
            .unwrap_or_default();
        let right = u8::from(self.names.is_right(&predicted, self.record.class));
        let scores = text_cells(&predicted, &answer, helpers)?;
        let mut cells = vec![question, answer, predicted, right.to_string()];
        cells.extend(scores);
        Ok(cells)
    }

    fn seg(
        &self,
        image_session: &mut ImageSession<'_>,
        shown: &Shown,
    ) -> Result<Vec<String>, EvaluationError> {
        let question = self.question(templates::SEG, templates::SEG_DESCRIBED);
        mask_cells(image_session, self.task, question, &shown.seen)
    }
}

/// Asks for a mask: the question, the answer, and how well the masks agree.
pub(super) fn mask_cells(
    image_session: &mut ImageSession<'_>,
    task: BenchTask,
    question: String,
    wanted: &MaskArray,
) -> Result<Vec<String>, EvaluationError> {
    let predicted = image_session.ask(task, &question)?;
    let (text, logits) = predicted.map_or_else(Default::default, |t| (t.answer.text, t.logits));
    let logits = logits.as_deref();
    let voxels = logits.map_or(0, |l| l.iter().filter(|&&z| z > 0.0).count());
    let refused = if wanted.count() > 0 {
        logits.is_none()
    } else {
        logits.is_none() && is_refusal(&text)
    };
    Ok(vec![
        question,
        text,
        voxels.to_string(),
        hard_dice(logits, &wanted.voxels).to_string(),
        soft_dice(logits, &wanted.voxels).to_string(),
        yes_no(refused),
    ])
}

impl Item for Asked {
    fn id(&self) -> &str {
        &self.id
    }

    fn image(&self) -> &str {
        self.record.image.as_written()
    }

    fn load_image(&self) -> Result<ImageArray, ReadError> {
        self.record.load_image()
    }

    fn measure(
        &self,
        image_session: &mut ImageSession<'_>,
        helpers: &Helpers,
    ) -> Result<Vec<String>, EvaluationError> {
        let shown = self.shown(image_session)?;
        let mut cells = self.first_cells(&shown);
        let asked = match shown.presence {
            Presence::Yes => true,
            // What is not there has no box to ask about.
            Presence::No => self.task != BenchTask::Reg,
            Presence::TooLittle => false,
        };
        if asked {
            cells.extend(match self.task {
                BenchTask::Rec => self.rec(image_session, &shown)?,
                BenchTask::Reg => self.reg(image_session, &shown, helpers)?,
                _ => self.seg(image_session, &shown)?,
            });
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_resized_as_training_data_is() {
        let mask = MaskArray {
            size: [1, 2, 4],
            voxels: vec![0, 1, 1, 0, 0, 0, 1, 0],
        };
        assert_eq!(on_model_grid(&mask, [1, 2, 4]), mask);
        assert_eq!(
            on_model_grid(&mask, [2, 2, 2]).voxels,
            [0, 1, 0, 1, 0, 1, 0, 1]
        );
        assert_eq!(
            on_model_grid(&mask, [1, 1, 8]).voxels,
            [0, 0, 1, 1, 1, 1, 0, 0]
        );
        let around = edges(&mask).unwrap();
        assert_eq!(around.min, DVec3::new(0.5, -0.5, -0.5));
        assert_eq!(around.max, DVec3::new(2.5, 1.5, 0.5));
        assert_eq!(edges(&MaskArray::absent([1, 2, 4])), None);
    }
}
