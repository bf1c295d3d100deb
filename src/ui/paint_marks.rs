//! Marks painted by egui.

use egui::{Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, vec2};
use glam::DVec2;

use crate::render::marks::{Colour, Mark, MarkFrame, MarkShape, Place, Projection, RIM_WIDTH, rim};

/// Paints marks over the picture that fills `rect`, the first lowest; `projection` is that of the picture.
pub fn paint_marks(painter: &Painter, rect: Rect, marks: &[Mark], projection: &dyn Projection) {
    let canvas = MarkCanvas {
        painter,
        origin: rect.min,
        frame: MarkFrame {
            projection,
            pixels_per_point: f64::from(painter.pixels_per_point()),
        },
    };
    for mark in marks {
        canvas.paint(mark);
    }
}

/// A colour of the window as marks have it.
pub fn colour(colour: Color32) -> Colour {
    colour.to_srgba_unmultiplied()
}

fn color32([r, g, b, a]: Colour) -> Color32 {
    Color32::from_rgba_unmultiplied(r, g, b, a)
}

struct MarkCanvas<'a> {
    painter: &'a Painter,
    origin: Pos2,
    frame: MarkFrame<'a>,
}

impl MarkCanvas<'_> {
    fn screen(&self, pixel: DVec2) -> Pos2 {
        let points = pixel / self.frame.pixels_per_point;
        self.origin + vec2(points.x as f32, points.y as f32)
    }

    fn paint(&self, mark: &Mark) {
        let (ink, under) = (color32(mark.colour), color32(rim(mark.colour)));
        match &mark.shape {
            MarkShape::Line {
                points,
                closed,
                width,
                rim: rimmed,
            } => {
                if *rimmed {
                    let width = width + 2.0 * RIM_WIDTH;
                    self.line(points, *closed, Stroke::new(width as f32, under));
                }
                self.line(points, *closed, Stroke::new(*width as f32, ink));
            }
            MarkShape::Dot { centre, radius } => {
                if let Some(at) = self.frame.pixel(centre) {
                    let at = self.screen(at);
                    let around = (radius + RIM_WIDTH) as f32;
                    self.painter.circle_filled(at, around, under);
                    self.painter.circle_filled(at, *radius as f32, ink);
                }
            }
            MarkShape::Text {
                at,
                align,
                text,
                size,
            } => {
                if let Some(at) = self.frame.pixel(at) {
                    self.text(self.screen(at), *align, text, *size, [ink, under]);
                }
            }
        }
    }

    fn line(&self, points: &[Place], closed: bool, stroke: Stroke) {
        let seen: Option<Vec<Pos2>> = points
            .iter()
            .map(|p| self.frame.pixel(p).map(|p| self.screen(p)))
            .collect();
        match seen {
            Some(points) if closed => {
                self.painter.add(Shape::closed_line(points, stroke));
            }
            Some(points) => {
                self.painter.add(Shape::line(points, stroke));
            }
            None => {
                for segment in self.frame.segments(points, closed) {
                    self.painter
                        .line_segment(segment.map(|p| self.screen(p)), stroke);
                }
            }
        }
    }

    fn text(&self, at: Pos2, align: DVec2, text: &str, size: f64, [ink, under]: [Color32; 2]) {
        let font = FontId::proportional(size as f32);
        let galley = self.painter.layout_no_wrap(text.to_owned(), font, ink);
        let corner = at - galley.size() * vec2(align.x as f32, align.y as f32);
        for offset in [
            vec2(1.0, 1.0),
            vec2(-1.0, 1.0),
            vec2(1.0, -1.0),
            vec2(-1.0, -1.0),
        ] {
            self.painter
                .galley_with_override_text_color(corner + offset, galley.clone(), under);
        }
        self.painter.galley(corner, galley, ink);
    }
}
