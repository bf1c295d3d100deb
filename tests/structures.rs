//! Segmentations, structure sets and label maps in the window: on the right image, as one step.

#[path = "support/window.rs"]
mod window;

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use egui::PointerButton;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{By, Queryable};
use m3d_imaging::io::{self, Series};
use m3d_viewer::app::{
    Command, Effect, Finding, FindingColour, Opening, Origin, Outbox, StructureFile,
};
use m3d_viewer::ui::Viewer;
use window::{choose_finding, root, seen, start, wait};

fn data(path: &str) -> PathBuf {
    root().join("tests/data").join(path)
}

fn wish(harness: &mut Harness<Viewer>, effect: Effect) {
    let mut outbox = Outbox::default();
    outbox.push(effect);
    harness.state_mut().app.handle(&mut outbox);
}

fn opened(path: PathBuf) -> Harness<'static, Viewer> {
    let mut harness = start(Some(path), None);
    wait(&mut harness, "an image", |v| v.app.seen_active().is_some());
    harness.run_steps(3);
    harness
}

fn findings(harness: &Harness<Viewer>) -> Vec<Finding> {
    harness.state().app.workspace.findings.clone()
}

fn wait_for_findings(harness: &mut Harness<Viewer>) -> Vec<Finding> {
    wait(harness, "the structures", |v| {
        !v.app.workspace.findings.is_empty()
    });
    harness.run_steps(3);
    findings(harness)
}

fn click(harness: &mut Harness<Viewer>, label: &str, button: PointerButton, times: usize) {
    let entry = By::new().role(Role::Button).label_contains(label);
    let at = harness.get(entry).rect().center();
    window::click(harness, at, button, times);
}

fn notices(harness: &Harness<Viewer>) -> Vec<String> {
    let notices = harness.state().app.notices.iter();
    notices.map(|notice| notice.text.clone()).collect()
}

fn series(harness: &Harness<Viewer>) -> Vec<Series> {
    let library = harness.state().app.library.as_ref().unwrap();
    library.series().cloned().collect()
}

#[test]
fn a_structure_set_comes_onto_its_image_as_one_step() {
    let mut harness = opened(data("ibsi_pet/dicom"));
    let title = "Structure set, ";
    click(&mut harness, title, PointerButton::Primary, 2);
    let found = wait_for_findings(&mut harness);
    let image = seen(&harness).layer.image.clone();
    assert!(found.iter().all(|f| f.image == image));
    let grid = *seen(&harness).grid();
    let truth = io::read_mask(&data("ibsi_pet/PET_mask.nii.gz"), &grid).unwrap();
    let best = found
        .iter()
        .map(|f| f.mask().unwrap().dice(&truth))
        .fold(0.0, f64::max);
    assert!(best > 0.9, "{best}");
    let Origin::File { name, .. } = &found[0].source else {
        panic!("{:?}", found[0].source);
    };
    assert_eq!(name, "RS.dcm");
    choose_finding(&mut harness, &found[0].name);
    assert!(harness.get_all_by_label_contains("from RS.dcm").count() > 0);

    let undo = harness.state().app.history.undo_label();
    assert_eq!(undo, Some("load RS.dcm"));
    wish(&mut harness, Effect::Run(Command::Undo));
    assert!(findings(&harness).is_empty());
    wish(&mut harness, Effect::Run(Command::Redo));
    assert_eq!(findings(&harness), found);
}

#[test]
fn structures_alone_are_loaded_onto_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone.dcm");
    std::fs::copy(data("ibsi_pet/dicom/RS.dcm"), &alone).unwrap();
    let images = folder.path().join("images");
    copy(&data("ibsi_pet/dicom"), &images);
    std::fs::remove_file(images.join("RS.dcm")).unwrap();

    let mut harness = opened(images);
    let listed = series(&harness).len();
    wish(&mut harness, Effect::Open(vec![alone], Opening::Instead));
    let found = wait_for_findings(&mut harness);
    assert_eq!(found[0].image, seen(&harness).layer.image);
    assert_eq!(series(&harness).len(), listed);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Two images of one study: the structures of the one that is not shown go onto it, and not onto the other.
