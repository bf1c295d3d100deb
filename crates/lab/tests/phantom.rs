//! Phantoms: repeatable, plausible, on the right side, and truthful about themselves.

use std::collections::HashMap;
use std::sync::OnceLock;

use glam::{DVec3, UVec3};
use m3d_imaging::geometry::{AxisOrder, OrderedCrop, Orientation};
use m3d_imaging::volume::Voxels;
use m3d_lab::dataset::{
    FindingKind, Phantom, PhantomConfig, Phase, Region, Scene, Structure, Target,
};
use rayon::prelude::*;

const COUNT: u64 = 96;

/// Phantoms at training size, as training sees them.
fn training() -> &'static [Phantom] {
    static MADE: OnceLock<Vec<Phantom>> = OnceLock::new();
    MADE.get_or_init(|| {
        let config = PhantomConfig::default();
        (0..COUNT)
            .into_par_iter()
            .map(|seed| Phantom::new(seed, &config).unwrap())
            .collect()
    })
}

/// Whole trunks with little variety, in which every organ should be all there.
fn trunks() -> &'static [Phantom] {
    static MADE: OnceLock<Vec<Phantom>> = OnceLock::new();
    MADE.get_or_init(|| {
        let config = PhantomConfig {
            size: [96, 96, 96],
            region: Some(Region::Torso),
            variety: 0.0,
            ..PhantomConfig::default()
        };
        (0..24_u64)
            .into_par_iter()
            .map(|seed| Phantom::new(seed, &config).unwrap())
            .collect()
    })
}

fn values(phantom: &Phantom) -> &[i16] {
    match phantom.volume.voxels() {
        Voxels::I16(values) => values,
        other => panic!("{other:?}"),
    }
}

/// The voxel at a memory offset, in patient mm.
fn place(phantom: &Phantom, offset: usize) -> DVec3 {
    let dims = phantom.grid().dims();
    let (w, h) = (dims.x as usize, dims.y as usize);
    let voxel = UVec3::new(
        (offset % w) as u32,
        (offset / w % h) as u32,
        (offset / (w * h)) as u32,
    );
    phantom
        .grid()
        .patient_from_voxel()
        .transform_point3(voxel.as_dvec3())
}

/// The middle of a structure in patient mm; `None` where there is none of it.
fn centroid(phantom: &Phantom, structure: Structure) -> Option<DVec3> {
    let mut sum = DVec3::ZERO;
    let mut count = 0.0;
    for (n, &label) in phantom.labels.iter().enumerate() {
        if label == structure.label() {
            sum += place(phantom, n);
            count += 1.0;
        }
    }
    (count > 0.0).then(|| sum / count)
}

#[test]
fn a_seed_gives_one_phantom_on_any_number_of_threads() {
    let config = PhantomConfig::default();
    for seed in [0, 5, 11] {
        let alone = Phantom::new(seed, &config).unwrap();
        assert_eq!(&alone, &training()[seed as usize]);
    }
    let hashes: std::collections::HashSet<Vec<u8>> = training()
        .iter()
        .map(|p| {
            use sha2::Digest;
            let bytes: Vec<u8> = values(p).iter().flat_map(|v| v.to_le_bytes()).collect();
            sha2::Sha256::digest(bytes).to_vec()
        })
        .collect();
    assert_eq!(hashes.len(), training().len());
}

#[test]
fn useless_sizes_are_refused() {
    for size in [[0, 64, 64], [7, 64, 64], [64, 64, 5000], [1024, 1024, 1024]] {
        let config = PhantomConfig {
            size,
            ..PhantomConfig::default()
        };
        assert!(Phantom::new(1, &config).is_err(), "{size:?}");
    }
}

