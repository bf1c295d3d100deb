//! Numbers on the command line: points, boxes, sizes.

use glam::DVec3;

/// `N` finite numbers with commas between them.
fn numbers<const N: usize>(text: &str) -> Result<[f64; N], String> {
    let parts: Result<Vec<f64>, _> = text.split(',').map(|p| p.trim().parse::<f64>()).collect();
    let parts = parts.map_err(|_| format!("{N} numbers with commas between them are wanted"))?;
    let array: [f64; N] = parts
        .try_into()
        .map_err(|given: Vec<f64>| format!("{N} numbers are wanted, {} were given", given.len()))?;
    if array.iter().all(|n| n.is_finite()) {
        Ok(array)
    } else {
        Err("the numbers must be finite".into())
    }
}

/// `X,Y,Z` in patient mm.
pub fn point(text: &str) -> Result<DVec3, String> {
    numbers::<3>(text).map(DVec3::from_array)
}

/// `X0,Y0,Z0,X1,Y1,Z1`: two opposite corners in patient mm.
pub fn corners(text: &str) -> Result<[DVec3; 2], String> {
    let [x0, y0, z0, x1, y1, z1] = numbers::<6>(text)?;
    Ok([DVec3::new(x0, y0, z0), DVec3::new(x1, y1, z1)])
}

/// `C,W`: centre and width of a window.
pub fn window(text: &str) -> Result<m3d_imaging::volume::Window, String> {
    let [centre, width] = numbers::<2>(text)?;
    if width > 0.0 {
        Ok(m3d_imaging::volume::Window::new(
            centre as f32,
            width as f32,
        ))
    } else {
        Err("the width of the window must be above 0".into())
    }
}

/// A temperature.
pub fn temperature(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok();
    number
        .filter(|n| (0.0..=100.0).contains(n))
        .ok_or_else(|| "a number from 0 to 100 is wanted".into())
}

/// A share of the likeliest tokens.
pub fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok();
    number
        .filter(|&n| n > 0.0 && n <= 1.0)
        .ok_or_else(|| "a number above 0 and at most 1 is wanted".into())
}

/// A number of tokens.
pub fn tokens(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok();
    number
        .filter(|&n| n > 0)
        .ok_or_else(|| "a whole number from 1 on is wanted".into())
}

/// The largest side of a picture.
const LARGEST: u32 = 8192;

/// `WxH` in pixels.
pub fn size(text: &str) -> Result<[u32; 2], String> {
    let wrong = || format!("a size like 800x600, each side from 1 to {LARGEST}, is wanted");
    let (width, height) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let side = |part: &str| match part.trim().parse::<u32>() {
        Ok(n) if (1..=LARGEST).contains(&n) => Ok(n),
        _ => Err(wrong()),
    };
    Ok([side(width)?, side(height)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_numbers_are_read_and_bad_ones_refused() {
        assert_eq!(point("1, -2.5,3e1"), Ok(DVec3::new(1.0, -2.5, 30.0)));
        assert!(point("1,2").is_err() && point("1,2,x").is_err() && point("1,2,nan").is_err());
        assert!(corners("1,2,3,4,5,6").is_ok() && corners("1,2,3").is_err());
        assert!(window("40,400").is_ok() && window("40,0").is_err());
        assert_eq!(size("640x480"), Ok([640, 480]));
        assert!(size("0x5").is_err() && size("99999x5").is_err() && size("5").is_err());
    }
}
