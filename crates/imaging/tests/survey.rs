//! Surveys of real CTs and of images made up for one property each.

#[path = "survey/support.rs"]
mod support;

use glam::DVec3;
use m3d_imaging::geometry::BodyLevel;
use m3d_imaging::survey::{Content, Coverage, InView, Survey};
use m3d_imaging::volume::{Modality, Rescale, Stated, Units, Volume, Voxels};
use support::{
    codes, cut, load, mapped, of, painted, random, says_side, scanned, shared, shows, slab,
    stored_as, volume,
};

#[test]
fn a_slab_of_the_upper_abdomen_shows_neither_bladder_nor_brain() {
    let survey = of(&slab());
    assert_eq!(survey.modality, Modality::Ct);
    assert_eq!(survey.content, Content::Anatomy);
    assert_eq!(survey.voxels, [512, 512, 20]);
    assert!(
        survey
            .field_of_view_mm
            .distance(DVec3::new(500.0, 500.0, 40.0))
            < 1e-6
    );
    assert_eq!(codes(&survey), [""; 0]);
    for (upper, lower) in [("S3", "symphysis"), ("S2", "S5"), ("vertex", "skull base")] {
        assert_eq!(shows(&survey, upper, lower), InView::Not, "{upper}");
    }
    // Liver, spleen, stomach, aorta.
    for (upper, lower) in [("T10", "L2"), ("T10", "L1"), ("T4", "L4")] {
        assert_ne!(shows(&survey, upper, lower), InView::Not, "{upper}");
    }
    // The vertebrae in it by its labels: T11 and T12.
    let Coverage { top, bottom } = survey.coverage.unwrap();
    let truth = [17.5_f32, 19.5].map(|level| BodyLevel(level).adult_mm());
    for (end, truth) in [(top, truth[0]), (bottom, truth[1])] {
        let found = end.level.adult_mm();
        assert!((found - truth).abs() < 60.0, "{end:?}");
        assert!(
            end.highest.adult_mm() < truth && truth < end.lowest.adult_mm(),
            "{end:?}"
        );
    }
}

/// One image, 48 ways to store it, one answer.
#[test]
fn the_order_of_voxels_changes_nothing() {
    let mut images = vec![cut(&slab(), [2, 1, 0], [511, 490, 19], [4, 5, 1])];
    if let Some(path) = shared("nifti_ct_totalseg/example_ct.nii.gz") {
        let image = load(&path);
        images.push(cut(&image, [0, 0, 0], [121, 100, 110], [2, 3, 2]));
    }
    for image in images {
        let wanted = of(&image);
        assert!(wanted.coverage.is_some());
        let mut orders = 0;
        for axes in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            for bits in 0..8 {
                let reversed = [0, 1, 2].map(|n| bits >> n & 1 == 1);
                let other = stored_as(&image, axes, reversed);
                assert_eq!(of(&other), wanted, "{axes:?} {reversed:?}");
                orders += 1;
            }
        }
        assert_eq!(orders, 48);
    }
}

