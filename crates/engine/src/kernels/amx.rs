//! Products in bf16 by the matrix registers of newer x86 CPUs (AMX): both factors are rounded to bf16, sums are
//! f32. A tile instruction makes sixteen times as many multiplications as a vector of f32.
//!
//! [`Packed`] lays a factor out as the registers read it; [`multiply`] makes all dot products of two of them.

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __m256bh, __m256i, __m512i, _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh,
    _mm512_loadu_si512, _mm512_maskz_loadu_epi16, _mm512_maskz_loadu_ps, _mm512_or_si512,
    _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_store_si512, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _xgetbv,
};
use std::sync::OnceLock;

use half::bf16;

pub use super::vectors::Vectors;

/// Vectors in a tile, and pairs of neighbouring values of each.
const SIDE: usize = 16;
/// Values of each vector in a tile.
const DEPTH: usize = 2 * SIDE;
/// Right vectors that meet all left ones before the next do: half of a second cache.
const PANEL_BYTES: usize = 1 << 20;

/// The proof that this CPU has the tiles and that the system lets this program use them.
#[derive(Debug, Clone, Copy)]
pub struct Amx(());

impl Amx {
    /// Finds out once.
    pub fn get() -> Option<Self> {
        static FOUND: OnceLock<Option<Amx>> = OnceLock::new();
        *FOUND.get_or_init(|| (has_tiles() && may_use_tiles()).then_some(Amx(())))
    }
}

fn has_tiles() -> bool {
    const BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    const TILE_STATE: u64 = 0b11 << 17;
    let vectors = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("xsave");
    vectors
        && __cpuid_count(7, 0).edx & BF16_AND_TILES == BF16_AND_TILES
        // SAFETY: the CPU has xsave, and AVX-512 could not be used if the system did not.
        && unsafe { _xgetbv(0) } & TILE_STATE == TILE_STATE
}

/// Linux hands out the registers' place on the stacks of signal handlers only to programs that ask.
#[cfg(target_os = "linux")]
fn may_use_tiles() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call takes two values and changes nothing but this program's permission.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn may_use_tiles() -> bool {
    false
}

/// On which side of a product vectors stand: the registers read the two in different orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// They tell the result's rows.
    Left,
    /// They tell the result's columns.
    Right,
}

/// A register's row: 16 pairs of bf16.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; SIDE]);

/// Vectors in bf16, sixteen vectors and 32 values of each to a tile; a block of vectors has its tiles one after
/// another.
#[derive(Debug)]
pub struct Packed {
    lines: Vec<Line>,
    count: usize,
    steps: usize,
}

impl Packed {
    /// Rounds vectors to bf16 for one side of a product.
    ///
    /// # Panics
    /// When the values do not hold the vectors, or neither way through them is contiguous.
    pub fn new(_: Amx, vectors: Vectors, hand: Hand) -> Self {
        let contiguous = vectors.stride == 1 || vectors.step == 1;
        assert!(vectors.fits() && contiguous, "vectors beyond their values");
        // SAFETY: the token says that the CPU has AVX-512 with bf16, and the values hold the vectors.
        Self::of([vectors.count, vectors.depth], |to| unsafe {
            pack(vectors, hand, to);
        })
    }

    /// Lays out `count` rows in bf16 for the right side of a product.
    ///
    /// # Panics
    /// When there are not as many whole rows.
    pub fn of_rows(_: Amx, rows: &[bf16], count: usize) -> Self {
        let depth = rows.len() / count.max(1);
        assert_eq!(rows.len(), count * depth, "rows that are not whole");
        // SAFETY: the token says that the CPU has AVX-512.
        Self::of([count, depth], |to| unsafe { lay_out(rows, depth, to) })
    }

    /// `write` writes every line.
    fn of([count, depth]: [usize; 2], write: impl FnOnce(*mut Line)) -> Self {
        let steps = depth.div_ceil(DEPTH);
        let all = count.div_ceil(SIDE) * steps * SIDE;
        let mut lines: Vec<Line> = Vec::with_capacity(all);
        write(lines.as_mut_ptr());
        // SAFETY: there is room for as many, all are written, and a line is values of any bits.
        unsafe { lines.set_len(all) };
        Self {
            lines,
            count,
            steps,
        }
    }

