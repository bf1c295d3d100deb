//! What a session holds: the part of the workspace that belongs to one study.

use std::collections::BTreeSet;
use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{Digest, ImageKey, Mask};
use serde::{Deserialize, Serialize};

use super::store::MOST_MASK_VOXELS;
use crate::app::workspace::{
    Card, Display, Finding, Frame, ImageRecord, Layout, Links, Measurement, PatientBox, Report,
    Shape, StudyId, View, ViewId, Workspace,
};

/// The reader's work on one study. In memory findings are made of [`Shape`]s, on disk of [`SavedShape`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Session<S = Shape> {
    /// The images that the rest belongs to.
    pub images: Vec<ImageRecord>,
    pub findings: Vec<Finding<S>>,
    pub regions: Vec<(ImageKey, PatientBox)>,
    pub cards: Vec<Card>,
    /// Sessions of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Crosshairs of the images' frames.
    pub cursors: Vec<(Frame, DVec3)>,
    /// Anchors of the images' frames.
    pub anchors: Vec<(Frame, DVec3)>,
    /// How the study was last looked at.
    pub arrangement: Option<Arrangement>,
}

/// Views, and how they share the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::app) struct Arrangement {
    pub views: Vec<(ViewId, View)>,
    pub layout: Layout,
    pub links: Links,
    pub display: Display,
    pub active: ViewId,
}

/// What a saved finding is made of; the voxels of a mask are in a file of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SavedShape {
    /// The file by the digest of its bytes, and the grid of its voxels.
    Mask {
        sha256: Digest,
        grid: VoxelGrid,
    },
    Box(PatientBox),
    Measurement(Box<Measurement>),
}

impl SavedShape {
    /// The shape as it is saved; `mask` sees to the file of a mask.
    pub fn of<E>(
        shape: Shape,
        mask: impl FnOnce(&Arc<Mask>) -> Result<Digest, E>,
    ) -> Result<Self, E> {
        Ok(match shape {
            Shape::Mask(m) => Self::Mask {
                sha256: mask(&m)?,
                grid: *m.grid(),
            },
            Shape::Box(patient_box) => Self::Box(patient_box),
            Shape::Measurement(measurement) => Self::Measurement(measurement),
        })
    }

    /// The shape; `file` gives the bytes of a mask's file.
    ///
    /// # Errors
    /// When the file cannot be had, is not the one that was saved, or is no mask of its grid.
    pub fn into_shape(
        self,
        file: impl FnOnce(Digest) -> Result<Vec<u8>, String>,
    ) -> Result<Shape, String> {
        let (sha256, grid) = match self {
            Self::Mask { sha256, grid } => (sha256, grid),
            Self::Box(patient_box) => return Ok(Shape::Box(patient_box)),
            Self::Measurement(measurement) => return Ok(Shape::Measurement(measurement)),
        };
        if grid.len() > MOST_MASK_VOXELS {
            return Err(format!("a mask of {} voxels", grid.len()));
        }
        let bytes = file(sha256)?;
        if Digest::of(&bytes) != sha256 {
            return Err("its checksum is wrong".into());
        }
        let mask = Mask::decode(grid, &bytes).map_err(|error| error.to_string())?;
        Ok(Shape::Mask(Arc::new(mask)))
    }

    /// The file of its mask, if it is one.
    pub const fn mask_file(&self) -> Option<Digest> {
        match self {
            Self::Mask { sha256, .. } => Some(*sha256),
            Self::Box(_) | Self::Measurement(_) => None,
        }
    }
}

