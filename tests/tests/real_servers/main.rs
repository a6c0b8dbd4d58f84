//! Real servers whose clients vanish. Bare, the server or its worker dies of SIGPIPE. Preloaded, it lives and answers as
//! before, and the log names the clients that vanished and no others.

mod backend;
mod servers;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::clients::{Departure, first_response, half_close, stay, storm, vanish};
use nopipe_tests::event::{self, Event};
use nopipe_tests::library::bare;
use nopipe_tests::program::program;
use nopipe_tests::run::{End, Process};
use nopipe_tests::suite::{Failed, Suite, ensure};
use nopipe_tests::table::Table;
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Library, Profile, library, scratch_dir};

use servers::{SERVERS, Server, Site, Victim};

const CLIENTS: usize = 200;

/// A bare server may survive one storm by luck of timing, but not this many.
const STORMS_MAX: usize = 5;

/// The whole response may be in the kernel's buffers before the client vanishes, and then no write fails. That is luck of
/// timing, so the test tries again.
const TRIES_MAX: usize = 5;

/// At least this many clients must be reported: the burst that the rate limit allows.
const LINES_MIN: usize = 20;

/// How long a line may take to appear, or a server to die.
const SETTLE: Duration = Duration::from_secs(2);

/// More than the kernel buffers on a loopback connection that is not read, and little enough for a worker that ignores
/// errors to reach its end soon.
const BIG: usize = 4_000_000;

/// The server's output goes to this file of its scratch folder.
const OUTPUT: &str = "output";

/// The results of the servers, for the table at the end.
static TABLE: Table<4> = Table::new(["language", "bare", "preloaded", "lines / vanished"]);

fn main() -> ExitCode {
    let mut suite = Suite::new("real_servers");
    suite.build(&[Profile::Release]);
    for server in &SERVERS {
        suite.test(server.name, server.needs, || run(server));
    }
    suite.run_then(|| TABLE.print())
}

fn add_row(server: &Server, bare: &str, preloaded: &str, lines: &str) {
    TABLE.add(server.name, [server.language, bare, preloaded, lines].map(String::from));
}

fn run(server: &Server) -> Result<(), Failed> {
    let scratch = scratch_dir("server");
    fs::write(scratch.path().join("big"), big_file())?;
    let explain = |what: String| format!("{what}\n{}", end_of_output(scratch.path()));
    let (response, death) = run_bare(server, scratch.path()).map_err(|what| explain(format!("bare: {what}")))?;
    add_row(server, &death, "failed", "");
    let lines =
        run_preloaded(server, scratch.path(), &response).map_err(|what| explain(format!("preloaded: {what}")))?;
    add_row(server, &death, "lives", &lines);
    Ok(())
}

fn big_file() -> Vec<u8> {
    let lines = (0..).flat_map(|number| format!("{number:99}\n").into_bytes());
    lines.take(BIG).collect()
}

/// The end of the output of the server that ran last.
fn end_of_output(scratch: &Path) -> String {
    let output = fs::read(scratch.join(OUTPUT)).unwrap_or_default();
    let tail = &output[output.len().saturating_sub(1000)..];
    String::from_utf8_lossy(tail).into_owned()
}

/// Returns the good response, and how the server or a worker died.
fn run_bare(server: &Server, scratch: &Path) -> Result<(Vec<u8>, String), String> {
    let mut running = Running::start(server, scratch, None)?;
    let address = running.address;
    let response = first_response(address, server.request).map_err(|error| error.to_string())?;
    check_half_close(server, address, |answer| undated(answer) == undated(&response))?;
    for storms in 1..=STORMS_MAX {
        storm(address, server.request, CLIENTS, |_| true);
        let end = running.end(match server.victim {
            Victim::Server => SETTLE,
            Victim::Worker => Duration::ZERO,
        })?;
        match (server.victim, end, running.workers_killed()?) {
            (Victim::Server, Some(End::Signal(libc::SIGPIPE)), _) => {
                return Ok((response, format!("server dies in storm {storms}")));
            }
            (Victim::Worker, None, killed @ 1..) => {
                return Ok((response, format!("{killed} workers die")));
            }
            (_, Some(end), _) => return Err(end.to_string()),
            (_, None, _) => {}
        }
    }
    Err("it survived".to_string())
}

/// Runs the server under the library; `good` is the response without it. Returns how many clients were reported.
fn run_preloaded(server: &Server, scratch: &Path, good: &[u8]) -> Result<String, String> {
    let logs = scratch_dir("logs");
    let preload = (library(Profile::Release), logs.path());
    let mut running = Running::start(server, scratch, Some(preload))?;
    let (address, request) = (running.address, server.request);
    let same = |response: &[u8]| undated(response) == undated(good);

    let response = first_response(address, request).map_err(|error| error.to_string())?;
    ensure(same(&response), "another response than bare")?;
    check_half_close(server, address, same)?;

    let mut vanished = Vec::new();
    for how in Departure::ALL {
        let reported = vanish_until_reported(server, address, how, logs.path(), &mut vanished)?;
        let may_stop = how.sends_fin() && !server.answers_after_fin;
        ensure(
            reported || may_stop,
            format_args!("no line for a client that left by: {how}"),
        )?;
    }
    let storm = storm(address, request, CLIENTS, same);
    vanished.extend(storm.vanished);
    let failed = storm.failed.len();
    ensure(
        failed == 0,
        format_args!("{failed} clients failed: {:?}", storm.failed.first()),
    )?;

    let response = stay(address, request).map_err(|error| error.to_string())?;
    ensure(same(&response), "another response after the storm than before")?;
    let end = running.end(Duration::ZERO)?;
    ensure(end.is_none(), format_args!("the server died: {end:?}"))?;
    let killed = running.workers_killed()?;
    ensure(killed == 0, format_args!("{killed} workers died"))?;

    let events = event::read_dir(logs.path())?;
    check_events(&events, &vanished)?;
    Ok(format!("{} / {}", events.len(), vanished.len()))
}

