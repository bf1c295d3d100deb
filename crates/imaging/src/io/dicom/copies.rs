//! Files that are there twice.

use std::collections::HashMap;

use super::frame::{By, Frame};

/// Takes out all but the first of frames that are one: of the same SOP Instance UID at the same place with the same
/// marks, or without a UID with the same bytes. Gives those that were taken out.
pub(super) fn drop_copies(frames: &mut Vec<Frame>) -> Vec<Frame> {
    let mut copies = Vec::new();
    let mut known: HashMap<(String, u32, u64), Vec<Frame>> = HashMap::new();
    frames.retain(|frame| {
        let tile = frame
            .tile
            .map_or(0, |tile| u64::from(tile.row) << 32 | u64::from(tile.column));
        let key = (frame.file.sop_uid.clone(), frame.number, tile);
        let alike = known.entry(key).or_default();
        if alike.iter().any(|other| is_copy(frame, other)) {
            copies.push(frame.clone());
            return false;
        }
        alike.push(frame.clone());
        true
    });
    copies
}

fn is_copy(a: &Frame, b: &Frame) -> bool {
    const MARKS: [By; 6] = [
        By::Instance,
        By::Acquisition,
        By::ImageType,
        By::Temporal,
        By::Echo,
        By::Time,
    ];
    let (one, other) = (&a.file, &b.file);
    if one.path == other.path {
        return false;
    }
    let same = a.place == b.place
        && (a.rows, a.columns) == (b.rows, b.columns)
        && one.place.available == other.place.available
        && MARKS.iter().all(|&by| a.mark(by) == b.mark(by));
    same && (!one.sop_uid.is_empty() || same_bytes(a, b))
}

fn same_bytes(a: &Frame, b: &Frame) -> bool {
    let (one, other) = (&a.file, &b.file);
    one.place.file_length == other.place.file_length
        && match (std::fs::read(&one.path), std::fs::read(&other.path)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
}
