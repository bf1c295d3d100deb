//! The steps of a plan, one after the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use glam::DVec3;
use m3d_imaging::survey::{Content, InView};
use m3d_imaging::terms::Term;
use m3d_imaging::volume::measure::Measures;
use m3d_imaging::volume::{Mask, Window};

use super::measuring::compare;
use super::statement::statements_of;
use super::wording::{capital, listed};
use super::{
    Found, Outcome, Place, Question, Reply, ReplyEvent, ReplyWarning, Statement, StepReply,
};
use crate::inference::{Answer, Event, InferenceError, Knowledge, Request, Session, Task};
use crate::plan::{Plan, Step, StepKind, Subject, Topic, plan};

/// Answers a question. Events are emitted in order, the last one being `Done`, `Cancelled` or `Failed`. `cancelled` is asked
/// between stages and before every token.
pub fn respond(
    session: &mut Session,
    question: &Question,
    emit: &mut dyn FnMut(ReplyEvent),
    cancelled: &dyn Fn() -> bool,
) {
    let knowledge = session.knowledge().clone();
    let mut responder = Responder {
        session,
        question,
        knowledge,
        emit,
        cancelled,
        masks: HashMap::new(),
        warnings: Vec::new(),
    };
    let last = match responder.reply() {
        Ok(reply) => ReplyEvent::Done(Box::new(reply)),
        Err(InferenceError::Cancelled) => ReplyEvent::Cancelled,
        Err(error) => ReplyEvent::Failed(error),
    };
    emit(last);
}

/// A mask that was drawn for a subject, with its figures.
#[derive(Clone)]
pub(super) struct Drawn {
    pub mask: Arc<Mask>,
    /// The mm, along i, j and k, that one voxel of it as drawn really covers.
    pub voxel_mm: DVec3,
    pub measures: Measures,
}

/// A question on its way to an answer.
pub(super) struct Responder<'a> {
    session: &'a mut Session,
    pub question: &'a Question,
    pub knowledge: Knowledge,
    emit: &'a mut dyn FnMut(ReplyEvent),
    cancelled: &'a dyn Fn() -> bool,
    /// What was drawn so far, by its name.
    pub masks: HashMap<String, Drawn>,
    pub warnings: Vec<ReplyWarning>,
}

