//! The key that turns identities into pseudonyms, the same ones for the same key.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::io::IoError;

/// A longer file is no key that somebody made for this.
const LONGEST: u64 = 1 << 16;

/// A shorter one could be guessed.
const SHORTEST: usize = 16;

/// A secret from which UIDs and pseudonyms are made (HMAC-SHA-256). Without it nobody can tell which
/// identity a pseudonym stands for, or test a guess; with it another run gives the same pseudonyms.
#[derive(Clone)]
pub struct AnonymizeKey([u8; 64]);

impl fmt::Debug for AnonymizeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnonymizeKey(..)")
    }
}

impl AnonymizeKey {
    /// A key that is forgotten after this run: what it made cannot be made again.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> io::Result<Self> {
        Ok(Self::from_secret(&random_bytes()?))
    }

    /// The key in a file of at least 16 bytes. A file that does not exist is made, with a random key that
    /// only its owner may read.
    ///
    /// # Errors
    /// When the file cannot be read or made, or its size is not that of a key.
    pub fn from_file(path: &Path) -> Result<Self, IoError> {
        let unfit = |code, message: &str| IoError::File {
            path: path.to_owned(),
            code,
            message: message.to_owned(),
        };
        if fs::exists(path).map_err(|error| IoError::unreadable(path, error))? {
            let mut secret = Vec::new();
            crate::io::files::open(path)
                .map_err(|refusal| refusal.at(path))?
                .take(LONGEST + 1)
                .read_to_end(&mut secret)
                .map_err(|error| IoError::unreadable(path, error))?;
            let secret = secret.trim_ascii();
            if secret.len() < SHORTEST || secret.len() as u64 > LONGEST {
                return Err(unfit(
                    "key",
                    "no key (16 to 65536 bytes); name a file that does not exist to have one made",
                ));
            }
            return Ok(Self::from_secret(secret));
        }
        let make = || {
            let digits = hex(&random_bytes()?);
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(digits.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            Ok(digits)
        };
        let digits = make().map_err(|error| IoError::write(path, error))?;
        Ok(Self::from_secret(digits.as_bytes()))
    }

    /// The key of any secret bytes.
    pub fn from_secret(secret: &[u8]) -> Self {
        let mut key = [0; 64];
        key[..32].copy_from_slice(&Sha256::digest(secret));
        Self(key)
    }

    /// What stands for `uid`: a UUID-derived UID (PS3.5 B.2) of a name-based UUID (RFC 9562, version 8).
    pub(in crate::io) fn uid(&self, uid: &str) -> String {
        let hash = self.hash("uid", uid);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&hash[..16]);
        uuid[6] = uuid[6] & 0x0F | 0x80;
        uuid[8] = uuid[8] & 0x3F | 0x80;
        format!("2.25.{}", u128::from_be_bytes(uuid))
    }

    /// What stands for an identity of some kind.
    pub(in crate::io) fn pseudonym(&self, kind: &str, identity: &str) -> String {
        format!(
            "ANON{}",
            hex(&self.hash(kind, identity)[..6]).to_uppercase()
        )
    }

    fn hash(&self, kind: &str, value: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_depend_on_key_kind_and_value_alone() {
        let (a, b) = (
            AnonymizeKey::from_secret(b"a"),
            AnonymizeKey::from_secret(b"b"),
        );
        assert_eq!(a.uid("1.2.3"), AnonymizeKey::from_secret(b"a").uid("1.2.3"));
        assert_ne!(a.uid("1.2.3"), b.uid("1.2.3"));
        assert_ne!(a.uid("1.2.3"), a.uid("1.2.4"));
        assert_ne!(a.pseudonym("id", "1"), a.pseudonym("name", "1"));
        assert_ne!(
            AnonymizeKey::random().unwrap().uid("1"),
            AnonymizeKey::random().unwrap().uid("1")
        );
    }

    #[test]
    fn a_hashed_uid_is_a_uid() {
        for n in 0..200 {
            let uid = AnonymizeKey::from_secret(b"key").uid(&n.to_string());
            let digits = uid.strip_prefix("2.25.").unwrap();
            assert!(uid.len() <= 64 && !digits.starts_with('0'), "{uid}");
            let uuid = digits.parse::<u128>().unwrap();
            assert_eq!((uuid >> 76) & 15, 8, "the version");
            assert_eq!((uuid >> 62) & 3, 2, "the variant");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = AnonymizeKey::from_file(&path).unwrap();
        let read = AnonymizeKey::from_file(&path).unwrap();
        assert_eq!(made.uid("1"), read.uid("1"));
        fs::write(&path, "short").unwrap();
        assert!(AnonymizeKey::from_file(&path).is_err());
        assert!(!format!("{made:?}").contains(char::is_numeric));
    }
}
