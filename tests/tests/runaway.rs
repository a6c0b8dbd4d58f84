//! Workers that never look at the result of a write, as started by a super-server: `while :; do echo x; done`, 200 times.
//! Bare, SIGPIPE ends each when its client goes. With the library it must, too: no worker may be left.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nopipe_tests::event;
use nopipe_tests::library::bare;
use nopipe_tests::run::{End, Process};
use nopipe_tests::{Profile, library, scratch_dir};

const CLIENTS: usize = 200;
/// When the last client has gone, the last worker ends within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);

const WORKER: &str = "while :; do echo x; done";
const SHELLS: [&str; 2] = ["dash", "bash"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for shell in SHELLS {
        for (how, preloaded) in [("bare", false), ("preloaded", true)] {
            let workers = move || workers_of_ours(shell, preloaded);
            trials.push(trial(format!("{how}: {shell} workers"), &[shell], workers));
            let workers = move || workers_of_tcpserver(shell, preloaded);
            let name = format!("{how}: {shell} workers of a tcpserver");
            trials.push(trial(name, &[shell, "tcpserver"], workers));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Skipped, by name, where one of the programs is missing.
fn trial(name: String, programs: &[&str], test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    match programs.iter().find(|program| !exists(program)) {
        None => Trial::test(name, test),
        Some(missing) => Trial::test(format!("{name} (SKIPPED: no {missing})"), test).with_ignored_flag(true),
    }
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
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

/// Each reports its client and that it runs away, and has no more to say.
fn check_lines(logs: &Path, clients: &[SocketAddr]) -> Result<(), Failed> {
    let events = event::read_dir(logs)?;
    let (warnings, peers): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.message.contains("runaway"));
    let mut named: Vec<_> = peers
        .iter()
        .filter_map(|event| event.get("peer"))
        .map(String::from)
        .collect();
    let mut expected: Vec<_> = clients.iter().map(SocketAddr::to_string).collect();
    named.sort();
    expected.sort();
    match named == expected && warnings.len() == clients.len() {
        true => Ok(()),
        false => Err(format!(
            "{} peers, {} warnings: {:?}",
            named.len(),
            warnings.len(),
            events.first()
        )
        .into()),
    }
}

/// Standard input and output of each worker is the connection, made here.
fn workers_of_ours(shell: &str, preloaded: bool) -> Result<(), Failed> {
    let logs = scratch_dir("logs");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut workers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = TcpStream::connect(listener.local_addr()?)?;
        let connection = OwnedFd::from(listener.accept()?.0);
        let mut command = Command::new(shell);
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

/// tcpserver(1) from ucspi-tcp tells how each of its workers ends.
fn workers_of_tcpserver(shell: &str, preloaded: bool) -> Result<(), Failed> {
    let logs = scratch_dir("logs");
    let said = scratch_dir("said");
    let (port, ends) = (said.path().join("port"), said.path().join("ends"));
    let mut command = Command::new("tcpserver");
    prepare(&mut command, preloaded, logs.path());
    command.args(["-1vHRl0", "-c", "200", "127.0.0.1", "0", shell, "-c"]);
    command.arg(format!("exec 2>/dev/null; {WORKER}"));
    command
        .stdin(Stdio::null())
        .stdout(File::create(&port)?)
        .stderr(File::create(&ends)?);
    let mut server = Process::spawn(&mut command)?;
    let port = wait_for(PATIENCE, || fs::read_to_string(&port).ok()?.trim().parse::<u16>().ok());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.ok_or("tcpserver tells no port")?));

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

fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
