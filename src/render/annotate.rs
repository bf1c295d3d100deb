//! Marks drawn onto pictures that leave the program.

use glam::DVec2;
use vello_cpu::color::{AlphaColor, Srgb};
use vello_cpu::kurbo::{BezPath, Cap, Circle, Join, Shape as _, Stroke};
use vello_cpu::{
    CompositeMode, PixmapMut, RasterizerSettings, RenderContext, RenderMode, Resources,
};

use super::Picture;
use super::font::text_outline;
use super::marks::{Colour, Mark, MarkFrame, MarkShape, Projection, RIM_WIDTH, rim};

/// A picture as small as this on its shorter side has one pixel to a point; a larger one has more.
const POINTS: f64 = 600.0;

/// Pixels per point of an exported picture: marks grow with it, so that they are read where it is shown
/// smaller.
pub fn pixels_per_point(size_px: DVec2) -> f64 {
    (size_px.min_element() / POINTS).clamp(1.0, 16.0)
}

/// Draws marks onto a picture, the first lowest; what lies outside is cut off. `projection` is that of the
/// picture.
pub fn annotate(
    picture: &mut Picture,
    marks: &[Mark],
    projection: &dyn Projection,
    pixels_per_point: f64,
) {
    let (Ok(width), Ok(height)) = (u16::try_from(picture.width), u16::try_from(picture.height))
    else {
        tracing::warn!(
            "a picture of {} pixels is too wide for marks",
            picture.width
        );
        return;
    };
    let mut painter = Painter {
        context: RenderContext::new(width, height),
        frame: MarkFrame {
            projection,
            pixels_per_point,
        },
        size: DVec2::new(f64::from(width), f64::from(height)),
    };
    for mark in marks {
        painter.draw(mark);
    }
    painter.context.flush();
    if let Some(target) = PixmapMut::new(width, height, &mut picture.rgba) {
        let over = RasterizerSettings {
            render_mode: RenderMode::OptimizeQuality,
            composite_mode: CompositeMode::SrcOver,
            ..RasterizerSettings::default()
        };
        // The picture is opaque, so its colours are those multiplied by their opacity.
        painter
            .context
            .render_with(target, &mut Resources::new(), over);
    }
}

struct Painter<'a> {
    context: RenderContext,
    frame: MarkFrame<'a>,
    size: DVec2,
}

impl Painter<'_> {
    fn draw(&mut self, mark: &Mark) {
        let scale = self.frame.pixels_per_point;
        let around = RIM_WIDTH * scale;
        match &mark.shape {
            MarkShape::Line {
                points,
                closed,
                width,
                rim: rimmed,
            } => {
                let path = self.line(&self.frame.segments(points, *closed), width * scale);
                if *rimmed {
                    self.stroke(&path, width * scale + 2.0 * around, rim(mark.colour));
                }
                self.stroke(&path, width * scale, mark.colour);
            }
            MarkShape::Dot { centre, radius } => {
                let Some(at) = self.frame.pixel(centre).filter(|at| self.is_near(*at)) else {
                    return;
                };
                let disc = |radius: f64| Circle::new((at.x, at.y), radius).to_path(0.05);
                self.fill(&disc(radius * scale + around), rim(mark.colour));
                self.fill(&disc(radius * scale), mark.colour);
            }
            MarkShape::Text {
                at,
                align,
                text,
                size,
            } => {
                let Some([corner, extent]) = self.frame.text_box(at, *align, text, *size) else {
                    return;
                };
                if corner.cmpgt(self.size).any() || (corner + extent).cmplt(DVec2::ZERO).any() {
                    return;
                }
                let path = text_outline(text, size * scale, corner);
                self.stroke(&path, 2.0 * around, rim(mark.colour));
                self.fill(&path, mark.colour);
            }
        }
    }

    /// A path along segments as far as they are on the picture or close to it, joined where one goes on
    /// from another.
    fn line(&self, segments: &[[DVec2; 2]], width: f64) -> BezPath {
        let mut path = BezPath::new();
        let mut at: Option<DVec2> = None;
        for [a, b] in segments
            .iter()
            .filter_map(|s| clipped(*s, self.size, width))
        {
            if at != Some(a) {
                path.move_to((a.x, a.y));
            }
            path.line_to((b.x, b.y));
            at = Some(b);
        }
        path
    }

    /// Whether a pixel position is on the picture or close to it.
    fn is_near(&self, at: DVec2) -> bool {
        at.cmpgt(-self.size).all() && at.cmplt(self.size * 2.0).all()
    }

    fn stroke(&mut self, path: &BezPath, width: f64, colour: Colour) {
        self.context.set_paint(paint(colour));
        self.context.set_stroke(
            Stroke::new(width)
                .with_caps(Cap::Square)
                .with_join(Join::Round),
        );
        self.context.stroke_path(path);
    }

    fn fill(&mut self, path: &BezPath, colour: Colour) {
        self.context.set_paint(paint(colour));
        self.context.fill_path(path);
    }
}

