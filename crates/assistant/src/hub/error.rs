//! What can go wrong between a model's name and its files.

use std::path::{Path, PathBuf};

use super::size_text;
use m3d_model::ModelError;

/// Why there is no model. Each message says what, where and what to do next, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// No name of a model.
    #[error(
        "{0:?} is no model's name; write OWNER/NAME as on the hub, or phi3, llama2 or clip \
         (m3d-viewer model list)"
    )]
    Name(String),
    /// No name of a revision.
    #[error("{0:?} is no revision; give a branch, a tag or a commit of the model")]
    Revision(String),
    /// Nothing on this machine has that name.
    #[error(
        "there is no folder and no model called {0:?}; m3d-viewer model list shows what is here"
    )]
    NotHere(String),
    /// A model that could be fetched and was not.
    #[error(
        "the model {name} is not on this machine; fetch it with: m3d-viewer model fetch {name} ({} to download)",
        size_text(*bytes)
    )]
    NotFetched {
        /// The short name.
        name: String,
        /// What fetching it would cost.
        bytes: u64,
    },
    /// The system names no folder for data.
    #[error("this system has no folder for models; name one in M3D_MODELS, or give --to")]
    NoModelsFolder,
    /// An endpoint that is no address.
    #[error("{0:?} is no address of a hub; HF_ENDPOINT must begin with http:// or https://")]
    Endpoint(String),
    /// The hub may not be asked.
    #[error(
        "HF_HUB_OFFLINE is set and the model is not on this machine; unset it to fetch the model, or give its folder"
    )]
    Offline,
    /// A store of certificates that was named holds none.
    #[error("{variable} names {store}, which holds no certificate that can be read ({reason})")]
    NoRoots {
        /// The variable of the environment.
        variable: &'static str,
        /// What it names.
        store: String,
        /// What the system said.
        reason: String,
    },
    /// Nobody who is believed signed the hub's certificate.
    #[error(
        "{endpoint} shows a certificate that is not trusted ({reason}); where a proxy signs with a root of its own, add \
         that to the system's store, or name its file in SSL_CERT_FILE"
    )]
    Untrusted {
        /// The hub.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
    /// The hub cannot be reached.
    #[error(
        "{endpoint} cannot be reached ({reason}); check the network, the proxy and HF_ENDPOINT"
    )]
    Unreachable {
        /// The hub.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
    /// The hub sent nothing for a long time.
    #[error("{endpoint} sent nothing for {secs} s ({what}); run the same command again to go on")]
    Stalled {
        /// The hub.
        endpoint: String,
        /// What was being read.
        what: String,
        /// How long was waited, seconds.
        secs: u64,
    },
    /// The hub has no such model, revision or file.
    #[error("{endpoint} has no {what}; check the name, the revision and HF_ENDPOINT")]
    NotFound {
        /// The hub.
        endpoint: String,
        /// The model and its revision, or a file of it.
        what: String,
    },
    /// The hub wants to know who asks.
    #[error(
        "{endpoint} refuses {model} ({status}); accept its terms at {endpoint}/{model} in a browser, make \
         an access token there and set it in HF_TOKEN"
    )]
    Refused {
        /// The hub.
        endpoint: String,
        /// The model.
        model: String,
        /// 401 or 403.
        status: u16,
    },
    /// Any other answer that is no file.
    #[error("{endpoint} answered {status} for {what}; try again later")]
    Status {
        /// The hub.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// The status of HTTP.
        status: u16,
    },
    /// A listing that cannot be understood.
    #[error("{endpoint} gave no listing of {model} ({reason}); check HF_ENDPOINT")]
    Listing {
        /// The hub.
        endpoint: String,
        /// The model.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A listed name that leads out of the folder.
    #[error(
        "the hub lists a file called {0:?}, which leads out of the model's folder; nothing was fetched"
    )]
    UnsafeFile(String),
    /// The model lacks what a checkpoint needs.
    #[error("{model} is no checkpoint that this program reads: it lacks {missing}")]
    NoCheckpoint {
        /// The model.
        model: String,
        /// The files.
        missing: String,
    },
    /// A connection broke, again and again.
    #[error(
        "{what} broke off after {have} of {size} bytes ({reason}); run the same command again to go on"
    )]
    BrokenOff {
        /// The file.
        what: String,
        /// Bytes that are here.
        have: u64,
        /// Bytes of the file.
        size: u64,
        /// What the network said.
        reason: String,
    },
    /// The hub lists one size and sends another.
    #[error(
        "{file}: the hub lists {listed} bytes and sends {sent}; nothing of it was kept, try again later"
    )]
    Size {
        /// The file.
        file: String,
        /// Bytes as listed.
        listed: u64,
        /// Bytes as sent, as far as is known.
        sent: u64,
    },
    /// What came is not what the hub lists.
    #[error(
        "{file}: its SHA-256 is {found}, the hub lists {listed}; nothing of it was kept, try again later"
    )]
    Hash {
        /// The file.
        file: String,
        /// The sum as listed.
        listed: String,
        /// The sum of what came.
        found: String,
    },
    /// The disk is too full.
    #[error(
        "{} has {} free and {} are to be fetched; make room, or choose another folder with --to",
        folder.display(), size_text(*free), size_text(*needed)
    )]
    NoRoom {
        /// Where the model should go.
        folder: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Something else has the folder's name.
    #[error("{} holds {what}; move it away, or choose another folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        what: String,
    },
    /// Another process is fetching the same model.
    #[error("{} is being fetched already; wait for that to end", .0.display())]
    Busy(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("{} cannot be {action} ({source}); check the folder, its permissions and the free space", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The checkpoint itself is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The caller asked to stop; what came is kept.
    #[error("cancelled; what has come is kept, and fetching again goes on from there")]
    Cancelled,
}

impl HubError {
    pub(super) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Disk {
            path: path.to_owned(),
            action: "read",
            source,
        }
    }

    pub(super) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Disk {
            path: path.to_owned(),
            action: "written",
            source,
        }
    }
}
