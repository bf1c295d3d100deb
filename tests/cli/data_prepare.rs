//! A reader's own folders to M3D-Data's layout, and back through the readers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use glam::{DAffine3, DMat3, DVec3, UVec3};
use m3d_assistant::inference::prepare;
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::{Progress, load, scan, write_mask, write_nifti};
use m3d_imaging::volume::{Mask, Modality, Preparation, Rescale, Units, Volume, Voxels, Window};
use m3d_lab::dataset::Split;
use m3d_lab::dataset::read::{open_captions, open_seg};

const SIZE: [usize; 3] = [8, 16, 24];

/// Runs `data prepare`; whether it succeeded, its report and what it said.
fn run(source: &Path, out: &Path, more: &[&str]) -> (bool, serde_json::Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(["data", "prepare"])
        .args([source, out])
        .arg("--json")
        .args(if more.contains(&"--size") {
            &[][..]
        } else {
            &["--size", "8,16,24"]
        })
        .args(more)
        .output()
        .unwrap();
    (
        output.status.success(),
        serde_json::from_slice(&output.stdout).unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn volume(grid: VoxelGrid, voxels: Voxels) -> Volume {
    Volume::new(
        grid,
        voxels,
        Rescale::IDENTITY,
        Modality::Other,
        Units::Arbitrary,
    )
    .unwrap()
}

fn grid(dims: [u32; 3]) -> VoxelGrid {
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.8, 0.8, 2.5),
        glam::DQuat::from_rotation_z(0.2),
        DVec3::new(-30.0, 12.0, 100.0),
    );
    VoxelGrid::new(UVec3::from_array(dims), place).unwrap()
}

/// A bright ball with a brighter core on a dark ground.
fn image_of(grid: &VoxelGrid) -> Volume {
    let dims = grid.dims();
    let values = (0..grid.len()).map(|n| {
        let at = voxel(n, dims);
        match distance(at, dims) {
            d if d < 0.3 => 300,
            d if d < 0.8 => 40 + (n % 7) as i16,
            _ => -1000 + (n % 3) as i16,
        }
    });
    volume(*grid, Voxels::I16(values.collect()))
}

fn voxel(n: usize, dims: UVec3) -> UVec3 {
    let (w, h) = (dims.x as usize, dims.y as usize);
    UVec3::new((n % w) as u32, (n / w % h) as u32, (n / w / h) as u32)
}

fn distance(at: UVec3, dims: UVec3) -> f64 {
    let half = (dims.as_dvec3() - 1.0) / 2.0;
    ((at.as_dvec3() - half) / (half + 0.5)).length()
}

/// 1 in the core, 2 and 5 in the halves of the ball around it.
fn label_of(at: UVec3, dims: UVec3) -> u8 {
    match distance(at, dims) {
        d if d < 0.3 => 1,
        d if d < 0.8 => [2, 5][usize::from(at.x * 2 > dims.x)],
        _ => 0,
    }
}

fn labels_of(grid: &VoxelGrid) -> Volume {
    let dims = grid.dims();
    let values = (0..grid.len()).map(|n| label_of(voxel(n, dims), dims));
    volume(*grid, Voxels::U8(values.collect()))
}

/// The same voxels with the columns backwards and rows and slices exchanged.
fn turned(labels: &Volume) -> Volume {
    let old = labels.grid();
    let dims = old.dims();
    let new = UVec3::new(dims.x, dims.z, dims.y);
    let old_from_new = DAffine3::from_mat3_translation(
        DMat3::from_cols(-DVec3::X, DVec3::Z, DVec3::Y),
        DVec3::new(f64::from(dims.x - 1), 0.0, 0.0),
    );
    let place = VoxelGrid::new(new, old.patient_from_voxel() * old_from_new).unwrap();
    let values = (0..place.len()).map(|n| {
        let at = old_from_new.transform_point3(voxel(n, new).as_dvec3());
        labels.value(at.round().as_uvec3()).unwrap() as u8
    });
    volume(place, Voxels::U8(values.collect()))
}

fn put(path: &Path, volume: &Volume) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_nifti(path, volume).unwrap();
}