#[test]
fn structures_have_plausible_volumes() {
    // Milliliters, wide enough for small and large people and an empty or a full bladder.
    let ranges: HashMap<Structure, [f64; 2]> = [
        (Structure::Liver, [800.0, 3000.0]),
        (Structure::Spleen, [70.0, 1300.0]),
        (Structure::RightKidney, [70.0, 330.0]),
        (Structure::LeftKidney, [70.0, 330.0]),
        (Structure::RightLung, [900.0, 4000.0]),
        (Structure::LeftLung, [800.0, 4000.0]),
        (Structure::Heart, [180.0, 1200.0]),
        (Structure::Aorta, [100.0, 600.0]),
        (Structure::InferiorVenaCava, [25.0, 200.0]),
        (Structure::Stomach, [60.0, 1200.0]),
        (Structure::Pancreas, [15.0, 200.0]),
        (Structure::Bladder, [25.0, 800.0]),
        (Structure::Trachea, [10.0, 120.0]),
        (Structure::Oesophagus, [12.0, 150.0]),
        (Structure::Vertebrae, [250.0, 1100.0]),
        (Structure::Ribs, [150.0, 1000.0]),
        (Structure::Pelvis, [300.0, 1300.0]),
        (Structure::RightPsoas, [80.0, 600.0]),
        (Structure::LeftPsoas, [80.0, 600.0]),
        (Structure::Colon, [200.0, 2500.0]),
        (Structure::SmallBowel, [250.0, 2500.0]),
        (Structure::Muscle, [4000.0, 40000.0]),
        (Structure::Fat, [3000.0, 70000.0]),
        (Structure::Femurs, [80.0, 900.0]),
        (Structure::SpinalCanal, [40.0, 300.0]),
        (Structure::Sternum, [10.0, 120.0]),
        (Structure::PortalVein, [5.0, 60.0]),
    ]
    .into();
    for phantom in trunks() {
        let counts = phantom.counts();
        for (&structure, &[low, high]) in &ranges {
            let ml = counts[usize::from(structure.label())] as f64 * phantom.grid().voxel_ml();
            assert!(
                (low..high).contains(&ml),
                "seed {}: {} of {ml:.0} mL",
                phantom.seed,
                structure.name()
            );
        }
        let ml =
            counts[usize::from(Structure::Gallbladder.label())] as f64 * phantom.grid().voxel_ml();
        assert!(ml == 0.0 || (3.0..130.0).contains(&ml), "{ml}");
    }
}

#[test]
fn every_structure_and_finding_turns_up_in_training() {
    let mut seen = [0; 256];
    for phantom in training() {
        for structure in phantom.structures(0.0) {
            seen[usize::from(structure.label())] += 1;
        }
    }
    for structure in Structure::ALL {
        let times = seen[usize::from(structure.label())];
        assert!(times >= 15, "{} {times} times", structure.name());
    }
    for kind in FindingKind::ALL {
        let times = training().iter().filter(|p| p.has(kind)).count();
        assert!(times >= 4, "{} {times} times", kind.name());
    }
    for phase in Phase::ALL {
        assert!(training().iter().filter(|p| p.phase == phase).count() > 10);
    }
    for plane in Orientation::ALL {
        assert!(training().iter().any(|p| p.plane == plane));
    }
    let axial = training().iter().filter(|p| p.plane == Orientation::Axial);
    assert!(axial.count() > 60);
}

#[test]
fn organs_lie_on_their_side_of_the_spine() {
    let mut asked = 0;
    for phantom in trunks().iter().chain(training()) {
        // A slice of an organ may reach across; a whole one may not.
        let whole = phantom.structures(60.0);
        let Some(middle) = centroid(phantom, Structure::Vertebrae) else {
            continue;
        };
        for &structure in &whole {
            let Some(side) = structure.side() else {
                continue;
            };
            let Some(at) = centroid(phantom, structure) else {
                continue;
            };
            let left = (at.x - middle.x) * f64::from(side.sign());
            assert!(
                left > 0.0,
                "seed {}: {} {left:.0} mm",
                phantom.seed,
                structure.name()
            );
            asked += 1;
        }
        let order = |above: Structure, below: Structure| {
            if let (true, Some(a), Some(b)) = (
                whole.contains(&above) && whole.contains(&below),
                centroid(phantom, above),
                centroid(phantom, below),
            ) {
                assert!(a.z > b.z, "{} below {}", above.name(), below.name());
            }
        };
        order(Structure::Heart, Structure::Liver);
        order(Structure::Liver, Structure::Bladder);
        order(Structure::RightLung, Structure::RightKidney);
        if whole.contains(&Structure::Aorta) && whole.contains(&Structure::InferiorVenaCava) {
            let x = |s| centroid(phantom, s).map(|p| p.x);
            assert!(x(Structure::Aorta) > x(Structure::InferiorVenaCava));
        }
    }
    assert!(asked > 200, "{asked}");
    // No way of storing mirrors the patient: the axes keep their hand.
    for phantom in training() {
        assert!(phantom.grid().patient_from_voxel().matrix3.determinant() > 0.0);
    }
}

