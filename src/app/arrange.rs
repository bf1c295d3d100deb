//! Arranging views: layouts, the active view, what views share.

use m3d_imaging::volume::ImageKey;

use super::workspace::{
    Edit, Layer, Layout, Look, NamedLayout, StandardLayout, View, ViewId, ViewKind,
};
use super::{Application, Seen, Step};

impl Application {
    /// What a view shows, when its base image is here.
    pub fn seen(&self, id: ViewId) -> Option<Seen<'_>> {
        let layer = self.workspace.views.get(&id)?.base()?;
        self.seen_at(id, layer)
    }

    /// What a view shows, with another time point of its base: the one that stays on screen until the next
    /// one is read.
    pub fn seen_at<'a>(&'a self, id: ViewId, layer: &'a Layer) -> Option<Seen<'a>> {
        let view = self.workspace.views.get(&id)?;
        if view.base()?.image != layer.image {
            return None;
        }
        let image = self.resources.image(&layer.image, layer.time)?;
        let mut over = [None; Layer::MOST - 1];
        for (slot, layer) in over.iter_mut().zip(view.layers.iter().skip(1)) {
            let image = self.resources.image(&layer.image, layer.time);
            *slot = image.map(|image| (layer, image));
        }
        Some(Seen {
            id,
            view,
            layer,
            record: self.workspace.images.get(&layer.image)?,
            image,
            labels: self.resources.labels(&layer.image),
            over,
            workspace: &self.workspace,
        })
    }

    /// What the active view shows.
    pub fn seen_active(&self) -> Option<Seen<'_>> {
        self.seen(self.active)
    }

    /// The view that keys, panels and the assistant are about.
    pub const fn active_view(&self) -> ViewId {
        self.active
    }

    /// Makes a view of the layout the active one.
    pub fn activate(&mut self, id: ViewId) {
        if self.active != id && self.workspace.views.contains_key(&id) {
            self.active = id;
            self.encode_active();
        }
    }

    /// Where the active view is not on screen, makes the first one that is the active one.
    pub(super) fn activate_a_shown_view(&mut self) {
        let shown = self.workspace.layout.shown();
        if !shown.contains(&self.active) {
            self.active = shown.first().copied().unwrap_or(self.active);
        }
    }

    /// Whether the views of the layout all show one image, as the planes and the volume of one series do.
    pub(super) fn shows_one_image(&self) -> bool {
        let leaves = self.workspace.layout.tree.leaves();
        let mut bases = leaves.into_iter().map(|id| {
            let view = self.workspace.views.get(id)?;
            view.base().map(|layer| &layer.image)
        });
        let first = bases.next().flatten();
        let alone = self.workspace.layout.tree.leaves().len() == 1;
        alone || bases.all(|base| base == first)
    }

    /// Shows one view alone, or all again.
    pub(super) fn toggle_maximised(&mut self, id: ViewId) {
        let mut layout = self.workspace.layout.clone();
        layout.maximised = match layout.maximised {
            None => Some(id),
            Some(_) => None,
        };
        self.active = id;
        self.apply(Edit::Layout(layout));
    }

    /// Shows another plane, or the volume, in the active view.
    pub(super) fn show_plane(&mut self, kind: ViewKind) {
        let view = self.workspace.views.get(&self.active);
        if let Some(view) = view.filter(|view| view.kind != kind) {
            // What was zoomed and moved in one plane is elsewhere in another.
            let view = View {
                kind,
                look: Look::default(),
                ..view.clone()
            };
            self.change(Edit::view(self.active, view), Step::new("plane"));
        }
    }

    /// The layout after this one: the four views, one large with the others beside it, one alone.
    pub(super) fn next_layout(&mut self) {
        let front = self.active_kind();
        let layout = &self.workspace.layout;
        let tree = self.workspace.kinds();
        let is = |standard: StandardLayout| standard.layout(front).tree == tree;
        let next = if layout.maximised.is_some() {
            StandardLayout::TwoByTwo
        } else if is(StandardLayout::TwoByTwo) {
            StandardLayout::OneAndThree
        } else if is(StandardLayout::One) {
            StandardLayout::TwoByTwo
        } else {
            StandardLayout::One
        };
        self.arrange(&next.layout(front));
    }

    pub(super) fn active_kind(&self) -> ViewKind {
        self.workspace.kind_of(self.active)
    }

    /// Arranges the views as a named layout says: those that fit stay as they are, the others are new.
    pub fn arrange(&mut self, named: &NamedLayout) {
        let base = self.workspace.views.get(&self.active).and_then(View::base);
        let base = base.cloned();
        // The active view first, then those on screen, then the others.
        let mut free: Vec<ViewId> = vec![self.active];
        free.extend(self.workspace.layout.tree.leaves());
        free.extend(self.workspace.views.keys());
        let mut edits = Vec::new();
        let tree = named.tree.map(&mut |&kind| {
            let fits = |id: &ViewId| {
                let view = self.workspace.views.get(id);
                view.is_some_and(|view| {
                    let same_image =
                        view.base().map(|b| &b.image) == base.as_ref().map(|b| &b.image);
                    view.kind == kind && (!named.one_image || same_image)
                })
            };
            if let Some(at) = free.iter().position(fits) {
                let id = free[at];
                free.retain(|other| *other != id);
                return id;
            }
            let id = ViewId::fresh();
            let layer = base.as_ref().filter(|_| named.one_image);
            let view = layer.and_then(|layer| self.new_view(kind, layer));
            let view = view.unwrap_or_else(|| View::empty(kind));
            edits.push(Edit::view(id, view));
            id
        });
        edits.push(Edit::Layout(Layout {
            tree,
            maximised: None,
        }));
        self.change_together(edits, "layout");
        self.activate_a_shown_view();
    }

    /// Keeps the arrangement of the views under a name, in place of one of that name.
    pub(super) fn save_layout(&mut self, name: String) {
        let named = NamedLayout {
            one_image: self.shows_one_image(),
            name,
            tree: self.workspace.kinds(),
        };
        self.remember(|settings| {
            settings.layouts.retain(|layout| layout.name != named.name);
            settings.layouts.push(named);
        });
    }

    /// The views that share zoom or window with one: those of its frame on screen, itself first.
    fn linked(&self, id: ViewId) -> Vec<ViewId> {
        let frame = |view: &View| {
            let record = self.workspace.images.get(&view.base()?.image)?;
            Some(record.frame())
        };
        let own = self.workspace.views.get(&id).and_then(frame);
        let others = self.workspace.views.iter();
        let linked =
            others.filter(|(other, view)| **other != id && frame(view) == own && own.is_some());
        std::iter::once(id)
            .chain(linked.map(|(other, _)| *other))
            .collect()
    }

    /// The edits that change the base layer of a view, and of those that share its window.
    pub fn layer_edits(&self, id: ViewId, change: impl Fn(&mut Layer)) -> Vec<Edit> {
        let Some(own) = self.workspace.views.get(&id).and_then(View::base) else {
            return Vec::new();
        };
        let modality = |key: &ImageKey| Some(self.workspace.images.get(key)?.modality);
        let views = if self.workspace.links.window {
            self.linked(id)
        } else {
            vec![id]
        };
        let edits = views.into_iter().filter_map(|id| {
            let mut view = self.workspace.views.get(&id)?.clone();
            let layer = view.layers.first_mut()?;
            if layer.image != own.image && modality(&layer.image) != modality(&own.image) {
                return None;
            }
            change(layer);
            Some(Edit::view(id, view))
        });
        edits.collect()
    }

    /// The edits that let a slice view look in another way, and those that share its zoom.
    pub(super) fn look_edits(&self, id: ViewId, look: super::Look) -> Vec<Edit> {
        let is_slice = |view: &View| matches!(view.kind, ViewKind::Slice(_));
        let slice = self.workspace.views.get(&id).is_some_and(is_slice);
        let mut edits = vec![Edit::Look { id, look }];
        if self.workspace.links.zoom && slice {
            for other in self.linked(id).into_iter().skip(1) {
                let Some(view) = self.workspace.views.get(&other).filter(|v| is_slice(v)) else {
                    continue;
                };
                let same_plane = self.workspace.views.get(&id).map(|v| v.kind) == Some(view.kind);
                let mut there = view.look;
                there.zoom = look.zoom;
                if same_plane {
                    there.pan_mm = look.pan_mm;
                }
                edits.push(Edit::Look {
                    id: other,
                    look: there,
                });
            }
        }
        edits
    }

    /// Ties the places that views of different frames show now, so that they scroll together; a second
    /// call unties them.
    pub(super) fn toggle_anchors(&mut self) {
        let frames = self.shown_frames();
        let edits: Vec<Edit> = if self.workspace.anchors.is_empty() {
            let places = frames.into_iter().map(|(frame, cursor)| Edit::Anchor {
                frame,
                point_mm: Some(cursor),
            });
            places.collect()
        } else {
            let anchors = self.workspace.anchors.keys();
            let ends = anchors.map(|frame| Edit::Anchor {
                frame: frame.clone(),
                point_mm: None,
            });
            ends.collect()
        };
        self.change_together(edits, "link places");
    }

    /// The frames on screen, each with the point its views show.
    pub fn shown_frames(&self) -> Vec<(super::Frame, glam::DVec3)> {
        let mut frames: Vec<(super::Frame, glam::DVec3)> = Vec::new();
        for (_, view) in self.workspace.shown_views() {
            let record = view
                .base()
                .and_then(|b| self.workspace.images.get(&b.image));
            if let Some(record) = record {
                let frame = record.frame();
                if frames.iter().all(|(known, _)| *known != frame) {
                    frames.push((frame, self.workspace.cursor(record)));
                }
            }
        }
        frames
    }
}
