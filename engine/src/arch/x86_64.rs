//! x86-64: the kernel keeps every register of a system call but RAX (its result), RCX and R11.
//!
//! unsafe: reads the context that the kernel passes to a handler.
#![allow(unsafe_code, reason = "as the head says")]

use super::interrupted::Interrupted;
pub use super::x86_code::{called_from, jump_target, words_taken_off};
use core::ffi::{c_int, c_void};
use nopipe_core::event::Call;

/// The `syscall` instruction, which stands before the address where a system call returns to.
pub const SYSCALL: &[u8] = &[0x0f, 0x05];

/// How many words above its return address a function finds its seventh argument, the first that no register takes: System
/// V ABI for x86-64, "Parameter Passing".
pub const SEVENTH_ARGUMENT: usize = 1;

/// The system calls' numbers, in the order of [`Call::ALL`]; send(3) makes sendto(2).
const NUMBERS: [u16; Call::Libc as usize] = [
    libc::SYS_write as u16,
    libc::SYS_writev as u16,
    libc::SYS_pwritev2 as u16,
    libc::SYS_sendto as u16,
    libc::SYS_sendto as u16,
    libc::SYS_sendmsg as u16,
    libc::SYS_sendmmsg as u16,
    libc::SYS_sendfile as u16,
    libc::SYS_splice as u16,
    libc::SYS_tee as u16,
    libc::SYS_vmsplice as u16,
];

/// Whether `call` is made by the system call of this number.
pub fn is_number(call: Call, number: usize) -> bool {
    NUMBERS
        .get(call as usize)
        .is_some_and(|&its| usize::from(its) == number)
}

/// The registers in a handler's third argument, sigaction(2).
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn interrupted(context: *const c_void) -> Option<Interrupted> {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: as the caller says.
    let register = |number: c_int| unsafe { (*context).uc_mcontext.gregs[number as usize] };
    let at = register(libc::REG_RIP) as usize;
    Some(Interrupted {
        at,
        caller: at,
        call_number: None,
        result: register(libc::REG_RAX),
        arguments: [
            register(libc::REG_RDI),
            register(libc::REG_RSI),
            register(libc::REG_RDX),
        ],
        packed: None,
    })
}

/// The registers that a function leaves to its caller as they were, RBX, RBP and R12 to R15: System V ABI for x86-64,
/// "Registers". What a function keeps over a call may be there.
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn kept(context: *const c_void) -> [usize; 6] {
    // SAFETY: as the caller says.
    let register = |number: c_int| unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[number as usize] };
    [
        register(libc::REG_RBX) as usize,
        register(libc::REG_RBP) as usize,
        register(libc::REG_R12) as usize,
        register(libc::REG_R13) as usize,
        register(libc::REG_R14) as usize,
        register(libc::REG_R15) as usize,
    ]
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
