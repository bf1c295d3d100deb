//! Zip archives of anything.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: m3d_fuzz::init(), |bytes: &[u8]| {
    let file = m3d_fuzz::folder().join("a.zip");
    fs::write(&file, bytes).expect("it can be written");
    m3d_fuzz::open(&file);
});
