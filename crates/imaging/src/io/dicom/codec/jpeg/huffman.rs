//! Huffman codes (ITU-T T.81 annexes C and F.2.2).

use super::super::bits::Bits;
use super::Damage;

/// Codes up to this length are looked up, with their extra bits where those fit too.
const LOOKUP: u32 = 12;

/// A Huffman table whose symbols' low bits tell how many extra bits follow.
pub(super) struct Huffman {
    /// By the next [`LOOKUP`] bits: value (16), symbol (8), length of the code (4) and of the code with its extra
    /// bits (4). A length that does not fit is 0.
    quick: Box<[u32; 1 << LOOKUP]>,
    /// For codes of each length: the first code behind them, left-aligned in 17 bits, and what turns a code
    /// into its place among the symbols.
    long: [(u32, i32); 17],
    symbols: Vec<u8>,
    is_ac: bool,
}

impl Huffman {
    /// A table from the number of codes of each length 1 to 16. `None` where they are no prefix code.
    pub fn new(counts: &[u8; 16], symbols: &[u8], is_ac: bool) -> Option<Self> {
        let mut quick: Box<[u32; 1 << LOOKUP]> = vec![0; 1 << LOOKUP].try_into().ok()?;
        let mut long = [(0, 0); 17];
        let (mut code, mut next) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            let place = next as i32 - code as i32;
            for _ in 0..count {
                let &symbol = symbols.get(next)?;
                if code >= 1 << length || !is_ac && symbol > 16 {
                    return None;
                }
                if length <= LOOKUP {
                    let below = LOOKUP - length;
                    let first = (code << below) as usize;
                    for (low, entry) in (0_u32..).zip(&mut quick[first..first + (1 << below)]) {
                        *entry = quick_entry(symbol, length, low, is_ac);
                    }
                }
                code += 1;
                next += 1;
            }
            long[length as usize] = (code << (17 - length), place);
            code <<= 1;
        }
        Some(Self {
            quick,
            long,
            symbols: symbols.to_vec(),
            is_ac,
        })
    }

    /// Decodes a symbol with the value of its extra bits (F.2.2.1): a difference, or a coefficient behind a run.
    #[inline]
    pub fn decode(&self, bits: &mut Bits<false>) -> Result<(u8, i32), Damage> {
        bits.refill();
        let entry = self.quick[(bits.peek() >> (64 - LOOKUP)) as usize];
        let total = entry & 15;
        if total == 0 {
            return self.decode_long(bits, entry);
        }
        bits.skip(total);
        Ok(((entry >> 8) as u8, entry as i32 >> 16))
    }

    #[cold]
    fn decode_long(&self, bits: &mut Bits<false>, entry: u32) -> Result<(u8, i32), Damage> {
        let mut length = entry >> 4 & 15;
        let mut symbol = (entry >> 8) as u8;
        if length == 0 {
            let next = (bits.peek() >> 47) as u32;
            length = (1..=16)
                .find(|&length| next < self.long[length as usize].0)
                .ok_or("a code that no table has")?;
            let code = (next >> (17 - length)) as i32;
            let place = code + self.long[length as usize].1;
            symbol = *(usize::try_from(place).ok())
                .and_then(|place| self.symbols.get(place))
                .ok_or("a code that no table has")?;
        }
        bits.skip(length);
        Ok((symbol, extra(symbol, self.is_ac, |n| bits.take(n))))
    }
}

fn quick_entry(symbol: u8, length: u32, low: u32, is_ac: bool) -> u32 {
    let below = LOOKUP - length;
    let size = category(symbol, is_ac);
    let head = u32::from(symbol) << 8 | length << 4;
    // All of 16 bits is 32768, which the upper half has no room for.
    if size > below || size == 16 || length + size > 15 {
        return head;
    }
    let value = extra(symbol, is_ac, |n| low >> (below - n));
    (value as u32) << 16 | head | (length + size)
}

/// How many extra bits follow a symbol.
const fn category(symbol: u8, is_ac: bool) -> u32 {
    (if is_ac { symbol & 15 } else { symbol }) as u32
}

/// The value of the extra bits (tables F.1, F.2 and H.2): those with a leading zero are negative.
#[inline]
fn extra(symbol: u8, is_ac: bool, take: impl FnOnce(u32) -> u32) -> i32 {
    match category(symbol, is_ac) {
        0 => 0,
        // Of lossless differences; no bits follow.
        16 => 32_768,
        size => {
            let value = take(size) as i32;
            if value >> (size - 1) == 0 {
                value - (1 << size) + 1
            } else {
                value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_codes_are_found_with_their_extra_bits() {
        // One code of each length 1 to 16: 0, 10, 110, ...
        let symbols: Vec<u8> = (0..=15).collect();
        let table = Huffman::new(&[1; 16], &symbols, false).unwrap();
        // 0 | 10 1 | 110 00 | fifteen ones, a zero and the fifteen bits 100...0.
        let bits = format!("0101110001{}{}1{}", "1".repeat(14), "0", "0".repeat(14));
        let bytes: Vec<u8> = (bits.as_bytes().chunks(8))
            .flat_map(|byte| {
                let text = format!("{:0<8}", std::str::from_utf8(byte).unwrap());
                let byte = u8::from_str_radix(&text, 2).unwrap();
                if byte == 0xFF {
                    vec![byte, 0]
                } else {
                    vec![byte]
                }
            })
            .collect();
        let mut bits = Bits::new(&bytes, 0);
        let mut next = || table.decode(&mut bits).unwrap();
        assert_eq!(next(), (0, 0));
        assert_eq!(next(), (1, 1));
        assert_eq!(next(), (2, -3));
        assert_eq!(next(), (15, 16_384));
    }

    #[test]
    fn counts_that_are_no_prefix_code_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[0, 1, 2], false).is_none());
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[0, 17], false).is_none());
        assert!(Huffman::new(&counts, &[0, 17], true).is_some());
    }
}
