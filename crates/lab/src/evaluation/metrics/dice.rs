//! How well two masks agree (Dice, 1945).

/// The benchmark's soft Dice of logits with a mask (1 inside) on the same grid: `2 sum(p t) / (sum p + sum t + 1)` with
/// `p` the sigmoid of the logits. Without logits nothing is inside. 0 where lengths differ.
pub fn soft_dice(logits: Option<&[f32]>, wanted: &[u8]) -> f64 {
    let inside = wanted.iter().filter(|&&t| t != 0).count() as f64;
    let Some(logits) = logits.filter(|l| l.len() == wanted.len()) else {
        return 0.0;
    };
    let (mut both, mut predicted) = (0.0, 0.0);
    for (&z, &t) in logits.iter().zip(wanted) {
        let p = 1.0 / (1.0 + (-f64::from(z)).exp());
        predicted += p;
        if t != 0 {
            both += p;
        }
    }
    2.0 * both / (predicted + inside + 1.0)
}

/// Dice of the voxels whose logit is above 0 with a mask, 0 to 1; 1 where both are empty. 0 where lengths differ.
pub fn hard_dice(logits: Option<&[f32]>, wanted: &[u8]) -> f64 {
    let inside = wanted.iter().filter(|&&t| t != 0).count();
    if logits.is_some_and(|l| l.len() != wanted.len()) {
        return 0.0;
    }
    let logits = logits.unwrap_or_default();
    let predicted = logits.iter().filter(|&&z| z > 0.0).count();
    if predicted + inside == 0 {
        return 1.0;
    }
    let both = logits
        .iter()
        .zip(wanted)
        .filter(|&(&z, &t)| z > 0.0 && t != 0)
        .count();
    2.0 * both as f64 / (predicted + inside) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_by_hand() {
        let wanted = [1, 1, 0, 0];
        let logits = [3.0_f32, -1.0, 0.5, -30.0];
        let p: Vec<f64> = logits
            .iter()
            .map(|&z| 1.0 / (1.0 + (-f64::from(z)).exp()))
            .collect();
        let soft = 2.0 * (p[0] + p[1]) / (p.iter().sum::<f64>() + 2.0 + 1.0);
        assert!((soft_dice(Some(&logits), &wanted) - soft).abs() < 1e-12);
        assert_eq!(hard_dice(Some(&logits), &wanted), 0.5);
    }

    #[test]
    fn nothing_and_nothing_agree() {
        assert_eq!(hard_dice(None, &[0, 0]), 1.0);
        assert_eq!(hard_dice(Some(&[-1.0, -2.0]), &[0, 0]), 1.0);
        assert_eq!(hard_dice(None, &[0, 1]), 0.0);
        assert_eq!(soft_dice(None, &[0, 1]), 0.0);
        assert_eq!(hard_dice(Some(&[1.0]), &[1, 1]), 0.0);
    }
}
