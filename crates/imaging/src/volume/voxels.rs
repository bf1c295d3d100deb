//! Voxels as they came from the file.
#![allow(
    clippy::cast_lossless,
    clippy::unnecessary_cast,
    reason = "one macro body serves six types, f32 among them"
)]

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

    /// The name of the type, as numpy writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::I8(_) => "int8",
            Self::U16(_) => "uint16",
            Self::I16(_) => "int16",
            Self::I32(_) => "int32",
            Self::F32(_) => "float32",
        }
    }

    /// Bytes per voxel.
    pub const fn bytes_per_voxel(&self) -> usize {
        match self {
            Self::U8(_) | Self::I8(_) => 1,
            Self::U16(_) | Self::I16(_) => 2,
            Self::I32(_) | Self::F32(_) => 4,
        }
    }

    /// The raw value at an offset in memory; `None` past the end.
    #[allow(
        clippy::cast_lossless,
        reason = "one body for six types, f32 among them"
    )]
    pub fn get(&self, offset: usize) -> Option<f32> {
        each!(self, values => values.get(offset).map(|&v| v as f32))
    }

    /// The raw values of a range of offsets written to `out` as f32, in order. The shorter of the two
    /// decides how many.
    #[allow(
        clippy::cast_lossless,
        reason = "one body for six types, f32 among them"
    )]
    pub fn read(&self, range: Range<usize>, out: &mut [f32]) {
        each!(self, values => {
            let source = values.get(range).unwrap_or_default();
            for (to, &from) in out.iter_mut().zip(source) {
                *to = from as f32;
            }
        });
    }

    /// Raw values from the offset `start` on, each `stride` from the one before (backwards where it is negative), as many
    /// as `out` holds; it is left as it was from the first one that lies outside.
    #[allow(
        clippy::cast_lossless,
        reason = "one body for six types, f32 among them"
    )]
    pub fn read_strided(&self, start: usize, stride: isize, out: &mut [f32]) {
        each!(self, values => {
            let mut at = Some(start);
            for to in out {
                let Some(&from) = at.and_then(|at| values.get(at)) else {
                    return;
                };
                *to = from as f32;
                at = at.and_then(|at| at.checked_add_signed(stride));
            }
        });
    }

    /// All values through `map`, folded in parallel chunks: the way statistics are taken without a
    /// second copy. `chunk` folds a run of values, `join` joins two results.
    #[allow(
        clippy::cast_lossless,
        reason = "one body for six types, f32 among them"
    )]
    pub fn fold_chunks<R: Send>(
        &self,
        identity: impl Fn() -> R + Sync + Send,
        each_value: impl Fn(R, f32) -> R + Sync + Send,
        join: impl Fn(R, R) -> R + Sync + Send,
    ) -> R {
        const CHUNK: usize = 1 << 16;
        each!(self, values => values
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().fold(identity(), |acc, &v| each_value(acc, v as f32)))
            .reduce(&identity, &join))
    }
    /// How often each value is stored, ascending by value; `None` where there can be too many to count, in 32 bits.
    pub(super) fn counts(&self) -> Option<Vec<(f32, u64)>> {
        match self {
            Self::U8(values) => Some(counts(values, u8::MIN, 1 << 8)),
            Self::I8(values) => Some(counts(values, i8::MIN, 1 << 8)),
            Self::U16(values) => Some(counts(values, u16::MIN, 1 << 16)),
            Self::I16(values) => Some(counts(values, i16::MIN, 1 << 16)),
            Self::I32(_) | Self::F32(_) => None,
        }
    }
}

/// How often each of the `possible` values from `least` on occurs, without those that do not.
fn counts<T: Copy + Into<i32> + Sync>(values: &[T], least: T, possible: usize) -> Vec<(f32, u64)> {
    const CHUNK: usize = 1 << 18;
    let least: i32 = least.into();
    let all = values
        .par_chunks(CHUNK)
        .fold(Vec::new, |mut counts: Vec<u64>, chunk| {
            counts.resize(possible, 0);
            for &value in chunk {
                counts[(value.into() - least) as usize] += 1;
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
