//! NIfTI and Analyze images without the texts in their headers.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::ops::Range;
use std::path::Path;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::io::error::Refusal;
use crate::io::files;

/// How a header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Analyze,
    Nifti1,
    Nifti2,
}

impl Form {
    const fn size(self) -> usize {
        match self {
            Self::Analyze | Self::Nifti1 => 348,
            Self::Nifti2 => 540,
        }
    }

    /// Bytes that hold text or nothing: `data_type`, `db_name`, `extents`, `session_error` and `regular`,
    /// then `descrip`, `aux_file` and `intent_name`; in Analyze what its history names.
    const fn texts(self) -> &'static [Range<usize>] {
        match self {
            Self::Analyze => &[4..32, 148..252, 263..316],
            Self::Nifti1 => &[4..38, 148..252, 328..344],
            Self::Nifti2 => &[240..344, 508..524, 525..540],
        }
    }
}

/// What a header says of its voxels.
struct Header {
    bytes: Vec<u8>,
    form: Form,
    big_endian: bool,
}

impl Header {
    fn read(reader: &mut dyn Read) -> Result<Self, Refusal> {
        let mut bytes = vec![0; 348];
        reader.read_exact(&mut bytes)?;
        let size: [u8; 4] = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let big_endian = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
            (348 | 540, _) => false,
            (_, 348 | 540) => true,
            _ => return Err(malformed("its header's size")),
        };
        let is_second = [size[0], size[3]].contains(&0x1C);
        let form = if is_second {
            bytes.resize(540, 0);
            reader.read_exact(&mut bytes[348..])?;
            Form::Nifti2
        } else if matches!(bytes[344..348], [b'n', b'i' | b'+', b'1', 0]) {
            Form::Nifti1
        } else {
            Form::Analyze
        };
        Ok(Self {
            bytes,
            form,
            big_endian,
        })
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.bytes[at..at + N]);
        if self.big_endian {
            field.reverse();
        }
        field
    }

    fn set<const N: usize>(&mut self, at: usize, mut field: [u8; N]) {
        if self.big_endian {
            field.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&field);
    }

    fn dim(&self, index: usize) -> i64 {
        match self.form {
            Form::Nifti2 => i64::from_le_bytes(self.field(16 + 8 * index)),
            _ => i64::from(i16::from_le_bytes(self.field(40 + 2 * index))),
        }
    }

    /// The bytes of all voxels.
    fn voxel_bytes(&self) -> Result<u64, Refusal> {
        let bits = i16::from_le_bytes(match self.form {
            Form::Nifti2 => self.field(14),
            _ => self.field(72),
        });
        let axes = self.dim(0);
        if !(1..=7).contains(&axes) {
            return Err(malformed("its number of axes"));
        }
        let mut count = u64::try_from(bits).ok().filter(|bits| *bits > 0);
        for axis in 1..=axes as usize {
            let length = u64::try_from(self.dim(axis)).map_err(|_| malformed("its dimensions"))?;
            count = count.and_then(|count| count.checked_mul(length.max(1)));
        }
        let bits = count.ok_or_else(|| malformed("its dimensions"))?;
        Ok(bits.div_ceil(8))
    }

    /// Where the voxels begin.
    fn offset(&self) -> Result<u64, Refusal> {
        let offset = if self.form == Form::Nifti2 {
            i64::from_le_bytes(self.field(168))
        } else {
            let offset = f32::from_le_bytes(self.field(108));
            if !(0.0..1e9).contains(&offset) || offset.fract() != 0.0 {
                return Err(malformed("the place of its voxels"));
            }
            offset as i64
        };
        u64::try_from(offset).map_err(|_| malformed("the place of its voxels"))
    }

    fn set_offset(&mut self, offset: u16) {
        match self.form {
            Form::Nifti2 => self.set(168, i64::from(offset).to_le_bytes()),
            _ => self.set(108, f32::from(offset).to_le_bytes()),
        }
    }

    /// Takes the texts out. Analyze's `originator` stays where it is SPM's origin, which is no text.
    fn clean(&mut self) {
        for range in self.form.texts() {
            self.bytes[range.clone()].fill(0);
        }
        if self.form == Form::Analyze
            && self.bytes[253..263]
                .iter()
                .filter(|b| b.is_ascii_graphic())
                .count()
                > 5
        {
            self.bytes[253..263].fill(0);
        }
    }
}

