//! Surfaces of structures as STL and OBJ files, in patient millimetres (LPS).

use std::io::{self, Write};
use std::path::Path;

use glam::DVec3;

use crate::io::{IoError, whole_file};
use crate::volume::Mesh;

/// What the 80 bytes before the triangles say; readers of medical STL look for the space.
const STL_HEADER: &[u8] = b"m3d-viewer. Millimetres. SPACE=LPS";

/// Writes surfaces as one binary STL file, which has no names. Corners are rounded to 32-bit floats.
///
/// # Errors
/// When there are more triangles than the format counts, or writing fails.
pub fn write_stl<'a>(
    path: &Path,
    meshes: impl IntoIterator<Item = &'a Mesh> + Clone,
) -> Result<(), IoError> {
    let count: usize = meshes.clone().into_iter().map(|m| m.triangles.len()).sum();
    let count = u32::try_from(count).map_err(|_| IoError::OutputShape {
        path: path.to_owned(),
        message: format!("STL counts at most {} triangles, not {count}", u32::MAX),
    })?;
    whole_file::write(path, |out| {
        let mut header = [b' '; 80];
        header[..STL_HEADER.len()].copy_from_slice(STL_HEADER);
        out.write_all(&header)?;
        out.write_all(&count.to_le_bytes())?;
        for [a, b, c] in meshes.into_iter().flat_map(Mesh::corners_mm) {
            let normal = (b - a).cross(c - a).normalize_or_zero();
            let mut facet = [0; 50];
            let numbers = [normal, a, b, c].map(|v| v.as_vec3().to_array());
            let places = facet.as_chunks_mut::<4>().0.iter_mut();
            for (place, number) in places.zip(numbers.as_flattened()) {
                *place = number.to_le_bytes();
            }
            out.write_all(&facet)?;
        }
        Ok(())
    })
}

/// Writes surfaces as one OBJ file, each under its name.
///
/// # Errors
/// When writing fails.
pub fn write_obj<'a>(
    path: &Path,
    meshes: impl IntoIterator<Item = (&'a str, &'a Mesh)>,
) -> Result<(), IoError> {
    whole_file::write(path, |out| {
        writeln!(out, "# m3d-viewer. Millimetres. SPACE=LPS")?;
        let mut first = 1;
        for (name, mesh) in meshes {
            // A name ends with its line.
            let name: String = name.chars().filter(|c| !c.is_control()).collect();
            writeln!(out, "o {}", name.trim())?;
            mesh.vertices.iter().try_for_each(|v| vertex(out, *v))?;
            for [a, b, c] in &mesh.triangles {
                let [a, b, c] = [a, b, c].map(|n| first + *n as usize);
                writeln!(out, "f {a} {b} {c}")?;
            }
            first += mesh.vertices.len();
        }
        Ok(())
    })
}

fn vertex(out: &mut dyn Write, at: DVec3) -> io::Result<()> {
    writeln!(out, "v {:.4} {:.4} {:.4}", at.x, at.y, at.z)
}
