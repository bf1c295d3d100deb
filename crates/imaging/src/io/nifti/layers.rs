//! What lies behind the three axes of an image: time points, or the numbers of a vector (nifti1.h, "intent codes").

use super::fields::Stored;
use super::malformed;
use crate::io::Warning;
use crate::io::array::first_component;
use crate::io::error::Refusal;

/// How many volumes lie behind each other, and why.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub times: usize,
    pub components: usize,
    pub warning: Option<Warning>,
}

impl Layers {
    /// Time is the fourth axis and vectors are the fifth. Of what cannot be a time series by its intent the fourth axis
    /// is taken for the fifth: some programs write displacements so.
    pub fn of(stored: &Stored) -> Result<Self, Refusal> {
        let axes = stored.dim.get(4..).unwrap_or_default();
        let used = usize::try_from(stored.dim[0] - 3).unwrap_or(0);
        let sizes: Result<Vec<usize>, _> = axes
            .iter()
            .take(used)
            .map(|&size| usize::try_from(size).map_err(|_| malformed(&format!("a size of {size}"))))
            .collect();
        let sizes = sizes?;
        let product = |sizes: &[usize]| sizes.iter().try_fold(1_usize, |n, &s| n.checked_mul(s));
        let uncountable = || malformed("more time points than can be counted");
        let (fourth, rest) = sizes.split_first().map_or((1, &[][..]), |(&t, r)| (t, r));
        let behind = product(rest).ok_or_else(uncountable)?;
        let what = words(stored.intent);
        let (times, components) = match what {
            Some(_) if behind == 1 => (1, fourth),
            _ => (fourth, behind),
        };
        let what = what.unwrap_or("a vector");
        Ok(Self {
            times,
            components,
            warning: (components > 1).then(|| first_component(components, what)),
        })
    }
}

/// What the numbers at a voxel are when they are no time series; `None` where the header leaves it open.
fn words(intent: i32) -> Option<&'static str> {
    Some(match intent {
        2..=24 => "a statistic (its values or its parameters)",
        1004 => "a matrix",
        1005 => "a symmetric matrix",
        1006 => "a displacement",
        1007 => "a vector",
        1008 => "a point",
        1009 => "a triangle",
        1010 => "a quaternion",
        2003 => "a colour (red, green, blue)",
        2004 => "a colour (red, green, blue, alpha)",
        _ => return None,
    })
}
