//! Masks and their labels against the plainest form of both, whatever is painted and taken back.

use glam::{DAffine3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{LabelMap, Mask, MaskPatch, Paint};
use proptest::prelude::*;

/// A step of a reader.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A ball in a mask: its centre as shares of the grid, its radius in mm.
    Ball(usize, DVec3, f64, Paint),
    /// Two balls at once.
    Stroke(usize, DVec3, DVec3, f64, Paint),
    /// A run of voxels.
    Run(usize, UVec3, u32, Paint),
    Undo,
    Redo,
}

/// A mask as one flag per voxel.
type Plain = Vec<bool>;

fn a_paint() -> impl Strategy<Value = Paint> {
    prop_oneof![3 => Just(Paint::Add), 2 => Just(Paint::Erase)]
}

fn a_place() -> impl Strategy<Value = DVec3> {
    // A little outside, too.
    (-0.1..1.1, -0.1..1.1, -0.1..1.1).prop_map(|(x, y, z)| DVec3::new(x, y, z))
}

fn a_step() -> impl Strategy<Value = Step> {
    let mask = 0..2_usize;
    let voxel = (0..90_u32, 0..80_u32, 0..80_u32).prop_map(|(i, j, k)| UVec3::new(i, j, k));
    prop_oneof![
        4 => (mask.clone(), a_place(), 0.0..45.0, a_paint())
            .prop_map(|(m, at, radius, paint)| Step::Ball(m, at, radius, paint)),
        1 => (mask.clone(), a_place(), a_place(), 0.0..20.0, a_paint())
            .prop_map(|(m, a, b, radius, paint)| Step::Stroke(m, a, b, radius, paint)),
        1 => (mask, voxel, 0..120_u32, a_paint())
            .prop_map(|(m, first, len, paint)| Step::Run(m, first, len, paint)),
        3 => Just(Step::Undo),
        1 => Just(Step::Redo),
    ]
}

/// Anisotropic and oblique, of any size, flat ones among them.
fn a_grid() -> impl Strategy<Value = VoxelGrid> {
    let dims = (1..80_u32, 1..70_u32, 1..70_u32);
    let spacing = (0.4..1.5, 0.4..1.5, 0.8..4.0);
    let angles = (-3.0..3.0, -3.0..3.0, -3.0..3.0);
    (dims, spacing, angles).prop_map(|(dims, spacing, angles)| {
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::from(spacing),
            DQuat::from_euler(EulerRot::XYZ, angles.0, angles.1, angles.2),
            DVec3::new(-310.0, 144.0, 1220.0),
        );
        VoxelGrid::new(UVec3::from(dims), place).unwrap()
    })
}

fn patient(grid: &VoxelGrid, share: DVec3) -> DVec3 {
    let voxel = share * grid.dims().as_dvec3() - 0.5;
    grid.patient_from_voxel().transform_point3(voxel)
}

/// The reader's masks both ways, with what takes changes back.
struct Both {
    grid: VoxelGrid,
    masks: [Mask; 2],
    plain: [Plain; 2],
    labels: LabelMap,
    undo: Vec<(usize, MaskPatch, Plain)>,
    redo: Vec<(usize, MaskPatch, Plain)>,
}

impl Both {
    fn new(grid: VoxelGrid) -> Self {
        let masks = [Mask::empty(grid), Mask::empty(grid)];
        Self {
            labels: LabelMap::from_masks(grid, &masks),
            masks,
            plain: [vec![false; grid.len()], vec![false; grid.len()]],
            undo: Vec::new(),
            redo: Vec::new(),
            grid,
        }
    }

    fn paint(
        &mut self,
        mask: usize,
        paint: Paint,
        change: impl FnOnce(&mut Mask),
        inside: impl Fn(UVec3) -> bool,
    ) {
        let before = self.plain[mask].clone();
        let patch = self.masks[mask].edit(change);
        let dims = self.grid.dims();
        for (n, voxel) in (0..).zip(&mut self.plain[mask]) {
            if inside(UVec3::new(
                n % dims.x,
                n / dims.x % dims.y,
                n / dims.x / dims.y,
            )) {
                *voxel = paint == Paint::Add;
            }
        }
        self.labels.update(&self.masks, patch.bricks());
        self.undo.push((mask, patch, before));
        self.redo.clear();
    }

    fn take_back(&mut self, again: bool) {
        let (from, to) = if again {
            (&mut self.redo, &mut self.undo)
        } else {
            (&mut self.undo, &mut self.redo)
        };
        let Some((mask, patch, plain)) = from.pop() else {
            return;
        };
        let inverse = self.masks[mask].apply(patch);
        self.labels.update(&self.masks, inverse.bricks());
        to.push((
            mask,
            inverse,
            std::mem::replace(&mut self.plain[mask], plain),
        ));
    }

