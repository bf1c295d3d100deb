//! The models on this machine and where to get them.
//!
//! ```text
//! name -> remote: what the hub has -> fetch: <models>/<owner>--<name>.part -> renamed when complete
//!                                                                    local: what is here, by name
//!                                                                    verify: is it whole, is it sound
//! ```
//!
//! hf-hub knows how the hub is addressed: endpoint, token, the address of a file, the request for a
//! listing. It keeps files in a cache of links, checks no sum, has no time-out and cannot be stopped,
//! so the bytes are read here, through ureq, the transport it stands on.

mod catalogue;
mod disk;
mod environment;
mod error;
mod export;
mod fetch;
pub mod local;
mod names;
mod progress;
mod record;
mod remote;
mod roots;
mod transfer;
mod verify;
mod weights;

pub use catalogue::{ModelKind, PUBLISHED, Published, published};
pub use disk::free_bytes;
pub use error::HubError;
pub use export::export;
pub use fetch::{Fetched, fetch, target};
pub use local::LocalModel;
pub use m3d_model::{BuiltIn, ModelFolder};
pub use names::{HubRevision, ModelName};
pub use progress::{TransferProgress, TransferStage, TransferStatus};
pub use record::{FetchRecord, FileRecord, RECORD_FILE};
pub use remote::{DEFAULT_ENDPOINT, Hub, HubOptions, Plan, PlannedFile};
pub use verify::{FileCheck, NotFinite, Verification, verify};

/// A size as people read it: `16.2 GB`, `792 MB`.
pub fn size_text(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.0} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.0} kB", b / 1e3),
        b => format!("{b} bytes"),
    }
}

/// A number of parameters as people read it: `4.05 B`, `198 M`.
pub fn parameters_text(count: u64) -> String {
    let count = count as f64;
    match count {
        c if c >= 1e9 => format!("{:.2} B", c / 1e9),
        c if c >= 1e7 => format!("{:.0} M", c / 1e6),
        c if c >= 1e6 => format!("{:.1} M", c / 1e6),
        c => format!("{:.0} k", c / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(size_text(16_196_407_616), "16.2 GB");
        assert_eq!(size_text(792_000_000), "792 MB");
        assert_eq!(size_text(12), "12 bytes");
        assert_eq!(parameters_text(4_049_101_904), "4.05 B");
        assert_eq!(parameters_text(198_000_000), "198 M");
        assert_eq!(parameters_text(9_870_000), "9.9 M");
    }
}
