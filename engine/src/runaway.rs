//! The runaway guard: a program that never looks at the result of a write would run on for ever without SIGPIPE.
//!
//! Whoever lives on natively is left alone: a program that ignores SIGPIPE or has a handler of its own, a thread that
//! blocks SIGPIPE, a call with a flag against it (there no signal comes, and nobody asks the guard), and pid 1. Nobody
//! sleeps for a pipe, nor for a unix stream that is stdout or stderr (systemd's journal stream, node's pipes): a log whose
//! reader has died holds no server up.
//!
//! # `NOPIPE_RUNAWAY=auto`
//!
//! Time tells the endless writer from one that is done soon; a number does not ([`nopipe_core::runaway`]).
//!
//! | failures on one connection | one-connection process | any other |
//! | --- | --- | --- |
//! | 1,000 in ten seconds | one pause of 1 ms after each 80 µs, as soon as they have gone on for a second | one warning; the same, after 0.4 seconds |
//! | as many, and the first was five seconds ago | native, if nothing else is seen of it | pauses of up to 100 ms, one for each failure |
//! | 100 in ten seconds, the first five seconds ago | the same, by a stricter look | nothing |
//!
//! A process serves one connection if stdin is that connection, or stdout is and it is no unix stream, or if it was
//! forked for it ([`Role`]). Its end is what happens without the library, so it is no warning, and no line: the line about its
//! client is all that there is to say.
//!
//! "Nothing else is seen of it" ([`does_nothing_else`]): no child, no other living stream socket, less than 5 ms of CPU time
//! for each failure, nothing written to storage since it began. The stricter look: neither a listener, nor anything that
//! is open for writing. When in doubt, it is spared.
//!
//! # `kill` and `throttle`
//!
//! The administrator has decided: at the number of failures that was set the process has its native SIGPIPE, its handler
//! included, or sleeps after each further failure.
//!
//! # Threads, signals and fork
//!
//! All words are atomic. What [`Doing`] holds belongs together: its key is 0 while it changes, and it is used only by the
//! process and for the connection that it was written for. A forked child has another pid, so it is judged anew.

use crate::channel::Channel;
use crate::report::{self, Failure};
use crate::{config, disposition, proc, process};
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::*, fence};
use nopipe_core::line::Line;
use nopipe_core::runaway::{DEFAULT_LIMIT, Look, Pace, Runaways, Step};
use nopipe_core::settings::Runaway;
use nopipe_sys as sys;

/// Connections that are watched at the same time: 256.
static WATCHED: Runaways<64> = Runaways::new();

/// How many descriptors are searched: the lowest ones, which the kernel gives out first.
const DESCRIPTORS: c_int = 4096;

/// Who uses as much CPU time for each failure does something besides. Hundredths of a second are what times(2) counts.
const BUSY_TICKS_IN_100: u64 = 50;

/// How long a runaway's failures may go on before it sleeps at all. Milliseconds since the first in the present window.
const AT_ONCE_MS: u64 = 400;
/// The same for a process that serves one connection: it is ended soon, unless it is done before.
const AT_ONCE_ALONE_MS: u64 = 1000;
/// How long it may run between two pauses, nanoseconds; and a pause, milliseconds. Less than a tenth of a CPU.
const RUN_NS: u64 = 80_000;
const SHORT_PAUSE_MS: u64 = 1;

/// When the last short pause ended, nanoseconds.
static PAUSED: AtomicU64 = AtomicU64::new(0);

/// The pid of the process that is to end because the settings say so. It is still there if its handler has returned.
static CONDEMNED: AtomicI32 = AtomicI32::new(0);

/// Counts one more failure, and sleeps if the guard asks for it. Returns whether SIGPIPE is to have its native effect.
pub fn ends_by(failure: &Failure<'_>) -> bool {
    let settings = config::settings();
    let lives_on = !disposition::is_default_by_program() || process::known_pid() == 1;
    match settings.runaway {
        Runaway::Off => false,
        Runaway::Kill => !disposition::is_ignored_by_program() && is_condemned(failure, settings.runaway_limit),
        Runaway::Throttle | Runaway::Auto if lives_on || failure.channel.is_pipe() => false,
        Runaway::Throttle => {
            throttle(failure, settings.runaway_limit);
            false
        }
        Runaway::Auto => guard(failure),
    }
}

/// The file that stderr was at start-up, device and inode.
static STDERR: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// At start-up: notes what stderr is.
pub fn start() {
    if let Ok(stat) = sys::fstat(2) {
        let [dev, ino] = &STDERR;
        dev.store(stat.dev, Relaxed);
        ino.store(stat.ino, Relaxed);
    }
}

fn now_ms() -> u64 {
    sys::clock_monotonic_ns() / 1_000_000
}

