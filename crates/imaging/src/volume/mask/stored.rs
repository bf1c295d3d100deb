//! Masks as bytes to keep.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `M3D` and the version of this form, 1 |
//! | 12 | voxels along `i`, `j` and `k`, 32 bits each |
//! | the rest | zlib (RFC 1950, with its checksum): a byte for each brick, 0 nothing inside, 1 everything, 2 some; then the rows of those with some, a word of 32 bits each |
//!
//! Numbers are little-endian; bricks and rows are in memory order ([`BrickLayout`]). A row is stored as
//! what differs from the row before it in its brick, which packs better. The place of the grid is not
//! part of it: who keeps a mask knows which image it belongs to.

use std::io::{self, Read};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::bufread::ZlibDecoder;
use glam::UVec3;
use miniz_oxide::deflate::compress_to_vec_zlib;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Brick, Mask};
use crate::geometry::VoxelGrid;
use crate::volume::bits::bits_between;
use crate::volume::brick_layout::{BRICK_SIDE, BrickLayout};

const MAGIC: &[u8] = b"M3D";
const VERSION: u8 = 1;
const HEAD: usize = 16;
/// The fastest packing: rows that are alike are most of what there is to find.
const LEVEL: u8 = 1;

/// Kinds of bricks.
const EMPTY: u8 = 0;
const FULL: u8 = 1;
const SOME: u8 = 2;

/// Why stored bytes give no mask.
#[derive(Debug, thiserror::Error)]
pub enum MaskStoreError {
    /// They are something else.
    #[error("this is no stored mask")]
    Form,
    /// Another version of the program wrote them.
    #[error("the mask is stored in form {0}, and this program reads form {VERSION}")]
    Version(u8),
    /// They belong to another grid.
    #[error("the stored mask has {found} voxels and the image {wanted}")]
    Size {
        /// Voxels of the image along each axis.
        wanted: UVec3,
        /// Voxels of the mask.
        found: UVec3,
    },
    /// They are cut off, or zlib's checksum is another.
    #[error("the stored mask is damaged: {0}")]
    Packed(#[from] io::Error),
    /// What is in them is no mask.
    #[error("the stored mask is damaged: {0}")]
    Damaged(&'static str),
}

impl Mask {
    /// The mask as bytes to keep, without its place: what [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = [MAGIC, &[VERSION]].concat();
        for size in self.grid.dims().to_array() {
            out.extend_from_slice(&size.to_le_bytes());
        }
        let mut body: Vec<u8> = self.bricks.iter().map(kind).collect();
        for brick in self.bricks.iter().filter(|brick| kind(brick) == SOME) {
            let mut last = 0;
            for &word in brick.rows().unwrap_or_default() {
                body.extend_from_slice(&(word ^ last).to_le_bytes());
                last = word;
            }
        }
        out.extend(compress_to_vec_zlib(&body, LEVEL));
        out
    }

    /// The mask of `grid` that [`Self::encode`] made these bytes of. Whatever they are, no more memory is
    /// taken than a mask of the grid needs.
    ///
    /// # Errors
    /// When they are no mask, one of another size, of a newer form, or damaged.
    pub fn decode(grid: VoxelGrid, bytes: &[u8]) -> Result<Self, MaskStoreError> {
        let (head, mut rest) = bytes.split_at_checked(HEAD).ok_or(MaskStoreError::Form)?;
        let (magic, sizes) = head.split_at(MAGIC.len() + 1);
        let version = magic.strip_prefix(MAGIC).ok_or(MaskStoreError::Form)?;
        if version != [VERSION] {
            return Err(MaskStoreError::Version(version[0]));
        }
        let (sizes, _) = sizes.as_chunks::<4>();
        let found = UVec3::from_array([0, 1, 2].map(|axis| u32::from_le_bytes(sizes[axis])));
        if found != grid.dims() {
            let wanted = grid.dims();
            return Err(MaskStoreError::Size { wanted, found });
        }
        let mut packed = ZlibDecoder::new(&mut rest);
        let bricks = unpack(&BrickLayout::of(&grid), &mut packed)?;
        // The end is where the checksum is compared.
        if packed.read(&mut [0])? > 0 || !rest.is_empty() {
            return Err(MaskStoreError::Damaged("there is more than a mask"));
        }
        Ok(Self::from_bricks(grid, bricks))
    }
}

fn kind(brick: &Brick) -> u8 {
    match brick.count() {
        0 => EMPTY,
        _ if brick.is_full() => FULL,
        _ => SOME,
    }
}

fn unpack(layout: &BrickLayout, packed: &mut impl Read) -> Result<Vec<Brick>, MaskStoreError> {
    let mut kinds = vec![EMPTY; layout.len()];
    packed.read_exact(&mut kinds)?;
    let mut bytes = vec![0; layout.rows() * 4];
    let mut rows = vec![0; layout.rows()];
    let whole = UVec3::splat(BRICK_SIDE);
    let mut bricks = Vec::with_capacity(layout.len());
    for (index, kind) in kinds.into_iter().enumerate() {
        let (_, size) = layout.voxels(index);
        bricks.push(match kind {
            EMPTY => Brick::default(),
            FULL if size == whole => Brick::full(),
            SOME => {
                packed.read_exact(&mut bytes)?;
                let mut last = 0;
                for (row, stored) in rows.iter_mut().zip(bytes.as_chunks().0) {
                    last ^= u32::from_le_bytes(*stored);
                    *row = last;
                }
                if reaches_past(&rows, size, layout.side().y as usize) {
                    return Err(MaskStoreError::Damaged(
                        "voxels are inside that the image does not have",
                    ));
                }
                Brick::new(&rows)
            }
            _ => return Err(MaskStoreError::Damaged("a brick is of no known kind")),
        });
    }
    Ok(bricks)
}

/// Whether a voxel is inside past the first `size` of a brick with slices of `height` rows.
fn reaches_past(rows: &[u32], size: UVec3, height: usize) -> bool {
    let past = !bits_between(0, size.x);
    let slices = (0..).zip(rows.chunks_exact(height));
    slices.into_iter().any(|(k, slice)| {
        let mut rows = (0..).zip(slice);
        rows.any(|(j, &word)| word & past != 0 || word != 0 && (j >= size.y || k >= size.z))
    })
}

/// A mask with its place, as text and the like hold it: the bytes of [`Mask::encode`] in base 64.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Mask")]
struct Placed {
    grid: VoxelGrid,
    voxels: String,
}

impl Serialize for Mask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let voxels = BASE64_STANDARD.encode(self.encode());
        let grid = self.grid;
        Placed { grid, voxels }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Placed { grid, voxels } = Placed::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD
            .decode(voxels)
            .map_err(serde::de::Error::custom)?;
        Self::decode(grid, &bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3};