impl Session {
    /// The part of a workspace that belongs to a study; the arrangement where `active`, the view that the
    /// reader works in, shows the study.
    pub fn of(workspace: &Workspace, study: StudyId, active: ViewId) -> Self {
        let ours = |image: &ImageKey| StudyId::of(image) == study;
        let records = workspace.images.iter();
        let images: Vec<ImageRecord> = records
            .filter(|(key, _)| ours(key))
            .map(|(_, record)| record.clone())
            .collect();
        let frames: BTreeSet<Frame> = images.iter().map(ImageRecord::frame).collect();
        let points = |points: &std::collections::BTreeMap<Frame, DVec3>| {
            let ours = points.iter().filter(|(frame, _)| frames.contains(frame));
            ours.map(|(frame, point)| (frame.clone(), *point)).collect()
        };
        let findings = workspace.findings.iter().filter(|f| ours(&f.image));
        let regions = workspace.regions.iter().filter(|(image, _)| ours(image));
        let cards = workspace.cards.iter().filter(|c| ours(&c.image.key));
        Self {
            findings: findings.cloned().collect(),
            regions: regions
                .map(|(image, region)| (image.clone(), *region))
                .collect(),
            cards: cards.cloned().collect(),
            report: workspace.reports.get(&study).cloned(),
            cursors: points(&workspace.cursors),
            anchors: points(&workspace.anchors),
            arrangement: (active_study(workspace, active) == Some(study))
                .then(|| Arrangement::of(workspace, active)),
            images,
        }
    }
}

/// The study that a view shows as its base.
pub(super) fn active_study(workspace: &Workspace, active: ViewId) -> Option<StudyId> {
    let base = workspace.views.get(&active)?.base()?;
    Some(StudyId::of(&base.image))
}

impl Arrangement {
    /// The views as they are now.
    pub fn of(workspace: &Workspace, active: ViewId) -> Self {
        let views = workspace.views.iter();
        Self {
            views: views.map(|(&id, view)| (id, view.clone())).collect(),
            layout: workspace.layout.clone(),
            links: workspace.links,
            display: workspace.display,
            active,
        }
    }
}

impl<S: Clone> Session<S> {
    /// The same session with other shapes; a finding without one is left out.
    pub fn with_shapes<T, E>(
        self,
        mut shape: impl FnMut(S) -> Result<Option<T>, E>,
    ) -> Result<Session<T>, E> {
        let mut findings = Vec::with_capacity(self.findings.len());
        for finding in self.findings {
            let new = shape(finding.shape.clone())?;
            findings.extend(new.map(|new| finding.with_shape(new)));
        }
        Ok(Session {
            images: self.images,
            findings,
            regions: self.regions,
            cards: self.cards,
            report: self.report,
            cursors: self.cursors,
            anchors: self.anchors,
            arrangement: self.arrangement,
        })
    }

    /// The same session with other names of images and frames, but for the names of its records. What is
    /// about an image or a frame without a new name is left out.
    pub fn renamed(
        mut self,
        image: impl Fn(&ImageKey) -> Option<ImageKey>,
        frame: impl Fn(&Frame) -> Option<Frame>,
    ) -> Self {
        let rename = |key: &mut ImageKey| match image(key) {
            Some(name) => {
                *key = name;
                true
            }
            None => false,
        };
        self.findings
            .retain_mut(|finding| rename(&mut finding.image));
        self.regions.retain_mut(|(image, _)| rename(image));
        self.cards.retain_mut(|card| rename(&mut card.image.key));
        self.report = self.report.and_then(|mut report| {
            report.key_images.retain_mut(|key| rename(&mut key.image));
            rename(&mut report.image).then_some(report)
        });
        for points in [&mut self.cursors, &mut self.anchors] {
            let named = std::mem::take(points).into_iter();
            *points = named
                .filter_map(|(at, point)| Some((frame(&at)?, point)))
                .collect();
        }
        let views = self.arrangement.iter_mut().flat_map(|a| &mut a.views);
        for (_, view) in views {
            view.layers.retain_mut(|layer| rename(&mut layer.image));
        }
        self
    }

    /// What is known of an image.
    pub fn record(&self, image: &ImageKey) -> Option<&ImageRecord> {
        self.images
            .iter()
            .find(|record| record.identity.key == *image)
    }
}
