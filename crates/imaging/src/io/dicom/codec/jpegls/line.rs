//! Lines of samples (ITU-T T.87 A.3 to A.7).

use super::super::bits::Bits;
use super::Damage;
use super::context::{Coding, Regular, RunEnd};

/// J, the lengths of runs in powers of two (A.2.1).
const RUNS: [u8; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// The decoder of a scan, or of what lies between two restart markers.
pub(super) struct Lines<'c> {
    coding: &'c Coding,
    columns: usize,
    regions: Vec<i8>,
    regular: Vec<Regular>,
    run_ends: [RunEnd; 2],
    channels: Vec<Channel>,
}

/// Two lines of a component, with one sample before and one behind.
struct Channel {
    above: Vec<i32>,
    current: Vec<i32>,
    run: usize,
}

impl<'c> Lines<'c> {
    pub fn new(coding: &'c Coding, columns: usize, channels: usize) -> Self {
        let first = coding.first_sum();
        let channel = || Channel {
            above: vec![0; columns + 2],
            current: vec![0; columns + 2],
            run: 0,
        };
        Self {
            coding,
            columns,
            regions: coding.regions(),
            regular: vec![Regular::new(first); 365],
            run_ends: [RunEnd::new(first, 0), RunEnd::new(first, 1)],
            channels: (0..channels).map(|_| channel()).collect(),
        }
    }

    /// Makes the last line the one above, its ends continued (A.2.1).
    pub fn begin(&mut self) {
        for channel in &mut self.channels {
            std::mem::swap(&mut channel.above, &mut channel.current);
            channel.above[self.columns + 1] = channel.above[self.columns];
            channel.current[0] = channel.above[1];
        }
    }

    /// The samples of the current line, component by component.
    pub fn current(&self) -> impl Iterator<Item = &[i32]> {
        (self.channels.iter()).map(|channel| &channel.current[1..=self.columns])
    }

    /// Decodes the current line of every component, one after another.
    pub fn decode(&mut self, bits: &mut Bits<true>) -> Result<(), Damage> {
        let Self {
            coding,
            columns,
            regions,
            regular,
            run_ends,
            channels,
        } = self;
        let columns = *columns;
        for channel in channels {
            let mut x = 1;
            while x <= columns {
                let around = Around::new(&channel.above, &channel.current, x);
                let context = around.context(regions, coding.max);
                if context != 0 {
                    channel.current[x] = around.regular(context, regular, coding, bits);
                    x += 1;
                    continue;
                }
                let left = channel.current[x - 1];
                let length = run(bits, &mut channel.run, columns + 1 - x)?;
                channel.current[x..x + length].fill(left);
                x += length;
                if x > columns {
                    break;
                }
                let up = channel.above[x];
                let limit = coding.limit - u32::from(RUNS[channel.run]) - 1;
                channel.current[x] = if (left - up).abs() <= coding.near {
                    coding.restore(left, run_ends[1].error(coding, bits, limit))
                } else {
                    let error = run_ends[0].error(coding, bits, limit);
                    coding.restore(up, if left > up { -error } else { error })
                };
                channel.run = channel.run.saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// Decodes the current line of all components, pixel by pixel. Runs are of whole pixels and count once.
    pub fn decode_interleaved(&mut self, bits: &mut Bits<true>) -> Result<(), Damage> {
        if self.channels.len() == 1 {
            return self.decode(bits);
        }
        let (coding, columns) = (self.coding, self.columns);
        let mut x = 1;
        while x <= columns {
            let mut is_flat = true;
            for channel in &self.channels {
                let around = Around::new(&channel.above, &channel.current, x);
                is_flat &= around.context(&self.regions, coding.max) == 0;
            }
            if !is_flat {
                for channel in &mut self.channels {
                    let around = Around::new(&channel.above, &channel.current, x);
                    let context = around.context(&self.regions, coding.max);
                    channel.current[x] = around.regular(context, &mut self.regular, coding, bits);
                }
                x += 1;
                continue;
            }
            let index = &mut self.channels[0].run;
            let length = run(bits, index, columns + 1 - x)?;
            let limit = coding.limit - u32::from(RUNS[*index]) - 1;
            let ends = x + length <= columns;
            if ends {
                *index = index.saturating_sub(1);
            }
            for channel in &mut self.channels {
                let left = channel.current[x - 1];
                channel.current[x..x + length].fill(left);
                if ends {
                    let up = channel.above[x + length];
                    let error = self.run_ends[0].error(coding, bits, limit);
                    let error = if left > up { -error } else { error };
                    channel.current[x + length] = coding.restore(up, error);
                }
            }
            x += length + 1;
        }
        Ok(())
    }
}

/// The neighbours of a sample (figure A.1): left, above, above left and above right.
struct Around {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

impl Around {
    #[inline]
    fn new(above: &[i32], current: &[i32], x: usize) -> Self {
        Self {
            a: current[x - 1],
            b: above[x],
            c: above[x - 1],
            d: above[x + 1],
        }
    }

    /// The context of the gradients (A.3.4), from -364 to 364; 0 where all are flat.
    #[inline]
    fn context(&self, regions: &[i8], max: i32) -> i32 {
        let region = |gradient: i32| i32::from(regions[(gradient + max) as usize]);
        81 * region(self.d - self.b) + 9 * region(self.b - self.c) + region(self.c - self.a)
    }

    /// The sample of a regular context (A.4 to A.6).
    #[inline]
    fn regular(
        &self,
        context: i32,
        regular: &mut [Regular],
        coding: &Coding,
        bits: &mut Bits<true>,
    ) -> i32 {
        let Self { a, b, c, .. } = *self;
        let edge = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let statistics = &mut regular[context.unsigned_abs() as usize];
        let sign = if context < 0 { -1 } else { 1 };
        let predicted = (edge + sign * statistics.c).clamp(0, coding.max);
        let error = statistics.error(coding, bits);
        coding.restore(predicted, sign * error)
    }
}

/// The length of a run of at most `room` samples (A.7.1).
#[inline]
fn run(bits: &mut Bits<true>, index: &mut usize, room: usize) -> Result<usize, Damage> {
    let mut length = 0;
    loop {
        bits.refill();
        let power = u32::from(RUNS[*index]);
        if bits.take(1) == 0 {
            length += bits.take(power) as usize;
            return if length < room {
                Ok(length)
            } else {
                Err("a run beyond its line")
            };
        }
        if bits.is_past_end() {
            return Err("it ends too early");
        }
        let whole = 1 << power;
        if length + whole > room {
            return Ok(room);
        }
        length += whole;
        *index = (*index + 1).min(31);
        if length == room {
            return Ok(room);
        }
    }
}
