//! Transfer syntaxes (PS3.5 chapter 10).

use dicom_dictionary_std::uids;
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

use super::codec;
use crate::io::error::Refusal;

/// Refuses a syntax that no decoder reads.
pub(super) fn refuse_unknown(uid: &str) -> Result<(), Refusal> {
    if is_native(uid) || codec::can_decode(uid) {
        return Ok(());
    }
    let known = TransferSyntaxRegistry.get(uid);
    let name = known.map_or("unknown", |syntax| syntax.name());
    let message = format!(
        "compressed in a way that is not read ({name}, {uid}); convert it to Explicit VR Little Endian"
    );
    Err(Refusal::new("transfer_syntax", message))
}

/// Whether pixels stand in the file as they are.
pub(super) fn is_native(uid: &str) -> bool {
    let syntax = TransferSyntaxRegistry.get(uid);
    syntax.is_some_and(|syntax| !syntax.is_encapsulated_pixel_data())
}

/// Whether pixels of a transfer syntax have always lost something (PS3.5 10.1 to 10.18): JPEG baseline and extended,
/// and JPEG-LS near-lossless.
pub(super) fn is_always_lossy(syntax: &str) -> bool {
    [
        uids::JPEG_BASELINE8_BIT,
        uids::JPEG_EXTENDED12_BIT,
        uids::JPEGLS_NEAR_LOSSLESS,
    ]
    .contains(&syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lossy_syntaxes_are_known() {
        for lossy in ["50", "51", "81"] {
            assert!(is_always_lossy(&format!("1.2.840.10008.1.2.4.{lossy}")));
        }
        // Lossless, or both: Lossy Image Compression decides.
        for lossless in ["57", "70", "80", "90", "91"] {
            assert!(!is_always_lossy(&format!("1.2.840.10008.1.2.4.{lossless}")));
        }
    }
}
