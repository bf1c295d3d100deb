//! AdamW (Loshchilov and Hutter 2019), with a state that can be kept.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;

use super::Gradients;

/// What does not change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// How slowly the mean of gradients follows them.
    pub beta1: f64,
    /// How slowly the mean of their squares does.
    pub beta2: f64,
    /// Keeps the division from zero.
    pub eps: f64,
    /// How much of a matrix is lost per step and unit of rate. Vectors (norms, biases) and embeddings lose nothing.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// The mean of gradients and of their squares.
#[derive(Clone, Debug)]
struct Moments {
    first: Tensor,
    second: Tensor,
}

/// The optimiser's state for each learnt tensor.
#[derive(Debug, Default)]
pub struct AdamW {
    settings: AdamWSettings,
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// An optimiser that has not seen a gradient yet.
    pub fn new(settings: AdamWSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves each variable that has a gradient by at most about `rate`; gradients are multiplied by `scale` first.
    pub fn step<'v>(
        &mut self,
        variables: impl Iterator<Item = (String, &'v Var)>,
        gradients: &Gradients,
        scale: f64,
        rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let AdamWSettings {
            beta1,
            beta2,
            eps,
            weight_decay,
        } = self.settings;
        let age = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (whole1, whole2) = (1.0 - beta1.powi(age), 1.0 - beta2.powi(age));
        let work: Vec<(String, &Var, &Tensor)> = variables
            .filter_map(|(name, var)| gradients.get(&name).map(|g| (name, var, g)))
            .collect();
        let moments = &self.moments;
        let moved = work
            .into_par_iter()
            .map(|(name, var, gradient)| {
                let gradient = (gradient * scale)?;
                let (first, second) = match moments.get(&name) {
                    Some(old) => (
                        ((&old.first * beta1)? + (&gradient * (1.0 - beta1))?)?,
                        ((&old.second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?,
                    ),
                    None => (
                        (&gradient * (1.0 - beta1))?,
                        (gradient.sqr()? * (1.0 - beta2))?,
                    ),
                };
                let deviation = ((&second / whole2)?.sqrt()? + eps)?;
                let change = ((&first * (rate / whole1))? / deviation)?;
                let kept = if decays(&name, var) {
                    1.0 - rate * weight_decay
                } else {
                    1.0
                };
                var.set(&((var.as_detached_tensor() * kept)? - change)?)?;
                Ok((name, Moments { first, second }))
            })
            .collect::<Result<Vec<_>>>()?;
        self.moments.extend(moved);
        Ok(())
    }

    /// Its state as tensors, to be saved.
    pub fn state(&self) -> HashMap<String, Tensor> {
        let both = |(name, m): (&String, &Moments)| {
            [
                (format!("first.{name}"), m.first.clone()),
                (format!("second.{name}"), m.second.clone()),
            ]
        };
        self.moments.iter().flat_map(both).collect()
    }

    /// Takes up a saved state.
    pub fn restore(&mut self, steps: u64, mut state: HashMap<String, Tensor>) -> Result<()> {
        self.steps = steps;
        self.moments.clear();
        let names: Vec<String> = state
            .keys()
            .filter_map(|key| key.strip_prefix("first.").map(str::to_string))
            .collect();
        for name in names {
            let parts = [format!("first.{name}"), format!("second.{name}")];
            let [first, second] = parts.map(|key| state.remove(&key));
            let (Some(first), Some(second)) = (first, second) else {
                candle_core::bail!("the optimiser's state of {name} is incomplete")
            };
            self.moments.insert(name, Moments { first, second });
        }
        Ok(())
    }
}

fn decays(name: &str, var: &Var) -> bool {
    let embeddings = ["embed", "token", "no_mask", "not_a_point", "training."];
    var.rank() > 1
        && !name.contains("norm")
        && !name.ends_with("output_upscaling.1.weight")
        && !embeddings.iter().any(|part| name.contains(part))
}

/// The length of all gradients together.
pub fn global_norm(gradients: &Gradients) -> Result<f64> {
    let squares = gradients
        .par_iter()
        .map(|(_, gradient)| gradient.sqr()?.sum_all()?.to_scalar::<f32>().map(f64::from))
        .collect::<Result<Vec<f64>>>()?;
    Ok(squares.iter().sum::<f64>().sqrt())
}

/// The part of the highest rate at a place from 0 to 1 of the way: up in a straight line over `warm_up`, then down
/// half a cosine to `least`.
pub fn rate_part(place: f64, warm_up: f64, least: f64) -> f64 {
    let place = place.clamp(0.0, 1.0);
    if place < warm_up {
        return (place / warm_up).max(1e-3);
    }
    let down = (place - warm_up) / (1.0 - warm_up).max(1e-9);
    least + (1.0 - least) * 0.5 * (1.0 + (std::f64::consts::PI * down).cos())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// `torch.optim.AdamW` (2.2.1, float64) on x = [1, -2, 3] (1x3), gradients x^3 / 10, lr 0.1, betas 0.9 and 0.98,
    /// eps 1e-8, weight decay 0.1, after 1, 2 and 10 steps.
    #[allow(clippy::unreadable_literal)]
    const PYTORCH: [(u64, [f64; 3]); 3] = [
        (1, [0.890000009999999, -1.88000000125, 2.87000000037037]),
        (
            2,
            [0.7832956766490998, -1.762018570313405, 2.7418014529566093],
        ),
        (
            10,
            [0.1628769398143284, -0.952635326788162, 1.8198697513990605],
        ),
    ];

    #[test]
    fn steps_are_pytorch_s() -> Result<()> {
        let var = Var::new(&[[1.0_f64, -2.0, 3.0]], &Device::Cpu)?;
        let mut optimiser = AdamW::new(AdamWSettings {
            weight_decay: 0.1,
            ..AdamWSettings::default()
        });
        for step in 1..=10 {
            let gradient = (var.as_detached_tensor().powf(3.0)? / 10.0)?;
            let gradients = Gradients::from([("w".to_string(), gradient)]);
            let variables = [("w".to_string(), &var)];
            if step == 5 {
                // What is kept and taken up goes on as if nothing had happened.
                let (steps, state) = (optimiser.steps(), optimiser.state());
                optimiser = AdamW::new(optimiser.settings);
                optimiser.restore(steps, state)?;
            }
            optimiser.step(variables.into_iter(), &gradients, 1.0, 0.1)?;
            if let Some((_, wanted)) = PYTORCH.iter().find(|(at, _)| *at == step) {
                let found = var.to_vec2::<f64>()?;
                for (found, wanted) in found[0].iter().zip(wanted) {
                    assert!(
                        (found - wanted).abs() < 1e-9,
                        "step {step}: {found} {wanted}"
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn only_matrices_decay() -> Result<()> {
        let var = Var::new(&[1.0_f32, 2.0], &Device::Cpu)?;
        assert!(!decays("model.norm.weight", &var));
        let var = Var::new(&[[1.0_f32, 2.0]], &Device::Cpu)?;
        assert!(decays("model.layers.0.mlp.down_proj.weight", &var));
        assert!(!decays("model.embed_tokens.weight", &var));
        assert!(!decays(
            "model.seg_module.mask_decoder.mask_tokens.weight",
            &var
        ));
        Ok(())
    }

    #[test]
    fn the_rate_rises_and_falls() {
        assert!((rate_part(0.05, 0.1, 0.0) - 0.5).abs() < 1e-12);
        assert!((rate_part(0.1, 0.1, 0.1) - 1.0).abs() < 1e-12);
        assert!((rate_part(0.55, 0.1, 0.0) - 0.5).abs() < 1e-12);
        assert!((rate_part(1.0, 0.1, 0.1) - 0.1).abs() < 1e-12);
        assert!(rate_part(0.0, 0.0, 0.0) > 0.9);
    }
}
