//! Workers that never look at the result of a write, as a super-server starts them: `while :; do echo x; done`, 200 times.
//! Bare, SIGPIPE ends each when its client goes. Under the library each must end too: no worker may be left.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nopipe_tests::event;
use nopipe_tests::library::bare;
use nopipe_tests::program::program;
use nopipe_tests::run::{End, Process};
use nopipe_tests::suite::{Failed, Need, Suite};
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Profile, library, scratch_dir};

const CLIENTS: usize = 200;
/// When the last client has gone, the last worker ends within this time: it is judged after five seconds, and 200 that
/// write as quickly as they can need a while for anything.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(20);

const WORKER: &str = "while :; do echo x; done";
const SHELLS: [&str; 2] = ["dash", "bash"];

fn main() -> ExitCode {
    let mut suite = Suite::new("runaway");
    for shell in SHELLS {
        let needs = [Need::Program(shell, shell), Need::Program("tcpserver", "ucspi-tcp")];
        for (how, preloaded) in [("bare", false), ("preloaded", true)] {
            suite.test(format!("{how}: {shell} workers"), &needs[..1], move || {
                workers_of_ours(shell, preloaded)
            });
            suite.test(format!("{how}: {shell} workers of a tcpserver"), &needs, move || {
                workers_of_tcpserver(shell, preloaded)
            });
        }
    }
    suite.run()
}

fn prepare(command: &mut Command, preloaded: bool, logs: &Path) {
    match preloaded {
        true => library(Profile::Release).preload(command, logs),
        false => bare(command),
    }
}

/// Waits for the first bytes, and vanishes.
fn vanish(mut client: TcpStream) -> io::Result<SocketAddr> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.read_exact(&mut [0; 2])?;
    client.local_addr()
}

/// Each worker logs one line, about its client: that it ends is no news.
fn check_lines(logs: &Path, clients: &[SocketAddr]) -> Result<(), Failed> {
    let events = event::read_dir(logs)?;
    let mut named: Vec<_> = events
        .iter()
        .filter_map(|event| event.get("peer"))
        .map(String::from)
        .collect();
    let mut expected: Vec<_> = clients.iter().map(SocketAddr::to_string).collect();
    named.sort();
    expected.sort();
    match named == expected && events.len() == clients.len() {
        true => Ok(()),
        false => Err(format!("{} lines, {} peers: {:?}", events.len(), named.len(), events.first()).into()),
    }
}

/// The connection, which is made here, is standard input and output of the worker.
fn workers_of_ours(shell: &str, preloaded: bool) -> Result<(), Failed> {
    let logs = scratch_dir("logs");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut workers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = TcpStream::connect(listener.local_addr()?)?;
        let connection = OwnedFd::from(listener.accept()?.0);
        let mut command = Command::new(program(shell));
        prepare(&mut command, preloaded, logs.path());
        command.args(["-c", WORKER]).stderr(Stdio::null());
        command.stdin(connection.try_clone()?).stdout(connection);
        workers.push(Process::spawn(&mut command)?);
        drop(command); // with its copies of the connection
        clients.push(vanish(client)?);
    }
    let deadline = Instant::now() + ENDS_WITHIN;
    for worker in &mut workers {
        let end = worker.wait(deadline.saturating_duration_since(Instant::now()))?;
        if end != Some(End::Signal(libc::SIGPIPE)) {
            return Err(format!("a worker: {end:?}").into());
        }
    }
    match preloaded {
        true => check_lines(logs.path(), &clients),
        false => Ok(()),
    }
}

/// tcpserver(1) from ucspi-tcp logs how each of its workers ends.
fn workers_of_tcpserver(shell: &str, preloaded: bool) -> Result<(), Failed> {
    let logs = scratch_dir("logs");
    let output = scratch_dir("output");
    let (port, ends) = (output.path().join("port"), output.path().join("ends"));
    let mut command = Command::new(program("tcpserver"));
    prepare(&mut command, preloaded, logs.path());
    command.args(["-1vHRl0", "-c", "200", "127.0.0.1", "0", shell, "-c"]);
    command.arg(format!("exec 2>/dev/null; {WORKER}"));
    command
        .stdin(Stdio::null())
        .stdout(File::create(&port)?)
        .stderr(File::create(&ends)?);
    let mut server = Process::spawn(&mut command)?;
    let port = wait_for(PATIENCE, || fs::read_to_string(&port).ok()?.trim().parse::<u16>().ok());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.ok_or("tcpserver prints no port")?));

    let clients: io::Result<Vec<_>> = (0..CLIENTS).map(|_| vanish(TcpStream::connect(address)?)).collect();
    let clients = clients?;
    let all = wait_for(ENDS_WITHIN, || {
        let text = fs::read_to_string(&ends).ok()?;
        (text.lines().filter(|line| line.starts_with("tcpserver: end ")).count() == CLIENTS).then_some(text)
    });
    let all = all.ok_or("workers are left")?;
    // A wait status: 13 is death by SIGPIPE.
    let killed = all.lines().filter(|line| line.ends_with("status 13")).count();
    if killed != CLIENTS || !server.is_alive() {
        return Err(format!("{killed} workers ended by SIGPIPE").into());
    }
    match preloaded {
        true => check_lines(logs.path(), &clients),
        false => Ok(()),
    }
}
