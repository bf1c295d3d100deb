//! The frames of a series to images: which belong together, and which are one image at several times.

use std::cmp::Ordering;

use super::frame::{By, Frame, Mark};
use super::place::{depth_mm, is_even, repeated, same_place};
use crate::io::Warning;

/// The frames of one image: for each time point a stack in ascending order.
pub(super) struct Stack {
    pub times: Vec<Vec<Frame>>,
    pub warnings: Vec<Warning>,
}

/// What parts frames at the same places, in the order of trying.
const BY: [By; 9] = [
    By::Stack,
    By::ImageType,
    By::Protocol,
    By::Temporal,
    By::Echo,
    By::BValue,
    By::Inversion,
    By::Acquisition,
    By::Folder,
];

/// What orders the frames of each place where no part of them is a whole stack.
const RANKS: [By; 8] = [
    By::Temporal,
    By::Trigger,
    By::Echo,
    By::Inversion,
    By::BValue,
    By::Time,
    By::Acquisition,
    By::Instance,
];

/// CT of more acquisitions than this is a perfusion series, of fewer several contrast phases.
const MOST_PHASES: usize = 4;

/// The stacks that a series' frames make.
pub(super) fn stacks(frames: Vec<Frame>) -> Vec<Stack> {
    let mut found = Vec::new();
    for alike in split_by_shape(frames) {
        if alike.first().is_some_and(|frame| frame.place.is_none()) {
            found.push(pictures(alike));
            continue;
        }
        let mut leaves = Vec::new();
        separate(alike, &BY, &mut Vec::new(), &mut leaves);
        found.extend(gather(leaves));
    }
    found
}

/// Frames of one size, spacing and orientation each: localizers and second volumes inside a series come apart here.
fn split_by_shape(frames: Vec<Frame>) -> Vec<Vec<Frame>> {
    let mut groups: Vec<Vec<Frame>> = Vec::new();
    for frame in frames {
        let group = groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| is_alike(first, &frame)));
        match group {
            Some(group) => group.push(frame),
            None => groups.push(vec![frame]),
        }
    }
    groups
}

fn is_alike(a: &Frame, b: &Frame) -> bool {
    let spacing = a.spacing_mm.iter().zip(b.spacing_mm);
    let size = |f: &Frame| {
        (
            f.rows,
            f.columns,
            f.file.inverted,
            f.file.format.is_colour(),
        )
    };
    // One UID was given to images of two modalities, or of two frames of reference.
    let (one, other) = (a.facts(), b.facts());
    let same_frame =
        one.frame_uid.is_empty() || other.frame_uid.is_empty() || one.frame_uid == other.frame_uid;
    size(a) == size(b)
        && one.modality == other.modality
        && same_frame
        && a.is_localizer() == b.is_localizer()
        && spacing.into_iter().all(|(x, y)| (x - y).abs() <= 1e-4 * x)
        && match (&a.place, &b.place) {
            (Some(one), Some(other)) => {
                // Turned about its middle, no pixel leaves its place by more than half its size.
                let direction = 1.0 / f64::from(a.rows.max(a.columns));
                one.row.distance(other.row) < direction
                    && one.column.distance(other.column) < direction
            }
            (None, None) => true,
            _ => false,
        }
}

/// Pictures without a place: one after the other.
fn pictures(mut frames: Vec<Frame>) -> Stack {
    frames.sort_by(Frame::before);
    Stack {
        times: frames.into_iter().map(|frame| vec![frame]).collect(),
        warnings: Vec::new(),
    }
}

/// Frames that no difference parts any more, and the differences that parted them from others.
struct Leaf {
    frames: Vec<Frame>,
    path: Vec<(By, Option<Mark>)>,
}

