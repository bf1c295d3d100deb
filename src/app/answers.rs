//! Questions to the assistant, and what its answers bring.

use std::sync::Arc;

use m3d_assistant::WorkerEvent;
use m3d_assistant::inference::{GenerationSettings, Task};
use m3d_assistant::plan::Plan;
use m3d_assistant::reply::{Found, Place, Question, Reply, ReplyEvent};

use super::workspace::{
    Card, CardCaution, CardId, CardState, CardStep, Edit, Finding, FindingId, Origin, PatientBox,
    Provenance, Shape,
};
use super::{Application, ModelStatus, NoticeKind, Step};

/// The question the reader is writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Its words.
    pub text: String,
    /// The task, when the reader chose it.
    pub task: Option<Task>,
}

impl Application {
    /// Whether the question that is written can be asked.
    pub(super) fn can_ask(&self) -> bool {
        let ready = self.assistant.is_ready() && self.seen_active().is_some();
        ready && !self.draft.text.trim().is_empty()
    }

    /// Asks the question that is written.
    pub(super) fn ask_draft(&mut self) {
        if self.can_ask() {
            let text = std::mem::take(&mut self.draft.text);
            self.ask(text.trim(), self.draft.task);
        }
    }

    /// Whether an answer is still to come.
    pub fn is_answering(&self) -> bool {
        self.workspace.cards.iter().any(|card| card.state.is_open())
    }

    /// Asks the assistant about what the active view shows. `task` is what the reader chose; without it the words are
    /// made a plan.
    pub fn ask(&mut self, text: &str, task: Option<Task>) {
        self.ask_about_image(text, task, false);
    }

    /// Asks again what a card asked, although the image is none that the model was taught.
    pub(super) fn ask_anyway(&mut self, card: CardId) {
        if let Some(card) = self.workspace.card(card) {
            let (text, task) = (card.question.clone(), card.task);
            self.ask_about_image(&text, task, true);
        }
    }

    fn ask_about_image(&mut self, text: &str, task: Option<Task>, anyway: bool) {
        let asked_about = self.seen_active().map(|seen| seen.layer.image.clone());
        if asked_about.is_some_and(|image| self.refuses_work_on(&image)) {
            return;
        }
        let Some(seen) = self.seen_active() else {
            return;
        };
        let region = seen.region();
        let name = match (text.trim(), task) {
            ("", task) => task.unwrap_or(Task::Reg).label().to_owned(),
            (text, _) => text.to_owned(),
        };
        let image = seen.image.identity.clone();
        let mut card = Card::asked(image, seen.layer.time, seen.image.about.window, name, task);
        let asked = self.assistant.ask(Question {
            id: card.id.0,
            volume: Arc::clone(seen.volume()),
            revision: seen.fingerprint(),
            about: Arc::clone(&seen.image.about),
            task,
            text: text.to_owned(),
            voxel_box: region,
            window: None,
            settings: GenerationSettings::default(),
            anyway,
        });
        if let Err(error) = asked {
            card.state = CardState::Failed(error.to_string());
        }
        self.apply(Edit::card(card));
    }

    /// Asks what is in the box; without one says how to draw it.
    pub(super) fn describe(&mut self) {
        match self.seen_active().map(|seen| seen.region().is_some()) {
            Some(true) => self.ask("", Some(Task::Reg)),
            Some(false) => {
                self.tool = super::Tool::Box;
                let text = "Draw a box in a slice view first: drag with the Box tool (B).";
                self.notices.add(NoticeKind::Warning, text);
            }
            None => {}
        }
    }

    /// Stops every answer that is still to come.
    pub(super) fn cancel_answers(&self) {
        for card in self.workspace.cards.iter().filter(|c| c.state.is_open()) {
            self.assistant.cancel(card.id);
        }
    }

    /// Handles what the worker has said since the last call.
    pub(super) fn hear_assistant(&mut self) {
        for event in self.assistant.events() {
            match event {
                WorkerEvent::Loading(share) => self.assistant.status = ModelStatus::Loading(share),
                WorkerEvent::Loaded(facts) => {
                    self.assistant.status = ModelStatus::Ready(facts);
                    self.encode_active();
                }
                WorkerEvent::LoadFailed(error) => {
                    self.assistant.status = ModelStatus::Failed(error.to_string());
                }
                WorkerEvent::Unloaded => self.assistant.status = ModelStatus::Absent,
                WorkerEvent::Encoded { result, .. } => {
                    // The first question about the image will meet the same error and show it.
                    if let Err(error) = result {
                        tracing::debug!("an image was not encoded ahead: {error}");
                    }
                }
                WorkerEvent::Question(id, event) => self.hear_answer(CardId(id), event),
            }
        }
    }

