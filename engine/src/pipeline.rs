//! Is stdout or stderr a pipeline that a program under the library has set up, such as `zcat f | head` started by the
//! protected server? Then its SIGPIPE is native, so that pipelines end as they always did.
//!
//! # The rule
//!
//! It is applied at start-up to descriptors 1 and 2, if they are a FIFO. A forked child that has changed them since
//! applies it when a write fails. Going up from the parent:
//!
//! * a process that does not have this library ends the search: the pipe came from outside (a container's runtime, a
//!   supervisor): survive;
//! * a process that has the library, but not this pipe as its own stdout or stderr, has made the pipeline: native;
//! * a process that has both has inherited the pipe itself: its parent decides.
//!
//! Whether a process has the library: `/proc/PID/stat` comes first, which all may read, and which is cheap. Where the
//! library is at work the kernel has a handler for SIGPIPE, or ignores it because the program does. If neither is so, the
//! search ends. Only else the memory map is read, which can be very long.
//!
//! An exec takes the handler away until the new program has started up. bash's `head < <(zcat f)` makes zcat from the child
//! that becomes head, at the same moment. So a process whose environment names the library is looked at for some
//! milliseconds, until it has a handler.
//!
//! The map may be hidden from us. A parent that has a handler and our own user id dropped its privileges; if we do not
//! lead a session, it is most probably the server: native. Whenever else in doubt (another user's, one that ignores
//! SIGPIPE, init, outside our pid namespace, no /proc): survive.
//!
//! `NOPIPE_PIPES=survive` and `=native` decide for every pipe.

use crate::{config, proc, process};
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering::*};
use nopipe_core::line::Line;
use nopipe_core::settings::{Pipes, reduced};
use nopipe_sys as sys;

/// How often, at intervals of a millisecond, a process is looked at that seems to be in the middle of an exec; and how
/// many of these looks are for one whose environment is not there yet.
const LOOKS: u32 = 10;
const EARLY_LOOKS: u32 = 2;

/// No pipeline has that many generations.
const GENERATIONS: usize = 64;

/// The FIFO that was stdout or stderr at start-up, and whether it is native.
struct Inherited {
    /// The parent that was looked at; 0 at start-up, where it does not matter.
    parent: AtomicI32,
    dev: AtomicU64,
    ino: AtomicU64,
    state: AtomicU8,
}

const NO_PIPE: u8 = 0;
const SURVIVE: u8 = 1;
const NATIVE: u8 = 2;

static INHERITED: [Inherited; 2] = [const {
    Inherited {
        parent: AtomicI32::new(0),
        dev: AtomicU64::new(0),
        ino: AtomicU64::new(0),
        state: AtomicU8::new(NO_PIPE),
    }
}; 2];

/// The same of a pipe that a forked child has found on its stdout or stderr: the last one.
static FOUND: Inherited = Inherited {
    parent: AtomicI32::new(0),
    dev: AtomicU64::new(0),
    ino: AtomicU64::new(0),
    state: AtomicU8::new(NO_PIPE),
};

impl Inherited {
    /// Whether it is native, if it is this pipe.
    fn is_native(&self, pipe: &sys::Stat) -> Option<bool> {
        let state = self.state.load(Acquire);
        let is_it = state != NO_PIPE && self.dev.load(Relaxed) == pipe.dev && self.ino.load(Relaxed) == pipe.ino;
        is_it.then_some(state == NATIVE)
    }

    fn set(&self, pipe: &sys::Stat, parent: c_int, is_native: bool) {
        // In this order: a thread that finds the state must find this pipe. If two threads set at the same moment, about
        // two pipes, the next failure may look once more.
        self.state.store(NO_PIPE, Release);
        self.parent.store(parent, Relaxed);
        self.dev.store(pipe.dev, Relaxed);
        self.ino.store(pipe.ino, Relaxed);
        self.state.store(if is_native { NATIVE } else { SURVIVE }, Release);
    }
}

/// At start-up: looks at stdout and stderr.
pub fn start() {
    if config::settings().pipes != Pipes::Auto {
        return;
    }
    let mut parent = None;
    for (fd, inherited) in (1..).zip(&INHERITED) {
        let Some(pipe) = fifo(fd) else { continue };
        let parent = parent.get_or_insert_with(Relative::of_self);
        inherited.set(&pipe, 0, made_by_protected(&pipe, parent));
    }
}

