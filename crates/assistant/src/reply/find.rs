//! Masks and boxes of what is named.

use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::terms::Term;
use m3d_imaging::volume::measure::measure;

use super::guards::{Verdict, check_mask, verdict};
use super::respond::{Drawn, Responder};
use super::wording::{box_words, capital, share_words};
use super::{Found, Outcome, Place, StepReply};
use crate::inference::{Answer, InferenceError, Task};
use crate::plan::{Step, StepKind, Subject};

impl Responder<'_> {
    /// A mask of what is named.
    pub(super) fn segment(&mut self, step: &Step) -> Result<StepReply, InferenceError> {
        let subject = step.subject.as_ref();
        let name = match self.name_for(step.kind, subject) {
            Ok(name) => name,
            Err(refused) => return Ok(refused),
        };
        let answer = self.ask_model(Task::Seg, &name, false)?;
        let mut reply = match self.judged(step.kind, subject, &name, &answer) {
            Ok(reply) => reply,
            Err(reply) => return Ok(reply.with(answer)),
        };
        let Some((mask, drawn_at_mm)) = answer.mask.clone().zip(answer.mask_voxel_mm) else {
            let text = unusable_words(&name, "the model drew no mask");
            return Ok(StepReply::plain(step.kind, subject, Outcome::Unusable, text).with(answer));
        };
        let about = &self.question.about;
        let survey = &about.survey;
        let figures = measure(&mask, &self.question.volume, Some(drawn_at_mm))
            .map_err(|error| error.to_string())
            .and_then(|figures| {
                check_mask(&figures, &reply.name(), survey.modality)?;
                Ok(figures)
            });
        let measures = match figures {
            Ok(measures) => measures,
            Err(why) => {
                let text = unusable_words(&reply.name(), &why);
                let outcome = Outcome::Unusable;
                return Ok(StepReply::plain(step.kind, subject, outcome, text).with(answer));
            }
        };
        let volume = measures.volume_words(about.stated.side_known);
        reply.text = format!(
            "{}: {volume}, from the model's mask.",
            capital(&reply.name())
        );
        if !measures.cut_by.is_empty() {
            self.warn_cut(&reply.name());
        }
        self.warn_sides(&reply.name());
        reply.found = vec![Found {
            name: reply.name(),
            term: subject.and_then(Subject::term),
            place: Place::Mask(Arc::clone(&mask), drawn_at_mm),
        }];
        reply.measures = Some(Box::new(measures.clone()));
        let drawn = Drawn {
            mask,
            voxel_mm: drawn_at_mm,
            measures,
        };
        self.masks.insert(reply.name(), drawn);
        Ok(reply.with(answer))
    }

    /// A box around what is named.
    pub(super) fn find(&mut self, step: &Step) -> Result<StepReply, InferenceError> {
        let subject = step.subject.as_ref();
        let name = match self.name_for(step.kind, subject) {
            Ok(name) => name,
            Err(refused) => return Ok(refused),
        };
        let answer = self.ask_model(Task::Rec, &name, false)?;
        let mut reply = match self.judged(step.kind, subject, &name, &answer) {
            Ok(reply) => reply,
            Err(reply) => return Ok(reply.with(answer)),
        };
        let Some(&place) = answer.boxes.first() else {
            let text = unusable_words(&name, "the model gave no box");
            return Ok(StepReply::plain(step.kind, subject, Outcome::Unusable, text).with(answer));
        };
        let sides_known = self.question.about.stated.side_known;
        let words = box_words(&place, self.question.volume.grid(), sides_known);
        reply.text = format!("{}: {words}.", capital(&reply.name()));
        self.warn_sides(&reply.name());
        reply.found = vec![Found {
            name: reply.name(),
            term: subject.and_then(Subject::term),
            place: Place::Box(place),
        }];
        Ok(reply.with(answer))
    }

    /// What is in the box that is drawn.
    pub(super) fn describe(&mut self) -> Result<StepReply, InferenceError> {
        let kind = StepKind::Describe;
        if let Some(fault) = self.domain_fault() {
            return Ok(StepReply::plain(kind, None, Outcome::Unusable, fault));
        }
        if self.question.voxel_box.is_none()
            && crate::inference::ModelBox::parse(&self.question.text).is_none()
        {
            let text = "Draw a box around it first, then ask again.";
            return Ok(StepReply::plain(kind, None, Outcome::NotKnown, text));
        }
        let text = self.question.text.clone();
        let answer = self.ask_model(Task::Reg, &text, true)?;
        let reply = StepReply::plain(kind, None, Outcome::Answered, answer.readable());
        Ok(reply.in_the_models_words().with(answer))
    }

    /// An answer to a request for a place, judged: a step to be filled, or one that ends here.
    pub(super) fn judged(
        &self,
        kind: StepKind,
        subject: Option<&Subject>,
        name: &str,
        answer: &Answer,
    ) -> Result<StepReply, StepReply> {
        let term = subject.and_then(Subject::term);
        let verdict = match term {
            Some(term) => verdict(answer, term),
            // Of words that the lexicon does not know only the place can be looked at.
            None if answer.mask.is_some() || !answer.boxes.is_empty() => Verdict::Found,
            None => Verdict::Refused,
        };
        let ends = |outcome, text| Err(StepReply::plain(kind, subject, outcome, text));
        match verdict {
            Verdict::Found => Ok(StepReply::plain(kind, subject, Outcome::Answered, "")),
            Verdict::Refused => ends(Outcome::Absent, self.absent_words(term, name)),
            Verdict::Unusable(why) => ends(Outcome::Unusable, unusable_words(name, &why)),
        }
    }

    /// That the model found none, with how often that is so although there is one.
    pub(super) fn absent_words(&self, term: Option<&Term>, name: &str) -> String {
        let target = term.and_then(|term| self.knowledge.target(term));
        let model = self.model();
        let detection = target.and_then(|target| target.detection.as_ref());
        let how_sure = detection.map_or_else(
            || "how often it misses one was not measured".to_owned(),
            |d| {
                let share = share_words(1.0 - d.sensitivity);
                format!("which misses {share} of these in {}", d.on)
            },
        );
        format!("{}: not found by {model}, {how_sure}.", capital(name))
    }

    fn warn_cut(&mut self, name: &str) {
        self.warn(
            "cut_by_edge",
            format!("{}: cut by the image's edge", capital(name)),
        );
    }

    /// Says that a side was named where the file does not tell sides.
    fn warn_sides(&mut self, name: &str) {
        let names_side = name
            .split(' ')
            .any(|word| word == "left" || word == "right");
        if names_side && !self.question.about.stated.side_known {
            let text = format!(
                "the file does not say which way is left: what is called {name} may lie on the other side"
            );
            self.warn("side_unknown", text);
        }
    }

    /// What came of a task that the reader chose, whose answer stands as it is.
    pub(super) fn found_by_task(
        &mut self,
        kind: StepKind,
        term: Option<&'static Term>,
        name: &str,
        answer: Answer,
    ) -> StepReply {
        let subject = term.map(Subject::Term);
        let mut reply = StepReply::plain(
            kind,
            subject.as_ref(),
            Outcome::Answered,
            answer.text.clone(),
        );
        if let (StepKind::Segment | StepKind::Find, Some(term)) = (kind, term) {
            match verdict(&answer, term) {
                Verdict::Found => {}
                Verdict::Refused => reply.outcome = Outcome::Absent,
                Verdict::Unusable(why) => self.warn("unusable", why),
            }
        }
        let found = |place| Found {
            name: name.to_owned(),
            term,
            place,
        };
        let boxes = answer.boxes.iter().map(|&place| found(Place::Box(place)));
        reply.found = boxes.collect();
        if let Some(mask) = &answer.mask {
            let drawn_at_mm = answer.mask_voxel_mm.unwrap_or(DVec3::ZERO);
            let figures = measure(mask, &self.question.volume, answer.mask_voxel_mm);
            if let Ok(measures) = figures {
                if !measures.cut_by.is_empty() {
                    self.warn_cut(name);
                }
                reply.measures = Some(Box::new(measures));
            }
            reply
                .found
                .push(found(Place::Mask(Arc::clone(mask), drawn_at_mm)));
        }
        for found in &reply.found {
            self.tell(found.clone());
        }
        reply.with(answer)
    }
}

impl StepReply {
    /// With what the model answered.
    pub(super) fn with(mut self, answer: Answer) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    /// What it is about, for sentences.
    pub(super) fn name(&self) -> String {
        self.subject.clone().unwrap_or_default()
    }
}

fn unusable_words(name: &str, why: &str) -> String {
    format!("{}: no usable answer; {why}.", capital(name))
}
