//! What the hub's own libraries take from the environment, taken in the same way.

use std::io::Read;
use std::path::PathBuf;

/// Largest file with a token that is read.
const LARGEST_TOKEN: u64 = 4096;

/// The value of a variable that is set to something.
pub(super) fn set(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn is_on(name: &str) -> bool {
    let on = ["1", "on", "yes", "true"];
    set(name).is_some_and(|value| on.iter().any(|word| value.eq_ignore_ascii_case(word)))
}

/// Whether nothing may be asked of the hub: `HF_HUB_OFFLINE`.
pub(super) fn is_offline() -> bool {
    is_on("HF_HUB_OFFLINE")
}

/// `HF_HOME`, else `huggingface` in the user's cache folder.
fn home() -> Option<PathBuf> {
    if let Some(home) = set("HF_HOME") {
        return Some(home.into());
    }
    // `~/.cache` on every system, as the hub's libraries have it.
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let user = directories::BaseDirs::new()?;
        Some(user.home_dir().join(".cache"))
    });
    Some(cache?.join("huggingface"))
}

/// The folder of the hub's cache: `HF_HUB_CACHE`, else `hub` in its home. It need not be there.
pub(super) fn cache() -> Option<PathBuf> {
    let named = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE"));
    named
        .map(PathBuf::from)
        .or_else(|| Some(home()?.join("hub")))
}

/// The reader's token: `HF_TOKEN`, else the file that logging in writes, unless `HF_HUB_DISABLE_IMPLICIT_TOKEN` forbids it.
pub(super) fn token() -> Option<String> {
    let named = set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN"));
    if named.is_some() || is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
        return named;
    }
    let place = set("HF_TOKEN_PATH").map(PathBuf::from);
    let place = place.or_else(|| Some(home()?.join("token")))?;
    let mut text = String::new();
    let file = std::fs::File::open(place).ok()?;
    file.take(LARGEST_TOKEN).read_to_string(&mut text).ok()?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
    is_token.then(|| token.to_owned())
}
