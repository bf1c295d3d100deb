//! Disks that fail, files that were cut off or changed, images that are not what they were.

use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use m3d_viewer::app::{Application, Edit, Effect, NoticeKind, Topic};

use crate::support::*;

/// A study with a finding that was saved.
fn saved(folder: &Path) -> (PathBuf, PathBuf) {
    let (root, study) = (folder.join("data"), study(folder));
    let mut app = open(&root, &study);
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "before")));
    let image = record.identity.key.clone();
    let region = Some(patient_box(&record, 3.0));
    step(&mut app, Edit::Region { image, region });
    drop(app);
    (root, study)
}

fn set_aside(session: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(session).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect()
}

fn told(app: &Application, kind: NoticeKind, words: &[&str]) -> bool {
    app.notices
        .iter()
        .any(|n| n.kind == kind && words.iter().all(|word| n.text.contains(word)))
}

#[test]
fn a_session_that_cannot_be_read_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = saved(folder.path());
    let session = session_folder(&root);
    let file = session.join("session.json");
    let whole = std::fs::read(&file).unwrap();
    let masks = std::fs::read_dir(session.join("masks")).unwrap().count();
    let mut changed = whole.clone();
    let at = changed.windows(6).position(|w| w == b"before").unwrap();
    changed[at] = b'B';
    let damaged = [
        &whole[..0],
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
        &changed,
    ];
    for (n, bytes) in damaged.into_iter().enumerate() {
        std::fs::write(&file, bytes).unwrap();
        let mut app = open(&root, &study);
        assert!(app.workspace.findings.is_empty() && app.workspace.regions.is_empty());
        wait(&mut app, "the notice", |app| {
            told(
                app,
                NoticeKind::Error,
                &["cannot be read", file.to_str().unwrap()],
            )
        });
        let aside = set_aside(&session, "damaged-");
        assert_eq!(aside.len(), n + 1);
        let kept = aside.iter().any(|aside| {
            std::fs::read(aside.join("session.json")).unwrap() == bytes
                && std::fs::read_dir(aside.join("masks")).is_ok_and(|m| m.count() == masks)
        });
        assert!(kept, "case {n}");
        // What is done from now on is saved.
        let record = record(&app);
        step(&mut app, Edit::add(mask_of(&record, "after")));
        drop(app);
        let mut app = open(&root, &study);
        wait(&mut app, "the work", |app| {
            app.workspace.findings.len() == 1
        });
        assert_eq!(notices(&app), [""; 0]);
    }
}

#[test]
fn a_mask_that_is_damaged_takes_nothing_else_along() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = saved(folder.path());
    let session = session_folder(&root);
    let mask = std::fs::read_dir(session.join("masks"))
        .unwrap()
        .next()
        .unwrap();
    let mask = mask.unwrap().path();
    let mut bytes = std::fs::read(&mask).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&mask, &bytes).unwrap();
    let mut app = open(&root, &study);
    wait(&mut app, "the work", |app| app.workspace.regions.len() == 1);
    assert!(app.workspace.findings.is_empty());
    wait(&mut app, "the notice", |app| {
        told(app, NoticeKind::Error, &[mask.to_str().unwrap(), "kept"])
    });
    let aside = set_aside(&session, "damaged-");
    let kept = aside[0].join("masks").join(mask.file_name().unwrap());
    assert_eq!(std::fs::read(kept).unwrap(), bytes);
    // A mask of the same voxels is written anew.
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "again")));
    drop(app);
    let mut app = open(&root, &study);
    wait(&mut app, "the mask", |app| {
        app.workspace.findings.len() == 1
    });
    assert_eq!(notices(&app), [""; 0]);
}

#[test]
fn a_newer_session_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = saved(folder.path());
    let session = session_folder(&root);
    let newer = br#"{"version":2,"program":"7.0.0","sha256":"","session":{"holograms":[]}}"#;
    std::fs::write(session.join("session.json"), newer).unwrap();
    let before = everything(&session).len();
    let mut app = start(&root, Some(&study));
    wait(&mut app, "the notice", |app| {
        app.active_study()
            .is_some_and(|study| app.read_only(study).is_some())
    });
    let study = active(&app);
    assert!(app.read_only(study).unwrap().contains("7.0.0"));
    assert!(stays(&app, &Topic::ReadOnly(study)));
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "of today")));
    assert!(app.workspace.findings.is_empty());
    drop(app);
    assert_eq!(std::fs::read(session.join("session.json")).unwrap(), newer);
    assert_eq!(everything(&session).len(), before);
}

