//! What the command line refuses, and when: before work is done and before anything is lost.

use std::fs;

use super::*;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A small image in a folder of its own.
fn small() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.nii");
    let source = root().join("tests/data/nifti_types/float32.nii");
    fs::copy(source, &path).unwrap();
    (folder, path)
}

fn demo(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    write_demo_checkpoint(&model, &root().join("tests/golden/tokenizer")).unwrap();
    model
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_read_is_never_written_over() {
    let (folder, path) = small();
    let before = fs::read(&path).unwrap();
    let model = demo(folder.path());
    let same = folder.path().join("model/../small.nii");
    for out in [&path, &same] {
        let converted = viewer(&["convert", text(&path), text(out)]);
        assert_refused(&converted, "one of the files being read");
        let asked = [
            "ask",
            text(&path),
            "liver",
            "--task",
            "seg",
            "--model",
            text(&model),
            "--mask-out",
            text(out),
        ];
        assert_refused(&viewer(&asked), "one of the files being read");
    }
    // A DICOM file may have any name.
    let study = folder.path().join("study");
    fs::create_dir(&study).unwrap();
    for (n, entry) in fs::read_dir(sample()).unwrap().enumerate() {
        fs::copy(entry.unwrap().path(), study.join(format!("{n}.png"))).unwrap();
    }
    let picture = study.join("3.png");
    let slice = fs::read(&picture).unwrap();
    let drawn = viewer(&["render", text(&study), text(&picture), "--view", "axial"]);
    assert_refused(&drawn, "one of the files being read");
    assert_eq!(fs::read(&picture).unwrap(), slice);
    #[cfg(unix)]
    {
        let link = folder.path().join("link.nii");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let hard = folder.path().join("hard.nii");
        fs::hard_link(&path, &hard).unwrap();
        for out in [link, hard] {
            let converted = viewer(&["convert", text(&path), text(&out)]);
            assert_refused(&converted, "one of the files being read");
        }
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_bad_output_name_is_told_before_the_work() {
    let (folder, path) = small();
    // No model is there: were it looked for first, the line would be about it.
    let ask = |out: &Path| {
        let no_model = folder.path().join("no-model");
        let out = ["--mask-out", text(out), "--model", text(&no_model)];
        viewer(&[&["ask", text(&path), "liver"][..], &out].concat())
    };
    let bad = folder.path().join("mask.txt");
    assert_refused(&ask(&bad), "use .nii.gz, .dcm");
    let nowhere = folder.path().join("nowhere/mask.nii");
    assert_refused(&ask(&nowhere), "there is no folder");
    // Nor is there an image.
    let missing = folder.path().join("missing");
    let missing = text(&missing);
    let convert = |out: &Path| viewer(&["convert", missing, text(out)]);
    assert_refused(&convert(&bad), "use .nii or .nii.gz");
    assert_refused(&convert(&nowhere), "there is no folder");
    assert_refused(&convert(folder.path()), "use .nii");
    let render = |out: &Path| viewer(&["render", missing, text(out), "--view", "axial"]);
    assert_refused(&render(&folder.path().join("x.jpg")), "use .png");
    assert_refused(
        &render(&folder.path().join("no/x.png")),
        "there is no folder",
    );
}

#[test]
fn an_answer_without_a_mask_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo(folder.path());
    let mask = folder.path().join("mask.nii");
    fs::write(&mask, "of before").unwrap();
    let sample = sample();
    let asked = viewer(&[
        "ask",
        text(&sample),
        "What is this?",
        "--task",
        "chat",
        "--max-tokens",
        "1",
        "--model",
        text(&model),
        "--mask-out",
        text(&mask),
    ]);
    let told = stderr(&asked);
    assert!(asked.status.success(), "{told}");
    let wanted = format!(
        "the answer holds no mask; {} was not written",
        mask.display()
    );
    assert!(told.contains(&wanted), "{told}");
    assert_eq!(fs::read(&mask).unwrap(), b"of before");
}

#[test]
fn values_out_of_range_are_bad_usage() {
    for (option, value, words) in [
        ("--temperature", "nan", "from 0 to 100"),
        ("--temperature", "-1", "from 0 to 100"),
        ("--temperature", "1e9", "from 0 to 100"),
        ("--top-p", "0", "above 0 and at most 1"),
        ("--top-p", "2", "above 0 and at most 1"),
        ("--top-p", "-0.5", "above 0 and at most 1"),
        ("--max-tokens", "0", "from 1 on"),
        ("--max-tokens", "-3", "from 1 on"),
    ] {
        let asked = viewer(&["ask", "a", "b", option, value]);
        let told = stderr(&asked);
        assert_eq!(asked.status.code(), Some(2), "{told}");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_failing_question_leaves_standard_output_empty() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo(folder.path());
    let sample = sample();
    let ask = |question: &str, rest: &[&str]| {
        let start = ["ask", text(&sample), question, "--model", text(&model)];
        viewer(&[&start[..], rest].concat())
    };
    let asked = ask(&"what is this ".repeat(4000), &[]);
    assert_refused(&asked, "too long");
    assert!(asked.stdout.is_empty(), "{:?}", asked.stdout);
    let asked = viewer(&["ask", "/no/such/place", "", "--task", "reg"]);
    assert_refused(&asked, "give the box with --box");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_told() {
    use std::os::unix::ffi::OsStrExt;
    let (folder, path) = small();
    let named = |bytes: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(bytes));
    fs::rename(&path, named(b"a\xFF\x1b[31mred.nii")).unwrap();
    fs::write(named(b"b\xFE.txt"), "no image").unwrap();
    let told = json(&viewer(&["info", text(folder.path()), "--json"]));
    let path = told["series"][0]["path"].as_str().unwrap();
    assert!(path.contains("a\u{FFFD}\u{1b}[31mred.nii"), "{path}");
    let path = told["refused"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("b\u{FFFD}.txt"), "{path}");

    let info = viewer(&["info", text(folder.path())]);
    assert!(info.status.success());
    assert!(!info.stdout.contains(&0x1b));
    assert!(String::from_utf8_lossy(&info.stdout).contains("\\u{1b}[31mred"));
    let missing = viewer(&["info", "/no/\x1b]0;title\x07"]);
    assert_refused(&missing, "\\u{1b}]0;title\\u{7}");
    assert!(!missing.stderr.contains(&0x1b));
}

#[test]
fn the_line_of_an_error_says_each_cause_once_and_the_telling_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "not an image").unwrap();
    fs::write(folder.path().join("b.nii"), [0x5C, 1, 0, 0]).unwrap();
    assert_refused(&viewer(&["info", text(folder.path())]), "the first: ");
    assert_refused(&viewer(&["info", text(folder.path())]), "b.nii");
    // A file where a folder is needed: the system's word is in the message already.
    let inside = folder.path().join("a.txt/x.nii");
    let told = stderr(&viewer(&["info", text(&inside)]));
    assert!(told.contains("Not a directory") || cfg!(windows), "{told}");
    assert_eq!(told.matches("os error").count().max(1), 1, "{told}");
}

#[test]
fn voxels_that_are_no_numbers_are_counted() {
    let (_folder, path) = small();
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 8..end - 4].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let told = json(&viewer(&["info", text(&path), "--json"]));
    let warnings = told["series"][0]["warnings"].as_array().unwrap();
    let found = warnings.iter().find(|w| w["code"] == "not_finite").unwrap();
    let message = found["message"].as_str().unwrap();
    assert!(message.starts_with("2 of "), "{message}");
}

#[test]
fn the_window_tells_wrong_words_in_the_terminal() {
    let bare = |argument: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
            .args(argument)
            .current_dir(std::env::temp_dir())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .output()
            .unwrap()
    };
    assert_refused(&bare(&["/no/such/place"]), "/no/such/place does not exist");
    if cfg!(target_os = "linux") {
        let told = bare(&[]);
        assert_refused(&told, "there is no display to open a window on");
        assert_eq!(stderr(&told).lines().count(), 1);
        let mut wrong = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"));
        wrong.env("DISPLAY", ":9876").env_remove("WAYLAND_DISPLAY");
        let told = wrong.env_remove("WAYLAND_SOCKET").output().unwrap();
        assert_refused(&told, "no window can be opened");
        assert!(!stderr(&told).contains(".rs:"), "{}", stderr(&told));
    }
}
