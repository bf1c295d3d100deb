//! The numbers an array is stored in, and how a voxel is made of them.

/// A stored number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Number {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Number {
    /// Bytes of one.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// It has more digits than the 32-bit float it is held as.
    pub const fn is_reduced(self) -> bool {
        matches!(self, Self::U32 | Self::U64 | Self::I64 | Self::F64)
    }

    /// The number at the start of `bytes`; 0 where they are too few.
    #[allow(clippy::cast_lossless, reason = "one macro body serves all types")]
    pub fn value(self, bytes: &[u8], big_endian: bool) -> f64 {
        macro_rules! read {
            ($type:ty) => {
                bytes.first_chunk().map_or(0.0, |&bytes| {
                    let number = if big_endian {
                        <$type>::from_be_bytes(bytes)
                    } else {
                        <$type>::from_le_bytes(bytes)
                    };
                    number as f64
                })
            };
        }
        match self {
            Self::U8 => read!(u8),
            Self::I8 => read!(i8),
            Self::U16 => read!(u16),
            Self::I16 => read!(i16),
            Self::U32 => read!(u32),
            Self::I32 => read!(i32),
            Self::U64 => read!(u64),
            Self::I64 => read!(i64),
            Self::F32 => read!(f32),
            Self::F64 => read!(f64),
        }
    }

    /// A value as this number's little-endian bytes; what does not fit is held to its range.
    pub fn bytes(self, value: f64) -> ([u8; 8], usize) {
        let mut bytes = [0; 8];
        let mut put = |from: &[u8]| bytes[..from.len()].copy_from_slice(from);
        match self {
            Self::U8 => put(&(value as u8).to_le_bytes()),
            Self::I8 => put(&(value as i8).to_le_bytes()),
            Self::U16 => put(&(value as u16).to_le_bytes()),
            Self::I16 => put(&(value as i16).to_le_bytes()),
            Self::U32 => put(&(value as u32).to_le_bytes()),
            Self::I32 => put(&(value as i32).to_le_bytes()),
            Self::U64 => put(&(value as u64).to_le_bytes()),
            Self::I64 => put(&(value as i64).to_le_bytes()),
            Self::F32 => put(&(value as f32).to_le_bytes()),
            Self::F64 => put(&value.to_le_bytes()),
        }
        (bytes, self.size())
    }
}

/// What is shown of the numbers that lie together at a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Take {
    /// The first of them: the only one, or a vector's first component.
    First,
    /// One for each time point.
    EachTime,
    /// The magnitude of a complex number.
    Magnitude,
    /// Red, green and blue of a colour, of whole numbers of 8 or 16 bits; perhaps with alpha, which is not shown.
    Colour,
}

/// What lies at a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) struct Element {
    pub number: Number,
    /// Numbers side by side at each voxel.
    pub count: usize,
    pub take: Take,
}

impl Element {
    /// One number.
    pub const fn one(number: Number) -> Self {
        Self {
            number,
            count: 1,
            take: Take::First,
        }
    }

    /// Real and imaginary part.
    pub const fn complex(number: Number) -> Self {
        Self {
            number,
            count: 2,
            take: Take::Magnitude,
        }
    }

    /// A colour of `count` channels.
    pub const fn colour(number: Number, count: usize) -> Self {
        Self {
            number,
            count,
            take: Take::Colour,
        }
    }

    /// Bytes of one voxel.
    pub const fn size(self) -> usize {
        self.number.size() * self.count
    }
}
