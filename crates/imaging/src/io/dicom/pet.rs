//! Standardised uptake values of PET (PS3.3 C.8.9; Quantitative Imaging Biomarkers Alliance, "SUV calculation").

use dicom_dictionary_std::tags;

use super::clock::{date_time, moment, seconds, zone_secs};
use super::dataset::DataSet;
use super::frame::Frame;
use super::header::{GE_SCAN_DATE_TIME, PHILIPS_ACTIVITY_FACTOR, PHILIPS_SUV_FACTOR};
use super::values::Notes;
use crate::volume::{Suv, SuvKind};

/// What a PET file says of the tracer and the patient's body. What is absent or unreadable is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::io) struct PetFacts {
    /// Units (0054,1001).
    pub units: String,
    suv_type: String,
    /// Decay Correction (0054,1102): START, ADMIN or NONE.
    decay: String,
    /// Corrected Image (0028,0051).
    corrected: Vec<String>,
    dose_bq: Option<f64>,
    half_life_secs: Option<f64>,
    /// Seconds since 1970-01-01, where the date is told.
    injected: Option<f64>,
    /// Seconds since midnight.
    injected_at: Option<f64>,
    series: Option<f64>,
    acquired: Option<f64>,
    ge_scan: Option<f64>,
    weight_kg: Option<f64>,
    philips_suv: Option<f64>,
    philips_activity: Option<f64>,
}

