//! The events in the journal, and how `journalctl` finds them.

use std::collections::BTreeSet;
use std::fs;

use nopipe_tests::c_program::c_program;
use nopipe_tests::clients::Departure;
use nopipe_tests::event::Event;
use nopipe_tests::suite::ensure;
use nopipe_tests::workspace;
use serde_json::Value;

use crate::case::{Test, test};
use crate::machine::Machine;
use crate::unit::{PROGRAM, SERVER, Unit};

/// Matches every event of a connection.
pub const PEER_VANISHED: &str = "MESSAGE_ID=5b3f4d2a9c1e4e7f8a6d0b9c7e5f3a21";

/// Matches the lines that the library logs about itself.
pub const NOTICE: &str = "MESSAGE_ID=c0d7a94e6b2f4f0c9e8b1a3d5f7c2e64";

/// The fields of a TCP peer's event. `errno` is there twice, as a name and as a number.
const TCP_FIELDS: [&str; 17] = [
    "NOPIPE_CALL",
    "NOPIPE_CAUSE",
    "NOPIPE_COOKIE",
    "NOPIPE_DELIVERED",
    "NOPIPE_ERRNO",
    "NOPIPE_FD",
    "NOPIPE_IDLE_MS",
    "NOPIPE_LOCAL_ADDR",
    "NOPIPE_LOCAL_PORT",
    "NOPIPE_PEER_ADDR",
    "NOPIPE_PEER_PORT",
    "NOPIPE_RTT_US",
    "NOPIPE_TID",
    "NOPIPE_TRANSPORT",
    "NOPIPE_UNDELIVERED",
    "ERRNO",
    "SYSLOG_IDENTIFIER",
];

const UNIX_FIELDS: [&str; 3] = ["NOPIPE_PEER_PID", "NOPIPE_PEER_UID", "NOPIPE_PEER_COMM"];

pub fn tests() -> Vec<Test> {
    vec![
        test("journal: every field of a TCP peer", tcp_fields),
        test("journal: unix peers with any name", unix_fields),
        test("journal: the library's warnings", notices),
        test("journalctl: finds by MESSAGE_ID and by address", found),
        test("journalctl -x: the catalog explains", explained),
    ]
}

/// A field's text. journald gives everything as text.
pub fn field<'e>(entry: &'e Value, name: &str) -> Result<&'e str, String> {
    entry[name].as_str().ok_or_else(|| format!("no {name} in {entry}"))
}

pub fn number(entry: &Value, name: &str) -> Result<usize, String> {
    field(entry, name)?
        .parse()
        .map_err(|error| format!("{name}: {error}: {entry}"))
}

fn tcp_fields(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "tcp-fields", "")?;
    unit.protect("")?;
    let client = unit.client_vanishes(Departure::Reset)?;
    let events = unit.events(1, &[PEER_VANISHED])?;
    let [entry] = &events[..] else {
        return Err(format!("not one event: {events:?}"));
    };
    let names: BTreeSet<&str> = names(entry).collect();
    ensure(names == BTreeSet::from(TCP_FIELDS), format!("{names:?}"))?;
    let (pid, peer, local) = (unit.fate()?.main_pid, client.port(), SERVER.port());
    for (name, value) in [
        ("NOPIPE_PEER_ADDR", &client.ip().to_string()),
        ("NOPIPE_PEER_PORT", &peer.to_string()),
        ("NOPIPE_LOCAL_ADDR", &SERVER.ip().to_string()),
        ("NOPIPE_LOCAL_PORT", &local.to_string()),
        ("NOPIPE_CALL", &"write".to_string()),
        ("NOPIPE_TRANSPORT", &"tcp".to_string()),
        ("SYSLOG_IDENTIFIER", &PROGRAM.to_string()),
        ("_TRANSPORT", &"journal".to_string()),
        ("_SYSTEMD_UNIT", &unit.name),
        ("_PID", &pid.to_string()),
    ] {
        ensure(field(entry, name)? == value, format!("{name} is not {value}: {entry}"))?;
    }
    let errno = match field(entry, "NOPIPE_CAUSE")? {
        "reset" => ("ECONNRESET", libc::ECONNRESET),
        "closed" => ("EPIPE", libc::EPIPE),
        other => return Err(format!("cause {other}: {entry}")),
    };
    let logged = (field(entry, "NOPIPE_ERRNO")?, number(entry, "ERRNO")? as i32);
    ensure(logged == errno, format!("{logged:?}"))?;
    let priority = match number(entry, "NOPIPE_UNDELIVERED")? {
        0 => "6",
        _ => "5",
    };
    ensure(field(entry, "PRIORITY")? == priority, entry)?;
    is_as_in_message(entry)
}

/// The names of the fields that the library sets.
fn names(entry: &Value) -> impl Iterator<Item = &str> {
    let names = entry.as_object().into_iter().flat_map(|entry| entry.keys());
    names
        .map(String::as_str)
        .filter(|name| name.starts_with("NOPIPE_") || ["ERRNO", "SYSLOG_IDENTIFIER"].contains(name))
}

