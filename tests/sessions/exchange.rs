//! Recent studies, forgetting, and sessions that are taken along.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::Window;
use m3d_viewer::app::{
    Application, CardId, Command, Content, DialogRequest, Edit, Effect, FindingId, ImageRecord,
    KeyImage, KeyImageId, NoticeKind, Opening, Outbox, Piece, Report, Section, SectionKind,
    Sentence, Shape, Topic,
};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::*;

fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut found = Vec::new();
    for n in 0..zip.len() {
        let mut entry = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let name = entry.name().unwrap().into_owned();
        found.push((name, bytes));
    }
    found
}

fn write_zip(path: &Path, entries: &[(String, Vec<u8>)]) {
    let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(name.as_str(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// A report with a finding, a drafted sentence and a picture, whose words name the patient.
fn reported(record: &ImageRecord, finding: FindingId) -> Report {
    let sentence = Sentence {
        text: "Mrs Featherstone's liver is normal.".into(),
        card: CardId(1),
        model: "small".into(),
        accepted: false,
    };
    let section = Section {
        heading: "Findings".into(),
        kind: SectionKind::Findings,
        about: Vec::new(),
        pieces: vec![
            Piece::text(format!("See {PATIENT}:")),
            Piece::new(Content::Finding(finding)),
            Piece::new(Content::Sentence(sentence)),
            Piece::text(""),
        ],
    };
    Report {
        image: record.identity.key.clone(),
        template: "General".into(),
        sections: vec![section],
        key_images: vec![KeyImage {
            id: KeyImageId::fresh(),
            image: record.identity.key.clone(),
            time: 0,
            orientation: Orientation::Axial,
            point_mm: record.grid.centre_mm(),
            window: Window::new(40.0, 400.0),
            invert: false,
            caption: "Wilhelmina's cyst".into(),
        }],
    }
}

/// A study with work whose words name the patient, too; the study's folder.
fn worked_on(folder: &Path) -> (Application, PathBuf) {
    let study = study(folder);
    let mut app = open(&folder.join("data"), &study);
    let record = record(&app);
    let mut noted = mask_of(&record, "Cyst of Mrs Featherstone");
    noted.note = format!("compare {PATIENT} of 2025-03-17; wilhelmina's own words");
    let image = &record.identity.key;
    let boxed = finding(image, "box", Shape::Box(patient_box(&record, 14.2)));
    let report = reported(&record, noted.id);
    step(&mut app, Edit::add(noted));
    step(&mut app, Edit::add(boxed));
    step(&mut app, Edit::report(report));
    let (image, frame) = (image.clone(), record.frame());
    let region = Some(patient_box(&record, 5.5));
    step(&mut app, Edit::Region { image, region });
    let point_mm = Some(record.grid.centre_mm() + 3.0);
    act(
        &mut app,
        [
            Effect::Edit(Edit::Cursor { frame, point_mm }, None),
            Effect::Run(Command::Layout(m3d_viewer::app::StandardLayout::OneByTwo)),
            Effect::Run(Command::Invert),
        ],
    );
    (app, study)
}

fn save_as(app: &mut Application, path: &Path, with_identity: bool) {
    let path = path.to_owned();
    let wanted = format!("Wrote {}", path.display());
    act(
        app,
        [Effect::SaveSession {
            path,
            with_identity,
        }],
    );
    wait(app, "the file", |app| notices(app).contains(&wanted));
}

fn bring(app: &mut Application, path: &Path) {
    act(app, [Effect::OpenSession(path.to_owned())]);
}

#[test]
fn a_session_is_taken_along_with_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (mut app, study) = worked_on(folder.path());
    let path = folder.path().join("work.m3dsession");
    save_as(&mut app, &path, true);
    let left = app.workspace.clone();

    // Another reader, who has the study open.
    let mut other = open(&folder.path().join("other"), &study);
    bring(&mut other, &path);
    wait(&mut other, "the work", |app| {
        app.workspace.findings.len() == 2
    });
    assert_eq!(other.workspace, left);
    assert_eq!(other.history.undo_label(), Some("open session"));
    // It is that reader's from now on.
    drop(other);
    let mut other = open(&folder.path().join("other"), &study);
    wait(&mut other, "the work", |app| app.workspace == left);
}

#[test]
fn without_the_identity_nothing_in_the_file_names_the_patient() {
    let folder = tempfile::tempdir().unwrap();
    let (mut app, study) = worked_on(folder.path());
    let path = folder.path().join("work.m3dsession");
    save_as(&mut app, &path, false);
    let with = folder.path().join("named.m3dsession");
    save_as(&mut app, &with, true);
    let named = |path: &Path, word: &str| {
        let whole = std::fs::read(path).unwrap();
        let parts = entries(path).into_iter();
        let mut texts = parts
            .flat_map(|(name, bytes)| [name.into_bytes(), bytes])
            .chain([whole]);
        let word = word.to_lowercase().into_bytes();
        texts.any(|text| {
            let text = text.to_ascii_lowercase();
            text.windows(word.len()).any(|part| part == word)
        })
    };
    for word in IDENTITY {
        assert!(named(&with, word), "{word} is not even in the other file");
        assert!(!named(&path, word), "{word} is in the file");
    }
    let left = app.workspace.clone();

    // Whoever has the same images can open it.
    let mut other = open(&folder.path().join("other"), &study);
    bring(&mut other, &path);
    wait(&mut other, "the work", |app| {
        app.workspace.findings.len() == 2
    });
    assert_eq!(other.workspace.images, left.images);
    assert_eq!(other.workspace.views, left.views);
    assert_eq!(other.workspace.cursors, left.cursors);
    assert_eq!(other.workspace.regions, left.regions);
    let cyst = &other.workspace.findings[0];
    assert_eq!(cyst.name, "Cyst of Mrs …");
    assert_eq!(cyst.note, "compare … of …; …'s own words");
    assert_eq!(cyst.mask(), left.findings[0].mask());
    let report = other.workspace.reports.values().next().unwrap();
    let words: Vec<String> = report.clone().texts_mut().map(|t| t.clone()).collect();
    let blotted = [
        "See …:",
        "Mrs …'s liver is normal.",
        "",
        "Findings",
        "…'s cyst",
    ];
    assert_eq!(words, blotted);
    assert!(report.has(cyst.id) && report.key_images[0].image == report.image);
    assert!(
        left.reports
            .contains_key(&m3d_viewer::app::StudyId::of(&report.image))
    );
    assert!(other.seen_active().is_some());
}

#[test]
fn images_that_are_not_here_are_asked_for_and_known_by_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let (mut app, study) = worked_on(folder.path());
    let path = folder.path().join("work.m3dsession");
    save_as(&mut app, &path, false);
    let left = app.workspace.clone();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&study, &elsewhere).unwrap();

    let mut other = start(&folder.path().join("other"), None);
    // As from the command line, or dropped into the window.
    act(&mut other, [Effect::Open(vec![path], Opening::Instead)]);
    wait(&mut other, "the question", |app| {
        notices(app).iter().any(|text| text.contains("not here"))
    });
    assert!(other.workspace.findings.is_empty());
    assert_eq!(other.workspace.layout, left.layout);
    assert!(
        other
            .workspace
            .shown_views()
            .any(|(_, view)| view.base().is_some())
    );
    // The wrong folder: shown, and the question is asked again.
    let wrong = folder.path().join("wrong.nii.gz");
    as_file(&elsewhere, &wrong);
    act(&mut other, [Effect::Open(vec![wrong], Opening::Instead)]);
    wait(&mut other, "the other image", |app| {
        app.seen_active().is_some()
    });
    assert!(notices(&other).iter().any(|text| text.contains("not here")));
    assert!(other.workspace.findings.is_empty());
    act(
        &mut other,
        [Effect::Open(vec![elsewhere], Opening::Instead)],
    );
    wait(&mut other, "the work", |app| {
        app.workspace.findings.len() == 2
    });
    assert_eq!(other.workspace.views, left.views);
    assert_eq!(other.workspace.regions, left.regions);
    assert!(
        other
            .seen_active()
            .is_some_and(|seen| seen.image.identity == record(&app).identity)
    );
    assert!(
        left.images
            .iter()
            .all(|(key, record)| other.workspace.images[key] == *record)
    );
}

