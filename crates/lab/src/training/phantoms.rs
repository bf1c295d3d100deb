//! Samples from phantoms that are made on the way, no two alike.

use std::sync::Arc;

use super::config::DataConfig;
use super::facts::{FactKinds, Facts};
use super::words::Words;
use super::{MaskLabel, QuestionAnswer, Sample, Samples, TrainingError, Wanted};
use crate::dataset::{
    self, FindingKind, PairTask, Phantom, PhantomConfig, Phase, Random, Region, Scene, VqaType,
    random_pair, report, templates, vqa,
};
use m3d_assistant::inference::{Preparation, prepare_in};
use m3d_imaging::geometry::AxisOrder;
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::Window;

/// The share of questions of the kind that an image's preparation is for.
const OWN_KIND: f32 = 0.7;
/// The share of questions with choices among those that can be asked either way.
const CLOSED: f32 = 0.6;
/// The types of questions that are drawn from: what takes long to see is asked more often.
const ASKED: [VqaType; 14] = [
    VqaType::Plane,
    VqaType::Phase,
    VqaType::Phase,
    VqaType::Organ,
    VqaType::Abnormality,
    VqaType::Abnormality,
    VqaType::Abnormality,
    VqaType::Abnormality,
    VqaType::Abnormality,
    VqaType::Abnormality,
    VqaType::Location,
    VqaType::Location,
    VqaType::Location,
    VqaType::Location,
];
/// The share of reports among what captions' images are asked about.
const REPORTS: f32 = 0.35;
/// Seeds that are tried where a phantom cannot be prepared.
const TRIES: u64 = 8;

/// What an image is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Caption,
    Segmentation,
}

/// Phantoms with questions and masks.
pub struct PhantomSamples {
    data: DataConfig,
    /// None where nothing is asked.
    words: Option<Arc<Words>>,
    phantom: PhantomConfig,
    seed: u64,
    wanted: Wanted,
}

impl PhantomSamples {
    /// Samples for images of this size; without masks of classes some images are prepared as captions' are, and these come with a report.
    pub fn new(
        data: &DataConfig,
        words: Option<Arc<Words>>,
        size: [usize; 3],
        seed: u64,
        wanted: Wanted,
    ) -> Self {
        let usual = PhantomConfig::default();
        Self {
            data: data.clone(),
            words,
            phantom: PhantomConfig {
                size,
                variety: data.variety,
                findings: wanted.findings.unwrap_or(usual.findings),
                ..usual
            },
            seed,
            wanted,
        }
    }

    /// The prepared image of a phantom and what is in it.
    fn scene(&self, number: u64, way: Way) -> Result<(Vec<f32>, Scene), TrainingError> {
        let size = self.phantom.size;
        let preparation = match way {
            Way::Caption => Preparation::Caption {
                window: Window::SOFT_TISSUE,
            },
            Way::Segmentation => Preparation::Segmentation,
        };
        let mut failed = String::new();
        for attempt in 0..TRIES {
            let chosen = (number % self.data.count).wrapping_add(attempt << 40);
            let seed = self.data.first_seed.wrapping_add(chosen);
            let phantom = Phantom::new(seed, &self.phantom)
                .map_err(|e| TrainingError::Data(e.to_string()))?;
            match prepare_in(
                AxisOrder::STORED,
                &phantom.volume,
                preparation,
                size,
                &|| false,
            ) {
                Ok(image) => {
                    let scene = Scene::new(&phantom, image.frame.crop(), size);
                    return Ok((image.voxels, scene));
                }
                Err(error) => failed = error.to_string(),
            }
        }
        Err(TrainingError::Data(format!(
            "no phantom near number {number} can be prepared: {failed}"
        )))
    }

    fn question(
        &self,
        scene: &Scene,
        way: Way,
        masks: &mut Vec<MaskLabel>,
        random: &mut Random,
    ) -> Result<Option<QuestionAnswer>, TrainingError> {
        let Some(words) = &self.words else {
            return Ok(None);
        };
        let own = random.chance(OWN_KIND);
        if own == (way == Way::Segmentation) {
            let (negatives, described) = (self.data.negatives, self.data.described);
            let Some(pair) = random_pair(scene, negatives, described, random) else {
                return Ok(None);
            };
            let mask = (pair.task == PairTask::Seg && pair.present).then(|| {
                masks.push(target(scene, pair.target));
                masks.len() - 1
            });
            let question = format!(" {}", pair.question);
            return Ok(Some(words.tokenize(&question, &pair.answer, mask)?));
        }
        let (question, answer) = if random.chance(REPORTS) {
            // Captions were trained without a space between image and question.
            (
                random.word(templates::REPORT).to_owned(),
                report(scene, random),
            )
        } else {
            let Some(&kind) = random.pick(&ASKED) else {
                return Ok(None);
            };
            let Some(item) = vqa(scene, kind, random) else {
                return Ok(None);
            };
            if random.chance(CLOSED) {
                (format!(" {}", item.closed_question()), item.closed_answer())
            } else {
                (format!(" {}", item.question), item.answer().to_owned())
            }
        };
        Ok(Some(words.tokenize(&question, &answer, None)?))
    }

