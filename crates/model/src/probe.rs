//! Looking at a network's layers while it runs, and stopping it between two.

use std::ops::ControlFlow;

use candle_core::{Result, Tensor};

use super::ModelError;

/// Called with a layer's number and its output `[b,n,hidden]`; a break stops the network there.
pub type Probe<'a> = &'a mut dyn FnMut(usize, &Tensor) -> ControlFlow<()>;

/// Shows a layer's output to the probe, if there is one.
pub(super) fn show(probe: &mut Option<Probe>, layer: usize, x: &Tensor) -> Result<()> {
    if let Some(probe) = probe
        && probe(layer, x).is_break()
    {
        candle_core::bail!("stopped by a probe")
    }
    Ok(())
}

/// Runs a network; where its probe stopped it, that is the error.
pub(super) fn run<T>(
    probe: Option<Probe>,
    work: impl FnOnce(Option<Probe>) -> Result<T>,
) -> std::result::Result<T, ModelError> {
    let Some(probe) = probe else {
        return Ok(work(None)?);
    };
    let mut stopped = false;
    let result = work(Some(&mut |layer, x| {
        let flow = probe(layer, x);
        stopped |= flow.is_break();
        flow
    }));
    if stopped {
        Err(ModelError::Cancelled)
    } else {
        Ok(result?)
    }
}
