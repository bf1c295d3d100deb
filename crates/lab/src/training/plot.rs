//! Curves of losses, drawn without a window.

use std::io::Cursor;

use font8x8::UnicodeFonts as _;
use image::{ImageFormat, Rgb, RgbImage};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 480;
const LEFT: u32 = 64;
const RIGHT: u32 = 16;
const TOP: u32 = 28;
const BOTTOM: u32 = 32;
const GROUND: Rgb<u8> = Rgb([24, 26, 30]);
const LINES: Rgb<u8> = Rgb([58, 62, 70]);
const WORDS: Rgb<u8> = Rgb([200, 204, 210]);
const COLOURS: [Rgb<u8>; 3] = [
    Rgb([255, 176, 59]),
    Rgb([86, 180, 233]),
    Rgb([120, 200, 120]),
];
/// Steps are averaged to about so many points.
const POINTS: usize = 400;

/// Named curves of (step, loss) over a logarithmic scale, as PNG.
///
/// # Errors
/// When the picture cannot be encoded.
pub(super) fn draw_curves(curves: &[(&str, Vec<(f64, f64)>); 3]) -> Result<Vec<u8>, String> {
    let mut picture = RgbImage::from_pixel(WIDTH, HEIGHT, GROUND);
    let curves: Vec<(&str, Vec<(f64, f64)>)> = curves
        .iter()
        .map(|(name, points)| (*name, averaged(points)))
        .collect();
    let all = || curves.iter().flat_map(|(_, points)| points.iter().copied());
    let last = all().map(|(step, _)| step).fold(1.0, f64::max);
    let low = all()
        .map(|(_, loss)| loss)
        .fold(f64::INFINITY, f64::min)
        .log10();
    let high = all()
        .map(|(_, loss)| loss)
        .fold(f64::NEG_INFINITY, f64::max)
        .log10();
    let (low, high) = if low.is_finite() && high.is_finite() {
        ((low - 0.02).min(high - 0.1), high + 0.02)
    } else {
        (-1.0, 1.0)
    };
    let place = |step: f64, loss: f64| {
        let x = f64::from(LEFT) + step / last * f64::from(WIDTH - LEFT - RIGHT);
        let part = (loss.log10() - low) / (high - low);
        let y = f64::from(HEIGHT - BOTTOM) - part * f64::from(HEIGHT - TOP - BOTTOM);
        (x, y)
    };
    for decade in low.floor() as i32..=high.ceil() as i32 {
        for first in [1.0, 2.0, 5.0] {
            let loss = first * 10_f64.powi(decade);
            if (low..=high).contains(&loss.log10()) {
                let (_, y) = place(0.0, loss);
                line(
                    &mut picture,
                    (f64::from(LEFT), y),
                    (f64::from(WIDTH - RIGHT), y),
                    LINES,
                );
                write(&mut picture, 4, y as i64 - 4, &format!("{loss:.3}"), WORDS);
            }
        }
    }
    for part in 0..=4 {
        let step = last * f64::from(part) / 4.0;
        let (x, _) = place(step, 1.0);
        let text = format!("{step:.0}");
        let x = (x as i64 - 4 * text.len() as i64).min(i64::from(WIDTH) - 8 * text.len() as i64);
        write(&mut picture, x, i64::from(HEIGHT) - 20, &text, WORDS);
    }
    for (n, ((name, points), colour)) in curves.iter().zip(COLOURS).enumerate() {
        write(
            &mut picture,
            i64::from(LEFT) + 96 * n as i64,
            8,
            name,
            colour,
        );
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|(step, loss)| place(step, loss));
            line(&mut picture, from, to, colour);
        }
    }
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| format!("the curves cannot be drawn: {e}"))?;
    Ok(png.into_inner())
}

fn averaged(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let several = points.len().div_ceil(POINTS).max(1);
    points
        .chunks(several)
        .map(|chunk| {
            let n = chunk.len() as f64;
            let sum = chunk.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            (sum.0 / n, (sum.1 / n).max(1e-6))
        })
        .collect()
}

fn line(picture: &mut RgbImage, from: (f64, f64), to: (f64, f64), colour: Rgb<u8>) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let count = dx.abs().max(dy.abs()).ceil().clamp(1.0, 4096.0) as u32;
    for n in 0..=count {
        let part = f64::from(n) / f64::from(count);
        dot(
            picture,
            (from.0 + part * dx) as i64,
            (from.1 + part * dy) as i64,
            colour,
        );
    }
}

fn write(picture: &mut RgbImage, x: i64, y: i64, text: &str, colour: Rgb<u8>) {
    for (n, character) in (0..).zip(text.chars()) {
        let Some(rows) = font8x8::BASIC_FONTS.get(character) else {
            continue;
        };
        for (row, bits) in (0..).zip(rows) {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                dot(picture, x + 8 * n + column, y + row, colour);
            }
        }
    }
}

fn dot(picture: &mut RgbImage, x: i64, y: i64, colour: Rgb<u8>) {
    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
        && let Some(pixel) = picture.get_pixel_mut_checked(x, y)
    {
        *pixel = colour;
    }
}
