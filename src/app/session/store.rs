//! The folder of one study's session.
//!
//! | name | what |
//! |---|---|
//! | `lock` | locked by the program that has the study open |
//! | `session.json` | the work, as [`envelope`] has it |
//! | `masks/SHA256.mask` | a mask, never changed once it is written |
//! | `damaged-TIME/`, `earlier-DIGEST/` | a session that was set aside, in the same form |
//!
//! A save writes new masks first, then `session.json`, and removes masks that are no longer named last: at
//! every moment the session that is there is whole.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use m3d_imaging::volume::{Digest, Mask};

use super::content::{Arrangement, SavedShape, Session};
use super::envelope::{self, EnvelopeError};
use super::{StudyId, disk};
use crate::app::workspace::Shape;

const SESSION: &str = "session.json";
const MASKS: &str = "masks";
const LOCK: &str = "lock";

/// A session's text is refused beyond so many bytes.
pub(super) const MOST_SESSION_BYTES: u64 = 256 << 20;
/// A mask is refused beyond so many bytes: packed, more than any image has.
const MOST_MASK_BYTES: u64 = 1 << 30;
/// A mask is not unpacked for more voxels than so many.
pub(super) const MOST_MASK_VOXELS: usize = 1 << 34;

/// The folder, with what is known of it.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Held while the study is open; none where the system knows no locks, or before the folder is there.
    lock: Option<File>,
    /// The masks that are on disk.
    masks: Vec<(Arc<Mask>, Digest)>,
    /// What was last saved.
    saved: Option<Session<SavedShape>>,
    /// How the study was last looked at.
    arrangement: Option<Arrangement>,
}

/// What opening a study's session came to.
#[derive(Debug)]
pub(super) enum Opened {
    /// It is this program's to save.
    Writable {
        store: Box<Store>,
        session: Option<Session>,
        /// What the reader should know.
        trouble: Option<String>,
    },
    /// It is not.
    ReadOnly {
        session: Option<Session>,
        reason: String,
    },
}

/// Why a session was not saved.
#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    /// Another program has opened the study meanwhile.
    #[error("it is open in another window")]
    InUse,
    /// The disk is full, or the folder cannot be written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// What would be written would not come back.
    #[error("it holds a value that no file can keep")]
    NotReadable,
}

/// Why a session was not read.
enum ReadError {
    Absent,
    Io(PathBuf, io::Error),
    Bad(EnvelopeError),
}

/// Masks that could not be read, with the reasons.
type BadMasks = Vec<(PathBuf, String)>;

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, SaveError> {
    result.map_err(|source| SaveError::Io {
        path: path.to_owned(),
        source,
    })
}

impl Store {
    /// Opens the session of a study below `sessions`, or the place for one.
    pub fn open(sessions: &Path, study: StudyId) -> Opened {
        let folder = sessions.join(study.to_string());
        let mut store = Self::at(folder);
        match store.take_lock() {
            Ok(()) => {}
            Err(SaveError::InUse) => {
                return Opened::ReadOnly {
                    session: store.read_unlocked(),
                    reason: "This study is open in another window: it can be looked at here, and changed \
                             there."
                        .into(),
                };
            }
            // Saving will meet the same error, and tell it until it is mended.
            Err(error) => tracing::warn!("no lock for a session: {error}"),
        }
        store.read_locked()
    }

