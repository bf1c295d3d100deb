//! A matrix of weights in one of several formats.

use std::sync::Arc;

use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Layout, Module, Result, Shape, Tensor, WithDType,
};
use half::{bf16, f16};
use rayon::prelude::*;

use super::WeightFormat;
use super::kernels::{HalfMatrix, KernelError, PackedMatrix};

/// A matrix `[rows, columns]` of weights that activations are multiplied with.
#[derive(Debug, Clone)]
pub enum Matrix {
    /// In the dtype the model computes with; gradients flow through it.
    Plain(Tensor),
    /// Half precision on the CPU, multiplied by [`kernels`](super::kernels).
    Half(Arc<HalfMatrix>),
    /// Few bits on the CPU, multiplied by [`kernels`](super::kernels).
    Packed(Arc<PackedMatrix>),
    /// Few bits on a GPU, multiplied by candle.
    Quantized(QMatMul),
}

impl Matrix {
    /// Holds a tensor `[rows, columns]` of a device in `format` there.
    pub fn from_tensor(tensor: &Tensor, format: WeightFormat) -> Result<Self> {
        if format == WeightFormat::Plain {
            return Ok(Self::Plain(tensor.clone()));
        }
        if tensor.device().is_cpu() {
            let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            return Self::from_values(&values, tensor.dims2()?, format);
        }
        match format.packed() {
            Some(packed) => {
                let quantized = QTensor::quantize(tensor, packed.ggml_dtype())?;
                QMatMul::from_arc(Arc::new(quantized)).map(Self::Quantized)
            }
            // A GPU computes with what it holds.
            None => Ok(Self::Plain(tensor.clone())),
        }
    }

    /// Holds values in row-major order on the CPU.
    pub fn from_values(
        values: &[f32],
        (rows, columns): (usize, usize),
        format: WeightFormat,
    ) -> Result<Self> {
        let half = |matrix: std::result::Result<HalfMatrix, KernelError>| {
            matrix.map(|matrix| Self::Half(Arc::new(matrix)))
        };
        let held = match (format, format.packed()) {
            (WeightFormat::Bf16, _) => {
                let values = values.par_iter().map(|v| bf16::from_f32(*v)).collect();
                half(HalfMatrix::from_bf16(values, rows, columns))
            }
            (WeightFormat::F16, _) => {
                let values = values.par_iter().map(|v| f16::from_f32(*v)).collect();
                half(HalfMatrix::from_f16(values, rows, columns))
            }
            (_, Some(packed)) => PackedMatrix::quantize(values, rows, columns, packed)
                .map(|matrix| Self::Packed(Arc::new(matrix))),
            (_, None) => {
                let tensor = Tensor::from_slice(values, (rows, columns), &Device::Cpu)?;
                return Ok(Self::Plain(tensor));
            }
        };
        held.map_err(candle_core::Error::wrap)
    }

    /// Holds blocks of a format that has them, `[rows, columns]` values as ggml packs them, without unpacking. They
    /// must begin at an even address.
    pub fn from_blocks(
        blocks: &[u8],
        shape: [usize; 2],
        format: WeightFormat,
        device: &Device,
    ) -> Result<Self> {
        let [rows, columns] = shape;
        let Some(packed) = format.packed() else {
            candle_core::bail!("{format:?} has no blocks")
        };
        if device.is_cpu() {
            let matrix = PackedMatrix::from_blocks(blocks, rows, columns, packed);
            let matrix = matrix.map_err(candle_core::Error::wrap)?;
            return Ok(Self::Packed(Arc::new(matrix)));
        }
        let row_bytes = columns / packed.block_len() * packed.block_bytes();
        if !columns.is_multiple_of(packed.block_len()) || blocks.len() != rows * row_bytes {
            candle_core::bail!("{} bytes are no {shape:?} in {packed}", blocks.len())
        }
        let storage = QStorage::from_data(blocks.into(), device, packed.ggml_dtype())?;
        let tensor = QTensor::new(storage, (rows, columns))?;
        QMatMul::from_arc(Arc::new(tensor)).map(Self::Quantized)
    }

    /// `x W^T`: `[..,columns]` to `[..,rows]`.
    pub fn multiply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(weight) => candle_nn::Linear::new(weight.clone(), None).forward(x),
            Self::Half(weight) => Product::of(x, &**weight),
            Self::Packed(weight) => Product::of(x, &**weight),
            Self::Quantized(weight) => weight.forward(x),
        }
    }

    /// The rows of these indices, `[ids, columns]`.
    pub fn rows(&self, ids: &[u32], device: &Device) -> Result<Tensor> {
        let on_device = || Tensor::from_slice(ids, ids.len(), device);
        match self {
            Self::Plain(weight) => weight.index_select(&on_device()?, 0),
            Self::Half(weight) => widened_rows(&**weight, ids, device),
            Self::Packed(weight) => widened_rows(&**weight, ids, device),
            Self::Quantized(weight) => weight.embedding(&on_device()?),
        }
    }
}

/// What the kernels for both kinds of narrow weights offer.
trait Narrow: Sync {
    /// `[rows, columns]`.
    fn shape(&self) -> (usize, usize);
    fn widen_row(&self, row: usize, out: &mut [f32]) -> std::result::Result<(), KernelError>;
    fn matmul(&self, x: &[f32], m: usize, y: &mut [f32]) -> std::result::Result<(), KernelError>;
}

macro_rules! narrow {
    ($kind:ty) => {
        impl Narrow for $kind {
            fn shape(&self) -> (usize, usize) {
                (self.rows(), self.cols())
            }

            fn widen_row(
                &self,
                row: usize,
                out: &mut [f32],
            ) -> std::result::Result<(), KernelError> {
                self.dequantize_row(row, out)
            }

            fn matmul(
                &self,
                x: &[f32],
                m: usize,
                y: &mut [f32],
            ) -> std::result::Result<(), KernelError> {
                self.matmul(x, m, y)
            }
        }
    };
}

narrow!(HalfMatrix);
narrow!(PackedMatrix);

fn widened_rows(weight: &dyn Narrow, ids: &[u32], device: &Device) -> Result<Tensor> {
    let (_, columns) = weight.shape();
    let mut values = vec![0.0; ids.len() * columns];
    for (&id, row) in ids.iter().zip(values.chunks_exact_mut(columns)) {
        weight
            .widen_row(id as usize, row)
            .map_err(candle_core::Error::wrap)?;
    }
    Tensor::from_vec(values, (ids.len(), columns), device)
}

/// The product with narrow weights, as candle takes operators: contiguous f32 on the CPU.
struct Product<'a>(&'a dyn Narrow);

impl<'a> Product<'a> {
    fn of(x: &Tensor, weight: &'a dyn Narrow) -> Result<Tensor> {
        x.contiguous()?.apply_op1_no_bwd(&Self(weight))
    }
}

impl CustomOp1 for Product<'_> {
    fn name(&self) -> &'static str {
        "product with narrow weights"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("narrow weights multiply contiguous rows")
        };
        let x = &f32::cpu_storage_as_slice(storage)?[start..end];
        let (rows, columns) = self.0.shape();
        let mut dims = layout.dims().to_vec();
        match dims.last_mut() {
            Some(width) if *width == columns => *width = rows,
            _ => candle_core::bail!("rows of {columns} are needed, not {:?}", layout.dims()),
        }
        let m = x.len() / columns;
        let mut y = vec![0.0; m * rows];
        self.0
            .matmul(x, m, &mut y)
            .map_err(candle_core::Error::wrap)?;
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }
}
