//! `data phantom` as scripts use it: M3D-Data's layout on disk, and back through the readers.

use std::fs;
use std::path::Path;
use std::process::Command;

use m3d_imaging::io::{NpyValues, Progress, load, read_npy, scan};
use m3d_lab::dataset::read::{open_captions, open_refseg, open_seg, open_vqa};
use m3d_lab::dataset::{Phantom, PhantomConfig, Split, Target, box_text};

fn run(arguments: &[&str], out: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(["data", "phantom"])
        .arg(out)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn the_layout_on_disk_is_m3d_datas() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    let arguments = [
        "--count", "10", "--seed", "40", "--size", "16x48x48", "--format", "nifti",
    ];
    let (done, said) = run(&arguments, &out);
    assert!(done, "{said}");

    let index = |path: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(out.join(path)).unwrap()).unwrap()
    };
    let captions = index("M3D_Cap/M3D_Cap.json");
    assert_eq!(captions["train"].as_array().unwrap().len(), 8);
    assert_eq!(captions["test"].as_array().unwrap().len(), 1);
    let first = &captions["train"][0];
    let cap = out.join("M3D_Cap");
    let image = read_npy(&cap.join(first["image"].as_str().unwrap())).unwrap();
    assert_eq!(image.shape, [1, 16, 48, 48]);
    let text = fs::read_to_string(cap.join(first["text"].as_str().unwrap())).unwrap();
    assert!(text.contains("CT") || text.contains("omography"));

    let info = index("M3D_Seg/dataset_info.json");
    let names = info["0000"].as_array().unwrap();
    assert_eq!(names.len(), Target::all().count());
    let masks = index("M3D_Seg/0000/0000.json");
    assert_eq!(masks["train"].as_array().unwrap().len(), 9 * names.len());
    assert_eq!(masks["test"].as_array().unwrap().len(), names.len());
    let mut filled = 0;
    for (n, entry) in masks["train"].as_array().unwrap()[..names.len()]
        .iter()
        .enumerate()
    {
        let label = entry["label"].as_str().unwrap();
        assert!(label.ends_with(&format!("masks/mask_{n}.npy")));
        let mask = read_npy(&out.join("M3D_Seg").join(label)).unwrap();
        let NpyValues::U8(values) = mask.values else {
            panic!("masks are bytes");
        };
        if mask.shape == [1, 1, 1, 1] {
            assert_eq!(values, [0]);
        } else {
            assert_eq!(mask.shape, [1, 16, 48, 48]);
            assert!(values.contains(&1) && values.iter().all(|&v| v < 2));
            filled += 1;
        }
    }
    assert!(filled > 5);
    let image = read_npy(&out.join("M3D_Seg/0000/000000/image.npy")).unwrap();
    let NpyValues::F32(values) = image.values else {
        panic!("images are floats");
    };
    assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(values.iter().any(|v| *v < 0.01) && values.iter().any(|v| *v > 0.8));

    let vqa = fs::read_to_string(out.join("M3D_VQA/M3D_VQA_train.csv")).unwrap();
    assert!(vqa.starts_with("Image Path,Question Type,Question,Choice A"));
    assert!(vqa.lines().count() > 25);
    let references = fs::read_to_string(out.join("M3D_RefSeg/M3D_RefSeg_train.csv")).unwrap();
    assert!(references.contains("[SEG]") && references.contains("Sorry, there is no"));
    for row in references.lines().skip(1) {
        let path = row.split(',').nth(1).unwrap();
        let NpyValues::U8(mask) = read_npy(&out.join(path)).unwrap().values else {
            panic!("masks are bytes");
        };
        assert_eq!(mask.contains(&1), row.contains("[SEG]"), "{row}");
    }

    // The viewer's volumes: the labels lie on the image, which is in Hounsfield units.
    let open = |name: &str| {
        let library = scan(&out.join("nifti").join(name), &Progress::silent()).unwrap();
        let series = library.series().next().unwrap().clone();
        load(&series, &Progress::silent()).unwrap()
    };
    let (volume, labels) = (open("000000.nii.gz"), open("000000_labels.nii.gz"));
    assert!(volume.grid().matches(labels.grid()));
    let config = PhantomConfig {
        size: [16, 48, 48],
        square_pixels: true,
        ..PhantomConfig::default()
    };
    let made = Phantom::new(40, &config).unwrap();
    assert_eq!(volume.voxels(), made.volume.voxels());
    assert!(volume.grid().matches(made.grid()));

    // The same again in another folder is the same, byte for byte; a folder in use is left alone.
    let again = folder.path().join("again");
    assert!(run(&arguments, &again).0);
    for path in ["M3D_VQA/M3D_VQA_train.csv", "M3D_Seg/0000/000003/image.npy"] {
        assert_eq!(
            fs::read(out.join(path)).unwrap(),
            fs::read(again.join(path)).unwrap()
        );
    }
    let before = fs::read_dir(&out).unwrap().count();
    let (done, said) = run(&["--count", "1", "--seed", "1"], &out);
    assert!(!done && said.contains("is not empty"), "{said}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), before);
}

