//! Pipes: on the way out, where the reader may be gone, and as files, where nothing may ever come.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::*;

/// The program, stopped when it hangs.
fn soon(arguments: &[&str], out: Stdio, err: Stdio) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(50) {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The writing end of a pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_is_gone_ends_the_program_quietly() {
    let sample = sample();
    let sample = sample.to_str().unwrap();
    for arguments in [
        &["info", sample][..],
        &["info", sample, "--json"],
        &["--help"],
        &["--version"],
    ] {
        let told = soon(arguments, unread(), Stdio::piped());
        let text = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(0), "{arguments:?}: {text}");
        assert!(text.is_empty(), "{text}");
    }
    // What cannot be said is not said; the exit status still tells.
    let told = soon(&["info", "/no/such/place"], Stdio::null(), unread());
    assert_eq!(told.status.code(), Some(1));
}

#[test]
fn a_mask_is_written_whether_the_words_are_read_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    write_demo_checkpoint(&model, &root().join("tests/golden/tokenizer")).unwrap();
    let mask = folder.path().join("mask.nii.gz");
    let sample = sample();
    let asked = [
        "ask",
        sample.to_str().unwrap(),
        "liver",
        "--task",
        "seg",
        "--model",
        model.to_str().unwrap(),
        "--mask-out",
        mask.to_str().unwrap(),
    ];
    let told = soon(&asked, unread(), Stdio::piped());
    let text = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(0), "{text}");
    assert!(mask.exists() || text.contains("holds no mask"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_in_one_line() {
    let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
    let sample = sample();
    let sample = sample.to_str().unwrap();
    for arguments in [
        &["info", sample][..],
        &["info", sample, "--json"],
        &["--help"],
    ] {
        let told = soon(arguments, full(), Stdio::piped());
        assert_refused(&told, "standard output cannot be written");
    }
    let told = soon(&["info", "/no/such/place"], Stdio::null(), full());
    assert_eq!(told.status.code(), Some(1));
    let told = soon(&["info", sample], Stdio::piped(), full());
    assert_eq!(told.status.code(), Some(0));
}

#[test]
fn pipes_named_as_files_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("mask.nii");
    fifo(&pipe);
    let sample = sample();
    let sample = sample.to_str().unwrap();
    let soon = |arguments: &[&str]| soon(arguments, Stdio::piped(), Stdio::piped());
    let out = folder.path().join("x.png");
    let (pipe, out) = (pipe.to_str().unwrap(), out.to_str().unwrap());
    let drawn = soon(&["render", sample, out, "--view", "axial", "--mask", pipe]);
    assert_refused(&drawn, "not a regular file");
    assert_refused(&soon(&["info", pipe]), "not a regular file");
    assert_refused(&soon(&["convert", sample, pipe]), "no file");

    for name in [
        "config.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "model.safetensors",
    ] {
        let model = folder.path().join(format!("with-{name}"));
        write_demo_checkpoint(&model, &root().join("tests/golden/tokenizer")).unwrap();
        fs::remove_file(model.join(name)).unwrap();
        fifo(&model.join(name));
        let asked = ["ask", sample, "liver", "--model", model.to_str().unwrap()];
        let told = soon(&asked);
        assert_refused(&told, "not a regular file");
        assert_refused(&told, name);
    }
}
