//! Reading M3D-Data: what this program writes, what is published, and what is damaged.

use std::fs;
use std::path::Path;

use m3d_imaging::io::{write_npy_f32, write_npy_u8};
use m3d_lab::dataset::read::{
    ReadError, Record, open_captions, open_refseg, open_seg, open_vqa, open_vqa_file,
};
use m3d_lab::dataset::{Split, VqaType, box_text};

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn put_image(path: &Path, shape: &[usize]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|n| n as f32 / count as f32).collect();
    write_npy_f32(path, shape, &values).unwrap();
}

/// The names, columns and paths of the published data, after M3D's own preparation elsewhere.
fn published(root: &Path) {
    let image = [1, 4, 6, 8];
    put_image(&root.join("M3D_Cap_npy/ct_case/000006/Axial.npy"), &image);
    put(
        &root.join("M3D_Cap_npy/ct_case/000006/text.txt"),
        "\u{feff}No focal lesion.",
    );
    put(
        &root.join("M3D_Cap_npy/M3D_Cap.json"),
        r#"{"train": [], "validation": [{"image": "M3D_Cap_npy/ct_case/000006/Axial.npy",
            "text": "M3D_Cap_npy/ct_case/000006/text.txt"}],
            "test1k": [], "test": [{"image": "./ct_case/000006/Axial.npy", "text": "ct_case/000006/text.txt"}]}"#,
    );
    let heading = "Image Path,Text,Question Type,Question,Choice A,Choice B,Choice C,Choice D,Answer,Answer Choice\n";
    let row = "M3D_Cap_npy/ct_case/000006/Axial.npy,\"a report, with a comma\nand \"\"a\"\" line\",3,\
               \"Which organ, if any?\",Liver,Spleen,None,\"Kidney, left\",\"Kidney, left\",D\n";
    put(
        &root.join("M3D-VQA/M3D_VQA_test.csv"),
        &format!("\u{feff}{heading}{row}{row}"),
    );
    put(
        &root.join("M3D-VQA/M3D_VQA_test5k.csv"),
        &format!("{heading}{row}"),
    );
    put(
        &root.join("M3D-VQA/M3D_VQA_yn_train.csv"),
        "Image Path,Question,Answer,Question Type\nM3D_Cap_npy/ct_case/000006/Axial.npy,Is it axial?,Yes,9\n",
    );
    put_image(&root.join("M3D_Seg_npy/0003/12/image.npy"), &image);
    let mut inside = [0; 4 * 6 * 8];
    inside[(6 + 2) * 8 + 3] = 1;
    inside[(2 * 6 + 4) * 8 + 3] = 1;
    fs::create_dir_all(root.join("M3D_Seg_npy/0003/12/masks")).unwrap();
    for (class, values) in [(0, &inside[..]), (2, &[0])] {
        let path = root.join(format!("M3D_Seg_npy/0003/12/masks/mask_{class}.npy"));
        let shape = if values.len() == 1 { [1; 4] } else { image };
        write_npy_u8(&path, &shape, values).unwrap();
    }
    let entry = |class: usize| {
        format!(
            r#"{{"image": "/mnt/prepared/M3D_Seg_npy/0003/12/image.npy",
                 "label": "/mnt/prepared/M3D_Seg_npy/0003/12/masks/mask_{class}.npy"}}"#
        )
    };
    put(
        &root.join("M3D_Seg_npy/0003/0003.json"),
        &format!(
            r#"{{"name": "0003 Dataset", "numTest": 3, "labels": {{"0": "background", "1": "liver", "2": "kidney", "3": "spleen"}},
                 "training": [{}], "test": [{}, {}, {}]}}"#,
            entry(0),
            entry(0),
            entry(2),
            entry(7)
        ),
    );
    put(
        &root.join("M3D-Seg/term_dictionary.json"),
        r#"{"liver": ["Large organ in the upper right abdomen.", "Produces bile."]}"#,
    );
    put_image(&root.join("M3D_RefSeg_npy/s0001/ct.npy"), &image);
    let labels: Vec<f32> = inside
        .iter()
        .enumerate()
        .map(|(n, &v)| if v == 1 { 2.0 } else { (n % 2) as f32 })
        .collect();
    write_npy_f32(&root.join("M3D_RefSeg_npy/s0001/mask.npy"), &image, &labels).unwrap();
    put(
        &root.join("M3D_RefSeg_npy/M3D_RefSeg_test.csv"),
        "Image,Mask,Mask_ID,Question_Type,Question,Answer\n\
         M3D_RefSeg_npy/s0001/ct.nii.gz,M3D_RefSeg_npy/s0001/mask.nii.gz,2,0,Where is it?,\"Sure, it is <SEG>.\"\n",
    );
    put(
        &root.join("M3D_RefSeg_npy/M3D_RefSeg.csv"),
        "Image,Mask,Mask_ID,Question,Answer\nM3D_RefSeg_npy/s0001/ct.npy,M3D_RefSeg_npy/s0001/mask.npy,9,Q?,A.\n",
    );
}

