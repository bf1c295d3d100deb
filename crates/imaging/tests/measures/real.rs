//! Labels of real studies, where the wider collection is at hand.
