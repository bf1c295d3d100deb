//! Fonts of the system, for letters that the program's own face lacks: names in Chinese, Korean, Hebrew, Thai and so on.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use skrifa::raw::tables::cmap::Cmap;
use skrifa::raw::{FontData as Bytes, FontRead as _};
use skrifa::{FontRef, GlyphId};

/// The most bytes of a font file; those with all ideographs have some 20 MB.
const MOST_BYTES: u64 = 128 << 20;
/// The most bytes of a table of characters.
const MOST_TABLE: u32 = 4 << 20;
/// The most files that are looked at, and how deep they lie.
const MOST_FILES: usize = 4000;
const DEEPEST: usize = 6;
/// The most faces of a collection.
const MOST_FACES: u32 = 64;

/// Names of files, the most fitting first: faces without serifs that go with the window's own.
const KNOWN: [&str; 26] = [
    "notosanscjk",
    "sourcehansans",
    "notosans",
    "droidsansfallback",
    "wqy-microhei",
    "wqy-zenhei",
    "pingfang",
    "hiraginosans",
    "hiragino",
    "applesdgothicneo",
    "msyh",
    "malgun",
    "meiryo",
    "yugoth",
    "msgothic",
    "simhei",
    "arialunicode",
    "arialuni",
    "arial unicode",
    "nanumgothic",
    "leelaw",
    "nirmala",
    "segoeui",
    "tahoma",
    "dejavusans",
    "freesans",
];

/// Words in names of files of faces that stand out in a line.
const STANDS_OUT: [&str; 12] = [
    "bold",
    "italic",
    "oblique",
    "light",
    "thin",
    "black",
    "medium",
    "mono",
    "condensed",
    "serif",
    "emoji",
    "symbol",
];

/// The fonts of the system, looked for when they are wanted first.
#[derive(Debug, Default)]
pub struct SystemFonts {
    faces: OnceLock<Vec<Face>>,
}

/// A font that was read.
#[derive(Clone, Debug)]
pub struct SystemFont {
    /// Its file, and its place there.
    pub name: String,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// Its place in a collection.
    pub index: u32,
}

/// A face with the characters it has.
#[derive(Debug)]
struct Face {
    path: PathBuf,
    /// Its place in a collection.
    index: u32,
    /// Its `cmap` table.
    characters: Vec<u8>,
}

impl SystemFonts {
    /// Only what lies in these folders.
    pub fn in_folders(folders: &[PathBuf]) -> Self {
        Self {
            faces: OnceLock::from(faces_in(folders)),
        }
    }

    /// Looks for fonts, where that was not done yet; it takes a moment.
    pub fn look(&self) {
        self.faces();
    }

    fn faces(&self) -> &[Face] {
        self.faces.get_or_init(|| faces_in(&folders()))
    }

    /// The most fitting font that has a letter.
    pub fn with(&self, letter: char) -> Option<SystemFont> {
        let fitting = self.faces().iter().filter(|face| face.has(letter));
        fitting.take(3).find_map(Face::read)
    }
}

impl Face {
    fn has(&self, letter: char) -> bool {
        let Ok(table) = Cmap::read(Bytes::new(&self.characters)) else {
            return false;
        };
        table
            .map_codepoint(letter)
            .is_some_and(|glyph| glyph != GlyphId::NOTDEF)
    }

    fn read(&self) -> Option<SystemFont> {
        let bytes = fs::read(&self.path).ok()?;
        if let Err(error) = FontRef::from_index(&bytes, self.index) {
            tracing::debug!("{} is no font: {error}", self.path.display());
            return None;
        }
        Some(SystemFont {
            name: format!("{}#{}", self.path.display(), self.index),
            bytes,
            index: self.index,
        })
    }
}

/// Where systems keep fonts.
fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = [
        "/usr/share/fonts",
        "/usr/local/share/fonts",
        "/System/Library/Fonts",
        "/Library/Fonts",
    ]
    .map(PathBuf::from)
    .to_vec();
    let below = |variable: &str, folder: &str| {
        let base = std::env::var_os(variable).filter(|base| !base.is_empty());
        base.map(|base| PathBuf::from(base).join(folder))
    };
    folders.extend(below("XDG_DATA_HOME", "fonts"));
    for folder in [".fonts", ".local/share/fonts", "Library/Fonts"] {
        folders.extend(below("HOME", folder));
    }
    folders.extend(below("WINDIR", "Fonts"));
    folders.extend(below("LOCALAPPDATA", "Microsoft/Windows/Fonts"));
    folders
}

