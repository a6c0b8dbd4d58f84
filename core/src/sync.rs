//! The atomics of the lock-free modules: core's, or under `--cfg loom` those of the model checker, which runs the
//! tests in the files `models.rs` through every order that the memory model allows (`scripts/loom`).
//!
//! A loom atomic belongs to one execution of a model, so it has no `const` constructor. The two macros hide that
//! difference.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU64, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, fence};

/// A constructor: `const`, except under loom.
macro_rules! constructor {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident() -> Self $body:block) => {
        #[cfg(not(loom))]
        #[allow(clippy::new_without_default, reason = "a static is made by name, never by default")]
        $(#[$doc])*
        $visibility const fn $name() -> Self $body

        #[cfg(loom)]
        #[allow(clippy::new_without_default, reason = "a static is made by name, never by default")]
        $visibility fn $name() -> Self $body
    };
}

/// An array of atomics, or of structs that hold them: `[value; length]`, with each element made anew.
#[cfg(not(loom))]
macro_rules! array {
    ($value:expr; $length:expr) => {
        [const { $value }; $length]
    };
}
#[cfg(loom)]
macro_rules! array {
    ($value:expr; $length:expr) => {
        core::array::from_fn::<_, { $length }, _>(|_| $value)
    };
}

pub(crate) use {array, constructor};