impl PetFacts {
    pub(super) fn read(values: &DataSet, notes: &Notes) -> Self {
        let number = |data: &DataSet, tag| {
            data.number(tag, notes).unwrap_or_else(|refusal| {
                notes.add(crate::io::Warning::new(refusal.code, refusal.message));
                None
            })
        };
        let positive = |data: &DataSet, tag| number(data, tag).filter(|&n| n > 0.0);
        let text = |tag| values.text(tag);
        let tracer = values.item(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
        let of_tracer = |tag| tracer.and_then(|data| positive(data, tag));
        let tracer_text = |tag| tracer.map(|data| data.text(tag)).unwrap_or_default();
        let zone = zone_secs(&text(tags::TIMEZONE_OFFSET_FROM_UTC));
        let local = |text: &str| {
            // Where the file tells no zone of its own, its clock is that of the text.
            let shift = zone_secs(text)
                .zip(zone)
                .map_or(0.0, |(theirs, ours)| ours - theirs);
            Some(date_time(text)? + shift)
        };
        let acquired = local(&text(tags::ACQUISITION_DATE_TIME));
        let ge = text(GE_SCAN_DATE_TIME);
        Self {
            units: text(tags::UNITS).to_uppercase(),
            suv_type: text(tags::SUV_TYPE).to_uppercase(),
            decay: text(tags::DECAY_CORRECTION).to_uppercase(),
            corrected: text(tags::CORRECTED_IMAGE)
                .split('\\')
                .map(|part| part.trim().to_uppercase())
                .collect(),
            dose_bq: of_tracer(tags::RADIONUCLIDE_TOTAL_DOSE),
            half_life_secs: of_tracer(tags::RADIONUCLIDE_HALF_LIFE),
            injected: local(&tracer_text(tags::RADIOPHARMACEUTICAL_START_DATE_TIME)),
            injected_at: seconds(&tracer_text(tags::RADIOPHARMACEUTICAL_START_TIME)),
            series: moment(&text(tags::SERIES_DATE), &text(tags::SERIES_TIME)),
            acquired: acquired
                .or_else(|| moment(&text(tags::ACQUISITION_DATE), &text(tags::ACQUISITION_TIME))),
            ge_scan: local(&ge),
            weight_kg: positive(values, tags::PATIENT_WEIGHT),
            philips_suv: positive(values, PHILIPS_SUV_FACTOR),
            philips_activity: positive(values, PHILIPS_ACTIVITY_FACTOR),
        }
    }
}

/// How the values of a PET become standardised uptake values, or what its files lack for that. `None` where their unit
/// has nothing to do with it.
pub(super) fn suv(frames: &[Frame]) -> Option<Result<Suv, String>> {
    let first = frames.first()?.file.pet.as_ref()?;
    let same = |pet: &PetFacts| {
        let key = |pet: &PetFacts| {
            (
                pet.units.clone(),
                pet.weight_kg,
                pet.dose_bq,
                pet.half_life_secs,
            )
        };
        key(pet) == key(first)
    };
    if !frames.iter().all(|f| f.file.pet.as_ref().is_some_and(same)) {
        return Some(Err(
            "one unit, weight, dose and half life for all slices".to_owned()
        ));
    }
    match first.units.as_str() {
        "GML" => Some(Ok(Suv {
            factor: 1.0,
            kind: kind(&first.suv_type),
        })),
        "CNTS" => {
            if let Some(factor) = first.philips_suv {
                let kind = SuvKind::BodyWeight;
                return Some(Ok(Suv { factor, kind }));
            }
            Some(match first.philips_activity {
                Some(activity) => of_activity(first, frames).map(|suv| Suv {
                    factor: suv.factor * activity,
                    ..suv
                }),
                None => Err("the factor from counts to Bq/mL (7053,1009)".to_owned()),
            })
        }
        "BQML" => Some(of_activity(first, frames)),
        _ => None,
    }
}

/// After so many half lives nothing is left to see.
const MOST_HALF_LIVES: f64 = 10.0;

/// SUV Type (0054,1006); body weight where it is not said.
fn kind(suv_type: &str) -> SuvKind {
    match suv_type {
        "BSA" => SuvKind::BodySurface,
        "LBM" | "LBMJANMA" | "LBMJAMES128" => SuvKind::LeanMass(suv_type.to_owned()),
        "IBW" => SuvKind::IdealWeight,
        _ => SuvKind::BodyWeight,
    }
}

/// From Bq/mL: body weight over the dose that is left at the time to which the image is decay corrected.
fn of_activity(pet: &PetFacts, frames: &[Frame]) -> Result<Suv, String> {
    let lacking = |what: &str| what.to_owned();
    for correction in ["ATTN", "DECY"] {
        if !pet.corrected.iter().any(|c| c == correction) {
            return Err(format!("{correction} in Corrected Image (0028,0051)"));
        }
    }
    let weight_kg = pet
        .weight_kg
        .ok_or_else(|| lacking("Patient Weight (0010,1030)"))?;
    let dose = pet
        .dose_bq
        .ok_or_else(|| lacking("Radionuclide Total Dose (0018,1074)"))?;
    for (number, range, what) in [
        (weight_kg, 0.2..=400.0, "a Patient Weight (0010,1030) in kg"),
        (
            dose,
            1e5..=1e11,
            "a Radionuclide Total Dose (0018,1074) in Bq",
        ),
    ] {
        if !range.contains(&number) {
            return Err(format!("{what} that can be ({number} is written)"));
        }
    }
    let left = match pet.decay.as_str() {
        "ADMIN" => dose,
        "START" => {
            let half_life = pet
                .half_life_secs
                .ok_or_else(|| lacking("Radionuclide Half Life (0018,1075)"))?;
            let scan = scan_start(pet, frames)
                .ok_or_else(|| lacking("Series Date and Time (0008,0021) and (0008,0031)"))?;
            let injected = injection(pet, scan).ok_or_else(|| {
                lacking("Radiopharmaceutical Start Date Time (0018,1078) or Start Time (0018,1072)")
            })?;
            if injected > scan {
                return Err(lacking("an injection before the scan"));
            }
            let half_lives = (scan - injected) / half_life;
            if half_lives > MOST_HALF_LIVES {
                return Err(format!(
                    "an injection and a half life that fit the scan ({half_lives:.0} half lives lie between)"
                ));
            }
            dose * (-half_lives).exp2()
        }
        other => {
            return Err(format!(
                "Decay Correction (0054,1102) START or ADMIN, but {other:?}"
            ));
        }
    };
    Ok(Suv {
        factor: weight_kg * 1000.0 / left,
        kind: SuvKind::BodyWeight,
    })
}

/// The time that decay is corrected to: Series Date and Time, unless that is later than the earliest acquisition (a
/// series made afterwards); then GE's own element, or the earliest acquisition.
fn scan_start(pet: &PetFacts, frames: &[Frame]) -> Option<f64> {
    let acquired = frames.iter().filter_map(|f| f.file.pet.as_ref()?.acquired);
    let earliest = acquired.fold(f64::INFINITY, f64::min);
    match pet.series {
        Some(series) if series <= earliest => Some(series),
        _ => pet.ge_scan.or(earliest.is_finite().then_some(earliest)),
    }
}

/// When the tracer was given. A time without a date is of the day of the scan, or of the day before where it would be
/// after the scan.
fn injection(pet: &PetFacts, scan: f64) -> Option<f64> {
    const DAY: f64 = 86_400.0;
    pet.injected.or_else(|| {
        let midnight = (scan / DAY).floor() * DAY;
        let injected = midnight + pet.injected_at?;
        Some(if injected > scan {
            injected - DAY
        } else {
            injected
        })
    })
}
