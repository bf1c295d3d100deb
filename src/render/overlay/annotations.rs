//! Measurements as a slice shows them: lines, handles, words beside them.

use glam::{DVec2, DVec3};

use super::words::PITCH;
use super::{HANDLE_RADIUS, TEXT_SIZE, faded};
use crate::render::marks::{Colour, Mark, MarkPart, MarkShape, MarkTarget, Place, Projection as _};
use m3d_imaging::geometry::{SlicePlane, SliceView, VoxelGrid};

/// Lines on a plane with words.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Lines, each from point to point in patient mm, and whether it is closed.
    pub lines: Vec<(Vec<DVec3>, bool)>,
    /// An arrow head at the first point of the first line.
    pub arrow: bool,
    /// Points it can be taken hold of by, in patient mm.
    pub handles: Vec<DVec3>,
    /// Lines of words.
    pub words: Vec<String>,
    /// Where the words stand, in patient mm; `None` for beside the lines.
    pub words_at_mm: Option<DVec3>,
    /// A unit normal of its plane.
    pub normal: DVec3,
    /// Half as thick as what shows it, in mm: from a slice farther away it is seen faintly up to three times as far.
    pub half_mm: f64,
    /// Its colour.
    pub colour: Colour,
    /// Whether it is chosen: handles are drawn.
    pub chosen: bool,
    /// The number it is hit by.
    pub id: u64,
}

/// Half of how far the slices of a plane are apart along its normal, in mm.
pub fn half_slice_mm(plane: &SlicePlane, grid: &VoxelGrid) -> f64 {
    let normal = plane.right.cross(plane.down).normalize_or_zero();
    let step = grid.patient_from_voxel().matrix3.col(plane.normal_axis);
    step.dot(normal).abs() / 2.0
}

/// How strongly a picture of a neighbouring slice shows it.
const BESIDE: f64 = 0.4;

/// From the lines to the words, in points.
const APART: f64 = 10.0;

impl Annotation {
    /// How strongly a slice shows it: fully where it was drawn, faintly one slice beside, nowhere else.
    fn strength(&self, view: &SliceView) -> Option<f64> {
        let normal = view.plane.right.cross(view.plane.down).normalize_or_zero();
        let point = self.lines.first()?.0.first()?;
        if normal.dot(self.normal).abs() < 0.999 {
            return None;
        }
        let away = (*point - view.centre_mm).dot(normal).abs() / self.half_mm.max(1e-9);
        match away {
            away if away <= 1.0 + 1e-6 => Some(1.0),
            away if away <= 3.0 + 1e-6 => Some(BESIDE),
            _ => None,
        }
    }

    /// Where its words stand: where they were put, else right of its rightmost point.
    pub fn words_place(&self, view: &SliceView) -> Option<Place> {
        if let Some(at) = self.words_at_mm {
            return Some(Place::patient(at));
        }
        let points = self.lines.iter().flat_map(|(points, _)| points).copied();
        let right = points.max_by(|a, b| {
            let [a, b] = [a, b].map(|p| view.pixel_from_patient(*p).x);
            a.total_cmp(&b)
        })?;
        Some(Place::patient(right).moved(APART, 0.0))
    }
}

/// The marks of what a slice shows of annotations.
pub fn annotation_marks(
    view: &SliceView,
    pixels_per_point: f64,
    annotations: &[Annotation],
) -> Vec<Mark> {
    let mut marks = Vec::new();
    for annotation in annotations {
        if let Some(strength) = annotation.strength(view) {
            draw(&mut marks, view, pixels_per_point, annotation, strength);
        }
    }
    marks
}

fn draw(
    marks: &mut Vec<Mark>,
    view: &SliceView,
    pixels_per_point: f64,
    annotation: &Annotation,
    strength: f64,
) {
    let colour = faded(annotation.colour, strength);
    let part = |part| MarkTarget {
        id: annotation.id,
        part,
    };
    let body = Some(part(MarkPart::Body));
    let mut line = |points: Vec<Place>, closed, width| {
        marks.push(Mark {
            shape: MarkShape::Line {
                points,
                closed,
                width,
                rim: true,
            },
            colour,
            target: body,
        });
    };
    let width = if annotation.chosen { 2.2 } else { 1.6 };
    for (points, closed) in &annotation.lines {
        let places: Vec<Place> = points.iter().copied().map(Place::patient).collect();
        line(places, *closed, width);
    }
    if annotation.arrow
        && let Some([tip, tail]) = annotation.lines.first().and_then(|(p, _)| p.first_chunk())
        && let [Some(to), Some(from)] = [tip, tail].map(|&p| view.pixel(p))
        && let Some(back) = (from - to).try_normalize()
    {
        for turn in [-0.45, 0.45] {
            let side = DVec2::from_angle(turn).rotate(back) * 11.0;
            let tip = Place::patient(*tip);
            line(vec![tip, tip.moved(side.x, side.y)], false, width);
        }
    }
    let is_point = annotation.lines.iter().all(|(points, _)| points.len() == 1);
    let dots: &[DVec3] = match annotation.lines.first() {
        _ if annotation.chosen => &annotation.handles,
        Some((points, _)) if is_point => points,
        _ => &[],
    };
    for (n, at) in (0..).zip(dots) {
        marks.push(Mark {
            shape: MarkShape::Dot {
                centre: Place::patient(*at),
                radius: HANDLE_RADIUS,
            },
            colour,
            target: Some(part(MarkPart::Handle(n))),
        });
    }
    words(
        marks,
        view,
        pixels_per_point,
        annotation,
        colour,
        part(MarkPart::Label),
    );
}

fn words(
    marks: &mut Vec<Mark>,
    view: &SliceView,
    pixels_per_point: f64,
    annotation: &Annotation,
    colour: Colour,
    target: MarkTarget,
) {
    let Some(at) = annotation
        .words_place(view)
        .filter(|_| !annotation.words.is_empty())
    else {
        return;
    };
    // Words that were moved are led back to what they say.
    if let Some(moved) = annotation.words_at_mm
        && let Some(from) = view.pixel(moved)
    {
        let points = annotation
            .lines
            .iter()
            .flat_map(|(points, _)| points)
            .copied();
        let near = points.filter_map(|p| Some((view.pixel(p)?.distance(from), p)));
        let nearest = near.min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((away, point)) = nearest
            && away > 2.0 * APART * pixels_per_point
        {
            marks.push(Mark {
                shape: MarkShape::Line {
                    points: vec![Place::patient(moved), Place::patient(point)],
                    closed: false,
                    width: 0.8,
                    rim: false,
                },
                colour: faded(colour, 0.6),
                target: None,
            });
        }
    }
    let middle = (annotation.words.len() as f64 - 1.0) / 2.0;
    for (n, text) in annotation.words.iter().enumerate() {
        marks.push(Mark {
            shape: MarkShape::Text {
                at: at.moved(0.0, (n as f64 - middle) * PITCH),
                align: DVec2::new(0.0, 0.5),
                text: text.clone(),
                size: TEXT_SIZE,
            },
            colour,
            target: Some(target),
        });
    }
}
