//! The checkpoints that lie in the program itself, each the files of a folder below `models/`.

/// A checkpoint in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// A small M3D-LaMed, which answers.
    Small,
    /// A small M3D-CLIP, which ranks.
    SmallClip,
}

/// A file's name and what is in it.
pub(super) type File = (&'static str, &'static [u8]);

macro_rules! files {
    ($folder:literal, $($name:literal),+) => {
        &[$((
            $name,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/", $folder, "/", $name)),
        )),+]
    };
}

static SMALL: &[File] = files!(
    "small",
    "added_tokens.json",
    "card.json",
    "class_prompts.safetensors",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.model",
    "tokenizer_config.json"
);
static SMALL_CLIP: &[File] = files!(
    "small-clip",
    "config.json",
    "model.safetensors",
    "vocab.txt"
);

impl BuiltIn {
    /// All of them, the assistant first.
    pub const ALL: [Self; 2] = [Self::Small, Self::SmallClip];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// What to call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::SmallClip => "small-clip",
        }
    }

    /// What to know before believing it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Small => {
                "A small model made from artificial phantoms, with limited abilities; research use only."
            }
            Self::SmallClip => {
                "A small M3D-CLIP made from artificial phantoms, with limited abilities; research use only."
            }
        }
    }

    /// Its files by name, sorted.
    pub(super) fn files(self) -> &'static [File] {
        match self {
            Self::Small => SMALL,
            Self::SmallClip => SMALL_CLIP,
        }
    }

    /// What is in the file of this name.
    pub(super) fn file(self, name: &str) -> Option<&'static [u8]> {
        let found = self.files().iter().find(|(own, _)| *own == name);
        found.map(|(_, bytes)| *bytes)
    }
}
