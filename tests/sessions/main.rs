//! The reader's work is never lost: saved while it is done, brought back when the study is opened again.

mod collect;
mod damage;
mod exchange;
#[path = "../support/window.rs"]
mod harness;
mod keeping;
mod kills;
mod support;
mod window;