/// Files of the wide collection are taken for what their makers say they are.
#[test]
fn files_are_known_for_what_they_are() {
    use Modality::{Ct, Mr, Other, Pet};
    for (path, content, modality) in [
        (
            "nifti_ct_totalseg/example_ct_sm.nii.gz",
            Content::Anatomy,
            Ct,
        ),
        (
            "nifti_ct_totalseg/example_mr_sm.nii.gz",
            Content::Anatomy,
            Other,
        ),
        (
            "nifti_ct_totalseg/example_seg.nii.gz",
            Content::LabelMap,
            Other,
        ),
        (
            "nifti_ct_totalseg/example_seg_mr.nii.gz",
            Content::LabelMap,
            Other,
        ),
        (
            "ct_siemens_j2k_abdomen/example_seg_dicom.nii.gz",
            Content::LabelMap,
            Other,
        ),
        (
            "ibsi_sts008_ct_mr_pet/nifti/CT_image.nii.gz",
            Content::Anatomy,
            Ct,
        ),
        (
            "ibsi_sts008_ct_mr_pet/nifti/CT_mask.nii.gz",
            Content::LabelMap,
            Other,
        ),
        (
            "ibsi_sts008_ct_mr_pet/nifti/MR_T1_image.nii.gz",
            Content::Anatomy,
            Other,
        ),
        (
            "ibsi_sts008_ct_mr_pet/nifti/PET_image.nii.gz",
            Content::Anatomy,
            Other,
        ),
        (
            "ibsi_sts008_ct_mr_pet/dicom/PET/image",
            Content::Anatomy,
            Pet,
        ),
        (
            "ibsi_sts008_ct_mr_pet/dicom/MR_T1/image",
            Content::Anatomy,
            Mr,
        ),
        (
            "dcmqi_ct_seg/segmentations/24x38x3/image",
            Content::LabelMap,
            Ct,
        ),
        (
            "nifti_misc_niivue/LAS_drawing_correct.nii.gz",
            Content::LabelMap,
            Other,
        ),
        ("nifti_misc_niivue/ras.hdr", Content::Anatomy, Other),
        (
            "nifti_rs_resources/avg152T1_LR_nifti.nii.gz",
            Content::Anatomy,
            Other,
        ),
        ("nifti_rs_resources/zstat1.nii.gz", Content::Anatomy, Other),
        ("nifti_orientations_12/PSL.nii.gz", Content::Anatomy, Other),
        (
            "mr_12bit_signed_unsigned/Ref/4.nii.gz",
            Content::Anatomy,
            Other,
        ),
        (
            "mr_siemens_xa30_enhanced/Ref/6_anat-T1w_acq-tfl.nii.gz",
            Content::Anatomy,
            Other,
        ),
    ] {
        let Some(file) = shared(path) else {
            continue;
        };
        let survey = of(&load(&file));
        assert_eq!(
            (survey.content, survey.modality),
            (content, modality),
            "{path}"
        );
    }
}

/// Slabs cut from a real CT whose vertebrae are labelled: the truth lies within the error that is told, and no organ
/// that is there is said to be out of view.
#[test]
fn slabs_of_a_labelled_ct_lie_where_they_were_cut() {
    let Some(folder) = shared("nifti_ct_totalseg") else {
        return;
    };
    let image = load(&folder.join("example_ct.nii.gz"));
    let labels = load(&folder.join("example_seg_fast_force_split.nii.gz"));
    let dims = image.grid().dims();
    // The middles of S1, L5 to L1 and T12, by the mean slice of their labels.
    let middles = [26, 27, 28, 29, 30, 31, 32].map(|label| mean_slice(&labels, label));
    let levels = [25.0, 24.0, 23.0, 22.0, 21.0, 20.0, 19.0];
    let level_of = |k: f64| -> f32 {
        let n = (1..6).find(|&n| middles[n] > k).unwrap_or(6);
        let part = (k - middles[n - 1]) / (middles[n] - middles[n - 1]);
        levels[n - 1] - part as f32
    };
    let organs = [
        (vec![5], "T10", "L2"),
        (vec![1], "T10", "L1"),
        (vec![2, 3], "T12", "L3"),
        (vec![6], "T10", "L2"),
        (vec![21], "S3", "symphysis"),
        (vec![10, 11, 12, 13, 14], "T1", "T12"),
        (vec![22], "S5", "symphysis"),
    ];
    let (mut ends, mut inside) = (0, 0);
    for length in [14, 27, 54, 80, dims.z] {
        for low in (0..=dims.z - length).step_by(9) {
            let [a, b] = [[0, 0, low], [dims.x, dims.y, low + length]];
            let survey = of(&cut(&image, a, b, [1, 1, 1]));
            let coverage = survey.coverage.unwrap();
            let name = format!("{low} to {}: {coverage:?}", low + length);
            for (end, k) in [(coverage.top, low + length), (coverage.bottom, low)] {
                let truth = BodyLevel(level_of(f64::from(k) - 0.5)).adult_mm();
                let [high, low] = [end.highest, end.lowest].map(BodyLevel::adult_mm);
                ends += 1;
                inside += i32::from(high <= truth && truth <= low);
            }
            let here = cut(&labels, a, b, [1, 1, 1]).values_f32();
            for (labels, upper, lower) in &organs {
                let is_label = |value: &&f32| labels.contains(&(**value as u32));
                let voxels = here.iter().filter(is_label).count();
                let shown = shows(&survey, upper, lower);
                assert!(
                    voxels < 200 || shown != InView::Not,
                    "{upper} {voxels} in {name}"
                );
            }
            assert_eq!(
                shows(&survey, "vertex", "skull base"),
                InView::Not,
                "{name}"
            );
        }
    }
    assert!(inside * 100 >= ends * 95, "{inside} of {ends}");

    let whole = of(&image);
    assert!(whole.modality_by_values && whole.modality == Modality::Ct);
    assert_eq!(shows(&whole, "T5", "T9"), InView::Not);
    assert_ne!(shows(&whole, "T12", "L3"), InView::Not);
    for (upper, lower) in [("T10", "L2"), ("S3", "symphysis")] {
        assert_eq!(shows(&whole, upper, lower), InView::Partly, "{upper}");
    }
    assert!(whole.coverage.unwrap().top.error_mm() < 60.0);
}

