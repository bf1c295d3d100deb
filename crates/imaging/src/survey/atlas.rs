//! What axial sections of an adult show, by their height.

use super::features::{Features, SHARES};

/// What is expected of a feature: its mean and how far bodies stray from it.
type Expected = [f32; 2];

/// What a section at one height shows: its area, the [`Features::shares`] in their order, and how likely it is in two
/// parts.
#[derive(Clone, Copy)]
struct Row {
    /// Below the vertex of an adult of 1.72 m, in mm (see [`crate::geometry::BodyLevel`]).
    mm: f32,
    area_cm2: f32,
    shares: [Expected; SHARES],
    two_parts: f32,
}

const fn row(mm: f32, area_cm2: f32, shares: [Expected; SHARES], two_parts: f32) -> Row {
    Row {
        mm,
        area_cm2,
        shares,
        two_parts,
    }
}

const NONE: Expected = [0.0, 0.015];

/// Sections of upright anatomy in textbooks and public CTs, with deviations wide enough for lungs breathed in or out,
/// contrast medium, and lean and stout bodies.
#[rustfmt::skip]
const ROWS: [Row; 33] = [
    //    mm    cm2    lung          bone          sideways      vault         pieces        under skin    two
    row(   0.0,  40.0, [NONE,         [0.40, 0.20], [0.40, 0.25], [0.25, 0.25], [2.0, 1.5],   [18.0, 10.0]], 0.01),
    row(  20.0, 130.0, [NONE,         [0.25, 0.10], [0.45, 0.15], [0.60, 0.20], [2.0, 1.5],   [16.0, 8.0]], 0.01),
    row(  60.0, 230.0, [NONE,         [0.18, 0.07], [0.50, 0.15], [0.70, 0.15], [2.0, 1.5],   [14.0, 6.0]], 0.01),
    row(  95.0, 240.0, [NONE,         [0.18, 0.07], [0.50, 0.15], [0.55, 0.25], [2.0, 1.5],   [16.0, 7.0]], 0.01),
    row( 120.0, 220.0, [NONE,         [0.20, 0.08], [0.40, 0.20], [0.30, 0.25], [3.0, 2.0],   [20.0, 8.0]], 0.01),
    row( 145.0, 200.0, [NONE,         [0.16, 0.07], [0.35, 0.25], [0.08, 0.12], [5.0, 3.0],   [20.0, 10.0]], 0.01),
    row( 180.0, 150.0, [NONE,         [0.13, 0.06], [0.35, 0.30], [0.03, 0.05], [4.0, 3.0],   [20.0, 10.0]], 0.01),
    row( 215.0, 120.0, [NONE,         [0.09, 0.05], [0.10, 0.20], [0.01, 0.03], [2.0, 3.0],   [25.0, 15.0]], 0.01),
    row( 250.0, 250.0, [[0.01, 0.03], [0.07, 0.04], [0.40, 0.30], NONE,         [5.0, 4.0],   [35.0, 20.0]], 0.01),
    row( 275.0, 480.0, [[0.05, 0.05], [0.07, 0.03], [0.50, 0.20], NONE,         [7.0, 4.0],   [40.0, 18.0]], 0.01),
    row( 300.0, 580.0, [[0.15, 0.09], [0.06, 0.03], [0.50, 0.20], NONE,         [9.0, 4.0],   [40.0, 18.0]], 0.01),
    row( 340.0, 650.0, [[0.28, 0.12], [0.05, 0.03], [0.48, 0.18], NONE,         [9.0, 4.0],   [38.0, 16.0]], 0.01),
    row( 390.0, 680.0, [[0.38, 0.13], [0.05, 0.03], [0.45, 0.18], NONE,         [9.0, 4.0],   [34.0, 14.0]], 0.01),
    row( 440.0, 680.0, [[0.38, 0.14], [0.05, 0.03], [0.45, 0.18], NONE,         [9.0, 4.0],   [30.0, 13.0]], 0.01),
    row( 465.0, 680.0, [[0.32, 0.15], [0.04, 0.03], [0.45, 0.18], NONE,         [9.0, 4.0],   [28.0, 12.0]], 0.01),
    row( 490.0, 680.0, [[0.20, 0.14], [0.04, 0.02], [0.45, 0.18], NONE,         [9.0, 4.0],   [27.0, 12.0]], 0.01),
    row( 515.0, 690.0, [[0.10, 0.10], [0.03, 0.02], [0.42, 0.15], NONE,         [9.0, 4.0],   [27.0, 12.0]], 0.01),
    row( 535.0, 690.0, [[0.04, 0.06], [0.03, 0.02], [0.40, 0.15], NONE,         [9.0, 4.0],   [27.0, 12.0]], 0.01),
    row( 560.0, 690.0, [[0.01, 0.03], [0.03, 0.02], [0.36, 0.18], NONE,         [8.0, 4.0],   [28.0, 12.0]], 0.01),
    row( 590.0, 690.0, [NONE,         [0.02, 0.02], [0.22, 0.20], NONE,         [5.0, 4.0],   [32.0, 14.0]], 0.01),
    row( 615.0, 690.0, [NONE,         [0.02, 0.02], [0.08, 0.14], NONE,         [2.0, 3.0],   [40.0, 20.0]], 0.01),
    row( 645.0, 690.0, [NONE,         [0.02, 0.02], [0.03, 0.09], NONE,         [1.0, 2.0],   [50.0, 25.0]], 0.01),
    row( 665.0, 690.0, [NONE,         [0.02, 0.02], [0.08, 0.16], NONE,         [1.5, 2.5],   [50.0, 22.0]], 0.01),
    row( 690.0, 700.0, [NONE,         [0.03, 0.02], [0.25, 0.16], NONE,         [4.0, 3.0],   [42.0, 18.0]], 0.01),
    row( 740.0, 700.0, [NONE,         [0.04, 0.02], [0.35, 0.16], [0.01, 0.02], [3.0, 2.5],   [50.0, 18.0]], 0.01),
    row( 800.0, 690.0, [NONE,         [0.04, 0.02], [0.33, 0.16], [0.01, 0.03], [2.5, 1.5],   [75.0, 20.0]], 0.01),
    row( 845.0, 680.0, [NONE,         [0.06, 0.03], [0.33, 0.20], [0.01, 0.02], [3.0, 2.0],   [75.0, 22.0]], 0.01),
    row( 880.0, 620.0, [NONE,         [0.06, 0.03], [0.35, 0.20], [0.01, 0.02], [3.5, 2.0],   [65.0, 30.0]], 0.05),
    row( 930.0, 420.0, [NONE,         [0.06, 0.03], [0.45, 0.20], [0.01, 0.02], [2.5, 1.5],   [60.0, 25.0]], 0.60),
    row(1100.0, 300.0, [NONE,         [0.07, 0.03], [0.50, 0.20], [0.02, 0.03], [2.5, 1.5],   [55.0, 20.0]], 0.90),
    row(1260.0, 210.0, [NONE,         [0.22, 0.10], [0.50, 0.20], [0.02, 0.04], [3.0, 2.0],   [30.0, 15.0]], 0.95),
    row(1450.0, 170.0, [NONE,         [0.11, 0.05], [0.50, 0.20], [0.03, 0.04], [4.0, 2.0],   [30.0, 15.0]], 0.95),
    row(1720.0,  90.0, [NONE,         [0.25, 0.15], [0.50, 0.20], [0.02, 0.05], [6.0, 4.0],   [15.0, 10.0]], 0.95),
];

