//! Hands one event for each connection to the `log` facade, and what the library reports about itself.

use crate::channel::Channel;
use crate::{config, page, peer, sink};
use core::ffi::c_int;
use log::Record;
use log::kv::Source;
use nopipe_core::event::{Call, Cause, Connection, Event, Notice, Priority, Stamp, Transport};
use nopipe_core::line::Line;
use nopipe_core::settings::Log;
use nopipe_core::stats::Counter;
use nopipe_core::table::Seen;
use nopipe_core::throttle::Throttle;
use nopipe_core::time::rfc3339;
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
pub struct Failure {
    /// What was written to.
    pub channel: Channel,
    /// The descriptor.
    pub fd: c_int,
    /// The system call.
    pub call: Call,
    /// The error, as in errno(3).
    pub errno: c_int,
    /// The program has a handler that would have run, and does not.
    pub handler_skipped: bool,
}

/// Counts a failed call, and reports it if it is the first on its connection.
pub fn failure(failure: &Failure) {
    page::count(Counter::Failures);
    if !SEEN.insert(failure.channel.key()) {
        return;
    }
    page::count(Counter::Connections);
    // A handler that leaves by longjmp would leave a descriptor of ours open.
    sys::with_signals_blocked(|| {
        let connection = peer::ask(&failure.channel, failure.fd, failure.errno);
        // Another thread may have given the number to another file in the meantime; and an unconnected socket has no
        // peer.
        let nobody = connection.transport == Transport::Udp && connection.peer.address().is_none();
        if nobody || !failure.channel.is_still(failure.fd) {
            return page::count(Counter::Unattributed);
        }
        tell(failure, &connection);
    });
}

/// Counts an event, and writes it if the settings and the rate limit allow. Every event counts as one of line,
/// suppressed, dropped and unwanted.
fn tell(failure: &Failure, connection: &Connection) {
    let (seconds, nanoseconds) = sys::clock_realtime();
    let now = seconds as u64 * 1_000_000_000 + nanoseconds as u64;
    page::block().event(connection.cause, connection.peer.text(), now);
    page::block().add(Counter::Undelivered, connection.undelivered.unwrap_or(0));
    let settings = config::settings();
    let priority = priority_of(connection);
    if !settings.shows(priority) || settings.log == Log::None {
        page::count(Counter::Unwanted);
    } else if !THROTTLE.allows(sys::clock_monotonic_ns(), settings.rate) {
        page::event_without_line(Counter::Suppressed);
    } else {
        write_event(failure, connection, priority);
    }
}

/// The rate limit of events' lines.
static THROTTLE: Throttle = Throttle::new();

fn priority_of(connection: &Connection) -> Priority {
    match connection.cause {
        Cause::ReaderGone => Priority::Debug,
        _ if connection.undelivered.unwrap_or(0) > 0 => Priority::Notice,
        _ => Priority::Info,
    }
}

#[inline(never)]
fn write_event(failure: &Failure, connection: &Connection, priority: Priority) {
    let mut cookie = Line::new();
    if let Some(number) = failure.channel.cookie {
        cookie.push_hex(number);
    }
    let event = Event {
        stamp: stamp(),
        priority,
        call: failure.call,
        fd: failure.fd,
        errno: failure.errno,
        connection,
        cookie,
        handler_skipped: failure.handler_skipped,
    };
    log_record(priority, connection.cause.message(), &event);
}

/// A line about the library itself.
pub fn warn(message: &'static str, facts: &[(&'static str, &str)]) {
    if !config::settings().shows(Priority::Warning) {
        return;
    }
    sys::with_signals_blocked(|| {
        let notice = Notice {
            stamp: stamp(),
            priority: Priority::Warning,
            facts,
            numbers: &[],
        };
        log_record(Priority::Warning, message, &notice);
    });
}

/// The account at exit.
pub fn summary(numbers: &[(&'static str, u64)]) {
    sys::with_signals_blocked(|| {
        let notice = Notice {
            // The numbers below are the totals.
            stamp: Stamp {
                suppressed: 0,
                dropped: 0,
                ..stamp()
            },
            priority: Priority::Info,
            facts: &[],
            numbers,
        };
        log_record(Priority::Info, "libnopipe: summary", &notice);
    });
}

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

fn stamp() -> Stamp<'static> {
    let (seconds, nanoseconds) = sys::clock_realtime();
    Stamp {
        pid: sys::getpid(),
        tid: sys::gettid(),
        program: config::program(),
        time: rfc3339(seconds, nanoseconds),
        suppressed: page::take_untold(Counter::Suppressed),
        dropped: page::take_untold(Counter::Dropped),
    }
}