/// One slice has the pixels of another.
fn change_pixels(n: usize, image: &mut dicom_object::DefaultDicomObject) {
    if n == 7 {
        let other = dicom_object::open_file(&slices()[8]).unwrap();
        image.put(other.element(tags::PIXEL_DATA).unwrap().clone());
    }
}

#[test]
fn a_series_that_has_changed_says_so_and_keeps_the_old_work_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (root, path) = saved(folder.path());
    let session = session_folder(&root);
    let before = std::fs::read(session.join("session.json")).unwrap();
    series(&path, SERIES, change_pixels);
    let mut app = open(&root, &path);
    wait(&mut app, "the notice", |app| {
        told(app, NoticeKind::Warning, &["has changed"])
    });
    assert!(app.workspace.findings.is_empty() && app.workspace.regions.is_empty());
    let changed = record(&app);
    step(&mut app, Edit::add(mask_of(&changed, "after")));
    drop(app);
    let aside = set_aside(&session, "earlier-");
    assert_eq!(aside.len(), 1);
    assert_eq!(
        std::fs::read(aside[0].join("session.json")).unwrap(),
        before
    );
    assert_eq!(
        std::fs::read_dir(aside[0].join("masks")).unwrap().count(),
        1
    );
    let mut app = open(&root, &path);
    wait(&mut app, "the work", |app| {
        app.workspace.findings.len() == 1
    });
    assert_eq!(notices(&app), [""; 0]);

    // The same while the study is open: what was not saved yet is kept, too.
    let mut more = app.workspace.findings[0].clone();
    more.name = "a moment ago".into();
    step(&mut app, Edit::add(more));
    let digest = record(&app).identity.digest;
    series(&path, SERIES, |_, _| {});
    app.open(path.clone());
    wait(&mut app, "the change", |app| {
        app.seen_active()
            .is_some_and(|seen| seen.image.identity.digest != digest)
    });
    assert!(told(&app, NoticeKind::Warning, &["has changed"]));
    assert!(app.workspace.findings.is_empty());
    drop(app);
    let aside = set_aside(&session, &format!("earlier-{}", &digest.to_string()[..8]));
    let kept = std::fs::read_to_string(aside[0].join("session.json")).unwrap();
    assert!(kept.contains("a moment ago"));
}

#[test]
fn what_cannot_be_saved_is_told_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    std::fs::create_dir_all(&root).unwrap();
    // A file where the folder of all sessions should be.
    std::fs::write(root.join("sessions"), "").unwrap();
    let mut app = open(&root, &study);
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "not yet")));
    wait(&mut app, "the notice", |app| stays(app, &Topic::Saving));
    act(&mut app, [Effect::Dismiss(0)]);
    assert!(stays(&app, &Topic::Saving));
    assert_eq!(app.workspace.findings.len(), 1);
    std::fs::remove_file(root.join("sessions")).unwrap();
    wait(&mut app, "the save", |app| !stays(app, &Topic::Saving));
    let session = session_folder(&root);
    wait_for_text(&session.join("session.json"), "not yet");

    // It fails again, in the middle of going on: the file before stays whole.
    let before = std::fs::read(session.join("session.json")).unwrap();
    std::fs::create_dir(session.join("session.json.part")).unwrap();
    step(&mut app, Edit::add(mask_of(&record, "the second")));
    wait(&mut app, "the notice", |app| stays(app, &Topic::Saving));
    assert_eq!(std::fs::read(session.join("session.json")).unwrap(), before);
    std::fs::remove_dir(session.join("session.json.part")).unwrap();
    wait(&mut app, "the save", |app| !stays(app, &Topic::Saving));
    wait_for_text(&session.join("session.json"), "the second");
    // The folder itself is taken away.
    std::fs::remove_dir_all(&session).unwrap();
    step(&mut app, Edit::add(mask_of(&record, "the third")));
    app.update();
    wait_for_text(&session.join("session.json"), "the third");
}
