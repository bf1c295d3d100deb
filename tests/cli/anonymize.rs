//! Copies without identities, as a script makes them.

use std::fs;

use super::*;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn copies_are_made_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (out, again) = (folder.path().join("out"), folder.path().join("again"));
    let key = folder.path().join("key");
    let arguments = |out| {
        viewer(&[
            "anonymize",
            text(&sample()),
            text(out),
            "--key",
            text(&key),
            "--json",
        ])
    };
    let done = json(&arguments(&out));
    assert_eq!(done["images"], 20);
    assert_eq!(done["series"], 1);
    json(&arguments(&again));
    let copy = "series_0001/image_000001.dcm";
    let (first, second) = (
        fs::read(out.join(copy)).unwrap(),
        fs::read(again.join(copy)).unwrap(),
    );
    assert!(first == second, "one key, one copy");
    let before = json(&viewer(&["info", text(&sample()), "--json", "--hash"]));
    let after = json(&viewer(&["info", text(&out), "--json", "--hash"]));
    let sha256 = |info: &Value| info["series"][0]["voxels_sha256"].clone();
    assert!(sha256(&before).is_string());
    assert_eq!(sha256(&before), sha256(&after));
}

#[test]
fn what_must_not_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("a"), "a").unwrap();
    assert_refused(
        &viewer(&["anonymize", text(&sample()), text(&full)]),
        "is not empty",
    );
    let within = full.join("out");
    assert_refused(
        &viewer(&["anonymize", text(&full), text(&within)]),
        "it lies in the folder that is read",
    );
    let out = folder.path().join("out");
    assert_refused(
        &viewer(&["anonymize", text(&full), text(&out)]),
        "could be copied",
    );
    let key = out.join("key");
    let told = viewer(&[
        "anonymize",
        text(&sample()),
        text(&out),
        "--key",
        text(&key),
    ]);
    assert_refused(&told, "keep the key elsewhere");
    assert_eq!(viewer(&["anonymize", text(&full)]).status.code(), Some(2));
}
