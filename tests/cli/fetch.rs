//! `model fetch`, `list` and `verify` as scripts use them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use m3d_model::write_demo_checkpoint;

#[path = "../../crates/assistant/tests/model_fetch/case.rs"]
#[allow(dead_code)]
pub(super) mod case;
#[path = "../../crates/assistant/tests/model_fetch/server.rs"]
#[allow(dead_code)]
pub(super) mod server;

use case::{Case, weights};
use server::{Faults, MODEL};

pub(super) fn command(case: &Case, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"));
    command
        .args(arguments)
        .current_dir(case.place.path())
        .env("HF_ENDPOINT", &case.server.endpoint)
        .env("M3D_MODELS", case.place.path())
        .env("NO_PROXY", "127.0.0.1")
        .env("HF_HOME", case.place.path().join("hf"))
        .env_remove("HF_TOKEN")
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HUB_OFFLINE")
        .stdin(Stdio::null());
    command
}

pub(super) fn viewer(case: &Case, arguments: &[&str]) -> Output {
    command(case, arguments).output().unwrap()
}

pub(super) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_command_fetches_lists_and_verifies() {
    let demo = tempfile::tempdir().unwrap();
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer");
    write_demo_checkpoint(demo.path(), &tokenizer).unwrap();
    let names = [
        "config.json",
        "generation_config.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "added_tokens.json",
        "special_tokens_map.json",
        "model.safetensors",
    ];
    let files: Vec<_> = names
        .iter()
        .map(|name| (*name, fs::read(demo.path().join(name)).unwrap()))
        .collect();
    let case = Case::with(&files, Faults::default());

    let refused = viewer(&case, &["model", "fetch", MODEL]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(errors(&refused).contains("--yes"), "{}", errors(&refused));
    assert!(!case.folder().exists());

    let fetched = viewer(&case, &["model", "fetch", MODEL, "--yes"]);
    assert!(fetched.status.success(), "{}", errors(&fetched));
    let told = String::from_utf8_lossy(&fetched.stdout);
    assert_eq!(told.trim(), case.folder().to_str().unwrap());
    assert!(errors(&fetched).contains("licence on the hub: apache-2.0"));
    assert!(
        !errors(&fetched).contains('\x1b'),
        "no bar where there is no terminal"
    );

    let listed = viewer(&case, &["model", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let here = listed["here"].as_array().unwrap().last().unwrap();
    assert_eq!(here["built_in"], false);
    assert_eq!(here["hub_name"], MODEL);
    assert_eq!(
        (here["complete"].as_bool(), here["untrained"].as_bool()),
        (Some(true), Some(true))
    );
    assert_eq!(here["numbers"], "f32");
    let published = listed["published"].as_array().unwrap();
    assert_eq!(published.len(), 3);
    assert_eq!(published[0]["parameters"], 4_049_101_904_u64);
    assert!(published.iter().all(|model| model["here"].is_null()));
    let text = viewer(&case, &["model", "list"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("some-model") && text.contains("model fetch phi3"),
        "{text}"
    );

    let verified = viewer(&case, &["model", "verify", MODEL, "--json"]);
    assert!(verified.status.success(), "{}", errors(&verified));
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["ok"], true);
    assert!(report["used"].as_u64().unwrap() > 100);
    assert_eq!(report["fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(report["files"].as_array().unwrap().len(), names.len());

    // One bit of one number.
    let path = case.folder().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let damaged = viewer(&case, &["model", "verify", MODEL]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(errors(&damaged).contains("model.safetensors is not what was fetched"));
    // And a number that is none.
    bytes[last - 3..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let damaged = viewer(&case, &["model", "verify", MODEL, "--json"]);
    assert_eq!(damaged.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&damaged.stdout).unwrap();
    assert_eq!(report["not_finite"].as_array().unwrap().len(), 1);
    assert_eq!(report["not_finite"][0]["count"], 1);
    // And the end missing.
    fs::write(&path, &bytes[..last]).unwrap();
    let damaged = viewer(&case, &["model", "verify", MODEL, "--json"]);
    assert_eq!(damaged.status.code(), Some(1));
    let listed = viewer(&case, &["model", "list"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        text.contains("incomplete: model.safetensors (damaged)"),
        "{text}"
    );
}

#[test]
fn the_command_fails_with_one_line() {
    let case = Case::new(Faults {
        status: Some((404, "RepoNotFound")),
        ..Faults::default()
    });
    let one = |arguments: &[&str], what: &str| {
        let output = viewer(&case, arguments);
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(lines[0].contains(what), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    };
    one(&["model", "fetch", MODEL, "--yes"], &case.server.endpoint);
    one(&["model", "fetch", MODEL, "--yes"], MODEL);
    one(&["model", "fetch", "../x", "--yes"], "no model's name");
    one(
        &["model", "fetch", MODEL, "--yes", "--revision", "a b"],
        "no revision",
    );
    one(&["model", "verify", "phi3"], "m3d-viewer model fetch phi3");
    one(&["model", "verify", "nothing"], "model list");
    one(
        &["model", "verify", case.place.path().to_str().unwrap()],
        "config.json",
    );
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/ct_abdomen");
    one(
        &["ask", sample.to_str().unwrap(), "x", "--model", "llama2"],
        "model fetch llama2",
    );
}

/// Lets Ctrl-C end the command. A shell that starts its jobs in the background has them ignore it, tests and all that
/// they start among them, and the program keeps to that, as `nohup` needs it.
#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library has no signals")]
fn interruptible(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;

    // SAFETY: between fork and exec only `signal` is called, which is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::signal(libc::SIGINT, libc::SIG_DFL) {
            libc::SIG_ERR => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        })
    }
}

#[cfg(unix)]
#[test]
fn a_command_that_is_interrupted_leaves_what_came() {
    let case = Case::new(Faults {
        stall_after: Some(100_000),
        ..Faults::default()
    });
    let mut fetching = interruptible(&mut command(&case, &["model", "fetch", MODEL, "--yes"]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = case.part("model.safetensors.part");
    let begin = Instant::now();
    while fs::metadata(&part).map_or(0, |about| about.len()) < 100_000 {
        assert!(begin.elapsed() < Duration::from_secs(20), "nothing came");
        std::thread::sleep(Duration::from_millis(10));
    }
    // As Ctrl-C does.
    let pid = fetching.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success() && !fetching.wait().unwrap().success());
    assert!(!case.folder().exists());
    case.server.set(Faults::default());
    let again = viewer(&case, &["model", "fetch", MODEL, "--yes"]);
    assert!(again.status.success(), "{}", errors(&again));
    assert_eq!(
        case.ranges().last().unwrap().as_deref(),
        Some("bytes=100000-")
    );
    assert_eq!(
        fs::read(case.folder().join("model.safetensors")).unwrap(),
        weights()
    );
}
