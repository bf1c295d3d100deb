//! What is measured on masks, against closed forms, plain counting and real labels.

#[path = "measures/distances.rs"]
mod distances;
#[path = "measures/flat.rs"]
mod flat;
#[path = "measures/real.rs"]
mod real;
#[path = "measures/shapes.rs"]
mod shapes;
#[path = "measures/storage_orders.rs"]
mod storage_orders;
#[path = "measures/support.rs"]
mod support;
#[path = "measures/tubes.rs"]
mod tubes;
#[path = "measures/values.rs"]
mod values;
