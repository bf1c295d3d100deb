//! Vectors of f32 that lie in a matrix, as its rows or its columns.

/// Vectors of f32 wherever they lie.
#[derive(Debug, Clone, Copy)]
pub struct Vectors<'a> {
    /// From the first number of the first vector on.
    pub values: &'a [f32],
    /// How many vectors, and how many values in each.
    pub count: usize,
    /// Values in each.
    pub depth: usize,
    /// From a vector to the next.
    pub stride: usize,
    /// From a number of a vector to the next.
    pub step: usize,
}

impl<'a> Vectors<'a> {
    /// The rows of a matrix `[rows, columns]` that lies row by row.
    pub fn rows(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self {
            values,
            count: rows,
            depth: columns,
            stride: columns,
            step: 1,
        }
    }

    /// The columns of a matrix `[rows, columns]` that lies row by row.
    pub fn columns(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self {
            values,
            count: columns,
            depth: rows,
            stride: 1,
            step: columns,
        }
    }

    /// Whether the values hold the vectors.
    pub(crate) fn fits(&self) -> bool {
        let last = |n: usize, by: usize| n.saturating_sub(1) * by;
        self.count == 0
            || self.depth == 0
            || last(self.count, self.stride) + last(self.depth, self.step) < self.values.len()
    }
}