fn mean_slice(labels: &Volume, label: u32) -> f64 {
    let dims = labels.grid().dims();
    let area = dims.x as usize * dims.y as usize;
    let values = labels.values_f32();
    let slices: Vec<usize> = (0..values.len())
        .filter(|&n| values[n] as u32 == label)
        .map(|n| n / area)
        .collect();
    slices.iter().sum::<usize>() as f64 / slices.len() as f64
}

/// An ellipsoid around the origin with half axes in mm: below 1 inside.
fn ellipsoid(at: DVec3, half: [f64; 3]) -> f64 {
    (at / DVec3::from_array(half)).length()
}

#[test]
fn a_head_is_no_trunk() {
    let head = scanned([100, 100, 40], [2.5, 2.5, 4.0], |at| {
        let at = at + DVec3::new(0.0, 0.0, 30.0);
        let [skin, skull, brain] = [[78.0, 98.0, 100.0], [72.0, 92.0, 94.0], [66.0, 86.0, 88.0]]
            .map(|half| ellipsoid(at, half) < 1.0);
        match (skin, skull, brain) {
            (false, ..) => -1000.0,
            (_, false, _) => -20.0,
            (.., false) => 900.0,
            _ => 35.0,
        }
    });
    let survey = of(&head);
    assert!(survey.modality_by_values);
    assert!(codes(&survey).contains(&"domain_region"), "{survey:?}");
    for (upper, lower) in [("T10", "L2"), ("T5", "T9"), ("S3", "symphysis")] {
        assert_eq!(shows(&survey, upper, lower), InView::Not);
    }
    assert!(matches!(
        shows(&survey, "vertex", "skull base"),
        InView::Partly | InView::Whole
    ));
}

#[test]
fn legs_are_no_trunk() {
    let legs = scanned([110, 60, 80], [4.0, 4.0, 5.0], |at| {
        let from = (at.truncate() - glam::DVec2::new(95.0 * at.x.signum(), 0.0)).length();
        match from {
            r if r < 8.0 => 100.0,
            r if r < 15.0 => 1100.0,
            r if r < 65.0 => 55.0,
            r if r < 80.0 => -100.0,
            _ => -1000.0,
        }
    });
    let survey = of(&legs);
    assert!(codes(&survey).contains(&"domain_region"), "{survey:?}");
    for (upper, lower) in [("T10", "L2"), ("T5", "T9"), ("vertex", "skull base")] {
        assert_eq!(shows(&survey, upper, lower), InView::Not);
    }
}

