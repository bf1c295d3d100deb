//! Samples from a folder in M3D-Data's layout: whatever of its four sets is there, image by image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};

use super::config::DataConfig;
use super::words::Words;
use super::{MaskLabel, QuestionAnswer, Sample, Samples, TrainingError, Wanted};
use crate::dataset::read::{
    CaptionRecord, FileName, ImageArray, MaskArray, ReadError, Record, RefSegRecord, SegRecord,
    Set, VqaRecord, open_captions, open_refseg, open_seg, open_vqa,
};
use crate::dataset::{PairTask, Random, Split, Subject, pair_about};
use m3d_imaging::wording;
use m3d_model::resize::trilinear;

/// The share of questions with choices that are asked with them.
const CLOSED: f32 = 0.6;
/// Images that are tried in turn where one cannot be read.
const TRIES: u64 = 16;

/// What is known about an image.
#[derive(Debug)]
enum Known {
    Caption(CaptionRecord),
    Vqa(VqaRecord),
    Seg(SegRecord),
    RefSeg(RefSegRecord),
}

impl Known {
    const fn image(&self) -> &FileName {
        match self {
            Self::Caption(record) => &record.image,
            Self::Vqa(record) => &record.image,
            Self::Seg(record) => &record.image,
            Self::RefSeg(record) => &record.image,
        }
    }

    fn load_image(&self) -> Result<ImageArray, ReadError> {
        Ok(match self {
            Self::Caption(record) => record.load()?.image,
            Self::Vqa(record) => record.load()?.image,
            Self::Seg(record) => record.load_image()?,
            Self::RefSeg(record) => record.load()?.image,
        })
    }
}

/// A question after an image and its answer.
struct WrittenQuestion {
    question: String,
    answer: String,
    /// What the answer's `[SEG]` outlines, and of which class it is.
    outlined: Option<(MaskArray, Option<usize>)>,
}

/// The training parts of a folder's sets.
pub struct FolderSamples {
    data: DataConfig,
    /// None where nothing is asked.
    words: Option<Arc<Words>>,
    size: [usize; 3],
    seed: u64,
    wanted: Wanted,
    /// What is known about each image.
    images: Vec<Vec<Known>>,
    /// Names of the classes of masks, sorted.
    classes: Vec<Arc<str>>,
    /// The order of the images in one round through them.
    order: Mutex<(u64, Vec<usize>)>,
    left_out: Mutex<LeftOut>,
}

/// What could not be read, each reason once: an image comes again in every round.
#[derive(Default)]
struct LeftOut {
    known: BTreeSet<String>,
    /// What nobody has asked for yet.
    fresh: Vec<String>,
}

impl LeftOut {
    fn add(&mut self, reason: String) {
        if self.known.insert(reason.clone()) {
            self.fresh.push(reason);
        }
    }
}

impl FolderSamples {
    /// The samples of `folder` for images of this size; images without a report are left out where there are neither.
    ///
    /// # Errors
    /// When there is none of the four sets, or none has a part to train with. Entries that cannot be used are left out
    /// and told by [`Samples::take_left_out`].
    pub fn open(
        folder: &Path,
        data: &DataConfig,
        words: Option<Arc<Words>>,
        size: [usize; 3],
        seed: u64,
        wanted: Wanted,
    ) -> Result<Self, TrainingError> {
        let mut images: BTreeMap<PathBuf, Vec<Known>> = BTreeMap::new();
        let mut missing = Vec::new();
        let mut left_out = LeftOut::default();
        let contrast = wanted.questions == 0 && wanted.masks == 0;
        let mut take = |found: Result<(Vec<Known>, Vec<String>), ReadError>| match found {
            Ok((records, refused)) => {
                for reason in refused {
                    left_out.add(reason);
                }
                for record in records {
                    match record.image().path() {
                        Ok(path) => images.entry(path).or_default().push(record),
                        Err(error) => left_out.add(error.to_string()),
                    }
                }
            }
            Err(error) => {
                // A set need not be there; one that is must be whole.
                if !matches!(error, ReadError::NoSet { .. }) {
                    left_out.add(error.to_string());
                }
                missing.push(error.to_string());
            }
        };
        take(open_captions(folder).map(|set| training(&set, Known::Caption)));
        if !contrast {
            take(open_vqa(folder).map(|set| training(&set, Known::Vqa)));
            take(open_seg(folder).map(|set| training(&set, Known::Seg)));
            take(open_refseg(folder).map(|set| training(&set, Known::RefSeg)));
        }
        if wanted.masks > 0 {
            images.retain(|_, known| known.iter().any(|k| matches!(k, Known::Seg(_))));
        }
        if images.is_empty() {
            let reason = missing.into_iter().next();
            let reason = reason.unwrap_or_else(|| "no entry is for training".into());
            return Err(TrainingError::Data(format!(
                "nothing to learn from in {}: {reason}",
                folder.display()
            )));
        }
        let classes: BTreeSet<Arc<str>> = images
            .values()
            .flatten()
            .filter_map(|known| match known {
                Known::Seg(record) => Some(Arc::clone(&record.name)),
                _ => None,
            })
            .collect();
        Ok(Self {
            data: data.clone(),
            words,
            size,
            seed,
            wanted,
            images: images.into_values().collect(),
            classes: classes.into_iter().collect(),
            order: Mutex::new((u64::MAX, Vec::new())),
            left_out: Mutex::new(left_out),
        })
    }