/// Parts frames by whatever takes apart stacks that share their places or run through one another.
fn separate(
    mut frames: Vec<Frame>,
    differences: &[By],
    path: &mut Vec<(By, Option<Mark>)>,
    leaves: &mut Vec<Leaf>,
) {
    ascend(&mut frames);
    let mut rest = differences.iter();
    while let Some(&by) = rest.next() {
        let first = frames.first().and_then(|frame| frame.mark(by));
        if frames.iter().all(|frame| frame.mark(by) == first) {
            continue;
        }
        let parts = partition(&frames, by);
        if !are_stacks(&frames, &parts, by) {
            continue;
        }
        for (mark, part) in parts {
            path.push((by, mark));
            separate(part, rest.as_slice(), path, leaves);
            path.pop();
        }
        return;
    }
    let path = path.clone();
    leaves.push(Leaf { frames, path });
}

/// In ascending order along the normal.
fn ascend(frames: &mut [Frame]) {
    let Some(normal) = frames.first().and_then(|f| Some(f.place?.normal())) else {
        return;
    };
    frames.sort_by(|a, b| {
        depth_mm(a, normal)
            .total_cmp(&depth_mm(b, normal))
            .then_with(|| a.before(b))
    });
}

fn order(a: Option<&Mark>, b: Option<&Mark>) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

fn partition(frames: &[Frame], by: By) -> Vec<(Option<Mark>, Vec<Frame>)> {
    let mut parts: Vec<(Option<Mark>, Vec<Frame>)> = Vec::new();
    for frame in frames {
        let mark = frame.mark(by);
        match parts.iter_mut().find(|(other, _)| *other == mark) {
            Some((_, part)) => part.push(frame.clone()),
            None => parts.push((mark, vec![frame.clone()])),
        }
    }
    parts.sort_by(|(a, _), (b, _)| order(a.as_ref(), b.as_ref()));
    parts
}

/// Whether parts, at least two, are stacks of their own that would spoil one another.
fn are_stacks(frames: &[Frame], parts: &[(Option<Mark>, Vec<Frame>)], by: By) -> bool {
    if parts.iter().any(|(_, part)| part.len() < 2) {
        return false;
    }
    let all = repeated(frames);
    let left: usize = parts.iter().map(|(_, part)| repeated(part)).sum();
    let each_even = parts
        .iter()
        .all(|(_, part)| repeated(part) > 0 || is_even(part));
    if all > 0 {
        return left < all && each_even;
    }
    // Stacks that run through one another without meeting, unless together they are as dense as they are thick.
    !matches!(by, By::Folder) && each_even && run_through(parts) && !is_dense(frames)
}

/// Whether the depths of two parts overlap by more than a slice or two.
fn run_through(parts: &[(Option<Mark>, Vec<Frame>)]) -> bool {
    let ranges: Vec<[f64; 3]> = parts
        .iter()
        .filter_map(|(_, part)| {
            let normal = part.first()?.place?.normal();
            let (low, high) = (
                depth_mm(part.first()?, normal),
                depth_mm(part.last()?, normal),
            );
            Some([low, high, (high - low) / (part.len() as f64 - 1.0)])
        })
        .collect();
    ranges.iter().enumerate().any(|(n, a)| {
        ranges.iter().skip(n + 1).any(|b| {
            let shared = a[1].min(b[1]) - a[0].max(b[0]);
            shared > 1.5 * a[2].max(b[2])
        })
    })
}

/// Whether slices lie as far apart as they are thick.
fn is_dense(frames: &[Frame]) -> bool {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        return false;
    };
    let (Some(place), Some(thickness)) = (first.place, first.thickness_mm) else {
        return false;
    };
    let normal = place.normal();
    let step = (depth_mm(last, normal) - depth_mm(first, normal)) / (frames.len() as f64 - 1.0);
    (step - thickness).abs() < 0.1 * thickness
}

/// Puts leaves together that are one image at several times.
fn gather(leaves: Vec<Leaf>) -> Vec<Stack> {
    let mut groups: Vec<Vec<Leaf>> = Vec::new();
    for leaf in leaves {
        let group = groups.iter_mut().find(|group| {
            group
                .first()
                .is_some_and(|first| is_other_time(first, &leaf))
        });
        match group {
            Some(group) => group.push(leaf),
            None => groups.push(vec![leaf]),
        }
    }
    groups.into_iter().flat_map(times).collect()
}

