//! Fields of a binary header at fixed places.

/// The bytes of a header and their order. What lies past the end reads as 0; whoever reads checks the length first.
#[derive(Clone, Copy, Debug)]
pub(in crate::io) struct Fields<'a> {
    pub bytes: &'a [u8],
    pub big_endian: bool,
}

impl Fields<'_> {
    fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let mut bytes = rest.first_chunk().copied().unwrap_or([0; N]);
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    pub fn i16(&self, offset: usize) -> i16 {
        i16::from_le_bytes(self.at(offset))
    }

    pub fn i32(&self, offset: usize) -> i32 {
        i32::from_le_bytes(self.at(offset))
    }

    pub fn i64(&self, offset: usize) -> i64 {
        i64::from_le_bytes(self.at(offset))
    }

    /// A 32-bit float.
    pub fn f32(&self, offset: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.at(offset)))
    }

    pub fn f64(&self, offset: usize) -> f64 {
        f64::from_le_bytes(self.at(offset))
    }
}
