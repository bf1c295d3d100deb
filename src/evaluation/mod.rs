//! M3D-Bench: tasks, measures and tables.

pub mod metrics;