#[test]
fn images_are_found_where_recent_studies_are() {
    let folder = tempfile::tempdir().unwrap();
    let (mut app, study) = worked_on(folder.path());
    let path = folder.path().join("work.m3dsession");
    save_as(&mut app, &path, false);
    let root = folder.path().join("other");
    drop(open(&root, &study));
    let mut other = start(&root, None);
    assert_eq!(other.recent_studies().len(), 1);
    bring(&mut other, &path);
    wait(&mut other, "the work", |app| {
        app.workspace.findings.len() == 2
    });
    wait(&mut other, "the image", |app| app.seen_active().is_some());
}

/// The files of an archive, by name.
type Entries = Vec<(String, Vec<u8>)>;

#[test]
fn files_that_are_no_sessions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut app, study) = worked_on(folder.path());
    let path = folder.path().join("work.m3dsession");
    save_as(&mut app, &path, true);
    let good = entries(&path);
    let whole = std::fs::read(&path).unwrap();
    let with = |change: &dyn Fn(&mut Entries)| {
        let mut entries = good.clone();
        change(&mut entries);
        let path = folder.path().join("bad.m3dsession");
        write_zip(&path, &entries);
        std::fs::read(path).unwrap()
    };
    let mask = good
        .iter()
        .position(|(name, _)| name.starts_with("masks/"))
        .unwrap();
    let mut bad = vec![
        b"no zip".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        // Out of the folder, and beside what there should be.
        with(&|e| e.push(("../evil".into(), vec![1]))),
        with(&|e| e.push(("masks/../../evil.mask".into(), vec![1]))),
        with(&|e| e.push(("session.json.exe".into(), vec![1]))),
        // Many, and more than there is room for.
        with(&|e| e.extend((0..20_000).map(|n| (format!("masks/{n:064x}.mask"), vec![])))),
        with(&|e| {
            e.iter_mut().find(|(n, _)| n == "session.json").unwrap().1 = vec![b' '; 65 << 20];
        }),
        // Other voxels under the same name, no voxels, no session.
        with(&|e| *e[mask].1.last_mut().unwrap() ^= 1),
        with(&|e| drop(e.remove(mask))),
        with(&|e| e.retain(|(name, _)| name != "session.json")),
    ];
    bad.push(Vec::new());
    let mut other = open(&folder.path().join("other"), &study);
    let before = other.workspace.clone();
    for (n, bytes) in bad.iter().enumerate() {
        let path = folder.path().join(format!("bad{n}.m3dsession"));
        std::fs::write(&path, bytes).unwrap();
        bring(&mut other, &path);
        let path = path.display().to_string();
        wait(&mut other, "the error", |app| {
            app.notices
                .iter()
                .any(|n| n.kind == NoticeKind::Error && n.text.contains(&path))
        });
        assert_eq!(other.workspace, before, "{n}");
    }
    bring(&mut other, &folder.path().join("work.m3dsession"));
    wait(&mut other, "the work", |app| {
        app.workspace.findings.len() == 2
    });
}

