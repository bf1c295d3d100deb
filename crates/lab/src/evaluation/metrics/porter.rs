//! Porter's stemmer (Porter, 1980) as NLTK 3's `PorterStemmer` in its default mode, `NLTK_EXTENSIONS`.

/// The stem of a word, in lower case.
pub fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some(stem) = irregular(&lower) {
        return stem.to_owned();
    }
    if word.chars().count() <= 2 {
        return lower;
    }
    let mut word: Vec<char> = lower.chars().collect();
    for step in [
        step_1a, step_1b, step_1c, step_2, step_3, step_4, step_5a, step_5b,
    ] {
        word = step(word);
    }
    word.into_iter().collect()
}

fn irregular(word: &str) -> Option<&'static str> {
    Some(match word {
        "sky" | "skies" => "sky",
        "dying" => "die",
        "lying" => "lie",
        "tying" => "tie",
        "news" => "news",
        "innings" | "inning" => "inning",
        "outings" | "outing" => "outing",
        "cannings" | "canning" => "canning",
        "howe" => "howe",
        "proceed" => "proceed",
        "exceed" => "exceed",
        "succeed" => "succeed",
        _ => return None,
    })
}

/// Whether each letter is a consonant: not a vowel, and `y` where the letter before is none.
fn consonants(word: &[char]) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for &c in word {
        flags.push(match c {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => !flags.last().copied().unwrap_or(false),
            _ => true,
        });
    }
    flags
}

/// Porter's m: how often a consonant follows a vowel.
fn measure(word: &[char]) -> usize {
    let flags = consonants(word);
    flags.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(word: &[char]) -> bool {
    consonants(word).contains(&false)
}

fn ends_in_double_consonant(word: &[char]) -> bool {
    matches!(word, [.., a, b] if a == b) && consonants(word).last() == Some(&true)
}

/// Consonant, vowel, consonant other than w, x, y; or a word of a vowel and a consonant.
fn ends_cvc(word: &[char]) -> bool {
    match consonants(word).as_slice() {
        [.., true, false, true] => !matches!(word.last(), Some('w' | 'x' | 'y')),
        [false, true] => true,
        _ => false,
    }
}

/// What stands before a suffix.
fn before<'a>(word: &'a [char], suffix: &str) -> Option<&'a [char]> {
    let mut stem = word;
    for c in suffix.chars().rev() {
        let (last, rest) = stem.split_last()?;
        if *last != c {
            return None;
        }
        stem = rest;
    }
    Some(stem)
}

fn with(stem: &[char], ending: &str) -> Vec<char> {
    stem.iter().copied().chain(ending.chars()).collect()
}

/// Applies the first rule whose suffix is there, if what is before it measures more than `least`; no later rule.
fn apply(word: Vec<char>, rules: &[(&str, &str)], least: usize) -> Vec<char> {
    for (suffix, ending) in rules {
        if let Some(stem) = before(&word, suffix) {
            return if measure(stem) > least {
                with(stem, ending)
            } else {
                word
            };
        }
    }
    word
}

fn step_1a(word: Vec<char>) -> Vec<char> {
    if let Some(stem) = before(&word, "ies") {
        return with(stem, if word.len() == 4 { "ie" } else { "i" });
    }
    for (suffix, ending) in [("sses", "ss"), ("ss", "ss"), ("s", "")] {
        if let Some(stem) = before(&word, suffix) {
            return with(stem, ending);
        }
    }
    word
}

fn step_1b(word: Vec<char>) -> Vec<char> {
    if let Some(stem) = before(&word, "ied") {
        return with(stem, if word.len() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = before(&word, "eed") {
        return if measure(stem) > 0 {
            with(stem, "ee")
        } else {
            word
        };
    }
    let cut = ["ed", "ing"]
        .iter()
        .find_map(|suffix| before(&word, suffix).filter(|stem| has_vowel(stem)));
    let Some(stem) = cut else {
        return word;
    };
    for (suffix, ending) in [("at", "ate"), ("bl", "ble"), ("iz", "ize")] {
        if let Some(root) = before(stem, suffix) {
            return with(root, ending);
        }
    }
    if ends_in_double_consonant(stem) {
        let keep = matches!(stem.last(), Some('l' | 's' | 'z'));
        return stem[..stem.len() - usize::from(!keep)].to_vec();
    }
    if measure(stem) == 1 && ends_cvc(stem) {
        return with(stem, "e");
    }
    stem.to_vec()
}

fn step_1c(word: Vec<char>) -> Vec<char> {
    match before(&word, "y") {
        Some(stem) if stem.len() > 1 && consonants(stem).last() == Some(&true) => with(stem, "i"),
        _ => word,
    }
}

const STEP_2: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

fn step_2(word: Vec<char>) -> Vec<char> {
    if let Some(stem) = before(&word, "alli").filter(|stem| measure(stem) > 0) {
        return step_2(with(stem, "al"));
    }
    // The l of logi counts as the stem's, so that short stems (geo, theo) work as long ones do.
    if let Some(stem) = before(&word, "ogi").filter(|stem| stem.last() == Some(&'l')) {
        return if measure(stem) > 0 {
            with(stem, "og")
        } else {
            word
        };
    }
    apply(word, &STEP_2, 0)
}

const STEP_3: [(&str, &str); 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

fn step_3(word: Vec<char>) -> Vec<char> {
    apply(word, &STEP_3, 0)
}

const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
];

fn step_4(word: Vec<char>) -> Vec<char> {
    for suffix in STEP_4 {
        if let Some(stem) = before(&word, suffix) {
            let fits = suffix != "ion" || matches!(stem.last(), Some('s' | 't'));
            return if fits && measure(stem) > 1 {
                stem.to_vec()
            } else {
                word
            };
        }
    }
    word
}

fn step_5a(word: Vec<char>) -> Vec<char> {
    match before(&word, "e") {
        Some(stem) if measure(stem) > 1 || (measure(stem) == 1 && !ends_cvc(stem)) => stem.to_vec(),
        _ => word,
    }
}

fn step_5b(mut word: Vec<char>) -> Vec<char> {
    if before(&word, "ll").is_some() && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of the paper and of NLTK's own extensions.
    #[test]
    fn examples_of_the_paper() {
        for (word, wanted) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("filing", "file"),
            ("happy", "happi"),
            ("enjoy", "enjoy"),
            ("dies", "die"),
            ("relational", "relat"),
            ("conditional", "condit"),
            ("vietnamization", "vietnam"),
            ("electrical", "electr"),
            ("adoption", "adopt"),
            ("geology", "geolog"),
            ("controlling", "control"),
            ("rate", "rate"),
            ("cease", "ceas"),
            ("Skies", "sky"),
            ("is", "is"),
        ] {
            assert_eq!(stem(word), wanted, "{word}");
        }
    }
}
