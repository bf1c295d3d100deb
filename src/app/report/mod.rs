//! Reports: templates, words, checks, and what is exported. The report itself is a value of the workspace.

mod checks;
mod dates;
mod document;
mod export;
mod key_image;
mod pdf;
mod template;
mod units;
mod words;

pub use checks::{Check, CheckKind, checks};
pub use document::{
    Document, DocumentError, Picture, Run, SectionWords, document, findings_out, maker, unreviewed,
};
pub use export::{ReportFormat, SentFinding};
pub use key_image::KeySource;
pub use pdf::{Pdf, pdf};
pub use template::{Template, Templates, section_for};
pub use words::{About, Sources, date_words, flow, markdown, name_words, plain_text};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use glam::{DAffine3, DVec3, UVec3};
    use m3d_imaging::geometry::{BodyLevel, VoxelGrid};
    use m3d_imaging::survey::{Coverage, End};
    use m3d_imaging::volume::{Digest, ImageIdentity, ImageKey, Mask, Modality, Spacing};

    use super::*;
    use crate::app::workspace::{
        CardId, Content, Edit, Finding, FindingId, ImageRecord, Origin, Piece, Report, Sentence,
        Shape, Workspace,
    };

    /// A CT of 400 x 200 x 250 mm, wide enough to tell sides, its middle at the patient's.
    pub(super) fn record() -> ImageRecord {
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(2.0, 2.0, 5.0),
            glam::DQuat::IDENTITY,
            DVec3::new(-199.0, -99.0, 0.0),
        );
        ImageRecord {
            identity: ImageIdentity {
                key: ImageKey::File {
                    sha256: Digest::of(b"an image"),
                },
                digest: Digest::of(b"an image"),
            },
            grid: VoxelGrid::new(UVec3::new(200, 100, 50), place).unwrap(),
            modality: Modality::Ct,
            modality_code: "CT".into(),
            description: "CT chest".into(),
            times: 1,
            frame_uid: None,
            patient: "Doe^Jane".into(),
            study_date: "20240229".into(),
        }
    }

    /// A ball in the image, its middle at a voxel.
    pub(super) fn ball(id: u64, name: &str, middle: UVec3, source: Origin) -> Finding {
        let grid = record().grid;
        let middle = middle.as_dvec3();
        let mask = Mask::from_fn(grid, |v| v.as_dvec3().distance(middle) < 4.0);
        Finding {
            id: FindingId(id),
            source,
            ..Finding::new(&record().identity.key, name, Shape::Mask(Arc::new(mask)))
        }
    }

    /// What shows the chest, from T1 to T12.
    pub(super) fn chest() -> About {
        let end = |level: f32| End {
            level: BodyLevel(level),
            highest: BodyLevel(level),
            lowest: BodyLevel(level),
        };
        About {
            spacing: Spacing::Patient,
            sides_known: true,
            coverage: Some(Coverage {
                top: end(8.0),
                bottom: end(19.0),
            }),
        }
    }

    pub(super) fn workspace(findings: Vec<Finding>) -> Workspace {
        let mut workspace = Workspace::default();
        let record = record();
        for finding in findings {
            workspace.apply(Edit::add(finding));
        }
        workspace.apply(Edit::Image {
            key: record.identity.key.clone(),
            record: Some(Box::new(record)),
        });
        workspace
    }

    pub(super) fn sources(workspace: &Workspace) -> Sources<'_> {
        Sources {
            workspace,
            about: [(record().identity.key, chest())].into(),
            means: std::collections::BTreeMap::new(),
        }
    }

    pub(super) fn report() -> Report {
        let templates = Templates::read(None);
        templates.named("General").unwrap().begin(&record())
    }

    pub(super) fn sentence(text: &str) -> Piece {
        Piece::new(Content::Sentence(Sentence {
            text: text.into(),
            card: CardId(1),
            model: "small".into(),
            accepted: false,
        }))
    }

    pub(super) fn chip(id: u64) -> Piece {
        Piece::new(Content::Finding(FindingId(id)))
    }
}