/// A cube of 10 cm out of the middle of the body: no skin, no ribs, no lung.
#[test]
fn what_tells_little_is_unknown() {
    let survey = of(&cut(&slab(), [200, 200, 0], [310, 310, 20], [1, 1, 1]));
    let Coverage { top, bottom } = survey.coverage.unwrap();
    for end in [top, bottom] {
        assert!(end.error_mm() > 150.0, "{end:?}");
    }
    for (upper, lower) in [("T10", "L2"), ("S3", "symphysis"), ("T5", "T9")] {
        assert_eq!(shows(&survey, upper, lower), InView::Unknown, "{upper}");
    }
}

#[test]
fn ct_is_known_by_its_values_however_it_is_stored() {
    let slab = slab();
    let of_values = |change: &dyn Fn(f32) -> f32| of(&mapped(&slab, Modality::Other, change));
    let mut noise = random(5);
    let mut noisy = slab.values_f32();
    for value in &mut noisy {
        *value += 160.0 * (noise() + noise() + noise() - 1.5);
    }
    let noisy = Volume::new(
        *slab.grid(),
        Voxels::F32(noisy),
        Rescale::IDENTITY,
        Modality::Other,
        Units::Arbitrary,
    )
    .unwrap();
    let fovs = [
        ("as it is", of_values(&|v| v)),
        (
            "padded",
            of_values(&|v| if v < -1000.0 { -3024.0 } else { v }),
        ),
        ("clipped", of_values(&|v| v.clamp(-200.0, 300.0))),
        ("noisy", of(&noisy)),
        (
            "cut without air",
            of(&cut(
                &mapped(&slab, Modality::Other, |v| v),
                [180, 200, 0],
                [360, 340, 20],
                [1, 1, 1],
            )),
        ),
    ];
    for (name, survey) in fovs {
        assert_eq!(
            (survey.modality, survey.modality_by_values),
            (Modality::Ct, true),
            "{name}"
        );
        assert_eq!(survey.content, Content::Anatomy, "{name}");
        assert_eq!(codes(&survey), ["taken_as_ct"], "{name}");
        // Whatever is left of the evidence, no organ that is there is lost.
        assert_ne!(shows(&survey, "T10", "L2"), InView::Not, "{name}");
    }
    // Tissue, but not in HU.
    for (name, change) in [
        ("an offset", &(|v: f32| v + 1024.0) as &dyn Fn(f32) -> f32),
        ("8 bits", &|v: f32| {
            ((v + 160.0) / 400.0 * 255.0).clamp(0.0, 255.0).floor()
        }),
        ("0 to 1", &|v: f32| ((v + 200.0) / 500.0).clamp(0.0, 1.0)),
    ] {
        let survey = of_values(change);
        assert_eq!(
            (survey.modality, survey.modality_by_values),
            (Modality::Other, false),
            "{name}"
        );
        assert_eq!(survey.content, Content::Anatomy, "{name}");
        assert_eq!(codes(&survey), ["domain_modality"], "{name}");
        assert_eq!(survey.coverage, None, "{name}");
    }
    // What the file says goes before the values, unless it calls them a CT's.
    let mr = of(&mapped(&slab, Modality::Mr, |v| v));
    assert_eq!(
        (mr.modality, codes(&mr)),
        (Modality::Mr, vec!["domain_modality"])
    );
    let ct = of(&mapped(&slab, Modality::Ct, |v| v + 1024.0));
    assert_eq!(
        (ct.modality, codes(&ct)),
        (Modality::Ct, vec!["domain_values"])
    );
    assert_eq!(ct.coverage, None);
}

