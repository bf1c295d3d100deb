//! A patient in the making: the frame, the tissues, and the canvas that the parts are drawn on.

use glam::Vec3;

use super::body::Body;
use super::canvas::{Canvas, Here, Tag};
use super::noise::Lattice;
use super::shape::{Ellipsoid, Segment};
use super::tissue::{Phase, Tissue};
use crate::dataset::Random;

/// All that the parts of a body need while they are drawn.
pub(super) struct Patient {
    pub body: Body,
    pub tissue: Tissue,
    pub phase: Phase,
    pub canvas: Canvas,
    /// The shapes' own randomness.
    pub random: Random,
}

impl Patient {
    /// Organs below the diaphragm follow the breath: a place moved by this share of it.
    pub fn breathed(&self, p: Vec3, share: f32) -> Vec3 {
        p - Vec3::Z * self.body.breath * share
    }

    /// A place given from front to back relative to the spine at its height.
    pub fn by_spine(&self, x: f32, before: f32, z: f32) -> Vec3 {
        Vec3::new(x, self.body.spine_y(z) - before, z)
    }

    /// Adds tubes to the shape in the making, kept `inset` mm inside the cavity.
    pub fn add_tube(&mut self, segments: &[Segment], inset: f32) {
        for segment in segments {
            self.canvas.add(segment.bounds(), |h| {
                segment.distance(h.p).max(h.cavity + inset)
            });
        }
    }

    /// Draws tubes of one value, anywhere in the body.
    pub fn draw_tube(&mut self, tag: Tag, segments: &[Segment], hu: f32) {
        for segment in segments {
            self.canvas.add(segment.bounds(), |h| segment.distance(h.p));
        }
        self.canvas.fill(tag, |_, _, _| hu);
    }

    /// Draws tubes of one value over one label only.
    pub fn draw_tube_in(&mut self, label: u8, segments: &[Segment], hu: f32) {
        for segment in segments {
            self.canvas.add(segment.bounds(), |h| {
                if h.label == label {
                    segment.distance(h.p)
                } else {
                    f32::INFINITY
                }
            });
        }
        self.canvas.fill(Tag::Keep, |_, _, _| hu);
    }

    /// Draws an ellipsoid of one value.
    pub fn draw_ellipsoid(&mut self, tag: Tag, shape: &Ellipsoid, hu: f32) {
        self.canvas
            .paint(tag, shape.bounds(), hu, |h| shape.distance(h.p));
    }

    /// A solid organ's value: a little uneven.
    pub fn uneven(hu: f32, amount: f32) -> impl Fn(&Lattice, &Here, f32) -> f32 {
        move |lattice, h, _| hu + amount * lattice.at(h.p / 17.0)
    }
}
