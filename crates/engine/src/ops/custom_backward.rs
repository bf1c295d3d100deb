//! Results that were computed outside the graph, put into it together with their backward pass.

use std::sync::Mutex;

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, Result, Shape, Storage, Tensor,
};

/// `result` (on x's device, no view of another tensor), computed from `x` without a graph, with its backward pass:
/// x, the result and its gradient, all without a graph and the last contiguous, to the gradient of x.
pub fn with_backward(
    name: &'static str,
    x: &Tensor,
    result: &Tensor,
    back: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    x.apply_op1(Known {
        name,
        result: Mutex::new(Some(result.contiguous()?)),
        back,
    })
}

struct Known<F> {
    name: &'static str,
    /// Given away when the operator runs, so that it does not outlive what is made of it.
    result: Mutex<Option<Tensor>>,
    back: F,
}

impl<F> Known<F> {
    fn take<T>(&self, copy: impl Fn(&Storage, &Layout) -> Option<Result<T>>) -> Result<(T, Shape)> {
        let result = self.result.lock().ok().and_then(|mut result| result.take());
        let Some(result) = result else {
            candle_core::bail!("{} ran twice", self.name)
        };
        let (storage, layout) = result.storage_and_layout();
        if layout.start_offset() != 0 {
            candle_core::bail!("{} is a view of another tensor", self.name)
        }
        match copy(&storage, layout) {
            Some(copied) => Ok((copied?, result.shape().clone())),
            None => candle_core::bail!("{} is on another device than what it is of", self.name),
        }
    }
}

impl<F: Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor> + Send + Sync> CustomOp1 for Known<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Cpu(storage) => Some(storage.try_clone(layout)),
            _ => None,
        })
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Cuda(storage) => Some(storage.try_clone(layout)),
            _ => None,
        })
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Metal(storage) => Some(storage.try_clone(layout)),
            _ => None,
        })
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.detach().contiguous()?;
        (self.back)(&x.detach(), &result.detach(), &gradient).map(Some)
    }
}