#[test]
fn tissues_measure_what_they_should() {
    for phantom in trunks() {
        // The median: edges are mixed with lung or fat. Lesions and plaques measure otherwise.
        let usual = |structure: Structure| {
            let own = values(phantom).iter().enumerate().filter(|(n, _)| {
                phantom.labels[*n] == structure.label() && phantom.finding_labels[*n] == 0
            });
            let mut own: Vec<i16> = own.map(|(_, &hu)| hu).collect();
            own.sort_unstable();
            f64::from(own[own.len() / 2])
        };
        for (structure, low, high) in [
            (Structure::RightLung, -950.0, -600.0),
            (Structure::Liver, -5.0, 160.0),
            (Structure::Fat, -135.0, -50.0),
            (Structure::Muscle, 0.0, 95.0),
            // Spongy bone of the old measures 70 HU and less after noise.
            (Structure::Vertebrae, 65.0, 700.0),
        ] {
            let hu = usual(structure);
            assert!(
                (low..high).contains(&hu),
                "seed {}: {} {hu:.0} HU",
                phantom.seed,
                structure.name()
            );
        }
        let aorta = usual(Structure::Aorta);
        let enlarged = phantom.has(FindingKind::Splenomegaly);
        let spleen = if enlarged {
            60.0
        } else {
            usual(Structure::Spleen)
        };
        let fits = match phantom.phase {
            Phase::NonContrast => (25.0..60.0).contains(&aorta) && spleen < 75.0,
            Phase::Arterial => aorta > 200.0 && aorta > spleen,
            Phase::PortalVenous => (110.0..200.0).contains(&aorta),
            Phase::Delayed => (80.0..130.0).contains(&aorta),
        };
        let (seed, phase) = (phantom.seed, phantom.phase);
        assert!(
            fits,
            "seed {seed}: {phase:?} aorta {aorta:.0} spleen {spleen:.0}"
        );
    }
}

#[test]
fn labels_stay_inside_the_skin() {
    for phantom in trunks() {
        let values = values(phantom);
        let gas = [
            Structure::RightLung,
            Structure::LeftLung,
            Structure::Trachea,
            Structure::Oesophagus,
            Structure::Stomach,
            Structure::Colon,
            Structure::SmallBowel,
        ]
        .map(Structure::label);
        // Air that is connected with the border of the picture is outside; no label lies in it.
        let outside = outside(phantom, values);
        for (n, &label) in phantom.labels.iter().enumerate() {
            assert!(
                !(outside[n] && label != 0),
                "seed {}: {:?} outside",
                phantom.seed,
                Structure::from_label(label)
            );
            assert!(label == 0 || gas.contains(&label) || values[n] > -800);
            assert!(usize::from(label) <= Structure::ALL.len());
        }
    }
}

/// The air around the body of each slice, found from the slice's border. The trunk's own gas is sealed
/// by its wall.
fn outside(phantom: &Phantom, values: &[i16]) -> Vec<bool> {
    let dims = phantom.grid().dims();
    let (w, h) = (dims.x as usize, dims.y as usize);
    let mut found = vec![false; values.len()];
    for k in 0..dims.z as usize {
        let base = k * w * h;
        let mut stack: Vec<usize> = (0..w)
            .flat_map(|i| [i, (h - 1) * w + i])
            .chain((0..h).flat_map(|j| [j * w, j * w + w - 1]))
            .filter(|n| values[base + n] < -850)
            .collect();
        while let Some(n) = stack.pop() {
            if std::mem::replace(&mut found[base + n], true) {
                continue;
            }
            let (i, j) = (n % w, n / w);
            let neighbours = [
                (i > 0).then(|| n - 1),
                (i + 1 < w).then(|| n + 1),
                (j > 0).then(|| n - w),
                (j + 1 < h).then(|| n + w),
            ];
            let next = neighbours.into_iter().flatten();
            stack.extend(next.filter(|&m| values[base + m] < -850 && !found[base + m]));
        }
    }
    found
}

