//! WordNet's files (WNDB, version 3.0 or near it), as far as synonyms need them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why WordNet cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WordNetError {
    /// A file is missing or cannot be read.
    #[error(
        "{} cannot be read ({reason}); give the folder that holds WordNet's index.noun, data.noun and noun.exc",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A line is not as WNDB has it.
    #[error("{}: line {line} is no line of WordNet 3; fetch the file again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
    },
}

/// The largest file that is read; WordNet 3.1's largest has 16 MB.
const MOST_BYTES: u64 = 256 << 20;

/// Endings that a form may have and what stands there in the dictionary, per part of speech.
const PARTS: [(&str, &[(&str, &str)]); 4] = [
    (
        "noun",
        &[
            ("s", ""),
            ("ses", "s"),
            ("ves", "f"),
            ("xes", "x"),
            ("zes", "z"),
            ("ches", "ch"),
            ("shes", "sh"),
            ("men", "man"),
            ("ies", "y"),
        ],
    ),
    (
        "verb",
        &[
            ("s", ""),
            ("ies", "y"),
            ("es", "e"),
            ("es", ""),
            ("ed", "e"),
            ("ed", ""),
            ("ing", "e"),
            ("ing", ""),
        ],
    ),
    ("adj", &[("er", ""), ("est", ""), ("er", "e"), ("est", "e")]),
    ("adv", &[]),
];

/// WordNet in memory: lemmas, their synonym sets, and irregular forms.
#[derive(Debug)]
pub struct WordNet {
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Part {
    endings: &'static [(&'static str, &'static str)],
    /// The offsets of a lemma's synonym sets.
    sets: HashMap<String, Vec<u64>>,
    /// The single words of each synonym set.
    words: HashMap<u64, Vec<String>>,
    /// Irregular forms.
    exceptions: HashMap<String, Vec<String>>,
}

impl WordNet {
    /// Reads `index.*`, `data.*` and `*.exc` of a folder.
    ///
    /// # Errors
    /// When a file is missing or is not as WNDB has it.
    pub fn open(folder: &Path) -> Result<Self, WordNetError> {
        let parts = PARTS
            .into_iter()
            .map(|(name, endings)| Part::open(folder, name, endings));
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
        })
    }

    /// The word itself and all single words that share a synonym set with it, or with its base form.
    pub fn synonyms(&self, word: &str) -> HashSet<String> {
        let mut found = HashSet::from([word.to_owned()]);
        let lower = word.to_lowercase();
        for part in &self.parts {
            for form in part.base_forms(&lower) {
                for set in part.sets.get(&form).into_iter().flatten() {
                    found.extend(part.words.get(set).into_iter().flatten().cloned());
                }
            }
        }
        found
    }
}

impl Part {
    fn open(
        folder: &Path,
        name: &str,
        endings: &'static [(&'static str, &'static str)],
    ) -> Result<Self, WordNetError> {
        let mut part = Self {
            endings,
            ..Self::default()
        };
        each_line(&folder.join(format!("index.{name}")), |line| {
            let mut words = line.split_ascii_whitespace();
            let lemma = words.next()?.to_owned();
            let number = |words: &mut std::str::SplitAsciiWhitespace<'_>| -> Option<usize> {
                words.next()?.parse().ok()
            };
            words.next()?;
            let sets = number(&mut words)?;
            let pointers = number(&mut words)?;
            // The signs of pointers, the number of senses and of those ranked.
            words.by_ref().take(pointers).for_each(drop);
            number(&mut words)?;
            number(&mut words)?;
            let offsets: Option<Vec<u64>> = words.take(sets).map(|w| w.parse().ok()).collect();
            part.sets.insert(lemma, offsets?);
            Some(())
        })?;
        each_line(&folder.join(format!("data.{name}")), |line| {
            let mut columns = line.split_ascii_whitespace();
            let offset = columns.next()?.parse().ok()?;
            let count = usize::from_str_radix(columns.nth(2)?, 16).ok()?;
            let mut words = Vec::new();
            for _ in 0..count {
                let word = columns.next()?;
                columns.next()?;
                // Adjectives may carry their place: `galore(ip)`.
                let word = word.split_once('(').map_or(word, |(word, _)| word);
                if !word.contains('_') {
                    words.push(word.to_owned());
                }
            }
            part.words.insert(offset, words);
            Some(())
        })?;
        each_line(&folder.join(format!("{name}.exc")), |line| {
            let mut words = line.split_ascii_whitespace().map(str::to_owned);
            let form = words.next()?;
            part.exceptions.insert(form, words.collect());
            Some(())
        })?;
        Ok(part)
    }

    /// The form and its base forms, as far as the dictionary has them.
    fn base_forms(&self, form: &str) -> Vec<String> {
        let mut forms = vec![form.to_owned()];
        if let Some(irregular) = self.exceptions.get(form) {
            forms.extend(irregular.iter().cloned());
        } else {
            let cut = self.endings.iter().filter_map(|(ending, base)| {
                let stem = form.strip_suffix(ending)?;
                Some(format!("{stem}{base}"))
            });
            forms.extend(cut);
        }
        forms.retain(|form| self.sets.contains_key(form));
        forms
    }
}

/// Hands out the lines that are not empty and not part of the licence, which is indented.
fn each_line(path: &Path, mut each: impl FnMut(&str) -> Option<()>) -> Result<(), WordNetError> {
    let failed = |reason: String| WordNetError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(failed("it is far larger than WordNet's files".to_owned()));
    }
    let text = String::from_utf8_lossy(&bytes);
    for (n, line) in text.lines().enumerate() {
        if line.starts_with(' ') || line.trim().is_empty() {
            continue;
        }
        each(line).ok_or_else(|| WordNetError::Damaged {
            path: path.to_owned(),
            line: n + 1,
        })?;
    }
    Ok(())
}
