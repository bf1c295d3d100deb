//! What an answer names: a choice's letter, a structure, or that there is nothing.

use super::text::plain_words;

/// Whether the letter of the right choice is in an answer, followed by a full stop: the benchmark's rule.
pub fn has_letter(answer: &str, letter: char) -> bool {
    let mut mark = letter.to_string();
    mark.push('.');
    answer.contains(&mark)
}

/// A list of names, each of which may be written in several ways.
#[derive(Clone, Debug, Default)]
pub struct NameList {
    /// The words of each way, and which name it belongs to.
    ways: Vec<(Vec<String>, usize)>,
}

impl NameList {
    /// A list of names, each with all its ways to be written, the name itself included. Case, signs and spaces do not
    /// count.
    pub fn new<'a>(names: impl IntoIterator<Item = Vec<&'a str>>) -> Self {
        let mut ways = Vec::new();
        for (n, written) in names.into_iter().enumerate() {
            for way in written {
                let words = plain_words(way);
                if !words.is_empty() {
                    ways.push((words, n));
                }
            }
        }
        Self { ways }
    }

    /// The numbers of the names in a text, in order. Where several begin at one word the longest counts: `liver lesion`
    /// does not name the liver.
    pub fn named(&self, text: &str) -> Vec<usize> {
        let words = plain_words(text);
        let mut found = Vec::new();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let longest = self
                .ways
                .iter()
                .filter(|(way, _)| rest.starts_with(way))
                .max_by_key(|(way, _)| way.len());
            let step = match longest {
                Some((way, name)) => {
                    found.push(*name);
                    way.len()
                }
                None => 1,
            };
            rest = &rest[step..];
        }
        found
    }

    /// Whether an answer names the right one: the first name in it is that of number `right`. What a description
    /// mentions further on does not count.
    pub fn is_right(&self, answer: &str, right: usize) -> bool {
        // Two classes may bear one name.
        let first = self.named(answer).first().copied();
        first.is_some_and(|first| first == right || self.same_name(first, right))
    }

    fn same_name(&self, a: usize, b: usize) -> bool {
        let ways = |name: usize| {
            self.ways
                .iter()
                .filter(move |(_, n)| *n == name)
                .map(|(way, _)| way)
        };
        ways(a).any(|way| ways(b).any(|other| way == other))
    }
}

/// Whether an answer says that there is nothing to show.
pub fn is_refusal(answer: &str) -> bool {
    let answer = answer.to_lowercase();
    answer.contains("n't")
        || plain_words(&answer).iter().any(|word| {
            matches!(
                word.as_str(),
                "sorry" | "no" | "not" | "none" | "cannot" | "absent"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_counts() {
        let list = NameList::new([
            vec!["liver"],
            vec!["liver lesion"],
            vec!["inferior vena cava", "IVC"],
            vec!["right_kidney"],
        ]);
        assert_eq!(list.named("The target is Liver Lesion."), [1]);
        assert!(list.is_right("Sure, it is ivc. It runs beside the liver.", 2));
        assert!(!list.is_right("The liver, not the IVC.", 2));
        assert!(list.is_right("It is the right kidney!", 3));
        assert!(!list.is_right("slivers", 0));
        assert!(list.named("").is_empty());
    }

    #[test]
    fn refusals_and_letters() {
        assert!(is_refusal("Sorry, there is no liver lesion."));
        assert!(is_refusal("It isn't here"));
        assert!(!is_refusal(
            "Coordinates are [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]."
        ));
        assert!(!is_refusal("A nodule"));
        assert!(has_letter("B. Arterial phase", 'B'));
        assert!(!has_letter("B) Arterial phase", 'B'));
    }
}
