//! Hands one event for each connection to the `log` facade, and what the library reports about itself.

use crate::channel::Channel;
use crate::slot::Pool;
use crate::{config, page, peer, sink};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use log::Record;
use log::kv::Source;
use nopipe_core::cause::Facts;
use nopipe_core::event::{Call, Cause, Connection, Event, Notice, Priority, Stamp, Transport, priority_of};
use nopipe_core::settings::Log;
use nopipe_core::stats::Counter;
use nopipe_core::table::Seen;
use nopipe_core::throttle::{Throttle, Verdict};
use nopipe_core::time::push_rfc3339;
use nopipe_sys as sys;

/// The connections that were reported, at most 1024. A connection that newer ones drive out may be reported again. A
/// forked child goes on with its parent's table, so that it does not repeat its parent's reports.
static SEEN: Seen<256> = Seen::new();

/// At start-up: makes the sinks the logger of the `log` crate.
pub fn start() {
    // Fails only if it was called before.
    let _ = log::set_logger(&sink::LOGGER);
    log::set_max_level(config::settings().level.level().to_level_filter());
}

/// One failed call.
pub struct Failure<'a> {
    /// What was written to.
    pub channel: &'a Channel,
    /// The descriptor.
    pub fd: c_int,
    /// The system call.
    pub call: Call,
    /// The error, as in errno(3).
    pub errno: c_int,
    /// The program has a handler that would have run, and does not.
    pub handler_skipped: bool,
    /// Whether the stack has too little room for a report; `None`: it is not known yet.
    pub is_cramped: Option<bool>,
}

/// What events are built in.
static EVENTS: Pool<Event, { page::EVENTS }> = Pool::new([const { UnsafeCell::new(Event::new()) }; page::PLACES]);

/// What a hook needs of its caller's stack, at most, in bytes. On aarch64 each frame also holds a frame pointer.
const HOOK: usize = if cfg!(target_arch = "aarch64") { 1152 } else { 1024 };
/// What the handler needs beyond the kernel's frame.
const HANDLER: usize = 1536;

/// Whether there is too little room for a report on the alternate signal stack that begins at `lowest`.
pub fn is_cramped_in_handler(lowest: usize) -> bool {
    room(lowest) < HANDLER
}

fn is_cramped_in_hook() -> bool {
    sys::alternate_stack().is_some_and(|lowest| room(lowest) < HOOK)
}

/// The bytes between here and the end of the stack.
fn room(lowest: usize) -> usize {
    let here = 0_u8;
    (&raw const here as usize).saturating_sub(lowest)
}

/// Counts a failed call, as a failure or as unattributed, and reports it if it is the first on its connection.
pub fn failure(failure: &Failure<'_>) {
    match SEEN.insert(failure.channel.key()) {
        true => first(failure),
        false => page::count(Counter::Failures),
    }
    if AFTER_EXIT.load(Relaxed) != 0 {
        after_exit();
    }
}

#[inline(never)]
fn first(failure: &Failure<'_>) {
    if failure.is_cramped.unwrap_or_else(is_cramped_in_hook) {
        return without_room(failure);
    }
    // A handler that leaves by longjmp would leave a descriptor of ours open, or a place claimed.
    sys::with_signals_blocked(|| match EVENTS.claim() {
        Some(mut event) => {
            if is_found_out(&mut event, failure) {
                page::count(Counter::Failures);
                page::count(Counter::Connections);
                tell(&mut event);
            }
        }
        None => without_room(failure),
    });
}

/// There is no room to find out more, or to build a line: the next line shows that one was dropped.
#[inline(never)]
fn without_room(failure: &Failure<'_>) {
    page::count(Counter::Failures);
    page::count(Counter::Connections);
    let facts = match failure.channel.is_pipe() {
        true => Facts::Pipe,
        false => Facts::Other,
    };
    let cause = Cause::of(failure.errno, &facts);
    count_event(cause, "unknown");
    match is_wanted(priority_of(cause, None)) {
        true => page::event_without_line(Counter::Dropped),
        false => page::count(Counter::Unwanted),
    }
}

/// Fills in the event; false if the failure belongs to no connection that can be named.
#[inline(never)]
fn is_found_out(event: &mut Event, failure: &Failure<'_>) -> bool {
    peer::ask(&mut event.connection, failure.channel, failure.fd, failure.errno);
    // Another thread may have given the number to another file in the meantime; and an unconnected socket has no peer.
    let Connection { transport, peer, .. } = &event.connection;
    let nobody = *transport == Transport::Udp && peer.address().is_none();
    if nobody || !failure.channel.is_still(failure.fd) {
        page::count(Counter::Unattributed);
        return false;
    }
    event.cookie.clear();
    if let Some(number) = failure.channel.cookie {
        event.cookie.push_hex(number);
    }
    (event.call, event.fd, event.errno) = (failure.call, failure.fd, failure.errno);
    event.handler_skipped = failure.handler_skipped;
    true
}

/// Counts an event, and writes it if the settings and the rate limit allow.
#[inline(never)]
fn tell(event: &mut Event) {
    match count(event) {
        Told::Line => {
            stamp(&mut event.stamp);
            log_record(event.connection.priority(), event.connection.cause.message(), event);
        }
        Told::Announcement => announce(event),
        Told::Nothing => {}
    }
}

enum Told {
    Line,
    Nothing,
    /// Its line is the first that is left out.
    Announcement,
}

