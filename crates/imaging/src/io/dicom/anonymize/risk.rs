//! Pixels that may show who the patient is.

use dicom_dictionary_std::tags;

use super::facts::Facts;
use crate::io::error::Refusal;

/// Modalities whose pictures carry names as a rule, whatever their header says.
const ANNOTATED: [&str; 4] = ["US", "SC", "XA", "RF"];

/// Storage classes of such pictures: secondary capture, ultrasound, angiography and fluoroscopy.
const ANNOTATED_CLASSES: [&str; 13] = [
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.1.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
    "1.2.840.10008.5.1.4.1.1.12.2.1",
];

/// Words for the head, in what an image says of itself.
const HEAD: [&str; 30] = [
    "head",
    "brain",
    "skull",
    "crani",
    "cerebr",
    "neuro",
    "face",
    "facial",
    "orbit",
    "sinus",
    "kopf",
    "schädel",
    "schaedel",
    "hirn",
    "gesicht",
    "tête",
    "tete",
    "crâne",
    "cerveau",
    "cabeza",
    "cráneo",
    "cerebro",
    "testa",
    "encefalo",
    "mprage",
    "голов",
    "мозг",
    "头",
    "脑",
    "頭",
];

impl Facts {
    /// Refuses pictures in which text is burned in, or often is.
    pub(in crate::io) fn refuse_burned_in(&self) -> Result<(), Refusal> {
        let modality = self.text(tags::MODALITY);
        let stated = self.text(tags::BURNED_IN_ANNOTATION);
        let is_screen = self.text(tags::IMAGE_TYPE).contains("SCREEN");
        let why = if !stated.is_empty() && !stated.eq_ignore_ascii_case("NO") {
            "it says that text is burned into its pixels".to_owned()
        } else if ANNOTATED.contains(&modality) {
            format!("names are often burned into the pixels of its kind ({modality})")
        } else if is_screen || ANNOTATED_CLASSES.contains(&self.class.as_str()) {
            "names are often burned into the pixels of its kind (a captured screen)".to_owned()
        } else {
            return Ok(());
        };
        let message =
            format!("{why}; look at it, and keep it with --keep-burned-in if there are none");
        Err(Refusal::new("burned_in", message))
    }

    /// Whether a face could be drawn from the image.
    pub(in crate::io) fn shows_face(&self) -> bool {
        let is_volume = ["CT", "MR", "PT", ""].contains(&self.text(tags::MODALITY));
        let texts = [
            tags::BODY_PART_EXAMINED,
            tags::STUDY_DESCRIPTION,
            tags::SERIES_DESCRIPTION,
            tags::PROTOCOL_NAME,
            tags::IMAGE_COMMENTS,
        ];
        let is_said = self.text(tags::RECOGNIZABLE_VISUAL_FEATURES) == "YES";
        is_said || is_volume && texts.iter().any(|tag| names_head(self.text(*tag)))
    }
}

/// Whether a text speaks of the head.
pub(in crate::io) fn names_head(text: &str) -> bool {
    let text = text.to_lowercase();
    HEAD.iter().any(|word| text.contains(word))
}