    use super::*;
    use crate::volume::Paint;

    fn grid(dims: UVec3) -> VoxelGrid {
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.7, 0.9, 2.5),
            glam::DQuat::from_rotation_y(0.3),
            DVec3::new(-120.1, 33.3, 0.1),
        );
        VoxelGrid::new(dims, place).unwrap()
    }

    /// Empty, full and mixed bricks, and all of those at the border.
    fn mask() -> Mask {
        let grid = grid(UVec3::new(130, 70, 40));
        let mut mask = Mask::from_fn(grid, |v| v.x < 64 && v.y < 64);
        let middle = grid
            .patient_from_voxel()
            .transform_point3(DVec3::new(110.0, 50.0, 20.0));
        mask.paint_ball(middle, 17.0, Paint::Add);
        mask
    }

    #[test]
    fn masks_come_back() {
        let noise = Mask::from_fn(grid(UVec3::new(37, 5, 70)), |v| {
            (v.x * 7 + v.y * 13 + v.z * 29) % 11 < 4
        });
        let one = Mask::from_bytes(grid(UVec3::ONE), &[1]).unwrap();
        for mask in [mask(), noise, Mask::empty(grid(UVec3::new(9, 8, 7))), one] {
            let bytes = mask.encode();
            assert_eq!(Mask::decode(*mask.grid(), &bytes).unwrap(), mask);
            let text = serde_json::to_string(&mask).unwrap();
            assert_eq!(serde_json::from_str::<Mask>(&text).unwrap(), mask);
        }
    }

    #[test]
    fn what_is_no_mask_of_the_image_is_told() {
        let mask = mask();
        let bytes = mask.encode();
        let told = |grid: VoxelGrid, bytes: &[u8]| Mask::decode(grid, bytes).unwrap_err();
        let other = grid(UVec3::new(130, 70, 41));
        assert!(matches!(told(other, &bytes), MaskStoreError::Size { .. }));
        let mut newer = bytes.clone();
        newer[3] = 2;
        let newer = told(*mask.grid(), &newer);
        assert!(matches!(newer, MaskStoreError::Version(2)));
        let picture = told(*mask.grid(), b"PNG");
        assert!(matches!(picture, MaskStoreError::Form));
        let more = told(*mask.grid(), &[bytes.as_slice(), &[0]].concat());
        assert!(matches!(more, MaskStoreError::Damaged(_)));
    }

    /// Every bit that is changed, and every place where the bytes may end: an error, or (where zlib has
    /// bits that mean nothing) the same mask.
    #[test]
    fn no_damage_gives_another_mask() {
        let mask = mask();
        let grid = *mask.grid();
        let bytes = mask.encode();
        eprintln!("{} bytes for {} voxels inside", bytes.len(), mask.count());
        for end in 0..bytes.len() {
            assert!(Mask::decode(grid, &bytes[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = Mask::decode(grid, &bytes) {
                assert_eq!(found, mask, "bit {bit}");
            }
        }
    }

    fn stored(mask: &Mask, body: &[u8]) -> Vec<u8> {
        [&mask.encode()[..HEAD], &compress_to_vec_zlib(body, LEVEL)].concat()
    }

    #[test]
    fn wrong_contents_under_a_right_checksum_are_damage() {
        let grid = grid(UVec3::new(33, 32, 2));
        let mask = Mask::empty(grid);
        let decoded = |body: &[u8]| Mask::decode(grid, &stored(&mask, body));
        assert_eq!(decoded(&[0, 0]).unwrap(), mask);
        // The first brick is whole along `i` and `j` alone, and the second one voxel wide.
        let rows = 32 * 2 * 4;
        let mut past = vec![0, 2];
        past.resize(2 + rows, 0);
        past[2] = 0b10;
        let mut within = past.clone();
        within[2] = 0b01;
        within[6] = 0b01;
        let found = decoded(&within).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), [UVec3::new(32, 0, 0)]);
        for body in [&[1, 0][..], &[0, 3], &[0], &[0, 0, 0], &[0, 2], &past] {
            assert!(decoded(body).is_err(), "{body:?}");
        }
        // A brick of zeros is an empty one.
        let zeros = [vec![0, 2], vec![0; rows]].concat();
        assert_eq!(decoded(&zeros).unwrap(), mask);
    }
}
