//! The numbers in a label map, and whether a map holds labels at all.

use std::collections::BTreeSet;

use m3d_imaging::volume::Volume;

/// Most labels of a map: the finest parcellations of a body or a brain have fewer, a picture of 8 bits more.
const MOST_LABELS: usize = 200;
/// With no more labels than this a map may be as ragged as it likes.
const FEW_LABELS: usize = 20;

/// The labels of a map above 0, sorted.
///
/// # Errors
/// When the map holds an image: negative values, more of them than anybody outlines, or many that change from voxel to
/// voxel. Learnt from, each grey level would be a structure.
pub(super) fn labels_in(map: &Volume) -> Result<BTreeSet<i64>, String> {
    let mut labels = BTreeSet::new();
    let dims = map.grid().dims();
    let mut slice = vec![0.0; dims.x as usize * dims.y as usize];
    let (mut inside, mut changes) = (0_u64, 0_u64);
    let image = |what: String| format!("the labels hold {what}: this is an image, no label map");
    for k in 0..dims.z {
        map.read_slice(k, &mut slice);
        for row in slice.chunks(dims.x as usize) {
            let mut last = 0.0;
            for &value in row {
                if value < -0.5 {
                    return Err(image(format!("negative values such as {value}")));
                }
                if value > 0.5 {
                    inside += 1;
                    changes += u64::from(value != last);
                    if value != last {
                        labels.insert(value.round() as i64);
                    }
                }
                last = value;
            }
        }
        if labels.len() > MOST_LABELS {
            return Err(image(format!("more than {MOST_LABELS} different values")));
        }
    }
    if labels.len() > FEW_LABELS && 2 * changes > inside {
        return Err(image(format!(
            "{} values that change from voxel to voxel",
            labels.len()
        )));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, UVec3};
    use m3d_imaging::geometry::VoxelGrid;
    use m3d_imaging::volume::{Modality, Rescale, Units, Voxels};

    fn map(values: impl Fn(usize) -> i16) -> Volume {
        let grid = VoxelGrid::new(UVec3::new(20, 20, 20), DAffine3::IDENTITY).unwrap();
        let voxels = Voxels::I16((0..grid.len()).map(values).collect());
        Volume::new(
            grid,
            voxels,
            Rescale::IDENTITY,
            Modality::Other,
            Units::Arbitrary,
        )
        .unwrap()
    }

    #[test]
    fn images_are_no_labels() {
        let hash = |n: usize| (n * 7919 % 10_007) as i16;
        for (what, values) in [
            ("negative", map(|n| hash(n) % 1000 - 500)),
            ("more than 200", map(|n| hash(n) % 500)),
            ("79 values", map(|n| hash(n) % 79 + 1)),
        ] {
            let told = labels_in(&values).unwrap_err();
            assert!(told.contains(what) && told.contains("image"), "{told}");
        }
    }

    #[test]
    fn label_maps_are() {
        // 104 structures of some voxels each, with numbers that leave gaps.
        let many = map(|n| (n / 4 % 105 * 100) as i16);
        assert_eq!(labels_in(&many).unwrap().len(), 104);
        // A few, however ragged.
        let ragged = map(|n| (n * 7919 % 10_007 % 4) as i16);
        assert_eq!(labels_in(&ragged).unwrap(), [1, 2, 3].into());
        assert!(labels_in(&map(|_| 0)).unwrap().is_empty());
    }
}
