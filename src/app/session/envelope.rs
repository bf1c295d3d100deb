//! A session as the bytes of its file.
//!
//! `{"version": 1, "program": "0.1.0", "sha256": "…", "session": {…}}`, where the digest is that of all the
//! rest: one changed digit of a coordinate would otherwise go unnoticed.

use m3d_imaging::volume::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The form that this program writes, and the newest it reads.
const VERSION: u32 = 1;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvelopeError {
    /// A newer program wrote them.
    #[error(
        "m3d-viewer {program} wrote it in form {version}; this version reads forms up to {VERSION}"
    )]
    Newer { version: u32, program: String },
    /// They are cut off or changed.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u32,
    program: &'a str,
    /// What the names of images were hashed with, where the patient's identity was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Digest>,
    sha256: Digest,
    #[serde(borrow)]
    session: &'a RawValue,
}

/// What every form starts with.
#[derive(Deserialize)]
struct Head {
    version: u32,
    #[serde(default)]
    program: String,
}

/// The bytes of a content.
pub(super) fn seal(content: &impl Serialize, salt: Option<Digest>) -> serde_json::Result<Vec<u8>> {
    let session = serde_json::value::to_raw_value(content)?;
    let program = env!("CARGO_PKG_VERSION");
    serde_json::to_vec(&Envelope {
        version: VERSION,
        program,
        salt,
        sha256: checksum(program, salt, session.get()),
        session: &session,
    })
}

fn checksum(program: &str, salt: Option<Digest>, session: &str) -> Digest {
    let salt = salt.map(|salt| salt.to_string()).unwrap_or_default();
    Digest::of([program, &salt, session].join("\n").as_bytes())
}

/// The content of such bytes, and the salt.
pub(super) fn open<T: DeserializeOwned>(
    bytes: &[u8],
) -> Result<(T, Option<Digest>), EnvelopeError> {
    let damaged = |error: serde_json::Error| EnvelopeError::Damaged(error.to_string());
    let Head { version, program } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version > VERSION {
        return Err(EnvelopeError::Newer { version, program });
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(damaged)?;
    let text = envelope.session.get();
    let checksum = checksum(envelope.program, envelope.salt, text);
    if version != VERSION || checksum != envelope.sha256 {
        return Err(EnvelopeError::Damaged("its checksum is wrong".into()));
    }
    let content = serde_json::from_str(text).map_err(damaged)?;
    Ok((content, envelope.salt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        let numbers: Vec<f64> = (1..2000_u32)
            .map(|n| f64::from(n).sqrt() * 1e-3_f64.powi((n % 7) as i32))
            .collect();
        let bytes = seal(&numbers, None).unwrap();
        assert_eq!(open::<Vec<f64>>(&bytes), Ok((numbers, None)));
    }

    #[test]
    fn every_change_is_noticed() {
        let bytes = seal(&(vec![1.5, 2.25], "a name"), None).unwrap();
        for end in 0..bytes.len() {
            assert!(
                open::<(Vec<f64>, String)>(&bytes[..end]).is_err(),
                "cut at {end}"
            );
        }
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [("1.5", "1.6"), ("name", "game"), ("[", "{")] {
            let changed = text.replace(from, to);
            let found = open::<(Vec<f64>, String)>(changed.as_bytes());
            assert!(matches!(found, Err(EnvelopeError::Damaged(_))), "{changed}");
        }
    }

    #[test]
    fn a_newer_form_is_known_whatever_it_holds() {
        let bytes = br#"{"version": 2, "program": "9.1.0", "work": [1, 2]}"#;
        let newer = EnvelopeError::Newer {
            version: 2,
            program: "9.1.0".into(),
        };
        assert_eq!(open::<()>(bytes), Err(newer));
    }
}