impl Responder<'_> {
    fn reply(&mut self) -> Result<Reply, InferenceError> {
        let start = Instant::now();
        self.question.settings.check()?;
        let survey = &self.question.about.survey;
        for caution in &survey.cautions {
            self.warn(caution.code, caution.message.clone());
        }
        let (plan, steps) = match self.question.task {
            Some(task) => self.one_task(task)?,
            None => self.planned()?,
        };
        let outcomes = steps
            .iter()
            .map(|step| (step.outcome, step.subject.as_deref()));
        let outcome = Outcome::of_steps(&outcomes);
        if outcome.is_success() {
            for step in steps.iter().filter(|step| !step.outcome.is_success()) {
                self.warn(step.outcome.name(), step.text.clone());
            }
        }
        let statements = statements(&steps);
        let texts: Vec<&str> = statements.iter().map(|s| s.text.as_str()).collect();
        let text = if self.question.task.is_some() {
            // A task that was chosen is answered in the model's words, as scripts know them.
            steps
                .first()
                .map(|step| step.text.clone())
                .unwrap_or_default()
        } else {
            texts.join(" ")
        };
        let facts = self.session.facts();
        Ok(Reply {
            outcome,
            subjects: plan.subjects.iter().map(|t| t.name().to_owned()).collect(),
            read_as: plan.read_as,
            text,
            statements,
            steps,
            warnings: std::mem::take(&mut self.warnings),
            window: self.window(),
            model_name: facts.name.clone(),
            model_fingerprint: facts.fingerprint.clone(),
            settings: self.question.settings,
            total_ms: start.elapsed().as_secs_f64() * 1000.0,
        })
    }

    /// The task that the reader chose: one request in the form of today, on which guards only warn.
    fn one_task(&mut self, task: Task) -> Result<(Plan, Vec<StepReply>), InferenceError> {
        let mut plan = plan(
            &self.question.text,
            self.question.voxel_box.is_some(),
            &self.knowledge,
        );
        let kind = match task {
            Task::Chat => StepKind::Ask,
            Task::Report => StepKind::Report,
            Task::Rec => StepKind::Find,
            Task::Reg => StepKind::Describe,
            Task::Seg => StepKind::Segment,
        };
        let subject = plan.subjects.first().copied();
        plan.steps = vec![Step::only(kind, subject.map(Subject::Term))];
        (self.emit)(ReplyEvent::Plan(plan.clone()));
        let words = matches!(task, Task::Chat | Task::Report | Task::Reg);
        let answer = self.ask_model(task, &self.question.text.clone(), words)?;
        let name = match subject {
            Some(term) => term.name().to_owned(),
            None => shortened(&self.question.text),
        };
        let step = self.found_by_task(kind, subject, &name, answer);
        Ok((plan, vec![step]))
    }

    fn planned(&mut self) -> Result<(Plan, Vec<StepReply>), InferenceError> {
        let question = self.question;
        let has_box = question.voxel_box.is_some();
        if question.text.trim().is_empty() && !has_box {
            return Err(InferenceError::EmptyQuestion);
        }
        let plan = plan(&question.text, has_box, &self.knowledge);
        (self.emit)(ReplyEvent::Plan(plan.clone()));
        let mut steps = Vec::new();
        for (number, step) in plan.steps.iter().enumerate() {
            if (self.cancelled)() {
                return Err(InferenceError::Cancelled);
            }
            (self.emit)(ReplyEvent::Step(number));
            let reply = self.step(step, &steps)?;
            for found in &reply.found {
                (self.emit)(ReplyEvent::Found(found.clone()));
            }
            steps.push(reply);
        }
        Ok((plan, steps))
    }

    fn step(&mut self, step: &Step, before: &[StepReply]) -> Result<StepReply, InferenceError> {
        match step.kind {
            StepKind::Segment => self.segment(step),
            StepKind::Find => self.find(step),
            StepKind::Describe => self.describe(),
            StepKind::Ask => match step.topic {
                Some(Topic::Presence) => self.presence(step),
                Some(Topic::State) => self.state(step),
                Some(Topic::Phase) => self.phase(),
                Some(Topic::Free) | None => self.free(step),
            },
            StepKind::Report => self.report(),
            StepKind::Measure => Ok(self.measure(step, before)),
            StepKind::Compare => Ok(compare(before)),
            StepKind::Go => Ok(go(before)),
            StepKind::Header => Ok(self.header(step)),
        }
    }

    /// The window that questions and reports are prepared with.
    fn window(&self) -> Window {
        self.question.window.unwrap_or(self.question.about.window)
    }

    /// Asks the model; its words are passed on as they come where they are wanted.
    pub fn ask_model(
        &mut self,
        task: Task,
        text: &str,
        words: bool,
    ) -> Result<Answer, InferenceError> {
        let request = Request {
            id: self.question.id,
            volume: Arc::clone(&self.question.volume),
            revision: self.question.revision,
            task,
            text: text.to_owned(),
            voxel_box: self.question.voxel_box,
            window: self.window(),
            settings: self.question.settings,
        };
        let emit = &mut *self.emit;
        let mut hear = |event| match event {
            Event::Prompt(prompt) => emit(ReplyEvent::Prompt(prompt)),
            Event::Encoded => emit(ReplyEvent::Encoded),
            Event::Token(piece) if words => emit(ReplyEvent::Token(piece)),
            _ => {}
        };
        self.session.try_ask(&request, &mut hear, self.cancelled)
    }

    pub fn warn(&mut self, code: &'static str, message: impl Into<String>) {
        let warning = ReplyWarning::new(code, message);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Tells what was found.
    pub fn tell(&mut self, found: Found) {
        (self.emit)(ReplyEvent::Found(found));
    }

    /// The model's name, for sentences.
    pub fn model(&self) -> String {
        self.session.facts().name.clone()
    }

    /// Why the model is not asked about this image at all; `None` where it may be.
    pub fn domain_fault(&self) -> Option<String> {
        let survey = &self.question.about.survey;
        let is_no_picture = survey.content != Content::Anatomy;
        if self.question.anyway || (self.knowledge.is_open() && !is_no_picture) {
            return None;
        }
        let caution = survey.cautions.iter().find(|c| c.is_of_domain())?;
        Some(format!(
            "{} is not asked: {} To ask it all the same, say so (--anyway).",
            self.model(),
            sentence(&caution.message)
        ))
    }

    /// Whether the image shows a part of the body.
    pub fn in_view(&self, term: &Term) -> InView {
        let coverage = self.question.about.survey.coverage.as_ref();
        match (coverage, term.levels()) {
            (Some(coverage), Some(levels)) => coverage.shows(levels),
            _ => InView::Unknown,
        }
    }

    /// What stands in the way of asking the model for a subject at all, or else the name to ask it by.
    pub fn name_for(&self, kind: StepKind, subject: Option<&Subject>) -> Result<String, StepReply> {
        let refused = |outcome, text: String| StepReply::plain(kind, subject, outcome, text);
        if let Some(fault) = self.domain_fault() {
            return Err(refused(Outcome::Unusable, fault));
        }
        let Some(subject) = subject else {
            let text = "This can only be asked of one thing at a time: name it.";
            return Err(refused(Outcome::NotKnown, text.to_owned()));
        };
        let Some(term) = subject.term() else {
            if self.knowledge.is_open() {
                return Ok(subject.name().to_owned());
            }
            let text = format!(
                "{:?} is no name that is known here. {}",
                subject.name(),
                self.what_can_be_asked()
            );
            return Err(refused(Outcome::NotKnown, text));
        };
        if self.in_view(term) == InView::Not {
            return Err(refused(Outcome::NotInView, self.not_in_view_words(term)));
        }
        match self.knowledge.name_of(term) {
            Some(name) => Ok(name.to_owned()),
            None => Err(refused(Outcome::NotKnown, self.not_known_words(term))),
        }
    }

    pub fn not_in_view_words(&self, term: &Term) -> String {
        let coverage = self.question.about.survey.coverage.as_ref();
        let shown = coverage.map_or(String::new(), |coverage| {
            format!(
                ", which runs from about {} to about {}",
                coverage.top.level, coverage.bottom.level
            )
        });
        format!(
            "{}: not in view of this image{shown}.",
            capital(term.name())
        )
    }

    fn not_known_words(&self, term: &Term) -> String {
        let model = self.model();
        let name = term.name();
        let nearest = self.knowledge.nearest(term);
        let instead = nearest.map_or_else(
            || self.what_can_be_asked(),
            |target| format!("The nearest that it knows is {}.", target.name),
        );
        format!("{}: {model} was not taught it. {instead}", capital(name))
    }

    /// What a model that was taught a list may be asked.
    pub fn what_can_be_asked(&self) -> String {
        let targets = self.knowledge.targets();
        if targets.is_empty() {
            return "Ask in other words.".to_owned();
        }
        let names: Vec<&str> = targets.iter().take(5).map(|t| t.name.as_str()).collect();
        format!(
            "{} can segment, find and measure {} structures and findings ({} …), describe a box, tell the contrast phase and \
             draft a report.",
            self.model(),
            targets.len(),
            names.join(", ")
        )
    }
}