/// That the set's masks are what the way of the viewer makes of the labels.
fn check_masks(
    out: &Path,
    case: &str,
    image: &Volume,
    label: impl Fn(&str) -> Vec<u8>,
    labels: &Volume,
) {
    let wanted = prepare(image, Preparation::Segmentation, SIZE, &|| false).unwrap();
    let set = open_seg(out).unwrap();
    assert!(set.refused().is_empty());
    let of_case = |r: &&_| -> bool {
        let r: &m3d_lab::dataset::read::SegRecord = r;
        r.image.as_written().contains(&format!("/{case}/"))
    };
    let mut seen = 0;
    for record in set.records().iter().filter(of_case) {
        let sample = record.load().unwrap();
        assert_eq!(sample.image.voxels, wanted.voxels, "{case}");
        let meant = label(&record.name);
        let mask = Mask::from_fn(*image.grid(), |at| {
            meant.contains(&(labels.value(at).unwrap() as u8))
        });
        assert_eq!(
            sample.mask.voxels,
            wanted.frame.labels_from_mask(&mask),
            "{case} {}",
            record.name
        );
        seen += sample.mask.count();
    }
    assert!(seen > 50, "{case}: {seen}");
}

#[test]
fn label_maps_of_nnu_net() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    let place = grid([40, 36, 20]);
    let (image, labels) = (image_of(&place), labels_of(&place));
    put(&source.join("imagesTr/liver_001_0000.nii.gz"), &image);
    put(&source.join("imagesTr/liver_001_0001.nii.gz"), &image);
    put(&source.join("labelsTr/liver_001.nii.gz"), &labels);
    put(&source.join("imagesTr/turned_0000.nii.gz"), &image);
    put(&source.join("labelsTr/turned.nii.gz"), &turned(&labels));
    put(&source.join("imagesTr/moved_0000.nii.gz"), &image);
    put(
        &source.join("labelsTr/moved.nii.gz"),
        &labels_of(&grid([40, 36, 19])),
    );
    put(&source.join("imagesTr/alone_0000.nii.gz"), &image);
    // The image itself once more, where its labels should be.
    let hounsfield = (0..place.len()).map(|n| (n * 7919 % 2003) as i16 - 1000);
    let ct = volume(place, Voxels::I16(hounsfield.collect()));
    put(&source.join("imagesTr/doubled_0000.nii.gz"), &ct);
    put(&source.join("labelsTr/doubled.nii.gz"), &ct);
    put(&source.join("imagesTs/late_0000.nii.gz"), &image);
    put(&source.join("labelsTs/late.nii.gz"), &labels);
    fs::write(
        source.join("dataset.json"),
        r#"{"labels": {"background": 0, "core": 1, "whole_ball": [1, 2, 5], "nothing": 9, "left_half": 2}}"#,
    )
    .unwrap();

    let (done, report, said) = run(&source, &out, &["--test-share", "0"]);
    assert!(done && said.contains("nnU-Net"), "{said}");
    assert_eq!(report["kind"], "nn_unet");
    assert_eq!(report["prepared"], 3);
    assert_eq!(
        report["classes"],
        serde_json::json!(["core", "whole ball", "left half", "nothing"])
    );
    assert_eq!(report["entries"], serde_json::json!([8, 0, 4]));
    let refused = report["refused"].as_array().unwrap();
    let reason = |case: &str| {
        let found = refused.iter().find(|r| r["case"] == case).unwrap();
        found["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused.len(), 3);
    assert!(reason("doubled").contains("this is an image, no label map"));
    assert!(reason("moved").contains("40 x 36 x 19 voxels, the image has 40 x 36 x 20"));
    assert!(reason("moved").contains("do not lie on the image's voxels"));
    assert!(reason("alone").contains("no label map"));
    assert!(said.contains("moved was left out"), "{said}");
    assert_eq!(report["notes"], serde_json::json!([]));

    let label = |name: &str| match name {
        "core" => vec![1],
        "whole ball" => vec![1, 2, 5],
        "left half" => vec![2],
        _ => vec![9],
    };
    for case in ["liver_001", "turned", "late"] {
        check_masks(&out, case, &image, label, &labels);
    }
    let set = open_seg(&out).unwrap();
    assert!(
        set.of(Split::Test)
            .all(|r| r.image.as_written().contains("late"))
    );

    // Again: what is whole is kept, what was broken off is made anew, the lists stay the same.
    let list = out.join("M3D_Seg/0000/0000.json");
    let before = fs::read(&list).unwrap();
    let masks = out.join("M3D_Seg/0000/turned");
    fs::rename(&masks, out.join("M3D_Seg/0000/.turned.part")).unwrap();
    let (done, report, _) = run(&source, &out, &["--test-share", "0"]);
    assert!(done);
    assert_eq!(
        (&report["prepared"], &report["kept"]),
        (&1.into(), &2.into())
    );
    assert_eq!(fs::read(&list).unwrap(), before);
    assert!(!out.join("M3D_Seg/0000/.turned.part").exists());

    // Another size into the same folder is refused, another tag stands beside.
    let (done, _, said) = run(&source, &out, &["--size", "8,16,16"]);
    assert!(!done && said.contains("none of 6 cases"), "{said}");
    assert_eq!(fs::read(&list).unwrap(), before);
    let (done, _, _) = run(&source, &out, &["--tag", "0007"]);
    assert!(done);
    assert_eq!(open_seg(&out).unwrap().records().len(), 24);
}

#[test]
fn images_paired_by_name_and_numbers_without_names() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    let place = grid([30, 30, 12]);
    let (image, labels) = (image_of(&place), labels_of(&place));
    put(&source.join("a_ct.nii.gz"), &image);
    put(&source.join("a_seg.nii.gz"), &labels);
    put(&source.join("b.nii"), &image);
    put(&source.join("b_labels.nii"), &labels);
    fs::write(source.join("notes.txt"), "x").unwrap();
    // Grey levels are no classes.
    let grey = (0..place.len()).map(|n| (n * 7919 % 80) as i16);
    put(&source.join("c.nii"), &image);
    put(
        &source.join("c_labels.nii"),
        &volume(place, Voxels::I16(grey.collect())),
    );
    let (done, report, said) = run(&source, &out, &[]);
    assert!(
        said.contains("c was left out: the labels hold 79 values"),
        "{said}"
    );
    assert_eq!(report["classes"].as_array().unwrap().len(), 3);
    assert!(done && report["kind"] == "pairs", "{said}");
    let label = |name: &str| vec![name.strip_prefix("label ").unwrap().parse().unwrap()];
    check_masks(&out, "a_ct", &image, label, &labels);
    check_masks(&out, "b", &image, label, &labels);

    // A later folder with names adds classes; those that are there keep their numbers.
    let names = folder.path().join("names.json");
    fs::write(&names, r#"{"1": "core", "5": "right"}"#).unwrap();
    let more = folder.path().join("more");
    put(&more.join("images/c.nii.gz"), &image);
    put(&more.join("labels/c.nii.gz"), &labels);
    let (done, report, said) = run(&more, &out, &["--labels", names.to_str().unwrap()]);
    assert!(done, "{said}");
    assert_eq!(
        report["classes"],
        serde_json::json!(["label 1", "label 2", "label 5", "core", "right"])
    );
    let note = report["notes"][0]["message"].as_str().unwrap();
    assert!(note.contains("without a name were left out: 2"), "{note}");
    assert_eq!(open_seg(&out).unwrap().records().len(), 2 * 3 + 2);
}

fn picture(path: &Path, width: u32, height: u32, level: impl Fn(u32, u32) -> u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let picture = image::GrayImage::from_fn(width, height, |x, y| image::Luma([level(x, y)]));
    picture.save(path).unwrap();
}

#[test]
fn slices_with_reports() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    let level = |x: u32, y: u32, n: u32| {
        if x < 3 || y < 2 {
            0
        } else {
            (20 + x * 3 + y + n * 9) as u8
        }
    };
    let case = source.join("ct_case/000006");
    // 10 comes after 9; a slice of another size, a damaged one and a file without a number are left out.
    for n in 0..12 {
        picture(&case.join(format!("Axial/{n}.png")), 30, 20, |x, y| {
            level(x, y, n)
        });
    }
    picture(&case.join("Axial/12.png"), 10, 10, |_, _| 9);
    fs::write(case.join("Axial/13.png"), b"\x89PNG\r\n").unwrap();
    picture(&case.join("Axial/cover.png"), 30, 20, |_, _| 255);
    for n in 0..3 {
        picture(&case.join(format!("Coronal/{n}.jpeg")), 32, 24, |x, y| {
            level(x, y, n)
        });
    }
    fs::write(
        case.join("text.txt"),
        "title: x\nstudy_findings: A cyst\nof the liver.\ndiscussion: none",
    )
    .unwrap();
    fs::create_dir_all(source.join("ct_case/000007")).unwrap();
    fs::write(source.join("ct_case/000007/text.txt"), "Nothing to see.").unwrap();
    for n in 1..4 {
        picture(
            &source.join(format!("ct_quizze/q1/{n}.png")),
            16,
            16,
            |x, y| level(x, y, n),
        );
    }
    fs::write(
        source.join("ct_quizze/q1/report.txt"),
        "discussion: Two stones.",
    )
    .unwrap();

    let (done, report, said) = run(&source, &out, &["--test-share", "0"]);
    assert!(done && said.contains("M3D-Cap"), "{said}");
    assert_eq!(
        (&report["prepared"], &report["entries"]),
        (&2.into(), &serde_json::json!([3, 0, 0]))
    );
    assert_eq!(report["refused"][0]["case"], "000007");
    let note = report["notes"][0]["message"].as_str().unwrap();
    assert!(note.contains("2 of 14 slices"), "{note}");

    let set = open_captions(&out).unwrap();
    let of = |name: &str| {
        let found = set
            .records()
            .iter()
            .find(|r| r.image.as_written().contains(name));
        found.unwrap().load().unwrap()
    };
    let axial = of("Axial");
    assert_eq!(axial.text, "A cyst of the liver. discussion: none");
    let mut levels = Vec::new();
    for n in 0..12 {
        for y in 0..20 {
            levels.extend((0..30).map(|x| level(x, y, n)));
        }
    }
    let place = VoxelGrid::new(UVec3::new(30, 20, 12), DAffine3::IDENTITY).unwrap();
    let window = Window::new(127.5, 255.0);
    let wanted = prepare(
        &volume(place, Voxels::U8(levels)),
        Preparation::Caption { window },
        SIZE,
        &|| false,
    )
    .unwrap();
    assert_eq!(wanted.frame.crop().min, UVec3::new(3, 2, 0));
    assert_eq!(axial.image.voxels, wanted.voxels);
    assert_eq!(of("ct_quizze/q1").text, "Two stones.");
    let coronal = of("Coronal").image.voxels;
    assert!(coronal.iter().any(|v| *v > 0.9) && coronal.iter().any(|v| *v < 0.2));

    let (done, report, _) = run(&source, &out, &["--test-share", "1"]);
    assert!(done && report["kept"] == 2 && report["prepared"] == 0);
    assert_eq!(open_captions(&out).unwrap().of(Split::Test).count(), 3);
}

