//! Where did a SIGPIPE come from: from a failed call, or was it sent on purpose?
//!
//! The SIGPIPE of a failed call comes to the thread that made the call, before the call returns, with si_code SI_USER
//! and si_pid our own: just like one that the process sends itself by kill(2). The interrupted registers distinguish
//! the two where we can read them ([`crate::arch`]): the instruction before the next one is a system call, its result and
//! its arguments are there. Everything that looks like nothing in particular is spared.
//!
//! unsafe: reads what the kernel passes to a handler, and the code before an address.
#![allow(unsafe_code)]

use crate::arch::{self, Interrupted};
use crate::channel::Channel;
use crate::{code, process, seccomp};
use core::ffi::{c_int, c_void};
use libc::siginfo_t;
use nopipe_core::event::Call;
use nopipe_sys as sys;

/// Where a SIGPIPE came from.
pub enum Origin {
    /// kill(2), raise(3), pthread_kill(3), sigqueue(3), a timer.
    OnPurpose,
    /// A call that failed with EPIPE on this descriptor, or that wrote a part before the other end went. In the second
    /// case it returns that count, and there may never be a next call that fails.
    FailedCall {
        /// What was written to.
        channel: Channel,
        /// The descriptor that was written to.
        fd: c_int,
        /// The call; [`Call::Libc`] if none of the libc functions that we know made it.
        call: Call,
    },
    /// A signal that had been pending, or a CPU whose registers we do not read.
    Unknown,
}

impl Origin {
    /// Finds it out from a handler's arguments.
    ///
    /// # Safety
    /// `context` is what the kernel passed along with `info`.
    pub unsafe fn of(info: &siginfo_t, context: *mut c_void) -> Origin {
        // If the program has put itself under seccomp, no system call is made: no pid, no code, no descriptor.
        let pid = match seccomp::is_sealed() {
            true => process::known_pid(),
            false => sys::getpid(),
        };
        // SAFETY: si_pid is valid for signals sent by processes, and SI_USER says that this one was.
        if info.si_code != libc::SI_USER || (pid != 0 && unsafe { info.si_pid() } != pid) {
            return Origin::OnPurpose;
        }
        // SAFETY: as the caller says.
        match unsafe { arch::interrupted(context) } {
            Some(interrupted) => of_interrupted(&interrupted, pid),
            None => Origin::Unknown,
        }
    }
}

fn of_interrupted(interrupted: &Interrupted, pid: c_int) -> Origin {
    let Interrupted { at, result, arguments } = *interrupted;
    let call = code::call_at(at);
    // Code of libc's own functions can be read; before other code is read the kernel is asked.
    let is_call = match call {
        // SAFETY: these bytes belong to libc's code, since nothing returns to the start of a function.
        Some(_) => arch::SYSCALL == unsafe { bytes_ending_at(at) },
        None => seccomp::is_sealed() || sys::bytes_before(at).is_some_and(|bytes| bytes.ends_with(arch::SYSCALL)),
    };
    if !is_call {
        return Origin::Unknown;
    }
    // kill(pid, SIGPIPE), with pid our own, our process group or everybody.
    let [first, second, _] = arguments;
    if result == 0 && second == libc::SIGPIPE.into() && (first == pid.into() || interrupted.int(0) <= 0) {
        return Origin::OnPurpose;
    }
    if (result <= 0 && result != -i64::from(libc::EPIPE)) || seccomp::is_sealed() {
        return Origin::Unknown;
    }
    let candidates: &[usize] = match call {
        Some(Call::Splice) => &[2],
        Some(Call::Tee) => &[1],
        Some(_) => &[0],
        // syscall(2), or a program's own instruction: the number is lost. Most calls have the output first. Splice and tee
        // do not: theirs comes later, and first there is a pipe or a socket. io_uring_enter(2) writes to descriptors that
        // no argument holds; it returns how many requests it took, never EPIPE, and its first argument is no pipe.
        None if result < 0 && channel_at(interrupted, 0).is_some() => &[0, 2, 1],
        None => &[0],
    };
    let dead = candidates
        .iter()
        .filter_map(|&argument| channel_at(interrupted, argument))
        .find(|(fd, channel)| channel.is_dead_end(*fd));
    match dead {
        Some((fd, channel)) => Origin::FailedCall {
            channel,
            fd,
            call: call.unwrap_or(Call::Libc),
        },
        None => Origin::Unknown,
    }
}

/// The pipe or socket that this argument is the descriptor of.
fn channel_at(interrupted: &Interrupted, argument: usize) -> Option<(c_int, Channel)> {
    let fd = interrupted.int(argument);
    let channel = if fd >= 0 { Channel::of(fd) } else { None };
    Some((fd, channel?))
}

/// As many bytes before `at` as a system call's instruction has.
///
/// # Safety
/// They are code of a loaded object.
unsafe fn bytes_ending_at(at: usize) -> &'static [u8] {
    let length = arch::SYSCALL.len();
    // SAFETY: as the caller says.
    unsafe { core::slice::from_raw_parts((at - length) as *const u8, length) }
}