/// How far the logarithms of areas stray.
const AREA_DEVIATION: f32 = 0.35;

/// The share of sections that show what no table has.
const ODD: f32 = 0.05;

/// The widths that shares which no table has are spread over.
const RANGES: [f32; SHARES] = [0.6, 0.5, 1.0, 0.9, 20.0, 120.0];

/// The natural logarithm of how likely a section at a height (mm of an adult below the vertex) shows these features.
pub(super) fn log_likelihood(features: &Features, mm: f32) -> f32 {
    let here = at(mm);
    let mut sum = 0.0;
    for ((found, expected), range) in features.shares().into_iter().zip(here.shares).zip(RANGES) {
        if let Some(found) = found {
            sum += of(found, expected, range);
        }
    }
    if !features.is_cut {
        let area = [here.area_cm2.ln(), AREA_DEVIATION];
        sum += of(features.area_cm2.ln(), area, 4.0);
        let two = here.two_parts;
        sum += if features.parts == 2 { two } else { 1.0 - two }.ln();
    }
    sum
}

/// A normal distribution, or with a small share anything within a range.
fn of(found: f64, [mean, deviation]: Expected, range: f32) -> f32 {
    let z = (found as f32 - mean) / deviation;
    let normal = (-0.5 * z * z).exp() / (deviation * 2.506_628);
    ((1.0 - ODD) * normal + ODD / range).ln()
}

/// The row at a height, between two of the table.
fn at(mm: f32) -> Row {
    let after = ROWS.iter().position(|row| row.mm >= mm);
    let after = after.unwrap_or(ROWS.len() - 1).max(1);
    let [a, b] = [ROWS[after - 1], ROWS[after]];
    let part = ((mm - a.mm) / (b.mm - a.mm)).clamp(0.0, 1.0);
    let mix = |a: f32, b: f32| a + (b - a) * part;
    Row {
        mm,
        area_cm2: mix(a.area_cm2, b.area_cm2),
        shares: std::array::from_fn(|n| {
            let (a, b) = (a.shares[n], b.shares[n]);
            [mix(a[0], b[0]), mix(a[1], b[1])]
        }),
        two_parts: mix(a.two_parts, b.two_parts),
    }
}