    const fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            lock: None,
            masks: Vec::new(),
            saved: None,
            arrangement: None,
        }
    }

    /// The session in a folder as it was saved last, without the masks that cannot be read; those, in words. Nothing is
    /// locked or changed.
    ///
    /// # Errors
    /// When there is no session that can be read, in words.
    pub fn look(folder: &Path) -> Result<(Session, Vec<String>), String> {
        match Self::at(folder.to_owned()).read() {
            Ok((session, bad)) => {
                let bad = bad.into_iter();
                let bad = bad.map(|(path, why)| format!("{}: {why}", path.display()));
                Ok((session, bad.collect()))
            }
            Err(ReadError::Absent) => Err("there is no session in it".into()),
            Err(ReadError::Io(_, error)) => Err(error.to_string()),
            Err(ReadError::Bad(error)) => Err(error.to_string()),
        }
    }

    fn session_path(&self) -> PathBuf {
        self.folder.join(SESSION)
    }

    fn mask_path(&self, mask: Digest) -> PathBuf {
        self.folder.join(MASKS).join(mask_name(mask))
    }

    /// Makes the folder and locks it.
    fn take_lock(&mut self) -> Result<(), SaveError> {
        at(&self.folder, disk::make_folder(&self.folder))?;
        if self.lock.is_some() {
            return Ok(());
        }
        let path = self.folder.join(LOCK);
        let file = at(&path, disk::create(&path))?;
        match file.try_lock() {
            Ok(()) => self.lock = Some(file),
            Err(TryLockError::WouldBlock) => return Err(SaveError::InUse),
            // Better a session without a lock than no session.
            Err(TryLockError::Error(error)) => tracing::warn!("no locks here: {error}"),
        }
        Ok(())
    }

    fn read_locked(mut self) -> Opened {
        let path = self.session_path();
        let shown = path.display();
        let (session, trouble) = match self.read() {
            Ok((session, bad)) if bad.is_empty() => (Some(session), None),
            Ok((session, bad)) => match self.copy_aside(&format!("damaged-{}", disk::now_secs())) {
                Ok(aside) => {
                    let (file, why) = &bad[0];
                    let trouble = format!(
                        "{} masks of this study could not be read; the rest of the work is here. The \
                         first: {}: {why}. The session as it was is kept in {}.",
                        bad.len(),
                        file.display(),
                        aside.display()
                    );
                    for (file, _) in &bad {
                        // A mask of the same voxels is to be written anew.
                        let _ = std::fs::remove_file(file);
                    }
                    (Some(session), Some(trouble))
                }
                Err(error) => return cannot_be_kept(&error),
            },
            Err(ReadError::Absent) => (None, None),
            Err(ReadError::Bad(EnvelopeError::Damaged(why))) => match self.move_aside() {
                Ok(aside) => {
                    let trouble = format!(
                        "The work saved on this study cannot be read ({shown}: {why}). It is kept in {}, \
                         and the study opens without it.",
                        aside.display()
                    );
                    (None, Some(trouble))
                }
                Err(error) => return cannot_be_kept(&error),
            },
            Err(ReadError::Bad(newer @ EnvelopeError::Newer { .. })) => {
                return Opened::ReadOnly {
                    session: None,
                    reason: format!(
                        "The work saved on this study is newer than this program ({shown}: {newer}). It is \
                         neither shown nor changed; use the newer version."
                    ),
                };
            }
            Err(ReadError::Io(path, error)) => {
                return Opened::ReadOnly {
                    session: None,
                    reason: format!(
                        "The work saved on this study cannot be read ({}: {error}). It is left as it is, \
                         and nothing is saved; mend that and open the study again.",
                        path.display()
                    ),
                };
            }
        };
        Opened::Writable {
            store: Box::new(self),
            session,
            trouble,
        }
    }

    /// What another program has saved so far. It may replace the files while they are read.
    fn read_unlocked(&mut self) -> Option<Session> {
        for _ in 0..5 {
            match self.read() {
                Ok((session, bad)) if bad.is_empty() => return Some(session),
                Err(ReadError::Absent | ReadError::Bad(_)) => return None,
                Ok(_) | Err(ReadError::Io(..)) => {}
            }
        }
        None
    }

    /// The session without the masks that cannot be read, and those.
    fn read(&mut self) -> Result<(Session, BadMasks), ReadError> {
        let path = self.session_path();
        let bytes = match disk::read(&path, MOST_SESSION_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                // Where a folder above is a file, there is no session either.
                let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
                return Err(if absent.contains(&error.kind()) {
                    ReadError::Absent
                } else {
                    ReadError::Io(path, error)
                });
            }
        };
        let opened = envelope::open::<Session<SavedShape>>(&bytes);
        let (saved, _) = opened.map_err(ReadError::Bad)?;
        let (mut bad, mut masks) = (Vec::new(), Vec::new());
        let session = saved.clone().with_shapes(|shape| {
            let digest = shape.mask_file();
            let path = digest.map(|mask| self.mask_path(mask)).unwrap_or_default();
            let read = shape.into_shape(|_| {
                disk::read(&path, MOST_MASK_BYTES).map_err(|error| error.to_string())
            });
            Ok(match read {
                Ok(shape) => {
                    if let (Shape::Mask(mask), Some(digest)) = (&shape, digest) {
                        masks.push((Arc::clone(mask), digest));
                    }
                    Some(shape)
                }
                Err(why) => {
                    bad.push((path, why));
                    None
                }
            })
        });
        let Ok::<_, std::convert::Infallible>(session) = session;
        self.masks = masks;
        self.arrangement.clone_from(&saved.arrangement);
        self.saved = bad.is_empty().then_some(saved);
        Ok((session, bad))
    }

    /// Saves a session; one without an arrangement keeps the one before.
    pub fn save(&mut self, mut session: Session) -> Result<(), SaveError> {
        self.take_lock()?;
        match &session.arrangement {
            Some(_) => self.arrangement.clone_from(&session.arrangement),
            None => session.arrangement.clone_from(&self.arrangement),
        }
        let mut masks = Vec::new();
        let mut written = false;
        let session = session.with_shapes(|shape| {
            let saved = SavedShape::of(shape, |mask| {
                let (digest, new) = self.put_mask(mask)?;
                written |= new;
                masks.push((Arc::clone(mask), digest));
                Ok(digest)
            });
            saved.map(Some)
        })?;
        self.masks = masks;
        if self.saved.as_ref() == Some(&session) {
            return Ok(());
        }
        let bytes = envelope::seal(&session, None).map_err(|_| SaveError::NotReadable)?;
        // What is not a number has no text in JSON; it must not take the place of what can be read.
        match envelope::open::<Session<SavedShape>>(&bytes) {
            Ok((again, _)) if again == session => {}
            _ => return Err(SaveError::NotReadable),
        }
        if written {
            let folder = self.folder.join(MASKS);
            at(&folder, disk::sync_folder(&folder))?;
        }
        let path = self.session_path();
        at(&path, disk::put(&path, &bytes))?;
        at(&self.folder, disk::sync_folder(&self.folder))?;
        self.saved = Some(session);
        self.remove_unnamed();
        Ok(())
    }

    /// Sees to the file of a mask; its name, and whether it was written now.
    fn put_mask(&self, mask: &Arc<Mask>) -> Result<(Digest, bool), SaveError> {
        let known = self
            .masks
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, mask));
        if let Some((_, digest)) = known {
            return Ok((*digest, false));
        }
        let bytes = mask.encode();
        let digest = Digest::of(&bytes);
        let path = self.mask_path(digest);
        let there = std::fs::metadata(&path).is_ok_and(|file| file.len() == bytes.len() as u64);
        if !there {
            let folder = self.folder.join(MASKS);
            at(&folder, disk::make_folder(&folder))?;
            at(&path, disk::put(&path, &bytes))?;
        }
        Ok((digest, !there))
    }

    /// Removes masks that the session no longer names, and what was never finished.
    fn remove_unnamed(&self) {
        let folder = self.folder.join(MASKS);
        let named: Vec<String> = self
            .masks
            .iter()
            .map(|(_, mask)| mask_name(*mask))
            .collect();
        let names = disk::names(&folder).unwrap_or_default();
        for name in names.into_iter().filter(|name| !named.contains(name)) {
            if let Err(error) = std::fs::remove_file(folder.join(name)) {
                // It takes room and does no harm; the next save tries again.
                tracing::debug!("an old mask stays: {error}");
            }
        }
    }

    /// Keeps the session as it is beside the one that goes on.
    pub fn keep_earlier(&self, image: Digest) -> io::Result<PathBuf> {
        let digest = image.to_string();
        self.copy_aside(&format!("earlier-{}", &digest[..8]))
    }

    fn aside(&self, name: &str) -> io::Result<PathBuf> {
        let mut n = 1;
        loop {
            let aside = match n {
                1 => self.folder.join(name),
                n => self.folder.join(format!("{name}-{n}")),
            };
            if !aside.try_exists()? {
                disk::make_folder(&aside)?;
                return Ok(aside);
            }
            n += 1;
        }
    }

    /// A whole session that could not be read goes out of the way, with its masks.
    fn move_aside(&self) -> io::Result<PathBuf> {
        let aside = self.aside(&format!("damaged-{}", disk::now_secs()))?;
        // The masks first: without them the session would still be there, and be set aside again.
        let masks = self.folder.join(MASKS);
        if masks.try_exists()? {
            std::fs::rename(masks, aside.join(MASKS))?;
        }
        std::fs::rename(self.session_path(), aside.join(SESSION))?;
        disk::sync_folder(&aside)?;
        disk::sync_folder(&self.folder)?;
        Ok(aside)
    }

    fn copy_aside(&self, name: &str) -> io::Result<PathBuf> {
        let aside = self.aside(name)?;
        let (from, to) = (self.folder.join(MASKS), aside.join(MASKS));
        disk::make_folder(&to)?;
        for name in disk::names(&from)? {
            let (from, to) = (from.join(&name), to.join(&name));
            // Masks never change, so one file may have two names, where the system can.
            if std::fs::hard_link(&from, &to).is_err() {
                std::fs::copy(from, to)?;
            }
        }
        disk::put_with(&aside.join(SESSION), |file| {
            io::copy(&mut File::open(self.session_path())?, file).map(drop)
        })?;
        disk::sync_folder(&to)?;
        disk::sync_folder(&aside)?;
        disk::sync_folder(&self.folder)?;
        Ok(aside)
    }

    /// Removes everything that was saved of a study, set aside or not.
    pub fn forget(sessions: &Path, study: StudyId, open: Option<Self>) -> Result<(), SaveError> {
        let folder = sessions.join(study.to_string());
        if !at(&folder, folder.try_exists())? {
            return Ok(());
        }
        let mut store = open.unwrap_or_else(|| Self::at(folder));
        store.take_lock()?;
        at(&store.folder, std::fs::remove_dir_all(&store.folder))?;
        at(sessions, disk::sync_folder(sessions))
    }
}

fn mask_name(mask: Digest) -> String {
    format!("{mask}.mask")
}

fn cannot_be_kept(error: &io::Error) -> Opened {
    Opened::ReadOnly {
        session: None,
        reason: format!(
            "The work saved on this study is damaged and cannot be set aside ({error}). It is left as it \
             is, and nothing is saved; mend that and open the study again."
        ),
    }
}
