//! i386: the kernel keeps every register of a system call but EAX (its result).
//!
//! Programs reach the kernel by `int 0x80`, in their own code or in the kernel's page, the vDSO: its `__kernel_vsyscall` takes
//! the quickest way (sysenter, syscall), and returns behind an `int 0x80` all the same. libc calls it for nearly every call,
//! so the address in the page shows nothing of who has called; what it returns to does. Since Linux 4.4 it saves three
//! registers before the call (arch/x86/entry/vdso/vdso32/system_call.S), before that none or three.
//! glibc calls the page for a call of six arguments in a helper of its own (sysdeps/unix/sysv/linux/i386/libc-do-syscall.S).
//!
//! Calls about sockets may have all their arguments in memory, at ECX: socketcall(2).
//!
//! unsafe: reads the context that the kernel passes to a handler, and the vDSO.
#![allow(unsafe_code, reason = "as the head says")]

use super::interrupted::Interrupted;
pub use super::x86_code::{called_from, jump_target, words_taken_off};
use crate::code;
use core::ffi::{c_int, c_void};
use nopipe_core::event::Call;

/// The `int 0x80` instruction, which stands before the address where a system call returns to.
pub const SYSCALL: &[u8] = &[0xcd, 0x80];

/// How many words above its return address a function finds its seventh argument: all of them are on the stack. System V
/// ABI for i386, "Parameter Passing".
pub const SEVENTH_ARGUMENT: usize = 7;

/// socketcall(2), by which glibc may make the calls about sockets.
const SOCKETCALL: u16 = libc::SYS_socketcall as u16;

/// The system calls' numbers, in the order of [`Call::ALL`]; send(3) makes sendto(2).
const NUMBERS: [u16; Call::Libc as usize] = [
    libc::SYS_write as u16,
    libc::SYS_writev as u16,
    libc::SYS_pwritev2 as u16,
    libc::SYS_sendto as u16,
    libc::SYS_sendto as u16,
    libc::SYS_sendmsg as u16,
    libc::SYS_sendmmsg as u16,
    libc::SYS_sendfile64 as u16,
    libc::SYS_splice as u16,
    libc::SYS_tee as u16,
    libc::SYS_vmsplice as u16,
];

/// Whether `call` is made by the system call of this number.
pub fn is_number(call: Call, number: usize) -> bool {
    let is_send = matches!(call, Call::Send | Call::Sendto | Call::Sendmsg | Call::Sendmmsg);
    let its = NUMBERS.get(call as usize).copied();
    its.is_some_and(|its| usize::from(its) == number) || (is_send && number == SOCKETCALL.into())
}

/// The longest code that is looked for there: `pop`s of four registers and a `ret`.
const LONGEST_RETURN: usize = 5;

/// SYS_SEND, SYS_SENDTO, SYS_SENDMSG, SYS_SENDMMSG: socketcall(2)'s first argument, linux/net.h.
const SENDS: [i32; 4] = [9, 11, 16, 20];

/// The registers in a handler's third argument, sigaction(2).
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn interrupted(context: *const c_void) -> Option<Interrupted> {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: as the caller says.
    let register = |number: c_int| unsafe { (*context).uc_mcontext.gregs[number as usize] };
    let (ebx, ecx, edx) = (
        register(libc::REG_EBX),
        register(libc::REG_ECX),
        register(libc::REG_EDX),
    );
    let at = register(libc::REG_EIP) as usize;
    // SAFETY: the stack on which the interrupted code ran.
    let caller = unsafe { caller_of(at, register(libc::REG_ESP) as usize) };
    Some(Interrupted {
        at,
        caller,
        call_number: None,
        result: register(libc::REG_EAX).into(),
        arguments: [ebx.into(), ecx.into(), edx.into()],
        packed: SENDS.contains(&ebx).then_some(ecx as usize),
    })
}

/// The code that called the kernel's page, if `at` lies there behind its `int 0x80`; else `at`. libc's own helper for calls of
/// six arguments, which pushes some registers, calls the page and returns, is passed over.
///
/// # Safety
/// If `at` lies there, `stack` is the stack pointer that belongs to it.
unsafe fn caller_of(at: usize, stack: usize) -> usize {
    let stack = stack as *const usize;
    // SAFETY: the page's code can be read, it is made of the kernel's image; and by that code the page finds its return
    // address where the words say.
    let Some((pops, caller)) = (unsafe { return_from(at, code::left_of_gate(at), stack) }) else {
        return at;
    };
    // SAFETY: libc's code can be read; the page has popped so many words and its return address.
    match unsafe { return_from(caller, code::left_of_libc(caller), stack.add(pops + 1)) } {
        Some((_, caller)) => caller,
        None => caller,
    }
}