    fn leave_out(&self, reason: &dyn std::fmt::Display) {
        tracing::warn!("{reason}");
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.add(reason.to_string());
    }

    /// The image of a number: each once in every round, in an order of the round's own.
    fn chosen(&self, number: u64) -> &[Known] {
        let count = self.images.len();
        let (round, place) = (number / count as u64, (number % count as u64) as usize);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if order.0 != round {
            let mut shuffled: Vec<usize> = (0..count).collect();
            Random::new(self.seed.wrapping_add(round), "order").shuffle(&mut shuffled);
            *order = (round, shuffled);
        }
        &self.images[order.1[place]]
    }

    fn read(&self, known: &[Known], number: u64) -> Result<Sample, TrainingError> {
        let unreadable = |e: ReadError| TrainingError::Data(e.to_string());
        let mut random = Random::new(self.seed.wrapping_add(number), "sample");
        let Some(first) = known.first() else {
            return Ok(Sample::default());
        };
        let image = first.load_image().map_err(unreadable)?;
        let stored = image.size;
        let mut sample = Sample {
            image: self.fitted(image)?,
            ..Sample::default()
        };
        let mut segs: Vec<&SegRecord> = known
            .iter()
            .filter_map(|known| match known {
                Known::Seg(record) => Some(record),
                _ => None,
            })
            .collect();
        random.shuffle(&mut segs);
        for record in segs {
            let asked = sample.masks.len() < self.wanted.masks;
            if !asked && !self.wanted.labels {
                break;
            }
            let mask = record.load_mask(stored).map_err(unreadable)?;
            if mask.count() > 0 {
                let class = self.classes.binary_search(&record.name).ok();
                let target = self.target(&mask, class);
                if self.wanted.labels {
                    sample.labels.push(target.clone());
                }
                if asked {
                    sample.masks.push(target);
                }
            }
        }
        for _ in 0..2 * self.wanted.questions {
            if sample.questions.len() == self.wanted.questions {
                break;
            }
            if let Some(known) = random.pick(known) {
                let qa = self.question(known, stored, &mut sample.masks, &mut random)?;
                sample.questions.extend(qa);
            }
        }
        let captions = known.iter().filter_map(|known| match known {
            Known::Caption(record) => Some(record),
            _ => None,
        });
        if let Some(record) = captions.into_iter().next() {
            sample.description = record.load_text().map_err(unreadable)?;
        }
        Ok(sample)
    }

    /// Texts in the forms of the data, to learn a vocabulary from: what is said about so many images. What cannot be
    /// read is left out.
    pub fn texts(&self, images: u64) -> Vec<String> {
        let mut texts = Vec::new();
        for number in 0..images.min(self.images.len() as u64) {
            let known = self.chosen(number);
            let mut random = Random::new(self.seed.wrapping_add(number), "vocabulary");
            let stored = match known.first().map(Known::load_image) {
                Some(Ok(image)) => image.size,
                Some(Err(error)) => {
                    self.leave_out(&error);
                    continue;
                }
                None => continue,
            };
            for known in known {
                match self.written(known, stored, &mut random) {
                    Ok(Some(written)) => {
                        texts.push(format!("{} {}", written.question, written.answer));
                    }
                    Ok(None) => {}
                    Err(error) => self.leave_out(&error),
                }
            }
        }
        texts
    }

    fn question(
        &self,
        known: &Known,
        stored: [usize; 3],
        masks: &mut Vec<MaskLabel>,
        random: &mut Random,
    ) -> Result<Option<QuestionAnswer>, TrainingError> {
        let Some(words) = &self.words else {
            return Ok(None);
        };
        let Some(written) = self.written(known, stored, random)? else {
            return Ok(None);
        };
        let mask = written.outlined.map(|(mask, class)| {
            masks.push(self.target(&mask, class));
            masks.len() - 1
        });
        Ok(Some(words.tokenize(
            &written.question,
            &written.answer,
            mask,
        )?))
    }

