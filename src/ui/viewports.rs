//! The views and how they share the window.

use std::collections::HashMap;

use egui::{Color32, Rect, Sense, Stroke, StrokeKind, Ui, UiBuilder, pos2};
use m3d_imaging::io::SeriesId;

use super::canvas::Painters;
use super::pane::{Pane, PaneContext};
use super::theme;
use crate::app::{Application, Direction, Effect, Layer, Outbox, Placement, Tree, ViewId};
use crate::render::LabelStyle;

const GAP: f32 = 2.0;

/// What survives from frame to frame of all views.
#[derive(Default)]
pub struct Viewports {
    panes: HashMap<ViewId, Pane>,
    /// The base layer that each view last drew.
    drawn: HashMap<ViewId, Layer>,
    /// The view the pointer is in, and where it is in the patient.
    pub pointer: Option<(ViewId, glam::DVec3)>,
}

impl Viewports {
    /// Shows the views of the layout in all of `ui`.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        app: &Application,
        painters: Option<&Painters>,
        outbox: &mut Outbox,
    ) {
        let whole = ui.available_rect_before_wrap();
        ui.allocate_rect(whole, Sense::hover());
        self.pointer = None;
        let workspace = &app.workspace;
        self.panes.retain(|id, _| workspace.views.contains_key(id));
        self.drawn.retain(|id, _| workspace.views.contains_key(id));
        let places = match workspace.layout.maximised {
            Some(view) => vec![(view, whole)],
            None => places(&workspace.layout.tree, whole),
        };
        for (id, rect) in places {
            let Some(view) = workspace.views.get(&id) else {
                continue;
            };
            let pane = self.panes.entry(id).or_insert_with(|| Pane::new(view.kind));
            if pane.kind() != view.kind {
                *pane = Pane::new(view.kind);
            }
            let labels = label_styles(app, id);
            let mut cx = PaneContext {
                app,
                id,
                painters,
                labels: &labels,
                pointer: &mut self.pointer,
                drawn: &mut self.drawn,
                outbox,
            };
            let mut child = ui.new_child(UiBuilder::new().id_salt(id).max_rect(rect));
            let response = pane.show(&mut child, view, &mut cx);
            let active = app.active_view() == id;
            let offered = response.dnd_hover_payload::<SeriesId>().is_some();
            // Not by passing over it: what the reader writes in belongs to the active view.
            let used = response.contains_pointer() && ui.input(is_used);
            if (used || response.dragged()) && !active && !offered {
                outbox.push(Effect::Activate(id));
            }
            if let Some(series) = response.dnd_release_payload::<SeriesId>() {
                let over = ui.input(|i| i.modifiers.shift);
                let placement = if over {
                    Placement::Over(id)
                } else {
                    Placement::View(id)
                };
                outbox.push(Effect::Show((*series).clone(), placement));
            }
            let (width, colour) = match (offered, active) {
                (true, _) => (3.0, theme::ACCENT),
                (false, true) => (1.0, theme::ACCENT.gamma_multiply(0.8)),
                (false, false) => (1.0, Color32::from_gray(45)),
            };
            let stroke = Stroke::new(width, colour);
            ui.painter()
                .rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
        }
    }
}

/// Whether a button was pressed or the wheel turned.
fn is_used(input: &egui::InputState) -> bool {
    let wheel = |event: &egui::Event| matches!(event, egui::Event::MouseWheel { .. });
    input.pointer.any_pressed() || input.events.iter().any(wheel)
}

/// How the masks of a view are drawn: in the colours the labels were made with, for a mask hidden just now
/// may still be among them.
fn label_styles(app: &Application, id: ViewId) -> Vec<LabelStyle> {
    let labels = app.seen(id).and_then(|seen| seen.labels);
    let sources = labels.map(|labels| labels.sources.0.as_slice());
    let sources = sources.unwrap_or_default().iter();
    let styles = sources.map(|&(_, (colour, look))| LabelStyle {
        colour: theme::rgb(theme::finding_colour(colour)),
        opacity: if app.screen.overlays {
            look.opacity.unwrap_or(app.workspace.display.mask_opacity)
        } else {
            0.0
        },
        outline: look.outline,
    });
    styles.collect()
}

/// The part of the window of each leaf of a tree.
fn places<L: Copy>(tree: &Tree<L>, whole: Rect) -> Vec<(L, Rect)> {
    match tree {
        Tree::Leaf(leaf) => vec![(*leaf, whole.shrink(GAP / 2.0))],
        Tree::Split { direction, parts } => {
            let total: f32 = parts.iter().map(|(share, _)| share.max(0.0)).sum();
            let mut from = 0.0;
            let mut all = Vec::new();
            for (share, part) in parts {
                let to = from + share.max(0.0) / total.max(f32::MIN_POSITIVE);
                let x = |t: f32| whole.left() + whole.width() * t;
                let y = |t: f32| whole.top() + whole.height() * t;
                let rect = match direction {
                    Direction::Row => {
                        Rect::from_min_max(pos2(x(from), whole.top()), pos2(x(to), whole.bottom()))
                    }
                    Direction::Column => {
                        Rect::from_min_max(pos2(whole.left(), y(from)), pos2(whole.right(), y(to)))
                    }
                };
                all.extend(places(part, rect));
                from = to;
            }
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{StandardLayout, ViewKind};

    #[test]
    fn every_layout_fills_the_window_without_overlap() {
        let whole = Rect::from_min_size(egui::pos2(10.0, 20.0), egui::vec2(900.0, 600.0));
        for layout in StandardLayout::ALL {
            let tree = layout.layout(ViewKind::Volume).tree;
            let places = places(&tree, whole);
            assert_eq!(places.len(), tree.leaves().len());
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
