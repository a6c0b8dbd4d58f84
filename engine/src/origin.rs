//! Where did a SIGPIPE come from: from a failed call, or was it sent on purpose?
//!
//! The SIGPIPE of a failed call comes to the thread that made the call, before the call returns, with si_code SI_USER
//! and si_pid our own: just like one that the process sends itself by kill(2). The interrupted registers distinguish
//! the two where we can read them ([`crate::arch`]): the instruction before the next one is a system call, its result and
//! its arguments are there. Other calls have such arguments as well (`tgkill(13, 13, signal)`), so they prove a purpose only
//! in libc's own `kill`, unless the CPU keeps the number of the call. What looks like nothing in particular is on purpose if one on purpose is on its way
//! ([`crate::purpose`]); everything else is spared.
//!
//! unsafe: reads what the kernel passes to a handler, and the code before an address.
#![allow(unsafe_code, reason = "as the head says")]

use crate::arch::{self, Interrupted};
use crate::channel::Channel;
use crate::code::{self, Deed};
use crate::{kept, process, purpose, seccomp};
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
    // Apart: its part of the stack is free again before a line is built.
    #[cfg_attr(target_arch = "aarch64", inline(never))]
    pub unsafe fn of(info: &siginfo_t, context: *mut c_void) -> Origin {
        // SAFETY: as the caller says.
        let origin = unsafe { Origin::of_one(info, context) };
        match origin {
            Origin::Unknown if purpose::arrives() => Origin::OnPurpose,
            Origin::Unknown => Origin::Unknown,
            _ => {
                purpose::one_less();
                origin
            }
        }
    }

    /// Without a look at what is on its way.
    ///
    /// # Safety
    /// As [`Origin::of`].
    unsafe fn of_one(info: &siginfo_t, context: *mut c_void) -> Origin {
        if info.si_code != libc::SI_USER {
            return Origin::OnPurpose;
        }
        // SAFETY: si_pid is valid for signals sent by processes, and SI_USER says that this one was.
        let sender = unsafe { info.si_pid() };
        if !process::may_be_ours(sender) {
            return Origin::OnPurpose;
        }
        // SAFETY: as the caller says.
        match unsafe { arch::interrupted(context) } {
            Some(interrupted) => of_interrupted(&interrupted, sender),
            None => Origin::Unknown,
        }
    }
}

/// `pid`: our own.
fn of_interrupted(interrupted: &Interrupted, pid: c_int) -> Origin {
    let Interrupted { at, result, .. } = *interrupted;
    let function = code::deed_at(at);
    // Code of libc's own functions can be read; before other code is read the kernel is asked.
    let is_call = match function {
        // SAFETY: these bytes belong to libc's code, since nothing returns to the start of a function.
        Some(_) => arch::SYSCALL == unsafe { bytes_ending_at(at) },
        None => !seccomp::is_sealed() && sys::bytes_before(at).is_some_and(|bytes| bytes.ends_with(arch::SYSCALL)),
    };
    if !is_call {
        return Origin::Unknown;
    }
    let deed = match interrupted.call_number {
        Some(number) => code::deed_of_call(number, function),
        None => function,
    };
    if deed == Some(Deed::Kills) {
        // Whom it was sent to may be lost. It comes from this process, at the moment when this kill returns.
        let reaches_us = !arch::KEEPS_FIRST_ARGUMENT || reaches_us(interrupted.int(0), pid);
        return match result == 0 && interrupted.int(1) == libc::SIGPIPE && reaches_us {
            true => Origin::OnPurpose,
            false => Origin::Unknown,
        };
    }
    if (result <= 0 && result != -i64::from(libc::EPIPE)) || seccomp::is_sealed() {
        return Origin::Unknown;
    }
    let call = match deed {
        Some(Deed::Makes(call)) => Some(call),
        // One that does not fail so, or whose registers hold no descriptor.
        _ if interrupted.call_number.is_some() => return Origin::Unknown,
        _ => None,
    };
    let candidates: &[usize] = match call {
        Some(Call::Splice) => &[2],
        Some(Call::Tee) => &[1],
        Some(call) if !arch::KEEPS_FIRST_ARGUMENT => {
            return match kept::dead_end(call, &interrupted.kept, interrupted.stack) {
                Some((fd, channel)) => Origin::FailedCall { channel, fd, call },
                None => Origin::Unknown,
            };
        }
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

/// Whether kill(2) of `target` reaches a process whose pid is `pid`, ours. All processes (-1) are all but ourselves.
fn reaches_us(target: c_int, pid: c_int) -> bool {
    match target {
        0 => true,
        -1 => false,
        1.. => target == pid,
        // Under seccomp the group cannot be asked for; there are few reasons to signal another one.
        _ => seccomp::is_sealed() || target.checked_neg() == Some(sys::getpgid()),
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
