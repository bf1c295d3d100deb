//! Models in the hub's own cache, where its libraries keep what they have downloaded.
//!
//! ```text
//! CACHE/models--OWNER--NAME/refs/main              a commit
//! CACHE/models--OWNER--NAME/snapshots/COMMIT/...   links to the files
//! ```

use std::fs;
use std::path::{Path, PathBuf};

/// Longest name of a commit that is read.
const LONGEST: usize = 128;

/// The folder with the files of a model, `OWNER/NAME`, at a branch, tag or commit, and the commit; none where the cache
/// has it not. A repository without the branch `main` that has one snapshot has no other to mean.
pub fn snapshot(cache: &Path, model: &str, revision: &str) -> Option<(PathBuf, String)> {
    let (owner, name) = model.split_once('/')?;
    if ![owner, name]
        .into_iter()
        .chain(revision.split('/'))
        .all(is_plain)
    {
        return None;
    }
    let repository = cache.join(format!("models--{owner}--{name}"));
    let snapshots = repository.join("snapshots");
    let at = |commit: &str| {
        let folder = snapshots.join(commit);
        (is_plain(commit) && folder.is_dir()).then(|| (folder, commit.to_owned()))
    };
    let named = fs::read_to_string(repository.join("refs").join(revision)).ok();
    if let Some(commit) = named.filter(|text| text.len() <= LONGEST) {
        return at(commit.trim());
    }
    at(revision).or_else(|| {
        let mut there = fs::read_dir(&snapshots).ok()?.flatten();
        let (only, more) = (there.next()?, there.next());
        let is_it = revision == "main" && more.is_none();
        is_it
            .then(|| at(&only.file_name().to_string_lossy()))
            .flatten()
    })
}

/// A name, neither hidden nor a way up or down.
fn is_plain(part: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !part.is_empty() && part.len() <= LONGEST && !part.starts_with('.') && part.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_found_by_its_branch_or_commit() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--a--b.c");
        fs::create_dir_all(repository.join("snapshots/0123")).unwrap();
        let found = |revision| snapshot(cache.path(), "a/b.c", revision).map(|(_, commit)| commit);
        // It can only be that one.
        assert_eq!(found("main").as_deref(), Some("0123"));
        fs::create_dir_all(repository.join("snapshots/4567")).unwrap();
        assert_eq!(found("main"), None);
        fs::create_dir_all(repository.join("refs/pr")).unwrap();
        fs::write(repository.join("refs/main"), "4567\n").unwrap();
        fs::write(repository.join("refs/pr/1"), "89ab").unwrap();
        assert_eq!(found("main").as_deref(), Some("4567"));
        assert_eq!(found("0123").as_deref(), Some("0123"));
        // A commit whose files are not there, and ways out.
        assert_eq!(found("pr/1"), None);
        fs::write(repository.join("refs/main"), "../../..").unwrap();
        assert_eq!(found("main"), None);
        assert_eq!(snapshot(cache.path(), "a/../b", "main"), None);
        assert_eq!(snapshot(cache.path(), "a/b.c", "../snapshots/0123"), None);
    }
}
