//! What tells a frame apart from others at its place.

use dicom_dictionary_std::tags;

use super::frame::Marks;
use super::groups::Groups;
use super::header::SIEMENS_B_VALUE;
use super::values::Notes;
use crate::io::error::Refusal;

impl Marks {
    /// # Errors
    /// When a number that is there cannot be read.
    pub fn read(groups: &Groups, notes: &Notes) -> Result<Self, Refusal> {
        let number = |group, tag| groups.number(group, tag, notes);
        let content = tags::FRAME_CONTENT_SEQUENCE;
        let acquisition = match number(content, tags::FRAME_ACQUISITION_NUMBER)? {
            Some(number) => Some(number),
            None => number(content, tags::ACQUISITION_NUMBER)?,
        };
        let temporal = match number(content, tags::TEMPORAL_POSITION_INDEX)? {
            Some(number) => Some(number),
            None => match number(content, tags::TEMPORAL_POSITION_IDENTIFIER)? {
                Some(number) => Some(number),
                None => number(
                    tags::TEMPORAL_POSITION_SEQUENCE,
                    tags::TEMPORAL_POSITION_TIME_OFFSET,
                )?,
            },
        };
        let cardiac = tags::CARDIAC_SYNCHRONIZATION_SEQUENCE;
        let trigger_ms = match number(cardiac, tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME)? {
            Some(number) => Some(number),
            None => number(cardiac, tags::TRIGGER_TIME)?,
        };
        let echo = tags::MR_ECHO_SEQUENCE;
        let echo_ms = match number(echo, tags::EFFECTIVE_ECHO_TIME)? {
            Some(number) => Some(number),
            None => match number(echo, tags::ECHO_TIME)? {
                Some(number) => Some(number),
                None => number(echo, tags::ECHO_NUMBERS)?,
            },
        };
        let diffusion = tags::MR_DIFFUSION_SEQUENCE;
        let b_value = match number(diffusion, tags::DIFFUSION_B_VALUE)? {
            Some(number) => Some(number),
            // A private element is nobody's promise.
            None => number(diffusion, SIEMENS_B_VALUE).unwrap_or(None),
        };
        Ok(Self {
            // A number that only orders is not worth a file.
            instance: number(content, tags::INSTANCE_NUMBER)
                .unwrap_or(None)
                .map(|n| n as i64),
            image_type: image_type(groups),
            protocol: protocol(groups),
            stack: groups.text(content, tags::STACK_ID),
            acquisition: acquisition.map(|n| n as i64),
            temporal,
            trigger_ms,
            echo_ms,
            inversion_ms: number(content, tags::INVERSION_TIME)?,
            b_value,
            time: time(groups),
        })
    }
}

fn protocol(groups: &Groups) -> String {
    let root = tags::FRAME_CONTENT_SEQUENCE;
    let parts = [
        tags::SERIES_NUMBER,
        tags::SERIES_DESCRIPTION,
        tags::CONVOLUTION_KERNEL,
        tags::KVP,
        tags::SLICE_THICKNESS,
    ];
    parts
        .map(|tag| groups.text(root, tag))
        .join("\n")
        .trim()
        .to_owned()
}

fn image_type(groups: &Groups) -> String {
    [
        tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
        tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
        tags::PET_FRAME_TYPE_SEQUENCE,
    ]
    .into_iter()
    .map(|group| groups.text(group, tags::FRAME_TYPE))
    .find(|text| !text.is_empty())
    .unwrap_or_else(|| groups.text(tags::FRAME_CONTENT_SEQUENCE, tags::IMAGE_TYPE))
}

/// When the frame was made, in seconds since midnight.
fn time(groups: &Groups) -> Option<f64> {
    let content = tags::FRAME_CONTENT_SEQUENCE;
    let whole = groups.text(content, tags::FRAME_ACQUISITION_DATE_TIME);
    let clock = whole.get(8..).filter(|clock| !clock.is_empty());
    clock.and_then(super::clock::seconds).or_else(|| {
        [tags::ACQUISITION_TIME, tags::CONTENT_TIME]
            .into_iter()
            .find_map(|tag| super::clock::seconds(&groups.text(content, tag)))
    })
}
