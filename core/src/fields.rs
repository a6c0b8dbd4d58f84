//! The fields of a line, each declared once: its names, its meaning, and where its value comes from.
//!
//! `docs/fields.md` shows this table; `tests/tests/pages.rs` compares the two. The library keeps the names alone.
//!
//! # How to add a field
//!
//! 1. A row of [`FIELDS`], at the place where the field is to stand in a line.
//! 2. Where its value is known: `visit` of [`crate::event::Event`] gives it under its key, in the same order.
//! 3. `BLESS=1 cargo test -p nopipe-tests --test pages` writes its row of `docs/fields.md`.

use crate::text::{Piece, Text};

/// One field.
#[derive(Clone, Copy)]
pub struct Field {
    /// The name under which an [`Event`](crate::event::Event) gives it as a key-value of the `log` crate.
    pub key: &'static str,
    /// Name in text (logfmt); `None`: not shown there.
    pub text: Option<&'static str>,
    /// Name in JSON, OpenTelemetry's where it has one; `None`: not shown there.
    pub json: Option<&'static str>,
    /// Name in the journal; `None`: the journal has its own field for it.
    pub journal: Option<&'static str>,
    /// What the value is, with its unit: Markdown.
    pub meaning: &'static str,
    /// Where the value comes from: Markdown.
    pub source: &'static str,
}

/// Every field, in the order in which they are written. Names are those in text, JSON and the journal; an empty one means
/// that the field is not shown there.
#[rustfmt::skip]
pub const FIELDS: [Field; 35] = [
    field("setting", ["setting", "setting", "NOPIPE_SETTING"], "a variable that was not understood, or `NOPIPE_LOG` if that log is not there", "environ(7)"),
    field("variables", ["variables", "variables", "NOPIPE_VARIABLES"], "how many variables begin with `NOPIPE_` and are no setting; `setting` is the first", "environ(7)"),
    field("value", ["value", "value", "NOPIPE_VALUE"], "its value", "environ(7)"),
    field("allowed", ["allowed", "allowed", "NOPIPE_ALLOWED"], "the values that it may have", "`core/src/settings/`"),
    field("symbol", ["symbol", "symbol", "NOPIPE_SYMBOL"], "functions that this libc does not have", "the ELF symbol tables"),
    field("peer", ["peer", "", ""], "the peer, whole: `ip:port`, `[ip6]:port`, a unix path, `@abstract`, `unnamed`, `pipe:[inode]`, `unknown`", "as the next two"),
    field("peer_address", ["", "network.peer.address", "NOPIPE_PEER_ADDR"], "its address; v4-mapped as IPv4", "SO_PEERNAME, getpeername(2), the target of a failed connect(2)"),
    field("peer_port", ["", "network.peer.port", "NOPIPE_PEER_PORT"], "its port", "the same"),
    field("local", ["local", "", ""], "our end, whole", "getsockname(2)"),
    field("local_address", ["", "network.local.address", "NOPIPE_LOCAL_ADDR"], "our address", "getsockname(2)"),
    field("local_port", ["", "network.local.port", "NOPIPE_LOCAL_PORT"], "our port", "getsockname(2)"),
    field("cause", ["cause", "cause", "NOPIPE_CAUSE"], "why: `reset`, `closed`, `timeout`, `unreachable`, `never-connected`, `self-shutdown`, `reader-gone`", "errno, TCP_INFO, poll(2)"),
    field("call", ["call", "call", "NOPIPE_CALL"], "the system call that failed; `libc` if no known function made it", "the hook, or the interrupted code and who called it; on aarch64 its number"),
    field("fd", ["fd", "fd", "NOPIPE_FD"], "its descriptor; text and JSON: a number", "the hook, or a register of the interrupted call"),
    field("errno", ["errno", "error.type", "NOPIPE_ERRNO"], "the error's name", "errno(3)"),
    field("errno_number", ["", "", "ERRNO"], "the error's number", "errno(3)"),
    field("delivered", ["delivered", "delivered", "NOPIPE_DELIVERED"], "bytes that the peer's kernel has acknowledged", "TCP_INFO, SIOCOUTQ"),
    field("undelivered", ["undelivered", "undelivered", "NOPIPE_UNDELIVERED"], "bytes written that it has not acknowledged", "SIOCOUTQ, tcp(7)"),
    field("transport", ["transport", "network.transport", "NOPIPE_TRANSPORT"], "`tcp`, `mptcp`, `sctp`, `udp`, `unix` (stream), `seqpacket`, `dgram`, `vsock`, `pipe`, `other`", "SO_DOMAIN, SO_TYPE, SO_PROTOCOL"),
    field("peer_pid", ["peer_pid", "peer_pid", "NOPIPE_PEER_PID"], "unix: the process at the other end", "SO_PEERCRED, unix(7)"),
    field("peer_uid", ["peer_uid", "peer_uid", "NOPIPE_PEER_UID"], "unix: its user", "SO_PEERCRED"),
    field("peer_comm", ["peer_comm", "peer_comm", "NOPIPE_PEER_COMM"], "unix: its name, if it is still there; from Linux 6.5 on", "SO_PEERPIDFD, `/proc/PID/comm`"),
    field("rtt_us", ["rtt_us", "rtt_us", "NOPIPE_RTT_US"], "smoothed round trip, microseconds", "TCP_INFO, tcpi_rtt"),
    field("idle_ms", ["idle_ms", "idle_ms", "NOPIPE_IDLE_MS"], "time since the peer was last heard, milliseconds", "TCP_INFO, tcpi_last_data_recv, tcpi_last_ack_recv"),
    field("cookie", ["cookie", "cookie", "NOPIPE_COOKIE"], "the socket, hexadecimal, as `ss -e` shows it", "SO_COOKIE, socket(7)"),
    field("handler", ["handler", "handler", "NOPIPE_HANDLER"], "`skipped`: the program's own SIGPIPE handler was not run", "sigaction(2)"),
    field("connections", ["connections", "connections", "NOPIPE_CONNECTIONS"], "at exit: connections that failed", "the counters"),
    field("failures", ["failures", "failures", "NOPIPE_FAILURES"], "at exit: calls that failed", "the counters"),
    field("lines", ["lines", "lines", "NOPIPE_LINES"], "at exit: events that became a line", "the counters"),
    field("suppressed", ["suppressed", "suppressed", "NOPIPE_SUPPRESSED"], "events that the rate limit left out since the last line; at exit, all of them", "the counters"),
    field("dropped", ["dropped", "dropped", "NOPIPE_DROPPED"], "events that a sink did not take since the last line; at exit, all of them", "the counters"),
    field("pid", ["pid", "pid", ""], "the process that wrote the line (the journal has `_PID`)", "getpid(2)"),
    field("tid", ["tid", "tid", "NOPIPE_TID"], "its thread", "gettid(2)"),
    field("program", ["program", "program", "SYSLOG_IDENTIFIER"], "its short name at start-up, reduced to `[A-Za-z0-9._-]`", "program_invocation_short_name(3)"),
    field("time", ["time", "time", ""], "when the line was written: RFC 3339, UTC, microseconds (the journal has its own)", "clock_gettime(2)"),
];