    fn block(&self, index: usize) -> *const Line {
        self.lines[index * self.steps * SIDE..].as_ptr()
    }
}

/// Rows of `depth` values, transposed.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn lay_out(rows: &[bf16], depth: usize, mut to: *mut Line) {
    for block in rows.chunks(SIDE * depth.max(1)) {
        for at in (0..depth).step_by(DEPTH) {
            let left = depth - at;
            let mask: u32 = if left >= DEPTH { !0 } else { (1 << left) - 1 };
            let mut tile = [zero(); SIDE];
            for (line, row) in tile.iter_mut().zip(block.chunks_exact(depth)) {
                // SAFETY: only values of this row are read.
                *line = unsafe { _mm512_maskz_loadu_epi16(mask, row[at..].as_ptr().cast()) };
            }
            // SAFETY: the caller has room for all tiles.
            unsafe { store(&transposed(&tile), to) };
            to = to.wrapping_add(SIDE);
        }
    }
}

/// Writes a tile.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store(tile: &[__m512i; SIDE], to: *mut Line) {
    for (line, values) in tile.iter().enumerate() {
        // SAFETY: a tile has 16 lines, for which the caller has room.
        unsafe { _mm512_store_si512(to.add(line).cast(), *values) };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pack(vectors: Vectors, hand: Hand, mut to: *mut Line) {
    let Vectors {
        values,
        count,
        depth,
        stride,
        step,
    } = vectors;
    let mask = |left: usize| -> u16 { if left >= SIDE { !0 } else { (1 << left) - 1 } };
    for first in (0..count).step_by(SIDE) {
        for at in (0..depth).step_by(DEPTH) {
            let mut tile = [zero(); SIDE];
            let from = |vector: usize, number: usize| unsafe {
                values.as_ptr().add(vector * stride + number * step)
            };
            // Each line is a vector with its pairs, or a pair of values of each vector.
            let by_vector = step == 1;
            if by_vector {
                let (low, high) = (mask(depth - at), mask((depth - at).saturating_sub(SIDE)));
                for (line, vector) in tile.iter_mut().zip(first..count) {
                    let from = from(vector, at);
                    // SAFETY: only values of this vector are read.
                    let (a, b) = unsafe {
                        (
                            _mm512_maskz_loadu_ps(low, from),
                            _mm512_maskz_loadu_ps(high, from.wrapping_add(SIDE)),
                        )
                    };
                    let halves = [halved(a), halved(b)];
                    *line = unsafe { _mm512_loadu_si512(halves.as_ptr().cast()) };
                }
            } else {
                let some = mask(count - first);
                for (pair, line) in tile.iter_mut().enumerate() {
                    let at = at + 2 * pair;
                    if at >= depth {
                        break;
                    }
                    let second = if at + 1 < depth { some } else { 0 };
                    // SAFETY: only values of the vectors from the first on are read.
                    let (a, b) = unsafe {
                        (
                            _mm512_maskz_loadu_ps(some, from(first, at)),
                            _mm512_maskz_loadu_ps(second, from(first, at).wrapping_add(step)),
                        )
                    };
                    let low = _mm512_cvtepu16_epi32(halved(a));
                    let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halved(b)));
                    *line = _mm512_or_si512(low, high);
                }
            }
            if by_vector != (hand == Hand::Left) {
                tile = transposed(&tile);
            }
            // SAFETY: the caller has room for all tiles.
            unsafe { store(&tile, to) };
            to = to.wrapping_add(SIDE);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> __m512i {
    std::arch::x86_64::_mm512_setzero_si512()
}

/// Sixteen values in bf16.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16,avx512vl")]
fn halved(x: std::arch::x86_64::__m512) -> __m256i {
    // SAFETY: both are 32 bytes, and every pattern of bits is a value.
    unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x)) }
}

