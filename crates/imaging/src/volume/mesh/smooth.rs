//! Smoothing that leaves every voxel on its side of the surface (as Gibson's constrained elastic surface nets, 1998),
//! and the volume what it was.

use glam::{DAffine3, DVec3};

use super::{Mesh, Point};

/// The share of the way to the mean of its neighbours that a point goes in a pass.
const STEP: f64 = 0.5;
/// Enough for the steps between slices to go, as far as voxels let them.
const PASSES: usize = 40;
/// Where between a voxel inside (0) and its neighbour outside (1) the surface may pass.
const LEAST: f64 = 0.1;
const MOST: f64 = 0.9;
/// Halvings until the volume is the one wanted to a millionth of a voxel.
const HALVINGS: usize = 20;

/// Places the points: each may slide along the line between its two voxels, and no further.
pub(super) fn smoothed(
    points: &[Point],
    triangles: Vec<[u32; 3]>,
    place: DAffine3,
    volume_ml: f64,
) -> Mesh {
    let vertices = points.iter().map(|point| match *point {
        Point::Between { inside, outwards } => place.transform_point3(inside + outwards * 0.5),
        Point::Amid(middle) => place.transform_point3(middle),
    });
    let mut mesh = Mesh {
        vertices: vertices.collect(),
        triangles,
    };
    let mut shares = vec![0.5; points.len()];
    for _ in 0..PASSES {
        let means = means(&mesh);
        let moved = points.iter().zip(&mut shares).zip(&mut mesh.vertices);
        for (((point, share), vertex), mean) in moved.zip(means) {
            match *point {
                Point::Between { inside, outwards } => {
                    let along = place.transform_vector3(outwards);
                    let slide = (mean - *vertex).dot(along) / along.length_squared();
                    *share = (*share + STEP * slide).clamp(LEAST, MOST);
                    *vertex = place.transform_point3(inside + outwards * *share);
                }
                Point::Amid(_) => *vertex = mean,
            }
        }
    }
    let (mut inwards, mut outwards) = (LEAST - MOST, MOST - LEAST);
    for _ in 0..HALVINGS {
        let shift = f64::midpoint(inwards, outwards);
        move_all(&mut mesh, points, &shares, place, shift);
        // A place that mirrors the patient turns the surface inside out.
        if mesh.volume_ml().abs() < volume_ml {
            inwards = shift;
        } else {
            outwards = shift;
        }
    }
    mesh
}

/// Moves every point outwards by the same share of its line, from where it was smoothed to.
fn move_all(mesh: &mut Mesh, points: &[Point], shares: &[f64], place: DAffine3, shift: f64) {
    let moved = points.iter().zip(shares).zip(&mut mesh.vertices);
    for ((point, share), vertex) in moved {
        if let Point::Between { inside, outwards } = *point {
            let share = (share + shift).clamp(LEAST, MOST);
            *vertex = place.transform_point3(inside + outwards * share);
        }
    }
    let means = means(mesh);
    let amid = points.iter().zip(&mut mesh.vertices).zip(means);
    for ((_, vertex), mean) in amid.filter(|((point, _), _)| matches!(point, Point::Amid(_))) {
        *vertex = mean;
    }
}

/// The mean of each point's neighbours.
fn means(mesh: &Mesh) -> Vec<DVec3> {
    let mut sums = vec![(DVec3::ZERO, 0.0); mesh.vertices.len()];
    for &[a, b, c] in &mesh.triangles {
        for (to, from) in [(a, b), (b, c), (c, a)] {
            let (sum, count) = &mut sums[to as usize];
            *sum += mesh.vertices[from as usize];
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}
