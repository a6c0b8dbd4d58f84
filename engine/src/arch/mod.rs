//! What a signal handler sees of the code that it interrupted, by CPU: each file has the same names.
//!
//! To add a CPU: a file with `SYSCALL`, `interrupted`, `stack` and `thread_pointer`, and a line here.

mod interrupted;
pub use interrupted::{Interrupted, KEEPS_FIRST_ARGUMENT};

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{SYSCALL, interrupted, stack, thread_pointer};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::{SYSCALL, interrupted, stack, thread_pointer};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod other;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use other::{SYSCALL, interrupted, stack, thread_pointer};
