//! The line through the middles of a tube's cross-sections.

use glam::DVec3;

use super::cells::Path;
use super::section::{Cutting, PlaneCut, Slicer};

/// How often the line is drawn anew through the middles of its sections.
const ROUNDS: usize = 4;

/// The most sections of a tube.
const MOST_SECTIONS: f64 = 400.0;

/// The sections of a tube.
#[derive(Default)]
pub(super) struct Traced {
    /// In order from one end to the other, without closed ends.
    pub(super) sections: Vec<PlaneCut>,
    /// Whether the tube leaves the image at its first and at its last end.
    pub(super) leaves: [bool; 2],
}

/// Finds the centre line of a tube along a rough way through it.
pub(super) fn trace(slicer: &Slicer, path: &Path) -> Traced {
    let total: f64 = path.points.windows(2).map(|p| p[0].distance(p[1])).sum();
    // A quarter of a radius tells neighbours apart.
    let step = (slicer.radius_mm / 4.0).max(total / MOST_SECTIONS);
    let window = (slicer.radius_mm / step).ceil().max(2.0) as usize;
    let mut line = smoothed(&evenly(&path.points, step), window);
    for _ in 0..ROUNDS {
        let sections = cut_along(slicer, &line, window);
        let middles: Vec<DVec3> = sections.iter().map(|s| s.middle_mm).collect();
        if middles.len() < 3 {
            return Traced::default();
        }
        // What was found near the ends may lead into a corner there; from further in the line goes on straight.
        let ends = window.min(middles.len() / 4);
        let inner = &middles[ends..middles.len() - ends];
        line = extended(slicer, evenly(inner, step), window, step);
        line = smoothed(&line, window);
    }
    let sections = cut_along(slicer, &line, window);
    without_closed_ends(slicer, sections, step)
}

/// The whole sections across a line.
fn cut_along(slicer: &Slicer, line: &[DVec3], window: usize) -> Vec<PlaneCut> {
    let cut = |n: usize| match slicer.cut(line[n], direction(line, n, window)?) {
        Cutting::Whole(section) => Some(section),
        Cutting::LeavesImage | Cutting::Nothing | Cutting::TooWide => None,
    };
    (0..line.len()).filter_map(cut).collect()
}

/// The direction of a line over some places before and after one.
fn direction(line: &[DVec3], n: usize, window: usize) -> Option<DVec3> {
    let (first, last) = (n.saturating_sub(window), (n + window).min(line.len() - 1));
    // Least squares over the places, as numbers that count evenly.
    let middle = f64::midpoint(first as f64, last as f64);
    let slope: DVec3 = (first..=last).map(|m| line[m] * (m as f64 - middle)).sum();
    slope.try_normalize()
}

/// A line with places evenly apart, the first and the last included.
fn evenly(line: &[DVec3], step: f64) -> Vec<DVec3> {
    let total: f64 = line.windows(2).map(|p| p[0].distance(p[1])).sum();
    let count = (total / step).round().max(1.0);
    let mut places = Vec::with_capacity(count as usize + 1);
    let mut gone = 0.0;
    for pair in line.windows(2) {
        let length = pair[0].distance(pair[1]);
        while length > 0.0 && places.len() as f64 * total / count <= gone + length {
            let part = (places.len() as f64 * total / count - gone) / length;
            places.push(pair[0].lerp(pair[1], part));
        }
        gone += length;
    }
    if let Some(&last) = line.last()
        && places.len() as f64 <= count
    {
        places.push(last);
    }
    places
}

/// Each place as the mean of its neighbours, as many on either side.
fn smoothed(line: &[DVec3], window: usize) -> Vec<DVec3> {
    let last = line.len().saturating_sub(1);
    let mean = |n: usize| {
        let reach = window.min(n).min(last - n) / 2;
        let near = &line[n - reach..=n + reach];
        near.iter().sum::<DVec3>() / near.len() as f64
    };
    (0..line.len()).map(mean).collect()
}

/// A line that goes on straight at both ends as long as that is inside.
fn extended(slicer: &Slicer, mut line: Vec<DVec3>, window: usize, step: f64) -> Vec<DVec3> {
    for _ in 0..2 {
        line.reverse();
        let Some(&last) = line.last() else { break };
        let Some(along) = direction(&line, line.len() - 1, 2 * window) else {
            continue;
        };
        let ahead = (1..=8 * window).map(|n| last + along * step * n as f64);
        line.extend(ahead.take_while(|&p| slicer.inside(p).is_some_and(|share| share >= 0.5)));
    }
    line
}

/// Without what lies nearer than a radius to an end that closes inside the image: there a tube tapers, and the planes
/// across it are known from one side only.
fn without_closed_ends(slicer: &Slicer, mut sections: Vec<PlaneCut>, step: f64) -> Traced {
    let mut diameters: Vec<f64> = sections.iter().map(PlaneCut::diameter_mm).collect();
    diameters.sort_by(f64::total_cmp);
    let radius = diameters.get(diameters.len() / 2).map_or(0.0, |d| d / 2.0);
    let ends = [
        sections.first().and_then(|s| end(slicer, s, -step)),
        sections.last().and_then(|s| end(slicer, s, step)),
    ];
    let closed = ends.into_iter().flatten().filter(|&(_, leaves)| !leaves);
    for (end, _) in closed {
        sections.retain(|s| s.middle_mm.distance(end) >= radius);
    }
    Traced {
        sections,
        leaves: ends.map(|end| end.is_some_and(|(_, leaves)| leaves)),
    }
}

/// Where straight on from a section a tube ends, and whether the image ends there.
fn end(slicer: &Slicer, section: &PlaneCut, step: f64) -> Option<(DVec3, bool)> {
    let ahead = (1..1000).map(|n| section.middle_mm + section.along * step * f64::from(n));
    let shares = ahead.map(|p| (p, slicer.inside(p)));
    let (place, share) = shares
        .into_iter()
        .find(|(_, share)| share.is_none_or(|s| s < 0.5))?;
    Some((place, share.is_none()))
}
