//! Changes of the workspace, each with its inverse.

use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::volume::{ImageKey, MaskPatch};

use super::{
    Card, CardId, Display, Finding, FindingId, Frame, ImageRecord, Layout, Links, Look, PatientBox,
    Report, Shape, StudyId, View, ViewId, Workspace,
};

/// One change. An edit puts a value where another was; its inverse puts the old one back, so taking back
/// is applying again.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Puts, replaces or (`None`) removes a finding. A new one goes to `place` in the list.
    Finding {
        /// Its name.
        id: FindingId,
        /// Where it is listed, counted from 0.
        place: usize,
        /// What it is from now on.
        finding: Option<Box<Finding>>,
    },
    /// Exchanges bricks of a mask with those of the patch.
    Paint {
        /// The finding; nothing happens to one that is no mask.
        id: FindingId,
        /// The bricks.
        patch: Box<MaskPatch>,
    },
    /// Puts or removes the reader's box on an image.
    Region {
        /// The image.
        image: ImageKey,
        /// The box.
        region: Option<PatientBox>,
    },
    /// Puts, replaces or removes a view.
    View {
        /// Its name.
        id: ViewId,
        /// What it is from now on.
        view: Option<Box<View>>,
    },
    /// Lets a view look at its layers in another way; nothing happens where there is no such view.
    Look {
        /// The view.
        id: ViewId,
        /// How.
        look: Look,
    },
    /// Arranges the views.
    Layout(Layout),
    /// Moves the crosshair of a frame, or (`None`) back to the middle of its image.
    Cursor {
        /// The frame.
        frame: Frame,
        /// The point in patient mm.
        point_mm: Option<DVec3>,
    },
    /// Puts where two frames of different coordinates meet, or takes a frame out of the comparison.
    Anchor {
        /// The frame.
        frame: Frame,
        /// The point in its patient mm that corresponds to the anchors of the other frames.
        point_mm: Option<DVec3>,
    },
    /// Chooses what views share.
    Links(Links),
    /// Chooses how pictures are drawn.
    Display(Display),
    /// Puts, replaces or removes a question with its answer. A new one comes last, or to `place`.
    Card {
        /// Its name.
        id: CardId,
        /// Where it is listed, counted from 0.
        place: usize,
        /// What it is from now on.
        card: Option<Box<Card>>,
    },
    /// Puts, replaces or removes the report on a study.
    Report {
        /// The study.
        study: StudyId,
        /// What the report is from now on.
        report: Option<Box<Report>>,
    },
    /// Puts, replaces or removes what is known of an image.
    Image {
        /// The image.
        key: ImageKey,
        /// What is known.
        record: Option<Box<ImageRecord>>,
    },
}

/// What an edit puts a value to: of several edits of one target the first inverse takes all back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditTarget {
    /// A finding.
    Finding(FindingId),
    /// The box of an image.
    Region(ImageKey),
    /// A view.
    View(ViewId),
    /// How a view looks.
    Look(ViewId),
    /// The arrangement.
    Layout,
    /// The crosshair of a frame.
    Cursor(Frame),
    /// The anchor of a frame.
    Anchor(Frame),
    /// What views share.
    Links,
    /// How pictures are drawn.
    Display,
    /// An answer.
    Card(CardId),
    /// The report on a study.
    Report(StudyId),
    /// An image.
    Image(ImageKey),
}

impl Edit {
    /// Puts a finding at the end of the list.
    pub fn add(finding: Finding) -> Self {
        Self::Finding {
            id: finding.id,
            place: usize::MAX,
            finding: Some(Box::new(finding)),
        }
    }

    /// Removes a finding.
    pub const fn remove(id: FindingId) -> Self {
        Self::Finding {
            id,
            place: usize::MAX,
            finding: None,
        }
    }

    /// Puts or replaces a view.
    pub fn view(id: ViewId, view: View) -> Self {
        Self::View {
            id,
            view: Some(Box::new(view)),
        }
    }

    /// Puts a card, at the end of the list when it is new.
    pub fn card(card: Card) -> Self {
        Self::Card {
            id: card.id,
            place: usize::MAX,
            card: Some(Box::new(card)),
        }
    }

    /// Puts or replaces the report on its study.
    pub fn report(report: Report) -> Self {
        Self::Report {
            study: StudyId::of(&report.image),
            report: Some(Box::new(report)),
        }
    }

    /// Whether it takes an entry out of a list.
    pub const fn removes_from_list(&self) -> bool {
        matches!(
            self,
            Self::Finding { finding: None, .. } | Self::Card { card: None, .. }
        )
    }

