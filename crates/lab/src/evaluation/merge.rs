//! The rows of several shares as one table.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::bench::{other_run, with_synonyms_note, write_summary};
use super::rows::{RunFacts, files_named, read_table, write_table};
use super::{BenchTask, EvaluationError, Summary, Table};

/// What became of the shares.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The figures of all rows.
    pub summary: Summary,
    /// The table of all rows.
    pub table: PathBuf,
    /// The shares that are not there, as `2/8`.
    pub missing: Vec<String>,
}

/// Joins the tables (`samples*.csv`) of folders that hold the shares of one run, writes `merged.csv` and `summary.md`
/// into the first, and sums all rows up.
///
/// # Errors
/// When there is no table, they belong to different runs, or one is damaged.
pub fn merge(folders: &[PathBuf]) -> Result<Merged, EvaluationError> {
    let mut facts: Option<RunFacts> = None;
    let mut tables = Vec::new();
    for folder in folders {
        for path in files_named(folder, "run", ".json")? {
            let Some(found) = RunFacts::read(&path)? else {
                continue;
            };
            if let Some(differs) = facts.as_ref().and_then(|first| found.differs(first)) {
                return Err(other_run(&path, differs));
            }
            facts = Some(found);
        }
        tables.extend(files_named(folder, "samples", ".csv")?);
    }
    let Some(out) = folders.first() else {
        return Err(EvaluationError::file(
            &PathBuf::new(),
            "no folder was given; give those of the shares",
        ));
    };
    let mut all = Table::default();
    let mut seen: HashSet<String> = HashSet::new();
    for path in &tables {
        let (table, _) = read_table(path)?;
        if all.columns.is_empty() {
            all.columns = table.columns;
        } else if !table.columns.is_empty() && all.columns != table.columns {
            let differs = ("columns", table.columns.join(" "), all.columns.join(" "));
            return Err(other_run(path, differs));
        }
        for row in table.rows {
            let id = all.cell(&row, "id").to_owned();
            // One asked twice, in a share and in a run of everything, counts once.
            if seen.insert(id) {
                all.rows.push(row);
            }
        }
    }
    if all.rows.is_empty() {
        let message =
            "it holds no rows of a benchmark (samples*.csv); give the folders that --out named";
        return Err(EvaluationError::file(out, message));
    }
    let named = all.words("task").join(" ");
    let task = BenchTask::from_name(&named).ok_or_else(|| {
        EvaluationError::file(
            out,
            format!("its rows belong to {named:?}, which is no one task"),
        )
    })?;
    let id = all.column("id").unwrap_or_default();
    all.rows.sort_by(|a, b| a.get(id).cmp(&b.get(id)));
    let merged = out.join("merged.csv");
    write_table(&merged, &all)?;
    let synonyms = facts.is_none_or(|facts| facts.synonyms);
    let summary = with_synonyms_note(Summary::of(task, &all), synonyms);
    write_summary(out, &summary)?;
    Ok(Merged {
        summary,
        table: merged,
        missing: missing(&tables),
    })
}

/// The shares whose files are not among these, by what the names of the others say.
fn missing(tables: &[PathBuf]) -> Vec<String> {
    let mut there: HashMap<usize, Vec<usize>> = HashMap::new();
    for path in tables {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let share = name
            .strip_prefix("samples.")
            .and_then(|rest| rest.strip_suffix(".csv"))
            .and_then(|rest| rest.split_once("-of-"))
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match share {
            // So the last one was called when shares were counted from 0.
            Some((0, count)) => there.entry(count).or_default().push(count),
            Some((index, count)) => there.entry(count).or_default().push(index),
            // Everything was asked in one run.
            None => return Vec::new(),
        }
    }
    let mut missing = Vec::new();
    for (count, indices) in there {
        let lacking = (1..=count.min(100_000)).filter(|index| !indices.contains(index));
        missing.extend(lacking.map(|index| format!("{index}/{count}")));
    }
    missing.sort();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_that_are_not_there_are_named() {
        let paths = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
        let found = missing(&paths(&["a/samples.1-of-3.csv", "b/samples.3-of-3.csv"]));
        assert_eq!(found, ["2/3"]);
        let found = missing(&paths(&["a/samples.0-of-3.csv", "b/samples.2-of-3.csv"]));
        assert_eq!(found, ["1/3"]);
        assert!(missing(&paths(&["samples.csv"])).is_empty());
    }
}
