//! Questions to the assistant, and what its answers bring.

use std::sync::Arc;

use glam::DVec3;
use m3d_assistant::inference::{
    Answer, Event, GenerationSettings, Request, Task, WorkerEvent, recognise,
};
use m3d_imaging::geometry::VoxelBox;
use m3d_imaging::volume::Mask;

use super::workspace::{
    Card, CardId, CardState, Edit, Finding, FindingId, Origin, PatientBox, Provenance, Shape,
};
use super::{Application, ModelStatus, NoticeKind, Step};

/// Something an answer brought.
enum Artifact {
    /// A box on the image's grid.
    Box(VoxelBox),
    /// A mask on the image's grid, with the size of the voxels it was drawn in.
    Mask(Arc<Mask>, DVec3),
}

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

    /// Asks the assistant about what the active view shows. `task` is what the reader chose; without it
    /// the text is recognised by its words.
    pub fn ask(&mut self, text: &str, task: Option<Task>) {
        let asked_about = self.seen_active().map(|seen| seen.layer.image.clone());
        if asked_about.is_some_and(|image| self.refuses_work_on(&image)) {
            return;
        }
        let Some(seen) = self.seen_active() else {
            return;
        };
        let id = CardId::fresh();
        let region = seen.region();
        let task = task.unwrap_or_else(|| recognise(text, region.is_some()));
        let asked = self.assistant.ask(Request {
            id: id.0,
            volume: Arc::clone(seen.volume()),
            revision: seen.fingerprint(),
            task: Some(task),
            text: text.to_owned(),
            voxel_box: region,
            window: seen.window(),
            settings: GenerationSettings::default(),
        });
        let card = Card {
            id,
            image: seen.image.identity.clone(),
            time: seen.layer.time,
            window: seen.window(),
            question: match text.trim() {
                "" => task.label().to_owned(),
                text => text.to_owned(),
            },
            task,
            prompt: String::new(),
            text: String::new(),
            state: match asked {
                Ok(()) => CardState::Queued,
                Err(error) => CardState::Failed(error.to_string()),
            },
            findings: Vec::new(),
            made_from: None,
        };
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

    fn hear_answer(&mut self, id: CardId, event: Event) {
        let Some(card) = self.workspace.card(id) else {
            return;
        };
        let mut card = card.clone();
        match event {
            Event::Loading(_) | Event::Prepared => card.state = CardState::Reading,
            Event::Encoded => card.state = CardState::Answering,
            Event::Prompt(prompt) => {
                card.prompt = prompt;
                card.state = CardState::Reading;
            }
            Event::Token(piece) => {
                card.state = CardState::Answering;
                card.text += &piece;
            }
            Event::Box(voxel_box) => {
                let finding = self.bring(&card, Artifact::Box(voxel_box));
                card.findings.extend(finding);
            }
            Event::Mask(mask, drawn_at_mm) => {
                let finding = self.bring(&card, Artifact::Mask(mask, drawn_at_mm));
                card.findings.extend(finding);
            }
            Event::Done(answer) => {
                card.text = answer.readable();
                card.made_from = Some(provenance(&answer, &card));
                card.state = CardState::Done;
            }
            Event::Cancelled => card.state = CardState::Cancelled,
            Event::Failed(error) => card.state = CardState::Failed(error.to_string()),
        }
        self.apply(Edit::card(card));
    }

    /// Puts what an answer brought among the findings of the image it was made from, whatever is shown by
    /// now; views of that image go there.
    fn bring(&mut self, card: &Card, artifact: Artifact) -> Option<FindingId> {
        let key = &card.image.key;
        let record = self.workspace.images.get(key)?;
        if record.identity != card.image {
            return None;
        }
        let grid = record.grid;
        let (shape, drawn_at_mm) = match artifact {
            Artifact::Box(voxel_box) => (Shape::Box(PatientBox::of(&voxel_box, &grid)), None),
            Artifact::Mask(mask, drawn_at_mm) => (Shape::Mask(mask), Some(drawn_at_mm)),
        };
        let finding = Finding {
            id: FindingId::fresh(),
            image: key.clone(),
            time: card.time,
            name: short_name(&card.question),
            colour: self.workspace.next_colour(key),
            visible: true,
            locked: false,
            group: String::new(),
            source: Origin::Model(card.id),
            shape,
            drawn_at_mm,
            note: String::new(),
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

fn provenance(answer: &Answer, card: &Card) -> Provenance {
    Provenance {
        raw_text: answer.text.clone(),
        model_name: answer.model_name.clone(),
        model_fingerprint: answer.model_fingerprint.clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        max_tokens: answer.settings.max_tokens,
        temperature: answer.settings.temperature,
        seed: answer.settings.seed,
        window: card.window,
        token_count: answer.token_count,
        timings_ms: answer
            .timings_ms
            .iter()
            .map(|(stage, ms)| ((*stage).to_owned(), *ms))
            .collect(),
        mask_voxel_mm: answer.mask_voxel_mm,
    }
}

/// A question as the name of what it brought: its first words.
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