    /// What it puts a value to; `None` for a patch, which depends on the bricks that are there.
    pub fn target(&self) -> Option<EditTarget> {
        Some(match self {
            Self::Finding { id, .. } => EditTarget::Finding(*id),
            Self::Paint { .. } => return None,
            Self::Region { image, .. } => EditTarget::Region(image.clone()),
            Self::View { id, .. } => EditTarget::View(*id),
            Self::Look { id, .. } => EditTarget::Look(*id),
            Self::Layout(_) => EditTarget::Layout,
            Self::Cursor { frame, .. } => EditTarget::Cursor(frame.clone()),
            Self::Anchor { frame, .. } => EditTarget::Anchor(frame.clone()),
            Self::Links(_) => EditTarget::Links,
            Self::Display(_) => EditTarget::Display,
            Self::Card { id, .. } => EditTarget::Card(*id),
            Self::Report { study, .. } => EditTarget::Report(*study),
            Self::Image { key, .. } => EditTarget::Image(key.clone()),
        })
    }

    /// Bytes it keeps alive.
    pub fn byte_len(&self) -> usize {
        let held = match self {
            Self::Finding { finding, .. } => finding.as_ref().map_or(0, |f| f.byte_len()),
            Self::Paint { patch, .. } => patch.bytes(),
            Self::View { view, .. } => {
                let layers = view.as_ref().map_or(0, |view| view.layers.len());
                layers * size_of::<super::Layer>()
            }
            Self::Card { card, .. } => card.as_ref().map_or(0, |card| card.byte_len()),
            Self::Report { report, .. } => report.as_ref().map_or(0, |r| r.byte_len()),
            Self::Layout(layout) => layout.tree.leaves().len() * 32,
            _ => 0,
        };
        size_of::<Self>() + held
    }
}

impl Workspace {
    /// Makes a change and returns the one that takes it back.
    pub fn apply(&mut self, edit: Edit) -> Edit {
        match edit {
            Edit::Finding { id, place, finding } => {
                let new = finding.map(|finding| *finding);
                let (place, old) = put(&mut self.findings, |f| f.id == id, place, new);
                let finding = old.map(Box::new);
                Edit::Finding { id, place, finding }
            }
            Edit::Card { id, place, card } => {
                let new = card.map(|card| *card);
                let (place, old) = put(&mut self.cards, |c| c.id == id, place, new);
                let card = old.map(Box::new);
                Edit::Card { id, place, card }
            }
            Edit::Paint { id, patch } => {
                let found = self.findings.iter_mut().find(|f| f.id == id);
                let patch = match found.map(|finding| &mut finding.shape) {
                    Some(Shape::Mask(mask)) => Box::new(Arc::make_mut(mask).apply(*patch)),
                    _ => patch,
                };
                Edit::Paint { id, patch }
            }
            Edit::Region { image, region } => {
                let region = set(&mut self.regions, image.clone(), region);
                Edit::Region { image, region }
            }
            Edit::View { id, view } => {
                let view = set(&mut self.views, id, view.map(|view| *view)).map(Box::new);
                Edit::View { id, view }
            }
            Edit::Look { id, look } => {
                let old = self.views.get_mut(&id);
                let look = old.map_or(look, |view| std::mem::replace(&mut view.look, look));
                Edit::Look { id, look }
            }
            Edit::Layout(layout) => Edit::Layout(std::mem::replace(&mut self.layout, layout)),
            Edit::Cursor { frame, point_mm } => {
                let point_mm = set(&mut self.cursors, frame.clone(), point_mm);
                Edit::Cursor { frame, point_mm }
            }
            Edit::Anchor { frame, point_mm } => {
                let point_mm = set(&mut self.anchors, frame.clone(), point_mm);
                Edit::Anchor { frame, point_mm }
            }
            Edit::Links(links) => Edit::Links(std::mem::replace(&mut self.links, links)),
            Edit::Display(display) => Edit::Display(std::mem::replace(&mut self.display, display)),
            Edit::Report { study, report } => {
                let new = report.map(|report| *report);
                let report = set(&mut self.reports, study, new).map(Box::new);
                Edit::Report { study, report }
            }
            Edit::Image { key, record } => {
                let new = record.map(|record| *record);
                let record = set(&mut self.images, key.clone(), new).map(Box::new);
                Edit::Image { key, record }
            }
        }
    }
}

/// Puts, replaces or removes an entry of a list; where it was, and what was there.
fn put<T>(
    list: &mut Vec<T>,
    is_it: impl Fn(&T) -> bool,
    place: usize,
    new: Option<T>,
) -> (usize, Option<T>) {
    match (list.iter().position(is_it), new) {
        (Some(at), Some(new)) => (at, Some(std::mem::replace(&mut list[at], new))),
        (Some(at), None) => (at, Some(list.remove(at))),
        (None, Some(new)) => {
            let at = place.min(list.len());
            list.insert(at, new);
            (at, None)
        }
        (None, None) => (place, None),
    }
}

/// Puts or removes an entry of a map; what was there.
fn set<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, key: K, new: Option<V>) -> Option<V> {
    match new {
        Some(new) => map.insert(key, new),
        None => map.remove(&key),
    }
}
