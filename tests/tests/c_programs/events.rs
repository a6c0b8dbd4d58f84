//! Whether the log holds exactly the events that the program announced.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nopipe_tests::event::{Event, FLOOD, SUMMARY};

type Fields = BTreeMap<String, String>;

/// Each expectation meets one event of its own, and no line is left over.
///
/// # Errors
/// The event that is missing, unexpected or malformed.
pub fn check(expected: &[Fields], logged: Vec<Event>, program: &str) -> Result<(), String> {
    let mut left = logged;
    for wanted in expected {
        let Some(at) = left.iter().position(|event| meets(event, wanted)) else {
            return Err(format!("no event with {wanted:?}"));
        };
        let program = wanted.get("program").map_or(program, String::as_str);
        well_formed(&left.swap_remove(at), program)?;
    }
    match left.first() {
        None => Ok(()),
        Some(event) => Err(format!("unexpected line: {event}")),
    }
}

/// Changes what is expected to what older kernels know, or what is known where something is refused: `c-tests/on_kernel.c`.
pub fn make_older(expected: &mut Fields, kernel: &str) {
    let has = |words: &[&str]| kernel.split(',').any(|word| words.contains(&word));
    let is = |key: &str, values: &[&str]| expected.get(key).is_none_or(|value| values.contains(&value.as_str()));
    let is_gone_tcp = is("transport", &["tcp"]) && is("cause", &["closed", "reset"]);
    let was_refused = expected.get("cause").is_some_and(|cause| cause == "never-connected");
    let call = expected.get("call").cloned();
    if let Some(call) = call.filter(|_| has(&["process_vm_readv"])) {
        // Which function of glibc 2.41 and newer made it is on the stack, which cannot be read then.
        expected.insert("call".into(), format!("{call}|libc"));
    }
    let mut set = |key: &str, value: &str| {
        if let Some(there) = expected.get_mut(key) {
            *there = value.into();
        }
    };
    if has(&["3.10", "tcp_info"]) {
        // tcpi_bytes_acked: Linux 4.1.
        set("delivered", "");
    }
    if has(&["3.10", "4.4", "4.19", "so_peerpidfd"]) {
        set("peer_comm", "");
    }
    if (has(&["so_peername"]) && is_gone_tcp) || (has(&["process_vm_readv"]) && was_refused) {
        set("peer", "unknown");
    }
}

/// Before Linux 6.5 (SO_PEERPIDFD) the name of a unix peer's process cannot be known for certain, and is not logged.
pub fn leave_out_unknown(expected: &mut [Fields]) {
    if !has_peer_pidfd() {
        let names = expected.iter_mut().filter_map(|fields| fields.get_mut("peer_comm"));
        names.for_each(String::clear);
    }
}

fn has_peer_pidfd() -> bool {
    const SO_PEERPIDFD: c_int = 77;
    let Ok((one, _other)) = UnixStream::pair() else {
        return true;
    };
    let (mut fd, mut length): (c_int, libc::socklen_t) = (-1, 4);
    // SAFETY: an int to fill in, and its size.
    let result = unsafe {
        libc::getsockopt(
            one.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        // SAFETY: the kernel has just opened it for us.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    result == 0
}

/// Takes the one warning about setting `name` out of the log. It names the value (none if `value` is empty), and the values
/// that are allowed.
///
/// # Errors
/// There is no such warning.
pub fn take_warning(logged: &mut Vec<Event>, name: &str, value: &str) -> Result<(), String> {
    let is_warning = |event: &Event| {
        event.get("setting") == Some(name)
            && event.get("value").unwrap_or_default() == value
            && event.get("allowed").is_some()
    };
    let at = logged.iter().position(is_warning);
    at.map(|at| drop(logged.remove(at)))
        .ok_or_else(|| format!("no warning about {name}"))
}

/// Takes what is no event of its own out of the log: the beginnings of floods, and the summaries that processes write at
/// exit. A process writes at most one summary, and it counts the lines about that process's connections.
///
/// # Errors
/// A summary with another count, or a second one of the same process.
pub fn take_summaries(logged: &mut Vec<Event>) -> Result<(), String> {
    logged.retain(|event| event.message != FLOOD);
    let (summaries, others) = logged.drain(..).partition(|event| event.message == SUMMARY);
    *logged = others;
    let summaries: Vec<Event> = summaries;
    for summary in &summaries {
        let same_process = |event: &&Event| event.get("pid") == summary.get("pid");
        let lines = logged
            .iter()
            .filter(same_process)
            .filter(|event| event.get("cause").is_some());
        let counted = summary.get("lines").and_then(|lines| lines.parse().ok());
        if counted != Some(lines.count()) || summaries.iter().filter(same_process).count() != 1 {
            return Err(format!("this summary does not count the process's lines: {summary}"));
        }
    }
    Ok(())
}

/// Whether the event has all fields as wanted. An empty value means: no such field. `message` is the line's beginning, and
/// `call` may be one of several, `a|b`.
fn meets(event: &Event, wanted: &Fields) -> bool {
    wanted.iter().all(|(key, value)| match key.as_str() {
        "message" => event.message == *value,
        "call" => value.split('|').any(|call| event.get(key) == Some(call)),
        _ => event.get(key).unwrap_or_default() == value,
    })
}

/// Checks what holds for every event.
fn well_formed(event: &Event, program: &str) -> Result<(), String> {
    let cause = event.get("cause").unwrap_or_default();
    let vanished = matches!(cause, "closed" | "reset" | "timeout" | "unreachable");
    if vanished != (event.message == "peer vanished") {
        return Err(format!("this message does not suit the cause: {event}"));
    }
    if event.get("program") != Some(program) {
        return Err(format!("the program is {program}: {event}"));
    }
    for number in ["pid", "tid", "fd"] {
        if event.get(number).is_some_and(|value| value.parse::<u32>().is_err()) {
            return Err(format!("{number} is not a number: {event}"));
        }
    }
    let of_itself = event.message.starts_with("libnopipe: ");
    let of_failures: &[&str] = if of_itself {
        &[]
    } else {
        &["call", "errno", "transport"]
    };
    let missing = ["time", "pid", "tid"].iter().chain(of_failures);
    match missing.into_iter().find(|key| event.get(key).is_none()) {
        None => Ok(()),
        Some(key) => Err(format!("no {key}: {event}")),
    }
}
