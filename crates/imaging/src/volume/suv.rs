//! Standardised uptake values.

use std::fmt;

/// How the values of a PET become standardised uptake values (g/mL).
#[derive(Clone, Debug, PartialEq)]
pub struct Suv {
    /// The uptake value of a value of 1.
    pub factor: f64,
    /// What the dose is spread over.
    pub kind: SuvKind,
}

impl Suv {
    /// The uptake value of a value of the image.
    pub fn of(&self, value: f64) -> f64 {
        value * self.factor
    }
}

/// What a standardised uptake value takes the dose to be spread over: SUV Type (0054,1006).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuvKind {
    /// The body's weight.
    BodyWeight,
    /// The body's surface.
    BodySurface,
    /// The lean body mass, by the formula that is named as the file names it.
    LeanMass(String),
    /// The ideal body weight.
    IdealWeight,
}

impl fmt::Display for SuvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyWeight => f.write_str("SUVbw"),
            Self::BodySurface => f.write_str("SUVbsa"),
            Self::IdealWeight => f.write_str("SUVibw"),
            // PS3.3 C.8.9.1: LBM is by James' formula, LBMJANMA by Janmahasatian's.
            Self::LeanMass(formula) => match formula.as_str() {
                "LBMJANMA" => f.write_str("SUVlbm (Janmahasatian)"),
                "LBMJAMES128" => f.write_str("SUVlbm (James, 128)"),
                _ => f.write_str("SUVlbm (James)"),
            },
        }
    }
}