/// Rows as columns, 32 bits each.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(x: &[__m512i; SIDE]) -> [__m512i; SIDE] {
    let mut pairs = *x;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
    }
    let mut fours = pairs;
    for i in 0..4 {
        for j in 0..2 {
            let (a, b) = (pairs[4 * i + j], pairs[4 * i + 2 + j]);
            fours[4 * i + 2 * j] = _mm512_unpacklo_epi64(a, b);
            fours[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(a, b);
        }
    }
    // fours[4 i + c] holds column c of each 128-bit lane for rows 4 i to 4 i + 3.
    let mut out = fours;
    for c in 0..4 {
        let low = [fours[c], fours[4 + c]];
        let high = [fours[8 + c], fours[12 + c]];
        let even = |[a, b]: [__m512i; 2]| _mm512_shuffle_i32x4::<0x88>(a, b);
        let odd = |[a, b]: [__m512i; 2]| _mm512_shuffle_i32x4::<0xdd>(a, b);
        let (low_even, high_even) = (even(low), even(high));
        let (low_odd, high_odd) = (odd(low), odd(high));
        out[c] = even([low_even, high_even]);
        out[8 + c] = odd([low_even, high_even]);
        out[4 + c] = even([low_odd, high_odd]);
        out[12 + c] = odd([low_odd, high_odd]);
    }
    out
}

/// The results of one product of two blocks by two.
#[repr(C, align(64))]
struct Square([[f32; 2 * SIDE]; 2 * SIDE]);

/// `to[i, j] = left[i] . right[j]`, or that added to what is there; rows of `to` are `stride` values apart.
///
/// # Panics
/// When the vectors' lengths differ, or `to` is shorter than the result.
pub fn multiply(left: &Packed, right: &Packed, to: &mut [f32], stride: usize, add: bool) {
    let (rows, columns) = (left.count, right.count);
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        left.steps == right.steps && columns <= stride && to.len() >= (rows - 1) * stride + columns,
        "factors of a product that do not fit"
    );
    let left_blocks = rows.div_ceil(SIDE);
    let panel = (PANEL_BYTES / (left.steps.max(1) * size_of::<[Line; SIDE]>()) / 2 * 2).max(2);
    let right_blocks = columns.div_ceil(SIDE);
    // SAFETY: packed vectors were made with the token, so the CPU has tiles; they are let go before this function
    // returns.
    unsafe { configure() };
    let mut square = Square([[0.0; 2 * SIDE]; 2 * SIDE]);
    for first in (0..right_blocks).step_by(panel) {
        for block in (0..left_blocks).step_by(2) {
            for right_block in (first..right_blocks.min(first + panel)).step_by(2) {
                // The last block of an odd number meets itself; what comes of that is not read.
                let pair = |packed: &Packed, at: usize, end: usize| {
                    [packed.block(at), packed.block((at + 1).min(end - 1))]
                };
                let lefts = pair(left, block, left_blocks);
                let rights = pair(right, right_block, right_blocks);
                let (row, column) = (block * SIDE, right_block * SIDE);
                let height = (rows - row).min(2 * SIDE);
                let width = (columns - column).min(2 * SIDE);
                let whole = height == 2 * SIDE && width == 2 * SIDE && !add;
                let (at, apart) = if whole {
                    (to[row * stride + column..].as_mut_ptr(), stride)
                } else {
                    (square.0.as_mut_ptr().cast::<f32>(), 2 * SIDE)
                };
                // SAFETY: every block has `steps` tiles, and 32 rows of 32 values lie `apart` from `at` on: in the
                // square, or in `to`, whose length was checked.
                unsafe { tiles(lefts, rights, left.steps, at, apart) };
                if !whole {
                    for (row, from) in (row..row + height).zip(&square.0) {
                        let to = &mut to[row * stride + column..][..width];
                        for (to, from) in to.iter_mut().zip(from) {
                            *to = if add { *to + from } else { *from };
                        }
                    }
                }
            }
        }
    }
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Eight tiles of 16 rows of 64 bytes each.
unsafe fn configure() {
    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    let mut config = Config {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes: [0; 16],
        rows: [0; 16],
    };
    config.row_bytes[..8].fill(size_of::<Line>() as u16);
    config.rows[..8].fill(SIDE as u8);
    // SAFETY: the configuration is 64 bytes of the form that the instruction reads; the caller has the token.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) };
}