#[test]
fn labels_noise_and_nothing_are_no_anatomy() {
    let dims = [60, 50, 40];
    let spacing = [3.0, 3.0, 3.0];
    let ball = |at: DVec3, x: f64, r: f64| (at - DVec3::new(x, 0.0, 0.0)).length() < r;
    let mask = painted(dims, spacing, |at| {
        f32::from(u8::from(ball(at, 10.0, 30.0)))
    });
    let speck = painted(dims, spacing, |at| f32::from(u8::from(ball(at, 1.0, 2.5))));
    let label_map = painted(dims, spacing, |at| {
        let label = (0..12_u8).find(|&n| ball(at, f64::from(n) * 12.0 - 66.0, 7.0));
        label.map_or(0.0, |n| f32::from(n) * 9.0 + 3.0)
    });
    for (name, image) in [("mask", mask), ("speck", speck), ("label map", label_map)] {
        let survey = of(&image);
        assert_eq!(survey.content, Content::LabelMap, "{name}");
        assert_eq!(codes(&survey), ["domain_label_map"], "{name}");
    }
    let count = dims.iter().product::<u32>() as usize;
    let mut next = random(1);
    let white: Vec<f32> = (0..count)
        .map(|_| (next() * 2000.0 - 1000.0).round())
        .collect();
    // Neighbours along i share three of four summands.
    let smooth: Vec<f32> = white.windows(4).map(|w| w.iter().sum()).collect();
    let smooth: Vec<f32> = smooth.iter().copied().chain([0.0; 3]).collect();
    for (name, values) in [("white", white), ("smooth", smooth)] {
        let survey = of(&volume(dims, spacing, values, Modality::Ct));
        assert_eq!(survey.content, Content::Noise, "{name}");
        assert_eq!(codes(&survey), ["domain_noise"], "{name}");
        assert_eq!(survey.coverage, None, "{name}");
    }
    for value in [0.0, -1000.0, f32::NAN] {
        let survey = of(&volume(dims, spacing, vec![value; count], Modality::Other));
        assert_eq!(survey.content, Content::Flat);
        assert_eq!(codes(&survey), ["domain_flat"]);
    }
}

#[test]
fn spacing_slices_sides_and_loss_are_told() {
    let slab = slab();
    let thin = cut(&slab, [0, 0, 4], [512, 512, 11], [4, 4, 1]);
    assert_eq!(codes(&of(&thin)), ["domain_few_slices"]);
    let coarse = cut(&slab, [0, 0, 0], [512, 512, 20], [16, 16, 1]);
    assert_eq!(codes(&of(&coarse)), ["domain_spacing"]);
    let told = Stated {
        lossy: true,
        ..Stated::NOTHING
    };
    assert_eq!(codes(&Survey::of(&slab, &told)), ["side_unknown", "lossy"]);
    let labels = Stated {
        label_map: true,
        ..says_side()
    };
    assert_eq!(Survey::of(&slab, &labels).content, Content::LabelMap);
}

/// Whatever a file can hold: no panic, and no time to speak of.
#[test]
fn odd_images_are_surveyed_too() {
    let mut next = random(9);
    for dims in [
        [1, 1, 1],
        [1, 1, 300],
        [300, 1, 1],
        [2, 200, 2],
        [33, 7, 5],
        [40, 40, 40],
    ] {
        for spacing in [
            [1e-4; 3],
            [1.0; 3],
            [1e4; 3],
            [1.0, 1.0, 1e4],
            [900.0, 1e-3, 4.0],
        ] {
            for scale in [0.0, 1.0, 1e3, 1e30, f32::NAN, f32::INFINITY] {
                let count = dims.iter().product::<u32>() as usize;
                let values: Vec<f32> = (0..count)
                    .map(|n| scale * (next() + (n % 9) as f32 - 5.0))
                    .collect();
                for modality in [Modality::Ct, Modality::Other] {
                    let start = std::time::Instant::now();
                    let _ = of(&volume(dims, spacing, values.clone(), modality));
                    assert!(
                        start.elapsed().as_secs() < 5,
                        "{dims:?} {spacing:?} {scale}"
                    );
                }
            }
        }
    }
}