const fn field(key: &'static str, names: [&'static str; 3], meaning: &'static str, source: &'static str) -> Field {
    let [text, json, journal] = names;
    Field {
        key,
        text: shown(text),
        json: shown(json),
        journal: shown(journal),
        meaning,
        source,
    }
}

const fn shown(name: &str) -> Option<&str> {
    if name.is_empty() { None } else { Some(name) }
}

/// What the library keeps of one [`Field`]. An empty name means that it is not shown there.
pub(crate) struct Names {
    key: Piece,
    text: Piece,
    json: Piece,
    journal: Piece,
}

impl Names {
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.key.is(TEXT, key.as_bytes())
    }

    pub(crate) fn text(&self) -> Option<&'static str> {
        shown(self.text.of(TEXT))
    }

    pub(crate) fn json(&self) -> Option<&'static str> {
        shown(self.json.of(TEXT))
    }

    pub(crate) fn journal(&self) -> Option<&'static str> {
        shown(self.journal.of(TEXT))
    }
}

/// The names of [`FIELDS`], in the same order.
pub(crate) static NAMES: [Names; FIELDS.len()] = build::<0>().1;

/// All names, one right after the other.
const TEXT: &str = {
    const BUILT: Text<{ build::<0>().0.len() }> = build().0;
    BUILT.as_str()
};

const fn build<const N: usize>() -> (Text<N>, [Names; FIELDS.len()]) {
    let mut text = Text::new();
    let mut names = [const {
        Names {
            key: Piece::EMPTY,
            text: Piece::EMPTY,
            json: Piece::EMPTY,
            journal: Piece::EMPTY,
        }
    }; FIELDS.len()];
    let mut i = 0;
    while i < FIELDS.len() {
        names[i] = Names {
            key: push(&mut text, Some(FIELDS[i].key)),
            text: push(&mut text, FIELDS[i].text),
            json: push(&mut text, FIELDS[i].json),
            journal: push(&mut text, FIELDS[i].journal),
        };
        i += 1;
    }
    (text, names)
}

const fn push<const N: usize>(text: &mut Text<N>, name: Option<&str>) -> Piece {
    let start = text.len();
    if let Some(name) = name {
        text.push(name);
    }
    text.since(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_has_the_names_of_the_table() {
        for (field, names) in FIELDS.iter().zip(&NAMES) {
            assert!(names.has_key(field.key));
            let kept = [names.text(), names.json(), names.journal()];
            assert_eq!(kept, [field.text, field.json, field.journal], "{}", field.key);
        }
    }

    #[test]
    fn rows_are_whole_and_keys_are_different() {
        for (i, field) in FIELDS.iter().enumerate() {
            assert!(!field.key.is_empty() && !field.meaning.is_empty() && !field.source.is_empty());
            assert!(field.text.is_none_or(|name| name == field.key), "{}", field.key);
            assert!(
                FIELDS[..i].iter().all(|earlier| earlier.key != field.key),
                "{}",
                field.key
            );
        }
    }
}