/// Two blocks by two over all steps: 32 rows of 32 sums, `stride` values apart.
#[inline]
unsafe fn tiles(
    [left, left2]: [*const Line; 2],
    [right, right2]: [*const Line; 2],
    steps: usize,
    to: *mut f32,
    stride: usize,
) {
    // SAFETY: the caller's promises; tiles are 1024 bytes, and only tile registers and `to` are written.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "test {steps}, {steps}",
            "jz 3f",
            "2:",
            "tileloadd tmm4, [{a} + {line}*1]",
            "tileloadd tmm6, [{b} + {line}*1]",
            "tileloadd tmm7, [{b2} + {line}*1]",
            "tileloadd tmm5, [{a2} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 1024",
            "add {a2}, 1024",
            "add {b}, 1024",
            "add {b2}, 1024",
            "dec {steps}",
            "jnz 2b",
            "3:",
            "tilestored [{to} + {row}*1], tmm0",
            "tilestored [{to} + {row}*1 + 64], tmm1",
            "tilestored [{to2} + {row}*1], tmm2",
            "tilestored [{to2} + {row}*1 + 64], tmm3",
            a = inout(reg) left => _,
            a2 = inout(reg) left2 => _,
            b = inout(reg) right => _,
            b2 = inout(reg) right2 => _,
            steps = inout(reg) steps => _,
            line = in(reg) size_of::<Line>(),
            to = in(reg) to,
            to2 = in(reg) to.wrapping_add(SIDE * stride),
            row = in(reg) stride * size_of::<f32>(),
            options(nostack)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    /// Every dot product of vectors that were rounded to bf16, whichever way they lie; results beside are left alone.
    #[test]
    fn products_are_exact_but_for_sums_in_f32() {
        let Some(amx) = Amx::get() else {
            println!("this CPU has no tiles: nothing was tested");
            return;
        };
        for (m, n, k) in [
            (1, 1, 1),
            (16, 16, 32),
            (33, 47, 31),
            (70, 160, 65),
            (5, 300, 200),
        ] {
            let (a, b) = (noise(m * k, 3), noise(n * k, 5));
            let transposed = |x: &[f32], count: usize| -> Vec<f32> {
                (0..k * count)
                    .map(|i| x[i % count * k + i / count])
                    .collect()
            };
            let (a_transposed, b_transposed) = (transposed(&a, m), transposed(&b, n));
            let lefts = [
                Vectors::rows(&a, m, k),
                Vectors::columns(&a_transposed, k, m),
            ];
            let rights = [
                Vectors::rows(&b, n, k),
                Vectors::columns(&b_transposed, k, n),
            ];
            for (left, right) in lefts.into_iter().flat_map(|l| rights.map(|r| (l, r))) {
                let packed = |v, hand| Packed::new(amx, v, hand);
                let (left, right) = (packed(left, Hand::Left), packed(right, Hand::Right));
                let mut wide = vec![0.5; m * (n + 1)];
                multiply(&left, &right, &mut wide, n + 1, false);
                assert!(wide.chunks(n + 1).all(|row| row[n] == 0.5));
                let mut y = vec![0.0; m * n];
                multiply(&left, &right, &mut y, n, false);
                assert!(
                    y.chunks(n)
                        .zip(wide.chunks(n + 1))
                        .all(|(a, b)| *a == b[..n])
                );
                let mut twice = y.clone();
                multiply(&left, &right, &mut twice, n, true);
                for i in 0..m * n {
                    let rounded = |x: &f32| f64::from(bf16::from_f32(*x).to_f32());
                    let terms = a[i / n * k..][..k].iter().zip(&b[i % n * k..][..k]);
                    let terms = terms.map(|(a, b)| rounded(a) * rounded(b));
                    let (sum, size) = terms.fold((0.0, 0.0), |(s, z), t| (s + t, z + t.abs()));
                    let off = (f64::from(y[i]) - sum).abs();
                    assert!(off <= 1e-6 * size, "{m}x{n}x{k} at {i}: {} for {sum}", y[i]);
                    assert!((twice[i] - 2.0 * y[i]).abs() <= 1e-6 * y[i].abs());
                }
            }
        }
    }
}