#[test]
fn the_published_layout_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    published(root);

    let captions = open_captions(root).unwrap();
    assert_eq!(captions.records().len(), 2);
    for record in captions.records() {
        let caption = record.load().unwrap();
        assert_eq!(
            (caption.image.size, caption.text.as_str()),
            ([4, 6, 8], "No focal lesion.")
        );
    }
    assert_eq!(captions.records()[0].split(), Split::Validation);

    let questions = open_vqa(root).unwrap();
    assert_eq!(questions.of(Split::Test).count(), 2);
    let record = questions.of(Split::Test).next().unwrap();
    assert_eq!(record.kind, Some(VqaType::Organ));
    assert_eq!(
        record.closed_question().unwrap(),
        "Which organ, if any? Choices: A. Liver B. Spleen C. None D. Kidney, left"
    );
    assert_eq!(record.closed_answer().unwrap(), "D. Kidney, left");
    assert_eq!(record.load().unwrap().image.size, [4, 6, 8]);
    let yes_no = questions.of(Split::Train).next().unwrap();
    assert_eq!((yes_no.kind, yes_no.closed_question()), (None, None));
    assert_eq!(yes_no.answer, "Yes");
    let few = open_vqa_file(root, &root.join("M3D-VQA/M3D_VQA_test5k.csv"), Split::Test).unwrap();
    assert_eq!(few.records().len(), 1);
    assert!(few.records()[0].load().is_ok());

    let masks = open_seg(root).unwrap();
    assert_eq!(masks.records().len(), 3);
    let told = masks.refused()[0].to_string();
    assert!(
        told.contains("0003.json, entry 3 of \"test\"") && told.contains("mask_7.npy"),
        "{told}"
    );
    let liver = masks.of(Split::Test).next().unwrap();
    assert_eq!((&*liver.name, liver.descriptions.len()), ("liver", 2));
    let sample = liver.load().unwrap();
    assert_eq!(sample.mask.count(), 2);
    // As the reference rounds: 1/4, 2/6, 3/8 and 2/4, 4/6, 3/8.
    assert_eq!(
        box_text(sample.mask.model_box().unwrap()),
        "<bx_start>[0.25, 0.333, 0.375, 0.5, 0.667, 0.375]<bx_end>"
    );
    let spleen = masks.of(Split::Test).nth(1).unwrap();
    assert_eq!((&*spleen.name, spleen.class), ("spleen", 2));
    let mask = spleen.load_mask([4, 6, 8]).unwrap();
    assert_eq!(
        (mask.size, mask.count(), mask.model_box()),
        ([4, 6, 8], 0, None)
    );

    let references = open_refseg(root).unwrap();
    let record = references.of(Split::Test).next().unwrap();
    assert_eq!(record.answer, "Sure, it is [SEG].");
    assert_eq!(record.load().unwrap().mask.count(), 2);
    let train = references.of(Split::Train).next().unwrap();
    assert_eq!(train.load().unwrap().mask.count(), 0);
}

#[test]
fn names_of_classes_in_dataset_info_come_first() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path());
    put(
        &folder.path().join("M3D_Seg_npy/dataset_info.json"),
        r#"{"0003": ["a", "b", "c", "d", "e", "f", "g", "h"], "0004": []}"#,
    );
    let masks = open_seg(folder.path()).unwrap();
    assert!(masks.refused().is_empty());
    let names: Vec<&str> = masks.of(Split::Test).map(|r| &*r.name).collect();
    assert_eq!(names, ["a", "c", "h"]);
    // The file itself is not there: told when it is read.
    let lost = masks.of(Split::Test).nth(2).unwrap();
    let told = lost.load().unwrap_err().to_string();
    assert!(
        told.contains("entry 3 of \"test\"") && told.contains("there is no"),
        "{told}"
    );
}

