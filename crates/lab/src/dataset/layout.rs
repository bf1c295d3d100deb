//! M3D-Data's own layout, written from phantoms.
//!
//! ```text
//! OUT/M3D_Cap/M3D_Cap.json                    {train, validation, test: [{image, text}]}
//! OUT/M3D_Cap/ct_case/000000/image.npy        1xDxHxW f32, prepared as displayed; text.txt beside it
//! OUT/M3D_VQA/M3D_VQA_{train,val,test}.csv    image path, question, choices, answer, letter, type
//! OUT/M3D_Seg/dataset_info.json               {"0000": [names of the classes]}
//! OUT/M3D_Seg/0000/0000.json                  {train, test: [{image, label}]}
//! OUT/M3D_Seg/0000/000000/image.npy           1xDxHxW f32; masks/mask_K.npy 1xDxHxW u8, or 1x1x1x1 zero
//! OUT/M3D_RefSeg/M3D_RefSeg_{train,test}.csv  image, mask, mask id, question, answer
//! OUT/M3D_RefSeg/000000/                      image.npy; mask_K.npy, 1 inside (all 0 of what is absent)
//! OUT/nifti/000000{,_labels,_findings}.nii.gz where asked for
//! ```

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::templates::{PairTask, pair};
use super::{Phantom, PhantomError, Random, Scene, Target, VqaType, report, vqa};
use m3d_imaging::io::{IoError, write_nifti, write_npy_f32, write_npy_u8};
use m3d_imaging::volume::{Modality, Rescale, Units, Volume, Voxels};

/// Why a data set cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The folder is in use.
    #[error("{} is not empty; give a folder that is empty or not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// A folder or a file cannot be made.
    #[error("{} cannot be written ({source}); check the folder and the free space", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An array or an image cannot be written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A phantom cannot be made.
    #[error(transparent)]
    Phantom(#[from] PhantomError),
}

/// The part of a data set that a case belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// To learn from.
    Train,
    /// To watch the learning with.
    Validation,
    /// To measure with.
    Test,
}

impl Split {
    /// Of ten cases the last is for tests and the one before for validation.
    pub const fn of(index: usize) -> Self {
        match index % 10 {
            9 => Self::Test,
            8 => Self::Validation,
            _ => Self::Train,
        }
    }
}

/// A phantom prepared in both of the reference's ways.
#[derive(Clone, Debug)]
pub struct PreparedPhantom {
    /// `[D,H,W]`, 0 to 1, prepared as captions and questions are.
    pub caption_image: Vec<f32>,
    /// What is in that image.
    pub caption_scene: Scene,
    /// `[D,H,W]`, 0 to 1, prepared as segmentation data is.
    pub image: Vec<f32>,
    /// What is in that image.
    pub scene: Scene,
}

#[derive(serde::Serialize)]
struct Caption {
    image: String,
    text: String,
}

#[derive(serde::Serialize)]
struct Labelled {
    image: String,
    label: String,
}

/// The lists that end up in the index files.
#[derive(Default)]
struct Lists {
    captions: [Vec<Caption>; 3],
    vqa: [String; 3],
    masks: [Vec<Labelled>; 2],
    references: [String; 2],
}

/// Writes cases one after another and the indices at the end.
pub struct LayoutWriter {
    root: PathBuf,
    lists: Lists,
    nifti: bool,
}

const VQA_HEAD: &str =
    "Image Path,Question Type,Question,Choice A,Choice B,Choice C,Choice D,Answer,Answer Choice\n";
const REFERENCE_HEAD: &str = "Image,Mask,Mask_ID,Question,Answer\n";
/// The one data set's tag.
const TAG: &str = "0000";

impl LayoutWriter {
    /// Starts a data set in a folder that is empty or is made now; with `nifti`, volumes and label maps
    /// are written for viewers, too.
    ///
    /// # Errors
    /// When there is anything in the folder or it cannot be made.
    pub fn new(root: &Path, nifti: bool) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::Write {
            path: root.to_owned(),
            source,
        };
        match fs::read_dir(root) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(DatasetError::NotEmpty(root.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(root).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self {
            root: root.to_owned(),
            lists: Lists::default(),
            nifti,
        })
    }

