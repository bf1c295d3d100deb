//! The numbers a model is held in and computes with.

use candle_core::DType;

use m3d_engine::Format;

/// The numbers of a whole model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Numbers {
    /// What activations are, and every weight that is no matrix.
    pub compute: DType,
    /// The decoder's matrices, but for one.
    pub decoder: Format,
    /// The decoder's matrix behind attention, `o_proj`: a twelfth of the layer, and what is rounded off in it weighs most.
    pub attention_output: Format,
    /// The embedding and output matrices.
    pub vocabulary: Format,
    /// The two vision transformers' matrices.
    pub towers: Format,
}

impl Numbers {
    /// Everything in the type it computes with.
    pub const fn plain(compute: DType) -> Self {
        Self {
            compute,
            decoder: Format::Plain,
            attention_output: Format::Plain,
            vocabulary: Format::Plain,
            towers: Format::Plain,
        }
    }

    /// What the keys and values of past positions are held in: what is computed with, but half precision beside
    /// weights that are narrower than that, for every token reads all of them.
    pub fn memory(self) -> DType {
        match self.compute {
            DType::F32 if self.decoder != Format::Plain => DType::F16,
            compute => compute,
        }
    }
}

impl From<DType> for Numbers {
    fn from(compute: DType) -> Self {
        Self::plain(compute)
    }
}
