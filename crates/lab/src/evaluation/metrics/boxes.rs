//! How well two boxes agree.

use m3d_imaging::geometry::VoxelBox;

/// The benchmark's "IoU" of two boxes as the model writes them (`d0, h0, w0, d1, h1, w1`): intersection over the
/// volume of the box that encloses both, plus 1e-6. It is below the true one wherever boxes do not coincide along two
/// axes. -1 where either box is missing.
pub fn reference_iou(predicted: Option<[f64; 6]>, wanted: Option<[f64; 6]>) -> f64 {
    let (Some(a), Some(b)) = (predicted, wanted) else {
        return -1.0;
    };
    let (mut inside, mut around) = (1.0, 1.0);
    for axis in 0..3 {
        inside *= (a[axis + 3].min(b[axis + 3]) - a[axis].max(b[axis])).max(0.0);
        around *= a[axis + 3].max(b[axis + 3]) - a[axis].min(b[axis]);
    }
    inside / (around + 1e-6)
}

/// The first box in a text as the benchmark finds it: `[n, n, n, n, n, n]`, each number an integer or with a full
/// stop, a comma and one space between them.
pub fn written_box(text: &str) -> Option<[f64; 6]> {
    text.match_indices('[').find_map(|(at, _)| {
        let (inside, _) = text[at + 1..].split_once(']')?;
        let words: Vec<&str> = inside.split(", ").collect();
        let numbers: Option<Vec<f64>> = words.iter().map(|word| plain_number(word)).collect();
        numbers?.try_into().ok()
    })
}

/// `[-+]?\d*\.\d+|[-+]?\d+`
fn plain_number(word: &str) -> Option<f64> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fits = match digits.split_once('.') {
        Some((whole, part)) => all(whole) && !part.is_empty() && all(part),
        None => !digits.is_empty() && all(digits),
    };
    if fits { word.parse().ok() } else { None }
}

/// Intersection over union of two boxes by their physical edges, 0 to 1.
pub fn iou(a: &VoxelBox, b: &VoxelBox) -> f64 {
    let volume =
        |low: glam::DVec3, high: glam::DVec3| (high - low).max(glam::DVec3::ZERO).element_product();
    let inside = volume(a.min.max(b.min), a.max.min(b.max));
    let union = volume(a.min, a.max) + volume(b.min, b.max) - inside;
    if union > 0.0 { inside / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::*;

    #[test]
    fn the_reference_divides_by_the_enclosing_box() {
        let a = [0.0, 0.0, 0.0, 0.5, 0.5, 0.5];
        let b = [0.25, 0.25, 0.25, 0.75, 0.75, 0.75];
        let wanted = 0.25_f64.powi(3) / (0.75_f64.powi(3) + 1e-6);
        assert!((reference_iou(Some(a), Some(b)) - wanted).abs() < 1e-15);
        assert_eq!(reference_iou(None, Some(b)), -1.0);
        let (a, b) = (DVec3::ZERO, DVec3::splat(2.0));
        let shifted = VoxelBox {
            min: a + 1.0,
            max: b + 1.0,
        };
        let whole = VoxelBox { min: a, max: b };
        assert!((iou(&whole, &shifted) - 1.0 / 15.0).abs() < 1e-15);
        assert_eq!(iou(&whole, &whole), 1.0);
    }

    #[test]
    fn boxes_are_found_as_the_benchmark_finds_them() {
        let wanted = Some([0.1, 0.0, 1.0, 0.5, 0.25, 1.0]);
        let predicted = "Sure [SEG], it is [0.1, 0.0, 1, .5, +0.25, 1.0]. Not [0, 0, 0, 0, 0, 0].";
        assert_eq!(written_box(predicted), wanted);
        for bad in [
            "[0.1,0.0,1,0.5,0.25,1.0]",
            "[0.1, 0.0, 1, 0.5, 0.25]",
            "[1., 0.0, 1, 0.5, 0.25, 1.0]",
            "[1e3, 0.0, 1, 0.5, 0.25, 1.0]",
            "[0.1, 0.0, 1, 0.5, 0.25, 1.0",
            "",
        ] {
            assert_eq!(written_box(bad), None, "{bad}");
        }
    }

    #[test]
    fn boxes_apart_share_nothing() {
        let unit = |at: f64| VoxelBox {
            min: DVec3::splat(at),
            max: DVec3::splat(at + 1.0),
        };
        assert_eq!(iou(&unit(0.0), &unit(5.0)), 0.0);
        let a = [0.0, 0.0, 0.0, 0.1, 0.1, 0.1];
        let b = [0.5, 0.0, 0.0, 0.6, 0.1, 0.1];
        assert_eq!(reference_iou(Some(a), Some(b)), 0.0);
    }
}
