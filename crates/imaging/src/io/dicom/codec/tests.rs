use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::*;

/// A stream of tests/data/codecs with what another decoder makes of it.
#[derive(serde::Deserialize)]
struct Example {
    file: String,
    syntax: String,
    columns: u32,
    rows: u32,
    samples: u16,
    allocated: u16,
    stored: u16,
    signed: bool,
    photometric: String,
    after: String,
    sha256: String,
}

impl Example {
    fn all() -> Vec<Self> {
        serde_json::from_slice(&Self::read("index.json")).unwrap()
    }

    fn one(file: &str) -> Self {
        let mut all = Self::all().into_iter();
        all.find(|example| example.file == file).unwrap()
    }

    fn read(file: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/codecs");
        std::fs::read(folder.join(file)).unwrap()
    }

    fn stream(&self) -> Vec<u8> {
        Self::read(&self.file)
    }

    fn coded(&self) -> Coded<'_> {
        Coded {
            syntax: &self.syntax,
            columns: self.columns,
            rows: self.rows,
            samples: self.samples,
            allocated: self.allocated,
            stored: self.stored,
            signed: self.signed,
            photometric: &self.photometric,
            planar: false,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

#[test]
fn every_syntax_decodes_to_what_other_decoders_give() {
    let examples = Example::all();
    let mut wrong = Vec::new();
    for example in &examples {
        match decode(&example.stream(), &example.coded()) {
            Ok(found) if hex(&found.bytes) != example.sha256 => {
                wrong.push((&example.file, "other samples".into()));
            }
            Ok(found) if found.photometric != example.after => {
                wrong.push((&example.file, found.photometric.into()));
            }
            Ok(_) => {}
            Err(refused) => wrong.push((&example.file, refused.message)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(examples.len() > 50);
    for codec in SYNTAXES.map(|(_, codec, _)| codec) {
        assert!(
            examples
                .iter()
                .any(|e| super::codec(&e.syntax) == Some(codec))
        );
    }
}

#[test]
fn a_stream_that_is_cut_short_is_refused() {
    for example in Example::all() {
        let stream = example.stream();
        for part in [0, 1, 3, 10, 40, 60, 90] {
            let cut = &stream[..stream.len() * part / 100];
            match decode(cut, &example.coded()) {
                Err(refused) => assert_eq!(refused.code, "damaged_pixels", "{}", example.file),
                Ok(_) => panic!("{part} % of {} decode", example.file),
            }
        }
    }
}

#[test]
fn damaged_bytes_neither_panic_nor_hang_nor_change_the_size() {
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    for example in Example::all() {
        let stream = example.stream();
        let coded = example.coded();
        for _ in 0..60 {
            let mut damaged = stream.clone();
            for _ in 0..=random(3) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            if let Ok(found) = decode(&damaged, &coded) {
                assert_eq!(found.bytes.len() as u64, coded.bytes(), "{}", example.file);
            }
        }
    }
}

#[test]
fn a_stream_of_other_size_channels_or_depth_is_refused() {
    for example in Example::all() {
        let stream = example.stream();
        let coded = example.coded();
        let refused = |other: Coded| decode(&stream, &other).unwrap_err().code;
        let carries_size = !["rle", "deflated"]
            .iter()
            .any(|end| example.file.ends_with(end));
        let mut others = vec![
            Coded {
                samples: 4 - coded.samples,
                ..coded
            },
            Coded {
                rows: 60_000,
                columns: 60_000,
                ..coded
            },
        ];
        if carries_size {
            others.push(Coded {
                rows: coded.rows - 1,
                ..coded
            });
            others.push(Coded {
                columns: coded.rows,
                rows: coded.columns,
                ..coded
            });
        }
        if coded.stored > 8 && carries_size {
            others.push(Coded {
                allocated: 8,
                stored: 8,
                ..coded
            });
        }
        for other in others {
            if example.file.ends_with("deflated") && other.samples != 3 && other.rows < 100 {
                continue;
            }
            let code = refused(other);
            assert!(
                ["damaged_pixels", "too_large"].contains(&code),
                "{}: {code}",
                example.file
            );
        }
    }
}

#[test]
fn samples_of_fewer_bits_than_stored_are_widened() {
    let example = Example::one("ls_rgb_sample.jls");
    let narrow = decode(&example.stream(), &example.coded()).unwrap().bytes;
    let coded = Coded {
        allocated: 16,
        stored: 12,
        ..example.coded()
    };
    let wide = decode(&example.stream(), &coded).unwrap().bytes;
    assert!(
        wide.chunks(2)
            .zip(&narrow)
            .all(|(wide, &narrow)| wide == [narrow, 0])
    );
    // Under a signed header the stream's top bit is the sign.
    let coded = Coded {
        signed: true,
        ..coded
    };
    let signed = decode(&example.stream(), &coded).unwrap().bytes;
    assert!(narrow.iter().any(|&sample| sample > 127));
    for (wide, &narrow) in signed.chunks(2).zip(&narrow) {
        assert_eq!(
            i16::from_le_bytes([wide[0], wide[1]]),
            i16::from(narrow as i8)
        );
    }
}

#[test]
fn planes_of_deflated_colour_are_interleaved() {
    use std::io::Write as _;
    let mut coder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    coder
        .write_all(&[1, 2, 3, 4, 10, 20, 30, 40, 5, 6, 7, 8])
        .unwrap();
    let stream = coder.finish().unwrap();
    let coded = Coded {
        syntax: uids::DEFLATED_IMAGE_FRAME_COMPRESSION,
        columns: 1,
        rows: 2,
        samples: 3,
        allocated: 16,
        stored: 16,
        signed: false,
        photometric: "RGB",
        planar: true,
    };
    let bytes = decode(&stream, &coded).unwrap().bytes;
    assert_eq!(bytes, [1, 2, 10, 20, 5, 6, 3, 4, 30, 40, 7, 8]);
}

#[test]
fn what_is_not_decoded_is_named() {
    let example = Example::one("baseline_grey.jpg");
    let mut stream = example.stream();
    let frame = stream
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    for (marker, word) in [
        (0xC2, "progressive"),
        (0xC9, "arithmetic"),
        (0xC5, "hierarchical"),
    ] {
        stream[frame + 1] = marker;
        let refused = decode(&stream, &example.coded()).unwrap_err();
        assert_eq!(refused.code, "transfer_syntax");
        assert!(refused.message.contains(word));
    }
    let coded = Coded {
        syntax: uids::MPEG2MPML,
        ..example.coded()
    };
    assert_eq!(decode(&stream, &coded).unwrap_err().code, "transfer_syntax");
    assert!(!can_decode(uids::MPEG2MPML) && can_decode(uids::HTJ2K));
    assert_eq!(name(uids::JPEGLS_LOSSLESS), Some("JPEG-LS"));
}