/// Whether a failed write to this FIFO has its native result.
pub fn is_native(pipe: &sys::Stat) -> bool {
    match config::settings().pipes {
        Pipes::Survive => return false,
        Pipes::Native => return true,
        Pipes::Auto => {}
    }
    let at_start = INHERITED.iter().find_map(|inherited| inherited.is_native(pipe));
    at_start.unwrap_or_else(|| process::is_forked() && is_stdio_of_self(pipe) && found(pipe))
}

/// What [`made_by_protected`] says of a forked child's pipe. The parent is looked at once, not at each failure; not even
/// if a handler leaves each of them by longjmp, because it must wait until the result is noted.
fn found(pipe: &sys::Stat) -> bool {
    let parent = sys::getppid();
    let known = FOUND.is_native(pipe).filter(|_| FOUND.parent.load(Relaxed) == parent);
    known.unwrap_or_else(|| {
        sys::with_signals_blocked(|| {
            let is_native = made_by_protected(pipe, &Relative::of(parent));
            FOUND.set(pipe, parent, is_native);
            is_native
        })
    })
}

/// Whether the parent is a program that this library works in.
pub fn parent_is_protected() -> bool {
    Relative::of_self().look == Look::Protected
}

fn fifo(fd: c_int) -> Option<sys::Stat> {
    sys::fstat(fd).ok().filter(|stat| stat.is(libc::S_IFIFO))
}

fn is_stdio_of_self(pipe: &sys::Stat) -> bool {
    [1, 2].into_iter().any(|fd| fifo(fd).as_ref() == Some(pipe))
}

fn made_by_protected(pipe: &sys::Stat, parent: &Relative) -> bool {
    if parent.look == Look::Hidden {
        return sys::getsid() != sys::getpid();
    }
    let mut relative = *parent;
    for _ in 0..GENERATIONS {
        if relative.look != Look::Protected {
            return false;
        }
        if !proc::has_as_stdio(relative.pid, pipe) {
            return true;
        }
        match relative.parent {
            Some(pid) => relative = Relative::of(pid),
            None => return false,
        }
    }
    false
}

/// The parent, or an ancestor further up.
#[derive(Clone, Copy)]
struct Relative {
    pid: c_int,
    look: Look,
    parent: Option<c_int>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// The library works in it.
    Protected,
    Unprotected,
    /// We cannot look into it, but it is our own user's and has a handler for SIGPIPE.
    Hidden,
}

impl Relative {
    fn of_self() -> Self {
        Self::of(sys::getppid())
    }

    fn of(pid: c_int) -> Self {
        for look in 0..LOOKS {
            match proc::status(pid) {
                Some(status) if status.catches_sigpipe || status.ignores_sigpipe => {
                    return Relative {
                        pid,
                        look: Self::look_into(pid, &status),
                        parent: status.parent,
                    };
                }
                Some(_) if proc::may_be_loading_library(pid, look < EARLY_LOOKS) && is_concerned(pid) => {
                    sys::sleep_ms(1);
                }
                _ => break,
            }
        }
        Relative {
            pid,
            look: Look::Unprotected,
            parent: None,
        }
    }

    fn look_into(pid: c_int, status: &proc::Status) -> Look {
        match proc::maps_library(pid) {
            Some(true) if is_concerned(pid) => Look::Protected,
            None if status.catches_sigpipe && pid > 1 && proc::uid(pid) == Some(sys::getuid().into()) => Look::Hidden,
            _ => Look::Unprotected,
        }
    }
}

/// Whether `NOPIPE_ONLY`, which is assumed to be the same there, includes process `pid`. Its name is its first
/// argument, as its own start-up saw it, or, if that was overwritten since, the 15 bytes of the name that the kernel
/// keeps.
fn is_concerned(pid: c_int) -> bool {
    let settings = config::settings();
    if settings.only.is_empty() {
        return true;
    }
    let mut argument = Line::<64>::new();
    let mut over = false;
    proc::for_each_byte(pid, "cmdline", |b| match b {
        _ if over => {}
        0 => over = true,
        b'/' => argument = Line::new(),
        _ => argument.push(reduced(b) as char),
    });
    settings.lists(argument.as_bytes(), 64) || settings.lists(proc::comm(pid).as_bytes(), 15)
}