    fn step(&mut self, step: Step) {
        let grid = self.grid;
        let point_mm = |v: UVec3| grid.patient_from_voxel().transform_point3(v.as_dvec3());
        match step {
            Step::Ball(mask, share, radius, paint) => {
                let centre = patient(&grid, share);
                self.paint(
                    mask,
                    paint,
                    |m| m.paint_ball(centre, radius, paint),
                    |v| point_mm(v).distance_squared(centre) <= radius * radius,
                );
            }
            Step::Stroke(mask, a, b, radius, paint) => {
                let ends = [patient(&grid, a), patient(&grid, b)];
                self.paint(
                    mask,
                    paint,
                    |m| ends.iter().for_each(|&c| m.paint_ball(c, radius, paint)),
                    |v| {
                        let near = |c: &DVec3| point_mm(v).distance_squared(*c) <= radius * radius;
                        ends.iter().any(near)
                    },
                );
            }
            Step::Run(mask, first, len, paint) => self.paint(
                mask,
                paint,
                |m| m.paint_run(first, len, paint),
                |v| v.y == first.y && v.z == first.z && (first.x..first.x + len).contains(&v.x),
            ),
            Step::Undo => self.take_back(false),
            Step::Redo => self.take_back(true),
        }
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        for (mask, plain) in self.masks.iter().zip(&self.plain) {
            let count = plain.iter().filter(|&&inside| inside).count();
            prop_assert_eq!(mask.count(), count);
            let ml = count as f64 * self.grid.voxel_ml();
            prop_assert!((mask.volume_ml() - ml).abs() <= 1e-12 * ml);
            let bytes: Vec<u8> = plain.iter().map(|&inside| u8::from(inside)).collect();
            prop_assert!(mask.to_bytes() == bytes);
            // The same set has one form, however it came to be.
            let fresh = Mask::from_bytes(self.grid, &bytes).unwrap();
            prop_assert_eq!(mask, &fresh);
            prop_assert_eq!(mask.centroid(), fresh.centroid());
            let (low, high) = mask
                .iter()
                .fold((UVec3::MAX, UVec3::ZERO), |(low, high), v| {
                    (low.min(v), high.max(v))
                });
            let bounds = mask.bounding_box().map(|b| (b.min + 0.5, b.max - 0.5));
            let wanted = (count > 0).then(|| (low.as_dvec3(), high.as_dvec3()));
            prop_assert_eq!(bounds, wanted);
        }
        prop_assert_eq!(&self.labels, &LabelMap::from_masks(self.grid, &self.masks));
        for (n, (a, b)) in (0..).zip(self.plain[0].iter().zip(&self.plain[1])) {
            let dims = self.grid.dims();
            let voxel = UVec3::new(n % dims.x, n / dims.x % dims.y, n / dims.x / dims.y);
            let wanted = if *b { 2 } else { u8::from(*a) };
            prop_assert_eq!(self.labels.label(voxel), wanted);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn whatever_is_painted_and_taken_back_is_as_in_a_plain_mask(
        grid in a_grid(),
        steps in proptest::collection::vec(a_step(), 1..14),
    ) {
        let mut both = Both::new(grid);
        for step in steps {
            both.step(step);
        }
        both.compare()?;
        let last = both.masks.clone();
        let taken = both.undo.len();
        for _ in 0..taken {
            both.take_back(false);
        }
        both.compare()?;
        prop_assert!(both.masks.iter().all(|mask| mask.count() == 0));
        for _ in 0..taken {
            both.take_back(true);
        }
        prop_assert_eq!(&both.masks, &last);
        both.compare()?;
    }

    #[test]
    fn stored_masks_come_back_and_damage_is_told(
        grid in a_grid(),
        steps in proptest::collection::vec(a_step(), 1..6),
        cut in 0.0..1.0_f64,
        changed in proptest::collection::vec((0.0..1.0_f64, 1..=255_u8), 1..4),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut both = Both::new(grid);
        for step in steps {
            both.step(step);
        }
        let [mask, _] = both.masks;
        let bytes = mask.encode();
        prop_assert_eq!(&Mask::decode(grid, &bytes).unwrap(), &mask);
        let end = (bytes.len() as f64 * cut) as usize;
        prop_assert!(Mask::decode(grid, &bytes[..end]).is_err());
        let mut other = bytes.clone();
        for (place, by) in changed {
            other[(bytes.len() as f64 * place) as usize] ^= by;
        }
        if let Ok(found) = Mask::decode(grid, &other) {
            prop_assert_eq!(found, mask);
        }
        prop_assert!(Mask::decode(grid, &noise).is_err());
        let headed = [&bytes[..16], &noise].concat();
        prop_assert!(Mask::decode(grid, &headed).is_err());
    }
}
