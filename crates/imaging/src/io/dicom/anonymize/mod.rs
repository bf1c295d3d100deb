//! DICOM objects without identities: read element by element, written in the same transfer syntax.

mod facts;
mod identities;
mod rewrite;
mod risk;
mod values;
mod writing;

pub(in crate::io) use facts::Facts;
pub(in crate::io) use identities::Identities;
pub(in crate::io) use rewrite::rewrite;
pub(in crate::io) use risk::names_head;
