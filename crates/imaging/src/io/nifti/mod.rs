//! NIfTI-1, NIfTI-2 and ANALYZE 7.5 in, NIfTI-1 out. Their world is RAS; rows x and y are negated once, here, to give
//! LPS.

mod fields;
mod header;
mod layers;
mod mask;
mod orientation;
mod write;

pub(super) use header::inspect;
pub(super) use mask::{read_label_masks, same_voxels};
pub use mask::{read_mask, write_labels, write_mask};
pub use write::{check_nifti_name, write_nifti};

use super::error::Refusal;

fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not a sound NIfTI header ({what}); export the image again"),
    )
}
