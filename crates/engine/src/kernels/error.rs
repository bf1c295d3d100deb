//! What can go wrong between a matrix and its product.

/// An error of the matrix kernels: one line that says what, where and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A format cannot hold a matrix of this shape.
    #[error(
        "a matrix of {rows} x {cols} does not fit {format}: columns must be a multiple of {block}; \
         keep it in half precision",
        block = format.block_len()
    )]
    Shape {
        /// The format asked for.
        format: super::BlockFormat,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// A half-precision matrix of a shape that is empty or that no memory holds.
    #[error("a matrix of {rows} x {cols} is empty or too large; check the checkpoint's shapes")]
    Extent {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// A slice has another length than the shapes ask for.
    #[error(
        "{what} has {found} elements where the shapes ask for {expected}; pass the matching slice"
    )]
    Length {
        /// Which slice.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length asked for.
        expected: usize,
    },
    /// A row that the matrix does not have.
    #[error("row {row} of a matrix with {rows} rows; check the index")]
    Row {
        /// The row asked for.
        row: usize,
        /// Rows of the matrix.
        rows: usize,
    },
    /// The weights find no room.
    #[error(
        "cannot reserve {bytes} bytes for weights: {source}; close other programs or choose fewer bits"
    )]
    Memory {
        /// Bytes asked for.
        bytes: usize,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The quantizer refused the values.
    #[error("cannot quantize: {0}; check the values")]
    Quantize(#[from] candle_core::Error),
}

/// Checks the length of a slice.
pub(super) fn check_len(
    what: &'static str,
    found: usize,
    expected: Option<usize>,
) -> Result<(), KernelError> {
    let expected = expected.unwrap_or(usize::MAX);
    if found == expected {
        return Ok(());
    }
    Err(KernelError::Length {
        what,
        found,
        expected,
    })
}
