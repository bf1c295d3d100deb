//! Misspelt words: what a reader most likely meant.

use std::collections::HashSet;

/// The words that are known, by length.
#[derive(Debug, Default)]
pub(super) struct Spelling {
    /// Words of the names, at their length.
    by_length: Vec<Vec<Known>>,
    known: HashSet<String>,
    /// Words of ordinary language, which stay what they are.
    common: HashSet<String>,
}

#[derive(Debug)]
struct Known {
    word: String,
    letters: u32,
}

/// Shorter words are never corrected: too many of them lie beside one another.
const SHORTEST: usize = 4;
/// From this length on two edits are forgiven.
const LONG: usize = 8;
const LONGEST: usize = 28;

impl Spelling {
    /// Words that are never corrected to something else.
    pub fn protect(&mut self, word: &str) {
        self.common.insert(word.to_owned());
    }

    /// Words that misspelt ones may be corrected to.
    pub fn learn(&mut self, word: &str) {
        let fits = (SHORTEST..=LONGEST).contains(&word.len());
        if !self.known.insert(word.to_owned())
            || !fits
            || !word.bytes().all(|b| b.is_ascii_lowercase())
        {
            return;
        }
        if self.by_length.len() <= word.len() {
            self.by_length.resize_with(word.len() + 1, Vec::new);
        }
        let letters = letters_of(word);
        self.by_length[word.len()].push(Known {
            word: word.to_owned(),
            letters,
        });
    }

    /// Whether it is an ordinary word, or one with a regular ending.
    pub fn is_common(&self, word: &str) -> bool {
        let endings = ["s", "es", "ed", "d", "ing", "ly"].iter();
        let mut stems = endings.filter_map(|ending| word.strip_suffix(ending));
        self.common.contains(word) || stems.any(|stem| stem.len() > 2 && self.common.contains(stem))
    }

    /// The known words nearest to a word that is neither known nor common: one edit away (a letter more, less, another
    /// or two swapped) for words of 4 to 7 letters, at most two for longer ones.
    pub fn corrections(&self, word: &str) -> Vec<&str> {
        let fits = (SHORTEST..=LONGEST).contains(&word.len());
        let plain = word.bytes().all(|b| b.is_ascii_lowercase());
        if !fits || !plain || self.known.contains(word) || self.is_common(word) {
            return Vec::new();
        }
        let mut allowed = if word.len() < LONG { 1 } else { 2 };
        let letters = letters_of(word);
        let mut nearest = Vec::new();
        // Whether a word as near is not believed, so that it cannot be told which was meant.
        let mut doubtful = false;
        let near = word.len() - allowed..=word.len() + allowed;
        for known in near.filter_map(|n| self.by_length.get(n)).flatten() {
            // An edit changes at most two letters of the set.
            if (known.letters ^ letters).count_ones() as usize > 2 * allowed {
                continue;
            }
            let edits = edits(word.as_bytes(), known.word.as_bytes(), allowed);
            if edits > allowed {
                continue;
            }
            if edits < allowed {
                (allowed, nearest, doubtful) = (edits, Vec::new(), false);
            }
            if likely(word, &known.word, edits) {
                nearest.push(known.word.as_str());
            } else {
                doubtful = true;
            }
        }
        if doubtful { Vec::new() } else { nearest }
    }
}

/// Whether a slip of the pen makes `word` of `known`: the first letter is seldom a wrong one, and short words lie so close
/// together that only a letter too many or two swapped are believed there.
fn likely(word: &str, known: &str, edits: usize) -> bool {
    let sorted = |word: &str| {
        let mut letters = word.as_bytes().to_vec();
        letters.sort_unstable();
        letters
    };
    let swapped = edits == 1 && sorted(word) == sorted(known);
    let same_start = word.as_bytes()[0] == known.as_bytes()[0];
    let more_or_less = edits == 1 && word.len() != known.len();
    let short = known.len() == SHORTEST;
    swapped
        || if short {
            same_start && word.len() > known.len()
        } else {
            same_start || more_or_less
        }
}

fn letters_of(word: &str) -> u32 {
    let bit = |b: u8| 1 << (u32::from(b.wrapping_sub(b'a')) % 32);
    word.bytes().fold(0, |set, b| set | bit(b))
}

/// Edits between two short words (their bytes or characters), of letters inserted, deleted, substituted and of neighbours swapped (optimal string
/// alignment); `limit + 1` where there are more than `limit`.
pub fn edits<T: PartialEq>(a: &[T], b: &[T], limit: usize) -> usize {
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let other = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + other);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row[j] = cost;
        }
        if row.iter().min().is_some_and(|&least| least > limit) {
            return limit + 1;
        }
        (before, last) = (last, row);
    }
    last[b.len()].min(limit + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("liver", "liver", 0),
            ("livr", "liver", 1),
            ("lvier", "liver", 1),
            ("lover", "liver", 1),
            ("pancrease", "pancreas", 1),
            ("kidni", "kidneys", 3),
            ("", "ab", 2),
        ] {
            assert_eq!(edits(a.as_bytes(), b.as_bytes(), 3), expected, "{a} {b}");
        }
        assert_eq!(edits(b"abcdef", b"uvwxyz", 2), 3);
    }

    #[test]
    fn ordinary_and_short_words_stay() {
        let mut spelling = Spelling::default();
        spelling.learn("liver");
        spelling.learn("hip");
        spelling.protect("river");
        assert_eq!(spelling.corrections("livr"), ["liver"]);
        assert!(spelling.corrections("river").is_empty());
        assert!(spelling.corrections("hipp").is_empty());
        assert_eq!(spelling.corrections("iver"), ["liver"]);
        assert!(spelling.corrections("niver").is_empty());
        spelling.learn("lung");
        assert_eq!(spelling.corrections("lugn"), ["lung"]);
        assert_eq!(spelling.corrections("lungg"), ["lung"]);
        assert!(spelling.corrections("lund").is_empty());
        spelling.learn("left");
        spelling.protect("left");
        assert_eq!(spelling.corrections("leftt"), ["left"]);
        assert!(spelling.corrections("lvr").is_empty());
        assert!(spelling.corrections("lxvxr").is_empty());
    }
}
