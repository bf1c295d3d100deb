//! The rules that make steps of words.

use m3d_imaging::terms::{Kind, Lexicon, Mention, Term};

use super::vocabulary as v;
use super::words::Words;
use super::{HeaderFact, Plan, Quantity, Step, StepKind, Subject, Topic};
use crate::inference::{Knowledge, ModelBox};

/// The most things that one question is about; what follows is passed over.
const MOST_SUBJECTS: usize = 128;

/// The steps that a text asks for of a model. `has_box` says whether a box is drawn.
///
/// The rules, in order: a question with choices or a written box is taken as it is; then what the header says; what is
/// in the box; a report, where nothing is named; comparing, counting, values, diameters and sizes; moving; segmenting;
/// finding; whether there is one, and whether it is normal. A name alone is segmented. What is left is asked as it is.
pub fn plan(text: &str, has_box: bool, knowledge: &Knowledge) -> Plan {
    let asked = Asked::read(text, has_box, knowledge);
    Plan {
        steps: asked.steps(text),
        subjects: asked.subjects(),
        read_as: asked.read_as(text),
    }
}

/// A question with what was read in it.
struct Asked<'a> {
    knowledge: &'a Knowledge,
    /// What is named to be left out: "everything except the liver".
    left_out: Vec<&'static Term>,
    words: Words,
    mentions: Vec<Mention>,
    has_box: bool,
    has_choices: bool,
}

impl<'a> Asked<'a> {
    fn read(text: &str, has_box: bool, knowledge: &'a Knowledge) -> Self {
        // The choices of a question are not what it is about.
        let choices = text.to_ascii_lowercase().find(v::CHOICES);
        let asked = &text[..choices.unwrap_or(text.len())];
        let mut mentions = Lexicon::built_in().mentions(asked);
        let left_out = left_out(asked, &mentions);
        mentions.truncate(MOST_SUBJECTS);
        let named: Vec<_> = mentions.iter().map(|m| m.bytes.clone()).collect();
        Self {
            knowledge,
            left_out,
            words: Words::new(text, &named),
            mentions,
            has_box,
            has_choices: choices.is_some(),
        }
    }

    fn have(&self, phrases: &[&str]) -> bool {
        self.words.have(phrases)
    }

    /// What is named, groups member by member where the words are about each of them.
    fn members(&self) -> Vec<&'static Term> {
        let parts = |m: &Mention| self.knowledge.parts(m.term);
        let mut members = unlike(self.mentions.iter().flat_map(parts));
        members.retain(|term| !self.left_out.contains(term));
        members
    }

    /// What is named, as it is named.
    fn named(&self) -> Vec<&'static Term> {
        unlike(self.mentions.iter().map(|m| m.term))
    }

    fn has_finding(&self) -> bool {
        self.mentions.iter().any(|m| m.term.kind() == Kind::Finding)
    }

    /// Each member of a group is asked about by itself, unless the words judge the group as a whole.
    fn subjects(&self) -> Vec<&'static Term> {
        if self.judges() {
            self.named()
        } else {
            self.members()
        }
    }

    /// Whether it is asked whether something is as it should be.
    fn judges(&self) -> bool {
        let measures = [
            v::COMPARE,
            v::SIZE,
            v::DIAMETER,
            v::VALUES,
            v::SEGMENT,
            v::FIND,
            v::GO,
        ];
        self.have(v::STATE)
            && !self.has_finding()
            && !measures.iter().any(|phrases| self.have(phrases))
    }

    fn read_as(&self, text: &str) -> Option<String> {
        let differs = |m: &Mention| {
            let typed = text.get(m.bytes.clone()).unwrap_or_default();
            !typed.eq_ignore_ascii_case(m.term.name())
        };
        let names: Vec<&str> = self.subjects().iter().map(|t| t.name()).collect();
        (self.mentions.iter().any(differs)).then(|| names.join(", "))
    }

    fn steps(&self, text: &str) -> Vec<Step> {
        if self.has_choices {
            return vec![self.ask(Topic::Free)];
        }
        let written = ModelBox::parse(text).is_some();
        if written || (self.has_box && (text.trim().is_empty() || self.have(v::DESCRIBE))) {
            return vec![Step::only(StepKind::Describe, None)];
        }
        if let Some(fact) = self.header_fact() {
            let mut step = Step::only(StepKind::Header, None);
            step.fact = Some(fact);
            return vec![step];
        }
        if self.mentions.is_empty() {
            return self.steps_without_subject(text);
        }
        self.steps_about_subjects()
    }

    fn header_fact(&self) -> Option<HeaderFact> {
        use HeaderFact::{Age, Date, Modality, Plane, Region, Sex, Slices, Spacing};
        if !self.mentions.is_empty() {
            return None;
        }
        [
            (v::SLICES, Slices),
            (v::SPACING, Spacing),
            (v::DATE, Date),
            (v::AGE, Age),
            (v::SEX, Sex),
            (v::PLANE, Plane),
            (v::MODALITY, Modality),
            (v::REGION, Region),
        ]
        .into_iter()
        .find_map(|(phrases, fact)| self.have(phrases).then_some(fact))
    }

    fn steps_without_subject(&self, text: &str) -> Vec<Step> {
        if self.have(v::REPORT) {
            return vec![Step::only(StepKind::Report, None)];
        }
        if self.have(v::PHASE) {
            return vec![self.ask(Topic::Phase)];
        }
        // Something that the lexicon does not know.
        let phrase = || Some(Subject::Phrase(unnamed(text)));
        for (phrases, kind) in [(v::SEGMENT, StepKind::Segment), (v::FIND, StepKind::Find)] {
            if self.have(phrases) {
                return vec![Step::only(kind, phrase())];
            }
        }
        vec![self.ask(Topic::Free)]
    }

    fn steps_about_subjects(&self) -> Vec<Step> {
        let members = self.members();
        let is_asked = self.have(v::PRESENCE) || self.have(v::STATE);
        if self.have(v::COMPARE) && !self.have(v::VALUES) {
            let mut steps = measured(&members, Quantity::Size);
            // Larger than a number the reader gives: that is for the reader to compare.
            if members.len() > 1 {
                steps.push(Step::only(StepKind::Compare, None));
            }
            return steps;
        }
        for (phrases, quantity) in [
            (v::COUNT, Quantity::Count),
            (v::VALUES, Quantity::Values),
            (v::DIAMETER, Quantity::Diameter),
            (v::SIZE, Quantity::Size),
        ] {
            if self.have(phrases) {
                return measured(&members, quantity);
            }
        }
        if self.have(v::GO) {
            let subjects = members.iter();
            let mut steps: Vec<Step> = subjects.map(|&t| step_of(StepKind::Find, t)).collect();
            steps.push(Step::only(StepKind::Go, None));
            return steps;
        }
        let each = |kind| members.iter().map(|&term| step_of(kind, term)).collect();
        if self.have(v::SEGMENT) {
            return each(StepKind::Segment);
        }
        if self.have(v::FIND) && !(self.has_finding() && is_asked) {
            return each(StepKind::Find);
        }
        if self.words.are_only(v::FILLERS) {
            return each(StepKind::Segment);
        }
        let topic = if self.judges() {
            Topic::State
        } else if is_asked {
            Topic::Presence
        } else if self.have(v::REPORT) || self.have(v::DESCRIBE) {
            Topic::State
        } else {
            Topic::Free
        };
        let step = |&term: &&'static Term| {
            let mut step = step_of(StepKind::Ask, term);
            step.topic = Some(topic);
            step
        };
        self.subjects().iter().map(step).collect()
    }

    fn ask(&self, topic: Topic) -> Step {
        let subject = self.mentions.first().map(|m| Subject::Term(m.term));
        let mut step = Step::only(StepKind::Ask, subject);
        step.topic = Some(topic);
        step
    }
}