fn paint([r, g, b, a]: Colour) -> AlphaColor<Srgb> {
    AlphaColor::from_rgba8(r, g, b, a)
}

/// The part of a segment on a picture of `size` or within some widths of it (Liang and Barsky 1984); `None`
/// when there is none or it is not finite.
fn clipped([a, b]: [DVec2; 2], size: DVec2, width: f64) -> Option<[DVec2; 2]> {
    if !a.is_finite() || !b.is_finite() {
        return None;
    }
    let slack = 16.0 + 4.0 * width;
    let way = b - a;
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for axis in 0..2 {
        let (low, high) = (-slack - a[axis], size[axis] + slack - a[axis]);
        if way[axis].abs() < 1e-9 {
            if low > 0.0 || high < 0.0 {
                return None;
            }
            continue;
        }
        let (s, t) = (low / way[axis], high / way[axis]);
        from = from.max(s.min(t));
        to = to.min(s.max(t));
    }
    if from > to {
        return None;
    }
    // Ends that are not cut off stay exactly where they are: the next segment begins there.
    let start = if from > 0.0 { a + way * from } else { a };
    let end = if to < 1.0 { a + way * to } else { b };
    Some([start, end])
}

#[cfg(test)]
mod tests {
    use super::super::marks::Place;
    use super::*;

    /// A picture that shows nothing of the patient.
    struct Plain(DVec2);

    impl Projection for Plain {
        fn pixel(&self, point_mm: glam::DVec3) -> Option<DVec2> {
            Some(point_mm.truncate())
        }

        fn size_px(&self) -> DVec2 {
            self.0
        }
    }

    const YELLOW: Colour = [255, 210, 60, 255];

    fn draw(picture: &mut Picture, marks: &[Mark]) {
        let size = DVec2::new(f64::from(picture.width), f64::from(picture.height));
        annotate(picture, marks, &Plain(size), 1.0);
    }

    fn line(points: &[[f64; 2]], width: f64, rim: bool, colour: Colour) -> Mark {
        let points = points.iter().map(|p| glam::DVec3::new(p[0], p[1], 0.0));
        Mark {
            shape: MarkShape::Line {
                points: points.map(Place::patient).collect(),
                closed: false,
                width,
                rim,
            },
            colour,
            target: None,
        }
    }

    fn text(words: &str, colour: Colour) -> Mark {
        Mark {
            shape: MarkShape::Text {
                at: Place::picture(0.5, 0.5),
                align: DVec2::splat(0.5),
                text: words.into(),
                size: 14.0,
            },
            colour,
            target: None,
        }
    }

