//! Measured numbers in words.

use std::fmt;

use super::{Comparison, Measured, Measures, Side, Unknown};
use crate::volume::Units;

/// The unit of a measured number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Millilitres.
    Ml,
    /// Millimetres.
    Mm,
}

impl Unit {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Ml => "mL",
            Self::Mm => "mm",
        }
    }
}

impl Measured {
    /// With unit and error, and no more digits than the error leaves sense: `1224 mL ± 60`, `7.3 mm ± 0.5`, and where
    /// the image cuts `at least 512 mL`.
    pub fn words(&self, unit: Unit) -> String {
        let (symbol, places) = (unit.symbol(), places(self.error));
        if self.at_least {
            let value = number(floored(self.value, places), places);
            return format!("at least {value} {symbol}");
        }
        let value = number(self.value, places);
        format!("{value} {symbol} ± {}", error_words(self.error))
    }
}

/// How many decimals a value has beside an error; negative where even tens say nothing.
fn places(error: f64) -> i32 {
    if error < 0.1 {
        2
    } else if error <= 1.0 {
        1
    } else {
        // One place finer than the error's first digit, but whole numbers from 1 on.
        1 - (error.log10().floor() as i32).max(1)
    }
}

/// An error to its first digit, or to two where the first is 1.
fn error_words(error: f64) -> String {
    if error
        .partial_cmp(&0.01)
        .is_none_or(std::cmp::Ordering::is_lt)
    {
        return "0.01".to_owned();
    }
    let first = error.log10().floor() as i32;
    let leading = error / 10_f64.powi(first);
    let places = if leading < 1.95 { 1 - first } else { -first };
    number(error, places)
}

/// A number to so many decimals; with fewer than none, to tens, hundreds and so on.
fn number(value: f64, places: i32) -> String {
    let step = 10_f64.powi(-places);
    let rounded = if places < 0 {
        (value / step).round() * step
    } else {
        value
    };
    format!("{rounded:.*}", usize::try_from(places).unwrap_or(0))
}

fn floored(value: f64, places: i32) -> f64 {
    let step = 10_f64.powi(-places);
    // What lacks a hair of a step is the whole step.
    (value / step + 1e-9).floor() * step
}

impl Side {
    /// Its name, for use after "at the".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Right => "patient's right",
            Self::Left => "patient's left",
            Self::Front => "front",
            Self::Back => "back",
            Self::Bottom => "bottom",
            Self::Top => "top",
        }
    }
}

/// `cut by the image at the top and the front`; empty for no side. The sides are not named where the image does not
/// say which they are.
pub fn cut_words(sides: &[Side], named: bool) -> String {
    let names: Vec<String> = sides.iter().map(|s| format!("the {}", s.name())).collect();
    match (names.split_last(), named) {
        (None, _) => String::new(),
        (Some(_), false) => "cut by the image".to_owned(),
        (Some((last, [])), true) => format!("cut by the image at {last}"),
        (Some((last, rest)), true) => {
            format!("cut by the image at {} and {last}", rest.join(", "))
        }
    }
}

impl Measures {
    /// `1224 mL ± 60`, or `at least 512 mL, cut by the image at the top`.
    pub fn volume_words(&self, sides_named: bool) -> String {
        self.with_cut(self.volume_ml, Unit::Ml, sides_named)
    }

    /// `166 mm ± 3`, or `at least 166 mm, cut by the image at the top`.
    pub fn longest_words(&self, sides_named: bool) -> String {
        self.with_cut(self.longest_diameter_mm, Unit::Mm, sides_named)
    }

    fn with_cut(&self, measured: Measured, unit: Unit, sides_named: bool) -> String {
        let words = measured.words(unit);
        if measured.at_least {
            return format!("{words}, {}", cut_words(&self.cut_by, sides_named));
        }
        words
    }

