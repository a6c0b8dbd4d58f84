//! Where did a SIGPIPE come from: from a failed call, or was it sent on purpose?
//!
//! The SIGPIPE of a failed call comes to the thread that made the call, before the call returns, with si_code SI_USER
//! and si_pid our own: just like one that the process sends itself by kill(2). The interrupted registers distinguish
//! the two where we can read them ([`crate::arch`]): the instruction before the next one is a system call, its result and
//! its arguments are there. Other calls have such arguments as well (`tgkill(13, 13, signal)`), so they prove a purpose only
//! in libc's own `kill`, unless the CPU keeps the number of the call. What looks like nothing in particular is on purpose if
//! one on purpose is on its way ([`crate::purpose`]); everything else is spared.
//!
//! The call's name is that of the libc function that the interrupted code belongs to, or else that made the call
//! ([`crate::caller`]).
//!
//! unsafe: reads what the kernel passes to a handler, and the code before an address.
#![allow(unsafe_code, reason = "as the head says")]

use crate::arch::{self, Interrupted};
use crate::caller::{self, Text};
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
        unsafe {
            match arch::interrupted(context) {
                Some(interrupted) => of_interrupted(&interrupted, context, sender),
                None => Origin::Unknown,
            }
        }
    }
}

/// `pid`: our own.
///
/// # Safety
/// As [`Origin::of`]; `interrupted` is what `context` shows.
unsafe fn of_interrupted(interrupted: &Interrupted, context: *const c_void, pid: c_int) -> Origin {
    let Interrupted { at, caller, result, .. } = *interrupted;
    let function = code::deed_at(caller);
    // libc's code can be read; before other code is read the kernel is asked.
    let is_call = match libc_code().before(at) {
        Some(code) => code.ends_with(arch::SYSCALL),
        // The kernel's own page: it was found by its code.
        None if caller != at => true,
        // Nobody can be asked. A register that keeps the number of a call may keep an older one.
        None if seccomp::is_sealed() => interrupted.call_number.is_none(),
        None => sys::bytes_before(at).is_some_and(|bytes| bytes.ends_with(arch::SYSCALL)),
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
        // SAFETY: as the caller says.
        _ => unsafe { caller_of(caller, context) },
    };
    let candidates: &[usize] = match call {
        Some(Call::Splice) => &[2],
        Some(Call::Tee) => &[1],
        Some(call) if !arch::KEEPS_FIRST_ARGUMENT => {
            // SAFETY: as the caller says.
            return match unsafe { kept::dead_end(call, &arch::kept(context), arch::stack(context)) } {
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
    // Where arguments may lie in memory, the first of a call that sends is there; of an unknown call, it may be.
    let (before, after) = match call {
        Some(Call::Send | Call::Sendto | Call::Sendmsg | Call::Sendmmsg) => (packed_channel(interrupted), None),
        None => (None, packed_channel(interrupted)),
        Some(_) => (None, None),
    };
    let dead = (before.into_iter())
        .chain(
            candidates
                .iter()
                .filter_map(|&argument| channel_at(interrupted, argument)),
        )
        .chain(after)
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

/// All of libc's code; empty without a libc.
fn libc_code() -> Text<'static> {
    let (from, size) = code::text();
    let start = core::ptr::with_exposed_provenance(from.max(1));
    // SAFETY: libc's code, which stays, and which nothing writes to.
    let bytes = unsafe { core::slice::from_raw_parts(start, size) };
    Text { from, bytes }
}

/// The call of the function that the interrupted code makes a system call for, if both are libc's.
///
/// The kernel copies the stack, because it may end a few words further up, and because what is read by an instruction of ours
/// would make valgrind report every gap in it. If a filter refuses that, the call has no name.
///
/// # Safety
/// As [`Origin::of`].
#[inline(never)]
unsafe fn caller_of(at: usize, context: *const c_void) -> Option<Call> {
    let text = libc_code();
    text.before(at)?;
    // SAFETY: as the caller says.
    let (stack, kept) = unsafe { (arch::stack(context), arch::kept(context)) };
    let mut words = [0_usize; caller::WORDS];
    // SAFETY: the words' own memory; any bytes make a word.
    let bytes = unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(&words)) };
    let length = sys::copy_own_memory(stack, bytes).ok()?;
    let words = words.get(..length / size_of::<usize>())?;
    caller::find(at, words, &kept, text, code::deed_at)
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
    channel_of(interrupted.int(argument))
}

/// The pipe or socket whose descriptor is the first argument, if the arguments lie in memory.
fn packed_channel(interrupted: &Interrupted) -> Option<(c_int, Channel)> {
    // The 8 bytes from there on: two of the arguments, and no call takes fewer.
    let end = interrupted.packed?.checked_add(8)?;
    let [a, b, c, d, ..] = sys::bytes_before(end)?;
    channel_of(c_int::from_ne_bytes([a, b, c, d]))
}

fn channel_of(fd: c_int) -> Option<(c_int, Channel)> {
    let channel = if fd >= 0 { Channel::of(fd) } else { None };
    Some((fd, channel?))
}
