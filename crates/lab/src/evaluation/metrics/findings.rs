//! The findings that a report mentions, by one rule for the true report and for the model's.

use super::text::plain_words;
use crate::dataset::FindingKind;

/// Words that take back what follows them in the same sentence.
const DENIALS: [&str; 5] = ["no", "without", "not", "absence", "negative"];
/// Words that begin a new statement within a sentence.
const TURNS: [&str; 3] = ["but", "however", "with"];

/// The words a finding is called by, one list a way.
const fn ways(kind: FindingKind) -> &'static [&'static str] {
    match kind {
        FindingKind::LiverLesion => &["liver lesion", "hepatic lesion"],
        FindingKind::KidneyStone => &[
            "kidney stone",
            "renal stone",
            "renal calculus",
            "nephrolithiasis",
        ],
        FindingKind::LungNodule => &["lung nodule", "pulmonary nodule"],
        FindingKind::PleuralEffusion => &["pleural effusion"],
        FindingKind::AorticCalcification => &["aortic calcification", "calcification of the aorta"],
        FindingKind::Splenomegaly => &["splenomegaly"],
        FindingKind::VertebralFracture => &["vertebral fracture", "vertebral compression fracture"],
        FindingKind::RibFracture => &["rib fracture"],
    }
}

/// The kinds of findings that a report mentions as present, in [`FindingKind::ALL`]'s order.
pub fn findings(report: &str) -> Vec<FindingKind> {
    let sentences: Vec<Vec<String>> = report
        .split(['.', ';', '!', '?', '\n'])
        .map(|sentence| plain_words(sentence).into_iter().map(singular).collect())
        .collect();
    let asserted = |kind: &FindingKind| {
        ways(*kind).iter().any(|way| {
            let way = plain_words(way);
            sentences.iter().any(|sentence| asserts(sentence, &way))
        })
    };
    FindingKind::ALL.into_iter().filter(asserted).collect()
}

fn singular(word: String) -> String {
    match word.strip_suffix('s') {
        Some(one) if word.len() > 4 && !one.ends_with(['s', 'u', 'i']) => one.to_owned(),
        _ => word,
    }
}

/// Whether the words are in the sentence and no denial stands before them.
fn asserts(sentence: &[String], way: &[String]) -> bool {
    let found = |at: &usize| sentence[*at..].starts_with(way);
    (0..sentence.len()).filter(found).any(|at| {
        let before = sentence[..at].iter().rev();
        let denied = before
            .take_while(|word| !TURNS.contains(&word.as_str()))
            .any(|word| DENIALS.contains(&word.as_str()));
        !denied
    })
}

/// How well the findings of reports agree, counted over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FindingCounts {
    /// Mentioned and there.
    pub right: u64,
    /// Mentioned and not there.
    pub invented: u64,
    /// There and not mentioned.
    pub missed: u64,
}

impl FindingCounts {
    /// Adds a report.
    pub fn add(&mut self, asserted: &[FindingKind], wanted: &[FindingKind]) {
        let right = asserted.iter().filter(|kind| wanted.contains(kind)).count();
        self.right += right as u64;
        self.invented += (asserted.len() - right) as u64;
        self.missed += (wanted.len() - right) as u64;
    }

    /// The share of the mentioned findings that are there; `None` where none was mentioned.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.invented)
    }

    /// The share of the findings that were mentioned; `None` where there are none.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.missed)
    }
}

fn share(right: u64, wrong: u64) -> Option<f64> {
    let all = right + wrong;
    (all > 0).then(|| right as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_count_and_denials_do_not() {
        let text = "CT of the chest. Multiple hypoattenuating liver lesions, the largest of 9 mm. No pleural \
                    effusion. The spleen measures 140 mm, consistent with splenomegaly; without rib fracture.";
        assert_eq!(
            findings(text),
            [FindingKind::LiverLesion, FindingKind::Splenomegaly]
        );
        assert!(findings("No acute abnormality.").is_empty());
        assert_eq!(
            findings("Bilateral Pleural Effusions."),
            [FindingKind::PleuralEffusion]
        );
    }

    #[test]
    fn counts_add_up() {
        let mut counts = FindingCounts::default();
        assert_eq!(counts.precision(), None);
        counts.add(
            &[FindingKind::LiverLesion, FindingKind::RibFracture],
            &[FindingKind::LiverLesion, FindingKind::KidneyStone],
        );
        assert_eq!(
            (counts.precision(), counts.recall()),
            (Some(0.5), Some(0.5))
        );
    }
}
