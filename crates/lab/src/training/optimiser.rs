//! AdamW (Loshchilov and Hutter 2019) and Muon (Jordan et al. 2024), with a state that can be kept.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;

use serde::Deserialize;

use super::Gradients;
use super::muon;
use m3d_engine::ops::autocast;

/// The optimiser of matrices. Vectors and embeddings are always optimised by AdamW.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Each number by its own gradients.
    #[default]
    AdamW,
    /// The whole matrix by its momentum, made orthogonal.
    Muon,
}

/// How much of Muon's momentum is kept from step to step.
const MUON_MOMENTUM: f64 = 0.95;

/// What does not change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimiserSettings {
    /// The optimiser of matrices.
    pub rule: Rule,
    /// Whether the products that make a matrix orthogonal may be rounded to bf16.
    pub rounds: bool,
    /// Beta 1: the decay of the first moment, the mean of gradients.
    pub beta1: f64,
    /// Beta 2: the decay of the second moment, the mean of their squares.
    pub beta2: f64,
    /// Epsilon, which keeps the division from zero.
    pub eps: f64,
    /// Decoupled weight decay: the fraction of a matrix that is lost per step and unit of rate. Vectors (norms, biases) and
    /// embeddings do not decay.
    pub weight_decay: f64,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            rule: Rule::AdamW,
            rounds: false,
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// The first moment and, for AdamW, the second.
#[derive(Clone, Debug)]
struct Moments {
    first: Tensor,
    second: Option<Tensor>,
}

/// The optimiser's state for each learnt tensor.
#[derive(Debug, Default)]
pub struct Optimiser {
    settings: OptimiserSettings,
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

impl Optimiser {
    /// An optimiser that has not seen a gradient yet.
    pub fn new(settings: OptimiserSettings) -> Self {
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
        let (settings, moments) = (self.settings, &self.moments);
        let age = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let work: Vec<(String, &Var, &Tensor)> = variables
            .filter_map(|(name, var)| gradients.get(&name).map(|g| (name, var, g)))
            .collect();
        let moved = work
            .into_par_iter()
            .map(|(name, var, gradient)| {
                let gradient = (gradient * scale)?;
                let old = moments.get(&name);
                let (direction, moments) = if settings.rule == Rule::Muon && turns(&name, var) {
                    autocast(settings.rounds, || by_muon(&gradient, old))?
                } else {
                    settings.by_adamw(&gradient, old, age)?
                };
                let kept = if decays(&name, var) {
                    1.0 - rate * settings.weight_decay
                } else {
                    1.0
                };
                var.set(&((var.as_detached_tensor() * kept)? - (direction * rate)?)?)?;
                Ok((name, moments))
            })
            .collect::<Result<Vec<_>>>()?;
        self.moments.extend(moved);
        Ok(())
    }

    /// Its state as tensors, to be saved.
    pub fn state(&self) -> HashMap<String, Tensor> {
        let both = |(name, m): (&String, &Moments)| {
            let second = m.second.clone();
            let first = (format!("first.{name}"), m.first.clone());
            [Some(first), second.map(|t| (format!("second.{name}"), t))]
        };
        self.moments.iter().flat_map(both).flatten().collect()
    }

