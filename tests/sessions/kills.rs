//! The program is killed at random moments of a scripted reading; what is lost is counted.
//!
//! The test starts itself as the program that is killed. `M3D_KILLS=100 cargo test --release --test sessions
//! kills -- --nocapture` kills more often than five times.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glam::UVec3;
use m3d_imaging::volume::{Mask, Window};
use m3d_viewer::app::{
    Application, Edit, Effect, Finding, FindingId, ImageRecord, Layout, NoticeKind, Shape, ViewId,
    Workspace,
};

use crate::support::*;

/// Names the folder of the child's study and work.
const CHILD: &str = "M3D_SESSIONS_CHILD";
/// Counts the edits.
const COUNTER: FindingId = FindingId(1);
/// What may be missing.
const MOST_LOST: Duration = Duration::from_secs(2);

/// A random number below `end`, from a state that goes on.
fn random(state: &mut u64, end: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % end
}

fn put(
    workspace: &Workspace,
    id: u64,
    record: &ImageRecord,
    change: impl FnOnce(&mut Finding),
) -> Edit {
    let known = workspace.finding(FindingId(id)).cloned();
    let mut finding = known.unwrap_or_else(|| {
        let shape = Shape::Mask(Arc::new(Mask::empty(record.grid)));
        finding(&record.identity.key, "new", shape)
    });
    finding.id = FindingId(id);
    change(&mut finding);
    Edit::add(finding)
}

/// A mask with a ball more.
fn painted(finding: &mut Finding, n: u64) {
    let Shape::Mask(mask) = &mut finding.shape else {
        return;
    };
    let grid = *mask.grid();
    let mask = Arc::make_mut(mask);
    let centre = UVec3::new(
        40 + (n * 37 % 400) as u32,
        40 + (n * 53 % 400) as u32,
        (n % 20) as u32,
    );
    for y in centre.y - 9..centre.y + 9 {
        for x in centre.x - 9..centre.x + 9 {
            if UVec3::new(x, y, centre.z)
                .as_ivec3()
                .distance_squared(centre.as_ivec3())
                < 81
            {
                mask.insert(grid.offset(UVec3::new(x, y, centre.z)).unwrap());
            }
        }
    }
}

/// The `n`-th edit of the reading, counted from 1, with the one that counts it. Each puts a value whatever was
/// there before, but for the masks that are painted on and on.
fn edits(n: u64, workspace: &Workspace, record: &ImageRecord) -> Vec<Edit> {
    let image = record.identity.key.clone();
    let views: Vec<ViewId> = workspace.views.keys().copied().collect();
    let mut edits = match n % 8 {
        0..=2 => vec![put(workspace, 10 + n % 3, record, |f| painted(f, n))],
        3 => vec![put(workspace, 10 + n % 3, record, |f| {
            f.name = format!("finding {n}");
        })],
        4 => vec![put(workspace, 20, record, |f| {
            f.shape = Shape::Box(patient_box(record, n as f64 / 3.0));
        })],
        5 => vec![Edit::Region {
            image,
            region: Some(patient_box(record, n as f64 / 7.0)),
        }],
        6 => views
            .iter()
            .map(|&id| {
                let mut view = workspace.views[&id].clone();
                view.layers[0].window = Window::new(n as f32 / 3.0, 400.0);
                let view = Some(Box::new(view));
                Edit::View { id, view }
            })
            .collect(),
        _ => vec![Edit::Layout(Layout {
            maximised: (n % 16 == 7).then(|| views[0]),
            ..workspace.layout.clone()
        })],
    };
    edits.push(put(workspace, COUNTER.0, record, |f| {
        f.name = n.to_string();
    }));
    edits
}

