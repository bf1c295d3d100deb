//! A session as one file to take along (`.m3dsession`): a zip of `session.json` and `masks/SHA256.mask`, in
//! the form of the session's folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use m3d_imaging::volume::{Digest, Mask};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::content::{SavedShape, Session};
use super::{StudyId, anonymous, disk, envelope};
use crate::app::workspace::Shape;

const SESSION: &str = "session.json";

/// Limits of what is read: what comes from elsewhere is not trusted.
const MOST_ENTRIES: usize = 10_000;
const MOST_SESSION_BYTES: u64 = 64 << 20;
const MOST_FILE_BYTES: u64 = 1 << 30;
/// Bytes of all masks once they are unpacked.
const MOST_MASK_BYTES: usize = 2 << 30;

/// Why a session could not be written to a file or read from one.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortableError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// It is no session that can be opened.
    #[error("{}: this session cannot be opened: {why}", path.display())]
    Form { path: PathBuf, why: String },
}

/// A session from a file, as it was read.
#[derive(Debug)]
pub(super) struct Portable {
    pub session: Session,
    /// What UIDs were hashed with, where the patient's identity was left out.
    pub salt: Option<Digest>,
}

/// Writes a session, whole or not at all.
pub(super) fn write(
    path: &Path,
    session: Session,
    study: StudyId,
    with_identity: bool,
) -> Result<(), PortableError> {
    let failed = |source: io::Error| PortableError::Io {
        path: path.to_owned(),
        source,
    };
    let mut masks = BTreeMap::new();
    let saved = session.with_shapes(|shape| {
        let saved = SavedShape::of(shape, |mask: &Arc<Mask>| {
            let bytes = mask.encode();
            let digest = Digest::of(&bytes);
            masks.insert(digest, bytes);
            Ok::<_, std::convert::Infallible>(digest)
        });
        saved.map(Some)
    });
    let Ok(mut saved) = saved;
    leave_others_out(&mut saved, study);
    let salt = (!with_identity)
        .then(fresh_salt)
        .transpose()
        .map_err(failed)?;
    if let Some(salt) = salt {
        saved = anonymous::session(saved, salt);
    }
    let text = envelope::seal(&saved, salt).map_err(|error| failed(error.into()))?;
    let written = disk::put_with(path, |file| {
        let mut zip = ZipWriter::new(io::BufWriter::new(file));
        // Without the time, which is a date of the patient's too.
        let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
        let packed = options.compression_method(CompressionMethod::Deflated);
        zip.start_file(SESSION, packed)?;
        zip.write_all(&text)?;
        // Masks are packed already.
        let stored = options.compression_method(CompressionMethod::Stored);
        for (digest, bytes) in &masks {
            zip.start_file(format!("masks/{digest}.mask"), stored)?;
            zip.write_all(bytes)?;
        }
        zip.finish()?.flush()
    });
    written.map_err(failed)
}

/// Views may show images of other studies, and of other patients, beside this one.
fn leave_others_out(session: &mut Session<SavedShape>, study: StudyId) {
    let views = session.arrangement.iter_mut().flat_map(|a| &mut a.views);
    for (_, view) in views {
        if view
            .base()
            .is_some_and(|base| StudyId::of(&base.image) != study)
        {
            view.layers.clear();
        }
        view.layers
            .retain(|layer| StudyId::of(&layer.image) == study);
    }
}

fn fresh_salt() -> io::Result<Digest> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    Ok(Digest::of(&salt))
}

/// Reads a session.
pub(super) fn read(path: &Path) -> Result<Portable, PortableError> {
    let file = File::open(path).map_err(|source| PortableError::Io {
        path: path.to_owned(),
        source,
    })?;
    read_from(file).map_err(|why| PortableError::Form {
        path: path.to_owned(),
        why,
    })
}

fn read_from(file: impl Read + Seek) -> Result<Portable, String> {
    let mut zip = ZipArchive::new(file).map_err(|error| error.to_string())?;
    if zip.len() > MOST_ENTRIES {
        return Err(format!("it holds {} files", zip.len()));
    }
    let (mut text, mut masks) = (None, BTreeMap::new());
    let mut left = MOST_FILE_BYTES;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|error| error.to_string())?;
        let name = entry
            .name()
            .map_err(|error| error.to_string())?
            .into_owned();
        let most = if name == SESSION {
            MOST_SESSION_BYTES
        } else {
            left
        };
        let mut bytes = Vec::new();
        // The size that the file claims is not believed.
        let read = entry.take(most.min(left) + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() as u64 > most.min(left) {
            return Err(format!("{name} is too large"));
        }
        left -= bytes.len() as u64;
        let double = match mask_of(&name) {
            None if name == SESSION => text.replace(bytes).is_some(),
            None => return Err(format!("{name:?} is no part of a session")),
            Some(digest) => masks.insert(digest, bytes).is_some(),
        };
        if double {
            return Err(format!("{name} is there twice"));
        }
    }
    let text = text.ok_or("it holds no session.json")?;
    let opened = envelope::open::<Session<SavedShape>>(&text);
    let (saved, salt) = opened.map_err(|error| error.to_string())?;
    let mut room = MOST_MASK_BYTES;
    let session = saved.with_shapes(|shape| {
        let file = |digest| {
            masks
                .get(&digest)
                .cloned()
                .ok_or("a mask is missing".to_owned())
        };
        // A mask takes no more than a bit for each voxel of its grid, and some for its bricks.
        if let SavedShape::Mask { grid, .. } = &shape
            && grid.len() / 8 > MOST_MASK_BYTES
        {
            return Err("a mask is too large".to_owned());
        }
        let shape = shape.into_shape(file)?;
        if let Shape::Mask(mask) = &shape {
            room = room
                .checked_sub(mask.grid().len() / 8)
                .ok_or("its masks are too large")?;
        }
        Ok(Some(shape))
    })?;
    Ok(Portable { session, salt })
}

fn mask_of(name: &str) -> Option<Digest> {
    let digest = name.strip_prefix("masks/")?.strip_suffix(".mask")?;
    // One name for one mask: upper case would be another.
    digest
        .parse()
        .ok()
        .filter(|parsed: &Digest| parsed.to_string() == digest)
}
