//! The figures of a run, made from its rows alone.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::metrics::FindingCounts;
use super::tasks::{has_texts, retrieval};
use super::{BenchTask, Table};
use crate::dataset::FindingKind;

/// A second table: the figures of each class or type.
#[derive(Clone, Debug, PartialEq)]
pub struct Breakdown {
    /// The heading of its first column.
    pub by: &'static str,
    /// The headings of the figures.
    pub columns: Vec<&'static str>,
    /// A name, how many rows, and the figures, where there are any.
    pub rows: Vec<(String, usize, Vec<Option<f64>>)>,
}

/// The figures of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The task.
    pub task: BenchTask,
    /// The questions that were asked.
    pub n: usize,
    /// Names and figures, in order. Shares and measures of texts go from 0 to 1.
    pub figures: Vec<(String, f64)>,
    /// Figures taken as those of published tables are, over all rows that were asked, in percent but for the benchmark's
    /// IoU and Dice.
    pub published: Vec<(&'static str, f64)>,
    /// Figures of each class or type.
    pub breakdown: Option<Breakdown>,
    /// What must be known to read the figures.
    pub notes: Vec<String>,
}

impl Summary {
    /// Sums rows up.
    pub fn of(task: BenchTask, table: &Table) -> Self {
        let mut summary = Self {
            task,
            n: table.rows.len(),
            figures: Vec::new(),
            published: Vec::new(),
            breakdown: None,
            notes: Vec::new(),
        };
        match task {
            BenchTask::Report => summary.report(table),
            BenchTask::VqaClosed => summary.vqa_closed(table),
            BenchTask::VqaOpen => {}
            BenchTask::Rec => summary.rec(table),
            BenchTask::Reg => summary.reg(table),
            BenchTask::Seg | BenchTask::RefSeg => summary.masks(table),
            BenchTask::Retrieval => summary.retrieval(table),
        }
        if has_texts(task) {
            summary.texts(table);
        }
        summary.published = published(task, table, &summary.figures);
        summary
    }

    /// `{task, n, summary: {name: figure}, published: {name: figure}}`.
    pub fn json(&self) -> Value {
        let figures: Map<String, Value> = self
            .figures
            .iter()
            .map(|(name, figure)| (name.clone(), json!(figure)))
            .collect();
        let published: Map<String, Value> = (self.published.iter())
            .map(|(name, figure)| ((*name).to_owned(), json!(figure)))
            .collect();
        json!({
            "task": self.task.name(),
            "n": self.n,
            "summary": figures,
            "published": published,
        })
    }

