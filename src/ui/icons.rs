//! Small drawings for commands: lines in a unit square, so that they are sharp at any scale and need no font.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

use crate::app::{Command, MaskTool, MeasurementKind, Tool};

/// The strokes of an icon.
enum Line {
    /// From point to point.
    Path(&'static [(f32, f32)]),
    /// From point to point and back to the first.
    Loop(&'static [(f32, f32)]),
    /// A circle: middle and radius.
    Circle(f32, f32, f32),
    /// A filled circle: middle and radius.
    Dot(f32, f32, f32),
    /// A filled polygon, convex.
    Fill(&'static [(f32, f32)]),
}

use Line::{Circle, Dot, Fill, Loop, Path};

/// The drawing of a command; none for those that are words.
fn lines(command: Command) -> Option<&'static [Line]> {
    Some(match command {
        Command::UseTool(tool) => tool_lines(tool),
        Command::Invert => &[
            Loop(&[(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]),
            Fill(&[(0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]),
        ],
        Command::Undo => &[
            Path(&[(0.35, 0.12), (0.12, 0.35), (0.35, 0.58)]),
            Path(&[
                (0.12, 0.35),
                (0.62, 0.35),
                (0.82, 0.45),
                (0.88, 0.62),
                (0.8, 0.8),
                (0.6, 0.88),
                (0.35, 0.88),
            ]),
        ],
        Command::Redo => &[
            Path(&[(0.65, 0.12), (0.88, 0.35), (0.65, 0.58)]),
            Path(&[
                (0.88, 0.35),
                (0.38, 0.35),
                (0.18, 0.45),
                (0.12, 0.62),
                (0.2, 0.8),
                (0.4, 0.88),
                (0.65, 0.88),
            ]),
        ],
        Command::NextLayout => &[
            Loop(&[(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]),
            Path(&[(0.5, 0.1), (0.5, 0.9)]),
            Path(&[(0.1, 0.5), (0.9, 0.5)]),
        ],
        Command::ResetView => &[
            Path(&[(0.1, 0.35), (0.1, 0.1), (0.35, 0.1)]),
            Path(&[(0.65, 0.1), (0.9, 0.1), (0.9, 0.35)]),
            Path(&[(0.9, 0.65), (0.9, 0.9), (0.65, 0.9)]),
            Path(&[(0.35, 0.9), (0.1, 0.9), (0.1, 0.65)]),
        ],
        Command::Play => &[Fill(&[(0.25, 0.1), (0.85, 0.5), (0.25, 0.9)])],
        Command::StudyPanel => &[
            Loop(&[(0.08, 0.15), (0.92, 0.15), (0.92, 0.85), (0.08, 0.85)]),
            Fill(&[(0.08, 0.15), (0.36, 0.15), (0.36, 0.85), (0.08, 0.85)]),
        ],
        Command::WorkPanel => &[
            Loop(&[(0.08, 0.15), (0.92, 0.15), (0.92, 0.85), (0.08, 0.85)]),
            Fill(&[(0.64, 0.15), (0.92, 0.15), (0.92, 0.85), (0.64, 0.85)]),
        ],
        Command::Palette => &[Circle(0.42, 0.42, 0.28), Path(&[(0.62, 0.62), (0.9, 0.9)])],
        _ => return None,
    })
}

const fn tool_lines(tool: Tool) -> &'static [Line] {
    match tool {
        Tool::Window => &[
            Circle(0.5, 0.5, 0.38),
            Fill(&[
                (0.5, 0.12),
                (0.77, 0.23),
                (0.88, 0.5),
                (0.77, 0.77),
                (0.5, 0.88),
            ]),
        ],
        Tool::Crosshair => &[
            Path(&[(0.5, 0.05), (0.5, 0.36)]),
            Path(&[(0.5, 0.64), (0.5, 0.95)]),
            Path(&[(0.05, 0.5), (0.36, 0.5)]),
            Path(&[(0.64, 0.5), (0.95, 0.5)]),
        ],
        Tool::Box => &[
            Loop(&[(0.15, 0.2), (0.85, 0.2), (0.85, 0.8), (0.15, 0.8)]),
            Dot(0.15, 0.2, 0.09),
            Dot(0.85, 0.2, 0.09),
            Dot(0.85, 0.8, 0.09),
            Dot(0.15, 0.8, 0.09),
        ],
        Tool::Measure(kind) => measure_lines(kind),
        Tool::Mask(tool) => mask_lines(tool),
    }
}

const fn measure_lines(kind: MeasurementKind) -> &'static [Line] {
    match kind {
        MeasurementKind::Length => &[
            Path(&[(0.18, 0.82), (0.82, 0.18)]),
            Path(&[(0.08, 0.72), (0.28, 0.92)]),
            Path(&[(0.72, 0.08), (0.92, 0.28)]),
        ],
        MeasurementKind::Bidirectional => &[
            Path(&[(0.12, 0.7), (0.88, 0.3)]),
            Path(&[(0.4, 0.25), (0.62, 0.72)]),
        ],
        MeasurementKind::Angle => &[
            Path(&[(0.85, 0.85), (0.12, 0.85), (0.65, 0.15)]),
            Path(&[(0.5, 0.85), (0.46, 0.66), (0.34, 0.56)]),
        ],
        MeasurementKind::CobbAngle => &[
            Path(&[(0.12, 0.2), (0.88, 0.36)]),
            Path(&[(0.12, 0.84), (0.88, 0.62)]),
        ],
        MeasurementKind::Ellipse => &[Loop(&[
            (0.06, 0.5),
            (0.12, 0.34),
            (0.28, 0.23),
            (0.5, 0.19),
            (0.72, 0.23),
            (0.88, 0.34),
            (0.94, 0.5),
            (0.88, 0.66),
            (0.72, 0.77),
            (0.5, 0.81),
            (0.28, 0.77),
            (0.12, 0.66),
        ])],
        MeasurementKind::Rectangle => {
            &[Loop(&[(0.1, 0.22), (0.9, 0.22), (0.9, 0.78), (0.1, 0.78)])]
        }
        MeasurementKind::Polygon => &[Loop(&[
            (0.2, 0.3),
            (0.6, 0.1),
            (0.92, 0.5),
            (0.66, 0.9),
            (0.1, 0.75),
        ])],
        MeasurementKind::Freehand => &[Loop(&[
            (0.15, 0.5),
            (0.22, 0.25),
            (0.42, 0.15),
            (0.55, 0.3),
            (0.75, 0.25),
            (0.88, 0.45),
            (0.78, 0.7),
            (0.55, 0.72),
            (0.42, 0.88),
            (0.2, 0.78),
        ])],
        MeasurementKind::Probe => &[Circle(0.5, 0.5, 0.34), Dot(0.5, 0.5, 0.1)],
        MeasurementKind::Arrow => &[
            Path(&[(0.88, 0.12), (0.14, 0.86)]),
            Path(&[(0.14, 0.52), (0.14, 0.86), (0.48, 0.86)]),
        ],
        MeasurementKind::Text => &[
            Path(&[(0.18, 0.18), (0.82, 0.18)]),
            Path(&[(0.5, 0.18), (0.5, 0.88)]),
        ],
    }
}

const fn mask_lines(tool: MaskTool) -> &'static [Line] {
    match tool {
        MaskTool::Brush => &[
            Path(&[(0.9, 0.08), (0.46, 0.56)]),
            Fill(&[
                (0.36, 0.5),
                (0.54, 0.66),
                (0.4, 0.86),
                (0.1, 0.92),
                (0.2, 0.66),
            ]),
        ],
        MaskTool::Eraser => &[
            Loop(&[(0.42, 0.14), (0.9, 0.5), (0.58, 0.88), (0.1, 0.52)]),
            Path(&[(0.26, 0.34), (0.74, 0.7)]),
        ],
        MaskTool::Lasso => &[
            Loop(&[
                (0.1, 0.38),
                (0.3, 0.15),
                (0.7, 0.15),
                (0.9, 0.38),
                (0.7, 0.6),
                (0.3, 0.6),
            ]),
            Path(&[(0.34, 0.6), (0.4, 0.75), (0.28, 0.92)]),
        ],
        MaskTool::Region => &[
            Dot(0.5, 0.5, 0.12),
            Circle(0.5, 0.5, 0.38),
            Path(&[(0.5, 0.3), (0.5, 0.05)]),
            Path(&[(0.5, 0.7), (0.5, 0.95)]),
            Path(&[(0.3, 0.5), (0.05, 0.5)]),
            Path(&[(0.7, 0.5), (0.95, 0.5)]),
        ],
    }
}

/// Draws the icon of a command into a square; whether it has one.
pub fn paint(painter: &Painter, square: Rect, command: Command, colour: Color32) -> bool {
    let Some(lines) = lines(command) else {
        return false;
    };
    let at = |(x, y): (f32, f32)| -> Pos2 {
        pos2(
            square.left() + x * square.width(),
            square.top() + y * square.height(),
        )
    };
    let stroke = Stroke::new((square.width() / 12.0).max(1.0), colour);
    for line in lines {
        match *line {
            Path(points) => {
                let points = points.iter().copied().map(at).collect();
                painter.add(Shape::line(points, stroke));
            }
            Loop(points) => {
                let points = points.iter().copied().map(at).collect();
                painter.add(Shape::closed_line(points, stroke));
            }
            Circle(x, y, radius) => {
                painter.circle_stroke(at((x, y)), radius * square.width(), stroke);
            }
            Dot(x, y, radius) => {
                painter.circle_filled(at((x, y)), radius * square.width(), colour);
            }
            Fill(points) => {
                let points = points.iter().copied().map(at).collect();
                painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
            }
        }
    }
    true
}

/// A small triangle that says a menu opens here.
pub fn menu_mark(painter: &Painter, centre: Pos2, colour: Color32) {
    let points = [vec2(-3.5, -1.5), vec2(3.5, -1.5), vec2(0.0, 2.5)]
        .map(|v| centre + v)
        .to_vec();
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}
