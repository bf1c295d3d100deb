//! ROUGE-1 (Lin, 2004) as `rouge-score` 0.1.2, which `evaluate` calls with `use_stemmer=False`.

use super::bleu::common;

/// The F measure of ROUGE-1, 0 to 1; 0 where nothing is in common.
pub fn rouge1(prediction: &str, reference: &str) -> f64 {
    let (predicted, wanted) = (tokens(prediction), tokens(reference));
    let matches = common(&predicted, &wanted) as f64;
    let precision = matches / predicted.len().max(1) as f64;
    let recall = matches / wanted.len().max(1) as f64;
    if precision + recall > 0.0 {
        2.0 * precision * recall / (precision + recall)
    } else {
        0.0
    }
}

/// Lower case, then runs of ASCII letters and digits.
fn tokens(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_as_often_as_both_have_them() {
        assert_eq!(rouge1("Liver, LIVER!", "the liver"), 0.5);
        // What is no ASCII letter separates, as it does in rouge-score.
        assert_eq!(rouge1("größe", "gr e"), 1.0);
        assert_eq!(rouge1("", ""), 0.0);
    }
}