/// What the header says in words.
///
/// # Errors
/// When it cannot be read.
pub(super) fn description(path: &Path) -> Result<String, Refusal> {
    let header = Header::read(&mut *open(path)?)?;
    let texts = header.form.texts().iter();
    let bytes: Vec<u8> = texts
        .flat_map(|range| header.bytes[range.clone()].to_vec())
        .collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes an image in one file without texts and extensions, its voxels as they are; packed or not as `out`
/// is named, and without the file name that gzip can hold.
///
/// # Errors
/// When the image is damaged, or `out` cannot be written.
pub(super) fn rewrite(path: &Path, out: &mut dyn Write, packed: bool) -> Result<(), Refusal> {
    let mut reader = open(path)?;
    let mut header = Header::read(&mut *reader)?;
    let size = header.form.size() as u64;
    let (voxels, offset) = (header.voxel_bytes()?, header.offset()?);
    let skipped = offset.max(size) - size;
    let passed = std::io::copy(&mut reader.by_ref().take(skipped), &mut std::io::sink())?;
    if passed < skipped {
        return Err(Refusal::truncated(
            "the file ends before its voxels; copy or export it again",
        ));
    }
    let gap = if header.form == Form::Analyze { 0 } else { 4 };
    header.clean();
    header.set_offset(header.form.size() as u16 + gap);
    header.bytes.extend(vec![0; usize::from(gap)]);
    with_packing(out, packed, |out| {
        out.write_all(&header.bytes)?;
        copy_voxels(&mut *reader, voxels, out)
    })
}

/// As [`rewrite`], for an image in two files: first the header, then the voxels.
pub(super) fn rewrite_pair(
    header_path: &Path,
    voxels_path: &Path,
    outs: [&mut dyn Write; 2],
    packed: bool,
) -> Result<(), Refusal> {
    let mut header = Header::read(&mut *open(header_path)?)?;
    let (voxels, offset) = (header.voxel_bytes()?, header.offset()?);
    let mut reader = open(voxels_path)?;
    let passed = std::io::copy(&mut reader.by_ref().take(offset), &mut std::io::sink())?;
    if passed < offset {
        return Err(Refusal::truncated(
            "the file ends before its voxels; copy or export it again",
        ));
    }
    header.clean();
    header.set_offset(0);
    if header.form != Form::Analyze {
        header.bytes.extend([0; 4]);
    }
    let [header_out, voxels_out] = outs;
    with_packing(header_out, packed, |out| Ok(out.write_all(&header.bytes)?))?;
    with_packing(voxels_out, packed, |out| {
        copy_voxels(&mut *reader, voxels, out)
    })
}

fn with_packing(
    out: &mut dyn Write,
    packed: bool,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if !packed {
        return write(out);
    }
    let mut gzip = GzEncoder::new(out, Compression::fast());
    write(&mut gzip)?;
    gzip.finish()?;
    Ok(())
}

fn copy_voxels(reader: &mut dyn Read, voxels: u64, out: &mut dyn Write) -> Result<(), Refusal> {
    if std::io::copy(&mut reader.take(voxels), out)? < voxels {
        return Err(Refusal::truncated(
            "the file ends inside its voxels; copy or export it again",
        ));
    }
    Ok(())
}

/// The file, unpacked when it is gzip, whatever its name says.
fn open(path: &Path) -> Result<Box<dyn Read>, Refusal> {
    let mut reader = BufReader::with_capacity(1 << 16, files::open(path)?);
    if std::io::BufRead::fill_buf(&mut reader)?.starts_with(&[0x1F, 0x8B]) {
        return Ok(Box::new(MultiGzDecoder::new(reader)));
    }
    Ok(Box::new(reader))
}

/// Whether a file is packed.
pub(super) fn is_packed(path: &Path) -> bool {
    let mut start = [0; 2];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok()
        && start == [0x1F, 0x8B]
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not a sound NIfTI header ({what}); export the image again"),
    )
}
