//! Where the sets lie, and where a path that a list names leads. Never out of the data.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ListRow, ReadError};

/// The four sets of M3D-Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetKind {
    Cap,
    Vqa,
    Seg,
    RefSeg,
}

impl SetKind {
    /// The set that a folder's or a file's name stands for: `M3D_Cap`, `M3D-Cap`, `M3D_Cap_npy`.
    fn of(name: &str) -> Option<Self> {
        let name = normal(name);
        match name.strip_suffix("_npy").unwrap_or(&name) {
            "m3d_cap" => Some(Self::Cap),
            "m3d_vqa" => Some(Self::Vqa),
            "m3d_seg" => Some(Self::Seg),
            "m3d_refseg" => Some(Self::RefSeg),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Cap => "M3D-Cap",
            Self::Vqa => "M3D-VQA",
            Self::Seg => "M3D-Seg",
            Self::RefSeg => "M3D-RefSeg",
        }
    }

    const fn list(self) -> &'static str {
        match self {
            Self::Cap => "M3D_Cap/M3D_Cap.json",
            Self::Vqa => "M3D_VQA/M3D_VQA_{train,val,test}.csv",
            Self::Seg => "M3D_Seg/0000/0000.json",
            Self::RefSeg => "M3D_RefSeg/M3D_RefSeg_{train,test}.csv",
        }
    }
}

/// Lower case, with `_` for `-`.
pub(super) fn normal(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// The folder that was given, and the sets' folders in it.
#[derive(Debug)]
pub(super) struct Root {
    base: PathBuf,
    sets: Vec<(SetKind, PathBuf)>,
}

impl Root {
    /// Looks for sets in a folder; where it is a set's own folder, in the one it lies in.
    pub fn open(given: &Path) -> Result<Self, ReadError> {
        let own = given
            .file_name()
            .and_then(|name| SetKind::of(&name.to_string_lossy()));
        let base = match (own, given.parent()) {
            (Some(_), Some(above)) if above.as_os_str().is_empty() => Path::new("."),
            (Some(_), Some(above)) => above,
            _ => given,
        };
        let entries = fs::read_dir(base).map_err(|source| ReadError::unreadable(base, source))?;
        let mut sets: Vec<(SetKind, PathBuf)> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .filter_map(|path| Some((SetKind::of(&path.file_name()?.to_string_lossy())?, path)))
            .collect();
        // What is prepared (`_npy`) comes before the raw files of the same set, and what was given first.
        sets.sort_by(|(_, a), (_, b)| {
            let rank = |path: &Path| {
                let npy = path.to_string_lossy().to_lowercase().ends_with("npy");
                (path != given, !npy)
            };
            rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
        });
        Ok(Self {
            base: base.to_owned(),
            sets,
        })
    }

    /// The folders that may be the set's, the likeliest first.
    pub fn folders(&self, kind: SetKind) -> impl Iterator<Item = &Path> {
        let named = self.sets.iter().filter(move |(k, _)| *k == kind);
        named
            .map(|(_, path)| path.as_path())
            .chain([self.base.as_path()])
    }

    /// The error of a set that is not there.
    pub fn lacks(&self, kind: SetKind) -> ReadError {
        ReadError::NoSet {
            root: self.base.clone(),
            set: kind.name(),
            wanted: kind.list(),
        }
    }

    /// Where a path that a list in `folder` names may lead, the likeliest first.
    fn candidates(&self, folder: &Path, named: &str) -> Result<Vec<PathBuf>, String> {
        let text = named.trim().replace('\\', "/");
        if text.is_empty() || text.contains('\0') {
            return Err("it names no file; complete the row".to_owned());
        }
        let parts: Vec<&str> = text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") {
            return Err(format!(
                "{named:?} leads out of its folder; write paths without .."
            ));
        }
        let absolute = text.starts_with('/') || parts.first().is_some_and(|p| p.contains(':'));
        let mut found = Vec::new();
        if !absolute {
            let below: PathBuf = parts.iter().collect();
            found.extend([folder.join(&below), self.base.join(&below)]);
        } else if Path::new(&text).starts_with(&self.base) {
            found.push(PathBuf::from(&text));
        }
        // `/elsewhere/M3D_Seg_npy/0000/1/image.npy`: the data was prepared in another place.
        for (n, part) in parts.iter().enumerate().rev() {
            if let Some(kind) = SetKind::of(part) {
                let below: PathBuf = parts[n + 1..].iter().collect();
                let of_kind = self.sets.iter().filter(|(k, _)| *k == kind);
                found.extend(of_kind.map(|(_, set)| set.join(&below)));
            }
        }
        // Lists made before preparing name the images they were made from.
        let arrays: Vec<PathBuf> = found.iter().filter_map(|path| prepared(path)).collect();
        found.extend(arrays);
        if found.is_empty() {
            return Err(format!(
                "{named:?} is an absolute path outside {}; write paths relative to it",
                self.base.display()
            ));
        }
        Ok(found)
    }
}

