//! Products in bf16 where the values around them are f32, as PyTorch's autocast has them.

use std::cell::Cell;

use crate::kernels::amx::Amx;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which, where `on`, operators with a backward pass may round the factors of their products to bf16, forwards
/// and back. They do so where the CPU is several times quicker at it, and else compute in f32; sums are f32 in any
/// case.
pub fn autocast<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ON.set(self.0);
        }
    }
    let _before = Restore(ON.replace(on));
    f()
}

/// What multiplies bf16 values, inside [`autocast`] and where the CPU has it.
pub(super) fn tiles() -> Option<Amx> {
    if ON.get() { Amx::get() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_its_scope() {
        autocast(true, || {
            assert!(ON.get());
            autocast(false, || assert!(!ON.get()));
            assert!(ON.get());
        });
        assert!(!ON.get());
    }
}
