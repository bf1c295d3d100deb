//! Connected regions of a picture.

/// A picture's pixels by what they belong to; 0 is nothing.
pub(super) struct Regions {
    /// The number of each pixel's region, from 1.
    pub of: Vec<u32>,
    /// Pixels of each region; the first is region 1.
    pub sizes: Vec<usize>,
}

impl Regions {
    /// Pixels of the largest; 0 where there are none.
    pub fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Pixels of the region that a pixel belongs to; 0 of none.
    pub fn size_at(&self, pixel: usize) -> usize {
        let region = (self.of[pixel] as usize).checked_sub(1);
        region.map_or(0, |region| self.sizes[region])
    }
}

/// The regions of pixels that are in and touch along an edge.
pub(super) fn regions(width: usize, is_in: impl Fn(usize) -> bool, count: usize) -> Regions {
    let mut found = Regions {
        of: vec![0; count],
        sizes: Vec::new(),
    };
    let mut todo = Vec::new();
    for seed in 0..count {
        if found.of[seed] != 0 || !is_in(seed) {
            continue;
        }
        let number = found.sizes.len() as u32 + 1;
        found.of[seed] = number;
        todo.push(seed);
        let mut size = 0;
        while let Some(at) = todo.pop() {
            size += 1;
            for next in neighbours(at, width, count) {
                if found.of[next] == 0 && is_in(next) {
                    found.of[next] = number;
                    todo.push(next);
                }
            }
        }
        found.sizes.push(size);
    }
    found
}

/// What can be reached from seeds through pixels that are open.
pub(super) fn flood(
    width: usize,
    count: usize,
    is_seed: impl Fn(usize) -> bool,
    is_open: impl Fn(usize) -> bool,
) -> Vec<bool> {
    let mut reached = vec![false; count];
    let mut todo: Vec<usize> = (0..count).filter(|&n| is_seed(n)).collect();
    for &seed in &todo {
        reached[seed] = true;
    }
    while let Some(at) = todo.pop() {
        for next in neighbours(at, width, count) {
            if !reached[next] && is_open(next) {
                reached[next] = true;
                todo.push(next);
            }
        }
    }
    reached
}

/// The pixels whose neighbours are all in as well; those at the edge of the picture count as surrounded.
pub(super) fn eroded(width: usize, mask: &[bool]) -> Vec<bool> {
    (0..mask.len())
        .map(|n| mask[n] && neighbours(n, width, mask.len()).all(|next| mask[next]))
        .collect()
}

/// Up to four pixels that share an edge.
pub(super) fn neighbours(at: usize, width: usize, count: usize) -> impl Iterator<Item = usize> {
    let column = at % width;
    [
        (column > 0).then(|| at - 1),
        (column + 1 < width).then(|| at + 1),
        at.checked_sub(width),
        Some(at + width).filter(|&next| next < count),
    ]
    .into_iter()
    .flatten()
}

/// How many steps each pixel of a mask is from what is not in it.
pub(super) fn distances(width: usize, mask: &[bool]) -> Vec<u16> {
    let count = mask.len();
    let mut found: Vec<u16> = mask.iter().map(|&m| if m { u16::MAX } else { 0 }).collect();
    let mut ring: Vec<usize> = (0..count).filter(|&n| !mask[n]).collect();
    let mut steps = 0;
    while !ring.is_empty() {
        steps += 1;
        let mut next_ring = Vec::new();
        for at in ring {
            for next in neighbours(at, width, count) {
                if found[next] == u16::MAX {
                    found[next] = steps;
                    next_ring.push(next);
                }
            }
        }
        ring = next_ring;
    }
    found
}
