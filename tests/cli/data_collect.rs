//! `data collect` where there is nothing to collect; what it collects is tested with sessions.

use std::fs;

use crate::{assert_refused, viewer};

#[test]
fn what_is_no_session_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let [out, empty] = ["out", "empty"].map(|name| folder.path().join(name));
    fs::create_dir(&empty).unwrap();
    let collect = |from: &std::path::Path, to: &std::path::Path| {
        let paths = [from, to].map(|path| path.to_str().unwrap().to_owned());
        viewer(&["data", "collect", &paths[0], &paths[1]])
    };
    assert_refused(&collect(&empty, &out), "no sessions");
    assert_refused(&collect(&folder.path().join("absent"), &out), "absent");
    // Damaged ones are told, and nothing is written.
    let damaged = folder.path().join("sessions/abc");
    fs::create_dir_all(&damaged).unwrap();
    fs::write(damaged.join("session.json"), "{\"version\": 1").unwrap();
    assert_refused(&collect(folder.path(), &out), "no mask to collect");
    let taken_along = folder.path().join("a.m3dsession");
    fs::write(&taken_along, "no zip").unwrap();
    assert_refused(&collect(&taken_along, &out), "cannot be opened");
    assert!(!out.exists());
    // What is there stays.
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine"), "").unwrap();
    assert_refused(&collect(folder.path(), &out), "not empty");
    let usage = viewer(&["data", "collect", "one"]);
    assert_eq!(usage.status.code(), Some(2));
}
