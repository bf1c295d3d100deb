//! DICOM files: the bytes are cut before each preamble into the files of a folder, so that damaged series are put
//! together, too. Each is also copied without identities.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

/// The most files of a folder.
const MOST: usize = 8;

fuzz_target!(init: m3d_fuzz::init(), |bytes: &[u8]| {
    let folder = m3d_fuzz::folder();
    let study = folder.join("study");
    fs::create_dir(&study).expect("it can be made");
    let mut rest = bytes;
    for number in 0..MOST {
        let next = rest
            .windows(4)
            .enumerate()
            .skip(129)
            .find(|(at, word)| *at >= 256 && *word == b"DICM");
        let end = match next {
            Some((at, _)) if number + 1 < MOST => at - 128,
            _ => rest.len(),
        };
        let (file, after) = rest.split_at(end);
        fs::write(study.join(format!("{number}.dcm")), file).expect("it can be written");
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    m3d_fuzz::open(&study);
    m3d_fuzz::anonymize(&study, &folder.join("copy"));
});
