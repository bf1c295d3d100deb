//! Bits of an entropy-coded segment, most significant first.

/// Reads bits up to the next marker and zeros from there on; [`Bits::is_past_end`] tells whether such zeros
/// were taken for data. `LS` chooses the stuffing: JPEG puts a zero byte behind each 0xFF (ITU-T T.81 F.1.2.3),
/// JPEG-LS a zero bit (ITU-T T.87 A.1).
pub(super) struct Bits<'a, const LS: bool> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top; below them zeros.
    buffer: u64,
    /// How many bits of the buffer are valid.
    count: u32,
    /// How many of them, the last ones, lie behind the end of the data. Grows with what is taken of them.
    padding: u32,
}

impl<'a, const LS: bool> Bits<'a, LS> {
    pub const fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            buffer: 0,
            count: 0,
            padding: 0,
        }
    }

    /// Makes at least 56 bits valid.
    #[inline]
    pub fn refill(&mut self) {
        if self.count > 56 {
            return;
        }
        let plain = |word: u64| {
            // Whether no byte is 0xFF.
            let flipped = !word;
            flipped.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0
        };
        if let Some(&next) = (self.data.get(self.at..)).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_be_bytes(next);
            let stuffed = LS && self.at > 0 && self.data[self.at - 1] == 0xFF;
            if plain(word) && !stuffed {
                let bits = (64 - self.count) & !7;
                let bits = bits.min(56);
                self.buffer |= (word >> (64 - bits)) << (64 - bits - self.count);
                self.count += bits;
                self.at += bits as usize / 8;
                return;
            }
        }
        self.refill_slowly();
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while self.count <= 56 {
            let before = self.at.checked_sub(1).and_then(|at| self.data.get(at));
            let stuffed = LS && before == Some(&0xFF);
            let (value, bits) = match self.data.get(self.at..) {
                Some(&[0xFF, next, ..]) if !LS && next != 0 => (0, 0),
                Some(&[0xFF, next, ..]) if LS && next >= 0x80 => (0, 0),
                // A lone 0xFF at the end of the data is no sample's.
                Some(&[0xFF] | &[]) | None => (0, 0),
                Some(&[0xFF, ..]) if !LS => {
                    self.at += 1;
                    (0xFF, 8)
                }
                Some(&[byte, ..]) if stuffed => (byte & 0x7F, 7),
                Some(&[byte, ..]) => (byte, 8),
            };
            if bits == 0 {
                self.padding += 64 - self.count;
                self.count = 64;
                return;
            }
            self.at += 1;
            self.buffer |= u64::from(value) << (64 - bits - self.count);
            self.count += bits;
        }
    }

    /// The valid bits, from the top.
    #[inline]
    pub const fn peek(&self) -> u64 {
        self.buffer
    }

    /// Drops `bits` bits, at most 56 after a refill.
    #[inline]
    pub const fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits;
    }

    /// The next `bits` bits, at most 32, of a refilled buffer.
    #[inline]
    pub const fn take(&mut self, bits: u32) -> u32 {
        // Two shifts, as a shift by 64 is none.
        let value = (self.buffer >> 1 >> (63 - bits)) as u32;
        self.skip(bits);
        value
    }

    /// Whether more was read than there is.
    pub const fn is_past_end(&self) -> bool {
        self.padding > self.count
    }

    /// Where the marker stands that ends this segment: the first at or behind what was read.
    pub fn marker(&self) -> Option<usize> {
        // The buffer never reaches over a marker.
        let from = self.at;
        let found = self.data.get(from..)?.windows(2).position(|pair| {
            pair[0] == 0xFF && pair[1] != 0xFF && pair[1] >= if LS { 0x80 } else { 1 }
        });
        Some(from + found?)
    }

    /// Goes on behind restart marker number `index` of 0 to 7, which must be the next one.
    pub fn restart(&mut self, index: u8) -> Result<(), &'static str> {
        let at = self.marker().ok_or("a restart marker is missing")?;
        if self.is_past_end() || self.data[at + 1] != 0xD0 + index {
            return Err("a restart marker is missing");
        }
        *self = Self::new(self.data, at + 2);
        Ok(())
    }
}
