//! The 256 ways in which a surface passes through a cell.
//!
//! A cell has a voxel centre at each of its eight corners. The surface cuts the edges between a corner inside and one
//! outside, and on every face it runs from cut to cut. Where a face has two corners inside that lie across from each
//! other, they are kept apart, in both of the cells that share the face: so the pieces of neighbours fit, and every
//! edge of the surface has exactly two sides. The table is worked out from that rule.

use std::sync::LazyLock;

/// An edge of a cell: its axis, and which end of the other two axes it lies at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    /// The axis it runs along.
    pub axis: usize,
    /// The corner at its lower end: 0 or 1 along each axis.
    pub low: [u32; 3],
}

impl Edge {
    /// Whether its lower end is inside, in a case in which it is cut.
    pub(super) fn leaves(self, case: usize) -> bool {
        case >> corner(self.low) & 1 == 1
    }
}

/// Closed rings of cut edges, their outside to the side from which they run counter-clockwise.
pub(super) type Rings = Vec<Vec<Edge>>;

/// The rings of each case. Bit `x + 2 y + 4 z` of a case says whether that corner is inside.
pub(super) static CASES: LazyLock<Vec<Rings>> = LazyLock::new(|| (0..256).map(rings).collect());

fn corner(at: [u32; 3]) -> u32 {
    at[0] | at[1] << 1 | at[2] << 2
}

fn edge_between(a: [u32; 3], b: [u32; 3]) -> Edge {
    let axis = (0..3).find(|&n| a[n] != b[n]).unwrap_or(0);
    let mut low = a;
    low[axis] = 0;
    Edge { axis, low }
}

/// A face's corners, counter-clockwise as seen from outside the cell.
fn face(axis: usize, side: u32) -> [[u32; 3]; 4] {
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(|[a, b]| {
        let mut at = [side; 3];
        (at[u], at[v]) = (a, b);
        at
    });
    if side == 0 {
        corners.reverse();
    }
    corners
}

fn rings(case: u32) -> Rings {
    let inside = |at: [u32; 3]| case >> corner(at) & 1 == 1;
    // Along a face's rim a run of corners inside is entered through one cut edge and left through another; the surface
    // goes back from that to this.
    let mut steps: Vec<(Edge, Edge)> = Vec::new();
    for (axis, side) in (0..3).flat_map(|axis| [(axis, 0), (axis, 1)]) {
        let corners = face(axis, side);
        for entry in 0..4 {
            let (before, first) = (corners[entry], corners[(entry + 1) % 4]);
            if inside(before) || !inside(first) {
                continue;
            }
            let last = (1..4).take_while(|n| inside(corners[(entry + n) % 4]));
            let last = entry + last.last().unwrap_or(1);
            let exit = edge_between(corners[last % 4], corners[(last + 1) % 4]);
            steps.push((edge_between(before, first), exit));
        }
    }
    let mut rings = Vec::new();
    while let Some((first, mut next)) = steps.pop() {
        let mut ring = vec![first];
        while next != first {
            ring.push(next);
            let Some(at) = steps.iter().position(|(from, _)| *from == next) else {
                break;
            };
            next = steps.swap_remove(at).1;
        }
        rings.push(ring);
    }
    rings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether two edges lie on one face.
    fn share_a_face(a: Edge, b: Edge) -> bool {
        (0..3).any(|n| n != a.axis && n != b.axis && a.low[n] == b.low[n])
    }

    #[test]
    fn every_cut_edge_is_in_one_ring_and_rings_follow_faces() {
        for (case, rings) in CASES.iter().enumerate() {
            let cut = (0..3).flat_map(|axis| (0..4).map(move |n| (axis, n)));
            let cut = cut.filter(|&(axis, n)| {
                let mut low = [0; 3];
                (low[(axis + 1) % 3], low[(axis + 2) % 3]) = (n & 1, n >> 1);
                let mut high = low;
                high[axis] = 1;
                (case >> corner(low) & 1) != (case >> corner(high) & 1)
            });
            let in_rings: usize = rings.iter().map(Vec::len).sum();
            assert_eq!(cut.count(), in_rings, "case {case}");
            for ring in rings {
                assert!(ring.len() >= 3, "case {case}");
                let next = ring.iter().cycle().skip(1);
                assert!(ring.iter().zip(next).all(|(a, b)| share_a_face(*a, *b)));
            }
        }
    }

    /// A ring of four is cut in two along a diagonal. If that lay on a face, the neighbour might have it too.
    #[test]
    fn diagonals_of_rings_of_four_lie_on_no_face() {
        let fours = CASES.iter().flatten().filter(|ring| ring.len() == 4);
        for ring in fours {
            assert!(!share_a_face(ring[0], ring[2]), "{ring:?}");
        }
    }
}
