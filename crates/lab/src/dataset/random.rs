//! Numbers that are random but the same for the same seed, on every machine and in any order of work.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers. Streams of one seed with different names are independent, so that one part of a phantom
/// can change without moving the rest.
#[derive(Clone, Debug)]
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream called `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hash = FnvHasher::default();
        hash.write(name.as_bytes());
        // An odd factor, so that seeds that are close differ in many bits.
        let key = hash.finish() ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(Xoshiro256PlusPlus::seed_from_u64(key))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 up to but without 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// From `low` up to `high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Nearly normal (the sum of four even parts), with mean 0 and deviation 1, never beyond 3.5.
    pub fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum: u32 = (0..4).map(|n| u32::from((bits >> (16 * n)) as u16)).sum();
        (sum as f32 / 65535.0 - 2.0) * 3.0_f32.sqrt()
    }

    /// About `mean`, with this deviation.
    pub fn about(&mut self, mean: f32, deviation: f32) -> f32 {
        mean + deviation * self.normal()
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// A whole number below `count`; 0 where the count is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count.saturating_sub(1))
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// One of several words; empty where there is none.
    pub fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// Shuffles in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let take = |seed, name| {
            let mut random = Random::new(seed, name);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(take(7, "a"), take(7, "a"));
        assert_ne!(take(7, "a"), take(8, "a"));
        assert_ne!(take(7, "a"), take(7, "b"));
    }

    /// A phantom follows from its seed alone: a stream must never change.
    #[test]
    fn streams_are_what_they_always_were() {
        let mut random = Random::new(7, "body");
        assert_eq!(random.bits(), 0xdc84_f5a5_722e_9a5e);
        assert_eq!(random.bits(), 0xc2cf_0c46_da6a_25b0);
        assert_eq!(random.bits(), 0x2406_ff46_f42a_51d7);
        assert_eq!(Random::new(0, "").bits(), 0xc7c9_810f_3d1c_f2b7);
    }

    #[test]
    fn figures_are_as_promised() {
        let mut random = Random::new(1, "figures");
        let n = 100_000;
        let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
        for _ in 0..n {
            let x = f64::from(random.normal());
            assert!(x.abs() < 3.5);
            sum += x;
            squares += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.02);
        assert!((squares / f64::from(n) - 1.0).abs() < 0.02);
        let mut items: Vec<u32> = (0..50).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(random.below(0), 0);
        assert!(random.pick::<u8>(&[]).is_none());
    }
}
