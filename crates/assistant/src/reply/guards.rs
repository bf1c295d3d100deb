//! Whether what a model answered is about what it was asked.

use m3d_imaging::terms::{Lexicon, Term};
use m3d_imaging::volume::Modality;
use m3d_imaging::volume::measure::Measures;

use crate::inference::Answer;

/// What a model's answer to a request for a mask or a box comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It drew or found what it was asked for.
    Found,
    /// It says that there is none.
    Refused,
    /// It must not be believed; why.
    Unusable(String),
}

/// How the models of this kind say that there is nothing (M3D's training data).
const REFUSALS: [&str; 4] = ["sorry", "there is no", "there are no", "not present"];

/// What an answer to a request for `asked` comes to, by its words. A mask is looked at by [`check_mask`].
pub(super) fn verdict(answer: &Answer, asked: &Term) -> Verdict {
    let text = answer.text.to_lowercase();
    let mentions = Lexicon::built_in().mentions(&answer.text);
    let stranger = mentions.iter().find(|m| !is_about(m.term, asked));
    if let Some(stranger) = stranger {
        return Verdict::Unusable(format!(
            "the model was asked for {} and spoke of {}",
            asked.name(),
            stranger.term.name()
        ));
    }
    if answer.mask.is_some() || !answer.boxes.is_empty() {
        return Verdict::Found;
    }
    if REFUSALS.iter().any(|words| text.contains(words)) {
        return Verdict::Refused;
    }
    Verdict::Unusable("the model gave neither a place nor a refusal".to_owned())
}

/// Whether one term is the other, or the same without a side.
fn is_about(said: &Term, asked: &Term) -> bool {
    let same = |a: &Term, b: &Term| a.name() == b.name();
    let related = |a: &Term, b: &Term| {
        a.unsided().is_some_and(|pair| same(pair, b))
            || a.members().iter().any(|member| same(member, b))
            || a.organ().is_some_and(|organ| same(organ, b))
            || a.whole().is_some_and(|whole| same(whole, b))
    };
    same(said, asked) || related(said, asked) || related(asked, said)
}

/// What is full of air and may lie in darkness.
const AIRY: [&str; 6] = ["lung", "trachea", "bronch", "airway", "sinus", "emphysema"];
/// The mean of a mask of tissue is not below this, in HU: half of it would be air.
const MOSTLY_AIR: f64 = -450.0;

/// Whether a mask can be what it was drawn as: of at least one of the voxels it was drawn in, and inside the body.
///
/// # Errors
/// Why not, in words.
pub(super) fn check_mask(
    measures: &Measures,
    asked: &str,
    modality: Modality,
) -> Result<(), String> {
    if measures.drawn_voxels < 1.0 {
        return Err(format!(
            "the mask has only {:.2} mL, less than one voxel that the model draws",
            measures.volume_ml.value
        ));
    }
    let is_airy = AIRY.iter().any(|name| asked.contains(name));
    let mean = measures.values.as_ref().map(|values| values.mean);
    if modality == Modality::Ct && !is_airy && mean.is_some_and(|mean| mean < MOSTLY_AIR) {
        return Err("the mask lies mostly in air".to_owned());
    }
    Ok(())
}
