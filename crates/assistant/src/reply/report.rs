//! A report of the whole image, of what is in view alone.

use m3d_imaging::survey::InView;
use m3d_imaging::terms::Term;

use super::respond::Responder;
use super::statement::statements_of;
use super::wording::listed;
use super::{Outcome, StepReply};
use crate::inference::{InferenceError, Task};
use crate::plan::StepKind;

impl Responder<'_> {
    /// A draft of a report. What it says of parts of the body that the image does not show is left out, and told.
    pub(super) fn report(&mut self) -> Result<StepReply, InferenceError> {
        let kind = StepKind::Report;
        if let Some(fault) = self.domain_fault() {
            return Ok(StepReply::plain(kind, None, Outcome::Unusable, fault));
        }
        let asked = if self.knowledge.is_open() {
            self.question.text.clone()
        } else {
            String::new()
        };
        let answer = self.ask_model(Task::Report, &asked, true)?;
        let mut kept = Vec::new();
        let mut hidden: Vec<&str> = Vec::new();
        for statement in statements_of(&answer.readable()) {
            match statement.subject {
                Some(term) if self.in_view(term) == InView::Not => hidden.push(term.name()),
                _ => kept.push(statement.text),
            }
        }
        let unseen = self.unseen();
        hidden.extend(unseen.iter().map(|term| term.name()));
        hidden.dedup();
        if !hidden.is_empty() {
            kept.push(format!("Not in view: {}.", listed(&hidden, "and")));
        }
        if !self.knowledge.is_open() {
            let model = self.model();
            kept.push(format!(
                "\"Normal\" means that {model} named nothing there; it misses findings."
            ));
        }
        self.warn(
            "unchecked",
            "a draft in the model's own words; nothing here has checked it",
        );
        let reply = StepReply::plain(kind, None, Outcome::Answered, kept.join(" "));
        Ok(reply.in_the_models_words().with(answer))
    }

    /// What reports usually speak of and the image does not show.
    fn unseen(&self) -> Vec<&'static Term> {
        let usual = ["lung", "heart", "liver", "kidney", "bladder"];
        usual
            .iter()
            .filter_map(|name| m3d_imaging::terms::Lexicon::built_in().get(name))
            .filter(|term| self.in_view(term) == InView::Not)
            .collect()
    }
}