impl StepReply {
    /// A step that brought words alone.
    pub(super) fn plain(
        kind: StepKind,
        subject: Option<&Subject>,
        outcome: Outcome,
        text: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subject: subject.map(|s| s.name().to_owned()),
            outcome,
            text: text.into(),
            by_model: false,
            found: Vec::new(),
            measures: None,
            answer: None,
        }
    }

    /// As a model wrote it.
    pub(super) const fn in_the_models_words(mut self) -> Self {
        self.by_model = true;
        self
    }

    /// The box or mask it found.
    pub(super) fn place(&self) -> Option<&Place> {
        self.found.first().map(|found| &found.place)
    }
}

/// The sentences of all steps, each with its place.
fn statements(steps: &[StepReply]) -> Vec<Statement> {
    let found: Vec<&Found> = steps.iter().flat_map(|step| &step.found).collect();
    let mut statements = Vec::new();
    for step in steps {
        let mut own = if step.by_model {
            statements_of(&step.text)
        } else if step.text.is_empty() {
            Vec::new()
        } else {
            let subject = step.subject.as_deref();
            let term = subject.and_then(|name| m3d_imaging::terms::Lexicon::built_in().get(name));
            vec![Statement::own(step.text.clone(), term)]
        };
        for statement in &mut own {
            let is_of = |found: &&&Found| {
                let term = statement.subject.map(Term::name);
                Some(found.name.as_str()) == term.or(step.subject.as_deref())
            };
            statement.place = found.iter().find(is_of).map(|found| found.name.clone());
        }
        statements.extend(own);
    }
    statements
}

/// The views go to what was found.
fn go(before: &[StepReply]) -> StepReply {
    let found: Vec<&str> = before
        .iter()
        .filter(|step| step.outcome.is_success() && step.place().is_some())
        .filter_map(|step| step.subject.as_deref())
        .collect();
    let outcome = match before.iter().find(|step| !step.outcome.is_success()) {
        Some(step) if found.is_empty() => step.outcome,
        _ => Outcome::Answered,
    };
    let text = if found.is_empty() {
        String::new()
    } else {
        format!("The views are at {}.", listed(&found, "and"))
    };
    StepReply::plain(StepKind::Go, None, outcome, text)
}

/// A message as a sentence of its own.
fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.ends_with(['.', '!', '?']) {
        text
    } else {
        format!("{text}.")
    }
}

/// The first words of a question, as the name of what it brought.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.chars().take(40).collect()
}