#[test]
fn damage_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for error in [
        open_captions(root).unwrap_err(),
        open_vqa(root).unwrap_err(),
        open_seg(root).unwrap_err(),
        open_refseg(root).unwrap_err(),
    ] {
        assert!(matches!(error, ReadError::NoSet { .. }), "{error}");
        assert!(error.to_string().contains("give the folder"), "{error}");
    }
    assert!(open_vqa(&root.join("none")).is_err());
    published(root);
    let cap = root.join("M3D_Cap_npy/M3D_Cap.json");
    for (text, wanted) in [
        ("{\"train\": [{\"image\": \"a.npy\"}]}", "line 1 column"),
        ("[1, 2", "mend it"),
        (
            "{\"test\": [{\"image\": \"../a.npy\", \"text\": \"a.txt\"}]}",
            "entry 1 of \"test\": \"../a.npy\" leads out of its folder",
        ),
        (
            "{\"test\": [{\"image\": \"/etc/a.npy\", \"text\": \"a.txt\"}]}",
            "absolute path outside",
        ),
    ] {
        put(&cap, text);
        let told = open_captions(root).unwrap_err().to_string();
        assert!(told.contains(wanted) && !told.contains('\n'), "{told}");
    }
    let vqa = root.join("M3D-VQA/M3D_VQA_test.csv");
    let heading = "Image Path,Question Type,Question,Choice A,Choice B,Choice C,Choice D,Answer,Answer Choice\n";
    let good = "M3D_Cap_npy/ct_case/000006/Axial.npy,1,Q?,a,b,c,d,b,B\n";
    for (row, wanted) in [
        (
            "M3D_Cap_npy/a.npy,1,,a,b,c,d,b,B\n",
            "line 3: its cell \"Question\" is empty",
        ),
        (
            "M3D_Cap_npy/a.npy,1,Q?,a,b,c,d,b,E\n",
            "line 3: its \"Answer Choice\"",
        ),
        (
            "M3D_Cap_npy/a.npy,1,Q?,a,b,c,d,b\n",
            "line 3: it has choices",
        ),
        ("../../x,1,Q?,a,b,c,d,b,B\n", "leads out"),
        ("short\n", "line 3: its cell"),
    ] {
        put(&vqa, &format!("{heading}{good}{row}{good}"));
        let set = open_vqa(root).unwrap();
        assert_eq!(set.of(Split::Test).count(), 2, "{row}");
        let told = set.refused()[0].to_string();
        assert!(told.contains(wanted), "{told}");
    }
    put(&vqa, "Image Path,Answer\nx,y\n");
    let told = open_vqa(root).unwrap_err().to_string();
    assert!(told.contains("names no column \"Question\""), "{told}");
}

/// Arrays of another size than the image's, of another shape, with no numbers, cut short, claiming too much.
#[test]
fn damaged_arrays_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    published(root);
    let masks = open_seg(root).unwrap();
    let record = masks.of(Split::Test).next().unwrap();
    let mask = root.join("M3D_Seg_npy/0003/12/masks/mask_0.npy");
    write_npy_u8(&mask, &[1, 2, 6, 8], &[0; 96]).unwrap();
    let told = record.load().unwrap_err().to_string();
    assert!(
        told.contains("[2, 6, 8] voxels and its image [4, 6, 8]"),
        "{told}"
    );
    write_npy_u8(&mask, &[1, 1, 1, 1], &[1]).unwrap();
    assert!(record.load().is_err());
    let image = root.join("M3D_Seg_npy/0003/12/image.npy");
    put_image(&image, &[2, 4, 6, 8]);
    assert!(
        record
            .load_image()
            .unwrap_err()
            .to_string()
            .contains("shape")
    );
    write_npy_f32(&image, &[1, 1, 1, 2], &[f32::NAN, 0.0]).unwrap();
    assert!(
        record
            .load_image()
            .unwrap_err()
            .to_string()
            .contains("no numbers")
    );
    put_image(&image, &[1, 4, 6, 8]);
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() - 1]).unwrap();
    assert!(
        record
            .load_image()
            .unwrap_err()
            .to_string()
            .contains("image.npy")
    );
    let mut claims = whole.clone();
    let at = claims.windows(4).position(|w| w == b"(1, ").unwrap();
    claims[at..at + 13].copy_from_slice(b"(1,9999999,9)");
    fs::write(&image, &claims).unwrap();
    let told = record.load_image().unwrap_err().to_string();
    assert!(told.contains("more bytes"), "{told}");
}

#[test]
fn tables_of_random_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    published(root);
    let files = [
        "M3D_Cap_npy/M3D_Cap.json",
        "M3D-VQA/M3D_VQA_test.csv",
        "M3D_Seg_npy/0003/0003.json",
        "M3D-Seg/term_dictionary.json",
        "M3D_RefSeg_npy/M3D_RefSeg_test.csv",
    ];
    let mut seed = 9_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for file in files {
        let path = root.join(file);
        let whole = fs::read(&path).unwrap();
        for _ in 0..120 {
            let mut bytes = whole.clone();
            for _ in 0..=random() % 4 {
                let at = random() % bytes.len();
                bytes[at] = [b'"', b',', b'\n', b'\\', b'/', b'.', 0, 0xff][random() % 8];
            }
            bytes.truncate(random() % (whole.len() * 2));
            fs::write(&path, &bytes).unwrap();
            // Whatever opens must load or say why.
            if let Ok(set) = open_captions(root) {
                set.records().iter().for_each(|r| drop(r.load()));
            }
            if let Ok(set) = open_vqa(root) {
                set.records().iter().for_each(|r| drop(r.load()));
            }
            if let Ok(set) = open_seg(root) {
                set.records().iter().for_each(|r| drop(r.load()));
            }
            if let Ok(set) = open_refseg(root) {
                set.records().iter().for_each(|r| drop(r.load()));
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}
