//! Unloading a model gives its memory back to the system.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use m3d_assistant::{Worker, WorkerEvent};
use m3d_model::write_demo_checkpoint;
use m3d_model::{DTypeChoice, DeviceChoice};

/// Bytes of memory of its own that this process holds.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// `M3D_MODEL` names another model than the small random one.
#[test]
fn unloading_gives_the_memory_back() {
    let folder = tempfile::tempdir().unwrap();
    let model = std::env::var_os("M3D_MODEL").map_or_else(
        || {
            let tokenizer = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
                .join("tests/golden/tokenizer");
            write_demo_checkpoint(folder.path(), &tokenizer).unwrap();
            folder.path().to_path_buf()
        },
        Into::into,
    );
    let worker = Worker::start(|| {}).unwrap();
    let next = || loop {
        match worker
            .events()
            .recv_timeout(Duration::from_mins(10))
            .unwrap()
        {
            WorkerEvent::Loading(_) => {}
            event => break event,
        }
    };
    for dtype in [DTypeChoice::Auto, DTypeChoice::Q8_0] {
        let before = held();
        worker
            .load(model.clone(), DeviceChoice::Cpu, dtype)
            .unwrap();
        let WorkerEvent::Loaded(facts) = next() else {
            panic!("the model does not load")
        };
        let loaded = held();
        worker.unload().unwrap();
        assert!(matches!(next(), WorkerEvent::Unloaded));
        let after = held();
        let megabytes = [before, loaded, after].map(|bytes| bytes / 1_000_000);
        eprintln!("{dtype}: MB before, loaded and unloaded: {megabytes:?}");
        assert!(loaded - before >= facts.bytes * 8 / 10, "{megabytes:?}");
        // The tokenizer and the threads stay; nothing of the weights does.
        assert!(after < before + (loaded - before) / 4, "{megabytes:?}");
    }
}
