//! The application without a window, and studies to open in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use glam::{DVec3, UVec3};
use m3d_imaging::io::{self, Progress};
use m3d_imaging::volume::{ImageKey, Mask};
use m3d_viewer::app::{
    Application, Edit, Effect, Finding, FindingColour, ImageRecord, Outbox, PatientBox, Shape,
    StartOptions, Step, StudyId, Topic,
};

pub const NAME: &str = "Featherstone^Wilhelmina";
pub const PATIENT: &str = "PAT-4711-XY";
pub const STUDY: &str = "1.2.826.0.1.3680043.9.7001";
pub const SERIES: &str = "1.2.826.0.1.3680043.9.7001.5";
pub const FRAME: &str = "1.2.826.0.1.3680043.9.7001.9";
pub const DATE: &str = "20250317";
pub const DESCRIPTION: &str = "Abdomen of Wilhelmina";

/// What names the patient.
pub const IDENTITY: [&str; 8] = [
    "Featherstone",
    "Wilhelmina",
    PATIENT,
    STUDY,
    SERIES,
    FRAME,
    DATE,
    "2025-03-17",
];

/// The files of the sample.
pub fn slices() -> Vec<PathBuf> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/ct_abdomen");
    let entries = std::fs::read_dir(sample).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The sample as a study of a patient with a name.
pub fn study(folder: &Path) -> PathBuf {
    series(&folder.join("study"), SERIES, |_, _| {})
}

/// A series of that study; `change` is given each slice with its number before it is written.
pub fn series(
    folder: &Path,
    uid: &str,
    change: impl Fn(usize, &mut dicom_object::DefaultDicomObject),
) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    for (n, from) in slices().iter().enumerate() {
        let mut image = dicom_object::open_file(from).unwrap();
        image.put_str(tags::PATIENT_NAME, VR::PN, NAME);
        image.put_str(tags::PATIENT_ID, VR::LO, PATIENT);
        image.put_str(tags::STUDY_INSTANCE_UID, VR::UI, STUDY);
        image.put_str(tags::SERIES_INSTANCE_UID, VR::UI, uid);
        image.put_str(tags::FRAME_OF_REFERENCE_UID, VR::UI, FRAME);
        image.put_str(tags::STUDY_DATE, VR::DA, DATE);
        image.put_str(tags::STUDY_DESCRIPTION, VR::LO, DESCRIPTION);
        image.put_str(tags::SERIES_DESCRIPTION, VR::LO, DESCRIPTION);
        change(n, &mut image);
        image.write_to_file(folder.join(format!("{n:03}"))).unwrap();
    }
    folder.to_owned()
}

/// The voxels of a study as a NIfTI file, which names nobody.
pub fn as_file(study: &Path, file: &Path) {
    let library = io::scan(study, &Progress::silent()).unwrap();
    let series = library.first_series().unwrap();
    let volume = io::load(series, &Progress::silent()).unwrap();
    io::write_nifti(file, &volume).unwrap();
}

/// An application that keeps its work in `root`, without a model.
pub fn start(root: &Path, path: Option<&Path>) -> Application {
    let options = StartOptions {
        path: path.map(Path::to_owned),
        model: Some(root.join("no model").as_path().into()),
        models: Vec::new(),
        settings_path: None,
        sessions: Some(root.to_owned()),
    };
    Application::new(options, &(Arc::new(|| {}) as _), None)
}

/// Runs frames until `done` holds; work goes on in other threads meanwhile.
pub fn wait(app: &mut Application, what: &str, mut done: impl FnMut(&Application) -> bool) {
    let begin = Instant::now();
    loop {
        app.update();
        if done(app) {
            return;
        }
        let notices: Vec<&str> = app.notices.iter().map(|n| n.text.as_str()).collect();
        assert!(
            begin.elapsed() < Duration::from_mins(1),
            "waited in vain for {what}; {notices:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Opens a study and waits until what is done on it would be saved.
pub fn open(root: &Path, path: &Path) -> Application {
    let mut app = start(root, Some(path));
    wait(&mut app, "the study", |app| {
        app.active_study().is_some_and(|study| app.is_kept(study))
    });
    app
}

pub fn active(app: &Application) -> StudyId {
    app.active_study().unwrap()
}

pub fn record(app: &Application) -> ImageRecord {
    app.seen_active().unwrap().record.clone()
}

/// Does something as the window would.
pub fn act(app: &mut Application, effects: impl IntoIterator<Item = Effect>) {
    let mut outbox = Outbox::default();
    for effect in effects {
        outbox.push(effect);
    }
    app.handle(&mut outbox);
}

pub fn step(app: &mut Application, edit: Edit) {
    act(app, [Effect::Edit(edit, Some(Step::new("test")))]);
}

/// A ball of voxels around a voxel.
pub fn ball(record: &ImageRecord, centre: UVec3, radius: f64) -> Mask {
    let place = record.grid.spacing_mm();
    Mask::from_fn(record.grid, |voxel| {
        ((voxel.as_dvec3() - centre.as_dvec3()) * place).length() <= radius
    })
}

pub fn finding(image: &ImageKey, name: &str, shape: Shape) -> Finding {
    Finding {
        colour: FindingColour::Own([200, 120, 40]),
        ..Finding::new(image, name, shape)
    }
}

pub fn mask_of(record: &ImageRecord, name: &str) -> Finding {
    let mask = Arc::new(ball(record, UVec3::new(250, 260, 9), 12.3));
    finding(&record.identity.key, name, Shape::Mask(mask))
}

pub fn patient_box(record: &ImageRecord, at: f64) -> PatientBox {
    let centre = record.grid.centre_mm();
    PatientBox {
        corners_mm: [
            centre - DVec3::new(at, 20.1, 7.7),
            centre + DVec3::splat(at / 3.0),
        ],
    }
}

/// The folder of the one session.
pub fn session_folder(root: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(root.join("sessions")).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none(), "several sessions");
    folder
}

/// Every file and folder below one.
pub fn everything(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

pub fn notices(app: &Application) -> Vec<String> {
    app.notices.iter().map(|n| n.text.clone()).collect()
}

pub fn stays(app: &Application, topic: &Topic) -> bool {
    app.notices.iter().any(|n| n.stays.as_ref() == Some(topic))
}

/// Waits, without a single frame, until a file holds a text.
pub fn wait_for_text(path: &Path, text: &str) -> Duration {
    let begin = Instant::now();
    while !std::fs::read_to_string(path).is_ok_and(|found| found.contains(text)) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{text} is not in {}",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    begin.elapsed()
}
