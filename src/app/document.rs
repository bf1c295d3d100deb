//! What is open: the files found, the series shown, and the reader's place in it.

use std::collections::HashMap;
use std::sync::Arc;

use glam::{DVec3, UVec3};

use super::{Findings, Revision, SliceState, ViewId};
use crate::render::{LabelTexture, Picture, VolumeTexture};
use m3d_imaging::geometry::{Camera, Orientation, SlicePlane, VoxelBox};
use m3d_imaging::io::{Library, Series, SeriesId};
use m3d_imaging::volume::{
    ImageIdentity, ImageKey, LabelMap, Modality, Statistics, TransferFunction, Volume,
    VolumePreset, Window,
};

/// A series as it is read: the image, figures of it, and its copy on the GPU where there is one.
#[derive(Clone, Debug)]
pub struct LoadedVolume {
    /// The image.
    pub volume: Arc<Volume>,
    /// What it is.
    pub identity: ImageIdentity,
    /// Figures of its values.
    pub statistics: Statistics,
    /// Its copy on the GPU; none without an adapter, or when it did not fit.
    pub texture: Option<Arc<VolumeTexture>>,
}

/// The visible masks in the form they are drawn in.
#[derive(Clone, Debug)]
pub struct ShownLabels {
    /// The state of the masks it was made from.
    pub revision: Revision,
    /// The place in the theme's row of colours of label 1, 2, ...
    pub colours: Vec<usize>,
    /// One label per voxel.
    pub map: Arc<LabelMap>,
    /// Its copy on the GPU.
    pub texture: Option<Arc<LabelTexture>>,
}

/// The series on screen and everything the reader did to it.
#[derive(Debug)]
pub struct Shown {
    /// The series it came from.
    pub series: Series,
    /// What the image is.
    pub identity: ImageIdentity,
    /// The patient's name, for the corner of the views; never for a log.
    pub patient: String,
    /// The study's date as in the file.
    pub study_date: String,
    /// The image.
    pub volume: Arc<Volume>,
    /// Figures of its values.
    pub statistics: Statistics,
    /// The image on the GPU.
    pub texture: Option<Arc<VolumeTexture>>,
    /// The visible masks, as last drawn.
    pub labels: Option<ShownLabels>,
    /// Which opening this is; results of an older one are dropped.
    pub revision: Revision,
    /// The point the three slices share, in patient mm.
    pub crosshair_mm: DVec3,
    /// The window on screen.
    pub window: Window,
    /// Black for white.
    pub invert: bool,
    /// The zoom and pan of each slice view, in the order of [`Orientation::ALL`].
    pub slices: [SliceState; 3],
    /// The camera of the 3-D view.
    pub camera: Camera,
    /// The transfer function of the 3-D view.
    pub preset: VolumePreset,
    /// The box the reader drew, if any.
    pub region: Option<VoxelBox>,
    /// Masks and boxes.
    pub findings: Findings,
}

/// A voxel and its value, for the status bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The point in patient mm.
    pub point_mm: DVec3,
    /// The voxel, when the point is inside the volume.
    pub voxel: Option<UVec3>,
    /// Its value after rescale.
    pub value: Option<f32>,
}

impl Shown {
    /// A freshly loaded series, seen from the middle.
    pub fn new(
        series: Series,
        names: (String, String),
        loaded: LoadedVolume,
        revision: Revision,
    ) -> Self {
        let LoadedVolume {
            volume,
            identity,
            statistics,
            texture,
        } = loaded;
        let window = first_window(&series, volume.modality(), &statistics);
        let grid = *volume.grid();
        Self {
            patient: names.0,
            study_date: names.1,
            crosshair_mm: grid.middle_voxel_mm(),
            window,
            invert: series.inverted,
            slices: [SliceState::default(); 3],
            camera: Camera::facing(grid.centre_mm(), grid.radius_mm()),
            preset: VolumePreset::for_modality(volume.modality().shown_as(&statistics)),
            region: None,
            findings: Findings::default(),
            series,
            identity,
            volume,
            statistics,
            texture,
            labels: None,
            revision,
        }
    }

    /// Patient, date and series in one line, for the screen alone.
    pub fn title(&self) -> String {
        let parts = [
            self.patient.as_str(),
            self.study_date.as_str(),
            self.series.modality_code.as_str(),
            self.series.description.as_str(),
        ];
        let told: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        told.join(", ")
    }

    /// The zoom and pan of a slice view.
    pub fn slice_state(&mut self, orientation: Orientation) -> &mut SliceState {
        &mut self.slices[ViewId::Slice(orientation).index()]
    }

    /// The plane of a slice view, the slice it shows (from 0) and how many there are.
    pub fn slice_position(&self, orientation: Orientation) -> (SlicePlane, u32, u32) {
        let grid = self.volume.grid();
        let plane = SlicePlane::new(grid, orientation);
        let slice = plane.slice_of(grid, self.crosshair_mm);
        (plane, slice, plane.slice_count(grid))
    }

    /// Goes `steps` slices up (to the head, the left, the back) or down, and stops at the ends.
    pub fn step_slice(&mut self, orientation: Orientation, steps: i64) {
        let (plane, slice, count) = self.slice_position(orientation);
        let target = (i64::from(slice) + steps).clamp(0, i64::from(count) - 1);
        let grid = self.volume.grid();
        self.crosshair_mm = plane.point_on_slice(grid, self.crosshair_mm, target as u32);
    }

