//! Thirty-two voxels of a row as the bits of a word and as bytes, eight at a time.

/// The lowest bit, and all but the highest, of each byte.
const LOWEST: u64 = 0x0101_0101_0101_0101;
const BELOW_HIGHEST: u64 = 0x7F7F_7F7F_7F7F_7F7F;

/// 1 in each byte that is not 0.
const fn ones(bytes: u64) -> u64 {
    (((bytes & BELOW_HIGHEST) + BELOW_HIGHEST) | bytes) >> 7 & LOWEST
}

/// The word whose bit `n` tells whether byte `n` is anything but 0.
pub(crate) fn word_from_bytes(bytes: &[u8; 32]) -> u32 {
    let (eights, _) = bytes.as_chunks::<8>();
    eights.iter().rev().fold(0, |word, eight| {
        // Multiplying brings the eight bits together in the highest byte.
        let gathered = ones(u64::from_le_bytes(*eight)).wrapping_mul(0x0102_0408_1020_4080);
        word << 8 | (gathered >> 56) as u32
    })
}

/// Bytes of 255 where the word's bits are 1, and of 0 elsewhere.
pub(crate) fn bytes_from_word(word: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (eights, _) = bytes.as_chunks_mut::<8>();
    for (eight, byte) in eights.iter_mut().zip(word.to_le_bytes()) {
        let spread = u64::from(byte).wrapping_mul(LOWEST) & 0x8040_2010_0804_0201;
        *eight = (ones(spread) * 0xFF).to_le_bytes();
    }
    bytes
}

/// The bits from `from` up to but without `to`, at most 32.
pub(crate) const fn bits_between(from: u32, to: u32) -> u32 {
    below(to) & !below(from)
}

const fn below(n: u32) -> u32 {
    if n >= u32::BITS {
        u32::MAX
    } else {
        (1 << n) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bytes_agree() {
        let mut state = 1_u64;
        for step in 0..2000_u64 {
            let mut bytes = [0_u8; 32];
            for byte in &mut bytes {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(step | 1);
                *byte = if state >> 63 == 0 {
                    0
                } else {
                    (state >> 40) as u8
                };
            }
            let word = word_from_bytes(&bytes);
            for (n, &byte) in bytes.iter().enumerate() {
                assert_eq!(word >> n & 1 == 1, byte != 0, "bit {n} of {bytes:?}");
            }
            let spread = bytes_from_word(word);
            for (a, b) in spread.iter().zip(bytes) {
                assert_eq!(*a, if b == 0 { 0 } else { 255 });
            }
        }
    }

    #[test]
    fn ranges_of_bits() {
        assert_eq!(bits_between(0, 32), u32::MAX);
        assert_eq!(bits_between(3, 5), 0b11000);
        assert_eq!(bits_between(31, 32), 1 << 31);
        assert_eq!(bits_between(7, 7), 0);
    }
}
