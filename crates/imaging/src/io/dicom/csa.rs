//! The header that Siemens scanners write inside private elements ("CSA"), as far as mosaics need it. Its layout is
//! described by nibabel's documentation (Siemens format DICOM with CSA header).

/// The values of one tag of the header, as texts; none where it is absent or the header is damaged.
pub(super) fn values(header: &[u8], tag: &str) -> Vec<String> {
    // Files of the older form begin with the number of tags at once.
    let start = if header.starts_with(b"SV10") { 8 } else { 0 };
    find(&mut Bytes(header.get(start..).unwrap_or_default()), tag).unwrap_or_default()
}

fn find(bytes: &mut Bytes, tag: &str) -> Option<Vec<String>> {
    let count = bytes.number()?.min(1024);
    bytes.take(4)?;
    for _ in 0..count {
        let name = text(bytes.take(64)?);
        // Multiplicity, value representation, and its number in their system.
        bytes.take(12)?;
        let items = bytes.number()?.min(1024);
        bytes.take(4)?;
        let mut values = Vec::new();
        for _ in 0..items {
            bytes.take(4)?;
            let length = bytes.number()? as usize;
            bytes.take(8)?;
            let value = text(bytes.take(length)?);
            bytes.take(length.next_multiple_of(4) - length);
            if !value.is_empty() {
                values.push(value);
            }
        }
        if name == tag {
            return Some(values);
        }
    }
    None
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let text = bytes.get(..end).unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = <[u8; 4]>::try_from(self.take(4)?).ok()?;
        Some(u32::from_le_bytes(bytes))
    }
}
