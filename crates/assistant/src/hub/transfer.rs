//! One file from the hub to the disk: resumed, counted and summed.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use ureq::Body;
use ureq::http::Response;

use super::record::hex;
use super::{Hub, HubError, Plan, PlannedFile, TransferProgress, TransferStage, TransferStatus};

const CHUNK: usize = 1 << 20;

/// How far all files are.
pub(super) struct Tally<'a> {
    pub progress: TransferProgress<'a>,
    /// Bytes of the files before this one.
    pub before: u64,
    /// Bytes of all files.
    pub total: u64,
}

impl Tally<'_> {
    /// Reports bytes of this file; fails when the caller wants to stop.
    fn at(&self, stage: TransferStage, file: &str, have: u64) -> Result<(), HubError> {
        self.progress.set(TransferStatus {
            stage,
            file,
            done: self.before + have,
            total: self.total,
        });
        self.progress.check()
    }
}

/// What is on disk of a file that is being fetched.
struct Partial<'a> {
    path: &'a Path,
    file: File,
    have: u64,
    hash: Sha256,
}

impl<'a> Partial<'a> {
    /// Opens what an earlier attempt has left and sums it.
    fn open(path: &'a Path, about: &PlannedFile, tally: &Tally) -> Result<Self, HubError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(path).map_err(|e| HubError::write(path, e))?;
        let mut partial = Self {
            path,
            file,
            have: 0,
            hash: Sha256::new(),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            let got = partial.file.read(&mut chunk);
            let got = got.map_err(|e| HubError::read(path, e))?;
            if got == 0 {
                break;
            }
            partial.hash.update(&chunk[..got]);
            partial.have += got as u64;
            tally.at(TransferStage::Checking, &about.name, partial.have)?;
        }
        if partial.have > about.size {
            partial.clear()?;
        }
        Ok(partial)
    }

    fn clear(&mut self) -> Result<(), HubError> {
        let cleared = self.file.set_len(0);
        cleared.map_err(|e| HubError::write(self.path, e))?;
        self.have = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        let written = self.file.write_all(bytes);
        written.map_err(|e| HubError::write(self.path, e))?;
        self.hash.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }
}

/// Why an attempt ended early: for good, or until the next one.
enum Broken {
    For(HubError),
    Now(HubError),
    /// The hub would send something else than what is missing.
    Anew,
}

/// Brings a file to `path` and returns its SHA-256. What an earlier attempt has left there is used;
/// what comes is left there when the connection breaks or the caller stops.
pub(super) fn transfer(
    hub: &Hub,
    plan: &Plan,
    about: &PlannedFile,
    path: &Path,
    tally: &Tally,
) -> Result<String, HubError> {
    let mut partial = Partial::open(path, about, tally)?;
    let mut from_before = partial.have > 0;
    loop {
        complete(hub, plan, about, &mut partial, tally)?;
        match mismatch(&partial, about) {
            None => break,
            // What an earlier attempt left was of another commit, or damaged.
            Some(_) if from_before => partial.clear()?,
            Some(error) => {
                remove(path)?;
                return Err(error);
            }
        }
        from_before = false;
    }
    let synced = partial.file.sync_all();
    synced.map_err(|e| HubError::write(path, e))?;
    Ok(hex(partial.hash))
}

/// Asks again and again until all bytes are here, as long as some come.
fn complete(
    hub: &Hub,
    plan: &Plan,
    about: &PlannedFile,
    partial: &mut Partial,
    tally: &Tally,
) -> Result<(), HubError> {
    let mut pauses = hub.options.pauses.iter();
    let mut fresh_starts = 0;
    while partial.have < about.size {
        let had = partial.have;
        match attempt(hub, plan, about, partial, tally) {
            Ok(()) => {}
            Err(Broken::For(error)) => return Err(error),
            Err(Broken::Anew) if had > 0 && fresh_starts < 2 => {
                fresh_starts += 1;
                partial.clear()?;
            }
            Err(Broken::Anew) => return Err(size_error(about, had)),
            Err(Broken::Now(error)) => {
                if partial.have > had {
                    pauses = hub.options.pauses.iter();
                }
                let pause = pauses.next().ok_or(error)?;
                wait(*pause, about, partial.have, tally)?;
            }
        }
    }
    Ok(())
}

fn mismatch(partial: &Partial, about: &PlannedFile) -> Option<HubError> {
    let listed = about.sha256.as_ref()?;
    let found = hex(partial.hash.clone());
    (found != *listed).then(|| HubError::Hash {
        file: about.name.clone(),
        listed: listed.clone(),
        found,
    })
}

