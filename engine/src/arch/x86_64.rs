//! x86-64: the kernel keeps every register of a system call but RAX (its result), RCX and R11.
//!
//! unsafe: reads the context that the kernel passes to a handler.
#![allow(unsafe_code, reason = "as the head says")]

use super::interrupted::Interrupted;
use core::ffi::{c_int, c_void};

/// The `syscall` instruction, which stands before the address where a system call returns to.
pub const SYSCALL: &[u8] = &[0x0f, 0x05];

/// The registers in a handler's third argument, sigaction(2).
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn interrupted(context: *const c_void) -> Option<Interrupted> {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: as the caller says.
    let register = |number: c_int| unsafe { (*context).uc_mcontext.gregs[number as usize] };
    Some(Interrupted {
        at: register(libc::REG_RIP) as usize,
        stack: register(libc::REG_RSP) as usize,
        call_number: None,
        result: register(libc::REG_RAX),
        arguments: [
            register(libc::REG_RDI),
            register(libc::REG_RSI),
            register(libc::REG_RDX),
        ],
        kept: [],
    })
}

/// The stack pointer that the signal interrupted.
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn stack(context: *const c_void) -> usize {
    // SAFETY: as the caller says.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RSP as usize] as usize }
}

/// The thread pointer: it differs between the threads of a libc, and is the same in a child that borrows its parent's memory
/// (vfork) as in the thread that made it. System V ABI for x86-64, "Thread-Local Storage".
///
/// # Safety
/// The process has a libc that has set it.
pub unsafe fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: as the caller says, the first word at FS is the pointer itself.
    unsafe { core::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, preserves_flags, readonly)) };
    pointer
}