    fn written(
        &self,
        known: &Known,
        stored: [usize; 3],
        random: &mut Random,
    ) -> Result<Option<WrittenQuestion>, TrainingError> {
        let unreadable = |e: ReadError| TrainingError::Data(e.to_string());
        let mut outlined = None;
        let (question, answer) = match known {
            Known::Caption(record) => {
                let question = random.word(wording::REPORT);
                (
                    wording::after_image(question, true),
                    record.load_text().map_err(unreadable)?,
                )
            }
            Known::Vqa(record) => {
                let closed = record.closed_question().zip(record.closed_answer());
                let (question, answer) = match closed {
                    Some(closed) if random.chance(CLOSED) => closed,
                    _ => (record.question.clone(), record.answer.clone()),
                };
                (wording::after_image(&question, false), answer)
            }
            Known::Seg(record) => {
                let mask = record.load_mask(stored).map_err(unreadable)?;
                let place = mask.model_box();
                if place.is_none() && !random.chance(self.data.negatives) {
                    return Ok(None);
                }
                let tasks = [PairTask::Rec, PairTask::Reg, PairTask::Seg];
                let task = random.pick(&tasks).copied().unwrap_or(PairTask::Seg);
                let description = random.pick(&record.descriptions);
                let subject = Subject {
                    name: &record.name,
                    description: description.map_or("", String::as_str),
                    place,
                };
                let described =
                    random.chance(self.data.described) && !subject.description.is_empty();
                let Some([question, answer]) = pair_about(&subject, task, described, random) else {
                    return Ok(None);
                };
                if task == PairTask::Seg && place.is_some() {
                    outlined = Some((mask, self.classes.binary_search(&record.name).ok()));
                }
                (wording::after_image(&question, false), answer)
            }
            Known::RefSeg(record) => {
                outlined = Some((record.load().map_err(unreadable)?.mask, None));
                (
                    wording::after_image(&record.question, false),
                    record.answer.clone(),
                )
            }
        };
        Ok(Some(WrittenQuestion {
            question,
            answer,
            outlined,
        }))
    }

    /// The image's voxels at the model's size.
    fn fitted(&self, image: ImageArray) -> Result<Vec<f32>, TrainingError> {
        if image.size == self.size {
            return Ok(image.voxels);
        }
        let shape = image.shape();
        let x = Tensor::from_vec(image.voxels, &shape, &Device::Cpu)?;
        Ok(trilinear(&x, self.size)?.flatten_all()?.to_vec1()?)
    }

    /// The mask at the model's size, voxels picked as the reference's "nearest" does, rounding down.
    fn target(&self, mask: &MaskArray, class: Option<usize>) -> MaskLabel {
        let [_, height, width] = mask.size;
        let taps: [Vec<usize>; 3] = std::array::from_fn(|axis| {
            let (from, to) = (mask.size[axis], self.size[axis]);
            (0..to).map(|n| n * from / to).collect()
        });
        let mut voxels = Vec::with_capacity(self.size.iter().product());
        for d in &taps[0] {
            for h in &taps[1] {
                let row = (d * height + h) * width;
                voxels.extend(taps[2].iter().map(|w| mask.voxels[row + w]));
            }
        }
        MaskLabel {
            class,
            voxels: voxels.into(),
        }
    }
}

/// The records to train with, and why the others of the list cannot be used.
fn training<R: Record + Clone>(
    set: &Set<R>,
    known: impl Fn(R) -> Known,
) -> (Vec<Known>, Vec<String>) {
    let refused = set.refused().iter().map(ToString::to_string);
    let records = set.of(Split::Train).cloned().map(known);
    (records.collect(), refused.collect())
}

impl Samples for FolderSamples {
    fn sample(&self, number: u64) -> Result<Sample, TrainingError> {
        let mut first = None;
        for attempt in 0..TRIES {
            // What cannot be read is told and passed over: it must not end a training of days.
            match self.read(self.chosen(number.wrapping_add(attempt)), number) {
                Ok(sample) => return Ok(sample),
                Err(error) => {
                    self.leave_out(&error);
                    first = first.or(Some(error));
                }
            }
        }
        let first = first.map_or_else(String::new, |error| error.to_string());
        Err(TrainingError::Data(format!(
            "{TRIES} images in a row could not be read, the first: {first}"
        )))
    }

    fn class_count(&self) -> usize {
        self.classes.len()
    }

    fn take_left_out(&self) -> Vec<String> {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut left_out.fresh)
    }
}
