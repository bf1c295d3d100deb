//! Voxels as they came from the file.

use std::ops::Range;

use rayon::prelude::*;

/// Raw voxels in memory order (`k`, `j`, then `i` fastest), before rescale.
#[derive(Clone, Debug, PartialEq)]
pub enum Voxels {
    /// Unsigned 8 bit.
    U8(Vec<u8>),
    /// Signed 8 bit.
    I8(Vec<i8>),
    /// Unsigned 16 bit.
    U16(Vec<u16>),
    /// Signed 16 bit.
    I16(Vec<i16>),
    /// Signed 32 bit.
    I32(Vec<i32>),
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// Colours: red, green and blue. Wherever a voxel counts as one number it is the colour's [`luma`].
    Rgb8(Vec<[u8; 3]>),
}

/// The brightness of a colour from 0 to 255, rounded to whole numbers (luma of Rec. ITU-R BT.601).
pub fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((sum + 500) / 1000) as u8
}

/// A voxel as it is stored.
trait Stored: Copy + Sync {
    /// The number it counts as.
    fn number(self) -> f32;
}

macro_rules! stored {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            #[allow(clippy::cast_lossless, reason = "one body for five types")]
            fn number(self) -> f32 {
                self as f32
            }
        }
    )*};
}
stored!(u8, i8, u16, i16, i32);

impl Stored for f32 {
    fn number(self) -> f32 {
        self
    }
}

impl Stored for [u8; 3] {
    fn number(self) -> f32 {
        f32::from(luma(self))
    }
}

/// Runs the same expression for whatever type the voxels have.
macro_rules! each {
    ($voxels:expr, $values:ident => $body:expr) => {
        match $voxels {
            Voxels::U8($values) => $body,
            Voxels::I8($values) => $body,
            Voxels::U16($values) => $body,
            Voxels::I16($values) => $body,
            Voxels::I32($values) => $body,
            Voxels::F32($values) => $body,
            Voxels::Rgb8($values) => $body,
        }
    };
}

impl Voxels {
    /// The number of voxels.
    pub fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the type, as numpy writes it; `rgb8` of colours.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::I8(_) => "int8",
            Self::U16(_) => "uint16",
            Self::I16(_) => "int16",
            Self::I32(_) => "int32",
            Self::F32(_) => "float32",
            Self::Rgb8(_) => "rgb8",
        }
    }

    /// Bytes per voxel.
    pub const fn bytes_per_voxel(&self) -> usize {
        match self {
            Self::U8(_) | Self::I8(_) => 1,
            Self::U16(_) | Self::I16(_) => 2,
            Self::Rgb8(_) => 3,
            Self::I32(_) | Self::F32(_) => 4,
        }
    }

    /// The raw value at an offset in memory; `None` past the end.
    pub fn get(&self, offset: usize) -> Option<f32> {
        each!(self, values => values.get(offset).map(|v| v.number()))
    }

    /// Red, green and blue at an offset in memory; `None` past the end and where voxels are no colours.
    pub fn colour(&self, offset: usize) -> Option<[u8; 3]> {
        match self {
            Self::Rgb8(colours) => colours.get(offset).copied(),
            _ => None,
        }
    }

    /// Whether the voxels are colours.
    pub const fn is_colour(&self) -> bool {
        matches!(self, Self::Rgb8(_))
    }

    /// The raw values of a range of offsets written to `out` as f32, in order. The shorter of the two
    /// decides how many.
    pub fn read(&self, range: Range<usize>, out: &mut [f32]) {
        each!(self, values => {
            let source = values.get(range).unwrap_or_default();
            for (to, &from) in out.iter_mut().zip(source) {
                *to = from.number();
            }
        });
    }

    /// Raw values from the offset `start` on, each `stride` from the one before (backwards where it is negative), as many
    /// as `out` holds; it is left as it was from the first one that lies outside.
    pub fn read_strided(&self, start: usize, stride: isize, out: &mut [f32]) {
        each!(self, values => {
            let mut at = Some(start);
            for to in out {
                let Some(&from) = at.and_then(|at| values.get(at)) else {
                    return;
                };
                *to = from.number();
                at = at.and_then(|at| at.checked_add_signed(stride));
            }
        });
    }

    /// All values through `map`, folded in parallel chunks: the way statistics are taken without a
    /// second copy. `chunk` folds a run of values, `join` joins two results.
    pub fn fold_chunks<R: Send>(
        &self,
        identity: impl Fn() -> R + Sync + Send,
        each_value: impl Fn(R, f32) -> R + Sync + Send,
        join: impl Fn(R, R) -> R + Sync + Send,
    ) -> R {
        const CHUNK: usize = 1 << 16;
        each!(self, values => values
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().fold(identity(), |acc, &v| each_value(acc, v.number())))
            .reduce(&identity, &join))
    }
    /// How often each value is stored, ascending by value; `None` where there can be too many to count, in 32 bits.
    pub(super) fn counts(&self) -> Option<Vec<(f32, u64)>> {
        match self {
            Self::U8(values) => Some(counts(values, 1 << 8, 0, i32::from)),
            Self::I8(values) => Some(counts(values, 1 << 8, i8::MIN, i32::from)),
            Self::U16(values) => Some(counts(values, 1 << 16, 0, i32::from)),
            Self::I16(values) => Some(counts(values, 1 << 16, i16::MIN, i32::from)),
            Self::Rgb8(values) => Some(counts(values, 1 << 8, 0, |v| i32::from(luma(v)))),
            Self::I32(_) | Self::F32(_) => None,
        }
    }
}

/// How often each of the `possible` values from `least` on occurs, without those that do not.
fn counts<T: Stored>(
    values: &[T],
    possible: usize,
    least: impl Into<i32>,
    number: impl Fn(T) -> i32 + Sync,
) -> Vec<(f32, u64)> {
    const CHUNK: usize = 1 << 18;
    let least: i32 = least.into();
    let all = values
        .par_chunks(CHUNK)
        .fold(Vec::new, |mut counts: Vec<u64>, chunk| {
            counts.resize(possible, 0);
            for &value in chunk {
                counts[(number(value) - least) as usize] += 1;
            }
            counts
        })
        .reduce(Vec::new, sum_counts);
    (least..)
        .zip(all)
        .filter(|&(_, count)| count > 0)
        .map(|(value, count)| (value as f32, count))
        .collect()
}

/// Two histograms as one; an empty one counts nothing.
pub(super) fn sum_counts(a: Vec<u64>, b: Vec<u64>) -> Vec<u64> {
    let (mut long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    for (sum, more) in long.iter_mut().zip(short) {
        *sum += more;
    }
    long
}