    /// The three extents, one after another; of an axis that the image cuts, that it is not given. Where the image does
    /// not say where the patient's left is, the axes have no names.
    pub fn extents_words(&self, sides_named: bool) -> String {
        const AXES: [&str; 3] = ["right to left ", "front to back ", "foot to head "];
        let extents = self.extents_mm.iter().zip(AXES).map(|(extent, axis)| {
            let axis = if sides_named { axis } else { "" };
            if extent.at_least {
                format!("{axis}not given (cut by the image)")
            } else {
                format!("{axis}{}", extent.words(Unit::Mm))
            }
        });
        extents.collect::<Vec<_>>().join(", ")
    }

    /// `mean 104 HU, standard deviation 23, median 106, from 12 to 180`; `None` where no value is finite.
    pub fn values_words(&self) -> Option<String> {
        let values = self.values?;
        let unit = match self.units {
            Units::Arbitrary => String::new(),
            units => format!(" {}", units.symbol()),
        };
        // A hundredth of what the values vary by says nothing.
        let digits = |figure: f64| {
            let first = values.std.max(1e-6).log10().floor() as i32;
            number(
                figure,
                (1 - first)
                    .clamp(-6, 6)
                    .min(if self.units == Units::Hounsfield {
                        0
                    } else {
                        6
                    }),
            )
        };
        Some(format!(
            "mean {}{unit}, standard deviation {}, median {}, from {} to {}",
            digits(values.mean),
            digits(values.std),
            digits(values.median),
            digits(values.min),
            digits(values.max),
        ))
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstIsCut => "the first is cut by the image and may be larger",
            Self::SecondIsCut => "the second is cut by the image and may be larger",
            Self::BothAreCut => "both are cut by the image",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Larger => f.write_str("larger"),
            Self::Smaller => f.write_str("smaller"),
            Self::Alike => f.write_str("alike within the error"),
            Self::CannotTell { why } => write!(f, "not to be told: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f64, error: f64) -> Measured {
        Measured {
            value,
            error,
            at_least: false,
        }
    }

    #[test]
    fn no_more_digits_than_the_error_allows() {
        let words = |value, error| of(value, error).words(Unit::Ml);
        assert_eq!(words(1224.36, 60.4), "1224 mL ± 60");
        assert_eq!(words(1224.36, 101.2), "1220 mL ± 100");
        assert_eq!(words(12_243.6, 2110.0), "12200 mL ± 2000");
        assert_eq!(words(150.55, 14.6), "151 mL ± 15");
        assert_eq!(words(23.46, 1.9), "23 mL ± 1.9");
        assert_eq!(words(7.34, 0.52), "7.3 mL ± 0.5");
        assert_eq!(words(0.734, 0.052), "0.73 mL ± 0.05");
        assert_eq!(words(0.0034, 0.0012), "0.00 mL ± 0.01");
        assert_eq!(of(88.0, 1.0).words(Unit::Mm), "88.0 mm ± 1.0");
    }

    #[test]
    fn what_is_cut_is_never_rounded_up() {
        let at_least = |value, error| {
            let at_least = true;
            Measured {
                value,
                error,
                at_least,
            }
            .words(Unit::Ml)
        };
        assert_eq!(at_least(512.9, 20.0), "at least 512 mL");
        assert_eq!(at_least(512.0, 20.0), "at least 512 mL");
        assert_eq!(at_least(0.29, 0.05), "at least 0.29 mL");
        assert_eq!(at_least(1289.0, 120.0), "at least 1280 mL");
    }

    #[test]
    fn sides_are_named_where_they_are_known() {
        use Side::{Back, Left, Top};
        assert_eq!(cut_words(&[], true), "");
        assert_eq!(cut_words(&[Top], true), "cut by the image at the top");
        assert_eq!(
            cut_words(&[Left, Back, Top], true),
            "cut by the image at the patient's left, the back and the top"
        );
        assert_eq!(cut_words(&[Left, Top], false), "cut by the image");
    }
}