fn is_condemned(failure: &Failure, limit: u32) -> bool {
    match WATCHED.count(failure.channel.key(), now_ms(), limit) {
        Step::Calm => false,
        Step::SetsIn => {
            // The end of a one-connection process is what happens without the library: no warning.
            let is_alone = Role::of(failure.channel).is_some_and(|role| role.is_alone(failure.channel));
            if !is_alone {
                warn(
                    failure,
                    "libnopipe: runaway: keeps writing to a dead connection: ended by SIGPIPE",
                );
            }
            CONDEMNED.store(sys::getpid(), Relaxed);
            true
        }
        Step::GoesOn(_) => CONDEMNED.load(Relaxed) == sys::getpid(),
    }
}

fn throttle(failure: &Failure, limit: u32) {
    match WATCHED.count(failure.channel.key(), now_ms(), limit) {
        Step::Calm => {}
        _ if is_log(failure.channel) => {}
        Step::SetsIn => warn_slowed(failure),
        Step::GoesOn(pause_ms) => sys::sleep_ms(pause_ms),
    }
}

fn guard(failure: &Failure<'_>) -> bool {
    let channel = failure.channel;
    let (key, now) = (channel.key(), now_ms());
    let step = WATCHED.count(key, now, DEFAULT_LIMIT);
    let pace = WATCHED.keep_pace(key, now, step);
    match pace.look {
        Look::Away => {}
        Look::First => {
            if Role::of(channel).is_some() {
                DOING.note(key);
            }
        }
        Look::Judge => {
            if is_blind_worker(channel, &pace) {
                return true;
            }
            // It goes on, and so it is not one of those that are done soon.
            if step != Step::Calm && !pace.is_slow && !is_log(channel) {
                WATCHED.slow_down(key);
                if ALONE.take(key) {
                    warn_slowed(failure);
                }
            }
        }
    }
    match step {
        Step::Calm => {}
        Step::SetsIn => match Role::of(channel) {
            Some(role) if role.is_alone(channel) => ALONE.set(key),
            _ if is_log(channel) => {}
            _ => warn_slowed(failure),
        },
        Step::GoesOn(pause_ms) if pace.is_slow => sys::sleep_ms(pause_ms),
        Step::GoesOn(_) if pace.age_ms >= AT_ONCE_MS && !is_log(channel) => {
            if pace.age_ms >= AT_ONCE_ALONE_MS || !ALONE.is(key) {
                pause_shortly();
            }
        }
        Step::GoesOn(_) => {}
    }
    false
}

fn pause_shortly() {
    if sys::clock_monotonic_ns().saturating_sub(PAUSED.load(Relaxed)) >= RUN_NS {
        sys::sleep_ms(SHORT_PAUSE_MS);
        PAUSED.store(sys::clock_monotonic_ns(), Relaxed);
    }
}

fn warn_slowed(failure: &Failure<'_>) {
    warn(
        failure,
        "libnopipe: runaway: keeps writing to a dead connection: slowed down",
    );
}

#[inline(never)]
fn warn(failure: &Failure, message: &'static str) {
    let mut fd = Line::<12>::new();
    fd.push_u64(failure.fd as u64);
    report::warn(message, &[("call", failure.call.name()), ("fd", fd.as_str())]);
}

/// What a process has to do with one connection that makes it a one-connection process, perhaps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// stdin is the connection: inetd, tcpserver, `ncat -e`.
    Stdin,
    /// stdout is, and it is no unix stream.
    Stdout,
    /// It was forked, and its parent is in the same session, unlike that of a daemon that forked itself into the
    /// background.
    Forked,
}

impl Role {
    fn of(channel: &Channel) -> Option<Role> {
        if channel.is_pipe() {
            return None;
        }
        if channel.is_still(0) {
            return Some(Role::Stdin);
        }
        if channel.is_still(1) {
            return (sys::getsockopt_int(1, libc::SO_DOMAIN) != Ok(libc::AF_UNIX)).then_some(Role::Stdout);
        }
        let parent = sys::getppid();
        let is_forked = process::is_forked() && parent > 1 && sys::getsid_of(parent) == sys::getsid();
        is_forked.then_some(Role::Forked)
    }

    /// Whether it has no other connection that lives. A forked worker has inherited its parent's listener; a process whose
    /// stdout alone is dead may be a server, and has none.
    fn is_alone(self, channel: &Channel) -> bool {
        match self {
            Role::Stdin => !others(channel).any(lives),
            Role::Stdout => !others(channel).any(|fd| lives(fd) || (fd > 2 && sys::is_writable(fd))),
            Role::Forked => !others(channel).any(|fd| lives(fd) && !is_listener(fd)),
        }
    }

    /// Whether, besides, nothing is open for writing from descriptor 3 on, and nothing listens. A forked worker may have its
    /// results on stdout, too.
    fn has_nothing_open(self, channel: &Channel) -> bool {
        let is_output = |fd: c_int| {
            let is_standard = fd < 3;
            let is_terminal = || sys::fstat(fd).is_ok_and(|stat| stat.is(libc::S_IFCHR));
            match self {
                Role::Stdin | Role::Stdout if is_standard => false,
                Role::Forked if is_standard && is_terminal() => false,
                _ => sys::is_writable(fd) && !is_kept_stderr(fd),
            }
        };
        !others(channel).any(|fd| lives(fd) || (!is_dead_stream(fd) && is_output(fd)))
    }
}

