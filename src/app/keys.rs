//! Keys and the commands they run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Command;

/// A key with its modifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortcut {
    /// The key's name, as egui names it.
    pub key: String,
    /// With Ctrl (Cmd on a Mac).
    #[serde(default)]
    pub command: bool,
    /// With Shift.
    #[serde(default)]
    pub shift: bool,
    /// With Alt.
    #[serde(default)]
    pub alt: bool,
}

impl Shortcut {
    pub(super) fn plain(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            command: false,
            shift: false,
            alt: false,
        }
    }

    pub(super) fn shift(key: &str) -> Self {
        Self {
            shift: true,
            ..Self::plain(key)
        }
    }

    pub(super) fn ctrl(key: &str) -> Self {
        Self {
            command: true,
            ..Self::plain(key)
        }
    }

    pub(super) fn ctrl_shift(key: &str) -> Self {
        Self {
            shift: true,
            ..Self::ctrl(key)
        }
    }
}

/// The reader's own keys; a command that is not named here has its usual key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyMap {
    /// By [`Command::id`]; `None` for no key.
    changed: BTreeMap<String, Option<Shortcut>>,
}

impl KeyMap {
    /// The key of a command.
    pub fn of(&self, command: Command) -> Option<Shortcut> {
        match self.changed.get(&command.id()) {
            Some(shortcut) => shortcut.clone(),
            None => command.shortcut(),
        }
    }

    /// The command that a key runs.
    pub fn command_of(&self, shortcut: &Shortcut) -> Option<Command> {
        let mut all = Command::all().into_iter();
        all.find(|command| self.of(*command).as_ref() == Some(shortcut))
    }

    /// Gives a command another key, or none. A command that had the key loses it, and is returned.
    pub fn bind(&mut self, command: Command, shortcut: Option<Shortcut>) -> Option<Command> {
        let robbed = shortcut.as_ref().and_then(|s| self.command_of(s));
        let robbed = robbed.filter(|other| *other != command);
        if let Some(other) = robbed {
            self.changed.insert(other.id(), None);
        }
        if shortcut == command.shortcut() {
            self.changed.remove(&command.id());
        } else {
            self.changed.insert(command.id(), shortcut);
        }
        robbed
    }

    /// Gives all commands their usual keys.
    pub fn reset(&mut self) {
        self.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_one_command() {
        let mut keys = KeyMap::default();
        let i = Shortcut::plain("I");
        assert_eq!(keys.command_of(&i), Some(Command::Invert));
        assert_eq!(
            keys.bind(Command::Report, Some(i.clone())),
            Some(Command::Invert)
        );
        assert_eq!(keys.of(Command::Invert), None);
        assert_eq!(keys.command_of(&i), Some(Command::Report));
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(serde_json::from_str::<KeyMap>(&text).unwrap(), keys);
        assert_eq!(keys.bind(Command::Invert, Some(i)), Some(Command::Report));
        assert_eq!(keys.of(Command::Report), None);
        keys.reset();
        assert_eq!(keys, KeyMap::default());
    }
}
