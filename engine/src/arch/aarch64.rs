//! aarch64: the kernel keeps every register of a system call but x0, the first argument, which becomes the result. (It keeps
//! that as `orig_x0`, arch/arm64/include/asm/ptrace.h, which no handler sees.) x8 keeps the call's number.
//!
//! Which descriptor a call was made on is lost with x0. libc's own functions still have it: they need it again if the call
//! has to be a cancellation point, so it is in one of the registers that a function must keep for its caller (x19 to x28,
//! Procedure Call Standard for the Arm 64-bit Architecture, 6.1.1), theirs or their caller's, or on the stack. `kept.rs`
//! looks for it there.
//!
//! unsafe: reads the context that the kernel passes to a handler.
#![allow(unsafe_code, reason = "as the head says")]

use super::interrupted::Interrupted;
pub use super::no_code::{SEVENTH_ARGUMENT, called_from, is_number, jump_target, words_taken_off};
use core::ffi::c_void;

/// `svc #0`, which stands before the address where a system call returns to.
pub const SYSCALL: &[u8] = &[0x01, 0x00, 0x00, 0xd4];

/// The registers in a handler's third argument, sigaction(2).
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn interrupted(context: *const c_void) -> Option<Interrupted> {
    // SAFETY: as the caller says.
    let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    let register = |number: usize| machine.regs.get(number).map_or(-1, |&value| value as i64);
    Some(Interrupted {
        at: machine.pc as usize,
        caller: machine.pc as usize,
        call_number: Some(register(8)),
        result: register(0),
        arguments: [register(0), register(1), register(2)],
        packed: None,
    })
}

/// The registers that a function leaves to its caller as they were, x19 to x28: Procedure Call Standard for the Arm 64-bit
/// Architecture, 6.1.1. What a function keeps over a call may be there.
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn kept(context: *const c_void) -> [usize; 10] {
    // SAFETY: as the caller says.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.regs };
    core::array::from_fn(|index| registers.get(19 + index).map_or(0, |&value| value as usize))
}

/// The stack pointer that the signal interrupted.
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn stack(context: *const c_void) -> usize {
    // SAFETY: as the caller says.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.sp as usize }
}

/// The thread pointer: it differs between the threads of a libc, and is the same in a child that borrows its parent's memory
/// (vfork) as in the thread that made it. ELF for the Arm 64-bit Architecture, "Thread Local Storage".
///
/// # Safety
/// The process has a libc that has set it.
pub unsafe fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: every process may read this register.
    unsafe { core::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}
