//! The dtype a model computes with and the formats its weights are held in.

use candle_core::DType;

use m3d_engine::WeightFormat;

/// The dtype that a whole model computes with, and the format that each kind of matrix is held in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Precision {
    /// What activations are, and every weight that is no matrix.
    pub compute: DType,
    /// The decoder's matrices, but for one.
    pub decoder: WeightFormat,
    /// The decoder's matrix behind attention, `o_proj`: a twelfth of the layer, and what is rounded off in it weighs most.
    pub attention_output: WeightFormat,
    /// The embedding and output matrices.
    pub vocabulary: WeightFormat,
    /// The two vision transformers' matrices.
    pub towers: WeightFormat,
}

impl Precision {
    /// Everything in the type it computes with.
    pub const fn plain(compute: DType) -> Self {
        Self {
            compute,
            decoder: WeightFormat::Plain,
            attention_output: WeightFormat::Plain,
            vocabulary: WeightFormat::Plain,
            towers: WeightFormat::Plain,
        }
    }

    /// What the keys and values of past positions are held in: what is computed with, but half precision beside
    /// weights that are narrower than that, for every token reads all of them.
    pub fn memory(self) -> DType {
        match self.compute {
            DType::F32 if self.decoder != WeightFormat::Plain => DType::F16,
            compute => compute,
        }
    }
}

impl From<DType> for Precision {
    fn from(compute: DType) -> Self {
        Self::plain(compute)
    }
}
