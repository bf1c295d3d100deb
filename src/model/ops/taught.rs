//! Operators with a backward pass of their own: the forward pass runs the fused kernel on tensors that track nothing,
//! and what comes out is put into the graph together with the way back.

use std::sync::Mutex;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor,
};

/// Whether gradients flow through these tensors and the kernels may run on them.
pub(super) fn teachable(tensors: &[&Tensor]) -> bool {
    tensors
        .iter()
        .all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
        && tensors.iter().any(|t| t.track_op())
}

/// A result that is known already, with its backward pass: arguments and the result's gradient (contiguous) to the
/// arguments' gradients. Arguments track nothing.
struct Known<F> {
    name: &'static str,
    result: Mutex<Option<(Vec<f32>, Shape)>>,
    back: F,
}

impl<F> Known<F> {
    fn new(name: &'static str, result: &Tensor, back: F) -> Result<Self> {
        let values = result.flatten_all()?.to_vec1()?;
        Ok(Self {
            name,
            result: Mutex::new(Some((values, result.shape().clone()))),
            back,
        })
    }

    fn take(&self) -> Result<(CpuStorage, Shape)> {
        let taken = self.result.lock().ok().and_then(|mut result| result.take());
        match taken {
            Some((values, shape)) => Ok((CpuStorage::F32(values), shape)),
            None => candle_core::bail!("{} ran twice", self.name),
        }
    }
}

type Back1<'a> = dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'a;
type Back2<'a> = dyn Fn([&Tensor; 2], &Tensor) -> Result<[Option<Tensor>; 2]> + Send + Sync + 'a;
type Back3<'a> = dyn Fn([&Tensor; 3], &Tensor) -> Result<[Option<Tensor>; 3]> + Send + Sync + 'a;

impl CustomOp1 for Known<Box<Back1<'static>>> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take()
    }
    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        (self.back)(&x.detach(), &gradient.detach().contiguous()?).map(Some)
    }
}

impl CustomOp2 for Known<Box<Back2<'static>>> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.take()
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.detach().contiguous()?;
        let [to_a, to_b] = (self.back)([&a.detach(), &b.detach()], &gradient)?;
        Ok((to_a, to_b))
    }
}

impl CustomOp3 for Known<Box<Back3<'static>>> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.take()
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.detach().contiguous()?;
        let [to_a, to_b, to_c] = (self.back)([&a.detach(), &b.detach(), &c.detach()], &gradient)?;
        Ok((to_a, to_b, to_c))
    }
}

/// `result` (f32, on the processor), computed from `x` without a graph, with its way back: x and the result's
/// gradient, contiguous, to that of x.
pub fn with_back1(
    name: &'static str,
    x: &Tensor,
    result: &Tensor,
    back: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let back: Box<Back1<'static>> = Box::new(back);
    x.apply_op1(Known::new(name, result, back)?)
}

/// `result`, computed from two tensors, with its way back.
pub(super) fn with_back2(
    name: &'static str,
    [a, b]: [&Tensor; 2],
    result: &Tensor,
    back: impl Fn([&Tensor; 2], &Tensor) -> Result<[Option<Tensor>; 2]> + Send + Sync + 'static,
) -> Result<Tensor> {
    let back: Box<Back2<'static>> = Box::new(back);
    a.apply_op2(b, Known::new(name, result, back)?)
}

/// `result`, computed from three tensors, with its way back.
pub(super) fn with_back3(
    name: &'static str,
    [a, b, c]: [&Tensor; 3],
    result: &Tensor,
    back: impl Fn([&Tensor; 3], &Tensor) -> Result<[Option<Tensor>; 3]> + Send + Sync + 'static,
) -> Result<Tensor> {
    let back: Box<Back3<'static>> = Box::new(back);
    a.apply_op3(b, c, Known::new(name, result, back)?)
}
