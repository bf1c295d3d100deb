//! Fetching a model from a hub that breaks off, lies and refuses: a server on this machine.

#[path = "model_fetch/case.rs"]
mod case;
#[path = "model_fetch/server.rs"]
mod server;

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use case::{Case, NUMBERS, files, name, weights};
use m3d_assistant::hub::{
    self, BuiltIn, FetchRecord, HubError, HubRevision, ModelName, TransferProgress, local,
};
use server::{COMMIT, Faults, MODEL, sum};

#[test]
fn a_model_arrives_whole_with_its_record_and_nothing_else() {
    let case = Case::new(Faults::default());
    let most = Cell::new(0);
    let files_seen = RefCell::new(Vec::new());
    let report = |status: hub::TransferStatus| {
        assert!(status.done >= most.get() && status.done <= status.total);
        most.set(status.done);
        files_seen.borrow_mut().push(status.file.to_owned());
    };
    let fetched = case
        .fetch_with(&TransferProgress::new(&report, &|| false))
        .unwrap();
    assert_eq!(fetched.folder, case.folder());
    assert!(!fetched.was_here && !case.part("").exists());
    let mut there: Vec<String> = fs::read_dir(case.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let wanted = [
        "config.json",
        "m3d-fetch.json",
        "model.safetensors",
        "tokenizer.model",
    ];
    assert_eq!(there, wanted);
    for (file, bytes) in files().iter().filter(|(file, _)| wanted.contains(file)) {
        assert_eq!(
            fs::read(case.folder().join(file)).unwrap(),
            *bytes,
            "{file}"
        );
    }
    let record = FetchRecord::read(&case.folder()).unwrap();
    assert_eq!(
        (record.model.as_str(), record.commit.as_str()),
        (MODEL, COMMIT)
    );
    let of_config = record
        .files
        .iter()
        .find(|f| f.name == "config.json")
        .unwrap();
    assert_eq!(of_config.sha256.as_deref(), Some(&*sum(&files()[1].1)));
    assert_eq!(most.get(), record.total_bytes());
    assert_eq!(files_seen.borrow().last().unwrap(), "model.safetensors");
    // A second time nothing is fetched.
    assert!(case.fetch().unwrap().was_here);
    assert_eq!(case.ranges(), [None]);
    let found = local::find(&[case.place.path().to_owned()]);
    let [.., fetched] = found.as_slice() else {
        panic!("nothing is found")
    };
    assert_eq!(found.len(), BuiltIn::ALL.len() + 1);
    assert!(fetched.is_complete() && fetched.numbers == "f32");
    assert_eq!(fetched.parameters, NUMBERS as u64);
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let case = Case::new(Faults {
        break_after: Some((300_000, 1)),
        ..Faults::default()
    });
    case.fetch().unwrap();
    assert_eq!(case.ranges(), [None, Some("bytes=300000-".into())]);
    assert_eq!(
        fs::read(case.folder().join("model.safetensors")).unwrap(),
        weights()
    );
}

#[test]
fn a_fetch_that_failed_goes_on_the_next_time() {
    let case = Case::new(Faults {
        break_after: Some((0, usize::MAX)),
        ..Faults::default()
    });
    // Some bytes come, then never any more.
    case.server.set(Faults {
        break_after: Some((100_000, 1)),
        ..Faults::default()
    });
    let calls = Cell::new(0);
    let stop = || {
        calls.set(calls.get() + 1);
        fs::metadata(case.part("model.safetensors.part")).is_ok_and(|about| about.len() >= 100_000)
    };
    let stopped = case.fetch_with(&TransferProgress::new(&|_| {}, &stop));
    assert!(matches!(stopped, Err(HubError::Cancelled)), "{stopped:?}");
    assert!(calls.get() > 2 && !case.folder().exists());
    let have = fs::metadata(case.part("model.safetensors.part"))
        .unwrap()
        .len();
    let found = local::find(&[case.place.path().to_owned()]);
    let begun = found.last().unwrap();
    assert!(!begun.is_complete() && begun.missing[0].contains("have come"));
    case.fetch().unwrap();
    assert_eq!(
        case.ranges().last().unwrap().as_deref(),
        Some(&*format!("bytes={have}-"))
    );
    assert_eq!(
        fs::read(case.folder().join("model.safetensors")).unwrap(),
        weights()
    );
}

#[test]
fn a_hub_that_breaks_off_for_ever_is_given_up_and_what_came_is_kept() {
    let case = Case::new(Faults {
        break_after: Some((0, usize::MAX)),
        ..Faults::default()
    });
    let error = case.fetch().unwrap_err();
    assert!(
        matches!(error, HubError::BrokenOff { have: 0, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("run the same command again"));
    assert_eq!(case.ranges().len(), 3, "one attempt and two more");
}

#[test]
fn a_hub_without_ranges_starts_over() {
    let case = Case::new(Faults {
        break_after: Some((300_000, 1)),
        no_ranges: true,
        ..Faults::default()
    });
    case.fetch().unwrap();
    assert_eq!(case.ranges().len(), 2);
    assert_eq!(
        fs::read(case.folder().join("model.safetensors")).unwrap(),
        weights()
    );
}

#[test]
fn what_was_left_by_something_else_is_not_believed() {
    let case = Case::new(Faults::default());
    fs::create_dir_all(case.part("")).unwrap();
    for (file, bytes) in [
        ("model.safetensors.part", vec![7; 5000]),
        ("config.json", vec![7; 26]),
    ] {
        fs::write(case.part(file), bytes).unwrap();
    }
    case.fetch().unwrap();
    assert_eq!(case.ranges(), [Some("bytes=5000-".into()), None]);
    assert_eq!(
        fs::read(case.folder().join("model.safetensors")).unwrap(),
        weights()
    );
    assert_eq!(
        fs::read(case.folder().join("config.json")).unwrap(),
        files()[1].1
    );
}

#[test]
fn a_wrong_size_is_told_and_nothing_kept() {
    for (faults, sent) in [
        (
            Faults {
                listed_more: 10,
                ..Faults::default()
            },
            weights().len(),
        ),
        (
            Faults {
                announced_more: 10,
                ..Faults::default()
            },
            weights().len() + 10,
        ),
    ] {
        let case = Case::new(faults);
        let error = case.fetch().unwrap_err();
        match &error {
            HubError::Size {
                file, sent: told, ..
            } => {
                assert_eq!((file.as_str(), *told), ("model.safetensors", sent as u64));
            }
            other => panic!("{other:?}"),
        }
        assert!(!case.folder().exists());
        let left = fs::metadata(case.part("model.safetensors.part"));
        assert_eq!(left.map_or(0, |about| about.len()), 0);
    }
}

#[test]
fn a_wrong_sum_is_told_and_nothing_kept() {
    let case = Case::new(Faults {
        wrong_sum: true,
        ..Faults::default()
    });
    let error = case.fetch().unwrap_err();
    match &error {
        HubError::Hash {
            file,
            found,
            listed,
        } => {
            assert_eq!(
                (file.as_str(), found),
                ("model.safetensors", &sum(&weights()))
            );
            assert_eq!(*listed, sum(b"something else"));
        }
        other => panic!("{other:?}"),
    }
    assert!(!case.folder().exists() && !case.part("model.safetensors.part").exists());
}

#[test]
fn a_missing_model_and_a_missing_file_are_named_with_the_endpoint() {
    let case = Case::new(Faults {
        status: Some((404, "RepoNotFound")),
        ..Faults::default()
    });
    let line = case.fetch().unwrap_err().to_string();
    assert!(
        line.contains(MODEL) && line.contains(&case.server.endpoint),
        "{line}"
    );
    assert!(!line.contains('\n') && !line.contains("secret"), "{line}");
    // To strangers the hub answers 401 for what it has not.
    case.server.set(Faults {
        status: Some((401, "RepoNotFound")),
        ..Faults::default()
    });
    assert!(matches!(case.fetch(), Err(HubError::NotFound { .. })));
    // Listed, and gone.
    let case = Case::new(Faults {
        further_name: Some("vocab.txt"),
        ..Faults::default()
    });
    let line = case.fetch().unwrap_err().to_string();
    assert!(line.contains("vocab.txt of someone/some-model"), "{line}");
}

#[test]
fn a_gated_model_says_what_to_do() {
    for status in [401, 403] {
        let case = Case::new(Faults {
            status: Some((status, "GatedRepo")),
            ..Faults::default()
        });
        let line = case.fetch().unwrap_err().to_string();
        for part in [
            "HF_TOKEN",
            MODEL,
            &case.server.endpoint,
            &status.to_string(),
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}

#[test]
fn a_hub_that_falls_silent_is_not_waited_for_for_ever() {
    let case = Case::new(Faults {
        stall_after: Some(50_000),
        ..Faults::default()
    });
    let begin = Instant::now();
    // Each attempt brings something; stop once two have.
    let stop = || case.ranges().len() > 2;
    let error = case
        .fetch_with(&TransferProgress::new(&|_| {}, &stop))
        .unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(
        fs::metadata(case.part("model.safetensors.part"))
            .unwrap()
            .len()
            >= 100_000
    );
    case.server.set(Faults {
        stall_after: Some(0),
        ..Faults::default()
    });
    let error = case.fetch().unwrap_err();
    assert!(matches!(error, HubError::Stalled { .. }), "{error:?}");
    assert!(error.to_string().contains(&case.server.endpoint));
}

#[test]
fn redirects_are_followed_and_the_token_stays_with_the_hub() {
    let case = Case::new(Faults {
        redirect: true,
        break_after: Some((300_000, 1)),
        ..Faults::default()
    });
    case.fetch().unwrap();
    assert_eq!(
        fs::read(case.folder().join("model.safetensors")).unwrap(),
        weights()
    );
    let requests = case.server.requests("model.safetensors");
    let (hub, elsewhere): (Vec<_>, Vec<_>) = requests
        .iter()
        .partition(|r| !r.path.starts_with("/elsewhere"));
    assert_eq!((hub.len(), elsewhere.len()), (2, 2));
    assert!(
        hub.iter()
            .all(|r| r.header("authorization") == Some("Bearer secret"))
    );
    // Whoever keeps the files is not given it, and the range arrives.
    assert!(
        elsewhere
            .iter()
            .all(|r| r.header("authorization").is_none())
    );
    assert_eq!(elsewhere[1].header("range"), Some("bytes=300000-"));
}

#[test]
fn a_listed_name_that_leads_out_refuses_the_whole_model() {
    for name in [
        "../outside.json",
        "a/../../model.safetensors",
        "/tmp/config.json",
    ] {
        let case = Case::new(Faults {
            further_name: Some(name),
            ..Faults::default()
        });
        let error = case.fetch().unwrap_err();
        assert!(
            matches!(&error, HubError::UnsafeFile(n) if n == name),
            "{error:?}"
        );
        assert_eq!(fs::read_dir(case.place.path()).unwrap().count(), 0);
    }
    for name in ["../x", "a/..", "a", "a/b/c", "https://x/y"] {
        assert!(ModelName::parse(name).is_err(), "{name}");
    }
}

#[test]
fn sizes_and_sums_may_come_from_the_tree() {
    let case = Case::new(Faults {
        sizes_in_tree: true,
        ..Faults::default()
    });
    case.fetch().unwrap();
    let case = Case::new(Faults {
        sizes_in_tree: true,
        wrong_sum: true,
        ..Faults::default()
    });
    assert!(matches!(case.fetch(), Err(HubError::Hash { .. })));
}

#[test]
fn what_is_no_checkpoint_is_not_fetched() {
    for lacking in ["config.json", "model.safetensors", "tokenizer.model"] {
        let mut files = files();
        files.retain(|(name, _)| *name != lacking);
        let case = Case::with(&files, Faults::default());
        let line = case.fetch().unwrap_err().to_string();
        assert!(line.contains(lacking) && line.contains(MODEL), "{line}");
    }
    // An index that names a part which the hub does not list.
    let mut files = files();
    files.retain(|(name, _)| *name != "model.safetensors");
    let index = br#"{"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}"#;
    files.push(("model.safetensors.index.json", index.to_vec()));
    files.push(("model-00001-of-00002.safetensors", weights()));
    let case = Case::with(&files, Faults::default());
    let line = case.fetch().unwrap_err().to_string();
    assert!(line.contains("model-00002-of-00002.safetensors"), "{line}");
    assert!(!case.folder().exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let case = Case::new(Faults::default());
    let plan = case.hub.plan(&name(), &HubRevision::default()).unwrap();
    let go = |folder: &Path| hub::fetch(&case.hub, &plan, folder, &TransferProgress::silent());
    // Below a file no folder can be made, whoever asks.
    let file = case.place.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = go(&file.join("models/x")).unwrap_err();
    assert!(matches!(&error, HubError::Disk { .. }), "{error:?}");
    assert!(error.to_string().contains("file"), "{error}");
    // Somebody's own files stay.
    let own = case.place.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("config.json"), "mine").unwrap();
    assert!(matches!(go(&own), Err(HubError::Occupied { .. })));
    assert_eq!(fs::read(own.join("config.json")).unwrap(), b"mine");
    assert!(case.server.requests("model.safetensors").is_empty());
}

#[test]
fn a_model_that_lost_a_file_is_completed() {
    let case = Case::new(Faults::default());
    case.fetch().unwrap();
    fs::remove_file(case.folder().join("tokenizer.model")).unwrap();
    let fetched = case.fetch().unwrap();
    assert!(!fetched.was_here && case.folder().join("tokenizer.model").is_file());
    assert_eq!(case.ranges().len(), 1, "the weights were only summed again");
}

#[test]
fn two_fetches_of_one_model_do_not_mix() {
    let case = Case::new(Faults::default());
    let (begun, again) = (Cell::new(false), Cell::new(None));
    let report = |_: hub::TransferStatus| {
        if !begun.replace(true) {
            again.set(Some(case.fetch()));
        }
    };
    case.fetch_with(&TransferProgress::new(&report, &|| false))
        .unwrap();
    let second = again.take().unwrap();
    assert!(matches!(second, Err(HubError::Busy(_))), "{second:?}");
}