/// If the code at `at` does nothing but pop and return: how many words it pops, and where it returns to.
///
/// # Safety
/// `left` bytes of code can be read there, and if they are such code, `stack` is the stack pointer that belongs to it.
unsafe fn return_from(at: usize, left: usize, stack: *const usize) -> Option<(usize, usize)> {
    // SAFETY: as the caller says.
    let code = unsafe { core::slice::from_raw_parts(at as *const u8, left.min(LONGEST_RETURN)) };
    let pops = code.iter().take_while(|byte| matches!(byte, 0x58..=0x5f)).count();
    if code.get(pops) != Some(&0xc3) {
        return None;
    }
    // SAFETY: as the caller says.
    Some((pops, unsafe { *stack.add(pops) }))
}

/// The registers that a function leaves to its caller as they were, EBX, ESI, EDI and EBP: System V ABI for i386,
/// "Registers". What a function keeps over a call may be there.
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn kept(context: *const c_void) -> [usize; 4] {
    // SAFETY: as the caller says.
    let register = |number: c_int| unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[number as usize] };
    [
        register(libc::REG_EBX) as usize,
        register(libc::REG_ESI) as usize,
        register(libc::REG_EDI) as usize,
        register(libc::REG_EBP) as usize,
    ]
}

/// The stack pointer that the signal interrupted.
///
/// # Safety
/// `context` is what the kernel passed to the handler.
pub unsafe fn stack(context: *const c_void) -> usize {
    // SAFETY: as the caller says.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_ESP as usize] as usize }
}

/// The thread pointer: it differs between the threads of a libc, and is the same in a child that borrows its parent's memory
/// (vfork) as in the thread that made it. ELF Handling For Thread-Local Storage, "IA-32".
///
/// # Safety
/// The process has a libc that has set it.
pub unsafe fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: as the caller says, the first word at GS is the pointer itself.
    unsafe { core::arch::asm!("mov {}, gs:0", out(reg) pointer, options(nostack, preserves_flags, readonly)) };
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each call of the kernel's page has the page's code before and after it.
    fn page(code: &'static [u8], at: usize) -> usize {
        code::note_gate(code.as_ptr() as usize, code.len());
        code.as_ptr() as usize + at
    }

    /// One test: there is one page.
    #[test]
    fn the_code_that_called_the_page() {
        let stack = [1_usize, 2, 3, 4];
        // SAFETY: the longest code that is given takes the fourth word.
        let caller = |at| unsafe { caller_of(at, stack.as_ptr() as usize) };
        // Linux 6.18: push ecx; push edx; push ebp; mov ebp, esp; sysenter; int 0x80; and back.
        let now = b"\x51\x52\x55\x89\xe5\x0f\x34\xcd\x80\x5d\x5a\x59\xc3";
        assert_eq!(caller(page(now, 9)), 4);
        // Before Linux 4.4, without sysenter.
        let before = page(b"\xcd\x80\xc3", 2);
        assert_eq!(caller(before), 1);
        // glibc's helper, which has called that page: pop ebp; ret. The word after it is what it returns to.
        static LIBC: &[u8] = b"\x65\xff\x15\x10\0\0\0\x5d\xc3\x90\x90\x90";
        code::note(0, code::Deed::Kills, LIBC.as_ptr() as usize, 1);
        code::note(1, code::Deed::Kills, LIBC.as_ptr() as usize + LIBC.len(), 1);
        let helper = [LIBC.as_ptr() as usize + 7, 20, 30];
        // SAFETY: the page takes the first word, the helper the next two.
        assert_eq!(unsafe { caller_of(before, helper.as_ptr() as usize) }, 30);
        let elsewhere = page(b"\xcd\x80\x90\x90", 2);
        assert_eq!(caller(elsewhere), elsewhere, "other code");
        assert_eq!(caller(elsewhere + 2), elsewhere + 2, "behind its end");
        assert_eq!(caller(elsewhere - 3), elsewhere - 3, "before its start");
        let cut = page(b"\xcd\x80\x5d\x5a", 2);
        assert_eq!(caller(cut), cut);
    }
}
