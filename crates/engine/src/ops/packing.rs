//! Several texts that share one beginning, in one sequence.

use candle_core::{Device, Result, Tensor};

/// A sequence that begins with what all its texts see (`<s>` and the image) and goes on with the texts one after
/// another. Each text sees the beginning and itself, and counts its positions from the end of the beginning: as if
/// each stood there alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    prefix: usize,
    /// First position and length of each text.
    texts: Vec<(usize, usize)>,
    len: usize,
}

impl Packing {
    /// `texts` are the lengths; positions beyond them up to `len` are padding, which nobody sees.
    pub fn new(prefix: usize, texts: impl IntoIterator<Item = usize>, len: usize) -> Self {
        let mut end = prefix;
        let texts: Vec<(usize, usize)> = texts
            .into_iter()
            .map(|length| {
                end += length;
                (end - length, length)
            })
            .collect();
        Self {
            prefix,
            texts,
            len: len.max(end),
        }
    }

    /// Positions in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where a position stands in its own text's view.
    pub fn position(&self, i: usize) -> usize {
        match self.start(i) {
            Some(start) => self.prefix + i - start,
            None if i < self.prefix => i,
            None => self.prefix,
        }
    }

    /// The runs of positions that are no padding: first position, length, and how many first positions of the
    /// sequence each sees beside the run itself up to its own place.
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let texts = self
            .texts
            .iter()
            .map(|&(start, length)| (start, length, self.prefix));
        std::iter::once((0, self.prefix, 0))
            .chain(texts)
            .filter(|run| run.1 > 0)
    }

    /// The first position of the text that a position belongs to.
    fn start(&self, i: usize) -> Option<usize> {
        let after = self.texts.partition_point(|&(start, _)| start <= i);
        let (start, length) = *self.texts.get(after.checked_sub(1)?)?;
        (i < start + length).then_some(start)
    }

    /// `[n,n]` of 0 and -inf, to be added to scores.
    pub fn mask(&self, device: &Device) -> Result<Tensor> {
        let n = self.len();
        let mut mask = vec![f32::NEG_INFINITY; n * n];
        for (i, row) in mask.chunks_mut(n.max(1)).enumerate() {
            match self.start(i) {
                Some(start) => {
                    row[..self.prefix].fill(0.0);
                    row[start..=i].fill(0.0);
                }
                None if i < self.prefix => row[..=i].fill(0.0),
                None => row[i] = 0.0,
            }
        }
        Tensor::from_vec(mask, (n, n), device)
    }
}
