//! Tables from stored values to meant ones (PS3.3 C.11.1 and C.7.9).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::dataset::DataSet;
use super::elements::malformed;
use super::values::Notes;
use crate::io::error::Refusal;

/// A table of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::io) struct LookupTable {
    /// The stored value that the first entry is for; values below and above take the first and the last entry.
    first: i64,
    entries: Vec<u16>,
}

impl LookupTable {
    /// Reads a table; `signed` says how the first mapped value is written.
    ///
    /// # Errors
    /// When the table has not the number of entries it announces.
    pub fn read(
        values: &DataSet,
        [descriptor, data]: [Tag; 2],
        signed: bool,
        notes: &Notes,
    ) -> Result<Self, Refusal> {
        let described = values.numbers(descriptor, notes)?;
        let &[count, first, bits] = described.as_slice() else {
            return Err(malformed("a lookup table without a descriptor"));
        };
        // 65536 entries are written as 0 (PS3.3 C.11.1.1.1).
        let count = if count == 0.0 {
            65536
        } else {
            count as u16 as usize
        };
        let first = if signed {
            i64::from((first as i32) as i16)
        } else {
            first.clamp(-65536.0, 65536.0) as i64
        };
        let mut entries: Vec<u16> = match values.raw(data) {
            // Entries of 8 bits, one a byte.
            Some(bytes) if bits <= 8.0 && bytes.len() < 2 * count => {
                bytes.iter().map(|&byte| u16::from(byte)).collect()
            }
            Some(bytes) => {
                let word = |pair: &[u8]| match (values.big_endian, pair) {
                    (false, &[a, b]) => u16::from_le_bytes([a, b]),
                    (true, &[a, b]) => u16::from_be_bytes([a, b]),
                    _ => 0,
                };
                bytes.chunks_exact(2).map(word).collect()
            }
            None => Vec::new(),
        };
        if entries.len() < count {
            let message = format!("a lookup table of {} of {count} entries", entries.len());
            return Err(malformed(&message));
        }
        entries.truncate(count);
        Ok(Self { first, entries })
    }

    pub fn get(&self, stored: i64) -> u16 {
        let last = self.entries.len().saturating_sub(1);
        let at = stored.saturating_sub(self.first).clamp(0, last as i64);
        self.entries.get(at as usize).copied().unwrap_or(0)
    }

    /// The stored values between which the entries change.
    pub fn span(&self) -> (i64, i64) {
        (self.first, self.first + self.entries.len() as i64 - 1)
    }

    pub fn largest(&self) -> u16 {
        self.entries.iter().copied().max().unwrap_or(0)
    }
}

/// Red, green and blue of PALETTE COLOR (PS3.3 C.7.6.3.1.5).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::io) struct Palette([LookupTable; 3], u32);

impl Palette {
    /// # Errors
    /// When a table is damaged, absent or segmented.
    pub fn read(values: &DataSet, signed: bool, notes: &Notes) -> Result<Self, Refusal> {
        if values.has(tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA) {
            let message = "its palette is segmented, which is not read; export it in RGB";
            return Err(Refusal::new("colour", message));
        }
        let table = |pair| LookupTable::read(values, pair, signed, notes);
        let tables = [
            table([
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            ])?,
            table([
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            ])?,
            table([
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            ])?,
        ];
        // Entries of 16 bits are reduced to 8; some writers put 8-bit entries under a 16-bit descriptor.
        let largest = tables.iter().map(LookupTable::largest).max().unwrap_or(0);
        Ok(Self(tables, if largest > 255 { 8 } else { 0 }))
    }

    pub fn colour(&self, stored: i64) -> [u8; 3] {
        self.0
            .each_ref()
            .map(|table| (table.get(stored) >> self.1) as u8)
    }
}