#[test]
fn the_image_that_structures_lie_on_is_opened_first() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["23x38x3", "24x38x3"] {
        copy(&data("objects/dcmqi").join(part), &folder.path().join(part));
    }
    let object = "labelmap_24x38x3.dcm";
    std::fs::copy(
        data("objects/dcmqi").join(object),
        folder.path().join(object),
    )
    .unwrap();
    let mut harness = opened(folder.path().to_owned());
    let listed = series(&harness);
    let other = listed.iter().find(|s| s.grid.dims().x == 23).unwrap();
    let placement = m3d_viewer::app::Placement::AllViews;
    wish(&mut harness, Effect::Show(other.id(), placement));
    wait(&mut harness, "the other image", |v| {
        v.app.seen_active().is_some_and(|s| s.grid().dims().x == 23)
    });
    harness.run_steps(3);
    click(
        &mut harness,
        "Segmentation, 1 structure:",
        PointerButton::Primary,
        2,
    );
    let found = wait_for_findings(&mut harness);
    assert_eq!(seen(&harness).grid().dims().x, 24);
    assert_eq!(found[0].image, seen(&harness).layer.image);
    assert_eq!(found[0].mask().unwrap().count(), 630);
    assert!(matches!(found[0].colour, FindingColour::Own(_)));
}

#[test]
fn structures_of_another_patient_are_not_offered() {
    let folder = tempfile::tempdir().unwrap();
    copy(&data("ibsi_pet/dicom"), folder.path());
    let path = folder.path().join("RS.dcm");
    let mut object = dicom_object::open_file(&path).unwrap();
    object.put_str(tags::PATIENT_ID, VR::LO, "somebody else");
    object.write_to_file(&path).unwrap();
    let mut harness = opened(folder.path().to_owned());
    harness.get_by_label("Structures whose image is not here");
    click(&mut harness, "Structure set, ", PointerButton::Primary, 2);
    harness.run_steps(20);
    assert!(findings(&harness).is_empty());
    assert_eq!(harness.state().app.jobs.iter().count(), 0);
}

#[test]
fn a_label_map_is_offered_where_the_grids_match() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["PET_image.nii.gz", "PET_mask.nii.gz"] {
        std::fs::copy(data("ibsi_pet").join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("PET_image.nii.gz");
    let mut harness = opened(path);
    let mask = folder.path().join("PET_mask.nii.gz");
    wish(
        &mut harness,
        Effect::Open(vec![mask.clone()], Opening::Beside),
    );
    wait(&mut harness, "the mask in the list", |v| {
        v.app.library.as_ref().unwrap().series().count() == 2
    });
    harness.run_steps(10);
    click(&mut harness, "PET_mask", PointerButton::Secondary, 1);
    click(
        &mut harness,
        "Load as segmentation of",
        PointerButton::Primary,
        1,
    );
    let found = wait_for_findings(&mut harness);
    let wanted = io::read_mask(&mask, seen(&harness).grid()).unwrap();
    assert_eq!(**found[0].mask().unwrap(), wanted);
    assert_eq!(found[0].image, seen(&harness).layer.image);

    // What is no label map says so and leaves no finding.
    let count = found.len();
    let listed = series(&harness);
    let image = listed.iter().find(|s| s.uid.contains("image")).unwrap();
    let from = StructureFile::LabelMap(Box::new(image.clone()));
    let onto = image.id();
    wish(&mut harness, Effect::LoadStructures { from, onto });
    wait(&mut harness, "the refusal", |v| {
        v.app
            .notices
            .iter()
            .any(|n| n.text.contains("no label map"))
    });
    assert_eq!(findings(&harness).len(), count, "{:?}", notices(&harness));
}
