//! What a signal handler sees of the code that it interrupted, by CPU: each file has the same names.
//!
//! To add a CPU: a file with the names below, and a line here.
//!
//! | name | what it is |
//! | --- | --- |
//! | `SYSCALL` | the instruction of a system call |
//! | `interrupted` | the registers of a system call that is about to return |
//! | `stack`, `thread_pointer` | these two registers |
//! | `kept` | the registers that a function leaves to its caller as they were |
//! | `called_from`, `jump_target` | what a call and a jump look like in code, and where they go |
//! | `words_taken_off` | what the end of a function looks like in code |
//! | `is_number` | the numbers of the system calls |
//! | `SEVENTH_ARGUMENT` | how many words above its return address a function finds it on the stack |

mod interrupted;
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
mod no_code;
pub use interrupted::{Interrupted, KEEPS_FIRST_ARGUMENT};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86_code;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{
    SEVENTH_ARGUMENT, SYSCALL, called_from, interrupted, is_number, jump_target, kept, stack, thread_pointer,
    words_taken_off,
};

#[cfg(target_arch = "x86")]
mod x86;
#[cfg(target_arch = "x86")]
pub use x86::{
    SEVENTH_ARGUMENT, SYSCALL, called_from, interrupted, is_number, jump_target, kept, stack, thread_pointer,
    words_taken_off,
};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::{
    SEVENTH_ARGUMENT, SYSCALL, called_from, interrupted, is_number, jump_target, kept, stack, thread_pointer,
    words_taken_off,
};

#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
mod other;
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
pub use other::{
    SEVENTH_ARGUMENT, SYSCALL, called_from, interrupted, is_number, jump_target, kept, stack, thread_pointer,
    words_taken_off,
};