    /// Takes up a saved state.
    pub fn restore(&mut self, steps: u64, state: &HashMap<String, Tensor>) {
        self.steps = steps;
        let moments = |(key, first): (&String, &Tensor)| {
            let name = key.strip_prefix("first.")?;
            let moments = Moments {
                first: first.clone(),
                second: state.get(&format!("second.{name}")).cloned(),
            };
            Some((name.to_string(), moments))
        };
        self.moments = state.iter().filter_map(moments).collect();
    }
}

impl OptimiserSettings {
    /// The direction of a step, for a rate of 1, and the moments after it.
    fn by_adamw(
        &self,
        gradient: &Tensor,
        old: Option<&Moments>,
        age: i32,
    ) -> Result<(Tensor, Moments)> {
        let mean = |old: Option<&Tensor>, new: &Tensor, beta: f64| match old {
            Some(old) => (old * beta)? + (new * (1.0 - beta))?,
            None => new * (1.0 - beta),
        };
        let first = mean(old.map(|m| &m.first), gradient, self.beta1)?;
        let squares = old.and_then(|m| m.second.as_ref());
        let second = mean(squares, &gradient.sqr()?, self.beta2)?;
        let (whole1, whole2) = (1.0 - self.beta1.powi(age), 1.0 - self.beta2.powi(age));
        let deviation = ((&second / whole2)?.sqrt()? + self.eps)?;
        let direction = ((&first / whole1)? / deviation)?;
        let second = Some(second);
        Ok((direction, Moments { first, second }))
    }
}

/// The same by Muon, with Nesterov's look ahead.
fn by_muon(gradient: &Tensor, old: Option<&Moments>) -> Result<(Tensor, Moments)> {
    let new = (gradient * (1.0 - MUON_MOMENTUM))?;
    let first = match old {
        Some(old) => (&new + (&old.first * MUON_MOMENTUM)?)?,
        None => new.clone(),
    };
    let direction = muon::direction(&(new + (&first * MUON_MOMENTUM)?)?)?;
    Ok((
        direction,
        Moments {
            first,
            second: None,
        },
    ))
}

/// Whether Muon moves it: the matrices between a network's first and last, adapters left out.
fn turns(name: &str, var: &Var) -> bool {
    var.rank() == 2 && decays(name, var) && !["lm_head", "lora_"].iter().any(|p| name.contains(p))
}

fn decays(name: &str, var: &Var) -> bool {
    let embeddings = ["embed", "token", "no_mask", "not_a_point", "training."];
    var.rank() > 1
        && !name.contains("norm")
        && !name.ends_with("output_upscaling.1.weight")
        && !embeddings.iter().any(|part| name.contains(part))
}

/// The global norm of the gradient. A device is waited for once.
pub fn global_norm(gradients: &Gradients) -> Result<f64> {
    let squares = gradients
        .par_iter()
        .map(|(_, gradient)| gradient.sqr()?.sum_all())
        .collect::<Result<Vec<Tensor>>>()?;
    if squares.is_empty() {
        return Ok(0.0);
    }
    let squares = Tensor::stack(&squares, 0)?.to_vec1::<f32>()?;
    Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
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
        let mut optimiser = Optimiser::new(OptimiserSettings {
            weight_decay: 0.1,
            ..OptimiserSettings::default()
        });
        for step in 1..=10 {
            let gradient = (var.as_detached_tensor().powf(3.0)? / 10.0)?;
            let gradients = Gradients::from([("w".to_string(), gradient)]);
            let variables = [("w".to_string(), &var)];
            if step == 5 {
                // What is kept and taken up goes on as if nothing had happened.
                let (steps, state) = (optimiser.steps(), optimiser.state());
                optimiser = Optimiser::new(optimiser.settings);
                optimiser.restore(steps, &state);
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

    /// With Muon the hidden matrices turn and keep one moment; embeddings go on by AdamW.
    #[test]
    fn muon_moves_hidden_matrices() -> Result<()> {
        let settings = OptimiserSettings {
            rule: Rule::Muon,
            weight_decay: 0.0,
            ..OptimiserSettings::default()
        };
        let mut optimiser = Optimiser::new(settings);
        let names = [
            "model.layers.0.mlp.down_proj.weight",
            "model.embed_tokens.weight",
        ];
        let zero = Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu)?;
        let vars = [Var::from_tensor(&zero)?, Var::from_tensor(&zero)?];
        let gradient = Tensor::new(&[[3.0_f32, 0.0], [0.0, 0.5]], &Device::Cpu)?;
        let gradients = names.map(|name| (name.to_string(), gradient.clone()));
        let variables = names.iter().zip(&vars).map(|(n, v)| ((*n).to_string(), v));
        optimiser.step(variables, &Gradients::from(gradients), 1.0, 0.1)?;
        let [turned, plain] = vars.map(|var| var.to_vec2::<f32>());
        let (turned, plain) = (turned?, plain?);
        // Nothing beside the diagonal, both singular values moved alike though one gradient is six times the other.
        assert!(turned[0][1].abs() < 1e-6 && turned[1][0].abs() < 1e-6);
        assert!(turned[0][0] < 0.0 && (0.6..1.6).contains(&(turned[0][0] / turned[1][1])));
        assert!((plain[0][0] + 0.1).abs() < 1e-6 && (plain[1][1] + 0.1).abs() < 1e-6);
        let state = optimiser.state();
        assert!(!state.contains_key(&format!("second.{}", names[0])));
        assert!(state.contains_key(&format!("second.{}", names[1])));
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