/// The faces below folders, the most fitting first.
fn faces_in(folders: &[PathBuf]) -> Vec<Face> {
    let mut files = Vec::new();
    for folder in folders {
        walk(folder, DEEPEST, &mut files);
    }
    files.sort_by_cached_key(|path| (rank(path), path.clone()));
    files.dedup();
    files.iter().flat_map(|path| faces_of(path)).collect()
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if files.len() == MOST_FILES {
            return;
        }
        let path = entry.path();
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        if about.is_dir() && depth > 0 {
            walk(&path, depth - 1, files);
        } else if about.is_file() && about.len() <= MOST_BYTES && is_font(&path) {
            files.push(path);
        }
    }
}

fn is_font(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["ttf", "otf", "ttc", "otc"].iter().any(|e| ending == *e)
}

/// How fitting a file is by its name; the least is the best.
fn rank(path: &Path) -> (bool, usize) {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    let known = KNOWN.iter().position(|known| name.starts_with(known));
    let stands_out = STANDS_OUT.iter().any(|word| name.contains(word));
    (stands_out, known.unwrap_or(KNOWN.len()))
}

/// The faces of a file; none where it is damaged.
fn faces_of(path: &Path) -> Vec<Face> {
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    let offsets = offsets(&mut file).unwrap_or_default();
    let faces = (0..).zip(offsets).filter_map(|(index, offset)| {
        Some(Face {
            path: path.to_owned(),
            index,
            characters: characters(&mut file, offset)?,
        })
    });
    faces.collect()
}

/// Where the faces of a file begin: one, or those of a collection.
fn offsets(file: &mut File) -> Option<Vec<u32>> {
    let head: [u8; 12] = read_at(file, 0, 12)?.try_into().ok()?;
    if &head[..4] != b"ttcf" {
        return Some(vec![0]);
    }
    let count = u32::from_be_bytes(head[8..].try_into().ok()?).min(MOST_FACES);
    let table = read_at(file, 12, count * 4)?;
    Some(numbers(&table).collect())
}

/// The `cmap` table of the face that begins at `offset`.
fn characters(file: &mut File, offset: u32) -> Option<Vec<u8>> {
    let head = read_at(file, offset, 12)?;
    let count = u16::from_be_bytes([head[4], head[5]]);
    let tables = read_at(file, offset.checked_add(12)?, u32::from(count) * 16)?;
    let entry = tables.chunks_exact(16).find(|e| &e[..4] == b"cmap")?;
    let [at, length] = [8, 12].map(|n| numbers(&entry[n..n + 4]).next());
    let length = length.filter(|length| *length <= MOST_TABLE)?;
    read_at(file, at?, length)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let fours = bytes.chunks_exact(4);
    fours.map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

fn read_at(file: &mut File, offset: u32, length: u32) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(u64::from(offset))).ok()?;
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::TEXT_FACE;

    #[test]
    fn a_font_is_found_by_the_letters_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("truetype/some");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("Some-Regular.ttf"), TEXT_FACE).unwrap();
        fs::write(deep.join("broken.ttf"), &TEXT_FACE[..3000]).unwrap();
        fs::write(deep.join("empty.otf"), b"").unwrap();
        fs::write(deep.join("lies.ttc"), b"ttcf\0\x01\0\0\xff\xff\xff\xff").unwrap();
        fs::write(deep.join("readme.txt"), b"no font").unwrap();
        let fonts = SystemFonts::in_folders(&[folder.path().to_owned()]);
        let found = fonts.with('Ж').unwrap();
        assert!(found.name.ends_with("Some-Regular.ttf#0"), "{}", found.name);
        assert!(fonts.with('中').is_none());
    }

    #[test]
    fn plain_faces_without_serifs_come_first() {
        let mut names = [
            "NotoSerifCJK-Regular.ttc",
            "DejaVuSans-Bold.ttf",
            "Whatever.ttf",
            "DejaVuSans.ttf",
            "NotoSansCJK-Regular.ttc",
        ];
        names.sort_by_key(|name| rank(Path::new(name)));
        assert_eq!(
            names[..3],
            ["NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Whatever.ttf"]
        );
    }
}
