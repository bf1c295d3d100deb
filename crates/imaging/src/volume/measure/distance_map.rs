//! Exact Euclidean distances on a grid (Felzenszwalb and Huttenlocher 2012).

use glam::{DVec3, UVec3};
use rayon::prelude::*;

/// The squared distance in mm² from the centre of each voxel of a box of `dims` to that of the nearest marked one, in
/// memory order; infinite where none is marked. `marked` has a byte for each voxel, and `spacing_mm` lies along axes
/// that are at right angles.
pub(in crate::volume) fn squared_distances(
    marked: &[u8],
    dims: UVec3,
    spacing_mm: DVec3,
) -> Vec<f32> {
    let here = |&mark: &u8| if mark == 0 { f32::INFINITY } else { 0.0 };
    let mut field: Vec<f32> = marked.par_iter().map(here).collect();
    // Each turn works along the fastest axis and makes it the slowest, so that after three the order is the first again.
    for axis in 0..3 {
        let length = dims[axis] as usize;
        field
            .par_chunks_exact_mut(length)
            .for_each_init(Envelope::default, |envelope, line| {
                envelope.lower(line, spacing_mm[axis]);
            });
        field = turned(&field, length);
    }
    field
}

/// Lines of `length` values as columns: value `n` of line `m` becomes value `m` of line `n`. Block by block, so that what
/// is read and what is written stay near.
fn turned(field: &[f32], length: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let lines = field.len() / length;
    let mut turned = vec![0.0; field.len()];
    let strips = turned.par_chunks_mut(lines * BLOCK).enumerate();
    strips.for_each(|(strip, to)| {
        for first in (0..lines).step_by(BLOCK) {
            let block = first..lines.min(first + BLOCK);
            for (n, column) in to.chunks_exact_mut(lines).enumerate() {
                for m in block.clone() {
                    column[m] = field[m * length + strip * BLOCK + n];
                }
            }
        }
    });
    turned
}

/// The lower envelope of parabolas over a line: one stands on each place.
#[derive(Default)]
struct Envelope {
    /// The place of each parabola that is lowest somewhere, its height, and from where on it is.
    parts: Vec<(f64, f64, f64)>,
}

impl Envelope {
    /// Makes each height of a line that of the lowest parabola over it.
    fn lower(&mut self, line: &mut [f32], spacing: f64) {
        self.parts.clear();
        for (n, height) in line.iter().enumerate() {
            let (at, height) = (n as f64 * spacing, f64::from(*height));
            if height.is_finite() {
                self.add(at, height);
            }
        }
        let mut parts = self.parts.iter().peekable();
        let Some(mut part) = parts.next() else {
            return;
        };
        for (n, height) in line.iter_mut().enumerate() {
            let at = n as f64 * spacing;
            while let Some(next) = parts.next_if(|next| next.2 <= at) {
                part = next;
            }
            *height = ((at - part.0).powi(2) + part.1) as f32;
        }
    }

    fn add(&mut self, at: f64, height: f64) {
        let mut from = f64::NEG_INFINITY;
        while let Some(&(place, low, since)) = self.parts.last() {
            // Where both parabolas are equally high.
            let meet = ((height + at * at) - (low + place * place)) / (2.0 * (at - place));
            if meet > since {
                from = meet;
                break;
            }
            self.parts.pop();
        }
        self.parts.push((at, height, from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_all_pairs() {
        let spacing = DVec3::new(0.7, 1.3, 4.1);
        for (dims, rarity) in [
            ([17, 13, 9], 97),
            ([1, 30, 4], 7),
            ([5, 1, 1], 2),
            ([6, 5, 4], 1000),
        ] {
            let dims = UVec3::from_array(dims);
            let place = |n: usize| {
                let (x, y) = (dims.x as usize, dims.y as usize);
                let voxel = [n % x, n / x % y, n / x / y].map(|n| n as f64);
                DVec3::from_array(voxel) * spacing
            };
            let mut state = 7_u32;
            let marked: Vec<u8> = (0..dims.element_product())
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    u8::from((state >> 8).is_multiple_of(rarity))
                })
                .collect();
            let found = squared_distances(&marked, dims, spacing);
            for (n, found) in found.into_iter().enumerate() {
                let sites = marked.iter().enumerate().filter(|&(_, &m)| m == 1);
                let nearest = sites
                    .map(|(m, _)| place(n).distance_squared(place(m)))
                    .fold(f64::INFINITY, f64::min);
                let found = f64::from(found);
                assert!(
                    found == nearest || (found - nearest).abs() <= 1e-6 * nearest,
                    "{n}"
                );
            }
        }
    }
}