#[test]
fn findings_are_where_they_say() {
    for phantom in training().iter().chain(trunks()) {
        let mut counts = [0_usize; 256];
        let mut middles = [DVec3::ZERO; 256];
        for (n, &number) in phantom.finding_labels.iter().enumerate() {
            counts[usize::from(number)] += 1;
            middles[usize::from(number)] += place(phantom, n);
        }
        let listed = phantom.findings.len();
        for (finding, number) in phantom.findings.iter().zip(1_u8..) {
            assert_eq!(finding.number, number);
            assert!(counts[usize::from(number)] > 0, "{finding:?}");
            assert!(finding.size > 0.0 && finding.count > 0);
        }
        assert!(counts[listed + 1..].iter().all(|&n| n == 0));
        let Some(spine) = centroid(phantom, Structure::Vertebrae) else {
            continue;
        };
        for finding in &phantom.findings {
            if let Some(side) = finding.side {
                let number = usize::from(finding.number);
                let at = middles[number] / counts[number] as f64;
                let off = (at.x - spine.x) * f64::from(side.sign());
                // A pose turns and shifts the body by a little.
                assert!(
                    off > -12.0,
                    "seed {}: {finding:?} {off:.0} mm",
                    phantom.seed
                );
            }
        }
        let label_at = |n: usize| Structure::from_label(phantom.labels[n]);
        for (n, &number) in phantom.finding_labels.iter().enumerate() {
            let Some(finding) = usize::from(number)
                .checked_sub(1)
                .map(|n| &phantom.findings[n])
            else {
                continue;
            };
            match finding.kind {
                FindingKind::RibFracture => {}
                _ => assert_eq!(label_at(n), Some(finding.site), "{finding:?}"),
            }
        }
    }
}

