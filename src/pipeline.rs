//! Is stdout or stderr a pipeline that a program under the library has set up, such as `zcat f | head` started by the
//! protected server? Then its SIGPIPE is native, so that pipelines end as they always did.
//!
//! # The rule
//!
//! Found at start-up, for descriptors 1 and 2 that are a FIFO; in a forked child that has changed them since, when a
//! write fails. Going up from the parent:
//!
//! * a process that does not have this library ends the search: the pipe came from outside (a container's runtime, a
//!   supervisor): survive;
//! * one that has the library, but not this pipe as its own stdout or stderr, has made the pipeline: native;
//! * one that has both has itself inherited the pipe: its parent decides.
//!
//! A parent that cannot be looked at (another user's, or not dumpable because it dropped its privileges): if it is init
//! or outside our pid namespace, or we lead a session, survive; else it is most probably the server: native.
//!
//! `NOPIPE_PIPES=survive` and `=native` decide for every pipe.

use crate::{config, process, sys};
use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use nopipe_core::line::Line;
use nopipe_core::search::Needle;
use nopipe_core::settings::{Pipes, reduced};

/// The library's file name, as it stands in `/proc/PID/maps` behind the last slash, whatever version follows.
const LIBRARY: &[u8; 13] = b"/libnopipe.so";
static NEEDLE: Needle<{ LIBRARY.len() }> = Needle::new(LIBRARY);
/// More generations than any pipeline has.
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

/// Whether a failed write to this FIFO takes its native course.
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
        if !is_stdio_of(relative.pid, pipe) {
            return true;
        }
        match parent_of(relative.pid) {
            Some(pid) => relative = Relative::of(pid),
            None => return false,
        }
    }
    false
}

/// The parent, or one further up.
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
    /// It cannot be looked at.
    Hidden,
}

impl Relative {
    fn parent() -> Self {
        Self::of(sys::getppid())
    }

    fn of(pid: c_int) -> Self {
        let look = match maps_library(pid) {
            None => Look::Hidden,
            Some(true) if is_concerned(pid) => Look::Protected,
            Some(_) => Look::Unprotected,
        };
        Relative { pid, look }
    }
}

/// Whether process `pid` has mapped a file of this library's name; `None` if it cannot be looked at, as a parent in
/// another pid namespace (0).
fn maps_library(pid: c_int) -> Option<bool> {
    const KEPT: usize = LIBRARY.len() - 1;
    let file = open_proc(pid, "maps")?;
    // The end of each piece is kept in front of the next: the name may lie across.
    let mut buffer = [0; KEPT + 1000];
    loop {
        let (_, piece) = buffer.split_at_mut_checked(KEPT)?;
        let read = match sys::read(&file, piece) {
            Ok(0) => return Some(false),
            Ok(read) => read,
            Err(libc::EINTR) => continue,
            Err(_) => return None,
        };
        if NEEDLE.is_in(buffer.get(..KEPT + read)?) {
            return Some(true);
        }
        for i in 0..KEPT {
            let moved = *buffer.get(read + i)?;
            *buffer.get_mut(i)? = moved;
        }
    }
}

/// Whether `NOPIPE_ONLY`, taken to be the same there, includes process `pid`: by its first argument, as its own start-up
/// has seen it, or, if that was overwritten since, by the 15 bytes of its name that the kernel keeps.
fn is_concerned(pid: c_int) -> bool {
    let settings = config::settings();
    if settings.only.is_empty() {
        return true;
    }
    let mut argument = Line::<64>::new();
    let mut over = false;
    for_each_byte(pid, "cmdline", |b| match b {
        _ if over => {}
        0 => over = true,
        b'/' => argument = Line::new(),
        _ => argument.push(reduced(b) as char),
    });
    let mut comm = Line::<16>::new();
    for_each_byte(pid, "comm", |b| {
        if b != b'\n' {
            comm.push(reduced(b) as char);
        }
    });
    settings.lists(argument.as_bytes(), 64) || settings.lists(comm.as_bytes(), 15)
}

/// Whether stdout or stderr of process `pid` is this pipe.
fn is_stdio_of(pid: c_int, pipe: &sys::Stat) -> bool {
    ["fd/1", "fd/2"].into_iter().any(|name| {
        let path = proc_path(pid, name);
        let there = CStr::from_bytes_with_nul(path.as_bytes()).map(sys::stat);
        matches!(there, Ok(Ok(stat)) if stat.dev == pipe.dev && stat.ino == pipe.ino)
    })
}

/// The fourth field of `/proc/PID/stat`, proc_pid_stat(5); the second is the name in parentheses, which may hold anything.
fn parent_of(pid: c_int) -> Option<c_int> {
    let mut spaces = 0;
    let mut parent = 0_i64;
    for_each_byte(pid, "stat", |b| match b {
        b')' => (spaces, parent) = (0, 0),
        b' ' => spaces += 1,
        b'0'..=b'9' if spaces == 2 => parent = (parent * 10 + i64::from(b - b'0')) & 0xffff_ffff,
        _ => {}
    });
    c_int::try_from(parent).ok().filter(|&parent| parent > 0)
}

fn proc_path(pid: c_int, name: &str) -> Line<40> {
    let mut path = Line::new();
    path.push_str("/proc/");
    path.push_u64(pid as u64);
    path.push('/');
    path.push_str(name);
    path.push('\0');
    path
}

/// Calls `f` with each byte of the first half kilobyte of `/proc/PID/name`.
fn for_each_byte(pid: c_int, name: &str, mut f: impl FnMut(u8)) {
    let mut buffer = [0; 512];
    let read = open_proc(pid, name).and_then(|file| sys::read(&file, &mut buffer).ok());
    buffer.iter().take(read.unwrap_or(0)).for_each(|&b| f(b));
}

fn open_proc(pid: c_int, name: &str) -> Option<sys::Fd> {
    let path = proc_path(pid, name);
    let path = CStr::from_bytes_with_nul(path.as_bytes()).ok()?;
    sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()
}
