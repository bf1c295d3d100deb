//! What a report is begun with: files that a department can edit.

use std::path::{Path, PathBuf};

use m3d_imaging::terms::{Lexicon, Term};
use serde::Deserialize;

use super::words::date_words;
use crate::app::workspace::{ImageRecord, Report, Section, SectionKind};

/// The template that is built in, as a file.
const GENERAL: &str = include_str!("../../../assets/report/general.toml");

/// Limits of what is read.
const MOST_FILES: usize = 100;
const MOST_BYTES: u64 = 256 << 10;
const MOST_SECTIONS: usize = 200;

/// What a section begins with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    heading: String,
    #[serde(default)]
    kind: SectionKind,
    /// The structures it speaks of, by any of their names.
    #[serde(default)]
    about: Vec<String>,
    /// What it says, with places that are filled in.
    #[serde(default)]
    text: String,
}

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// What the reader calls it.
    pub name: String,
    /// The modalities (0008,0060) it is for; none for all.
    #[serde(default)]
    pub modalities: Vec<String>,
    #[serde(rename = "section")]
    sections: Vec<Part>,
}

/// The templates that are here.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    /// The built-in one and the reader's own, by name.
    pub list: Vec<Template>,
    /// What is wrong with files that could not be used.
    pub troubles: Vec<String>,
    /// The reader's own folder; none where settings are not kept.
    pub folder: Option<PathBuf>,
}

impl Templates {
    /// The built-in template, and the `.toml` files of a folder; one of the same name takes the place of the built-in one.
    pub fn read(folder: Option<PathBuf>) -> Self {
        let mut templates = Self {
            folder,
            ..Self::default()
        };
        let own = templates.folder.clone();
        for path in own.iter().flat_map(|folder| files_in(folder)) {
            match Template::read(&path) {
                Ok(template) => templates.list.push(template),
                Err(why) => {
                    let trouble = format!("{}: {why}", path.display());
                    templates.troubles.push(trouble);
                }
            }
        }
        match Template::parse(GENERAL) {
            Ok(general) if templates.named(&general.name).is_none() => {
                templates.list.insert(0, general);
            }
            Ok(_) => {}
            Err(why) => templates.troubles.push(why),
        }
        templates
    }

    /// The template of a name.
    pub fn named(&self, name: &str) -> Option<&Template> {
        self.list.iter().find(|template| template.name == name)
    }

