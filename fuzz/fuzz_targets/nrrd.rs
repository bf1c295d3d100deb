//! NRRD with its voxels in the same file or in `a.raw` beside it.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: m3d_fuzz::init(), |bytes: &[u8]| {
    let folder = m3d_fuzz::folder();
    let file = folder.join("a.nrrd");
    fs::write(&file, bytes).expect("it can be written");
    fs::write(folder.join("a.raw"), [1, 2, 3, 4].repeat(512)).expect("it can be written");
    m3d_fuzz::open(&file);
});
