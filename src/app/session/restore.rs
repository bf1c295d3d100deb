//! Bringing a session back into the workspace, by edits.

use std::collections::{BTreeMap, BTreeSet};

use m3d_imaging::volume::ImageKey;

use super::content::{Arrangement, Session};
use crate::app::workspace::{Card, Edit, ImageRecord, StudyId, ViewId, Workspace};

/// What brings a session back.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// The edits, in order.
    pub edits: Vec<Edit>,
    /// The images that are not what they were, as they were. What was found in them is left out.
    pub changed: Vec<ImageRecord>,
}

/// The edits that put the work of a session into the workspace: before what is there, and in place of
/// nothing that is there.
pub(super) fn work(session: &Session, workspace: &Workspace) -> Restored {
    let mut restored = Restored::default();
    let mut ours = BTreeSet::new();
    for record in &session.images {
        let key = &record.identity.key;
        match workspace.images.get(key) {
            Some(open) if !open.is_same_image(record) => restored.changed.push(record.clone()),
            known => {
                ours.insert(key);
                if known.is_none() {
                    restored.edits.push(Edit::Image {
                        key: key.clone(),
                        record: Some(Box::new(record.clone())),
                    });
                }
            }
        }
    }
    let edits = &mut restored.edits;
    let findings = session.findings.iter();
    let findings =
        findings.filter(|f| ours.contains(&f.image) && workspace.finding(f.id).is_none());
    edits.extend(findings.enumerate().map(|(place, finding)| Edit::Finding {
        id: finding.id,
        place,
        finding: Some(Box::new(finding.clone())),
    }));
    let cards = session.cards.iter();
    let cards = cards.filter(|c| {
        let asked_about = session.record(&c.image.key).map(|record| &record.identity);
        let same = ours.contains(&c.image.key) && asked_about == Some(&c.image);
        same && workspace.card(c.id).is_none()
    });
    edits.extend(cards.enumerate().map(|(place, card)| Edit::Card {
        id: card.id,
        place,
        card: Some(Box::new(card.clone().without_its_worker())),
    }));
    let regions = session.regions.iter();
    let regions =
        regions.filter(|(image, _)| ours.contains(image) && !workspace.regions.contains_key(image));
    edits.extend(regions.map(|(image, region)| Edit::Region {
        image: image.clone(),
        region: Some(*region),
    }));
    // A report on an image that is not what it was is about another one.
    let report = session.report.iter();
    let report = report.filter(|report| {
        let is_new = !workspace.reports.contains_key(&StudyId::of(&report.image));
        is_new && ours.contains(&report.image)
    });
    edits.extend(report.cloned().map(Edit::report));
    let cursors = session.cursors.iter();
    let cursors = cursors.filter(|(frame, _)| !workspace.cursors.contains_key(frame));
    edits.extend(cursors.map(|(frame, point)| Edit::Cursor {
        frame: frame.clone(),
        point_mm: Some(*point),
    }));
    let anchors = session.anchors.iter();
    let anchors = anchors.filter(|(frame, _)| !workspace.anchors.contains_key(frame));
    edits.extend(anchors.map(|(frame, point)| Edit::Anchor {
        frame: frame.clone(),
        point_mm: Some(*point),
    }));
    restored
}

/// The edits that put the work of a session into the workspace, in place of earlier states of the same.
pub(super) fn replacing(session: &Session, workspace: &Workspace) -> Vec<Edit> {
    let mut edits = Vec::new();
    let new = session.findings.iter();
    let new = new.filter(|finding| workspace.finding(finding.id) != Some(finding));
    edits.extend(new.cloned().map(Edit::add));
    let cards = session.cards.iter().cloned().map(Card::without_its_worker);
    let new = cards.filter(|card| workspace.card(card.id) != Some(card));
    edits.extend(new.map(Edit::card));
    let regions = session.regions.iter();
    let new = regions.filter(|(image, region)| workspace.regions.get(image) != Some(region));
    edits.extend(new.map(|(image, region)| Edit::Region {
        image: image.clone(),
        region: Some(*region),
    }));
    let report = session.report.iter();
    let new = report.filter(|report| {
        let known = workspace.reports.get(&StudyId::of(&report.image));
        known != Some(report)
    });
    edits.extend(new.cloned().map(Edit::report));
    edits
}

/// The edits that move crosshairs and anchors to where they are in a session.
pub(super) fn places(session: &Session) -> Vec<Edit> {
    let cursors = session.cursors.iter().map(|(frame, point)| Edit::Cursor {
        frame: frame.clone(),
        point_mm: Some(*point),
    });
    let anchors = session.anchors.iter().map(|(frame, point)| Edit::Anchor {
        frame: frame.clone(),
        point_mm: Some(*point),
    });
    cursors.chain(anchors).collect()
}

/// The edits that arrange the views as they were.
pub(super) fn arrangement(arrangement: &Arrangement, workspace: &Workspace) -> Vec<Edit> {
    let views: BTreeMap<ViewId, _> = arrangement
        .views
        .iter()
        .map(|(id, view)| (*id, view))
        .collect();
    let other = workspace.views.keys().filter(|id| !views.contains_key(id));
    let mut edits: Vec<Edit> = views
        .iter()
        .map(|(&id, view)| Edit::View {
            id,
            view: Some(Box::new((*view).clone())),
        })
        .collect();
    edits.push(Edit::Layout(arrangement.layout.clone()));
    edits.push(Edit::Links(arrangement.links));
    edits.push(Edit::Display(arrangement.display));
    edits.extend(other.map(|&id| Edit::View { id, view: None }));
    edits
}

/// The edits that take everything away that was found in some images, and where they were looked at.
pub(in crate::app) fn removal(
    workspace: &Workspace,
    is_one: impl Fn(&ImageKey) -> bool,
) -> Vec<Edit> {
    let mut edits = Vec::new();
    let findings = workspace.findings.iter().filter(|f| is_one(&f.image));
    edits.extend(findings.map(|finding| Edit::remove(finding.id)));
    let cards = workspace
        .cards
        .iter()
        .filter(|card| is_one(&card.image.key));
    edits.extend(cards.map(|card| Edit::Card {
        id: card.id,
        place: 0,
        card: None,
    }));
    let regions = workspace.regions.keys().filter(|image| is_one(image));
    edits.extend(regions.map(|image| Edit::Region {
        image: image.clone(),
        region: None,
    }));
    let reports = workspace.reports.iter();
    let reports = reports.filter(|(_, report)| is_one(&report.image));
    edits.extend(reports.map(|(&study, _)| Edit::Report {
        study,
        report: None,
    }));
    let records = workspace.images.iter().filter(|(key, _)| is_one(key));
    let frames: BTreeSet<_> = records.map(|(_, record)| record.frame()).collect();
    for frame in frames {
        if workspace.cursors.contains_key(&frame) {
            edits.push(Edit::Cursor {
                frame: frame.clone(),
                point_mm: None,
            });
        }
        if workspace.anchors.contains_key(&frame) {
            edits.push(Edit::Anchor {
                frame,
                point_mm: None,
            });
        }
    }
    edits
}
