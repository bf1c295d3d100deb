//! The same image gives the same answers however its axes are stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::UVec3;
use m3d_assistant::inference::{
    Answer, Event, GenerationSettings, Preparation, Request, Session, Task, prepare,
};
use m3d_imaging::geometry::{AxisOrder, OrderedCrop, VoxelBox};
use m3d_imaging::io::{Progress, load, scan};
use m3d_imaging::volume::{Mask, Volume, Voxels, Window};
use m3d_model::{BuiltIn, DTypeChoice, DeviceChoice, ModelFolder};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &Path) -> Volume {
    let library = scan(path, &Progress::silent()).unwrap();
    let series = library.series().next().unwrap();
    load(series, &Progress::silent()).unwrap()
}

/// The same voxels in the same places, stored in another order.
fn stored_in(order: AxisOrder, volume: &Volume) -> Volume {
    let grid = order.grid(volume.grid()).unwrap();
    let whole = OrderedCrop::new(order, UVec3::ZERO, volume.grid().dims());
    let dims = grid.dims();
    let stored = (0..dims.z)
        .flat_map(|k| (0..dims.y).flat_map(move |j| (0..dims.x).map(move |i| UVec3::new(i, j, k))))
        .map(|voxel| {
            let offset = volume.grid().offset(whole.voxel(voxel)).unwrap();
            volume.voxels().get(offset).unwrap()
        });
    let voxels = match volume.voxels() {
        Voxels::F32(_) => Voxels::F32(stored.collect()),
        Voxels::I16(_) => Voxels::I16(stored.map(|v| v as i16).collect()),
        Voxels::U16(_) => Voxels::U16(stored.map(|v| v as u16).collect()),
        other => Voxels::I32({
            assert!(other.bytes_per_voxel() <= 4);
            stored.map(|v| v as i32).collect()
        }),
    };
    let (rescale, modality, units) = (volume.rescale(), volume.modality(), volume.units());
    Volume::new(grid, voxels, rescale, modality, units).unwrap()
}

fn ask(
    session: &mut Session,
    volume: &Arc<Volume>,
    revision: u64,
    task: Task,
    text: &str,
) -> Answer {
    let request = Request {
        id: revision,
        volume: Arc::clone(volume),
        revision,
        task,
        text: text.to_owned(),
        voxel_box: None,
        window: Window::SOFT_TISSUE,
        settings: GenerationSettings::default(),
    };
    let mut answer = None;
    let mut hear = |event| match event {
        Event::Done(done) => answer = Some(*done),
        Event::Failed(error) => panic!("{error}"),
        _ => {}
    };
    session.ask(&request, &mut hear, &|| false);
    answer.unwrap()
}

/// A mask of the reordered image on the grid of the first one.
fn brought_back(mask: &Mask, order: AxisOrder, first: &Volume) -> Mask {
    let whole = OrderedCrop::new(order, UVec3::ZERO, first.grid().dims());
    let to_stored = whole.voxel_from_ordered().inverse();
    Mask::from_fn(*first.grid(), |voxel| {
        mask.contains(
            to_stored
                .transform_point3(voxel.as_dvec3())
                .round()
                .as_uvec3(),
        )
    })
}

/// Asks about the image in four orders: as it is, as dcm2niix and FSL write it, and turned.
fn same_answers(path: &Path) {
    let place = ModelFolder::from(BuiltIn::Small);
    let (cpu, f32s) = (DeviceChoice::Cpu, DTypeChoice::F32);
    let mut session = Session::load(place, cpu, f32s, &|_| {}).unwrap();
    let first = Arc::new(read(path));
    let questions = [
        (Task::Seg, "liver"),
        (Task::Rec, "aorta"),
        (Task::Report, "report"),
    ];
    let wanted = questions.map(|(task, text)| ask(&mut session, &first, 0, task, text));
    let liver = wanted[0].mask.as_ref().unwrap();
    assert!(liver.volume_ml() > 100.0, "{}", liver.volume_ml());
    let mirrored = AxisOrder::new([0, 1, 2], [true, false, false]);
    let upside_down = AxisOrder::new([0, 1, 2], [true, true, false]);
    let turned = AxisOrder::new([2, 0, 1], [false, true, true]);
    for (n, order) in (1..).zip([mirrored, upside_down, turned].into_iter().flatten()) {
        let image = Arc::new(stored_in(order, &first));
        for (wanted, (task, text)) in wanted.iter().zip(questions) {
            let found = ask(&mut session, &image, n, task, text);
            assert_eq!(found.text, wanted.text, "{order:?} {text}");
            assert_eq!(found.boxes.len(), wanted.boxes.len());
            for (found, wanted) in found.boxes.iter().zip(&wanted.boxes) {
                let corners = found.patient_corners(image.grid());
                let home = VoxelBox::from_patient_corners(first.grid(), corners);
                let apart = (home.min - wanted.min)
                    .abs()
                    .max((home.max - wanted.max).abs());
                assert!(apart.max_element() < 1e-6, "{order:?} {text}: {apart}");
            }
            assert_eq!(found.mask.is_some(), wanted.mask.is_some());
            if let Some((found, wanted)) = found.mask.as_ref().zip(wanted.mask.as_ref()) {
                let home = brought_back(found, order, &first);
                assert_eq!(home, **wanted, "{order:?} {text}");
            }
        }
        session.forget_images();
    }
}

/// What a model gets of the image, and where what it draws comes home, in all 48 orders, to the last bit.
fn same_preparation(path: &Path) {
    let first = read(path);
    let size = [32, 64, 64];
    let window = Window::SOFT_TISSUE;
    for way in [Preparation::Segmentation, Preparation::Caption { window }] {
        let wanted = prepare(&first, way, size, &|| false).unwrap();
        // A mask with an outline that no mirroring leaves as it is.
        let logits: Vec<f32> = wanted.voxels.iter().map(|v| v - 0.3).collect();
        let mask = wanted.frame.mask_from_logits(&logits);
        assert!(mask.count() > 1000);
        for order in AxisOrder::all() {
            let image = stored_in(order, &first);
            let found = prepare(&image, way, size, &|| false).unwrap();
            assert_eq!(found.voxels, wanted.voxels, "{order:?}");
            let home = found.frame.mask_from_logits(&logits);
            assert_eq!(brought_back(&home, order, &first), mask, "{order:?}");
        }
    }
}

#[test]
fn a_slab_is_prepared_alike_in_all_storage_orders() {
    same_preparation(&root().join("assets/sample/ct_abdomen"));
}

#[test]
fn a_slab_answers_the_same_however_it_is_stored() {
    same_answers(&root().join("assets/sample/ct_abdomen"));
}

#[test]
fn a_whole_abdomen_answers_the_same_however_it_is_stored() {
    let shared = root().join("../shared/data/nifti_ct_totalseg/example_ct.nii.gz");
    if shared.is_file() {
        same_preparation(&shared);
        same_answers(&shared);
    } else {
        eprintln!("skipped: {} is not there", shared.display());
    }
}
