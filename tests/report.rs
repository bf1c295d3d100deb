//! The report in the window: drafts come grey, are accepted one by one, and nothing else goes out.

#[path = "support/window.rs"]
mod window;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{By, NodeT as _, Queryable};
use m3d_imaging::volume::{Mask, Paint, Window};
use m3d_viewer::app::{
    Card, CardState, Command, Content, Edit, Effect, Finding, FindingId, Origin, Outbox, Piece,
    PieceId, Provenance, RESEARCH_NOTICE, Report, ReportAction, Shape, Step, WorkTab,
};
use m3d_viewer::ui::Viewer;
use window::{open_sample, root, sample, seen, start, wait};

fn act(harness: &mut Harness<Viewer>, effects: impl IntoIterator<Item = Effect>) {
    let mut outbox = Outbox::default();
    for effect in effects {
        outbox.push(effect);
    }
    harness.state_mut().app.handle(&mut outbox);
    harness.run_steps(3);
}

fn step(harness: &mut Harness<Viewer>, edit: Edit) {
    act(harness, [Effect::Edit(edit, Some(Step::new("test")))]);
}

/// A ball on what is shown.
fn ball(harness: &Harness<Viewer>, name: &str, radius_mm: f64, source: Origin) -> Finding {
    let seen = seen(harness);
    let mut mask = Mask::empty(*seen.grid());
    mask.paint_ball(seen.grid().middle_voxel_mm(), radius_mm, Paint::Add);
    Finding {
        source,
        ..Finding::new(&seen.layer.image, name, Shape::Mask(Arc::new(mask)))
    }
}

/// An answer as a model gives one, with what it found.
fn answer(harness: &Harness<Viewer>, text: &str, findings: Vec<FindingId>) -> Card {
    let seen = seen(harness);
    Card {
        text: text.into(),
        state: CardState::Done,
        findings,
        made_from: Some(Provenance {
            raw_text: text.into(),
            model_name: "tiny".into(),
            model_fingerprint: "0123456789abcdef".into(),
            model_licence: None,
            program_version: "0".into(),
            max_tokens: 1,
            temperature: 0.0,
            seed: 0,
            window: Window::new(40.0, 400.0),
            token_count: 1,
            timings_ms: Vec::new(),
            mask_voxel_mm: None,
        }),
        ..Card::asked(
            seen.image.identity.clone(),
            0,
            Window::new(40.0, 400.0),
            "Report".into(),
            None,
        )
    }
}

fn report(harness: &Harness<Viewer>) -> Report {
    harness.state().app.report().unwrap().clone()
}

fn grey(harness: &Harness<Viewer>) -> Vec<PieceId> {
    let sources = harness.state().app.report_sources();
    let report = report(harness);
    let grey = report.pieces().filter(|piece| !sources.is_accepted(piece));
    grey.map(|piece| piece.id).collect()
}

/// Exports the report; the bytes of the file.
fn export(harness: &mut Harness<Viewer>, path: &Path, ticked: BTreeSet<PieceId>) -> Vec<u8> {
    let export = ReportAction::Export {
        path: path.to_owned(),
        ticked,
    };
    act(harness, [Effect::Report(export)]);
    let wrote = format!("Wrote {}", path.display());
    wait(harness, "the file", |v| {
        let texts: Vec<&str> = v.app.notices.iter().map(|n| n.text.as_str()).collect();
        let failed = format!("not written: {}", path.display());
        assert!(!texts.iter().any(|t| t.contains(&failed)), "{texts:?}");
        texts.iter().any(|text| text.starts_with(&wrote))
    });
    std::fs::read(path).unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Presses the first button of a name.
fn press(harness: &mut Harness<Viewer>, label: &str) {
    let button = By::new().role(Role::Button).label(label);
    harness.get_all(button).next().unwrap().click();
    harness.run_steps(3);
}

/// Where files are left for other programs to look at, where that is asked for.
fn kept(folder: &tempfile::TempDir) -> PathBuf {
    let asked = std::env::var_os("M3D_OBJECTS_OUT").map(PathBuf::from);
    asked.unwrap_or_else(|| folder.path().to_owned())
}

/// A window with an answer of two sentences and a mask, brought into a report by its button.
fn drafted(path: PathBuf) -> Harness<'static, Viewer> {
    let mut harness = start(Some(path), None);
    wait(&mut harness, "the image", |v| v.app.seen_active().is_some());
    harness.run_steps(3);
    let card = answer(&harness, "", Vec::new());
    let found = ball(&harness, "liver lesion", 9.0, Origin::Model(card.id));
    let card = Card {
        text: "Liver: one lesion. Spleen: normal.".into(),
        findings: vec![found.id],
        ..card
    };
    step(&mut harness, Edit::add(found));
    step(&mut harness, Edit::card(card));
    act(
        &mut harness,
        [Effect::Run(Command::Tab(WorkTab::Assistant))],
    );
    press(&mut harness, "To report");
    act(&mut harness, [Effect::Run(Command::Tab(WorkTab::Report))]);
    harness
}

