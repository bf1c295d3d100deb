//! Numbers in a sentence and their units.

/// What a unit measures.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// In mm for one.
    Length(f64),
    Area,
    Volume,
    Hounsfield,
    Share,
}

/// What a unit measures; none where it is no unit.
fn unit(word: &str) -> Option<Measure> {
    Some(match word {
        "mm" | "millimetre" | "millimetres" | "millimeter" | "millimeters" => Measure::Length(1.0),
        "cm" | "centimetre" | "centimetres" | "centimeter" | "centimeters" => Measure::Length(10.0),
        "m" | "metre" | "metres" | "meter" | "meters" => Measure::Length(1000.0),
        "µm" | "um" => Measure::Length(1e-3),
        "mm²" | "mm2" | "cm²" | "cm2" => Measure::Area,
        "ml" | "cc" | "l" | "cm³" | "cm3" | "mm³" | "mm3" | "cl" | "dl" => Measure::Volume,
        "hu" => Measure::Hounsfield,
        "%" | "percent" => Measure::Share,
        _ => return None,
    })
}

/// Words that a length follows.
const LENGTHS: [&str; 16] = [
    "diameter",
    "diameters",
    "length",
    "width",
    "height",
    "thickness",
    "measures",
    "measuring",
    "measured",
    "size",
    "sized",
    "axis",
    "caliber",
    "calibre",
    "radius",
    "wide",
];
/// Words that a volume follows.
const VOLUMES: [&str; 2] = ["volume", "volumes"];
/// How many words may lie between such a word and its number.
const NEAR: usize = 4;

/// A word in lower case without the punctuation around it.
fn bare(word: &str) -> String {
    let ends = |c: char| !(c.is_alphanumeric() || c == '%' || c == 'µ');
    word.trim_matches(ends).to_lowercase()
}

/// A number, and the unit that is glued to it.
fn number(word: &str) -> Option<(f64, String)> {
    let word = word.trim_matches(|c: char| "(),;:<>~≤≥".contains(c));
    let word = word.trim_end_matches('.');
    let end = word
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .unwrap_or(word.len());
    let (digits, unit) = word.split_at(end);
    let digits = digits.replace(',', ".");
    let value = digits
        .parse()
        .ok()
        .filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?;
    Some((value, unit.to_lowercase()))
}

/// What is odd about the numbers of a sentence. `longest_mm` is the diagonal of the image; `has_hounsfield` tells whether its
/// values are Hounsfield units.
pub(super) fn check(sentence: &str, longest_mm: f64, has_hounsfield: bool) -> Vec<String> {
    // "3x4" and "3-4" are numbers of their own.
    let parted = parted(sentence);
    let words: Vec<&str> = parted.split_whitespace().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let Some((value, glued)) = number(words[at]) else {
            at += 1;
            continue;
        };
        let first = at;
        let (mut values, mut glued) = (vec![value], glued);
        // A chain: 3 x 4 x 5, 3 to 4.
        while glued.is_empty()
            && let Some(join) = words.get(at + 1)
            && matches!(*join, "x" | "×" | "to" | "by" | "-" | "–" | "and")
            && let Some((value, unit)) = words.get(at + 2).and_then(|word| number(word))
        {
            values.push(value);
            glued = unit;
            at += 2;
        }
        let ends = words[at].ends_with([',', ';', ':', ')']) && glued.is_empty();
        let next = words.get(at + 1).filter(|_| !ends).map(|word| bare(word));
        let measure = unit(bare(&glued).as_str()).or_else(|| next.as_deref().and_then(unit));
        let shown = words[first..=at].join(" ");
        let shown = shown.trim_end_matches(['.', ',', ';', ':', ')']);
        let before = words[first.saturating_sub(NEAR)..first].iter();
        let before: Vec<String> = before.map(|word| bare(word)).collect();
        let is_near = |known: &[&str]| before.iter().any(|word| known.contains(&word.as_str()));
        found.extend(judged(
            shown,
            measure,
            &values,
            [is_near(&LENGTHS), is_near(&VOLUMES)],
            longest_mm,
            has_hounsfield,
        ));
        at += 1;
    }
    found
}

fn judged(
    shown: &str,
    measure: Option<Measure>,
    values: &[f64],
    [as_length, as_volume]: [bool; 2],
    longest_mm: f64,
    has_hounsfield: bool,
) -> Option<String> {
    match measure {
        None if as_length || as_volume => Some(format!("{shown}: a size without a unit")),
        Some(Measure::Length(_)) if as_volume && !as_length => {
            Some(format!("{shown}: a volume with the unit of a length"))
        }
        Some(Measure::Volume) if as_length && !as_volume => {
            Some(format!("{shown}: a length with the unit of a volume"))
        }
        Some(Measure::Length(mm)) if values.iter().any(|value| value * mm > longest_mm) => {
            Some(format!(
                "{shown}: longer than the image, which is {longest_mm:.0} mm from corner to corner"
            ))
        }
        Some(Measure::Hounsfield) if !has_hounsfield => {
            Some(format!("{shown} HU: the image has no Hounsfield units"))
        }
        _ => None,
    }
}

/// A sentence with spaces around signs that join numbers.
fn parted(sentence: &str) -> String {
    let letters: Vec<char> = sentence.chars().collect();
    let is_digit = |at: Option<usize>| {
        let letter = at.and_then(|at| letters.get(at));
        letter.is_some_and(char::is_ascii_digit)
    };
    let mut out = String::with_capacity(sentence.len() + 8);
    for (at, &letter) in letters.iter().enumerate() {
        let joins = matches!(letter, 'x' | '×' | '–' | '-');
        if joins && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)) {
            out.extend([' ', letter, ' ']);
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_units() {
        for (sentence, wanted) in [
            ("A cyst measuring 12 mm.", 0),
            ("A cyst measuring 12.", 1),
            ("A cyst measuring 12 x 14 x 9 mm.", 0),
            ("A cyst measuring 12x14x9mm.", 0),
            ("A cyst measuring 12x14x9 in the liver.", 1),
            ("A cyst of 3,5 cm diameter.", 0),
            ("With a volume of 12 mm.", 1),
            ("With a volume of 12 mL, a diameter of 30 mm.", 0),
            ("With a diameter of 12 mL.", 1),
            ("Two cysts and 3 stones.", 0),
            ("A length of 120 cm.", 1),
            ("A cyst of 5 m.", 1),
            ("Density of 35 HU.", 0),
            ("Fractures of L2 and 3 ribs, size unchanged.", 0),
            ("Measures 4 to 5 cm.", 0),
            ("About 40 % loss of height.", 0),
        ] {
            let found = check(sentence, 900.0, true);
            assert_eq!(found.len(), wanted, "{sentence}: {found:?}");
        }
        assert_eq!(check("Density of 35 HU.", 900.0, false).len(), 1);
    }
}