/// MESSAGE is the text line without the fields that journald adds itself; each of its fields is a field of the entry.
fn is_as_in_message(entry: &Value) -> Result<(), String> {
    let event = Event::parse(field(entry, "MESSAGE")?)?;
    ensure(event.fields.len() >= 9, &event)?;
    for (key, value) in &event.fields {
        let same = match key.as_str() {
            "peer" | "local" => {
                let name = format!("NOPIPE_{}", key.to_uppercase());
                match (
                    entry[format!("{name}_ADDR")].as_str(),
                    entry[format!("{name}_PORT")].as_str(),
                ) {
                    (Some(address), Some(port)) => *value == format!("{address}:{port}"),
                    (Some(address), None) => value == address,
                    // There is no address.
                    (None, _) => value == "unnamed",
                }
            }
            _ => field(entry, &format!("NOPIPE_{}", key.to_uppercase()))? == value,
        };
        ensure(same, format!("{key}: {entry}"))?;
    }
    Ok(())
}

fn unix_fields(machine: &Machine) -> Result<(), String> {
    machine.install(&c_program("unix_peer"), "/usr/local/bin/unix_peer")?;
    for (number, case) in ["path", "awkward", "abstract", "unnamed", "seqpacket"]
        .iter()
        .enumerate()
    {
        machine.run(&format!(
            "systemd-run --quiet --wait --working-directory=/tmp --property=IgnoreSIGPIPE=no \
             --setenv=LD_PRELOAD=libnopipe.so /usr/local/bin/unix_peer {case}"
        ))?;
        // Not by _SYSTEMD_UNIT: the program may have ended before journald looks up its unit.
        let entries = machine.journal(&["SYSLOG_IDENTIFIER=unix_peer", PEER_VANISHED])?;
        let (Some(entry), true) = (entries.last(), entries.len() == number + 1) else {
            return Err(format!("{case}: not one event more: {entries:?}"));
        };
        for name in UNIX_FIELDS {
            field(entry, name)?;
        }
        ensure(field(entry, "NOPIPE_PEER_COMM")? == "gone peer", entry)?;
        is_as_in_message(entry)?;
    }
    Ok(())
}

fn notices(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "notices", "")?;
    unit.protect("Environment=NOPIPE_LEVEL=loud")?;
    let entries = unit.events(1, &[NOTICE])?;
    let [entry] = &entries[..] else {
        return Err(format!("not one notice: {entries:?}"));
    };
    ensure(field(entry, "PRIORITY")? == "4", entry)?;
    let message = field(entry, "MESSAGE")?;
    let named = message.contains("NOPIPE_LEVEL") && message.contains("loud");
    ensure(named, message)
}

fn found(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "found", "")?;
    unit.protect("")?;
    let clients = [Departure::Reset, Departure::CloseEarly].map(|how| unit.client_vanishes(how));
    unit.events(clients.len(), &[PEER_VANISHED])?;
    for client in clients {
        let client = client?;
        let address = format!("NOPIPE_PEER_ADDR={}", client.ip());
        let port = format!("NOPIPE_PEER_PORT={}", client.port());
        let of_unit = format!("_SYSTEMD_UNIT={}", unit.name);
        let entries = machine.journal(&[&of_unit, PEER_VANISHED, &address, &port])?;
        ensure(entries.len() == 1, format!("{client}: {entries:?}"))?;
    }
    let nobody = machine.journal(&["NOPIPE_PEER_ADDR=203.0.113.7"])?;
    ensure(nobody.is_empty(), format!("{nobody:?}"))?;
    // All events of all services, by their MESSAGE_ID.
    let all = machine.journal(&[PEER_VANISHED])?;
    ensure(
        all.iter().all(|entry| entry["NOPIPE_CAUSE"].is_string()),
        format!("{all:?}"),
    )
}

/// The shipped catalog, installed as a user would.
fn explained(machine: &Machine) -> Result<(), String> {
    let catalog = fs::read(workspace().join("dist/nopipe.catalog")).map_err(|error| error.to_string())?;
    machine.write("/usr/lib/systemd/catalog/nopipe.catalog", catalog)?;
    machine.run("journalctl --update-catalog")?;
    let unit = Unit::start(machine, "explained", "")?;
    unit.protect("Environment=NOPIPE_LEVEL=loud")?;
    let client = unit.client_vanishes(Departure::Reset)?;
    unit.events(1, &[NOTICE])?;
    unit.events(1, &[PEER_VANISHED])?;
    let explained = machine.run(&format!("journalctl -x --no-pager -u {}", unit.name))?;
    for part in [
        format!("peer={client} "),
        format!("Subject: A peer of {PROGRAM} vanished"),
        "Subject: libnopipe has a remark".to_string(),
    ] {
        ensure(explained.contains(&part), format!("no {part:?} in {explained}"))?;
    }
    // No variable of the catalog is left unfilled.
    let left: Vec<&str> = explained.lines().filter(|line| line.contains("@NOPIPE_")).collect();
    ensure(left.is_empty(), format!("{left:?}"))
}
