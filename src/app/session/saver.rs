//! The thread that saves: it takes the latest of what it is handed and writes it once the reader pauses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use m3d_imaging::volume::Digest;

use super::StudyId;
use super::content::{Arrangement, Session};
use super::recent::{self, Recent};
use super::store::Store;
use crate::app::jobs::Waker;
use crate::app::workspace::{ViewId, Workspace};

/// Work is written once nothing has changed for so long,
const QUIET: Duration = Duration::from_millis(300);
/// and after so long while it goes on changing.
const LONGEST: Duration = Duration::from_secs(1);
/// What could not be written is tried again after so long.
const AGAIN: Duration = Duration::from_secs(2);

/// The reader's work as it was at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub workspace: Workspace,
    /// The view the reader works in.
    pub active: ViewId,
    /// How the studies that were left were last looked at.
    pub left: BTreeMap<StudyId, Arrangement>,
    /// The studies that are to be saved: those whose earlier work is in the workspace.
    pub studies: BTreeSet<StudyId>,
}

/// What is done once and in order.
#[derive(Debug)]
pub(super) enum Order {
    /// Save this study from now on.
    Adopt(StudyId, Store),
    /// Keep the work beside what comes, as it is handed along where it is in the workspace, else as it was
    /// saved: the image of this digest was changed.
    KeepEarlier(StudyId, Digest, Snapshot),
    /// Remove what was saved of a study, and save it no more.
    Forget(StudyId),
    /// List a study among the recent ones.
    Remember(Recent),
}

/// What has come of it.
#[derive(Debug, Default)]
pub(super) struct News {
    /// What came of the last try to save the work: why it could not be saved.
    pub saved: Option<Result<(), String>>,
    /// The recent studies, when they were read again.
    pub recent: Option<Vec<Recent>>,
    /// What else failed.
    pub troubles: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    orders: VecDeque<Order>,
    pending: Option<Pending>,
    closing: bool,
    news: Option<News>,
}

#[derive(Debug)]
struct Pending {
    snapshot: Snapshot,
    /// When it is to be written unless it is replaced,
    quiet_at: Instant,
    /// and when it is at the latest.
    latest_at: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with it left a whole state: nothing is half done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, as the application sees it. Dropping it writes what is pending before it returns.
#[derive(Debug)]
pub(super) struct Saver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    /// Starts the thread for the folder of all work.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(root: PathBuf, wake: Waker) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let work = Work {
            root,
            stores: BTreeMap::new(),
            wake,
            failing: false,
        };
        let body = {
            let shared = Arc::clone(&shared);
            move || work.run(&shared)
        };
        let thread = std::thread::Builder::new()
            .name("saver".into())
            .spawn(body)?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Hands the work over; an earlier one that was not written yet is replaced.
    pub fn hand_over(&self, snapshot: Snapshot) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let latest_at = state.pending.as_ref().map(|pending| pending.latest_at);
        let replaced = state.pending.replace(Pending {
            snapshot,
            quiet_at: now + QUIET,
            latest_at: latest_at.unwrap_or(now + LONGEST),
        });
        drop(state);
        drop(replaced);
        self.shared.changed.notify_one();
    }

    /// Has something done.
    pub fn order(&self, order: Order) {
        self.shared.lock().orders.push_back(order);
        self.shared.changed.notify_one();
    }

    /// What has come of it since the last call, if anything.
    pub fn news(&self) -> Option<News> {
        self.shared.lock().news.take()
    }

    /// Whether the thread has died, which only a fault of this program can do.
    pub fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that saves the reader's work has panicked");
        }
    }
}

/// What the thread has.
struct Work {
    root: PathBuf,
    stores: BTreeMap<StudyId, Store>,
    wake: Waker,
    failing: bool,
}

impl Work {
    fn run(mut self, shared: &Shared) {
        loop {
            let (orders, snapshot, closing) = next(shared);
            let mut troubles = Vec::new();
            let mut recent = None;
            for order in orders {
                self.carry_out(order, &mut recent, &mut troubles);
            }
            let saved = snapshot.as_ref().map(|snapshot| self.save(snapshot));
            let failing = saved.as_ref().map_or(self.failing, Result::is_err);
            if failing || failing != self.failing || recent.is_some() || !troubles.is_empty() {
                let mut state = shared.lock();
                let news = state.news.get_or_insert_default();
                news.saved = saved.or(news.saved.take());
                news.recent = recent.or(news.recent.take());
                news.troubles.append(&mut troubles);
                drop(state);
                (self.wake)();
            }
            self.failing = failing;
            if closing {
                return;
            }
            if let Some(snapshot) = snapshot.filter(|_| failing) {
                try_again(shared, snapshot);
            }
        }
    }