fn is_other_time(a: &Leaf, b: &Leaf) -> bool {
    let same_image = a.path.len() == b.path.len()
        && a.path
            .iter()
            .zip(&b.path)
            .all(|(x, y)| x == y || (x.0 == y.0 && x.0.is_series_of_one_image()));
    same_image
        && a.frames.len() == b.frames.len()
        && a.frames
            .iter()
            .zip(&b.frames)
            .all(|(x, y)| same_place(x, y))
}

/// The time points of leaves of one image.
fn times(leaves: Vec<Leaf>) -> Vec<Stack> {
    let mut by: Vec<By> = Vec::new();
    for (a, b) in leaves.iter().zip(leaves.iter().skip(1)) {
        let pairs = a.path.iter().zip(&b.path);
        by.extend(pairs.filter(|(x, y)| x != y).map(|(x, _)| x.0));
    }
    by.dedup();
    let mut all = Vec::new();
    for leaf in leaves {
        let (ranked, rank) = rank(leaf.frames);
        by.extend(rank);
        all.extend(ranked);
    }
    if by.is_empty() {
        return vec![Stack {
            times: all,
            warnings: Vec::new(),
        }];
    }
    let mut names: Vec<&str> = Vec::new();
    for by in by {
        if !names.contains(&by.name()) {
            names.push(by.name());
        }
    }
    let is_ct = all
        .first()
        .and_then(|t| t.first())
        .is_some_and(|f| f.facts().modality == "CT");
    let message = format!(
        "{} images at the same places, told apart by {}",
        all.len(),
        names.join(" and ")
    );
    let told = |code| vec![Warning::new(code, message.clone())];
    if is_ct && names == [By::Acquisition.name()] && all.len() <= MOST_PHASES {
        let apart = all.into_iter().map(|frames| Stack {
            times: vec![frames],
            warnings: told("several_acquisitions"),
        });
        return apart.collect();
    }
    vec![Stack {
        times: all,
        warnings: told("time_points"),
    }]
}

/// Frames that still share places, as one stack for each of the times at every place. Those that no mark orders stay one
/// stack, which will be refused.
fn rank(frames: Vec<Frame>) -> (Vec<Vec<Frame>>, Option<By>) {
    if repeated(&frames) == 0 {
        return (vec![frames], None);
    }
    let mut places: Vec<Vec<Frame>> = Vec::new();
    for frame in &frames {
        match places.last_mut() {
            Some(place) if place.first().is_some_and(|first| same_place(first, frame)) => {
                place.push(frame.clone());
            }
            _ => places.push(vec![frame.clone()]),
        }
    }
    let count = places.first().map_or(0, Vec::len);
    if places.iter().any(|place| place.len() != count) {
        return (vec![frames], None);
    }
    let by = RANKS.into_iter().find(|&by| {
        places.iter().all(|place| {
            let marks: Vec<_> = place.iter().map(|frame| frame.mark(by)).collect();
            marks
                .iter()
                .enumerate()
                .all(|(n, mark)| mark.is_some() && !marks.iter().take(n).any(|other| other == mark))
        })
    });
    // Frames of one file are in the order of its making.
    let one_file = frames
        .first()
        .is_some_and(|first| frames.iter().all(|frame| frame.path() == first.path()));
    if by.is_none() && !one_file {
        return (vec![frames], None);
    }
    let mut times: Vec<Vec<Frame>> = (0..count).map(|_| Vec::new()).collect();
    for mut place in places {
        place.sort_by(|a, b| match by {
            Some(by) => order(a.mark(by).as_ref(), b.mark(by).as_ref()),
            None => a.before(b),
        });
        for (time, frame) in times.iter_mut().zip(place) {
            time.push(frame);
        }
    }
    (times, Some(by.unwrap_or(By::Instance)))
}
