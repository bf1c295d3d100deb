//! The marks over a slice and over the 3-D view, made in one place for the window and for exports.

mod annotations;
mod boxes;
mod words;

use glam::DVec3;

pub use self::annotations::{Annotation, annotation_marks, half_slice_mm};
pub use self::boxes::HANDLE_RADIUS;
use self::boxes::{box_on_slice, line};
use self::words::{MARGIN, PITCH, Room, corner_texts, edge_letters, notice, scale_bar, words};
pub use self::words::{figure, slice_lines, window_line};
use super::marks::{CameraView, Colour, Mark, MarkShape, Place};
use m3d_imaging::geometry::{Camera, Orientation, SliceView, VoxelBox, VoxelGrid};
use m3d_imaging::volume::Spacing;

/// Words over pictures.
pub const TEXT: Colour = [214, 222, 230, 255];
/// Quieter words.
pub const FAINT_TEXT: Colour = [138, 150, 163, 255];
/// The size of letters over pictures, in points.
pub const TEXT_SIZE: f64 = 12.5;

/// How far from its point the crosshair's lines begin, in points.
const GAP: f64 = 10.0;
/// The colour of a plane: axial red, sagittal yellow, coronal green.
pub const fn plane_colour(orientation: Orientation) -> Colour {
    match orientation {
        Orientation::Axial => [235, 96, 88, 255],
        Orientation::Sagittal => [236, 208, 84, 255],
        Orientation::Coronal => [112, 200, 120, 255],
    }
}

/// A line of words in a corner.
#[derive(Clone, Debug, PartialEq)]
pub struct CornerLine {
    /// The words; they are cut short where there is no room.
    pub text: String,
    /// Their colour.
    pub colour: Colour,
}

impl CornerLine {
    /// A line in the usual colour of words.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            colour: TEXT,
        }
    }
}

/// The words in three corners (the scale bar has the fourth), each from its upper line down. Where a
/// picture has no room for all lines, those farther from its border are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CornerTexts {
    /// Who and what.
    pub top_left: Vec<CornerLine>,
    /// Where.
    pub top_right: Vec<CornerLine>,
    /// How it is shown.
    pub bottom_left: Vec<CornerLine>,
}

/// A box to mark.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxMark {
    /// The grid whose voxels the box is told in.
    pub grid: VoxelGrid,
    /// The box.
    pub region: VoxelBox,
    /// Its colour.
    pub colour: Colour,
    /// Handles at its corners, sides and middle.
    pub handles: bool,
    /// Lines of words beside it.
    pub words: Vec<String>,
    /// The number it is hit by.
    pub id: Option<u64>,
}

/// All that stands over a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceOverlay {
    /// The picture.
    pub view: SliceView,
    /// Pixels per point.
    pub pixels_per_point: f64,
    /// The patient point (mm) the other planes go through, to draw their lines.
    pub crosshair_mm: Option<DVec3>,
    /// Boxes, fainter where the slice misses them.
    pub boxes: Vec<BoxMark>,
    /// Measurements.
    pub annotations: Vec<Annotation>,
    /// The words in the corners.
    pub texts: CornerTexts,
    /// What lengths are worth.
    pub spacing: Spacing,
    /// Whether it is known which side is which; else none is named.
    pub sides_known: bool,
    /// The research notice along the lower border, as exports have it.
    pub notice: bool,
}

/// All that stands over the 3-D view.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeOverlay {
    /// The picture.
    pub view: CameraView,
    /// Pixels per point.
    pub pixels_per_point: f64,
    /// Boxes.
    pub boxes: Vec<BoxMark>,
    /// The words in the corners; the compass stands above those at the bottom.
    pub texts: CornerTexts,
    /// Whether it is known which side is which; else there is no compass.
    pub sides_known: bool,
    /// The research notice along the lower border, as exports have it.
    pub notice: bool,
}

