//! Stepping through time points; playing them, or the slices of one (cine).

use std::time::{Duration, Instant};

use super::workspace::{Edit, ViewId, ViewKind};
use super::{Application, Seen};

/// What is being played.
#[derive(Clone, Copy, Debug)]
pub struct Playback {
    /// The view whose base image is played.
    pub view: ViewId,
    /// When the next picture is due.
    pub next: Instant,
}

/// Pictures a second, unless the reader says otherwise.
pub const USUAL_RATE: f32 = 8.0;

/// How long a picture is shown at a rate of so many a second.
fn shown_for(rate: f32) -> Duration {
    Duration::from_secs_f32(1.0 / rate.clamp(1.0, 60.0))
}

impl Application {
    /// The edits that show another time point of a view's base image, in all views that show it as theirs;
    /// time goes round.
    pub fn time_edits(&self, view: ViewId, time: u32) -> Vec<Edit> {
        let Some(base) = self.workspace.views.get(&view).and_then(|view| view.base()) else {
            return Vec::new();
        };
        self.workspace.views_of(&base.image, |view| {
            for layer in view.layers.iter_mut().take(1) {
                layer.time = time;
            }
        })
    }

    /// Goes on or back by time points of what the active view shows.
    pub(super) fn step_time(&mut self, steps: i64) {
        let view = self.workspace.views.get(&self.active);
        let Some(base) = view.and_then(|view| view.base()) else {
            return;
        };
        let Some(record) = self.workspace.images.get(&base.image) else {
            return;
        };
        let count = i64::from(record.times.max(1));
        let time = (i64::from(base.time) + steps).rem_euclid(count);
        self.apply_all(self.time_edits(self.active, time as u32));
    }

    /// Plays what the active view shows, or stops.
    pub(super) fn toggle_playback(&mut self) {
        self.playback = match self.playback {
            Some(_) => None,
            None => self
                .seen_active()
                .filter(Seen::can_be_played)
                .map(|seen| Playback {
                    view: seen.id,
                    next: Instant::now() + shown_for(self.rate),
                }),
        };
    }

    /// Shows the next time point, or the next slice where there is one time point, when it is due. One that is still
    /// being read is waited for. At the end it begins again.
    pub(super) fn play(&mut self) {
        let Some(playback) = self.playback else {
            return;
        };
        let Some(seen) = self.seen(playback.view) else {
            return;
        };
        let now = Instant::now();
        if now < playback.next {
            return;
        }
        let edits = match seen.view.kind {
            _ if seen.record.times > 1 => {
                let time = (seen.layer.time + 1) % seen.record.times;
                self.time_edits(playback.view, time)
            }
            ViewKind::Slice(orientation) => seen.next_slice_round(orientation),
            ViewKind::Volume => Vec::new(),
        };
        self.apply_all(edits);
        self.playback = Some(Playback {
            next: now + shown_for(self.rate),
            ..playback
        });
    }
}