    /// Writes one case. Cases may come in any order; each index comes once.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(
        &mut self,
        index: usize,
        phantom: &Phantom,
        prepared: &PreparedPhantom,
    ) -> Result<(), DatasetError> {
        let case = format!("{index:06}");
        let mut random = Random::new(phantom.seed, "text");
        self.add_caption(&case, index, prepared, &mut random)?;
        self.add_masks(&case, index, prepared)?;
        self.add_references(&case, index, prepared, &mut random)?;
        if self.nifti {
            self.add_nifti(&case, phantom)?;
        }
        Ok(())
    }

    fn add_caption(
        &mut self,
        case: &str,
        index: usize,
        prepared: &PreparedPhantom,
        random: &mut Random,
    ) -> Result<(), DatasetError> {
        let scene = &prepared.caption_scene;
        let folder = format!("ct_case/{case}");
        let place = self.folder(&format!("M3D_Cap/{folder}"))?;
        write_npy_f32(
            &place.join("image.npy"),
            &shape(scene.size),
            &prepared.caption_image,
        )?;
        let text = report(scene, random);
        put(&place.join("text.txt"), &text)?;
        let split = Split::of(index) as usize;
        self.lists.captions[split].push(Caption {
            image: format!("{folder}/image.npy"),
            text: format!("{folder}/text.txt"),
        });
        for kind in VqaType::ALL {
            let Some(item) = vqa(scene, kind, random) else {
                continue;
            };
            let image = format!("M3D_Cap/{folder}/image.npy");
            let number = kind.number().to_string();
            let letter = item.letter().to_string();
            let [a, b, c, d] = &item.choices;
            let words = [
                &image,
                &number,
                &item.question,
                a,
                b,
                c,
                d,
                item.answer(),
                &letter,
            ];
            let words: [&str; 9] = words.map(AsRef::as_ref);
            csv(&mut self.lists.vqa[split], &words);
        }
        Ok(())
    }

    fn add_masks(
        &mut self,
        case: &str,
        index: usize,
        prepared: &PreparedPhantom,
    ) -> Result<(), DatasetError> {
        let scene = &prepared.scene;
        let place = self.folder(&format!("M3D_Seg/{TAG}/{case}/masks"))?;
        let image = place.with_file_name("image.npy");
        write_npy_f32(&image, &shape(scene.size), &prepared.image)?;
        let split = usize::from(Split::of(index) == Split::Test);
        for (class, target) in Target::all().enumerate() {
            let path = place.join(format!("mask_{class}.npy"));
            let mask = scene.mask(target);
            if mask.contains(&1) {
                write_npy_u8(&path, &shape(scene.size), &mask)?;
            } else {
                write_npy_u8(&path, &[1, 1, 1, 1], &[0])?;
            }
            self.lists.masks[split].push(Labelled {
                image: format!("{TAG}/{case}/image.npy"),
                label: format!("{TAG}/{case}/masks/mask_{class}.npy"),
            });
        }
        Ok(())
    }

    fn add_references(
        &mut self,
        case: &str,
        index: usize,
        prepared: &PreparedPhantom,
        random: &mut Random,
    ) -> Result<(), DatasetError> {
        let scene = &prepared.scene;
        let place = self.folder(&format!("M3D_RefSeg/{case}"))?;
        write_npy_f32(
            &place.join("image.npy"),
            &shape(scene.size),
            &prepared.image,
        )?;
        let split = usize::from(Split::of(index) == Split::Test);
        let [present, absent] = scene.targets();
        for (from, count) in [(&present, 6), (&absent, 2)] {
            for _ in 0..count {
                let Some(&target) = random.pick(from) else {
                    continue;
                };
                let described = random.chance(0.6);
                let Some(made) = pair(scene, PairTask::Seg, target, described, random) else {
                    continue;
                };
                // A finding lies within a structure, so each class has a file of its own.
                let class = Target::all().position(|t| t == target).unwrap_or(0);
                let file = format!("mask_{class}.npy");
                write_npy_u8(&place.join(&file), &shape(scene.size), &scene.mask(target))?;
                let words = [
                    format!("M3D_RefSeg/{case}/image.npy"),
                    format!("M3D_RefSeg/{case}/{file}"),
                    "1".to_owned(),
                    made.question,
                    made.answer,
                ];
                let words: [&str; 5] = std::array::from_fn(|n| words[n].as_str());
                csv(&mut self.lists.references[split], &words);
            }
        }
        Ok(())
    }

    fn add_nifti(&self, case: &str, phantom: &Phantom) -> Result<(), DatasetError> {
        let place = self.folder("nifti")?;
        write_nifti(&place.join(format!("{case}.nii.gz")), &phantom.volume)?;
        for (name, labels) in [
            ("labels", &phantom.labels),
            ("findings", &phantom.finding_labels),
        ] {
            let map = Volume::new(
                *phantom.grid(),
                Voxels::U8(labels.clone()),
                Rescale::IDENTITY,
                Modality::Other,
                Units::Arbitrary,
            )
            .map_err(PhantomError::from)?;
            write_nifti(&place.join(format!("{case}_{name}.nii.gz")), &map)?;
        }
        Ok(())
    }

    /// Writes the indices.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(self) -> Result<(), DatasetError> {
        let [train, validation, test] = &self.lists.captions;
        let index = serde_json::json!({ "train": train, "validation": validation, "test": test });
        put(&self.root.join("M3D_Cap/M3D_Cap.json"), &pretty(&index))?;
        let vqa = self.folder("M3D_VQA")?;
        for (name, rows) in ["train", "val", "test"].iter().zip(&self.lists.vqa) {
            put(
                &vqa.join(format!("M3D_VQA_{name}.csv")),
                &format!("{VQA_HEAD}{rows}"),
            )?;
        }
        let names: Vec<&str> = Target::all().map(Target::name).collect();
        let seg = self.root.join("M3D_Seg");
        put(
            &seg.join("dataset_info.json"),
            &pretty(&serde_json::json!({ TAG: names })),
        )?;
        let [train, test] = &self.lists.masks;
        let labels: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .enumerate()
            .map(|(n, name)| (n.to_string(), serde_json::json!(name)))
            .collect();
        let index = serde_json::json!({
            "name": "phantoms",
            "labels": labels,
            "train": train,
            "test": test,
        });
        put(&seg.join(TAG).join(format!("{TAG}.json")), &pretty(&index))?;
        let references = self.folder("M3D_RefSeg")?;
        for (name, rows) in ["train", "test"].iter().zip(&self.lists.references) {
            let text = format!("{REFERENCE_HEAD}{rows}");
            put(&references.join(format!("M3D_RefSeg_{name}.csv")), &text)?;
        }
        let terms = self.root.join("term_dictionary.json");
        let dictionary: serde_json::Map<String, serde_json::Value> = Target::all()
            .map(|t| (t.name().to_owned(), serde_json::json!([t.description()])))
            .collect();
        put(&terms, &pretty(&serde_json::Value::Object(dictionary)))
    }

    fn folder(&self, below: &str) -> Result<PathBuf, DatasetError> {
        let path = self.root.join(below);
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(DatasetError::Write { path, source }),
        }
    }
}

fn shape([d, h, w]: [usize; 3]) -> [usize; 4] {
    [1, d, h, w]
}

fn put(path: &Path, text: &str) -> Result<(), DatasetError> {
    fs::write(path, text).map_err(|source| DatasetError::Write {
        path: path.to_owned(),
        source,
    })
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// One row of a table (RFC 4180): words with commas, quotes or line ends are quoted.
fn csv(table: &mut String, words: &[&str]) {
    for (n, word) in words.iter().enumerate() {
        if n > 0 {
            table.push(',');
        }
        if word.contains([',', '"', '\n', '\r']) {
            // Writing to a string does not fail.
            let _ = write!(table, "\"{}\"", word.replace('"', "\"\""));
        } else {
            table.push_str(word);
        }
    }
    table.push('\n');
}