/// The open descriptors that are not this connection.
fn others(channel: &Channel) -> impl Iterator<Item = c_int> {
    let stat = channel.stat;
    (0..DESCRIPTORS).filter(move |&fd| sys::fstat(fd).is_ok_and(|other| other != stat))
}

/// Whether it is a copy of stderr as it was at start-up, or /dev/null. A shell keeps what stderr was at descriptor 10 while
/// `echo tick 2>/dev/null` runs.
fn is_kept_stderr(fd: c_int) -> bool {
    let Ok(stat) = sys::fstat(fd) else { return true };
    let [dev, ino] = &STDERR;
    (stat.dev, stat.ino) == (dev.load(Relaxed), ino.load(Relaxed)) || sys::stat(c"/dev/null") == Ok(stat)
}

fn is_stream(fd: c_int) -> bool {
    let kind = sys::getsockopt_int(fd, libc::SO_TYPE);
    kind == Ok(libc::SOCK_STREAM) || kind == Ok(libc::SOCK_SEQPACKET)
}

fn has_hung_up(fd: c_int) -> bool {
    !sys::poll_now(fd, 0).is_ok_and(|events| events & (libc::POLLHUP | libc::POLLERR) == 0)
}

/// Whether it is a stream socket that is connected, is about to be, or listens.
fn lives(fd: c_int) -> bool {
    is_stream(fd) && !has_hung_up(fd)
}

fn is_dead_stream(fd: c_int) -> bool {
    is_stream(fd) && has_hung_up(fd)
}

fn is_listener(fd: c_int) -> bool {
    sys::getsockopt_int(fd, libc::SO_ACCEPTCONN) == Ok(1)
}

/// Whether it is where a program writes its log: a unix stream that is stdout or stderr, and not stdin.
fn is_log(channel: &Channel) -> bool {
    let is_standard = |fd| channel.is_still(fd) && sys::getsockopt_int(fd, libc::SO_DOMAIN) == Ok(libc::AF_UNIX);
    (is_standard(1) || is_standard(2)) && !channel.is_still(0)
}

/// Whether this process writes on and on to its only connection, and does nothing else.
#[inline(never)]
fn is_blind_worker(channel: &Channel, pace: &Pace) -> bool {
    let Some(role) = Role::of(channel) else {
        return false;
    };
    let is_quick = pace.is_slow || pace.failures >= DEFAULT_LIMIT;
    // Under strace each failure takes a hundred times as long, and what is finite may last.
    !proc::may_be_traced()
        && does_nothing_else(channel, pace)
        && match is_quick {
            true => role.is_alone(channel),
            false => role.has_nothing_open(channel),
        }
}

fn does_nothing_else(channel: &Channel, pace: &Pace) -> bool {
    let Some((ticks, bytes)) = DOING.since(channel.key()) else {
        return false;
    };
    // A slow one's failures count for two.
    let failures = u64::from(pace.failures) >> u32::from(pace.is_slow);
    !sys::has_child()
        && sys::cpu_ticks().saturating_sub(ticks) * 100 < BUSY_TICKS_IN_100 * failures
        && proc::written_to_storage() == Some(bytes)
}

/// What a process had done when it might have become an endless writer.
struct Doing {
    /// The connection, with the pid; 0 while the rest changes.
    key: AtomicU64,
    ticks: AtomicU64,
    bytes: AtomicU64,
}

static DOING: Doing = Doing {
    key: AtomicU64::new(0),
    ticks: AtomicU64::new(0),
    bytes: AtomicU64::new(0),
};

/// A number for this connection in this process; not 0.
fn own(key: u64) -> u64 {
    (key ^ (process::known_pid() as u64) << 32).max(1)
}

impl Doing {
    #[inline(never)]
    fn note(&self, key: u64) {
        self.key.store(0, Relaxed);
        fence(Release);
        if let Some(bytes) = proc::written_to_storage() {
            self.ticks.store(sys::cpu_ticks(), Relaxed);
            self.bytes.store(bytes, Relaxed);
            self.key.store(own(key), Release);
        }
    }

    /// CPU time and bytes written, if they were noted for this connection in this process.
    fn since(&self, key: u64) -> Option<(u64, u64)> {
        let before = self.key.load(Acquire);
        let done = (self.ticks.load(Relaxed), self.bytes.load(Relaxed));
        fence(Acquire);
        (before == own(key) && self.key.load(Relaxed) == before).then_some(done)
    }
}

/// The connection that this process serves alone, if its failures have become too many.
struct Alone(AtomicU64);

static ALONE: Alone = Alone(AtomicU64::new(0));

impl Alone {
    fn set(&self, key: u64) {
        self.0.store(own(key), Relaxed);
    }

    fn is(&self, key: u64) -> bool {
        self.0.load(Relaxed) == own(key)
    }

    /// Takes it away; whether it was this one.
    fn take(&self, key: u64) -> bool {
        self.0.compare_exchange(own(key), 0, Relaxed, Relaxed).is_ok()
    }
}
