//! The four views and how they share the window.

use egui::{Color32, Rect, Sense, Stroke, StrokeKind, Ui, UiBuilder};

use super::canvas::Painters;
use super::slice_view::{SliceView, ViewContext};
use super::theme;
use super::volume_view::VolumeView;
use crate::app::{Application, Command, Layout, ViewId};
use crate::render::LabelStyle;
use m3d_imaging::geometry::Orientation;

const GAP: f32 = 2.0;

/// The four views.
pub struct Viewports {
    slices: [SliceView; 3],
    volume: VolumeView,
    /// The view the pointer was in last; keys go there.
    pub active: ViewId,
    /// Where the pointer is in the patient.
    pub pointer_mm: Option<glam::DVec3>,
}

impl Default for Viewports {
    fn default() -> Self {
        Self {
            slices: Orientation::ALL.map(SliceView::new),
            volume: VolumeView::default(),
            active: ViewId::ALL[0],
            pointer_mm: None,
        }
    }
}

impl Viewports {
    /// Shows the views of the layout in all of `ui`.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        app: &mut Application,
        painters: Option<&Painters>,
        commands: &mut Vec<Command>,
    ) {
        let whole = ui.available_rect_before_wrap();
        ui.allocate_rect(whole, Sense::hover());
        self.pointer_mm = None;
        let (tool, layout, interpolate) = (app.tool, app.layout, app.interpolate);
        let Some(shown) = app.document.shown.as_mut() else {
            return;
        };
        // The colours the labels were made with: a mask hidden just now may still be among them.
        let colours = shown.labels.as_ref().map(|l| l.colours.as_slice());
        let labels: Vec<LabelStyle> = colours
            .unwrap_or_default()
            .iter()
            .map(|&colour| LabelStyle {
                colour: theme::rgb(theme::finding_colour(colour)),
                opacity: app.mask_opacity,
            })
            .collect();
        let mut cx = ViewContext {
            shown,
            painters,
            tool,
            interpolate,
            labels: &labels,
            pointer_mm: &mut self.pointer_mm,
            commands,
        };
        for (view, rect) in places(layout, whole) {
            let mut child = ui.new_child(UiBuilder::new().id_salt(view.name()).max_rect(rect));
            let response = match view {
                ViewId::Slice(_) => self.slices[view.index()].show(&mut child, &mut cx),
                ViewId::Volume => self.volume.show(&mut child, &mut cx),
            };
            if response.hovered() || response.dragged() {
                self.active = view;
            }
            let colour = if self.active == view {
                theme::ACCENT.gamma_multiply(0.8)
            } else {
                Color32::from_gray(45)
            };
            let stroke = Stroke::new(1.0, colour);
            ui.painter()
                .rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
        }
    }
}

/// The part of the window of each view of a layout.
fn places(layout: Layout, whole: Rect) -> Vec<(ViewId, Rect)> {
    match layout {
        Layout::Single(view) => vec![(view, whole)],
        Layout::Grid => {
            let (left, right) = whole.split_left_right_at_fraction(0.5);
            let [a, c] = top_bottom(left);
            let [b, d] = top_bottom(right);
            let rects = [a, b, c, d].map(|r| r.shrink(GAP / 2.0));
            ViewId::ALL.into_iter().zip(rects).collect()
        }
        Layout::Focus(front) => {
            let (left, right) = whole.split_left_right_at_fraction(0.7);
            let mut places = vec![(front, left.shrink(GAP / 2.0))];
            let others = ViewId::ALL.into_iter().filter(|v| *v != front);
            let height = right.height() / 3.0;
            for (n, view) in others.enumerate() {
                let top = right.top() + height * n as f32;
                let size = egui::vec2(right.width(), height);
                let rect = Rect::from_min_size(egui::pos2(right.left(), top), size);
                places.push((view, rect.shrink(GAP / 2.0)));
            }
            places
        }
    }
}

fn top_bottom(rect: Rect) -> [Rect; 2] {
    let (top, bottom) = rect.split_top_bottom_at_fraction(0.5);
    [top, bottom]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_fills_the_window_without_overlap() {
        let whole = Rect::from_min_size(egui::pos2(10.0, 20.0), egui::vec2(900.0, 600.0));
        for layout in [
            Layout::Grid,
            Layout::Focus(ViewId::Volume),
            Layout::Single(ViewId::ALL[1]),
        ] {
            let places = places(layout, whole);
            let area: f32 = places.iter().map(|(_, r)| r.area()).sum();
            assert!(area > whole.area() * 0.97 && area <= whole.area());
            for (n, (_, a)) in places.iter().enumerate() {
                assert!(whole.contains_rect(*a));
                assert!(
                    places[n + 1..]
                        .iter()
                        .all(|(_, b)| !a.intersect(*b).is_positive())
                );
            }
        }
    }
}