#[test]
fn a_draft_arrives_grey_is_accepted_and_is_exported_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = drafted(sample());
    assert_eq!(grey(&harness).len(), 3);
    let path = folder.path().join("report.txt");
    let first = text(export(&mut harness, &path, BTreeSet::new()));
    assert!(
        !first.contains("iver") && !first.contains("pleen"),
        "{first}"
    );
    assert!(
        first.contains("TECHNIQUE") && first.contains(RESEARCH_NOTICE),
        "{first}"
    );

    // The first one on the panel is the sentence about the liver.
    press(&mut harness, "Accept");
    assert_eq!(grey(&harness).len(), 2);
    assert_eq!(harness.state().app.history.undo_label(), Some("accept"));
    let path = folder.path().join("second.txt");
    let second = text(export(&mut harness, &path, BTreeSet::new()));
    assert!(second.contains("Liver: one lesion.\n"), "{second}");
    assert!(!second.contains("unreviewed"), "{second}");
    assert!(
        !second.contains("pleen") && !second.contains("mL"),
        "{second}"
    );

    // What is ticked goes out, and says what it is.
    let left = grey(&harness);
    let path = folder.path().join("third.txt");
    let third = text(export(&mut harness, &path, BTreeSet::from([left[0]])));
    assert!(third.contains("liver lesion, 3"), "{third}");
    assert!(third.contains("[unreviewed, by tiny]"), "{third}");
    assert!(!third.contains("pleen"), "{third}");

    // One step back, one piece grey.
    act(&mut harness, [Effect::Run(Command::Undo)]);
    assert_eq!(grey(&harness).len(), 3);
}

#[test]
fn the_dialog_lists_what_is_not_accepted_without_ticks() {
    let mut harness = drafted(sample());
    press(&mut harness, "Export…");
    let boxes = By::new()
        .role(Role::CheckBox)
        .label_contains("[unreviewed, by tiny]");
    let count = harness.get_all(boxes.clone()).count();
    assert_eq!(count, 3);
    let ticked = harness.get_all(boxes).any(|node| {
        let toggled = node.accesskit_node().toggled();
        toggled == Some(egui::accesskit::Toggled::True)
    });
    assert!(!ticked);
    harness.key_press(egui::Key::Escape);
    harness.run_steps(3);
    // The sentence about the liver is taken out, the one about the spleen made the reader's own.
    press(&mut harness, "Strike");
    let sentences = |harness: &Harness<Viewer>| -> Vec<(String, bool)> {
        let report = report(harness);
        let sentences = report.pieces().filter_map(|piece| match &piece.content {
            Content::Sentence(sentence) => Some((sentence.text.clone(), sentence.accepted)),
            _ => None,
        });
        sentences.collect()
    };
    let spleen = "Spleen: normal.".to_owned();
    assert_eq!(sentences(&harness), [(spleen.clone(), false)]);
    // Not the menu of that name.
    let edit = By::new().role(Role::Button).label("Edit");
    harness.get_all(edit).last().unwrap().click_accesskit();
    harness.run_steps(3);
    assert_eq!(sentences(&harness), [(spleen, true)]);
    assert_eq!(grey(&harness).len(), 1);
}

#[test]
fn what_is_typed_is_one_step_and_a_finding_goes_where_the_reader_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open_sample(None);
    let own = ball(&harness, "cyst", 7.0, Origin::Reader);
    let id = own.id;
    step(&mut harness, Edit::add(own.clone()));
    act(
        &mut harness,
        [
            Effect::Run(Command::Tab(WorkTab::Report)),
            Effect::Report(ReportAction::Begin("General".into())),
        ],
    );
    let field = "Report: Impression";
    harness.get_by_label(field).focus();
    harness.step();
    for letters in ["A simple ", ", unchanged."] {
        harness.get_by_label(field).type_text(letters);
        harness.run_steps(2);
    }
    let words = |harness: &Harness<Viewer>| {
        let report = report(harness);
        let pieces = &report.sections.last().unwrap().pieces;
        pieces.iter().map(|p| p.content.clone()).collect::<Vec<_>>()
    };
    let typed = Content::Text("A simple , unchanged.".into());
    assert_eq!(words(&harness), std::slice::from_ref(&typed));
    let into = report(&harness).sections.last().unwrap().pieces[0].id;
    let insert = ReportAction::InsertFinding {
        finding: id,
        into,
        characters: 9,
    };
    act(&mut harness, [Effect::Report(insert)]);
    let chip = Content::Finding(id);
    assert_eq!(
        words(&harness),
        [
            Content::Text("A simple ".into()),
            chip,
            Content::Text(", unchanged.".into())
        ]
    );
    let path = folder.path().join("a.md");
    let first = text(export(&mut harness, &path, BTreeSet::new()));
    assert!(first.contains("A simple cyst, 1.4"), "{first}");
    // It follows.
    let mut larger = ball(&harness, "renal cyst", 14.0, Origin::Reader);
    larger.id = id;
    step(&mut harness, Edit::add(larger));
    let path = folder.path().join("b.md");
    let second = text(export(&mut harness, &path, BTreeSet::new()));
    assert!(second.contains("A simple renal cyst, 11."), "{second}");
    assert!(second.contains(", unchanged."), "{second}");
    // Both bursts of typing are one step.
    for _ in 0..2 {
        act(&mut harness, [Effect::Run(Command::Undo)]);
    }
    assert_eq!(words(&harness), [typed]);
    act(&mut harness, [Effect::Run(Command::Undo)]);
    assert_eq!(words(&harness), [Content::Text(String::new())]);
}

