//! Names that come from a person or from the hub, checked before they become paths or addresses.

use super::{HubError, published};
use m3d_model::file_names;

const LONGEST: usize = 96;

/// A model's name on the hub, `OWNER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName(String);

impl ModelName {
    /// Takes a published model's short name, or `OWNER/NAME`.
    ///
    /// # Errors
    /// For anything else: a name becomes a folder's name and a part of an address.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        if let Some(model) = published(text) {
            return Ok(model.name());
        }
        match text.split_once('/') {
            Some((owner, name)) if is_plain(owner) && is_plain(name) => Ok(Self(text.to_owned())),
            _ => Err(HubError::Name(text.to_owned())),
        }
    }

    /// A name of this program's own list, which a test has checked.
    pub(super) fn known(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// As the hub writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its folder: `OWNER--NAME`.
    pub fn folder_name(&self) -> String {
        self.0.replace('/', "--")
    }
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A branch, tag or commit on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRevision(String);

impl HubRevision {
    /// Takes a branch, tag or commit.
    ///
    /// # Errors
    /// For what cannot be one.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        if text.split('/').all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(HubError::Revision(text.to_owned()))
        }
    }

    /// As the hub writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for HubRevision {
    fn default() -> Self {
        Self("main".into())
    }
}

/// Letters, digits, `.`, `_` and `-`; neither hidden, nor an option, nor a way up.
fn is_plain(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_')
        && text.len() <= LONGEST
        && !text.contains("..")
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
}

/// What a file of a model is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Settings and tokenizer: small.
    Text,
    /// The index or a part of the weights.
    Part,
    /// All weights in one file.
    Whole,
}

/// Whether and why a file that the hub lists is needed.
///
/// # Errors
/// For a name that leads out of the folder, needed or not: whoever lists one is not to be trusted.
pub(super) fn need(file: &str) -> Result<Option<Need>, HubError> {
    let leads_out = file.is_empty()
        || file.starts_with('/')
        || file.contains(['\\', ':'])
        || file.chars().any(char::is_control)
        || file.split('/').any(|part| part.is_empty() || part == "..");
    if leads_out || file.contains("/../") {
        return Err(HubError::UnsafeFile(file.to_owned()));
    }
    Ok(if file_names::COMPANIONS.contains(&file) {
        Some(Need::Text)
    } else if file == file_names::WEIGHTS {
        Some(Need::Whole)
    } else if file == file_names::WEIGHTS_INDEX || is_part(file) {
        Some(Need::Part)
    } else {
        None
    })
}

/// `model-00001-of-00004.safetensors`.
fn is_part(file: &str) -> bool {
    let middle = file.strip_prefix("model-");
    middle
        .and_then(|rest| rest.strip_suffix(".safetensors"))
        .and_then(|middle| middle.split_once("-of-"))
        .is_some_and(|(n, of)| {
            [n, of]
                .iter()
                .all(|part| part.len() == 5 && part.bytes().all(|c| c.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken() {
        assert_eq!(
            ModelName::parse("a/b-1.0").unwrap().folder_name(),
            "a--b-1.0"
        );
        for bad in [
            "", "a", "a/", "/b", "a/b/c", "../x", "a/..", "a/.b", "-a/b", "a/b\n", "a b/c",
            "a/b?c", "a\\b/c", "a/%2e",
        ] {
            assert!(ModelName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(HubRevision::parse("refs/pr/1").is_ok() && HubRevision::parse("v1.0").is_ok());
        for bad in ["", "..", "a/../b", "a b", "a?x=1", "-x"] {
            assert!(HubRevision::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_needed_ignored_or_refused() {
        assert_eq!(need("config.json").unwrap(), Some(Need::Text));
        assert_eq!(need("model.safetensors").unwrap(), Some(Need::Whole));
        let part = "model-00001-of-00004.safetensors";
        assert_eq!(need(part).unwrap(), Some(Need::Part));
        for other in [
            "README.md",
            "onnx/model.safetensors",
            "model-x.safetensors",
            "a.py",
        ] {
            assert_eq!(need(other).unwrap(), None, "{other}");
        }
        for bad in [
            "../config.json",
            "/etc/x",
            "a/../b",
            "..",
            "a\\b",
            "C:x",
            "a//b",
            "x\0",
        ] {
            assert!(need(bad).is_err(), "{bad:?}");
        }
    }
}