    /// Moves the crosshair to a patient point, held inside the volume.
    pub fn go_to(&mut self, point_mm: DVec3) {
        let grid = self.volume.grid();
        let voxel = grid.voxel_from_patient().transform_point3(point_mm);
        if voxel.is_finite() {
            let inside = voxel.clamp(DVec3::ZERO, grid.dims().as_dvec3() - 1.0);
            self.crosshair_mm = grid.patient_from_voxel().transform_point3(inside);
        }
    }

    /// Moves the crosshair to a voxel coordinate.
    pub fn go_to_voxel(&mut self, voxel: DVec3) {
        let grid = self.volume.grid();
        // Onto a voxel's centre, so that the slices shown are slices of the image.
        self.go_to(grid.patient_from_voxel().transform_point3(voxel.round()));
    }

    /// What is at a patient point.
    pub fn place(&self, point_mm: DVec3) -> Place {
        let grid = self.volume.grid();
        let voxel = grid.nearest(grid.voxel_from_patient().transform_point3(point_mm));
        Place {
            point_mm,
            voxel,
            value: voxel.and_then(|v| self.volume.value(v)),
        }
    }

    /// What the image is shown as; CT has windows of its own.
    pub fn shown_as(&self) -> Modality {
        self.volume.modality().shown_as(&self.statistics)
    }

    /// The transfer function of the 3-D view.
    pub fn transfer_function(&self) -> TransferFunction {
        // A window for soft tissue would show a projection of CT as a white blob.
        let range = match self.shown_as() {
            Modality::Ct => [-100.0, 900.0],
            _ => self.window.range(),
        };
        self.preset.transfer_function(range, &self.statistics)
    }

    /// Forgets zoom, pan, turn and window; the findings stay.
    pub fn reset_view(&mut self) {
        let grid = *self.volume.grid();
        self.slices = [SliceState::default(); 3];
        self.camera = Camera::facing(grid.centre_mm(), grid.radius_mm());
        self.crosshair_mm = grid.middle_voxel_mm();
        self.invert = self.series.inverted;
        self.window = first_window(&self.series, self.volume.modality(), &self.statistics);
    }
}

/// The window an image is first shown with: the file's own, else the modality's usual one.
pub fn first_window(series: &Series, modality: Modality, statistics: &Statistics) -> Window {
    let own = series.windows.first().copied();
    own.unwrap_or_else(|| Window::for_volume(modality, statistics))
}

/// What an image keeps while another is shown.
#[derive(Debug)]
struct Kept {
    identity: ImageIdentity,
    findings: Findings,
    region: Option<VoxelBox>,
}

/// Everything open.
#[derive(Debug, Default)]
pub struct Document {
    /// The files found.
    pub library: Option<Library>,
    /// Small pictures of its series, as far as they are drawn.
    pub thumbnails: HashMap<SeriesId, Picture>,
    /// The series on screen.
    pub shown: Option<Shown>,
    kept: HashMap<ImageKey, Kept>,
    revision: Revision,
}

impl Document {
    /// Puts a loaded series on screen; the one before keeps its findings for when it comes back. What was
    /// found in an image that has changed since is not drawn on it: returns whether that was so.
    pub fn show(&mut self, series: Series, loaded: LoadedVolume) -> bool {
        let names = self.names_of(&series.id());
        let place = self
            .shown
            .as_ref()
            .map(|s| (s.patient.clone(), s.crosshair_mm));
        self.keep_shown();
        self.revision = self.revision.next();
        let kept = self.kept.remove(&loaded.identity.key);
        let mut shown = Shown::new(series, names, loaded, self.revision);
        let mut has_changed = false;
        if let Some(kept) = kept {
            has_changed = kept.identity != shown.identity;
            if !has_changed {
                shown.findings = kept.findings;
                shown.region = kept.region;
            }
        }
        // Another series of the same patient is shown at the same place.
        if let Some((patient, place_mm)) = place {
            let grid = shown.volume.grid();
            let voxel = grid.voxel_from_patient().transform_point3(place_mm);
            if patient == shown.patient && grid.nearest(voxel).is_some() {
                shown.go_to(place_mm);
            }
        }
        self.shown = Some(shown);
        has_changed
    }

    /// The findings of an image, shown or kept; `None` when it was never shown or has changed since.
    pub fn findings_of(&mut self, image: &ImageIdentity) -> Option<&mut Findings> {
        if let Some(shown) = self.shown.as_mut().filter(|s| s.identity == *image) {
            return Some(&mut shown.findings);
        }
        let kept = self.kept.get_mut(&image.key)?;
        (kept.identity == *image).then_some(&mut kept.findings)
    }

    fn keep_shown(&mut self) {
        if let Some(shown) = self.shown.take() {
            let key = shown.identity.key.clone();
            let kept = Kept {
                identity: shown.identity,
                findings: shown.findings,
                region: shown.region,
            };
            self.kept.insert(key, kept);
        }
    }

    /// A series of the library.
    pub fn series(&self, id: &SeriesId) -> Option<&Series> {
        self.library.as_ref()?.series().find(|s| s.id() == *id)
    }

    /// The patient's name and the study's date of a series.
    fn names_of(&self, id: &SeriesId) -> (String, String) {
        let patients = self.library.iter().flat_map(|l| &l.patients);
        for patient in patients {
            for study in &patient.studies {
                if study.series.iter().any(|s| s.id() == *id) {
                    return (patient.name.clone(), study.date.clone());
                }
            }
        }
        (String::new(), String::new())
    }
}
