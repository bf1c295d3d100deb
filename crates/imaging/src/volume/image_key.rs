//! What an image is, wherever and whenever it was opened.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256, written in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of one run of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest that a running hash has come to.
    pub fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 64 bits, where a number must do.
    pub fn short(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256 of 64 hexadecimal digits")]
pub struct NotADigest(String);

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let wrong = || NotADigest(text.chars().take(80).collect());
        let digits: Option<Vec<u8>> = text
            .chars()
            // One text for one digest: a changed letter does not go unnoticed.
            .map(|c| c.to_digit(16).filter(|_| !c.is_ascii_uppercase()))
            .map(|digit| digit.map(|digit| digit as u8))
            .collect();
        let digits = digits.filter(|d| d.len() == 64).ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// What an image *is*, wherever and whenever it was opened: findings, answers and caches belong to it.
/// Neither a path nor the number of an opening is part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKey {
    /// An image that its content identifies: a NIfTI file (and the voxels beside its header), or slices of
    /// a patient without a Series Instance UID.
    File {
        /// The SHA-256 of all its bytes; of slices that of the patient, the study and the image's digest.
        sha256: Digest,
    },
    /// A DICOM series of one patient.
    Dicom {
        /// Patient ID (0010,0020) with its issuer (0010,0021), normalised; the name where there is no ID.
        patient: String,
        /// Study Instance UID (0020,000D).
        study_uid: String,
        /// Series Instance UID (0020,000E).
        series_uid: String,
        /// Which volume of the series, from 1, where one series held several.
        part: u32,
    },
}

impl ImageKey {
    /// Whether both say that they are of one patient. What does not say is of the same patient as itself alone.
    pub fn is_same_patient(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dicom { patient: a, .. }, Self::Dicom { patient: b, .. }) => {
                a == b && !a.is_empty()
            }
            _ => self == other,
        }
    }
}

/// An image's name and what it was made of: two readings with the same identity have the same voxels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// What it is.
    pub key: ImageKey,
    /// What it was made of: SHA-256 over the sorted SOP Instance UIDs and pixels of a DICOM series, or
    /// over the bytes of the file. The same key with another digest is a series that was changed.
    pub digest: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_published_one_and_comes_back_from_its_text() {
        // FIPS 180-4, "abc".
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(digest.short(), 0xba78_16bf_8f01_cfea);
        for wrong in [
            "",
            "ba78",
            &text.replace('b', "g"),
            &text.to_uppercase(),
            &format!("{text}0"),
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