/// The marks over a slice: the crosshair, boxes, letters at the borders, words in the corners, the scale
/// bar.
pub fn slice_marks(overlay: &SliceOverlay) -> Vec<Mark> {
    let view = &overlay.view;
    let mm_per_point = view.mm_per_pixel * overlay.pixels_per_point;
    let room = Room::new(view.size_px / overlay.pixels_per_point, overlay.notice);
    let mut marks = Vec::new();
    if let Some(at_mm) = overlay.crosshair_mm {
        crosshair(&mut marks, view, at_mm, mm_per_point);
    }
    for region in &overlay.boxes {
        box_on_slice(&mut marks, view, region);
    }
    marks.extend(annotation_marks(
        view,
        overlay.pixels_per_point,
        &overlay.annotations,
    ));
    if overlay.sides_known {
        edge_letters(&mut marks, view, &room);
    }
    corner_texts(&mut marks, &overlay.texts, &room);
    scale_bar(&mut marks, mm_per_point, overlay.spacing, &room);
    if overlay.notice {
        marks.push(notice(&room));
    }
    marks
}

/// The marks over the 3-D view: boxes, words in the corners, and a compass of the patient's sides.
pub fn volume_marks(overlay: &VolumeOverlay) -> Vec<Mark> {
    let room = Room::new(
        overlay.view.size_px / overlay.pixels_per_point,
        overlay.notice,
    );
    let mut marks = Vec::new();
    for region in &overlay.boxes {
        for [a, b] in region.region.edges_mm(&region.grid) {
            let points = vec![Place::patient(a), Place::patient(b)];
            marks.push(line(points, false, 1.3, region));
        }
    }
    corner_texts(&mut marks, &overlay.texts, &room);
    if overlay.sides_known {
        compass(&mut marks, &overlay.view.camera, &room, &overlay.texts);
    }
    if overlay.notice {
        marks.push(notice(&room));
    }
    marks
}

fn faded([r, g, b, a]: Colour, share: f64) -> Colour {
    [r, g, b, (f64::from(a) * share).round() as u8]
}

/// The lines of the two other planes, each in its own colour, with a gap around the point.
fn crosshair(marks: &mut Vec<Mark>, view: &SliceView, at_mm: DVec3, mm_per_point: f64) {
    let (across_right, across_down) = match view.plane.orientation {
        Orientation::Axial => (Orientation::Sagittal, Orientation::Coronal),
        Orientation::Sagittal => (Orientation::Coronal, Orientation::Axial),
        Orientation::Coronal => (Orientation::Sagittal, Orientation::Axial),
    };
    let away = (view.pixel_from_patient(at_mm) - view.size_px / 2.0).length();
    let far_mm = (view.size_px.length() + away) * view.mm_per_pixel;
    let gap_mm = GAP * mm_per_point;
    for (direction, plane) in [
        (view.plane.down, across_right),
        (view.plane.right, across_down),
    ] {
        for side in [-1.0, 1.0] {
            let at = |mm: f64| Place::patient(at_mm + direction * side * mm);
            marks.push(Mark {
                shape: MarkShape::Line {
                    points: vec![at(gap_mm), at(far_mm)],
                    closed: false,
                    width: 1.0,
                    rim: false,
                },
                colour: faded(plane_colour(plane), 0.75),
                target: None,
            });
        }
    }
}