    /// Tables in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# M3D-Bench: {}\n\n{} questions.\n\n",
            self.task.name(),
            self.n
        );
        text.push_str("| measure | value |\n|---|---|\n");
        // Writing to a string does not fail.
        for (name, figure) in &self.figures {
            let _ = writeln!(text, "| {name} | {} |", shown(*figure));
        }
        if !self.published.is_empty() {
            text.push_str("\n| as published tables take it | value |\n|---|---|\n");
            for (name, figure) in &self.published {
                let _ = writeln!(text, "| {name} | {figure:.2} |");
            }
        }
        if let Some(breakdown) = &self.breakdown {
            let heads = breakdown.columns.join(" | ");
            let line = "---|".repeat(breakdown.columns.len());
            let _ = write!(
                text,
                "\n| {} | n | {heads} |\n|---|---|{line}\n",
                breakdown.by
            );
            for (name, n, figures) in &breakdown.rows {
                let cells: Vec<String> = figures
                    .iter()
                    .map(|figure| figure.map_or_else(|| "-".to_owned(), shown))
                    .collect();
                let name = name.replace('|', "\\|");
                let _ = writeln!(text, "| {name} | {n} | {} |", cells.join(" | "));
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }

    fn add(&mut self, name: impl Into<String>, figure: Option<f64>) {
        if let Some(figure) = figure {
            self.figures.push((name.into(), figure));
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn texts(&mut self, table: &Table) {
        for name in ["bleu1", "rouge1", "meteor", "bertscore"] {
            self.add(name, table.mean(name, |_| true));
        }
        self.note("BLEU-1, ROUGE-1 and METEOR are means over the answers, 0 to 1.");
        if table.column("bertscore").is_none() {
            self.note("There is no BERTScore: no model for it was given (--bertscore).");
        } else {
            self.note(
                "BERTScore is that of the model given; figures published with roberta-large lie higher.",
            );
        }
    }

    fn report(&mut self, table: &Table) {
        let mut counts = FindingCounts::default();
        let kinds = |text: &str| -> Vec<FindingKind> {
            let named = |name: &str| FindingKind::ALL.into_iter().find(|k| k.name() == name);
            text.split('|').filter_map(named).collect()
        };
        for row in &table.rows {
            counts.add(
                &kinds(table.cell(row, "findings_told")),
                &kinds(table.cell(row, "findings")),
            );
        }
        let recall = counts.recall();
        // Where there are findings and none is mentioned, nothing that was said is right.
        self.add(
            "finding_precision",
            counts.precision().or(recall.map(|_| 0.0)),
        );
        self.add("finding_recall", recall);
        let per_kind = FindingKind::ALL.into_iter().map(|kind| {
            let mut own = FindingCounts::default();
            let only = |text: &str| -> Vec<FindingKind> {
                kinds(text).into_iter().filter(|k| *k == kind).collect()
            };
            for row in &table.rows {
                own.add(
                    &only(table.cell(row, "findings_told")),
                    &only(table.cell(row, "findings")),
                );
            }
            let n = (own.right + own.missed) as usize;
            (
                kind.name().to_owned(),
                n,
                vec![own.precision(), own.recall()],
            )
        });
        self.breakdown = Some(Breakdown {
            by: "finding",
            columns: vec!["precision", "recall"],
            rows: per_kind.collect(),
        });
        self.note("Findings are read from the words of both reports by one rule.");
    }

    fn vqa_closed(&mut self, table: &Table) {
        self.add("accuracy", table.mean("correct", |_| true));
        let mut means = Vec::new();
        let mut rows = Vec::new();
        // In M3D-VQA's order, where there are such questions.
        for kind in ["plane", "phase", "organ", "abnormality", "location"] {
            let of_kind = |row: &[String]| table.cell(row, "type") == kind;
            if let Some(mean) = table.mean("correct", of_kind) {
                means.push(mean);
                self.add(format!("accuracy_{kind}"), Some(mean));
                rows.push((kind.to_owned(), table.count(of_kind), vec![Some(mean)]));
            }
        }
        let mean = means.iter().sum::<f64>() / means.len().max(1) as f64;
        self.add(
            "accuracy_mean_of_types",
            (!means.is_empty()).then_some(mean),
        );
        self.breakdown = Some(Breakdown {
            by: "type",
            columns: vec!["accuracy"],
            rows,
        });
    }

    /// The rows that were not asked: structures of too few voxels.
    fn left_out(&mut self, table: &Table) {
        let left = table.count(|row| table.cell(row, "present") == "too little");
        if left > 0 {
            self.note(format!(
                "{left} structures of too few voxels to be fair were not asked for."
            ));
        }
    }

    fn rec(&mut self, table: &Table) {
        let present = |row: &[String]| table.cell(row, "present") == "yes";
        let absent = |row: &[String]| table.cell(row, "present") == "no";
        self.n = table.count(|row| present(row) || absent(row));
        self.add("iou", table.mean("iou", present));
        self.add("iou_reference", table.mean("iou_reference", present));
        self.refusals(table);
        self.by_class(table, &["iou", "iou_reference"], present);
        self.note(
            "iou is the true one (0 where the answer has no box); iou_reference divides by the box that encloses both \
             and is -1 where the answer has no box. Both are means over structures that are there.",
        );
        self.left_out(table);
    }

    /// The share of what is absent that was refused, and of what is there that was missed.
    fn refusals(&mut self, table: &Table) {
        let share = |presence: &str| {
            let fits = |row: &[String]| table.cell(row, "present") == presence;
            let refused = |row: &[String]| fits(row) && table.cell(row, "refused") == "yes";
            let n = table.count(fits);
            (n > 0).then(|| table.count(refused) as f64 / n as f64)
        };
        let absent = table.count(|row| table.cell(row, "present") == "no");
        self.add("refused", share("no"));
        self.add("missed", share("yes"));
        self.note(format!(
            "refused: the share of the {absent} questions about what is absent that were answered with a refusal; \
             missed: the share of what is there that the answer shows no place of."
        ));
    }

    fn reg(&mut self, table: &Table) {
        let present = |row: &[String]| table.cell(row, "present") == "yes";
        self.n = table.count(present);
        self.add("name_accuracy", table.mean("name_right", present));
        self.by_class(table, &["name_right"], present);
        self.note("A name is right where the first structure that the answer names is the one in the box.");
        self.left_out(table);
    }

    fn masks(&mut self, table: &Table) {
        let present = |row: &[String]| table.cell(row, "present") == "yes";
        let asked = |row: &[String]| table.number(row, "dice").is_some();
        self.n = table.count(asked);
        self.add("dice", table.mean("dice", present));
        self.add("dice_soft", table.mean("dice_soft", present));
        self.add("dice_with_absent", table.mean("dice", asked));
        self.refusals(table);
        if table.column("class").is_some() {
            self.by_class(table, &["dice", "dice_soft", "voxels"], present);
        }
        self.note(
            "dice and dice_soft are means over structures that are there; dice_with_absent also counts what is absent, \
             where nothing drawn is 1.",
        );
        self.left_out(table);
    }

    fn by_class(
        &mut self,
        table: &Table,
        columns: &[&'static str],
        fits: impl Fn(&[String]) -> bool,
    ) {
        let rows = table.words("class").into_iter().filter_map(|class| {
            let own = |row: &[String]| table.cell(row, "class") == class && fits(row);
            let n = table.count(own);
            let figures = columns.iter().map(|column| table.mean(column, own));
            (n > 0).then(|| (class.to_owned(), n, figures.collect()))
        });
        self.breakdown = Some(Breakdown {
            by: "class",
            columns: columns.to_vec(),
            rows: rows.collect(),
        });
    }

    fn retrieval(&mut self, table: &Table) {
        let recalls = retrieval::recalls(table);
        let ks = [1, 5, 10];
        if let Some(first) = recalls.first() {
            for (n, k) in ks.into_iter().enumerate() {
                self.add(format!("r{k}"), Some(first.texts[n]));
            }
            for (n, k) in ks.into_iter().enumerate() {
                self.add(format!("tr_r{k}"), Some(first.images[n]));
            }
            self.add("pool", Some(first.pool as f64));
            self.note(format!(
                "r1, r5, r10 rank the texts for an image (IR), tr_r1 and so on the images for a text (TR), each in pools \
                 of {}; means over as many pools as there are pairs for.",
                first.pool
            ));
        }
        let rows = recalls.iter().map(|r| {
            let figures = r.texts.iter().chain(&r.images).map(|&v| Some(v));
            (r.pool.to_string(), r.pools, figures.collect())
        });
        self.breakdown = Some(Breakdown {
            by: "pool",
            columns: vec!["IR R@1", "IR R@5", "IR R@10", "TR R@1", "TR R@5", "TR R@10"],
            rows: rows.collect(),
        });
    }
}

/// What can be laid beside published tables. There every row counts: a question about what is absent is a row whose box
/// is missing (-1 for the benchmark's IoU) and whose mask has nothing to agree with.
fn published(
    task: BenchTask,
    table: &Table,
    figures: &[(String, f64)],
) -> Vec<(&'static str, f64)> {
    let percent = |name: &'static str, own: &str| {
        let found = figures.iter().find(|(figure, _)| figure == own)?;
        Some((name, 100.0 * found.1))
    };
    let asked = |row: &[String]| ["yes", "no"].contains(&table.cell(row, "present"));
    let found = match task {
        BenchTask::Report | BenchTask::VqaOpen | BenchTask::Reg => vec![
            percent("BLEU-1", "bleu1"),
            percent("ROUGE-1", "rouge1"),
            percent("METEOR", "meteor"),
            percent("BERTScore F1", "bertscore"),
        ],
        BenchTask::VqaClosed => vec![
            percent("plane", "accuracy_plane"),
            percent("phase", "accuracy_phase"),
            percent("organ", "accuracy_organ"),
            percent("abnormality", "accuracy_abnormality"),
            percent("location", "accuracy_location"),
            percent("mean", "accuracy_mean_of_types"),
        ],
        BenchTask::Rec => {
            let (mut sum, mut n) = (0.0, 0.0);
            for row in table.rows.iter().filter(|row| asked(row)) {
                sum += table.number(row, "iou_reference").unwrap_or(-1.0);
                n += 1.0;
            }
            vec![(n > 0.0).then_some(("IoU", sum / n))]
        }
        BenchTask::Seg | BenchTask::RefSeg => {
            let drawn = |row: &[String]| table.number(row, "dice_soft").is_some();
            vec![table.mean("dice_soft", drawn).map(|mean| ("Dice", mean))]
        }
        BenchTask::Retrieval => vec![
            percent("IR R@1", "r1"),
            percent("IR R@5", "r5"),
            percent("IR R@10", "r10"),
            percent("TR R@1", "tr_r1"),
            percent("TR R@5", "tr_r5"),
            percent("TR R@10", "tr_r10"),
        ],
    };
    found.into_iter().flatten().collect()
}

fn shown(figure: f64) -> String {
    if figure.fract() == 0.0 && figure.abs() > 1.0 {
        format!("{figure}")
    } else {
        format!("{figure:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &str, rows: &[&str]) -> Table {
        let words = |line: &str| line.split(',').map(str::to_owned).collect();
        Table {
            columns: words(columns),
            rows: rows.iter().map(|row| words(row)).collect(),
        }
    }

    fn figure(summary: &Summary, name: &str) -> f64 {
        let found = summary.figures.iter().find(|(n, _)| n == name);
        found.unwrap_or_else(|| panic!("no {name}")).1
    }

    #[test]
    fn absent_structures_count_as_refusals_and_not_as_boxes() {
        let rows = table(
            "class,present,iou,iou_reference,refused",
            &[
                "liver,yes,0.5,0.25,no",
                "spleen,yes,0,-1,yes",
                "ribs,no,,,yes",
                "heart,no,,,no",
                "colon,too little,,,",
            ],
        );
        let summary = Summary::of(BenchTask::Rec, &rows);
        assert_eq!(summary.n, 4);
        assert_eq!(figure(&summary, "iou"), 0.25);
        assert_eq!(figure(&summary, "iou_reference"), -0.375);
        assert_eq!(figure(&summary, "refused"), 0.5);
        assert_eq!(figure(&summary, "missed"), 0.5);
        // The reference counts -1 wherever a box is missing, whether there should be one or not.
        assert_eq!(summary.published, [("IoU", (0.25 - 1.0 - 1.0 - 1.0) / 4.0)]);
        assert_eq!(summary.json()["published"]["IoU"], -0.6875);
        let text = summary.markdown();
        assert!(text.contains("| liver | 1 | 0.5000 | 0.2500 |"), "{text}");
        assert!(text.contains("1 structures of too few voxels"), "{text}");
    }

    #[test]
    fn accuracy_is_told_per_type() {
        let rows = table("type,correct", &["plane,1", "plane,0", "organ,1", ",1"]);
        let summary = Summary::of(BenchTask::VqaClosed, &rows);
        assert_eq!(figure(&summary, "accuracy"), 0.75);
        assert_eq!(figure(&summary, "accuracy_plane"), 0.5);
        assert_eq!(figure(&summary, "accuracy_mean_of_types"), 0.75);
        let document = summary.json();
        assert_eq!(document["task"], "vqa-closed");
        assert_eq!(document["n"], 4);
        assert_eq!(document["summary"]["accuracy_organ"], 1.0);
        let wanted = json!({"plane": 50.0, "organ": 100.0, "mean": 75.0});
        assert_eq!(document["published"], wanted);
        assert!(summary.markdown().contains("| mean | 75.00 |"));
    }

    #[test]
    fn published_masks_count_what_is_absent() {
        let rows = table(
            "class,present,dice,dice_soft,refused",
            &[
                "liver,yes,0.8,0.6,no",
                "ribs,no,1,0,yes",
                "colon,too little,,,",
            ],
        );
        let summary = Summary::of(BenchTask::Seg, &rows);
        assert_eq!(figure(&summary, "dice_soft"), 0.6);
        assert_eq!(summary.published, [("Dice", 0.3)]);
    }

    #[test]
    fn findings_are_counted_over_all_reports() {
        let rows = table(
            "findings,findings_told,bleu1,rouge1,meteor",
            &[
                "liver lesion|rib fracture,liver lesion,0.5,0.5,0.5",
                ",kidney stone,0.1,0.1,0.1",
            ],
        );
        let summary = Summary::of(BenchTask::Report, &rows);
        assert_eq!(figure(&summary, "finding_precision"), 0.5);
        assert_eq!(figure(&summary, "finding_recall"), 0.5);
        assert!((figure(&summary, "bleu1") - 0.3).abs() < 1e-12);
        assert!(summary.figures.iter().all(|(name, _)| name != "bertscore"));
        let said = summary
            .notes
            .iter()
            .any(|note| note.contains("no BERTScore"));
        assert!(said);
    }
}