/// Every event counts as one of line, suppressed, dropped and unwanted.
#[inline(never)]
fn count(event: &Event) -> Told {
    let Connection { cause, undelivered, .. } = event.connection;
    count_event(cause, event.connection.peer.text());
    page::block().add(Counter::Undelivered, undelivered.unwrap_or(0));
    if !is_wanted(event.connection.priority()) {
        page::count(Counter::Unwanted);
        return Told::Nothing;
    }
    match THROTTLE.take(sys::clock_monotonic_ns(), config::settings().rate) {
        Verdict::Allowed => Told::Line,
        // The account has been written: nothing would ever show that this one was left out.
        _ if AFTER_EXIT.load(Relaxed) == ACCOUNTED => Told::Line,
        verdict => {
            page::event_without_line(Counter::Suppressed);
            match verdict {
                Verdict::FirstRefused => Told::Announcement,
                _ => Told::Nothing,
            }
        }
    }
}

#[inline(never)]
fn count_event(cause: Cause, peer: &str) {
    let (seconds, nanoseconds) = sys::clock_realtime();
    let now = seconds as u64 * 1_000_000_000 + nanoseconds as u64;
    page::block().event(cause, peer, now);
}

fn is_wanted(priority: Priority) -> bool {
    let settings = config::settings();
    settings.shows(priority) && settings.log != Log::None
}

/// The rate limit of events' lines.
static THROTTLE: Throttle = Throttle::new();

/// Says at once that lines are left out from here on: a server that is ended by SIGTERM writes no account.
#[inline(never)]
fn announce(event: &mut Event) {
    let priority = event.connection.priority();
    stamp(&mut event.stamp);
    write_notice(&Notice {
        stamp: &event.stamp,
        priority,
        message: "libnopipe: rate limit reached: counting",
        facts: &[],
        numbers: &[],
    });
}

/// A line about the library itself.
pub fn warn(message: &'static str, facts: &[(&'static str, &str)]) {
    if !config::settings().shows(Priority::Warning) {
        return;
    }
    with_stamp(|own| {
        write_notice(&Notice {
            stamp: own,
            priority: Priority::Warning,
            message,
            facts,
            numbers: &[],
        });
    });
}

/// Passes a stamp of this moment on, with signals blocked. If so many threads report at once that there is no memory for
/// one, nothing is passed on.
fn with_stamp(use_it: impl FnOnce(&mut Stamp)) {
    sys::with_signals_blocked(|| {
        if let Some(mut event) = EVENTS.claim() {
            stamp(&mut event.stamp);
            use_it(&mut event.stamp);
        }
    });
}

/// What is left to do after exit(3) has run the program's handlers: 0 before; then the failures to wait for, or
/// [`ACCOUNTED`].
static AFTER_EXIT: AtomicU32 = AtomicU32::new(0);
/// The account was written, or there was nothing to account for.
const ACCOUNTED: u32 = u32::MAX;

/// At exit: one line that accounts for every event, if it says more than the events' lines did. `to_come`: how many more
/// calls will fail because libc flushes its streams later; the account waits for them.
pub fn at_exit(to_come: u32) {
    match to_come {
        0 => account(),
        _ => AFTER_EXIT.store(to_come.min(ACCOUNTED - 1), Relaxed),
    }
}

/// A call has failed after [`at_exit`].
#[inline(never)]
fn after_exit() {
    let one_less = |left| (left != ACCOUNTED && left != 0).then(|| left - 1);
    if AFTER_EXIT.fetch_update(Relaxed, Relaxed, one_less) == Ok(1) {
        account();
    }
}

#[inline(never)]
fn account() {
    AFTER_EXIT.store(ACCOUNTED, Relaxed);
    let get = |counter| page::block().get(counter);
    let [lines, suppressed, dropped] = [Counter::Lines, Counter::Suppressed, Counter::Dropped].map(get);
    if !is_wanted(Priority::Info) || (lines <= 1 && suppressed + dropped == 0) {
        return;
    }
    let numbers = [
        ("undelivered", get(Counter::Undelivered)),
        ("connections", get(Counter::Connections)),
        ("failures", get(Counter::Failures)),
        ("lines", lines),
        ("suppressed", suppressed),
        ("dropped", dropped),
    ];
    with_stamp(|own| {
        // The numbers are the totals.
        (own.suppressed, own.dropped) = (0, 0);
        write_notice(&Notice {
            stamp: own,
            priority: Priority::Info,
            message: "libnopipe: summary",
            facts: &[],
            numbers: &numbers,
        });
    });
}

fn write_notice(notice: &Notice<'_>) {
    log_record(notice.priority, notice.message, notice);
}

#[inline(never)]
fn log_record(priority: Priority, message: &'static str, source: &dyn Source) {
    // The logger takes the message from the target: format_args! would pull in all of core::fmt.
    log::logger().log(
        &Record::builder()
            .level(priority.level())
            .target(message)
            .key_values(&source)
            .build(),
    );
}

#[inline(never)]
fn stamp(stamp: &mut Stamp) {
    let (seconds, nanoseconds) = sys::clock_realtime();
    stamp.time.clear();
    push_rfc3339(stamp.time.writer(), seconds, nanoseconds);
    (stamp.pid, stamp.tid) = (sys::getpid(), sys::gettid());
    stamp.program = Some(config::program());
    stamp.suppressed = page::take_untold(Counter::Suppressed);
    stamp.dropped = page::take_untold(Counter::Dropped);
}