#[test]
fn what_is_found_can_be_seen() {
    let mut checked = 0;
    for phantom in trunks() {
        for finding in &phantom.findings {
            let (mut inside, mut beside) = ((0.0, 0.0), (0.0, 0.0));
            for (n, &hu) in values(phantom).iter().enumerate() {
                // As reports are read: within the window of soft tissue.
                let shown = hu.clamp(-160, 240);
                let sum = if phantom.finding_labels[n] == finding.number {
                    &mut inside
                } else if phantom.labels[n] == finding.site.label() {
                    &mut beside
                } else {
                    continue;
                };
                *sum = (sum.0 + f64::from(shown), sum.1 + 1.0);
            }
            let step = inside.0 / inside.1 - beside.0 / beside.1;
            match finding.kind {
                FindingKind::LiverLesion => {
                    assert_eq!(finding.bright, Some(step > 0.0));
                    assert!(step.abs() > 24.0, "{step}");
                }
                FindingKind::KidneyStone | FindingKind::AorticCalcification => {
                    assert!(step > 40.0, "{finding:?} {step}");
                }
                FindingKind::LungNodule | FindingKind::PleuralEffusion => {
                    assert!(step > 80.0, "{finding:?} {step}");
                }
                FindingKind::Splenomegaly => assert!(finding.size > 120.0),
                // A body that sank in is denser than the others; a break has callus around it.
                FindingKind::VertebralFracture => assert!(step > 40.0, "{step}"),
                FindingKind::RibFracture => {
                    let mean = inside.0 / inside.1;
                    assert!(mean > 150.0, "{mean}");
                }
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn there_is_lung_around_a_nodule() {
    let mut checked = 0;
    for phantom in training().iter().chain(trunks()) {
        let dims = phantom.grid().dims().to_array().map(|n| n as usize);
        // Within the slice; the next one may be a long way off.
        let strides = [1, dims[0]];
        for nodule in &phantom.findings {
            if nodule.kind != FindingKind::LungNodule {
                continue;
            }
            let (mut all, mut other) = (0, 0);
            for (n, &number) in phantom.finding_labels.iter().enumerate() {
                if number != nodule.number {
                    continue;
                }
                for (stride, count) in strides.into_iter().zip(dims) {
                    let at = n / stride % count;
                    let before = (at > 0).then(|| n - stride);
                    let after = (at + 1 < count).then(|| n + stride);
                    for beside in [before, after].into_iter().flatten() {
                        all += 1;
                        other += u32::from(phantom.labels[beside] != nodule.site.label());
                    }
                }
            }
            let seed = phantom.seed;
            assert!(
                other * 20 < all,
                "seed {seed}: {other} of {all}, {nodule:?}"
            );
            checked += 1;
        }
    }
    assert!(checked > 3, "{checked}");
}

#[test]
fn what_is_found_is_large_enough_for_the_grid() {
    let mut checked = 0;
    for phantom in training() {
        let voxel = phantom.grid().voxel_ml() * 1000.0;
        let mut counts = [0_usize; 256];
        for &number in &phantom.finding_labels {
            counts[usize::from(number)] += 1;
        }
        for finding in &phantom.findings {
            let voxels = counts[usize::from(finding.number)];
            let least = match finding.kind {
                FindingKind::KidneyStone => 2,
                FindingKind::AorticCalcification => 4,
                _ => 10,
            };
            assert!(
                voxels >= least,
                "seed {}: {finding:?} {voxels}",
                phantom.seed
            );
            if let FindingKind::LiverLesion | FindingKind::LungNodule = finding.kind {
                // Two voxels and more across.
                let across = f64::from(finding.size) / voxel.cbrt();
                assert!(across > 2.0, "seed {}: {finding:?} {across}", phantom.seed);
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn a_scene_is_the_phantom_cropped() {
    let phantom = &training()[3];
    let whole = Scene::whole(phantom);
    assert_eq!(whole.labels(), phantom.labels);
    assert_eq!(whole.finding_labels(), phantom.finding_labels);
    let crop = [UVec3::new(8, 4, 2), UVec3::new(56, 60, 30)];
    let scene = Scene::new(
        phantom,
        OrderedCrop::new(AxisOrder::STORED, crop[0], crop[1]),
        [28, 56, 24],
    );
    // Rows and slices keep their number; of two columns the first is picked.
    for (k, j, i) in [(0, 0, 0), (27, 55, 23), (13, 20, 7)] {
        let source = ((k + 2) * 64 + j + 4) * 64 + 2 * i + 8;
        assert_eq!(
            scene.labels()[(k * 56 + j) * 24 + i],
            phantom.labels[source]
        );
    }
}

#[test]
fn boxes_are_the_masks_bounds() {
    for phantom in &training()[..24] {
        let scene = Scene::whole(phantom);
        let [d, h, w] = scene.size;
        for target in Target::all() {
            let mask = scene.mask(target);
            let Some(told) = scene.model_box(target) else {
                assert!(!mask.contains(&1));
                continue;
            };
            let mut bounds = [f64::MAX, f64::MAX, f64::MAX, 0.0, 0.0, 0.0];
            for k in 0..d {
                for j in 0..h {
                    for i in 0..w {
                        if mask[(k * h + j) * w + i] == 0 {
                            continue;
                        }
                        for (axis, share) in [
                            k as f64 / d as f64,
                            j as f64 / h as f64,
                            i as f64 / w as f64,
                        ]
                        .into_iter()
                        .enumerate()
                        {
                            bounds[axis] = bounds[axis].min(share);
                            bounds[axis + 3] = bounds[axis + 3].max(share);
                        }
                    }
                }
            }
            for (a, b) in told.iter().zip(bounds) {
                assert!((a - b).abs() <= 0.0005 + 1e-12);
            }
        }
    }
}