#[test]
fn bad_usage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--count", "0", "--seed", "1"][..],
        &["--count", "2"],
        &["--count", "2", "--seed", "1", "--size", "4x64x64"],
        &["--count", "2", "--seed", "1", "--size", "64x64"],
        &["--count", "2", "--seed", "1", "--variety", "2"],
    ] {
        let (done, said) = run(arguments, &folder.path().join("x"));
        assert!(!done && !said.is_empty());
    }
    assert!(!folder.path().join("x").exists());
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let (done, said) = run(&["--count", "1", "--seed", "1"], &file);
    assert!(!done && said.contains("file"), "{said}");
}

#[test]
fn what_is_written_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    let done = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(["data", "phantom"])
        .arg(&out)
        .args(["--count", "10", "--seed", "7", "--size", "16x40x48"])
        .status()
        .unwrap();
    assert!(done.success());
    let size = [16, 40, 48];

    let captions = open_captions(&out).unwrap();
    assert!(captions.refused().is_empty());
    let counts = |split| captions.of(split).count();
    assert_eq!(
        [Split::Train, Split::Validation, Split::Test].map(counts),
        [8, 1, 1]
    );
    for record in captions.records() {
        let caption = record.load().unwrap();
        assert_eq!((caption.image.size, caption.image.shape()[0]), (size, 1));
        assert!(caption.image.voxels.iter().all(|v| (0.0..=1.0).contains(v)));
        assert!(caption.text.len() > 20);
    }

    let questions = open_vqa(&out).unwrap();
    assert!(questions.refused().is_empty() && questions.records().len() > 30);
    for record in questions.records() {
        let choices = record.choices.as_ref().unwrap();
        let right = "ABCD".find(record.letter.unwrap()).unwrap();
        assert_eq!(choices[right], record.answer);
        let closed = record.closed_question().unwrap();
        assert!(closed.starts_with(&format!("{} Choices: A. {}", record.question, choices[0])));
        assert!(record.closed_answer().unwrap().ends_with(&record.answer));
        assert!(record.kind.is_some());
    }
    assert_eq!(questions.records()[0].load().unwrap().image.size, size);

    let masks = open_seg(&out).unwrap();
    assert!(masks.refused().is_empty());
    assert_eq!(masks.records().len(), 10 * Target::all().count());
    let (mut here, mut absent) = (0, 0);
    for record in masks.of(Split::Test) {
        let target = Target::all().nth(record.class).unwrap();
        assert_eq!(&*record.name, target.name());
        assert_eq!(record.descriptions.to_vec(), [target.description()]);
        assert_eq!(&*record.tag, "0000");
        let sample = record.load().unwrap();
        assert_eq!(
            (sample.image.size, sample.mask.size),
            (size, size),
            "{}",
            record.name
        );
        match sample.mask.model_box() {
            Some(numbers) => {
                here += 1;
                assert!(sample.mask.count() > 0 && box_text(numbers).contains("bx_start"));
            }
            None => absent += usize::from(sample.mask.count() == 0),
        }
    }
    assert!(here > 5 && absent > 0 && here + absent == Target::all().count());

    let references = open_refseg(&out).unwrap();
    assert!(references.refused().is_empty());
    assert!(references.of(Split::Test).count() > 0);
    for record in references.records() {
        let sample = record.load().unwrap();
        let told = record.answer.contains("[SEG]");
        assert_eq!(sample.mask.count() > 0, told, "{}", record.answer);
    }
    // A set's own folder is as good as the folder it lies in.
    let own = open_vqa(&out.join("M3D_VQA")).unwrap();
    assert_eq!(own.records().len(), questions.records().len());
    assert!(own.records()[0].load().is_ok());
}
