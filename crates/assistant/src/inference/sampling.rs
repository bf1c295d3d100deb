//! Choosing the next token.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

use super::InferenceError;

/// How an answer is generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerationSettings {
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// 0 takes the likeliest token always (repeatable); above, the spread of the choice.
    pub temperature: f64,
    /// The share of the probability that is chosen from, likeliest first; 1 for all.
    pub top_p: f64,
    /// How much a token already in the answer loses (Keskar et al. 2019); 1 for nothing.
    pub repetition_penalty: f64,
    /// The seed of the choice; the same seed gives the same answer.
    pub seed: u64,
}

impl Default for GenerationSettings {
    /// Greedy, at most 256 tokens, as M3D-Bench is run.
    fn default() -> Self {
        Self {
            max_tokens: 256,
            temperature: 0.0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

impl GenerationSettings {
    /// # Errors
    /// When a setting is outside its range.
    pub fn check(&self) -> Result<(), InferenceError> {
        let refuse = |name, value: String, wanted| {
            Err(InferenceError::Setting {
                name,
                value,
                wanted,
            })
        };
        if self.max_tokens == 0 {
            return refuse("max tokens", "0".to_owned(), "at least 1 is needed");
        }
        if !(0.0..=100.0).contains(&self.temperature) {
            let wanted = "it must be 0 to 100";
            return refuse("temperature", self.temperature.to_string(), wanted);
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            let wanted = "it must be above 0 and at most 1";
            return refuse("top p", self.top_p.to_string(), wanted);
        }
        if !(0.1..=10.0).contains(&self.repetition_penalty) {
            let wanted = "it must be 0.1 to 10";
            return refuse(
                "repetition penalty",
                self.repetition_penalty.to_string(),
                wanted,
            );
        }
        Ok(())
    }
}

/// Chooses tokens by a [`GenerationSettings`].
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    settings: GenerationSettings,
    random: SplitMix64,
}

impl Sampler {
    pub fn new(settings: GenerationSettings) -> Self {
        Self {
            settings,
            random: SplitMix64::seed_from_u64(settings.seed),
        }
    }

    /// The next token from the scores (`logits`) of all tokens, after those `generated`.
    pub fn pick(&mut self, mut logits: Vec<f32>, generated: &[u32]) -> Result<u32, InferenceError> {
        self.penalise(&mut logits, generated);
        let (best, highest) = logits
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, score)| !score.is_nan())
            // The first of equals, as argmax has it.
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
            .filter(|(_, score)| score.is_finite())
            .ok_or(InferenceError::NotANumber)?;
        if self.settings.temperature <= 0.0 {
            return Ok(best as u32);
        }
        let highest = f64::from(highest);
        let mut weights: Vec<(u32, f64)> = (0..)
            .zip(&logits)
            .filter(|(_, score)| !score.is_nan())
            .map(|(id, &score)| {
                let above = (f64::from(score) - highest) / self.settings.temperature;
                (id, above.exp())
            })
            .collect();
        // Likeliest first; equals by number, so that the order does not depend on the sort.
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f64 = weights.iter().map(|(_, w)| w).sum();
        let mut kept = 0.0;
        let mut count = 0;
        for (_, weight) in &weights {
            kept += weight;
            count += 1;
            if kept >= self.settings.top_p * total {
                break;
            }
        }
        let mut left = unit(&mut self.random) * kept;
        for &(id, weight) in &weights[..count] {
            if left < weight {
                return Ok(id);
            }
            left -= weight;
        }
        Ok(weights.first().map_or(best as u32, |&(id, _)| id))
    }

    fn penalise(&self, logits: &mut [f32], generated: &[u32]) {
        let penalty = self.settings.repetition_penalty as f32;
        if penalty == 1.0 {
            return;
        }
        let mut seen = generated.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for id in seen {
            if let Some(score) = logits.get_mut(id as usize) {
                *score = if *score > 0.0 {
                    *score / penalty
                } else {
                    *score * penalty
                };
            }
        }
    }
}

/// A number from 0 up to but without 1.
fn unit(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f64, top_p: f64, seed: u64) -> Sampler {
        Sampler::new(GenerationSettings {
            temperature,
            top_p,
            seed,
            ..GenerationSettings::default()
        })
    }

    /// An answer that was drawn is drawn again from its seed by every later version.
    #[test]
    fn the_numbers_of_a_seed_are_those_of_splitmix64() {
        let mut random = sampler(1.0, 1.0, 0).random;
        assert_eq!(random.next_u64(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next_u64(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn greedy_takes_the_first_of_the_best() {
        let mut greedy = sampler(0.0, 1.0, 1);
        assert_eq!(greedy.pick(vec![0.0, 3.0, f32::NAN, 3.0], &[]), Ok(1));
        let error = greedy.pick(vec![f32::NAN; 3], &[]).unwrap_err();
        assert_eq!(error, InferenceError::NotANumber);
        assert!(greedy.pick(Vec::new(), &[]).is_err());
    }

    #[test]
    fn seeds_repeat_and_frequencies_follow_the_temperature() {
        let logits = vec![0.0, 2.0_f32.ln(), f32::NEG_INFINITY, 0.0];
        let draw = |seed| -> Vec<u32> {
            let mut sampler = sampler(1.0, 1.0, seed);
            let pick = |_| sampler.pick(logits.clone(), &[]).unwrap();
            (0..8000).map(pick).collect()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        let share = |id| draw(3).iter().filter(|&&d| d == id).count() as f64 / 8000.0;
        assert!((share(1) - 0.5).abs() < 0.02 && (share(0) - 0.25).abs() < 0.02);
        assert_eq!(share(2), 0.0);
    }

    #[test]
    fn top_p_keeps_the_likeliest() {
        let mut narrow = sampler(1.0, 0.5, 9);
        for _ in 0..100 {
            let logits = vec![0.0, 1.0, 4.0, 2.0];
            assert_eq!(narrow.pick(logits, &[]), Ok(2));
        }
    }

    #[test]
    fn repeated_tokens_lose() {
        let mut sampler = Sampler::new(GenerationSettings {
            repetition_penalty: 2.0,
            ..GenerationSettings::default()
        });
        assert_eq!(sampler.pick(vec![3.0, 2.0, -1.0], &[0, 0, 99]), Ok(1));
        assert_eq!(sampler.pick(vec![-3.0, -2.0, -2.5], &[1]), Ok(2));
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        assert_eq!(GenerationSettings::default().check(), Ok(()));
        for broken in [
            GenerationSettings {
                max_tokens: 0,
                ..GenerationSettings::default()
            },
            GenerationSettings {
                temperature: -1.0,
                ..GenerationSettings::default()
            },
            GenerationSettings {
                temperature: f64::NAN,
                ..GenerationSettings::default()
            },
            GenerationSettings {
                top_p: 0.0,
                ..GenerationSettings::default()
            },
            GenerationSettings {
                top_p: f64::NAN,
                ..GenerationSettings::default()
            },
            GenerationSettings {
                repetition_penalty: 0.0,
                ..GenerationSettings::default()
            },
        ] {
            assert!(broken.check().is_err());
        }
    }
}