/// A client that half-closes still gets the whole response, if the server serves such clients.
fn check_half_close(server: &Server, address: SocketAddr, whole: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    if !server.answers_after_fin {
        return Ok(());
    }
    let response = half_close(address, server.request).map_err(|error| error.to_string())?;
    ensure(whole(&response), "another response after half-close")
}

/// Lets clients vanish one by one until the log names one of them. All their addresses go to `vanished`.
fn vanish_until_reported(
    server: &Server,
    address: SocketAddr,
    how: Departure,
    logs: &Path,
    vanished: &mut Vec<SocketAddr>,
) -> Result<bool, String> {
    for _ in 0..TRIES_MAX {
        let client = vanish(address, server.request, how).map_err(|error| error.to_string())?;
        vanished.push(client);
        if has_line(logs, client)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the log names `client` within [`SETTLE`].
fn has_line(logs: &Path, client: SocketAddr) -> Result<bool, String> {
    let client = client.to_string();
    let look = || {
        let events = event::read_dir(logs)?;
        let named = events.iter().any(|event| event.get("peer") == Some(&client));
        Ok(named.then_some(true))
    };
    wait_for(SETTLE, || look().transpose()).unwrap_or(Ok(false))
}

/// Many clients are reported; each event is about one that vanished, and is the only one about it.
fn check_events(events: &[Event], vanished: &[SocketAddr]) -> Result<(), String> {
    let vanished: BTreeSet<String> = vanished.iter().map(SocketAddr::to_string).collect();
    let mut connections = BTreeSet::new();
    for event in events {
        let peer = event.get("peer").unwrap_or_default();
        ensure(
            event.message == "peer vanished" && vanished.contains(peer),
            format_args!("a line, but no client vanished: {event}"),
        )?;
        ensure(
            connections.insert(event.get("cookie")),
            format_args!("two lines for one connection: {event}"),
        )?;
    }
    let lines = events.len();
    ensure(lines >= LINES_MIN, format_args!("only {lines} lines"))
}

/// A running server. It and its workers are killed when this goes out of scope.
struct Running {
    process: Process,
    address: SocketAddr,
    trace: PathBuf,
}

impl Running {
    /// Starts the server; under the library, if `preload` gives one and a folder for its logs.
    fn start(server: &Server, scratch: &Path, preload: Option<(&Library, &Path)>) -> Result<Self, String> {
        let site = Site {
            address: free_address().map_err(|error| error.to_string())?,
            folder: scratch.to_path_buf(),
            backend: backend::address(),
        };
        let trace = scratch.join("trace");
        let mut command = server.command(&site);
        match preload {
            Some((library, logs)) => library.preload(&mut command, logs),
            None => bare(&mut command),
        }
        if server.victim == Victim::Worker {
            command = traced(&command, &trace);
        }
        let mut start = || {
            let file = File::create(scratch.join(OUTPUT))?;
            command.stdout(file.try_clone()?).stderr(file);
            Process::spawn(&mut command)
        };
        let process = start().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Running {
            process,
            address: site.address,
            trace,
        })
    }

    /// How the server ended; then its workers are killed too. `None` if it is running after `patience`.
    fn end(&mut self, patience: Duration) -> Result<Option<End>, String> {
        self.process.wait(patience).map_err(|error| error.to_string())
    }

    /// How many workers SIGPIPE has killed.
    fn workers_killed(&self) -> Result<usize, String> {
        match fs::read_to_string(&self.trace) {
            Ok(trace) => Ok(trace.matches("killed by SIGPIPE").count()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The same command under strace, which logs how workers die: their parent may not. With `-D` the tracer runs in the
/// background, so that the server is our child. The tracer itself does not load the library.
fn traced(command: &Command, trace: &Path) -> Command {
    let mut traced = Command::new(program("strace"));
    traced.args(["-D", "-f", "-qq", "-e", "trace=none", "-e", "signal=PIPE", "-o"]);
    traced.arg(trace);
    for (name, value) in command.get_envs() {
        let mut setting = name.to_os_string();
        if let Some(value) = value {
            setting.push("=");
            setting.push(value);
        }
        traced.arg("-E").arg(setting);
    }
    traced.arg(command.get_program()).args(command.get_args());
    bare(&mut traced);
    traced
}

/// An address of the loopback interface with a port that is free now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The response without its `Date:` header, the only thing in it that may differ from one to the next.
fn undated(response: &[u8]) -> Vec<&[u8]> {
    response
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b"Date: "))
        .collect()
}