#[test]
fn a_report_of_a_dicom_image_goes_out_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let folder = kept(&folder);
    let mut harness = drafted(root().join("tests/data/ibsi_pet/dicom"));
    let own = ball(&harness, "left kidney cyst", 12.0, Origin::Reader);
    let id = own.id;
    step(&mut harness, Edit::add(own));
    act(
        &mut harness,
        [
            Effect::Report(ReportAction::AddFinding(id)),
            Effect::Report(ReportAction::AddKeyImage),
        ],
    );
    let ticked: BTreeSet<PieceId> = grey(&harness).into_iter().collect();
    for (name, begins) in [
        ("report.pdf", &b"%PDF-"[..]),
        ("report.txt", b"RADIOLOGY"),
        ("report.md", b"# Radiology"),
    ] {
        let bytes = export(&mut harness, &folder.join(name), ticked.clone());
        assert!(bytes.starts_with(begins), "{name}");
    }
    assert!(folder.join("report-1.png").is_file());
    for name in ["report.dcm", "report.sr.dcm"] {
        let bytes = export(&mut harness, &folder.join(name), ticked.clone());
        assert_eq!(&bytes[128..132], b"DICM", "{name}");
        assert!(dicom_object::open_file(folder.join(name)).is_ok());
    }
    // Files of the image are never written over, and other names are no reports.
    let file = seen(&harness).image.series.files()[0].to_owned();
    let before = std::fs::read(&file).unwrap();
    for path in [file.clone(), folder.join("report.doc")] {
        let ticked = BTreeSet::new();
        act(
            &mut harness,
            [Effect::Report(ReportAction::Export { path, ticked })],
        );
    }
    wait(&mut harness, "both refusals", |v| {
        let refused = v.app.notices.iter().filter(|notice| {
            notice.text.contains("is a file of the image")
                || notice.text.contains("ends with one of")
        });
        refused.count() == 2
    });
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn an_image_without_patient_and_study_has_no_dicom_report() {
    let nifti = root().join("tests/data/ibsi2_orientation/orientation.nii.gz");
    // The sample is DICOM, and names no study.
    for (path, why) in [(nifti, "no DICOM image"), (sample(), "name no study")] {
        let folder = tempfile::tempdir().unwrap();
        let mut harness = start(Some(path), None);
        wait(&mut harness, "the image", |v| v.app.seen_active().is_some());
        act(
            &mut harness,
            [
                Effect::Run(Command::Tab(WorkTab::Report)),
                Effect::Report(ReportAction::Begin("General".into())),
            ],
        );
        let mut changed = report(&harness);
        changed.push(0, Piece::text("A test."));
        step(&mut harness, Edit::report(changed));
        for name in ["report.dcm", "report.sr.dcm"] {
            let path = folder.path().join(name);
            let ticked = BTreeSet::new();
            let export = ReportAction::Export { path, ticked };
            act(&mut harness, [Effect::Report(export)]);
        }
        wait(&mut harness, "both refusals", |v| {
            let refused = v.app.notices.iter();
            refused.filter(|n| n.text.contains(why)).count() == 2
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let path = folder.path().join("report.pdf");
        let bytes = export(&mut harness, &path, BTreeSet::new());
        assert!(bytes.starts_with(b"%PDF-"));
        // Nor does the dialog offer one.
        press(&mut harness, "Export…");
        let is_off = |label: &str| {
            let choice = By::new().role(Role::RadioButton).label(label);
            harness.get(choice).accesskit_node().is_disabled()
        };
        assert!(is_off("DICOM SR") && is_off("DICOM PDF") && !is_off("PDF"));
    }
}