#[test]
fn a_study_is_opened_again_from_the_list_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let (mut app, study) = worked_on(folder.path());
    wait(&mut app, "the list", |app| !app.recent_studies().is_empty());
    let left = app.workspace.clone();
    drop(app);

    let mut app = start(&root, None);
    let recent = app.recent_studies()[0].clone();
    assert_eq!(
        (recent.patient.as_str(), recent.date.as_str()),
        (NAME, DATE)
    );
    assert_eq!(
        (recent.description.as_str(), &recent.path),
        (DESCRIPTION, &study)
    );
    act(&mut app, [Effect::OpenRecent(recent.study)]);
    wait(&mut app, "the work", |app| app.workspace == left);

    // It is asked for first.
    let mut outbox = Outbox::default();
    outbox.run(Command::ForgetStudy);
    let asked = app.handle(&mut outbox);
    assert_eq!(asked, [DialogRequest::ForgetStudy(recent.study)]);
    wait(&mut app, "the session", |app| app.is_kept(recent.study));
    act(&mut app, [Effect::ForgetStudy(recent.study)]);
    wait(&mut app, "the list", |app| app.recent_studies().is_empty());
    assert!(app.workspace.findings.is_empty() && app.workspace.regions.is_empty());
    assert!(stays(&app, &Topic::ReadOnly(recent.study)));
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "too late")));
    act(&mut app, [Effect::Run(Command::Invert)]);
    drop(app);
    let rest = everything(&root);
    assert!(
        !rest
            .iter()
            .any(|path| path.to_string_lossy().contains("session.json")),
        "{rest:?}"
    );
    let list = std::fs::read_to_string(root.join("recent.json")).unwrap();
    assert!(!list.contains("Featherstone"));

    // Opened again, it begins anew.
    let mut app = open(&root, &study);
    assert!(app.workspace.findings.is_empty());
    step(&mut app, Edit::add(mask_of(&record, "a new start")));
    drop(app);
    let mut app = open(&root, &study);
    wait(&mut app, "the work", |app| {
        app.workspace.findings.len() == 1
    });
}