/// `ct.npy` for `ct.nii.gz`.
fn prepared(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(".nii.gz")
        .or_else(|| name.strip_suffix(".nii"))?;
    Some(path.with_file_name(format!("{stem}.npy")))
}

/// Where a list lies: all that its rows share.
#[derive(Debug)]
pub(super) struct Origin {
    pub root: Arc<Root>,
    pub folder: PathBuf,
    pub file: Arc<Path>,
}

/// A file as a list names it.
#[derive(Clone, Debug)]
pub struct FileName {
    named: String,
    place: ListRow,
    origin: Arc<Origin>,
}

impl FileName {
    /// Checks that the name does not lead out of the data; whether there is such a file is seen later.
    pub(super) fn new(
        named: &str,
        place: &ListRow,
        origin: &Arc<Origin>,
    ) -> Result<Self, ReadError> {
        origin
            .root
            .candidates(&origin.folder, named)
            .map_err(|message| place.error(message))?;
        Ok(Self {
            named: named.trim().to_owned(),
            place: place.clone(),
            origin: Arc::clone(origin),
        })
    }

    /// The name as it is written in the list.
    pub fn as_written(&self) -> &str {
        &self.named
    }

    /// The row that names it.
    pub const fn place(&self) -> &ListRow {
        &self.place
    }

    /// The folders of the name, and the file.
    pub(super) fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.named.split(['/', '\\']).filter(|p| !p.is_empty())
    }

    /// Where the file is.
    ///
    /// # Errors
    /// When there is none, with the places that were looked at.
    pub fn path(&self) -> Result<PathBuf, ReadError> {
        let candidates = self
            .origin
            .root
            .candidates(&self.origin.folder, &self.named)
            .map_err(|message| self.place.error(message))?;
        if let Some(found) = candidates.iter().find(|path| path.is_file()) {
            return Ok(found.clone());
        }
        let mut looked: Vec<String> = Vec::new();
        for path in &candidates {
            let text = path.display().to_string();
            if !looked.contains(&text) {
                looked.push(text);
            }
        }
        Err(self.place.error(format!(
            "there is no {} (looked for as {}); prepare the set, or mend the list",
            self.named,
            looked.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("data");
        for set in ["M3D_Cap_npy", "M3D-Cap", "M3D_Seg_npy"] {
            fs::create_dir_all(base.join(set)).unwrap();
        }
        let root = Root::open(&base).unwrap();
        let first: Vec<_> = root.folders(SetKind::Cap).collect();
        assert_eq!(first[0], base.join("M3D_Cap_npy"));
        let seg = base.join("M3D_Seg_npy");
        for bad in [
            "../x.npy",
            "a/../../x.npy",
            "..\\x.npy",
            "/etc/passwd",
            "C:\\x.npy",
            " ",
            "",
            "./..",
        ] {
            assert!(root.candidates(&seg, bad).is_err(), "{bad}");
        }
        for (named, wanted) in [
            ("0000/1/image.npy", "M3D_Seg_npy/0000/1/image.npy"),
            ("./M3D_Cap_npy/a.npy", "M3D_Cap_npy/a.npy"),
            ("M3D-Cap/a.npy", "M3D_Cap_npy/a.npy"),
            ("/far/away/M3D_Seg_npy/0001/a.npy", "M3D_Seg_npy/0001/a.npy"),
            ("0000\\1\\image.npy", "M3D_Seg_npy/0000/1/image.npy"),
            ("M3D_Seg/s1/ct.nii.gz", "M3D_Seg_npy/s1/ct.npy"),
        ] {
            let found = root.candidates(&seg, named).unwrap();
            assert!(found.contains(&base.join(wanted)), "{named}: {found:?}");
            assert!(found.iter().all(|path| path.starts_with(&base)));
        }
        let own = Root::open(&seg).unwrap();
        assert_eq!(own.base, base);
        assert_eq!(own.folders(SetKind::Seg).next(), Some(seg.as_path()));
    }
}