    /// Saves every study of a snapshot; the last failure.
    fn save(&mut self, snapshot: &Snapshot) -> Result<(), String> {
        let mut saved = Ok(());
        for &study in &snapshot.studies {
            if let Err(why) = self.save_study(study, snapshot) {
                saved = Err(why);
            }
        }
        saved
    }

    fn save_study(&mut self, study: StudyId, snapshot: &Snapshot) -> Result<(), String> {
        // One that was forgotten meanwhile is not saved again.
        let Some(store) = self.stores.get_mut(&study) else {
            return Ok(());
        };
        let mut session = Session::of(&snapshot.workspace, study, snapshot.active);
        if session.arrangement.is_none() {
            session.arrangement = snapshot.left.get(&study).cloned();
        }
        store.save(session).map_err(|error| error.to_string())
    }

    fn carry_out(
        &mut self,
        order: Order,
        recent: &mut Option<Vec<Recent>>,
        troubles: &mut Vec<String>,
    ) {
        let list = |change: &dyn Fn(&mut Vec<Recent>)| recent::change(&self.root, change);
        match order {
            Order::Adopt(study, store) => drop(self.stores.insert(study, store)),
            Order::KeepEarlier(study, image, snapshot) => {
                let saved = if snapshot.studies.contains(&study) {
                    self.save_study(study, &snapshot)
                } else {
                    Ok(())
                };
                let kept = self
                    .stores
                    .get(&study)
                    .map(|store| store.keep_earlier(image));
                if let Some(Err(error)) = kept {
                    troubles.push(format!("The earlier work could not be set aside: {error}"));
                }
                if let Err(why) = saved {
                    troubles.push(format!("The earlier work could not be saved: {why}"));
                }
            }
            Order::Forget(study) => {
                let store = self.stores.remove(&study);
                if let Err(error) = Store::forget(&sessions(&self.root), study, store) {
                    troubles.push(format!("The study could not be forgotten: {error}"));
                    return;
                }
                let listed = list(&|list| list.retain(|recent| recent.study != study));
                note(listed, recent, troubles);
            }
            Order::Remember(study) => {
                let listed = list(&|list| recent::put(list, study.clone()));
                note(listed, recent, troubles);
            }
        }
    }
}

fn note(
    listed: std::io::Result<Vec<Recent>>,
    recent: &mut Option<Vec<Recent>>,
    troubles: &mut Vec<String>,
) {
    match listed {
        Ok(list) => *recent = Some(list),
        Err(error) => {
            troubles.push(format!(
                "The list of recent studies could not be written: {error}"
            ));
        }
    }
}

/// The folder of all sessions.
pub(super) fn sessions(root: &Path) -> PathBuf {
    root.join("sessions")
}

/// Waits for something to do.
fn next(shared: &Shared) -> (VecDeque<Order>, Option<Snapshot>, bool) {
    let mut state = shared.lock();
    loop {
        let now = Instant::now();
        let due = state.pending.as_ref().map(|p| p.quiet_at.min(p.latest_at));
        let is_due = due.is_some_and(|due| due <= now);
        if state.closing || is_due || !state.orders.is_empty() {
            let orders = std::mem::take(&mut state.orders);
            let pending = (state.closing || is_due)
                .then(|| state.pending.take())
                .flatten();
            return (
                orders,
                pending.map(|pending| pending.snapshot),
                state.closing,
            );
        }
        let changed = &shared.changed;
        state = match due {
            Some(due) => {
                let waited = changed.wait_timeout(state, due - now);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Puts back what could not be written, unless there is something newer.
fn try_again(shared: &Shared, snapshot: Snapshot) {
    let again = Instant::now() + AGAIN;
    shared.lock().pending.get_or_insert(Pending {
        snapshot,
        quiet_at: again,
        latest_at: again,
    });
}