fn remove(path: &Path) -> Result<(), HubError> {
    fs::remove_file(path).map_err(|e| HubError::write(path, e))
}

/// Asks for what is missing and takes what comes.
fn attempt(
    hub: &Hub,
    plan: &Plan,
    about: &PlannedFile,
    partial: &mut Partial,
    tally: &Tally,
) -> Result<(), Broken> {
    tally
        .at(TransferStage::Fetching, &about.name, partial.have)
        .map_err(Broken::For)?;
    let what = format!("{} of {}", about.name, plan.name);
    let asked = hub.file(plan, &about.name, partial.have);
    let mut answer = asked.map_err(|error| Broken::Now(hub.failed(&error, &what)))?;
    match answer.status().as_u16() {
        200 => {
            // The hub starts over, whatever was asked for.
            partial.clear().map_err(Broken::For)?;
            announced(&answer, about, about.size)?;
        }
        206 => {
            let start = header(&answer, "content-range");
            let start = start.and_then(|range| first_byte(range, about.size));
            if start != Some(partial.have) {
                return Err(Broken::Anew);
            }
            announced(&answer, about, about.size - partial.have).map_err(|_| Broken::Anew)?;
        }
        416 => return Err(Broken::Anew),
        429 | 500..=599 => return Err(Broken::Now(hub.refused(&answer, &plan.name, &what))),
        _ => return Err(Broken::For(hub.refused(&answer, &plan.name, &what))),
    }
    let mut body = answer.body_mut().as_reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = match body.read(&mut chunk) {
            Ok(0) if partial.have == about.size => return Ok(()),
            Ok(0) => return Err(broken_off(about, partial.have, "the connection was closed")),
            Ok(got) => got,
            Err(error) => {
                let error = ureq::Error::from(error);
                if matches!(error, ureq::Error::Timeout(_)) {
                    return Err(Broken::Now(hub.failed(&error, &what)));
                }
                return Err(broken_off(about, partial.have, &error.to_string()));
            }
        };
        if partial.have + got as u64 > about.size {
            let sent = partial.have + got as u64;
            let removed = partial.clear().and_then(|()| remove(partial.path));
            removed.map_err(Broken::For)?;
            return Err(Broken::For(size_error(about, sent)));
        }
        partial.add(&chunk[..got]).map_err(Broken::For)?;
        tally
            .at(TransferStage::Fetching, &about.name, partial.have)
            .map_err(Broken::For)?;
    }
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// The first byte of `bytes FIRST-LAST/SIZE`, where the size is the one that is listed.
fn first_byte(range: &str, size: u64) -> Option<u64> {
    let (span, of) = range.strip_prefix("bytes ")?.split_once('/')?;
    let same = of == "*" || of.parse() == Ok(size);
    let first = span.split_once('-')?.0.parse().ok()?;
    same.then_some(first)
}

/// Refuses a body whose announced length is not what is missing.
fn announced(answer: &Response<Body>, about: &PlannedFile, missing: u64) -> Result<(), Broken> {
    let length: Option<u64> = header(answer, "content-length").and_then(|l| l.parse().ok());
    match length {
        Some(length) if length != missing => {
            let sent = about.size - missing + length;
            Err(Broken::For(size_error(about, sent)))
        }
        _ => Ok(()),
    }
}

fn size_error(about: &PlannedFile, sent: u64) -> HubError {
    HubError::Size {
        file: about.name.clone(),
        listed: about.size,
        sent,
    }
}

fn broken_off(about: &PlannedFile, have: u64, reason: &str) -> Broken {
    Broken::Now(HubError::BrokenOff {
        what: about.name.clone(),
        have,
        size: about.size,
        reason: reason.to_owned(),
    })
}

fn wait(pause: Duration, about: &PlannedFile, have: u64, tally: &Tally) -> Result<(), HubError> {
    let begin = Instant::now();
    while let Some(left) = pause.checked_sub(begin.elapsed()) {
        tally.at(TransferStage::Waiting, &about.name, have)?;
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_begins_where_it_says() {
        assert_eq!(first_byte("bytes 10-99/100", 100), Some(10));
        assert_eq!(first_byte("bytes 10-99/*", 100), Some(10));
        assert_eq!(first_byte("bytes 10-99/101", 100), None);
        assert_eq!(first_byte("bytes */100", 100), None);
    }
}
