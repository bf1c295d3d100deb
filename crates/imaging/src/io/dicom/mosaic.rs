//! Siemens mosaics: all slices of a volume tiled in one picture.

use glam::DVec3;

use super::csa;
use super::dataset::DataSet;
use super::frame::{Place, Tile};
use super::header::{SIEMENS_CSA_IMAGE_HEADER, SIEMENS_MOSAIC_COUNT};
use super::values::Notes;
use crate::io::error::Refusal;

/// How a mosaic is tiled, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mosaic {
    pub count: u32,
    /// Tiles in each row and column of tiles.
    side: u32,
    /// Of one tile, in pixels.
    pub columns: u32,
    pub rows: u32,
    /// Whether slices ascend against row x column.
    descends: bool,
}

impl Mosaic {
    /// # Errors
    /// When the number of slices is nowhere, or no tiling of the picture.
    pub fn read(
        values: &DataSet,
        [columns, rows]: [u32; 2],
        place: Option<Place>,
        notes: &Notes,
    ) -> Result<Self, Refusal> {
        let csa = values.raw(SIEMENS_CSA_IMAGE_HEADER).unwrap_or_default();
        let stated = values.whole::<u32>(SIEMENS_MOSAIC_COUNT, notes)?;
        let stated = stated.or_else(|| {
            csa::values(csa, "NumberOfImagesInMosaic")
                .first()?
                .parse()
                .ok()
        });
        let Some(count) = stated.filter(|n| (1..=4096).contains(n)) else {
            return Err(refused("it does not say how many slices it holds"));
        };
        let side = (1..=count).find(|side| side * side >= count).unwrap_or(1);
        if columns % side != 0 || rows % side != 0 || columns < side || rows < side {
            return Err(refused(&format!(
                "{count} slices do not tile {columns} x {rows} pixels"
            )));
        }
        let normal: Vec<f64> = csa::values(csa, "SliceNormalVector")
            .iter()
            .filter_map(|value| value.parse().ok())
            .collect();
        let descends = match (normal.as_slice(), place) {
            (&[x, y, z], Some(place)) => DVec3::new(x, y, z).dot(place.normal()) < 0.0,
            _ => false,
        };
        Ok(Self {
            count,
            side,
            columns: columns / side,
            rows: rows / side,
            descends,
        })
    }

    pub fn tile(&self, slice: u32) -> Tile {
        Tile {
            column: slice % self.side * self.columns,
            row: slice / self.side * self.rows,
        }
    }

    /// Where a slice lies. The file's position is that of a picture as large as the whole mosaic with the first slice in
    /// its middle.
    pub fn place(&self, file: Place, slice: u32, spacing_mm: [f64; 2], between_mm: f64) -> Place {
        let [between_rows, between_columns] = spacing_mm;
        let half = |tile: u32| f64::from(tile * (self.side - 1)) / 2.0;
        let first = file.position_mm
            + file.row * (between_columns * half(self.columns))
            + file.column * (between_rows * half(self.rows));
        let normal = if self.descends {
            -file.normal()
        } else {
            file.normal()
        };
        Place {
            position_mm: first + normal * (between_mm * f64::from(slice)),
            ..file
        }
    }
}

fn refused(what: &str) -> Refusal {
    Refusal::new(
        "mosaic",
        format!("a Siemens mosaic that cannot be taken apart ({what}); export single slices"),
    )
}
