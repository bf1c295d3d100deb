//! Boxes as the model writes them.

use std::fmt;

/// A box in `model` space: `d0, h0, w0, d1, h1, w1`, each the index of a voxel of the prepared image
/// over the length of its axis. The first three belong to the first voxel inside, the last three to
/// the **last** voxel inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelBox([f64; 6]);

impl ModelBox {
    /// The marker before a box.
    pub const START: &'static str = "<bx_start>";
    /// The marker after a box.
    pub const END: &'static str = "<bx_end>";

    /// A box from two opposite corners in any order, rounded to 3 decimals as in the training data;
    /// `None` when a number is not finite.
    pub fn new(numbers: [f64; 6]) -> Option<Self> {
        if !numbers.iter().all(|n| n.is_finite()) {
            return None;
        }
        let mut ordered = numbers;
        for axis in 0..3 {
            let (a, b) = (numbers[axis], numbers[axis + 3]);
            ordered[axis] = three_decimals(a.min(b));
            ordered[axis + 3] = three_decimals(a.max(b));
        }
        Some(Self(ordered))
    }

    /// The six numbers, the smaller corner first.
    pub const fn numbers(&self) -> [f64; 6] {
        self.0
    }

    /// The first `[n, n, n, n, n, n]` in a text, with or without the markers and with any spaces.
    pub fn parse(text: &str) -> Option<Self> {
        Self::find_all(text).next()
    }

    /// Every box in a text, in order.
    pub fn find_all(text: &str) -> impl Iterator<Item = Self> + '_ {
        text.match_indices('[')
            .filter_map(|(at, _)| Self::after_bracket(&text[at + 1..]))
    }

    fn after_bracket(rest: &str) -> Option<Self> {
        let (inside, _) = rest.split_once(']')?;
        let mut numbers = [0.0; 6];
        let mut words = inside.split(',');
        for number in &mut numbers {
            *number = words.next()?.trim().parse().ok()?;
        }
        if words.next().is_some() {
            return None;
        }
        Self::new(numbers)
    }
}

/// Rounded to 3 decimals, and never a negative zero (Python would print its sign).
pub fn three_decimals(x: f64) -> f64 {
    let scaled = (x * 1000.0).round_ties_even() / 1000.0;
    if scaled.is_finite() { scaled + 0.0 } else { x }
}

impl fmt::Display for ModelBox {
    /// `<bx_start>[0.0, 0.25, 0.5, 0.969, 0.5, 0.996]<bx_end>`: numbers as Python prints floats.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [d0, h0, w0, d1, h1, w1] = self.0;
        // Rust's {:?} of a float is, like Python's repr, the shortest text that reads back, with ".0".
        write!(
            f,
            "{}[{d0:?}, {h0:?}, {w0:?}, {d1:?}, {h1:?}, {w1:?}]{}",
            Self::START,
            Self::END
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_written_as_python_writes_them() {
        let written = ModelBox::new([0.0, 0.25, 0.5, 31.0 / 32.0, 0.5, 255.0 / 256.0]).unwrap();
        assert_eq!(
            written.to_string(),
            "<bx_start>[0.0, 0.25, 0.5, 0.969, 0.5, 0.996]<bx_end>"
        );
        let tiny = ModelBox::new([-0.0001, 0.001, 1.0, 0.1234, 0.0006, 1.0]).unwrap();
        assert_eq!(
            tiny.to_string(),
            "<bx_start>[0.0, 0.001, 1.0, 0.123, 0.001, 1.0]<bx_end>"
        );
    }

    #[test]
    fn boxes_are_found_in_answers() {
        let wanted = ModelBox::new([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        for text in [
            "Coordinates are [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].",
            "Sure, it is <bx_start>[0.1,0.2,0.3,0.4,0.5,0.6]<bx_end>",
            "[ 0.4 , 0.2, 0.3,  0.1, 0.5, 0.6 ]",
            "[SEG] [1, 2] then [0.1, 0.5, 0.3, 0.4, 0.2, 0.6] and [0, 0, 0, 1, 1, 1]",
            "[[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]",
        ] {
            assert_eq!(ModelBox::parse(text), wanted, "{text}");
        }
        for text in [
            "",
            "[",
            "[0.1, 0.2, 0.3, 0.4, 0.5]",
            "[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]",
            "[0.1, 0.2, NaN, 0.4, 0.5, 0.6]",
            "[0.1, 0.2, 1e999, 0.4, 0.5, inf]",
            "[0.1, 0.2, x, 0.4, 0.5, 0.6]",
        ] {
            assert_eq!(ModelBox::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_written_box_reads_back() {
        let written = ModelBox::new([0.125, 0.333_333, 0.9, 0.5, 0.666_667, 0.999]).unwrap();
        let text = written.to_string();
        assert_eq!(ModelBox::parse(&text), Some(written));
    }
}