    /// Texts in the forms of the data, to learn a vocabulary from.
    pub fn texts(
        size: [usize; 3],
        data: &DataConfig,
        seed: u64,
        count: u64,
    ) -> Result<Vec<String>, TrainingError> {
        let phantom = PhantomConfig {
            size,
            variety: data.variety,
            ..PhantomConfig::default()
        };
        let mut texts: Vec<String> = Vec::new();
        for target in dataset::Target::all() {
            texts.extend([target.name().to_owned(), target.description().to_owned()]);
        }
        for number in 0..count {
            let made = Phantom::new(data.first_seed.wrapping_add(number), &phantom)
                .map_err(|e| TrainingError::Data(e.to_string()))?;
            let scene = Scene::whole(&made);
            let mut random = Random::new(seed.wrapping_add(number), "vocabulary");
            let random = &mut random;
            texts.push(format!(
                "{} {}",
                random.word(templates::REPORT),
                report(&scene, random)
            ));
            for kind in VqaType::ALL {
                if let Some(item) = vqa(&scene, kind, random) {
                    texts.push(format!(
                        " {} {}",
                        item.closed_question(),
                        item.closed_answer()
                    ));
                }
            }
            for _ in 0..8 {
                if let Some(pair) = random_pair(&scene, data.negatives, 0.4, random) {
                    texts.push(format!(" {} {}", pair.question, pair.answer));
                }
            }
        }
        Ok(texts)
    }
}

fn target(scene: &Scene, target: dataset::Target) -> MaskLabel {
    MaskLabel {
        class: dataset::Target::all().position(|other| other == target),
        voxels: scene.mask(target).into(),
    }
}

/// Which of all values one is, and how many there are.
fn attribute<T: PartialEq>(all: &[T], value: &T) -> (usize, usize) {
    let place = all.iter().position(|other| other == value);
    (place.unwrap_or(0), all.len())
}

fn facts(scene: &Scene) -> Facts {
    let findings = FindingKind::ALL.into_iter().map(|kind| {
        if scene.has(kind) {
            scene.mask(dataset::Target::Finding(kind))
        } else {
            Vec::new()
        }
    });
    Facts {
        findings: findings.collect(),
        attributes: vec![
            attribute(&Orientation::ALL, &scene.plane),
            attribute(&Phase::ALL, &scene.phase),
            attribute(&Region::ALL, &scene.region),
        ],
    }
}

impl Samples for PhantomSamples {
    fn sample(&self, number: u64) -> Result<Sample, TrainingError> {
        let mut random = Random::new(self.seed.wrapping_add(number), "sample");
        let way = if self.wanted.masks == 0 && random.chance(self.data.captions) {
            Way::Caption
        } else {
            Way::Segmentation
        };
        let (image, scene) = self.scene(number, way)?;
        let mut sample = Sample {
            image,
            ..Sample::default()
        };
        let [mut present, _] = scene.targets();
        random.shuffle(&mut present);
        // What is wrong is rare and small: some of it is always there.
        let mut wrong = (self.wanted.masks / 4).max(1);
        present.sort_by_cached_key(|target| match target {
            dataset::Target::Structure(_) => 1,
            dataset::Target::Finding(_) if wrong > 0 => {
                wrong -= 1;
                0
            }
            dataset::Target::Finding(_) => 2,
        });
        if !self.wanted.labels {
            present.truncate(self.wanted.masks);
        }
        let present: Vec<MaskLabel> = present.into_iter().map(|t| target(&scene, t)).collect();
        let asked = present.iter().take(self.wanted.masks);
        sample.masks.extend(asked.cloned());
        if self.wanted.labels {
            sample.labels = present;
            sample.facts = facts(&scene);
        }
        // Some kinds of questions cannot be asked about every volume.
        for _ in 0..2 * self.wanted.questions {
            if sample.questions.len() == self.wanted.questions {
                break;
            }
            let qa = self.question(&scene, way, &mut sample.masks, &mut random)?;
            sample.questions.extend(qa);
        }
        if way == Way::Caption {
            sample.description = report(&scene, &mut random);
        }
        Ok(sample)
    }

    fn class_count(&self) -> usize {
        dataset::Target::all().count()
    }

    fn fact_kinds(&self) -> FactKinds {
        FactKinds {
            findings: FindingKind::ALL.len(),
            attributes: vec![Orientation::ALL.len(), Phase::ALL.len(), Region::ALL.len()],
        }
    }
}