    /// Writes the built-in template to the reader's folder, to be changed; where it is then.
    ///
    /// # Errors
    /// When there is no such folder, a file of that name is there, or it cannot be written.
    pub fn copy_built_in(&self) -> std::io::Result<PathBuf> {
        let none = || std::io::Error::other("there is no folder for settings");
        let folder = self.folder.as_ref().ok_or_else(none)?;
        std::fs::create_dir_all(folder)?;
        let path = folder.join("general.toml");
        let mut file = std::fs::File::create_new(&path)?;
        std::io::Write::write_all(&mut file, GENERAL.as_bytes())?;
        Ok(path)
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .take(MOST_FILES)
        .collect();
    files.sort();
    files
}

impl Template {
    fn read(path: &Path) -> Result<Self, String> {
        let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if !about.is_file() || about.len() > MOST_BYTES {
            return Err(format!("no file of at most {} KiB", MOST_BYTES >> 10));
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let template: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() {
            return Err("its name is empty".to_owned());
        }
        if self.sections.is_empty() || self.sections.len() > MOST_SECTIONS {
            return Err(format!("it needs 1 to {MOST_SECTIONS} sections"));
        }
        let lexicon = Lexicon::built_in();
        for part in &self.sections {
            if part.heading.trim().is_empty() {
                return Err("a section has no heading".to_owned());
            }
            for name in &part.about {
                if lexicon.get(name).is_none() {
                    let heading = &part.heading;
                    return Err(format!(
                        "{name:?} under {heading:?} is no name that is known"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether it is for images of a modality.
    pub fn is_for(&self, modality: &str) -> bool {
        self.modalities.is_empty() || self.modalities.iter().any(|m| m == modality)
    }

    /// A report on an image.
    pub fn begin(&self, record: &ImageRecord) -> Report {
        let sections = self.sections.iter().map(|part| {
            let text = filled(&part.text, record);
            Section::new(part.heading.clone(), part.kind, part.about.clone(), text)
        });
        Report {
            image: record.identity.key.clone(),
            template: self.name.clone(),
            sections: sections.collect(),
            key_images: Vec::new(),
        }
    }
}

/// A template's text with what is known of an image in its places; gaps that stay empty close.
fn filled(text: &str, record: &ImageRecord) -> String {
    let (dims, spacing) = (record.grid.dims(), record.grid.spacing_mm());
    let description = &record.description;
    // Many a description begins with the modality.
    let says_it = description.starts_with(&record.modality_code);
    let modality = if says_it && text.contains("{description}") {
        ""
    } else {
        record.modality_code.as_str()
    };
    let mut filled = text.to_owned();
    for (place, words) in [
        ("{modality}", modality.to_owned()),
        ("{description}", description.clone()),
        ("{date}", date_words(&record.study_date)),
        ("{voxels}", format!("{} × {} × {}", dims.x, dims.y, dims.z)),
        (
            "{spacing}",
            format!("{:.2} × {:.2} × {:.2}", spacing.x, spacing.y, spacing.z),
        ),
    ] {
        filled = filled.replace(place, &words);
    }
    let lines = filled.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let line = words.join(" ");
        line.replace(" ,", ",")
            .replace(", .", ".")
            .replace(" .", ".")
    });
    let lines: Vec<String> = lines.collect();
    lines.join("\n")
}

/// Where a report speaks of the first of some terms that it has a section about: that section, or else the one about
/// anything, or the last of the findings.
pub fn section_for(report: &Report, terms: &[&'static Term]) -> usize {
    let findings = || {
        let sections = report.sections.iter().enumerate();
        sections.filter(|(_, section)| section.kind == SectionKind::Findings)
    };
    let lexicon = Lexicon::built_in();
    let is_about = |section: &Section, term: &'static Term| {
        let mut about = section.about.iter().filter_map(|name| lexicon.get(name));
        about.any(|about| belongs(term, about))
    };
    let mut terms = terms.iter();
    let about = terms.find_map(|term| findings().find(|(_, section)| is_about(section, term)));
    let other = || findings().find(|(_, section)| section.about.is_empty());
    let found = about.or_else(other).or_else(|| findings().next_back());
    found.map_or(report.sections.len().saturating_sub(1), |(at, _)| at)
}

/// Whether a term is a structure, lies in it or is a part of it.
fn belongs(term: &'static Term, structure: &'static Term) -> bool {
    let mut around = vec![term];
    let mut at = 0;
    while let Some(&next) = around.get(at) {
        for wider in [next.organ(), next.unsided(), next.whole()]
            .into_iter()
            .flatten()
        {
            if !around.contains(&wider) {
                around.push(wider);
            }
        }
        at += 1;
    }
    around.iter().any(|term| holds(structure, term))
}

/// Whether a structure is a term, or has it among its members and parts.
fn holds(structure: &'static Term, term: &Term) -> bool {
    let mut below = structure.members().iter().chain(structure.parts());
    structure == term || below.any(|part| holds(part, term))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::report::tests::record;

    fn general() -> Template {
        Template::parse(GENERAL).unwrap()
    }

    #[test]
    fn the_built_in_template_is_whole_and_filled_in() {
        let report = general().begin(&record());
        let technique = &report.sections[1].pieces[0];
        assert_eq!(
            technique.content,
            crate::app::Content::Text(
                "CT chest, 200 × 100 × 50 voxels of 2.00 × 2.00 × 5.00 mm, 2024-02-29.".into()
            )
        );
    }

    #[test]
    fn findings_go_where_their_organ_is_spoken_of() {
        let report = general().begin(&record());
        let heading = |name: &str| {
            let term = Lexicon::built_in().get(name);
            assert!(term.is_some(), "{name}");
            report.sections[section_for(&report, term.as_slice())]
                .heading
                .as_str()
        };
        for (name, wanted) in [
            ("left kidney cyst", "Kidneys and adrenal glands"),
            ("right lower lobe", "Lungs and pleura"),
            ("left pleural effusion", "Lungs and pleura"),
            ("liver lesion", "Liver and bile ducts"),
            ("L3 vertebra", "Bones and soft tissues"),
            ("splenomegaly", "Pancreas and spleen"),
            ("lesion", "Other findings"),
        ] {
            assert_eq!(heading(name), wanted, "{name}");
        }
        assert_eq!(
            report.sections[section_for(&report, &[])].heading,
            "Other findings"
        );
    }

    #[test]
    fn a_folder_of_templates_is_read_and_what_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put(
            "ours.toml",
            "name = \"Ours\"\nmodalities = [\"MR\"]\n[[section]]\nheading = \"Brain\"\nabout = [\"brain\"]",
        );
        put("broken.toml", "name = ");
        put("empty.toml", "name = \"Empty\"\nsection = []");
        put(
            "unknown.toml",
            "name = \"U\"\n[[section]]\nheading = \"X\"\nabout = [\"xyzzy\"]",
        );
        put(
            "field.toml",
            "name = \"F\"\ncolour = 1\n[[section]]\nheading = \"X\"",
        );
        put("notes.txt", "no template");
        let templates = Templates::read(Some(folder.path().to_owned()));
        let names: Vec<&str> = templates.list.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["General", "Ours"]);
        assert_eq!(templates.troubles.len(), 4, "{:?}", templates.troubles);
        assert!(templates.troubles.iter().any(|t| t.contains("xyzzy")));
        assert!(templates.list[1].is_for("MR") && !templates.list[1].is_for("CT"));
        // The copy takes the place of the built-in one, and nothing is written over.
        let copy = templates.copy_built_in().unwrap();
        assert!(templates.copy_built_in().is_err());
        let text = std::fs::read_to_string(&copy).unwrap();
        std::fs::write(&copy, text.replace("Indication", "Why")).unwrap();
        let again = Templates::read(templates.folder.clone());
        let general = again.named("General").unwrap().begin(&record());
        assert_eq!(general.sections[0].heading, "Why");
        assert_eq!(again.list.len(), 2);
    }
}
