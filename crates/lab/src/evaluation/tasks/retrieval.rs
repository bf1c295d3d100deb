//! Texts for images and images for texts.

use super::Ranked;
use crate::evaluation::engine::Ranker;
use crate::evaluation::metrics::{recall_at, transposed};
use crate::evaluation::{EvaluationError, Table};

pub(super) const COLUMNS: &[&str] = &["text", "image_feature", "text_feature"];
/// How many images and texts are searched, as the reference measures.
const POOLS: [usize; 4] = [100, 500, 1000, 2000];

/// The features of a pair: the cells behind the first columns.
pub(in crate::evaluation) fn measure(
    pair: &Ranked,
    ranker: &Ranker,
) -> Result<Vec<String>, EvaluationError> {
    let caption = pair.record.load()?;
    let text = caption.text.trim().to_owned();
    let image = ranker.image_features(&caption.image)?;
    let words = ranker.text_features(&text)?;
    Ok(vec![text, hex(&image), hex(&words)])
}

/// Eight hexadecimal digits a number: nothing is lost.
fn hex(numbers: &[f32]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(numbers.len() * 8);
    for number in numbers {
        // Writing to a string does not fail.
        let _ = write!(text, "{:08x}", number.to_bits());
    }
    text
}

fn numbers(hex: &str) -> Option<Vec<f32>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(8) {
        return None;
    }
    (0..hex.len() / 8)
        .map(|n| u32::from_str_radix(&hex[n * 8..][..8], 16).ok())
        .map(|bits| bits.map(f32::from_bits))
        .collect()
}

/// Recalls in pools of one size, averaged over as many pools as there are pairs for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::evaluation) struct Recalls {
    pub pool: usize,
    pub pools: usize,
    /// R@1, R@5, R@10 of texts for images.
    pub texts: [f64; 3],
    /// The same of images for texts.
    pub images: [f64; 3],
}

/// Recalls in every pool that there are pairs enough for, or in one of all pairs. Rows without features are passed
/// over.
pub(in crate::evaluation) fn recalls(table: &Table) -> Vec<Recalls> {
    let feature = |row: &[String], name: &str| numbers(table.cell(row, name));
    let pairs: Vec<(Vec<f32>, Vec<f32>)> = table
        .rows
        .iter()
        .filter_map(|row| {
            Some((
                feature(row, "image_feature")?,
                feature(row, "text_feature")?,
            ))
        })
        .collect();
    let mut sizes: Vec<usize> = POOLS.into_iter().filter(|&n| n <= pairs.len()).collect();
    if sizes.is_empty() && !pairs.is_empty() {
        sizes.push(pairs.len());
    }
    sizes
        .into_iter()
        .map(|size| in_pools(&pairs, size))
        .collect()
}

fn in_pools(pairs: &[(Vec<f32>, Vec<f32>)], size: usize) -> Recalls {
    let (mut texts, mut images) = ([0.0; 3], [0.0; 3]);
    let pools = pairs.chunks_exact(size);
    let count = pools.len();
    for pool in pools {
        let rows = pool.iter().map(|(image, _)| {
            let scores = pool.iter().map(|(_, text)| dot(image, text));
            scores.collect::<Vec<f32>>()
        });
        let similarity: Vec<Vec<f32>> = rows.collect();
        let turned = transposed(&similarity);
        for (n, k) in [1, 5, 10].into_iter().enumerate() {
            texts[n] += recall_at(&similarity, k) / count as f64;
            images[n] += recall_at(&turned, k) / count as f64;
        }
    }
    Recalls {
        pool: size,
        pools: count,
        texts,
        images,
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_table() {
        let wanted = [0.1_f32, -3.5e-20, f32::MAX, 0.0];
        assert_eq!(numbers(&hex(&wanted)).unwrap(), wanted);
        assert_eq!(numbers("12345"), None);
        assert_eq!(numbers("zzzzzzzz"), None);
    }

    #[test]
    fn pools_are_averaged() {
        // Every image is nearest to its own text but the first of each hundred, which points at the second's.
        let unit = |n: usize| -> Vec<f32> { (0..210).map(|m| f32::from(m == n)).collect() };
        let mut table = Table {
            columns: ["image_feature", "text_feature"]
                .map(str::to_owned)
                .to_vec(),
            rows: Vec::new(),
        };
        for n in 0..210 {
            let image = if n % 100 == 0 { unit(n + 1) } else { unit(n) };
            table.rows.push(vec![hex(&image), hex(&unit(n))]);
        }
        let found = recalls(&table);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].pool, found[0].pools), (100, 2));
        assert!((found[0].texts[0] - 0.99).abs() < 1e-12);
        assert_eq!(found[0].texts[1], 1.0);
        table.rows.truncate(3);
        assert_eq!(recalls(&table)[0].pool, 3);
        table.rows.clear();
        assert!(recalls(&table).is_empty());
    }
}
