//! Hundreds of players leave at once. journald limits the lines of each service and drops the rest, the server's own lines
//! among them. The library stays below that limit, and counts exactly the lines that it left out.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use nopipe_tests::clients::Departure;
use nopipe_tests::suite::ensure;
use serde_json::Value;

use crate::case::{Test, test};
use crate::journal::{NOTICE, PEER_VANISHED, field, number};
use crate::machine::{Machine, wait_for};
use crate::unit::{JOIN, SERVER, Unit};

const CLIENTS: usize = 600;

/// journald's limit for the service: far lower than its default (10000 in 30 s), so that few clients are enough to exceed
/// it. A machine with a hundred such services would exceed the default.
const LIMIT: &str = "LogRateLimitIntervalSec=3s\nLogRateLimitBurst=100";

/// A little longer than the interval of [`LIMIT`]: journald reports its dropped lines with the next line after that.
const INTERVAL: Duration = Duration::from_millis(3200);

pub fn tests() -> Vec<Test> {
    vec![
        test(format!("flood: {CLIENTS} players leave at once"), stays_below),
        test("flood: without our limit journald's own sets in", goes_beyond),
    ]
}

fn stays_below(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "flood", LIMIT)?;
    unit.protect("")?;
    flood(&unit)?;
    // The line of this client counts the lines that the flood left out.
    let last = unit.client_vanishes(Departure::Reset)?;
    let port = format!("NOPIPE_PEER_PORT={}", last.port());
    unit.events(1, &[PEER_VANISHED, &port])?;
    let events = unit.events(1, &[PEER_VANISHED])?;
    // The line that announces the flood counts the first one that was left out.
    let announced = unit.events(1, &[NOTICE])?;
    let lines = [events.as_slice(), &announced].concat();
    let left_out = sum(&lines, "NOPIPE_SUPPRESSED")? + sum(&lines, "NOPIPE_DROPPED")?;
    let counted = (events.len(), left_out);
    ensure(events.len() + left_out == CLIENTS + 1, format!("{counted:?}"))?;
    ensure((20..100).contains(&events.len()), format!("{counted:?}"))?;
    counters_agree(&unit, events.len(), left_out)?;
    println!("    {CLIENTS} players: {} lines, {left_out} left out", events.len());
    let suppressed = suppressed_by_journald(machine, &unit)?;
    ensure(suppressed.is_empty(), format!("{suppressed:?}"))?;
    unit.answers()?;
    ensure(unit.fate()?.active, "the server is dead")
}

/// The counters that `nopipe status` reads from the server's memory agree with the journal.
fn counters_agree(unit: &Unit, lines: usize, left_out: usize) -> Result<(), String> {
    let pid = unit.fate()?.main_pid;
    let text = unit.machine.run(&format!("nopipe status --json {pid}"))?;
    let status: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    let counter = |name: &str| status[0][name].as_u64().ok_or(format!("no {name} in {text}"));
    let counted = [
        counter("connections")?,
        counter("lines")?,
        counter("suppressed")? + counter("dropped")?,
    ];
    ensure(
        counted == [CLIENTS + 1, lines, left_out].map(|count| count as u64),
        &text,
    )
}

fn goes_beyond(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "no-limit", LIMIT)?;
    unit.protect("Environment=NOPIPE_RATE=1000000/1000000")?;
    flood(&unit)?;
    unit.client_vanishes(Departure::Reset)?;
    wait_for("journald's own line about the limit", || {
        Ok(Some(suppressed_by_journald(machine, &unit)?).filter(|lines| !lines.is_empty()))
    })?;
    unit.answers()
}

/// All clients join, and all leave. Then the interval of journald's limit passes without a line.
fn flood(unit: &Unit) -> Result<(), String> {
    let played = unit.machine.in_network(|| {
        let players: Vec<TcpStream> = (0..CLIENTS).map(|_| join()).collect::<io::Result<_>>()?;
        drop(players);
        Ok(())
    });
    played.map_err(|error| error.to_string())?;
    thread::sleep(INTERVAL);
    Ok(())
}

/// A player that has received its first tick.
fn join() -> io::Result<TcpStream> {
    let mut player = TcpStream::connect(SERVER)?;
    player.set_read_timeout(Some(Duration::from_secs(10)))?;
    player.write_all(JOIN)?;
    player.read_exact(&mut [0; 7])?;
    Ok(player)
}

fn sum(events: &[Value], name: &str) -> Result<usize, String> {
    let with_it = events.iter().filter(|event| !event[name].is_null());
    with_it.map(|event| number(event, name)).sum()
}

/// journald's own lines about lines of the service that it dropped.
fn suppressed_by_journald(machine: &Machine, unit: &Unit) -> Result<Vec<String>, String> {
    let entries = machine.journal(&["SYSLOG_IDENTIFIER=systemd-journald"])?;
    let messages = entries.iter().map(|entry| field(entry, "MESSAGE").map(String::from));
    let messages: Vec<String> = messages.collect::<Result<_, _>>()?;
    let about = |message: &String| message.starts_with("Suppressed ") && message.contains(&unit.name);
    Ok(messages.into_iter().filter(about).collect())
}