/// Three short arms that point to the patient's left, back and head.
fn compass(marks: &mut Vec<Mark>, camera: &Camera, room: &Room, texts: &CornerTexts) {
    const ARM: f64 = 18.0;
    const LETTER: f64 = 26.0;
    let below = PITCH * texts.bottom_left.len().min(room.lines[1]) as f64;
    let up = MARGIN + LETTER + room.bottom + below;
    let centre = Place::picture(0.0, 1.0).moved(MARGIN + LETTER, -up);
    let view = camera.patient_from_view.inverse();
    let mut arms = [(DVec3::X, "L"), (DVec3::Y, "P"), (DVec3::Z, "H")]
        .map(|(direction, letter)| (view * direction, letter));
    // The farthest is drawn first.
    arms.sort_by(|a, b| b.0.z.total_cmp(&a.0.z));
    for (arm, letter) in arms {
        let colour = faded(TEXT, 0.75 - arm.z * 0.25);
        let tip = |length: f64| centre.moved(arm.x * length, arm.y * length);
        marks.push(Mark {
            shape: MarkShape::Line {
                points: vec![centre, tip(ARM)],
                closed: false,
                width: 1.5,
                rim: true,
            },
            colour,
            target: None,
        });
        marks.push(words(tip(LETTER), [0.5, 0.5], letter, colour));
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec2, UVec3};

    use super::super::marks::{MarkFrame, Projection as _};
    use super::*;
    use crate::render::RESEARCH_NOTICE;
    use m3d_imaging::geometry::SlicePlane;
    use m3d_imaging::volume::Window;

    fn slice(size_px: DVec2, pixels_per_point: f64, notice: bool) -> SliceOverlay {
        let grid = VoxelGrid::new(UVec3::splat(64), DAffine3::IDENTITY).unwrap();
        let plane = SlicePlane::new(&grid, Orientation::Axial);
        let view = SliceView::fit(&grid, plane, DVec3::splat(32.0), size_px);
        let long = || CornerLine::new("Somebody with a long name, and one more");
        SliceOverlay {
            view,
            pixels_per_point,
            crosshair_mm: Some(DVec3::splat(20.0)),
            boxes: Vec::new(),
            annotations: Vec::new(),
            texts: CornerTexts {
                top_left: vec![long(); 6],
                top_right: slice_lines(&grid, &view, true),
                bottom_left: vec![
                    CornerLine::new("Zoom 100 %"),
                    window_line(Window::from_range(-160.0, 240.0), true),
                ],
            },
            spacing: Spacing::Patient,
            sides_known: true,
            notice,
        }
    }

    /// The words among the marks with the corners of their boxes.
    fn words_of(marks: &[Mark], frame: &MarkFrame<'_>) -> Vec<(String, [DVec2; 2])> {
        let boxes = marks.iter().filter_map(|mark| match &mark.shape {
            MarkShape::Text {
                at,
                align,
                text,
                size,
            } => {
                let [corner, extent] = frame.text_box(at, *align, text, *size)?;
                Some((text.clone(), [corner, corner + extent]))
            }
            _ => None,
        });
        boxes.collect()
    }

    #[test]
    fn words_overlap_on_no_picture_and_stay_on_it() {
        for (width, height) in [
            (64, 64),
            (96, 300),
            (150, 110),
            (300, 90),
            (320, 240),
            (800, 800),
            (1900, 400),
        ] {
            for pixels_per_point in [1.0, 1.5, 2.0] {
                for notice in [false, true] {
                    let size = DVec2::new(f64::from(width), f64::from(height));
                    let overlay = slice(size, pixels_per_point, notice);
                    let frame = MarkFrame {
                        projection: &overlay.view,
                        pixels_per_point,
                    };
                    let found = words_of(&slice_marks(&overlay), &frame);
                    let what = format!("{width} x {height}, {pixels_per_point}, {notice}");
                    for (n, (text, [low, high])) in found.iter().enumerate() {
                        // The notice is never left out; below some size it is cut off.
                        if text != RESEARCH_NOTICE {
                            assert!(low.cmpge(DVec2::ZERO).all(), "{what}: {text}");
                            assert!(high.cmple(size).all(), "{what}: {text}");
                        }
                        for (other, [from, to]) in &found[n + 1..] {
                            let apart = high.cmple(*from).any() || to.cmple(*low).any();
                            assert!(apart, "{what}: {text} over {other}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn slices_wear_letters_a_bar_and_the_notice() {
        let overlay = slice(DVec2::new(400.0, 300.0), 1.0, true);
        let frame = MarkFrame {
            projection: &overlay.view,
            pixels_per_point: 1.0,
        };
        let marks = slice_marks(&overlay);
        let found = words_of(&marks, &frame);
        let middle = |wanted: &str| {
            let (_, [low, high]) = found.iter().find(|(text, _)| text == wanted).unwrap();
            low.midpoint(*high)
        };
        assert!(middle("R").x < 20.0 && (middle("R").y - 150.0).abs() < 1.0);
        assert!(middle("L").x > 380.0 && middle("A").y < 20.0);
        assert!(middle("P").y > 260.0 && (middle("P").x - 200.0).abs() < 1.0);
        assert!(middle(RESEARCH_NOTICE).y > 280.0);
        assert!(middle("Axial 33/64").x > 300.0 && middle("W 400 C 40  inverted").y > 260.0);
        // The longest round length that takes three tenths of the width at most.
        let mm_per_pixel = overlay.view.mm_per_pixel;
        let bar = marks.iter().find_map(|mark| match &mark.shape {
            MarkShape::Line { points, .. } if points.len() == 4 => Some(points),
            _ => None,
        });
        let [from, to] = [1, 2].map(|n| frame.pixel(&bar.unwrap()[n]).unwrap());
        let length_mm = (to.x - from.x) * mm_per_pixel;
        assert!((length_mm - 20.0).abs() < 1e-9, "{length_mm}");
        assert!(middle("2 cm").y < from.y);
    }

    #[test]
    fn pictures_name_no_side_and_say_what_their_lengths_are() {
        let mut overlay = slice(DVec2::new(600.0, 500.0), 1.0, false);
        overlay.sides_known = false;
        let said = |overlay: &SliceOverlay| {
            let frame = MarkFrame {
                projection: &overlay.view,
                pixels_per_point: 1.0,
            };
            let words = words_of(&slice_marks(overlay), &frame);
            words.into_iter().map(|(text, _)| text).collect::<Vec<_>>()
        };
        for (spacing, bar) in [
            (Spacing::Patient, "2 cm"),
            (Spacing::Detector, "2 cm at the detector"),
            (Spacing::Unknown, "20 px"),
        ] {
            overlay.spacing = spacing;
            let said = said(&overlay);
            assert!(said.iter().any(|text| text == bar), "{said:?}");
            let is_side = |text: &String| ["L", "R", "A", "P"].contains(&text.as_str());
            assert!(!said.iter().any(is_side), "{said:?}");
        }
    }

    #[test]
    fn the_crosshair_leaves_its_point_free_and_reaches_the_borders() {
        let overlay = slice(DVec2::new(400.0, 300.0), 2.0, false);
        let frame = MarkFrame {
            projection: &overlay.view,
            pixels_per_point: 2.0,
        };
        let at = overlay.view.pixel(DVec3::splat(20.0)).unwrap();
        let marks = slice_marks(&overlay);
        let lines: Vec<_> = marks
            .iter()
            .filter_map(|mark| match &mark.shape {
                MarkShape::Line { points, rim, .. } if !rim => {
                    Some((frame.segments(points, false)[0], mark.colour))
                }
                _ => None,
            })
            .collect();
        assert_eq!(lines.len(), 4);
        for ([from, to], colour) in lines {
            assert!((from.distance(at) - 2.0 * GAP).abs() < 1e-9);
            let upright = (from.x - to.x).abs() < 1e-9;
            let plane = if upright {
                Orientation::Sagittal
            } else {
                Orientation::Coronal
            };
            assert_eq!(colour[..3], plane_colour(plane)[..3]);
            let outside = to.cmplt(DVec2::ZERO).any() || to.cmpgt(overlay.view.size_px).any();
            assert!(outside, "{to}");
        }
    }

    #[test]
    fn the_compass_turns_with_the_camera() {
        let mut overlay = VolumeOverlay {
            view: CameraView {
                camera: Camera::facing(DVec3::ZERO, 100.0),
                size_px: DVec2::splat(300.0),
            },
            pixels_per_point: 1.0,
            boxes: Vec::new(),
            texts: CornerTexts::default(),
            sides_known: true,
            notice: true,
        };
        let places = |overlay: &VolumeOverlay| {
            let frame = MarkFrame {
                projection: &overlay.view,
                pixels_per_point: 1.0,
            };
            let found = words_of(&volume_marks(overlay), &frame);
            ["L", "P", "H"].map(|letter| {
                let (_, [low, high]) = found.iter().find(|(text, _)| text == letter).unwrap();
                low.midpoint(*high)
            })
        };
        let [left, back, head] = places(&overlay);
        assert!(left.x > back.x + 20.0 && head.y < back.y - 20.0);
        overlay
            .view
            .camera
            .orbit(DVec2::new(std::f64::consts::PI, 0.0));
        let [left, back, head] = places(&overlay);
        assert!(left.x < back.x - 20.0 && head.y < back.y - 20.0);
    }
}