#[test]
fn what_cannot_be_prepared_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("in");
    let out = folder.path().join("out");
    fs::create_dir_all(source.join("empty")).unwrap();
    let (done, _, said) = run(&source, &out, &[]);
    assert!(!done && said.contains("none of the folders"), "{said}");
    let (done, _, said) = run(&folder.path().join("lost"), &out, &[]);
    assert!(!done && said.contains("lost"), "{said}");
    let place = grid([12, 12, 6]);
    put(&source.join("a.nii.gz"), &image_of(&place));
    put(&source.join("a_seg.nii.gz"), &labels_of(&place));
    for inside in [source.clone(), source.join("set")] {
        let (done, _, said) = run(&source, &inside, &[]);
        assert!(!done && said.contains("give another"), "{said}");
    }
    for bad in [
        ["--tag", "../x"],
        ["--test-share", "2"],
        ["--labels", "/none.json"],
    ] {
        assert!(!run(&source, &out, &bad).0, "{bad:?}");
    }
    assert!(!out.join("M3D_Seg/0000/a").exists());
    // No case: labels that are no labels, and an image without contrast.
    put(
        &source.join("a_seg.nii.gz"),
        &volume(place, Voxels::F32(vec![0.4; place.len()])),
    );
    put(
        &source.join("b.nii.gz"),
        &volume(place, Voxels::U8(vec![7; place.len()])),
    );
    put(&source.join("b_seg.nii.gz"), &labels_of(&place));
    let (done, report, said) = run(&source, &out, &[]);
    assert!(!done && report.is_null(), "{said}");
    assert!(
        said.contains("no label") && said.contains("no contrast"),
        "{said}"
    );
    assert!(!out.join("M3D_Seg/0000/0000.json").exists());
    let info = fs::read_to_string(out.join("M3D_Seg/dataset_info.json")).unwrap();
    assert_eq!(info.trim(), "{}");
}

fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("M3D_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = root.join("data/nifti_ct_totalseg");
    if folder.join("example_ct.nii.gz").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: no real CT with labels in {}", folder.display());
    None
}

fn open(path: &Path) -> Volume {
    let library = scan(path, &Progress::silent()).unwrap();
    let series = library.series().next().unwrap().clone();
    load(&series, &Progress::silent()).unwrap()
}

/// A real CT with the labels of a published program, as its masks and as one map: the same set.
#[test]
fn a_real_ct_with_its_organs() {
    let Some(data) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (masks, maps) = (folder.path().join("masks"), folder.path().join("maps"));
    let (image, labels) = (
        open(&data.join("example_ct.nii.gz")),
        open(&data.join("example_seg_fast_force_split.nii.gz")),
    );
    let names: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(data.join("TOTALSEG_LABELS.json")).unwrap()).unwrap();
    let organs = ["liver", "spleen", "kidney_left", "aorta", "colon", "brain"];
    let number = |organ: &str| -> u8 {
        let named = names["total"].as_object().unwrap();
        let found = named.iter().find(|(_, name)| *name == organ).unwrap();
        found.0.parse().unwrap()
    };
    let case = masks.join("s0001");
    fs::create_dir_all(case.join("segmentations")).unwrap();
    fs::copy(data.join("example_ct.nii.gz"), case.join("ct.nii.gz")).unwrap();
    for organ in organs {
        let mask = Mask::from_fn(*labels.grid(), |at| {
            labels.value(at).unwrap() as u8 == number(organ)
        });
        write_mask(&case.join(format!("segmentations/{organ}.nii.gz")), &mask).unwrap();
    }
    fs::create_dir_all(&maps).unwrap();
    for (from, to) in [
        ("example_ct.nii.gz", "s0001_ct.nii.gz"),
        ("example_seg_fast_force_split.nii.gz", "s0001_seg.nii.gz"),
        ("TOTALSEG_LABELS.json", "TOTALSEG_LABELS.json"),
        ("example_ct_sm.nii.gz", "small_ct.nii.gz"),
        ("example_seg.nii.gz", "small_seg.nii.gz"),
    ] {
        fs::copy(data.join(from), maps.join(to)).unwrap();
    }
    let by_name = |name: &str| vec![number(&name.replace(' ', "_"))];
    let out = folder.path().join("a");
    let (done, report, said) = run(&masks, &out, &[]);
    assert!(done && report["kind"] == "total_segmentator", "{said}");
    assert_eq!(report["classes"].as_array().unwrap().len(), organs.len());
    check_masks(&out, "s0001", &image, by_name, &labels);
    let set = open_seg(&out).unwrap();
    for record in set.records() {
        let count = record.load().unwrap().mask.count();
        assert_eq!(count == 0, &*record.name == "brain", "{}", record.name);
    }
    let out = folder.path().join("b");
    let (done, report, said) = run(&maps, &out, &[]);
    assert!(
        done && report["kind"] == "pairs" && report["prepared"] == 2,
        "{said}"
    );
    assert_eq!(report["classes"].as_array().unwrap().len(), 117);
    check_masks(&out, "s0001_ct", &image, by_name, &labels);
    let small = (
        open(&maps.join("small_ct.nii.gz")),
        open(&maps.join("small_seg.nii.gz")),
    );
    check_masks(&out, "small_ct", &small.0, by_name, &small.1);
}
