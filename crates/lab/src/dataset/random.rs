//! Numbers that are random but the same for the same seed, on every machine and in any order of work.

/// A stream of random numbers (xoshiro256++, Blackman and Vigna 2018). Streams of one seed with
/// different names are independent, so that one part of a phantom can change without moving the rest.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream called `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a of the name, then splitmix64 to fill the state, as its authors advise.
        let mut key = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut state = [0; 4];
        for word in &mut state {
            key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = key;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *word = z ^ (z >> 31);
        }
        Self(state)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
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
