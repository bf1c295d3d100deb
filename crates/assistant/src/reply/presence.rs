//! Questions that are answered with yes, no or a word.

use m3d_imaging::survey::InView;
use m3d_imaging::terms::Term;

use super::respond::Responder;
use super::wording::{box_words, capital, share_words};
use super::{Outcome, StepReply};
use crate::inference::{Detection, InferenceError, Task};
use crate::plan::{Step, StepKind, Subject};

/// How the contrast phase is asked for (M3D-VQA).
const PHASE_QUESTION: &str = "What is the phase of this image?";

/// The subjects of questions with choices that a model may have been taught, and the words that tell them.
const CHOICE_TOPICS: [(&str, &[&str]); 5] = [
    ("phase", &["phase"]),
    ("plane", &["plane"]),
    ("organ", &["organ", "visible", "seen in this"]),
    ("abnormality", &["abnormal"]),
    ("location", &["side", "where"]),
];

impl Responder<'_> {
    /// Whether there is one: the model is asked to find it. What it finds is told with how often it is right.
    pub(super) fn presence(&mut self, step: &Step) -> Result<StepReply, InferenceError> {
        let subject = step.subject.as_ref();
        let kind = StepKind::Ask;
        let plain = |outcome, text: String| StepReply::plain(kind, subject, outcome, text);
        let Some(term) = subject.and_then(Subject::term) else {
            return self.free(step);
        };
        if self.knowledge.is_open() {
            return self.own_words(step);
        }
        let name = match self.name_for(kind, subject) {
            Ok(name) => name,
            Err(refused) => return Ok(refused),
        };
        let detection = self
            .knowledge
            .target(term)
            .and_then(|t| t.detection.clone());
        let answer = self.ask_model(Task::Rec, &name, false)?;
        if let Err(reply) = self.judged(kind, subject, &name, &answer) {
            let tells =
                !term.is_finding() || detection.as_ref().is_some_and(Detection::tells_absence);
            if reply.outcome == Outcome::Absent && !tells {
                let misses = detection.as_ref().map_or_else(
                    || "how often it misses one was not measured".to_owned(),
                    |d| {
                        format!(
                            "it misses {} of them in {}",
                            share_words(1.0 - d.sensitivity),
                            d.on
                        )
                    },
                );
                let text = format!(
                    "{}: {} cannot tell, for {misses}.",
                    capital(&name),
                    self.model()
                );
                return Ok(plain(Outcome::NotKnown, text).with(answer));
            }
            return Ok(reply.with(answer));
        }
        let sides_known = self.question.about.stated.side_known;
        let place = answer
            .boxes
            .first()
            .map(|place| box_words(place, self.question.volume.grid(), sides_known));
        let model = self.model();
        if term.is_finding() && !detection.as_ref().is_some_and(Detection::tells_presence) {
            let text = format!(
                "{}: {model} names one, but too often where there is none to be believed. Look at the {}.",
                capital(&name),
                place.unwrap_or_else(|| "image".to_owned())
            );
            return Ok(plain(Outcome::NotKnown, text).with(answer));
        }
        let how_sure = detection.map_or_else(String::new, |d| {
            let right = share_words(d.precision);
            format!(" Of those it names {right} are there, in {}.", d.on)
        });
        let at = place.map_or_else(String::new, |place| format!(", {place}"));
        let text = format!("{}: found by {model}{at}.{how_sure}", capital(&name));
        Ok(plain(Outcome::Answered, text).with(answer))
    }

    /// Whether something is as it should be.
    pub(super) fn state(&mut self, step: &Step) -> Result<StepReply, InferenceError> {
        let subject = step.subject.as_ref();
        if self.knowledge.is_open() {
            return self.own_words(step);
        }
        let plain = |outcome, text: String| StepReply::plain(StepKind::Ask, subject, outcome, text);
        if let Some(fault) = self.domain_fault() {
            return Ok(plain(Outcome::Unusable, fault));
        }
        if let Some(term) = subject.and_then(Subject::term)
            && self.in_view(term) == InView::Not
        {
            return Ok(plain(Outcome::NotInView, self.not_in_view_words(term)));
        }
        let name = subject.map_or("this", |s| s.name());
        let text = format!(
            "{} was not taught to judge whether the {name} is normal. Ask for a report, or measure it: \"How big is the {name}?\"",
            self.model()
        );
        Ok(plain(Outcome::NotKnown, text))
    }

    /// The phase after contrast medium.
    pub(super) fn phase(&mut self) -> Result<StepReply, InferenceError> {
        let plain = |outcome, text: String| StepReply::plain(StepKind::Ask, None, outcome, text);
        if let Some(fault) = self.domain_fault() {
            return Ok(plain(Outcome::Unusable, fault));
        }
        if !self.knowledge.answers("phase") {
            return Ok(plain(Outcome::NotKnown, self.what_can_be_asked()));
        }
        let answer = self.ask_model(Task::Chat, PHASE_QUESTION, true)?;
        let reply = plain(Outcome::Answered, answer.readable());
        Ok(reply.in_the_models_words().with(answer))
    }

    /// A question in the reader's own words.
    pub(super) fn free(&mut self, step: &Step) -> Result<StepReply, InferenceError> {
        let lower = self.question.text.to_lowercase();
        let plain = |outcome, text: String| {
            StepReply::plain(StepKind::Ask, step.subject.as_ref(), outcome, text)
        };
        let is_taught = self.knowledge.is_open()
            || is_taught_choice(&lower, |topic| self.knowledge.answers(topic));
        if !is_taught {
            if step.subject.is_some()
                && let Err(refused) = self.name_for(StepKind::Ask, step.subject.as_ref())
            {
                return Ok(refused);
            }
            let text = format!(
                "{} was not taught to answer this. {}",
                self.model(),
                self.what_can_be_asked()
            );
            return Ok(plain(Outcome::NotKnown, text));
        }
        if let Some(fault) = self.domain_fault() {
            return Ok(plain(Outcome::Unusable, fault));
        }
        self.own_words(step)
    }

    /// The model's own words to the reader's, which nothing here can check.
    fn own_words(&mut self, step: &Step) -> Result<StepReply, InferenceError> {
        let subject = step.subject.as_ref();
        if let Some(fault) = self.domain_fault() {
            return Ok(StepReply::plain(
                StepKind::Ask,
                subject,
                Outcome::Unusable,
                fault,
            ));
        }
        if let Some(term) = subject.and_then(Subject::term)
            && self.in_view(place_of(term)) == InView::Not
        {
            let text = self.not_in_view_words(term);
            return Ok(StepReply::plain(
                StepKind::Ask,
                subject,
                Outcome::NotInView,
                text,
            ));
        }
        let text = self.question.text.clone();
        let answer = self.ask_model(Task::Chat, &text, true)?;
        self.warn(
            "unchecked",
            "these are the model's own words; nothing here has checked them",
        );
        let reply = StepReply::plain(StepKind::Ask, subject, Outcome::Answered, answer.readable());
        Ok(reply.in_the_models_words().with(answer))
    }
}

/// Of a finding its organ, else the thing itself.
fn place_of(term: &'static Term) -> &'static Term {
    if term.levels().is_some() {
        term
    } else {
        term.organ().unwrap_or(term)
    }
}

fn is_taught_choice(lower: &str, answers: impl Fn(&str) -> bool) -> bool {
    let Some((question, _)) = lower.split_once("choices:") else {
        return false;
    };
    CHOICE_TOPICS
        .iter()
        .any(|(topic, words)| answers(topic) && words.iter().any(|word| question.contains(word)))
}