    #[test]
    fn lines_from_far_outside_are_cut_not_walked() {
        let mut picture = Picture::filled(50, 40, [0; 3]);
        let marks = [
            line(&[[-1e12, 20.5], [1e12, 20.5]], 1.0, false, YELLOW),
            line(&[[10.0, f64::NAN], [3.0, 4.0]], 1.0, false, YELLOW),
            line(&[[-900.0, -150.0], [900.0, -160.0]], 1.0, false, YELLOW),
        ];
        draw(&mut picture, &marks);
        for y in 0..40 {
            let wanted = if y == 20 { YELLOW } else { [0, 0, 0, 255] };
            assert!((0..50).all(|x| picture.pixel(x, y) == Some(wanted)), "{y}");
        }
    }

    #[test]
    fn slanted_lines_are_smooth_and_cover_as_much_as_they_are_long() {
        let mut picture = Picture::filled(100, 60, [0; 3]);
        draw(
            &mut picture,
            &[line(
                &[[10.0, 10.0], [90.0, 50.0]],
                2.0,
                false,
                [255, 255, 255, 128],
            )],
        );
        let levels: Vec<u8> = picture.rgba.chunks(4).map(|p| p[0]).collect();
        assert!(levels.iter().all(|&l| l <= 129), "half is seen through");
        assert!(levels.iter().filter(|l| (20..110).contains(*l)).count() > 80);
        let covered: f64 = levels.iter().map(|&l| f64::from(l) / 128.0).sum();
        // With square ends the line is 2 longer; sampled coverage is exact to a few per cent.
        let wanted = 2.0 * (80_f64.hypot(40.0) + 2.0);
        assert!(
            (covered - wanted).abs() < 0.05 * wanted,
            "{covered} {wanted}"
        );
    }

    #[test]
    fn words_stand_in_their_box_and_are_seen_on_any_grey() {
        for ground in [0, 128, 255] {
            let mut picture = Picture::filled(120, 40, [ground; 3]);
            draw(&mut picture, &[text("Liver 12.5", [255, 255, 255, 255])]);
            let changed: Vec<(u32, u32)> = (0..40)
                .flat_map(|y| (0..120).map(move |x| (x, y)))
                .filter(|&(x, y)| picture.pixel(x, y) != Some([ground, ground, ground, 255]))
                .collect();
            let (left, right) = (
                changed.iter().map(|p| p.0).min().unwrap(),
                changed.iter().map(|p| p.0).max().unwrap(),
            );
            assert!((left + right).abs_diff(119) <= 2, "{left} {right}: centred");
            assert!((55..=75).contains(&(right - left)), "{left} {right}");
            let light = |least: u8| {
                let pixels = picture.rgba.chunks(4);
                pixels.filter(|p| p[0] >= least).count()
            };
            let dark = picture.rgba.chunks(4).filter(|p| p[0] < 90).count();
            assert!(
                light(230) > 60 && dark > 100,
                "{ground}: {} {dark}",
                light(230)
            );
        }
    }

    #[test]
    fn faint_marks_have_faint_rims_and_pictures_stay_opaque() {
        let mut picture = Picture::filled(60, 30, [255; 3]);
        let faint = [255, 255, 255, 51];
        draw(
            &mut picture,
            &[line(&[[5.0, 15.5], [55.0, 15.5]], 1.0, true, faint)],
        );
        // A rim of 200 of 255 at a fifth, and nothing of it under the line but a fifth of white.
        let [rim, ..] = picture.pixel(30, 14).unwrap();
        assert!((210..=220).contains(&rim), "{rim}");
        assert!(picture.rgba.chunks(4).all(|p| p[3] == 255));
    }

    #[test]
    fn exports_have_larger_marks_the_larger_they_are() {
        assert_eq!(pixels_per_point(DVec2::new(200.0, 100.0)), 1.0);
        assert_eq!(pixels_per_point(DVec2::new(2400.0, 1200.0)), 2.0);
        assert_eq!(pixels_per_point(DVec2::splat(16384.0)), 16.0);
    }
}
