//! Every place where a file of a session may be cut off, and every byte of it that may be another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::{DAffine3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{Digest, ImageIdentity, ImageKey, Mask, Modality};

use super::content::{SavedShape, Session};
use super::envelope::{self, EnvelopeError};
use super::store::{Opened, Store};
use super::{StudyId, disk};
use crate::app::workspace::{Edit, Finding, FindingId, ImageRecord, Shape, ViewId, Workspace};

fn key() -> ImageKey {
    let sha256 = Digest::of(b"an image");
    ImageKey::File { sha256 }
}

fn study() -> StudyId {
    StudyId::of(&key())
}

fn session() -> Session {
    let place = DAffine3::from_scale(DVec3::new(0.7, 0.8, 2.5));
    let grid = VoxelGrid::new(UVec3::new(40, 30, 9), place).unwrap();
    let mut workspace = Workspace::default();
    let record = ImageRecord {
        identity: ImageIdentity {
            key: key(),
            digest: Digest::of(b"an image"),
        },
        grid,
        modality: Modality::Ct,
        modality_code: "CT".into(),
        description: String::new(),
        times: 1,
        frame_uid: None,
        patient: "Doe^Jane".into(),
        study_date: String::new(),
    };
    workspace.apply(Edit::Image {
        key: key(),
        record: Some(Box::new(record)),
    });
    let middle = UVec3::new(20, 15, 4).as_dvec3();
    let mask = Mask::from_fn(grid, |v| v.as_dvec3().distance(middle) < 5.3);
    workspace.apply(Edit::add(Finding {
        id: FindingId(7),
        ..Finding::new(&key(), "cyst", Shape::Mask(Arc::new(mask)))
    }));
    Session::of(&workspace, study(), ViewId::fresh())
}

fn save(root: &Path) -> PathBuf {
    let Opened::Writable { mut store, .. } = Store::open(root, study()) else {
        panic!("a new session is not writable");
    };
    store.save(session()).unwrap();
    root.join(study().to_string())
}

/// What is found, and what the reader is told.
fn reopen(root: &Path) -> (Option<Session>, Option<String>) {
    match Store::open(root, study()) {
        Opened::Writable {
            session, trouble, ..
        } => (session, trouble),
        Opened::ReadOnly { session, reason } => (session, Some(reason)),
    }
}

fn one_mask(folder: &Path) -> PathBuf {
    let masks = folder.join("masks");
    let names = disk::names(&masks).unwrap();
    assert_eq!(names.len(), 1);
    masks.join(&names[0])
}

/// Whether some file below a folder has these bytes.
fn is_kept(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            is_kept(&path, bytes)
        } else {
            std::fs::read(path).unwrap() == bytes
        }
    })
}

/// Reopens the session with other bytes in one of its files; what comes back, and that nothing was lost.
fn with_damage(file: impl Fn(&Path) -> PathBuf, bytes: &[u8]) -> Option<Session> {
    let root = tempfile::tempdir().unwrap();
    let folder = save(root.path());
    let file = file(&folder);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let (found, trouble) = reopen(root.path());
    assert_eq!(trouble.is_some(), bytes != whole, "{trouble:?}");
    assert!(is_kept(&folder, bytes));
    let shown = file.display().to_string();
    assert!(trouble.is_none_or(|trouble| trouble.contains(&shown)));
    found
}

#[test]
fn a_session_comes_back_and_an_unchanged_one_is_not_written_again() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(reopen(root.path()), (None, None));
    let folder = save(root.path());
    assert_eq!(reopen(root.path()), (Some(session()), None));
    let written = || {
        std::fs::metadata(folder.join("session.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = written();
    save(root.path());
    assert_eq!(written(), before);
}

/// Every place where bytes may end, and every byte changed.
fn damages(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
    cut.chain((0..whole.len()).map(|at| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 7);
        bytes
    }))
}

/// On disk, where every save waits for it, so many cases of damage are left out after each that is tried.
const ON_DISK: usize = 41;

#[test]
fn a_session_cut_off_or_changed_anywhere_is_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let whole = std::fs::read(save(root.path()).join("session.json")).unwrap();
    for (n, bytes) in damages(&whole).enumerate() {
        let read = envelope::open::<Session<SavedShape>>(&bytes);
        assert!(read.is_err(), "case {n}");
        // That it is newer is a reason of its own, and nothing is set aside.
        if n % ON_DISK == 0 && matches!(read, Err(EnvelopeError::Damaged(_))) {
            let found = with_damage(|folder| folder.join("session.json"), &bytes);
            assert_eq!(found, None, "case {n}");
        }
    }
}

#[test]
fn a_mask_cut_off_or_changed_anywhere_is_left_out_alone() {
    let root = tempfile::tempdir().unwrap();
    let whole = std::fs::read(one_mask(&save(root.path()))).unwrap();
    let sha256 = Digest::of(&whole);
    let grid = session().images[0].grid;
    for (n, bytes) in damages(&whole).enumerate() {
        let shape = SavedShape::Mask { sha256, grid };
        assert!(shape.into_shape(|_| Ok(bytes.clone())).is_err(), "case {n}");
        if n % ON_DISK == 0 {
            let found = with_damage(one_mask, &bytes).unwrap();
            assert!(found.findings.is_empty());
            assert_eq!(found.images, session().images);
        }
    }
}

#[test]
fn what_a_kill_leaves_behind_does_no_harm() {
    let root = tempfile::tempdir().unwrap();
    let folder = save(root.path());
    std::fs::write(folder.join("session.json.part"), "{\"vers").unwrap();
    std::fs::write(folder.join("masks/abc.mask.part"), "M3").unwrap();
    std::fs::write(folder.join("masks/0123.mask"), "of a save that did not end").unwrap();
    let Opened::Writable {
        mut store,
        session: found,
        trouble,
    } = Store::open(root.path(), study())
    else {
        panic!("it is not writable");
    };
    assert_eq!((found, trouble), (Some(session()), None));
    let mut changed = session();
    changed.findings[0].name = "another".into();
    store.save(changed).unwrap();
    one_mask(&folder);
}

#[test]
fn a_value_that_no_file_can_keep_is_refused_and_what_was_saved_stays() {
    let root = tempfile::tempdir().unwrap();
    save(root.path());
    let Opened::Writable { mut store, .. } = Store::open(root.path(), study()) else {
        panic!("it is not writable");
    };
    let mut broken = session();
    broken.findings[0].drawn_at_mm = Some(DVec3::splat(f64::NAN));
    assert!(store.save(broken).is_err());
    drop(store);
    assert_eq!(reopen(root.path()), (Some(session()), None));
}

#[test]
fn a_session_is_open_once_and_forgotten_by_its_owner() {
    let root = tempfile::tempdir().unwrap();
    let folder = save(root.path());
    let Opened::Writable { store, .. } = Store::open(root.path(), study()) else {
        panic!("it is not writable");
    };
    let second = Store::open(root.path(), study());
    assert!(matches!(second, Opened::ReadOnly { session: Some(found), .. } if found == session()));
    assert!(Store::forget(root.path(), study(), None).is_err());
    assert!(folder.exists());
    Store::forget(root.path(), study(), Some(*store)).unwrap();
    assert!(!folder.exists());
    Store::forget(root.path(), study(), None).unwrap();
}