    fn hear_answer(&mut self, id: CardId, event: ReplyEvent) {
        let Some(card) = self.workspace.card(id) else {
            return;
        };
        let mut card = card.clone();
        match event {
            ReplyEvent::Plan(plan) => {
                card.plan = steps_of(&plan);
                card.read_as = plan.read_as;
                card.state = CardState::Reading;
            }
            ReplyEvent::Step(_) => card.state = CardState::Reading,
            ReplyEvent::Encoded => card.state = CardState::Answering,
            ReplyEvent::Prompt(prompt) => {
                if !card.prompt.is_empty() {
                    card.prompt += "\n";
                }
                card.prompt += &prompt;
                card.state = CardState::Reading;
            }
            ReplyEvent::Token(piece) => {
                card.state = CardState::Answering;
                card.text += &piece;
            }
            ReplyEvent::Found(found) => {
                let finding = self.bring(&card, found);
                card.findings.extend(finding);
            }
            ReplyEvent::Done(reply) => finish(&mut card, &reply),
            ReplyEvent::Cancelled => card.state = CardState::Cancelled,
            ReplyEvent::Failed(error) => card.state = CardState::Failed(error.to_string()),
        }
        self.apply(Edit::card(card));
    }

    /// Puts what an answer brought among the findings of the image it was made from, whatever is shown by
    /// now; views of that image go there.
    fn bring(&mut self, card: &Card, found: Found) -> Option<FindingId> {
        let key = &card.image.key;
        let record = self.workspace.images.get(key)?;
        if record.identity != card.image {
            return None;
        }
        let grid = record.grid;
        let (shape, drawn_at_mm) = match found.place {
            Place::Box(voxel_box) => (Shape::Box(PatientBox::of(&voxel_box, &grid)), None),
            Place::Mask(mask, drawn_at_mm) => (Shape::Mask(mask), Some(drawn_at_mm)),
        };
        let finding = Finding {
            time: card.time,
            colour: self.workspace.next_colour(key),
            source: Origin::Model(card.id),
            drawn_at_mm,
            ..Finding::new(key, short_name(&found.name), shape)
        };
        let id = finding.id;
        let is_shown = self
            .workspace
            .shown_views()
            .any(|(_, view)| view.shows(key));
        if is_shown {
            self.look_at(&finding);
        }
        let step = Step::of_group(format!("add {}", finding.name), card.id.0);
        self.change(Edit::add(finding), step);
        Some(id)
    }
}

fn steps_of(plan: &Plan) -> Vec<CardStep> {
    let step = |step: &m3d_assistant::plan::Step| CardStep {
        kind: step.kind,
        subject: step.subject.as_ref().map(|s| s.name().to_owned()),
        outcome: None,
    };
    plan.steps.iter().map(step).collect()
}

/// Fills a card with its answer.
fn finish(card: &mut Card, reply: &Reply) {
    card.text.clone_from(&reply.text);
    card.outcome = Some(reply.outcome);
    card.read_as.clone_from(&reply.read_as);
    card.plan = reply
        .steps
        .iter()
        .map(|step| CardStep {
            kind: step.kind,
            subject: step.subject.clone(),
            outcome: Some(step.outcome),
        })
        .collect();
    card.cautions = reply
        .warnings
        .iter()
        .map(|warning| CardCaution {
            code: warning.code.to_owned(),
            message: warning.message.clone(),
        })
        .collect();
    card.made_from = Some(provenance(reply));
    card.state = CardState::Done;
}

fn provenance(reply: &Reply) -> Provenance {
    let raw: Vec<&str> = reply.answers().map(|answer| answer.text.as_str()).collect();
    Provenance {
        raw_text: raw.join("\n"),
        model_name: reply.model_name.clone(),
        model_fingerprint: reply.model_fingerprint.clone(),
        model_licence: super::licence_of(&reply.model_name).map(str::to_owned),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        max_tokens: reply.settings.max_tokens,
        temperature: reply.settings.temperature,
        seed: reply.settings.seed,
        window: reply.window,
        token_count: reply.answers().map(|answer| answer.token_count).sum(),
        timings_ms: reply
            .timings_ms()
            .into_iter()
            .map(|(stage, ms)| (stage.to_owned(), ms))
            .collect(),
        mask_voxel_mm: reply.answers().find_map(|answer| answer.mask_voxel_mm),
    }
}

/// The name of what was found, shortened.
fn short_name(question: &str) -> String {
    shortened(question.lines().next().unwrap_or_default().trim(), 28)
}

/// At most `most` characters, with an ellipsis where some are left out.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(short_name("  where is it\nnow"), "where is it");
    }
}
