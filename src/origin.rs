//! What made a SIGPIPE: a failed call, or somebody's purpose?
//!
//! The SIGPIPE of a failed call comes to the thread that made the call, before the call returns, with si_code SI_USER
//! and si_pid our own: just like one that the process sends itself by kill(2). On x86-64 the interrupted registers tell
//! the two apart, and which descriptor it was (the two bytes before RIP are a `syscall` instruction, RAX holds the
//! result, the argument registers are kept). Everything that looks like nothing in particular is spared.
//!
//! unsafe: reads the context that the kernel passes to a handler.
#![allow(unsafe_code)]

use crate::verdict::Target;
use crate::{process, seal, sys};
use core::ffi::{c_int, c_void};
use libc::siginfo_t;
use nopipe_core::event::Call;

/// What made a SIGPIPE.
pub enum Origin {
    /// kill(2), raise(3), pthread_kill(3), sigqueue(3), a timer.
    OnPurpose,
    /// A call that failed with EPIPE on this descriptor, or had written something before the other end went (then it
    /// returns that count, and there may never be a next call to report it).
    FailedCall {
        /// What was written to.
        target: Target,
        /// The descriptor that was written to.
        fd: c_int,
        /// The call, [`Call::Libc`] if no function of libc that we know made it.
        call: Call,
    },
    /// A signal that had been pending, or another CPU, of whose registers we know nothing.
    Unknown,
}

impl Origin {
    /// Reads it off a handler's arguments.
    ///
    /// # Safety
    /// `context` is what the kernel passed along with `info`.
    pub unsafe fn of(info: &siginfo_t, context: *mut c_void) -> Origin {
        // Under seccomp of the program's own, only what can be read without asking: no pid, no code, no descriptor.
        let pid = match seal::is_sealed() {
            true => process::known_pid(),
            false => sys::getpid(),
        };
        // SAFETY: valid for signals sent by processes; of others si_code is not SI_USER.
        if info.si_code != libc::SI_USER || (pid != 0 && unsafe { info.si_pid() } != pid) {
            return Origin::OnPurpose;
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as the caller says.
        return unsafe { from_registers(context.cast(), pid) };
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = context;
            Origin::Unknown
        }
    }
}

/// The `syscall` instruction.
#[cfg(target_arch = "x86_64")]
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// # Safety
/// `context` is what the kernel passed to the handler.
#[cfg(target_arch = "x86_64")]
unsafe fn from_registers(context: *const libc::ucontext_t, pid: c_int) -> Origin {
    use crate::real;
    // SAFETY: as the caller says.
    let register = |number: c_int| unsafe { (*context).uc_mcontext.gregs[number as usize] };
    let (rip, result) = (register(libc::REG_RIP) as usize, register(libc::REG_RAX));
    let (rdi, rsi, rdx) = (
        register(libc::REG_RDI),
        register(libc::REG_RSI),
        register(libc::REG_RDX),
    );
    let call = real::call_at(rip);
    // Code of libc's own functions can be read; of other code the kernel is asked first.
    let is_call = match call {
        // SAFETY: the two bytes belong to libc's code: the start of a function is where nothing returns to.
        Some(_) => SYSCALL == unsafe { core::ptr::read_unaligned((rip - 2) as *const [u8; 2]) },
        None => seal::is_sealed() || sys::bytes_before(rip).is_some_and(|bytes| bytes.ends_with(&SYSCALL)),
    };
    if !is_call {
        return Origin::Unknown;
    }
    // kill(pid, SIGPIPE), with pid our own, our process group or everybody.
    if result == 0 && rsi == libc::SIGPIPE.into() && (rdi == pid.into() || rdi as c_int <= 0) {
        return Origin::OnPurpose;
    }
    if (result <= 0 && result != -i64::from(libc::EPIPE)) || seal::is_sealed() {
        return Origin::Unknown;
    }
    let candidates: &[i64] = match call {
        Some(Call::Splice) => &[rdx],
        Some(Call::Tee) => &[rsi],
        Some(_) => &[rdi],
        // syscall(2), or a program's own instruction: which one is lost. Most have the output first; splice and tee do not.
        None => &[rdi, rdx, rsi],
    };
    let dead = candidates
        .iter()
        // As the kernel takes a descriptor: the upper half of the register may hold anything.
        .map(|&register| register as c_int)
        .filter(|&fd| fd >= 0)
        .filter_map(|fd| Some((fd, Target::of(fd)?)))
        .find(|(fd, target)| target.is_dead_end(*fd));
    match dead {
        Some((fd, target)) => Origin::FailedCall {
            target,
            fd,
            call: call.unwrap_or(Call::Libc),
        },
        None => Origin::Unknown,
    }
}
