//! A view with everything it shows, as panels and pictures read it.

use std::sync::Arc;

use glam::{DVec3, UVec3};
use m3d_imaging::geometry::{Camera, Orientation, SlicePlane, VoxelBox, VoxelGrid};
use m3d_imaging::volume::{Modality, TransferFunction, Volume, Window};

use super::resources::{OpenImage, ShownLabels};
use super::workspace::{
    Edit, Finding, Frame, ImageRecord, Layer, View, ViewId, ViewKind, Workspace,
};

/// A voxel and its value, for the status bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointReading {
    /// The point in patient mm.
    pub point_mm: DVec3,
    /// The voxel, when the point is inside the volume.
    pub voxel: Option<UVec3>,
    /// Its value after rescale.
    pub value: Option<f32>,
    /// Its red, green and blue, of images in colour.
    pub colour: Option<[u8; 3]>,
}

/// A view whose base image is here.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The view's name.
    pub id: ViewId,
    /// What it shows and how.
    pub view: &'a View,
    /// Its base layer.
    pub layer: &'a Layer,
    /// What is known of the base image.
    pub record: &'a ImageRecord,
    /// The base image.
    pub image: &'a OpenImage,
    /// The masks drawn on it.
    pub labels: Option<&'a ShownLabels>,
    /// The images over the base whose voxels are here, each with its layer.
    pub over: [Option<(&'a Layer, &'a OpenImage)>; Layer::MOST - 1],
    pub(super) workspace: &'a Workspace,
}

impl<'a> Seen<'a> {
    /// The grid of the base image.
    pub fn grid(&self) -> &'a VoxelGrid {
        self.image.volume.grid()
    }

    /// The voxels of the base image.
    pub const fn volume(&self) -> &'a Arc<Volume> {
        &self.image.volume
    }

    /// A number that tells these voxels from all others, for what is cached of them.
    pub fn fingerprint(&self) -> u64 {
        let digest = self.image.identity.digest.short();
        digest.wrapping_add(u64::from(self.layer.time))
    }

    /// The coordinates of the base image.
    pub fn frame(&self) -> Frame {
        self.record.frame()
    }

    /// The point that the views of its frame share, in patient mm.
    pub fn cursor_mm(&self) -> DVec3 {
        self.workspace.cursor(self.record)
    }

    /// The layers whose voxels are here, the base first.
    pub fn layers(&self) -> impl Iterator<Item = (&'a Layer, &'a OpenImage)> + use<'a> {
        let over = self.over.into_iter().flatten();
        std::iter::once((self.layer, self.image)).chain(over)
    }

    /// The window of the base layer.
    pub const fn window(&self) -> Window {
        self.layer.window
    }

    /// The findings of the base image.
    pub fn findings(&self) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.workspace.findings_of(&self.layer.image)
    }

    /// The box the reader drew on the base image.
    pub fn region(&self) -> Option<VoxelBox> {
        let region = self.workspace.regions.get(&self.layer.image)?;
        Some(region.on(self.grid()))
    }

    /// The camera of a 3-D view.
    pub fn camera(&self) -> Camera {
        self.view.look.camera_on(self.grid())
    }

    /// The plane of a slice view, the slice it shows (from 0) and how many there are.
    pub fn slice_position(&self, orientation: Orientation) -> (SlicePlane, u32, u32) {
        let grid = self.grid();
        let plane = SlicePlane::new(grid, orientation);
        let slice = plane.slice_of(grid, self.cursor_mm());
        (plane, slice, plane.slice_count(grid))
    }

    /// The edits that go `steps` slices up (to the head, the left, the back) or down; slices stop at the
    /// ends.
    pub fn step_slice(&self, orientation: Orientation, steps: i64) -> Vec<Edit> {
        let (plane, slice, count) = self.slice_position(orientation);
        let target = (i64::from(slice) + steps).clamp(0, i64::from(count) - 1);
        if target == i64::from(slice) {
            return Vec::new();
        }
        let point = plane.point_on_slice(self.grid(), self.cursor_mm(), target as u32);
        self.workspace.cursor_to(&self.frame(), point)
    }

    /// The edits that go to the next slice; after the last comes the first.
    pub fn next_slice_round(&self, orientation: Orientation) -> Vec<Edit> {
        let (_, slice, count) = self.slice_position(orientation);
        let steps = if slice + 1 < count {
            1
        } else {
            -i64::from(count)
        };
        self.step_slice(orientation, steps)
    }

    /// Whether there is something to play: time points, or the slices of a plane.
    pub fn can_be_played(&self) -> bool {
        match self.view.kind {
            ViewKind::Slice(orientation) => {
                self.record.times > 1 || self.slice_position(orientation).2 > 1
            }
            ViewKind::Volume => self.record.times > 1,
        }
    }

    /// The edits that move the crosshair to a patient point, held inside the base image.
    pub fn go_to(&self, point_mm: DVec3) -> Vec<Edit> {
        let inside = self.record.clamped(point_mm);
        self.workspace.cursor_to(&self.frame(), inside)
    }

    /// What is at a patient point.
    pub fn place(&self, point_mm: DVec3) -> PointReading {
        let voxel = self.record.voxel(point_mm);
        PointReading {
            point_mm,
            voxel,
            value: voxel.and_then(|v| self.image.volume.value(v)),
            colour: voxel.and_then(|v| self.image.volume.colour(v)),
        }
    }

    /// What the base image is shown as; CT has windows of its own.
    pub fn shown_as(&self) -> Modality {
        self.image.shown_as()
    }

    /// The transfer function of a 3-D view.
    pub fn transfer_function(&self) -> TransferFunction {
        // A window for soft tissue would show a projection of CT as a white blob.
        let range = match self.shown_as() {
            Modality::Ct => [-100.0, 900.0],
            _ => self.layer.window.range(),
        };
        let preset = self.view.preset;
        preset.transfer_function(range, &self.image.statistics)
    }
}