/// Edits a workspace has seen.
fn count(workspace: &Workspace) -> u64 {
    let counter = workspace.finding(COUNTER);
    counter.map_or(0, |counter| counter.name.parse().unwrap())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The program that is killed: opens the study, goes on with the reading, and writes down each edit.
#[test]
fn reads_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut app = open(&folder.join("data"), &folder.join("study"));
    let mut state = u64::from(std::process::id());
    let mut out = std::io::stdout();
    for n in count(&app.workspace) + 1.. {
        let record = record_of(&app);
        let effects = edits(n, &app.workspace, &record);
        act(
            &mut app,
            effects.into_iter().map(|edit| Effect::Edit(edit, None)),
        );
        app.update();
        writeln!(out, "\nedit {n} {}", now().as_millis()).unwrap();
        out.flush().unwrap();
        // The reader draws, and stops to think now and then.
        let pause = match random(&mut state, 40) {
            0 => 500 + random(&mut state, 700),
            _ => random(&mut state, 40),
        };
        std::thread::sleep(Duration::from_millis(pause));
    }
}

fn record_of(app: &Application) -> ImageRecord {
    app.workspace.images.values().next().unwrap().clone()
}

/// What the work must be after `n` edits. What they do to views is repeated on the views that are there.
fn expected(n: u64, found: &Workspace, record: &ImageRecord) -> Workspace {
    let mut workspace = found.clone();
    workspace.findings.clear();
    workspace.regions.clear();
    for n in 1..=n {
        for edit in edits(n, &workspace.clone(), record) {
            workspace.apply(edit);
        }
    }
    workspace
}

#[derive(Default)]
struct Lost {
    edits: u64,
    oldest: Duration,
}

fn kill_once(folder: &Path, after: Duration) -> Lost {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::reads_until_it_is_killed", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut made: Vec<(u64, Duration)> = Vec::new();
    let parse = |line: String| {
        let mut words = line.strip_prefix("edit ")?.split(' ');
        let n = words.next()?.parse().ok()?;
        Some((n, Duration::from_millis(words.next()?.parse().ok()?)))
    };
    // The clock runs from the first edit.
    while made.is_empty() {
        let line = lines.next().expect("the child ended before its first edit");
        made.extend(parse(line.unwrap()));
    }
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        let killed_at = now();
        child.kill().unwrap();
        child.wait().unwrap();
        killed_at
    });
    made.extend(lines.map_while(Result::ok).filter_map(parse));
    let killed_at = killer.join().unwrap();

    let app = open(&folder.join("data"), &folder.join("study"));
    let alarming: Vec<_> = app
        .notices
        .iter()
        .filter(|n| n.kind != NoticeKind::Info)
        .collect();
    assert!(alarming.is_empty(), "{alarming:?}");
    let kept = count(&app.workspace);
    let record = record_of(&app);
    assert_eq!(
        app.workspace,
        expected(kept, &app.workspace, &record),
        "after {kept} edits"
    );
    drop(app);
    let lost = made.iter().filter(|(n, _)| *n > kept);
    Lost {
        edits: lost.clone().count() as u64,
        oldest: lost
            .map(|(_, at)| killed_at.saturating_sub(*at))
            .max()
            .unwrap_or_default(),
    }
}

#[test]
fn whenever_it_is_killed_at_most_two_seconds_are_lost() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let kills = std::env::var("M3D_KILLS").map_or(5, |n| n.parse().unwrap());
    let mut state = now().as_nanos() as u64;
    let mut folder = tempfile::tempdir().unwrap();
    study(folder.path());
    let mut all: Vec<Lost> = Vec::new();
    for n in 0..kills {
        // Two readings of each study: the second goes on where the first was killed.
        if n % 2 == 0 {
            folder = tempfile::tempdir().unwrap();
            study(folder.path());
        }
        let after = Duration::from_millis(random(&mut state, 4000));
        let lost = kill_once(folder.path(), after);
        println!(
            "kill {n} after {after:?}: {} edits missing, the oldest {:?} old",
            lost.edits, lost.oldest
        );
        assert!(lost.oldest <= MOST_LOST, "{:?}", lost.oldest);
        all.push(lost);
    }
    let oldest = all.iter().map(|lost| lost.oldest).max().unwrap_or_default();
    let most = all.iter().map(|lost| lost.edits).max().unwrap_or_default();
    println!("{kills} kills: at most {most} edits were missing, the oldest of them {oldest:?} old");
}
