//! What every target does with the bytes it is given: they are put into files of a folder, which is opened as a reader
//! opens it, and everything found there is read.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::{
    self, AnonymizeKey, AnonymizeOptions, Library, Progress, Series, load_image, load_slice,
    load_time, objects,
};

/// To be called once before the first bytes.
///
/// A panic in the project's code ends the run, even where a decoder's panics are contained; one in another's decoder is
/// only a finding if it is not.
pub fn init() {
    let abort = panic::take_hook();
    panic::set_hook(Box::new(move |about| {
        let place = about.location().map_or("", |place| place.file());
        if place.contains("/registry/") {
            return;
        }
        abort(about);
    }));
}

/// A folder of this process, empty.
///
/// # Panics
/// When it cannot be made.
pub fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("m3d-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
    folder
}

/// Opens a folder or file and reads everything found, whole and slice by slice.
///
/// # Panics
/// When an image has another size than was announced: a finding.
pub fn open(path: &Path) {
    let progress = Progress::silent();
    let Ok(library) = io::scan(path, &progress) else {
        return;
    };
    for series in library.series() {
        read(series);
    }
    read_objects(&library);
    let _ = library.first_series();
    let _ = library.refused_groups();
}

fn read(series: &Series) {
    let progress = Progress::silent();
    let last = u32::try_from(series.times).expect("time points are counted in 32 bits") - 1;
    let middle = series.grid.dims().z / 2;
    if let Ok(slice) = load_slice(series, middle, &progress) {
        assert_eq!(slice.grid().dims().z, 1);
        assert_eq!(
            slice.grid().dims().truncate(),
            series.grid.dims().truncate()
        );
    }
    let times = [Some(0), Some(last).filter(|&last| last > 0)];
    for time in times.into_iter().flatten() {
        let image = if time == 0 {
            load_image(series, &progress)
        } else {
            load_time(series, time, &progress)
        };
        if let Ok(image) = image {
            assert_eq!(*image.volume.grid(), series.grid);
            assert_eq!(image.volume.voxels().len(), series.grid.len());
            let _ = image.volume.statistics();
        }
    }
}

/// The grid of a small image that objects are laid on.
fn small_grid() -> &'static VoxelGrid {
    static GRID: OnceLock<VoxelGrid> = OnceLock::new();
    GRID.get_or_init(|| {
        let image = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/data/objects/dcmqi/24x38x3"
        );
        let library = io::scan(Path::new(image), &Progress::silent()).expect("the image is there");
        library.first_series().expect("it is an image").grid
    })
}

fn read_objects(library: &Library) {
    let own = library.first_series().map(|series| series.grid);
    for object in &library.objects {
        for grid in [Some(*small_grid()), own].into_iter().flatten() {
            let Ok(loaded) = objects::load(object, &grid, &Progress::silent()) else {
                continue;
            };
            assert_eq!(loaded.structures.len(), object.structures.len());
            for structure in &loaded.structures {
                assert_eq!(*structure.mask.grid(), grid);
            }
        }
    }
}

/// Copies a file without identities, and opens the copy.
///
/// # Panics
/// When the key is refused.
pub fn anonymize(path: &Path, out: &Path) {
    let options = AnonymizeOptions {
        key: AnonymizeKey::from_secret(b"the same on every run"),
        keep_burned_in: true,
    };
    if let Ok(done) = io::anonymize(path, out, &options, &Progress::silent())
        && done.images > 0
    {
        let copy = io::scan(out, &Progress::silent());
        assert!(copy.is_ok(), "a copy can be opened");
    }
}

/// Reads an array as a mask and as a label map of the small image.
pub fn read_as_labels(path: &Path) {
    let _ = io::read_mask(path, small_grid());
    let _ = objects::load_label_map(path, small_grid(), &Progress::silent());
}
