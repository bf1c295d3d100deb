//! What a file is that is no image, where that is cheap to tell, and what to do with it.

use super::error::Refusal;

/// First bytes, what they are the mark of, and what to do.
const MARKS: &[(&[u8], &str, &str)] = &[
    (b"%PDF-", "a PDF document", OTHER_PROGRAM),
    (
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        "an old Office document",
        OTHER_PROGRAM,
    ),
    (b"{\\rtf", "a text document (RTF)", OTHER_PROGRAM),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (as MATLAB 7.3, MINC 2 and Keras write)",
        CONVERT,
    ),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", CONVERT),
    (b"CDF\x01", "a NetCDF file (as MINC 1 writes)", CONVERT),
    (b"CDF\x02", "a NetCDF file", CONVERT),
    (b"# vtk DataFile", "a VTK file", CONVERT),
    (b"<VTKFile", "a VTK file", CONVERT),
    (
        b"# === DATA DESCRIPTION FILE",
        "the header of a Philips PAR/REC image",
        CONVERT,
    ),
    (b"type  = ", "the header of an AFNI image", CONVERT),
    (b"MATRIX7", "an ECAT image", CONVERT),
    (
        b"\x00\x00\x00\x0CJXL \r\n\x87\n",
        "a JPEG XL picture",
        AS_PNG,
    ),
    (b"\xFF\x0A", "a JPEG XL picture", AS_PNG),
    (
        b"\x00\x00\x00\x0CjP  \r\n\x87\n",
        "a JPEG 2000 picture",
        AS_PNG,
    ),
    (b"\xFF\x4F\xFF\x51", "a JPEG 2000 picture", AS_PNG),
    (b"II*\0", "a TIFF picture", AS_PNG),
    (b"MM\0*", "a TIFF picture", AS_PNG),
    (b"II+\0", "a TIFF picture", AS_PNG),
    (b"GIF8", "a GIF picture", AS_PNG),
    (b"BM", "a BMP picture", AS_PNG),
    (b"solid ", "a surface (STL)", SURFACE),
    (b"ply\n", "a surface (PLY)", SURFACE),
    (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1A\x07", "a RAR archive", UNPACK),
    (b"\xFD7zXZ\0", "a file packed with xz", UNPACK),
    (b"BZh", "a file packed with bzip2", UNPACK),
    (b"\x28\xB5\x2F\xFD", "a file packed with Zstandard", UNPACK),
    (
        b"\x1A\x45\xDF\xA3",
        "a video (Matroska or WebM)",
        OTHER_PROGRAM,
    ),
    (b"OggS", "a recording (Ogg)", OTHER_PROGRAM),
    (b"ID3", "a recording (MP3)", OTHER_PROGRAM),
    (b"SQLite format 3\0", "a database (SQLite)", OTHER_PROGRAM),
    (b"\x7FELF", "a program", NOTHING),
    (b"MZ", "a program", NOTHING),
    (
        b"\x00\x05\x16\x07",
        "what macOS keeps beside a file",
        NOTHING,
    ),
    (b"\x80\x02", "a Python pickle (as PyTorch writes)", CONVERT),
    (b"\x80\x04\x95", "a Python pickle", CONVERT),
    (b"\x80\x05\x95", "a Python pickle", CONVERT),
];

const OTHER_PROGRAM: &str = "open it with another program";
const CONVERT: &str = "convert it to NIfTI or NRRD";
const AS_PNG: &str = "save it as PNG";
const SURFACE: &str = "open the image it was made from";
const UNPACK: &str = "unpack it and open the folder";
const NOTHING: &str = "there is nothing to see in it";

/// Why a file with this beginning (unpacked, if it was gzip) is no image.
pub(super) fn refusal(head: &[u8], packed: bool) -> Refusal {
    let (what, todo) = name(head);
    let (packed, what) = match (packed, what) {
        (false, what) => ("", what),
        (true, what) => ("gzip, and in it ", what),
    };
    Refusal::new(
        "not_an_image",
        format!(
            "neither a DICOM nor a NIfTI image nor another that is read: {packed}{what}; {todo}"
        ),
    )
}

/// Whether a zip archive is a document or a program, by the name of its first file.
pub(super) fn is_document(head: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"[Content_Types].xml",
        b"mimetype",
        b"META-INF/",
        b"_rels/",
        b"docProps/",
        b"word/",
        b"xl/",
        b"ppt/",
    ];
    let first = head.get(30..).unwrap_or_default();
    head.starts_with(b"PK") && names.iter().any(|name| first.starts_with(name))
}

fn name(head: &[u8]) -> (&'static str, &'static str) {
    let at = |offset: usize, mark: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(mark))
    };
    if head.is_empty() {
        return ("an empty file", "copy it again");
    }
    if is_document(head) {
        return ("an Office document or a program (zip)", OTHER_PROGRAM);
    }
    if at(257, b"ustar") {
        return ("a tar archive", UNPACK);
    }
    if at(0, b"RIFF") {
        return match head.get(8..12) {
            Some(b"WEBP") => ("a WebP picture", AS_PNG),
            _ => ("a video or recording (RIFF)", OTHER_PROGRAM),
        };
    }
    if at(4, b"ftyp") {
        return match head.get(8..11) {
            Some(b"hei" | b"avi" | b"mif") => ("a HEIF or AVIF picture", AS_PNG),
            _ => ("a video (MP4 or QuickTime)", OTHER_PROGRAM),
        };
    }
    if let Some((_, what, todo)) = MARKS.iter().find(|(mark, ..)| at(0, mark)) {
        return (what, todo);
    }
    text(head)
}

fn text(head: &[u8]) -> (&'static str, &'static str) {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The last letter may be cut.
        Err(error) => error.error_len().is_none(),
    };
    let is_text = is_text && head.iter().all(|&b| b >= b' ' || b.is_ascii_whitespace());
    match head.trim_ascii_start().first() {
        _ if !is_text => ("a file of an unknown kind", "check that it is an image"),
        Some(b'{' | b'[') => ("a JSON or other text file", OTHER_PROGRAM),
        Some(b'<') => ("a web page or XML file", OTHER_PROGRAM),
        _ => ("a text file", OTHER_PROGRAM),
    }
}
