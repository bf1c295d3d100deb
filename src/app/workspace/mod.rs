//! The reader's work as a value: findings, boxes, answers, reports, views and where they look.
//!
//! It is changed by [`Edit`]s alone, knows no window and no voxels but those of masks, and two workspaces
//! are compared with `==`.

mod card;
mod edit;
mod finding;
mod id;
mod image;
mod layout;
mod measurement;
mod report;
mod study;
mod view;

use std::collections::BTreeMap;

use glam::DVec3;
use m3d_imaging::volume::ImageKey;
use serde::{Deserialize, Serialize};

pub use card::{Card, CardCaution, CardState, CardStep, Provenance};
pub use edit::{Edit, EditTarget};
pub use finding::{Finding, FindingColour, MaskLook, Origin, PatientBox, Shape, Status};
pub(super) use id::fresh;
pub use id::{CardId, FindingId, KeyImageId, PieceId, ViewId};
pub use image::{Frame, ImageRecord};
pub use layout::{Direction, Layout, NamedLayout, StandardLayout, Tree};
pub use measurement::{Measurement, MeasurementKind, Reading};
pub use report::{Content, KeyImage, Piece, Report, Section, SectionKind, Sentence};
pub use study::StudyId;
pub use view::{Layer, Look, View, ViewKind};

/// What views of one frame share beside the crosshair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Zoom and pan.
    pub zoom: bool,
    /// The window of images of one modality.
    pub window: bool,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            zoom: false,
            window: true,
        }
    }
}

/// How pictures are drawn in all views.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Display {
    /// Between voxels values are interpolated; else each voxel is an even patch.
    pub interpolate: bool,
    /// Opacity of masks, 0 to 1.
    pub mask_opacity: f32,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            interpolate: true,
            mask_opacity: 0.38,
        }
    }
}

/// The reader's work on everything that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// What is known of the images that anything below belongs to.
    pub images: BTreeMap<ImageKey, ImageRecord>,
    /// Masks, boxes and measurements, in the order they are listed.
    pub findings: Vec<Finding>,
    /// The box the reader drew on an image.
    pub regions: BTreeMap<ImageKey, PatientBox>,
    /// Questions and answers, oldest first.
    pub cards: Vec<Card>,
    /// The reports, one a study.
    pub reports: BTreeMap<StudyId, Report>,
    /// The views, on screen or not.
    pub views: BTreeMap<ViewId, View>,
    /// How views share the window.
    pub layout: Layout,
    /// The point that the views of a frame share, in its patient mm; a frame without one is seen from the
    /// middle.
    pub cursors: BTreeMap<Frame, DVec3>,
    /// Points of different frames that correspond: frames that are listed here are scrolled together.
    pub anchors: BTreeMap<Frame, DVec3>,
    /// What views share.
    pub links: Links,
    /// How pictures are drawn.
    pub display: Display,
}

impl Default for Workspace {
    /// Nothing open: the 2x2 layout with empty views.
    fn default() -> Self {
        let named = StandardLayout::TwoByTwo.layout(ViewKind::ALL[0]);
        let mut views = BTreeMap::new();
        let tree = named.tree.map(&mut |&kind| {
            let id = ViewId::fresh();
            views.insert(id, View::empty(kind));
            id
        });
        Self {
            images: BTreeMap::new(),
            findings: Vec::new(),
            regions: BTreeMap::new(),
            cards: Vec::new(),
            reports: BTreeMap::new(),
            views,
            layout: Layout {
                tree,
                maximised: None,
            },
            cursors: BTreeMap::new(),
            anchors: BTreeMap::new(),
            links: Links::default(),
            display: Display::default(),
        }
    }
}

impl Workspace {
    /// A finding.
    pub fn finding(&self, id: FindingId) -> Option<&Finding> {
        self.findings.iter().find(|f| f.id == id)
    }

    /// The edits that change every view whose base is an image.
    pub fn views_of(&self, image: &ImageKey, change: impl Fn(&mut View)) -> Vec<Edit> {
        let views = self.views.iter();
        let same = views.filter(|(_, view)| view.base().is_some_and(|b| b.image == *image));
        let changed = same.map(|(&id, view)| {
            let mut view = view.clone();
            change(&mut view);
            Edit::view(id, view)
        });
        changed.collect()
    }

    /// What kind of view is where.
    pub fn kinds(&self) -> Tree<ViewKind> {
        self.layout.tree.map(&mut |id| self.kind_of(*id))
    }

    /// What kind of picture a view is; axial where there is no such view.
    pub fn kind_of(&self, id: ViewId) -> ViewKind {
        self.views
            .get(&id)
            .map_or(ViewKind::ALL[0], |view| view.kind)
    }

    /// The findings of an image, in their order.
    pub fn findings_of<'a>(&'a self, image: &'a ImageKey) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(move |f| f.image == *image)
    }

    /// The colour of an image's next finding, where nothing recommends one.
    pub fn next_colour(&self, image: &ImageKey) -> FindingColour {
        let places = self.findings_of(image).filter_map(|f| match f.colour {
            FindingColour::Row(place) => Some(place.saturating_add(1)),
            FindingColour::Own(_) => None,
        });
        FindingColour::Row(places.max().unwrap_or(0))
    }

    /// A card.
    pub fn card(&self, id: CardId) -> Option<&Card> {
        self.cards.iter().find(|c| c.id == id)
    }

    /// The views on screen, with their names, in reading order.
    pub fn shown_views(&self) -> impl Iterator<Item = (ViewId, &View)> {
        let shown = self.layout.shown().into_iter();
        shown.filter_map(|id| Some((id, self.views.get(&id)?)))
    }

    /// The point that views of an image show, in patient mm.
    pub fn cursor(&self, record: &ImageRecord) -> DVec3 {
        let cursor = self.cursors.get(&record.frame());
        cursor.copied().unwrap_or(record.grid.middle_voxel_mm())
    }

    /// The edits that move the crosshair of a frame to a point, and those of frames compared with it as
    /// far.
    pub fn cursor_to(&self, frame: &Frame, point_mm: DVec3) -> Vec<Edit> {
        let mut edits = vec![Edit::Cursor {
            frame: frame.clone(),
            point_mm: Some(point_mm),
        }];
        if let Some(anchor) = self.anchors.get(frame) {
            let others = self.anchors.iter().filter(|(other, _)| *other != frame);
            edits.extend(others.map(|(other, there)| Edit::Cursor {
                frame: other.clone(),
                point_mm: Some(point_mm - *anchor + *there),
            }));
        }
        edits
    }
}
