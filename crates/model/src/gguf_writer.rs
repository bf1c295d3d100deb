//! GGUF version 3, writing: the header first, for shapes and kinds are known in advance, then tensor after tensor.

use std::fs::File;
use std::io::{BufWriter, Error, Result, Write};
use std::path::Path;

use super::gguf::{
    ALIGNMENT, ALIGNMENT_KEY, MAGIC, MOST_DIMENSIONS, SHAPE_KEY, VALUE_TEXT, VALUE_U32, VERSION,
};
use super::stored::Stored;

/// A tensor to come.
#[derive(Debug)]
pub(super) struct Slot {
    pub name: String,
    /// Slowest axis first.
    pub shape: Vec<usize>,
    pub stored: Stored,
    /// Bytes of its data.
    pub bytes: u64,
}

impl Slot {
    /// `None` where the shape is no whole blocks of this dtype.
    pub fn new(name: &str, shape: &[usize], stored: Stored) -> Option<Self> {
        let count = shape
            .iter()
            .try_fold(1_usize, |product, &n| product.checked_mul(n))?;
        Some(Self {
            name: name.to_string(),
            shape: shape.to_vec(),
            stored,
            bytes: stored.bytes(count)? as u64,
        })
    }
}

/// What a file says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(u32),
}

/// Bytes of a whole file.
pub(super) fn file_bytes(values: &[(&str, Value)], slots: &[Slot]) -> u64 {
    let data: u64 = slots.iter().map(|slot| aligned(slot.bytes)).sum();
    header(values, slots).len() as u64 + data
}

/// A file that is being written.
pub(super) struct GgufWriter {
    file: BufWriter<File>,
    /// Bytes of each tensor to come, the next one last.
    left: Vec<u64>,
    /// Bytes that the present tensor still needs.
    open: u64,
    padding: u64,
}

impl GgufWriter {
    /// Creates the file, which must not be there yet, and writes its header.
    pub fn create(path: &Path, values: &[(&str, Value)], slots: &[Slot]) -> Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
        file.write_all(&header(values, slots))?;
        Ok(Self {
            file,
            left: slots.iter().rev().map(|slot| slot.bytes).collect(),
            open: 0,
            padding: 0,
        })
    }

    /// Writes data of the next tensor or of the rest of the one begun. Tensors come in the slots' order.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if self.open == 0 {
            self.pad()?;
            // Empty tensors have no data of their own.
            while self.open == 0 {
                self.open = self
                    .left
                    .pop()
                    .ok_or_else(|| Error::other("no tensor is to come"))?;
            }
            self.padding = aligned(self.open) - self.open;
        }
        let length = data.len() as u64;
        self.open = self
            .open
            .checked_sub(length)
            .ok_or_else(|| Error::other("a tensor has more data than was announced"))?;
        self.file.write_all(data)
    }

    /// Ends the file and waits until it is on the disk.
    pub fn finish(mut self) -> Result<()> {
        self.pad()?;
        if self.open != 0 || self.left.iter().any(|&bytes| bytes != 0) {
            return Err(Error::other("a tensor lacks data"));
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    fn pad(&mut self) -> Result<()> {
        let padding = std::mem::take(&mut self.padding) as usize;
        self.file.write_all(&[0; ALIGNMENT][..padding])
    }
}

fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT as u64)
}

fn header(values: &[(&str, Value)], slots: &[Slot]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((slots.len() as u64).to_le_bytes());
    let many = slots
        .iter()
        .filter(|slot| slot.shape.len() > MOST_DIMENSIONS);
    out.extend((values.len() as u64 + 1 + many.clone().count() as u64).to_le_bytes());
    for (key, value) in values {
        push_value(&mut out, key, *value);
    }
    push_value(&mut out, ALIGNMENT_KEY, Value::Number(ALIGNMENT as u32));
    for slot in many {
        let shape: Vec<String> = slot.shape.iter().map(usize::to_string).collect();
        let key = format!("{SHAPE_KEY}{}", slot.name);
        push_value(&mut out, &key, Value::Text(&shape.join(",")));
    }
    let mut offset = 0;
    for slot in slots {
        push_text(&mut out, &slot.name);
        let shape = folded(&slot.shape);
        out.extend((shape.len() as u32).to_le_bytes());
        for &n in shape.iter().rev() {
            out.extend((n as u64).to_le_bytes());
        }
        out.extend(slot.stored.ggml_number().to_le_bytes());
        out.extend(u64::to_le_bytes(offset));
        offset += aligned(slot.bytes);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out
}

/// The shape with as many of the last dimensions in one as leave no more than ggml's tools take.
fn folded(shape: &[usize]) -> Vec<usize> {
    match shape.split_at_checked(MOST_DIMENSIONS - 1) {
        Some((first, rest)) if rest.len() > 1 => {
            let mut folded = first.to_vec();
            folded.push(rest.iter().product());
            folded
        }
        _ => shape.to_vec(),
    }
}

fn push_value(out: &mut Vec<u8>, key: &str, value: Value) {
    push_text(out, key);
    match value {
        Value::Text(text) => {
            out.extend(VALUE_TEXT.to_le_bytes());
            push_text(out, text);
        }
        Value::Number(number) => {
            out.extend(VALUE_U32.to_le_bytes());
            out.extend(number.to_le_bytes());
        }
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}
