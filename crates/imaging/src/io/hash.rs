//! A fingerprint of a volume's values.

use sha2::{Digest, Sha256};

use crate::volume::Volume;

/// SHA-256 of the values after rescale as little-endian 32-bit floats in the order `[k][j][i]` (`i`
/// fastest), in lower-case hexadecimal. Of colours the values are their luma.
pub fn voxels_sha256(volume: &Volume) -> String {
    const CHUNK: usize = 1 << 16;
    let rescale = volume.rescale();
    let mut stored = vec![0.0_f32; CHUNK];
    let mut bytes = Vec::with_capacity(CHUNK * 4);
    let mut hash = Sha256::new();
    let count = volume.voxels().len();
    for start in (0..count).step_by(CHUNK) {
        let end = (start + CHUNK).min(count);
        let part = &mut stored[..end - start];
        volume.voxels().read(start..end, part);
        bytes.clear();
        bytes.extend(part.iter().flat_map(|&v| rescale.apply(v).to_le_bytes()));
        hash.update(&bytes);
    }
    let digits = hash.finalize().into_iter().flat_map(|b| [b >> 4, b & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}
