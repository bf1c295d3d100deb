//! NIfTI and Analyze, plain or packed, in one file or two, and copies of them without identities.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: m3d_fuzz::init(), |bytes: &[u8]| {
    let folder = m3d_fuzz::folder();
    let packed = bytes.starts_with(&[0x1f, 0x8b]);
    let magic = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let header = if magic(344, b"n+1") || magic(4, b"n+2") || packed {
        None
    } else if magic(4, b"ni2") {
        Some(540)
    } else {
        Some(348)
    };
    let file = match header {
        Some(size) if bytes.len() > size => {
            fs::write(folder.join("a.img"), &bytes[size..]).expect("it can be written");
            fs::write(folder.join("a.hdr"), &bytes[..size]).expect("it can be written");
            folder.join("a.hdr")
        }
        _ => {
            let file = folder.join(if packed { "a.nii.gz" } else { "a.nii" });
            fs::write(&file, bytes).expect("it can be written");
            file
        }
    };
    m3d_fuzz::open(&file);
    m3d_fuzz::read_as_labels(&file);
    m3d_fuzz::anonymize(&file, &folder.join("copy"));
});
