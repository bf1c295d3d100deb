//! What researchers use and the window does not: data to learn from and to measure with ([`dataset`]), teaching
//! ([`training`]) and measuring ([`evaluation`]).

pub mod dataset;
pub mod evaluation;
pub mod training;
