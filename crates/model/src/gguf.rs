//! GGUF version 3, reading: the header of a file that may be cut short or lie.
//!
//! Little-endian: `GGUF`, version, number of tensors, number of values; the values (of which only the alignment and
//! the shapes of tensors with many dimensions matter here); name, dimensions (fastest first), kind and offset of every tensor; then, aligned, their data. No
//! count is believed before the bytes for it are known to be there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::stored::Stored;

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
pub(super) const VERSION: u32 = 3;
/// The value that names the alignment, and what it is where there is none.
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
pub(super) const ALIGNMENT: usize = 32;
/// Most dimensions that ggml's tools take. A tensor of more is stored with the last ones in one, and the value of this
/// key and its name tells its shape.
pub(super) const MOST_DIMENSIONS: usize = 4;
pub(super) const SHAPE_KEY: &str = "m3d-lamed.shape.";
/// Kinds of values that the writer uses.
pub(super) const VALUE_U32: u32 = 4;
pub(super) const VALUE_TEXT: u32 = 8;

/// Longest header accepted; a model's is under 100 kB.
const MAX_HEADER_BYTES: usize = 64 << 20;
const MAX_TENSORS: u64 = 1 << 16;
const MAX_DIMENSIONS: u32 = 8;
const MAX_ALIGNMENT: u32 = 1 << 16;
/// Arrays of arrays go no deeper.
const MAX_DEPTH: u32 = 4;
const VALUE_ARRAY: u32 = 9;
/// The least a tensor's entry and a value take.
const LEAST_TENSOR_BYTES: u64 = 24;
const LEAST_VALUE_BYTES: u64 = 13;

/// A tensor's place.
#[derive(Debug, PartialEq)]
pub(super) struct TensorPlace {
    pub name: String,
    /// Slowest axis first.
    pub shape: Vec<usize>,
    /// The dtype, or the name of one that is not read here.
    pub stored: Result<Stored, String>,
    /// First byte in the file and the one after the last.
    pub bytes: Range<usize>,
}

/// What a file says of itself.
#[derive(Debug)]
pub(super) struct Header {
    /// Where the header ends.
    pub length: usize,
    pub tensors: Vec<TensorPlace>,
}

/// Reads the header of a whole file; the error is half a line without the file's name.
pub(super) fn read_header(file: &[u8]) -> Result<Header, String> {
    let mut reader = Reader {
        bytes: &file[..file.len().min(MAX_HEADER_BYTES)],
        at: 0,
    };
    if reader.take(4)? != MAGIC {
        return Err("it does not begin as a GGUF file".to_string());
    }
    let version = reader.u32()?;
    if version != VERSION {
        return Err(format!("GGUF version {version}, only {VERSION} is known"));
    }
    let tensor_count = reader.u64()?;
    if tensor_count > MAX_TENSORS {
        return Err(format!("its header claims {tensor_count} tensors"));
    }
    let value_count = reader.u64()?;
    reader.expect(value_count, LEAST_VALUE_BYTES)?;
    let mut alignment = ALIGNMENT;
    let mut shapes = BTreeMap::new();
    for _ in 0..value_count {
        let key = reader.text()?;
        let kind = reader.u32()?;
        if key == ALIGNMENT_KEY {
            alignment = reader.alignment(kind)?;
        } else if let Some(name) = key.strip_prefix(SHAPE_KEY)
            && kind == VALUE_TEXT
        {
            if shapes.len() as u64 >= MAX_TENSORS {
                return Err("its header names too many shapes".to_string());
            }
            shapes.insert(name, reader.text()?);
        } else {
            reader.skip_value(kind, 0)?;
        }
    }
    reader.expect(tensor_count, LEAST_TENSOR_BYTES)?;
    let mut names = BTreeSet::new();
    let mut claims = Vec::new();
    for _ in 0..tensor_count {
        let mut claim = reader.tensor()?;
        if let Some(text) = shapes.get(claim.name.as_str()) {
            claim.shape = unfolded(text, &claim.shape)
                .ok_or_else(|| format!("tensor {} cannot have the shape {text:?}", claim.name))?;
        }
        if !names.insert(claim.name.clone()) {
            return Err(format!("tensor {} is there twice", claim.name));
        }
        claims.push(claim);
    }
    let start = reader.at.next_multiple_of(alignment);
    let tensors = placed(claims, start, alignment, file.len())?;
    Ok(Header {
        length: reader.at,
        tensors,
    })
}

/// What a header says of a tensor.
struct Claim {
    name: String,
    shape: Vec<usize>,
    stored: Result<Stored, String>,
    offset: u64,
    length: usize,
}

/// The shape in a text such as `768,192,2,2,2`, if it has as many numbers as the one stored.
fn unfolded(text: &str, stored: &[usize]) -> Option<Vec<usize>> {
    let count = |shape: &[usize]| {
        shape
            .iter()
            .try_fold(1_usize, |product, &n| product.checked_mul(n))
    };
    let dimensions = text.split(',').take(MAX_DIMENSIONS as usize + 1);
    let shape: Vec<usize> = dimensions.map(|n| n.parse().ok()).collect::<Option<_>>()?;
    (shape.len() <= MAX_DIMENSIONS as usize && count(&shape)? == count(stored)?).then_some(shape)
}

