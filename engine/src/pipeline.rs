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
//! A parent may be hidden from us (another user's, or not dumpable because it dropped its privileges). If it is init or
//! outside our pid namespace, or if we lead a session: survive. Else it is most probably the server: native.
//!
//! `NOPIPE_PIPES=survive` and `=native` decide for every pipe.

use crate::{config, proc, process};
use core::ffi::c_int;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use nopipe_core::line::Line;
use nopipe_core::settings::{Pipes, reduced};
use nopipe_sys as sys;

/// No pipeline has that many generations.
const GENERATIONS: usize = 64;

/// The FIFO that was stdout or stderr at start-up, and whether it is native.
struct Inherited {
    dev: AtomicU64,
    ino: AtomicU64,
    state: AtomicU8,
}

const NO_PIPE: u8 = 0;
const SURVIVE: u8 = 1;
const NATIVE: u8 = 2;

static INHERITED: [Inherited; 2] = [const {
    Inherited {
        dev: AtomicU64::new(0),
        ino: AtomicU64::new(0),
        state: AtomicU8::new(NO_PIPE),
    }
}; 2];

/// At start-up: looks at stdout and stderr.
pub fn start() {
    if config::settings().pipes != Pipes::Auto {
        return;
    }
    let mut parent = None;
    for (fd, inherited) in (1..).zip(&INHERITED) {
        let Some(pipe) = fifo(fd) else { continue };
        inherited.dev.store(pipe.dev, Relaxed);
        inherited.ino.store(pipe.ino, Relaxed);
        let parent = parent.get_or_insert_with(Relative::parent);
        let state = if made_by_protected(&pipe, parent) {
            NATIVE
        } else {
            SURVIVE
        };
        inherited.state.store(state, Relaxed);
    }
}

/// Whether a failed write to this FIFO has its native result.
pub fn is_native(pipe: &sys::Stat) -> bool {
    match config::settings().pipes {
        Pipes::Survive => return false,
        Pipes::Native => return true,
        Pipes::Auto => {}
    }
    let known = INHERITED.iter().find(|inherited| {
        inherited.state.load(Relaxed) != NO_PIPE
            && inherited.dev.load(Relaxed) == pipe.dev
            && inherited.ino.load(Relaxed) == pipe.ino
    });
    match known {
        Some(inherited) => inherited.state.load(Relaxed) == NATIVE,
        None => process::is_forked() && is_stdio_of_self(pipe) && made_by_protected(pipe, &Relative::parent()),
    }
}

/// Whether the parent is a program that this library works in.
pub fn parent_is_protected() -> bool {
    Relative::parent().look == Look::Protected
}

fn fifo(fd: c_int) -> Option<sys::Stat> {
    sys::fstat(fd).ok().filter(|stat| stat.is(libc::S_IFIFO))
}

fn is_stdio_of_self(pipe: &sys::Stat) -> bool {
    [1, 2].into_iter().any(|fd| fifo(fd).as_ref() == Some(pipe))
}

fn made_by_protected(pipe: &sys::Stat, parent: &Relative) -> bool {
    if parent.look == Look::Hidden {
        return parent.pid > 1 && sys::getsid() != sys::getpid();
    }
    let mut relative = *parent;
    for _ in 0..GENERATIONS {
        if relative.look != Look::Protected {
            return false;
        }
        if !proc::has_as_stdio(relative.pid, pipe) {
            return true;
        }
        match proc::parent_of(relative.pid) {
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
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// The library works in it.
    Protected,
    Unprotected,
    /// We cannot look into it.
    Hidden,
}

impl Relative {
    fn parent() -> Self {
        Self::of(sys::getppid())
    }

    fn of(pid: c_int) -> Self {
        let look = match proc::maps_library(pid) {
            None => Look::Hidden,
            Some(true) if is_concerned(pid) => Look::Protected,
            Some(_) => Look::Unprotected,
        };
        Relative { pid, look }
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
