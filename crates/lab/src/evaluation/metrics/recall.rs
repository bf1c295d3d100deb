//! How often the right partner is among the first.

/// R@k of a square matrix of similarities, row by row: the share of rows whose own column is among the `k` largest.
/// Of equal ones the first comes first. 0 where there are no rows.
pub fn recall_at(similarity: &[Vec<f32>], k: usize) -> f64 {
    let hits = ranks(similarity)
        .into_iter()
        .filter(|&rank| rank < k)
        .count();
    if similarity.is_empty() {
        0.0
    } else {
        hits as f64 / similarity.len() as f64
    }
}

/// For each row how many columns come before its own, from 0 on.
pub fn ranks(similarity: &[Vec<f32>]) -> Vec<usize> {
    let rank = |(own, row): (usize, &Vec<f32>)| {
        let Some(&right) = row.get(own).filter(|v| !v.is_nan()) else {
            return row.len();
        };
        let before = |(n, &v): (usize, &f32)| v > right || (v == right && n < own);
        row.iter().enumerate().filter(|&c| before(c)).count()
    };
    similarity.iter().enumerate().map(rank).collect()
}

/// The matrix with rows and columns exchanged.
pub fn transposed(similarity: &[Vec<f32>]) -> Vec<Vec<f32>> {
    (0..similarity.len())
        .map(|n| {
            let column = similarity.iter().map(|row| row.get(n).copied());
            column.map(|v| v.unwrap_or(f32::NAN)).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_find_texts_and_columns_images() {
        let scores = vec![
            vec![0.9, 0.1, 0.2],
            vec![0.8, 0.7, 0.1],
            vec![0.3, 0.2, 0.25],
        ];
        assert_eq!(ranks(&scores), [0, 1, 1]);
        assert!((recall_at(&scores, 1) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(recall_at(&scores, 2), 1.0);
        assert_eq!(ranks(&transposed(&scores)), [0, 0, 0]);
        assert_eq!(recall_at(&[], 1), 0.0);
    }

    #[test]
    fn a_model_that_says_always_the_same_finds_one_of_n() {
        let scores = vec![vec![0.5; 4]; 4];
        assert_eq!(recall_at(&scores, 1), 0.25);
    }
}