fn step_of(kind: StepKind, term: &'static Term) -> Step {
    Step::only(kind, Some(Subject::Term(term)))
}

/// Each one segmented and measured.
fn measured(terms: &[&'static Term], quantity: Quantity) -> Vec<Step> {
    let one = |&term: &&'static Term| {
        // A tube is measured across, whatever word was used for its size.
        let mut measure = step_of(StepKind::Measure, term);
        measure.quantity = Some(quantity);
        [step_of(StepKind::Segment, term), measure]
    };
    if quantity == Quantity::Count {
        // Counted once, when all are drawn.
        let mut steps: Vec<Step> = terms
            .iter()
            .map(|&term| step_of(StepKind::Segment, term))
            .collect();
        steps.extend(terms.last().map(|last| one(last)[1].clone()));
        return steps;
    }
    terms.iter().flat_map(one).collect()
}

/// What is named behind words that leave it out.
fn left_out(text: &str, mentions: &[Mention]) -> Vec<&'static Term> {
    const WORDS: [&str; 7] = [
        "except",
        "but not",
        "excluding",
        "other than",
        "apart from",
        "without",
        "besides",
    ];
    let mut out = Vec::new();
    for mention in mentions {
        let before = text
            .get(..mention.bytes.start)
            .unwrap_or_default()
            .to_lowercase();
        let said = WORDS.iter().filter_map(|words| before.rfind(words)).max();
        // Nothing else may be named between the words and it but what they leave out too.
        if said.is_some_and(|at| before.len() - at < LEFT_OUT_REACH) && mentions.len() > 1 {
            out.extend(mention.terms());
            out.push(mention.term);
        }
    }
    out
}

/// How far, in bytes, words that leave something out reach.
const LEFT_OUT_REACH: usize = 40;

/// Each term once, in order.
fn unlike(terms: impl Iterator<Item = &'static Term>) -> Vec<&'static Term> {
    let mut found: Vec<&'static Term> = Vec::new();
    for term in terms {
        if !found.iter().any(|known| known.name() == term.name()) {
            found.push(term);
        }
    }
    found.truncate(MOST_SUBJECTS);
    found
}

/// What is left of a request for something the lexicon does not know: "segment the frobnicator" names "frobnicator".
fn unnamed(text: &str) -> String {
    let asks = |word: &str| {
        let words = Words::new(word, &[]);
        words.have(v::SEGMENT) || words.have(v::FIND) || words.are_only(v::FILLERS)
    };
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| ".,;:!?\"'()".contains(c)))
        .filter(|word| !word.is_empty() && !asks(word))
        .collect();
    if words.is_empty() {
        text.trim().to_owned()
    } else {
        words.join(" ")
    }
}
