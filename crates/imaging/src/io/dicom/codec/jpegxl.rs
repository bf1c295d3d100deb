//! JPEG XL (ISO 18181), also where it holds a recompressed JPEG.

use jxl_oxide::{AllocTracker, JxlImage, JxlThreadPool};

use super::claim::Claim;
use super::samples::pack;
use super::{Coded, Decoded, damaged};
use crate::io::error::{Refusal, reserve};

pub(super) fn decode<'a>(stream: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| damaged(&error.to_string());
    // Numbers of 32 bits in several buffers, and some room for tables.
    let most = 64 * coded.count() + (64 << 20);
    let image = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(most as usize))
        .read(stream)
        .map_err(broken)?;
    let header = image.image_header();
    let depth = header.metadata.bit_depth.bits_per_sample();
    Claim {
        columns: image.width(),
        rows: image.height(),
        channels: image.pixel_format().channels() as u16,
        depth: depth as u16,
    }
    .compare(coded)?;
    if !(1..=16).contains(&depth) {
        return Err(damaged("samples of more than 16 bits"));
    }
    let frame = image.render_frame(0).map_err(broken)?.image_all_channels();
    let most = f64::from((1_u32 << depth) - 1);
    let mut samples: Vec<u16> = reserve(coded.count())?;
    samples.extend((frame.buf().iter()).map(|&part| (f64::from(part) * most).round() as u16));
    if samples.len() as u64 != coded.count() {
        return Err(damaged("it ends too early"));
    }
    Ok(Decoded {
        bytes: pack(&samples, depth as u16, coded)?,
        photometric: if coded.samples == 3 {
            "RGB"
        } else {
            coded.photometric
        },
    })
}
