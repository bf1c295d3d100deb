//! Where a CT lies along the body: all that its sections show, weighed against what sections show at each height.

use super::atlas::log_likelihood;
use super::coverage::{Coverage, End};
use super::features::Features;
use crate::geometry::BodyLevel;

/// Heights that are tried, in mm of an adult, from above the vertex to below the soles.
const STEP_MM: f32 = 5.0;
const LOWEST_MM: f32 = 1720.0;
const BINS: usize = (LOWEST_MM / STEP_MM) as usize + 1;

/// Sizes of the body along its length that are tried, of an adult's 1.72 m, and how likely each is.
const SCALES: std::ops::RangeInclusive<u8> = 15..=26;
const SCALE_STEP: f32 = 0.05;
const SCALE_DEVIATION: f32 = 0.09;

/// Sections nearer to each other than this show much the same.
const INDEPENDENT_MM: f32 = 30.0;

/// How unlikely a section without a body is within it, and one with a body above and below.
const NOTHING_THERE: f32 = -4.0;
const NOBODY_THERE: f32 = -12.0;

/// What lies outside on either side.
const TAIL: f64 = 0.025;

/// What the table itself may be off, in mm.
const LEAST_ERROR_MM: f32 = 20.0;

/// Where an image of `length_mm` from its upper to its lower edge lies. `sections` holds for each section its depth
/// below the upper edge in mm and what it shows; `None` where there is no body in it. `step_mm` is their distance.
pub(super) fn fit(
    sections: &[(f64, Option<Features>)],
    step_mm: f64,
    length_mm: f64,
) -> Option<Coverage> {
    if sections.iter().all(|(_, features)| features.is_none()) {
        return None;
    }
    let weight = (step_mm as f32 / INDEPENDENT_MM).min(1.0);
    let tables: Vec<(f32, Vec<f32>, f32)> = sections
        .iter()
        .map(|(depth_mm, features)| {
            let likely = |bin: usize| match features {
                Some(features) => weight * log_likelihood(features, bin as f32 * STEP_MM),
                None => weight * NOTHING_THERE,
            };
            let outside = if features.is_some() {
                NOBODY_THERE
            } else {
                0.0
            };
            let table = (0..BINS).map(likely).collect();
            (*depth_mm as f32, table, weight * outside)
        })
        .collect();
    let length = length_mm as f32;
    let mut tried = Vec::new();
    for scale in SCALES {
        let scale = f32::from(scale) * SCALE_STEP;
        let unusual = (scale - 1.0) / SCALE_DEVIATION;
        let mut top = -length / scale;
        while top < LOWEST_MM {
            let of_section = |(depth, table, outside): &(f32, Vec<f32>, f32)| {
                let bin = ((top + depth / scale) / STEP_MM).round();
                let inside = (bin >= 0.0).then(|| table.get(bin as usize)).flatten();
                inside.copied().unwrap_or(*outside)
            };
            let sum: f32 = tables.iter().map(of_section).sum();
            tried.push(Tried {
                top_mm: top,
                bottom_mm: top + length / scale,
                log: sum - 0.5 * unusual * unusual,
            });
            top += STEP_MM;
        }
    }
    let best = tried
        .iter()
        .map(|t| t.log)
        .fold(f32::NEG_INFINITY, f32::max);
    let weighed = |mm: fn(&Tried) -> f32| -> Vec<(f32, f64)> {
        tried
            .iter()
            .map(|t| (mm(t), f64::from(t.log - best).exp()))
            .collect()
    };
    Some(Coverage {
        top: end(weighed(|t| t.top_mm)),
        bottom: end(weighed(|t| t.bottom_mm)),
    })
}

/// One place and size that was tried.
struct Tried {
    top_mm: f32,
    bottom_mm: f32,
    log: f32,
}

/// The middle and both ends of a distribution.
fn end(mut weighed: Vec<(f32, f64)>) -> End {
    weighed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = weighed.iter().map(|w| w.1).sum();
    let quantile = |share: f64| {
        let mut seen = 0.0;
        let at = weighed.iter().find(|(_, weight)| {
            seen += weight;
            seen >= share * total
        });
        at.or(weighed.last()).map_or(0.0, |w| w.0)
    };
    let level = |mm: f32| BodyLevel::from_adult_mm(mm);
    End {
        level: level(quantile(0.5)),
        highest: level(quantile(TAIL) - LEAST_ERROR_MM),
        lowest: level(quantile(1.0 - TAIL) + LEAST_ERROR_MM),
    }
}