/// Checks that every tensor lies within the file, aligned, over no other, and that the file ends with the last.
fn placed(
    claims: Vec<Claim>,
    start: usize,
    alignment: usize,
    size: usize,
) -> Result<Vec<TensorPlace>, String> {
    let mut tensors = Vec::new();
    for claim in claims {
        let name = claim.name;
        let first = usize::try_from(claim.offset)
            .ok()
            .and_then(|offset| start.checked_add(offset));
        let bytes = first.and_then(|first| Some(first..first.checked_add(claim.length)?));
        let bytes = bytes.filter(|bytes| bytes.end <= size).ok_or_else(|| {
            format!("tensor {name} lies beyond the end of the file, which has {size} bytes")
        })?;
        if !bytes.start.is_multiple_of(alignment) {
            return Err(format!("tensor {name} is not aligned to {alignment} bytes"));
        }
        tensors.push(TensorPlace {
            name,
            shape: claim.shape,
            stored: claim.stored,
            bytes,
        });
    }
    tensors.sort_by_key(|tensor| (tensor.bytes.start, tensor.bytes.end));
    for pair in tensors.windows(2) {
        if let [before, after] = pair
            && before.bytes.end > after.bytes.start
        {
            return Err(format!(
                "tensors {} and {} lie over each other",
                before.name, after.name
            ));
        }
    }
    let end = tensors.last().map_or(start, |last| last.bytes.end);
    let expected = end.next_multiple_of(alignment);
    if expected != size {
        return Err(format!("it should have {expected} bytes and has {size}"));
    }
    Ok(tensors)
}

/// What is left of a header.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// Fails unless there is room for `count` things of at least `least` bytes.
    fn expect(&self, count: u64, least: u64) -> Result<(), String> {
        if count.saturating_mul(least) > self.left() {
            return Err(format!(
                "its header claims {count} entries where {} bytes are left",
                self.left()
            ));
        }
        Ok(())
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        self.expect(count, 1)?;
        let end = self.at + count as usize;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N as u64)?;
        bytes.try_into().map_err(|_| "it ends early".to_string())
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let length = self.u64()?;
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| "its header holds a name that is no text".to_string())
    }

    fn alignment(&mut self, kind: u32) -> Result<usize, String> {
        if kind != VALUE_U32 {
            return Err(format!("{ALIGNMENT_KEY} is no whole number of 32 bits"));
        }
        let alignment = self.u32()?;
        // Words and blocks can be read where they lie only at even addresses or better.
        if !alignment.is_power_of_two() || !(8..=MAX_ALIGNMENT).contains(&alignment) {
            return Err(format!("{ALIGNMENT_KEY} is {alignment}"));
        }
        Ok(alignment as usize)
    }

    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<(), String> {
        if let Some(size) = value_size(kind) {
            self.take(size)?;
        } else if kind == VALUE_TEXT {
            let length = self.u64()?;
            self.take(length)?;
        } else if kind == VALUE_ARRAY && depth < MAX_DEPTH {
            let (kind, count) = (self.u32()?, self.u64()?);
            if let Some(size) = value_size(kind) {
                self.take(count.saturating_mul(size))?;
            } else {
                self.expect(count, 8)?;
                for _ in 0..count {
                    self.skip_value(kind, depth + 1)?;
                }
            }
        } else {
            return Err(format!("its header holds a value of unknown kind {kind}"));
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<Claim, String> {
        let name = self.text()?.to_string();
        let rank = self.u32()?;
        if rank > MAX_DIMENSIONS {
            return Err(format!("tensor {name} claims {rank} dimensions"));
        }
        let mut shape = Vec::new();
        let mut count = Some(1_usize);
        for _ in 0..rank {
            let n = usize::try_from(self.u64()?).ok();
            count = count.zip(n).and_then(|(count, n)| count.checked_mul(n));
            shape.push(n.unwrap_or(usize::MAX));
        }
        let row = shape.first().copied().unwrap_or(1);
        shape.reverse();
        let number = self.u32()?;
        let (kind, numbers, bytes) =
            kind(number).ok_or_else(|| format!("tensor {name} is of unknown kind {number}"))?;
        let length = count
            .filter(|_| row.is_multiple_of(numbers))
            .and_then(|count| (count / numbers).checked_mul(bytes));
        let length =
            length.ok_or_else(|| format!("tensor {name} cannot have the shape {shape:?}"))?;
        let stored = Stored::ALL
            .into_iter()
            .find(|stored| stored.ggml_number() == number);
        Ok(Claim {
            name,
            shape,
            stored: stored.ok_or_else(|| kind.to_string()),
            offset: self.u64()?,
            length,
        })
    }
}

/// Bytes of a value of this kind, where all have the same.
const fn value_size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Name, values in a block and bytes of a block of ggml's dtypes.
const fn kind(number: u32) -> Option<(&'static str, usize, usize)> {
    Some(match number {
        0 => ("F32", 1, 4),
        1 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        9 => ("Q8_1", 32, 36),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        24 => ("I8", 1, 1),
        25 => ("I16", 1, 2),
        26 => ("I32", 1, 4),
        27 => ("I64", 1, 8),
        28 => ("F64", 1, 8),
        30 => ("BF16", 1, 2),
        _ => return None,
    })
}
