//! Recommended display colours (PS3.3 C.10.7.1.1): CIELab, 16 bits for each value.
//!
//! The white point is D65, as DCMTK, dcmqi and dcmjs have it, so that colours are the same there and here.

/// X, Y and Z of white.
const WHITE: [f64; 3] = [0.950_456, 1.0, 1.088_754];
/// XYZ from linear sRGB, by rows (IEC 61966-2-1).
const XYZ_FROM_RGB: [[f64; 3]; 3] = [
    [0.412_453, 0.357_580, 0.180_423],
    [0.212_671, 0.715_160, 0.072_169],
    [0.019_334, 0.119_193, 0.950_227],
];
const RGB_FROM_XYZ: [[f64; 3]; 3] = [
    [3.240_479, -1.537_150, -0.498_535],
    [-0.969_256, 1.875_992, 0.041_556],
    [0.055_648, -0.204_043, 1.057_311],
];
/// Where the cube root of CIELab becomes a line.
const LINE: f64 = 6.0 / 29.0;

fn product(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
}

/// The stored L*, a* and b* of a colour.
pub(super) fn stored_from_rgb(rgb: [u8; 3]) -> [u16; 3] {
    let linear = rgb.map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    let xyz = product(&XYZ_FROM_RGB, linear);
    let [x, y, z] = std::array::from_fn(|n| {
        let share = xyz[n] / WHITE[n];
        if share > LINE.powi(3) {
            share.cbrt()
        } else {
            share / (3.0 * LINE * LINE) + 4.0 / 29.0
        }
    });
    let [l, a, b] = [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)];
    let stored = [l / 100.0, (a + 128.0) / 255.0, (b + 128.0) / 255.0];
    stored.map(|share| (share.clamp(0.0, 1.0) * 65535.0).round() as u16)
}

/// The colour of stored L*, a* and b*; what no screen shows is held to what it does.
pub(super) fn rgb_from_stored(stored: [u16; 3]) -> [u8; 3] {
    let [l, a, b] = stored.map(|value| f64::from(value) / 65535.0);
    let y = (l * 100.0 + 16.0) / 116.0;
    let shares = [
        y + (a * 255.0 - 128.0) / 500.0,
        y,
        y - (b * 255.0 - 128.0) / 200.0,
    ];
    let xyz = std::array::from_fn(|n| {
        let share = shares[n];
        let linear = if share > LINE {
            share.powi(3)
        } else {
            3.0 * LINE * LINE * (share - 4.0 / 29.0)
        };
        linear * WHITE[n]
    });
    product(&RGB_FROM_XYZ, xyz).map(|linear| {
        let value = if linear <= 0.003_130_8 {
            12.92 * linear
        } else {
            1.055 * linear.powf(1.0 / 2.4) - 0.055
        };
        (value.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_back() {
        for red in (0..=255).step_by(15) {
            for (green, blue) in (0..=255).step_by(17).zip((0..=255).rev().step_by(17)) {
                let rgb = [red, green, blue];
                assert_eq!(rgb_from_stored(stored_from_rgb(rgb)), rgb);
            }
        }
    }

    /// 3D Slicer's colour of the liver, as dcmqi wrote it into a segmentation.
    #[test]
    fn a_colour_that_dcmqi_wrote_is_read_alike() {
        assert_eq!(rgb_from_stored([41_661, 41_167, 40_792]), [221, 130, 101]);
        let stored = stored_from_rgb([221, 130, 101]);
        for (found, wanted) in stored.into_iter().zip([41_661_u16, 41_167, 40_792]) {
            assert!(found.abs_diff(wanted) < 30, "{stored:?}");
        }
    }
}
