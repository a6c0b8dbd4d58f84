//! Where the lines go (`NOPIPE_LOG`), and in which form: each sink gets the right line, and nothing waits for a sink that
//! is full or dead or has the wrong type.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::iter;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::c_program::{self, c_program};
use nopipe_tests::event::{Event, FLOOD, SUMMARY};
use nopipe_tests::namespace::{own_mounts, started_by, with_dev};
use nopipe_tests::run::{End, Outcome, Process, dead_pipe, run};
use nopipe_tests::suite::Need::{OwnMounts, Root};
use nopipe_tests::suite::{Failed, Need, Row, Suite, ensure};
use nopipe_tests::{Profile, library, scratch_dir};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(20);

/// These put a `log` socket of their own in the place of `/dev/log`.
const DEV_LOG: &[Need] = &[Root, OwnMounts];

const TESTS: &[Row] = &[
    ("file: one file, appended to, mode 0640", &[], file_is_appended),
    ("file: only a regular file is written", &[], only_regular_files),
    ("file: json", &[], json),
    (
        "file: a handler that jumps out of a report leaves nothing open",
        &[],
        jumps_out,
    ),
    ("file: one line each for more peers than are remembered", &[], crowd),
    ("file: a flood is counted to the last event", &[], flood),
    ("stderr: the line, and nothing on stdout", &[], stderr),
    ("stderr: a dead pipe", &[], dead_stderr),
    ("stderr: a full pipe", &[], full_stderr),
    ("stderr: a terminal that nobody reads", &[], full_terminal),
    (
        "auto: the terminal of a background job, stty tostop",
        &[],
        background_job,
    ),
    ("stderr: a socket is a client, not a log", &[], stderr_is_a_client),
    (
        "stderr: the socket that $JOURNAL_STREAM names is a log",
        &[],
        stderr_is_the_journal,
    ),
    ("syslog: a datagram", DEV_LOG, syslog_datagram),
    ("syslog: a stream", DEV_LOG, syslog_stream),
    ("syslog: a listener that reads nothing", DEV_LOG, syslog_full),
    (
        "syslog: a flood over a listener that has stopped",
        DEV_LOG,
        flood_of_a_stopped_listener,
    ),
    ("syslog: no listener", DEV_LOG, syslog_absent),
    (
        "auto: /dev/log before a stderr that is no terminal",
        DEV_LOG,
        auto_is_syslog,
    ),
    ("auto: stderr where there is no /dev/log", DEV_LOG, auto_is_stderr),
    (
        "auto: /dev/log when stderr is no longer the terminal it was",
        DEV_LOG,
        replaced_terminal,
    ),
    ("AT_SECURE: the environment sets nothing", DEV_LOG, secure_process),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("sinks");
    suite.tests(TESTS);
    suite.run()
}

/// One peer vanishes, and its address is on standard output.
const ONE: &str = "vanished_tcp write v4";

/// `line`, a C program and its arguments, under the library with `NOPIPE_LOG=log`.
fn command(line: &str, log: &str) -> Command {
    let mut command = c_program::command(line);
    library(Profile::Release).preload(&mut command, Path::new("/"));
    command.env("NOPIPE_LOG", log);
    command
}

/// The same without a rate limit: every one of many peers is reported.
fn unlimited(line: &str, log: &str) -> Command {
    let mut command = command(line, log);
    command.env("NOPIPE_RATE", "1000000/1000000");
    command
}

fn succeeds(command: &mut Command) -> Result<Outcome, Failed> {
    let outcome = run(command, TIMEOUT)?;
    match outcome.end {
        End::Exit(0) => Ok(outcome),
        _ => Err(format!("{outcome:?}").into()),
    }
}

/// Runs it with this standard error; it must succeed.
fn succeeds_with_stderr(command: &mut Command, stderr: impl Into<Stdio>) -> Result<(), Failed> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    match Process::spawn(command)?.wait(TIMEOUT)? {
        Some(End::Exit(0)) => Ok(()),
        end => Err(format!("{end:?}").into()),
    }
}

/// The lines of a text log without the summary at exit.
fn events(text: &str) -> Vec<&str> {
    let is_summary = |line: &&str| line.starts_with("libnopipe: summary ");
    text.lines().filter(|line| !is_summary(line)).collect()
}

/// Checks that `text` is one event, about the peer that the program has printed on `output`.
fn is_the_event(text: &str, output: &str) -> Result<(), Failed> {
    let [line] = *events(text) else {
        return Err(format!("not one line: {text:?}").into());
    };
    let event = Event::parse(line)?;
    let peer = event.get("peer").ok_or("no peer")?;
    Ok(ensure(
        event.message == "peer vanished" && output.contains(&format!("peer={peer} ")),
        line,
    )?)
}

fn file_is_appended() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("50%.log");
    let log = format!("file:{}/50%%.log", dir.path().display());
    for round in 1..=2 {
        succeeds(&mut command(ONE, &log))?;
        ensure(events(&fs::read_to_string(&path)?).len() == round, "one line a run")?;
    }
    let mode = fs::metadata(&path)?.permissions().mode() & 0o7777;
    Ok(ensure(mode & !0o640 == 0, format!("mode {mode:o}"))?)
}

fn only_regular_files() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let (target, link, fifo) = ("target.log", "link.log", "fifo.log");
    File::create(dir.path().join(target))?;
    symlink(target, dir.path().join(link))?;
    let made = Command::new("mkfifo").arg(dir.path().join(fifo)).status()?;
    ensure(made.success(), "mkfifo")?;
    // With a reader, so that opening it would succeed.
    let mut reader = File::options().read(true).write(true).open(dir.path().join(fifo))?;
    for name in [link, fifo, ".", "missing/x.log"] {
        succeeds(&mut command(ONE, &format!("file:{}/{name}", dir.path().display())))?;
    }
    ensure(
        fs::metadata(dir.path().join(target))?.len() == 0,
        "written through a link",
    )?;
    reader.write_all(b"nothing before this")?;
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(ensure(&bytes == b"noth", "written to a fifo")?)
}

fn json() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    let mut command = command(ONE, &format!("file:{}", path.display()));
    let outcome = succeeds(command.env("NOPIPE_FORMAT", "json"))?;
    let text = fs::read_to_string(path)?;
    // One event: a summary would say the same again.
    ensure(text.ends_with('\n') && text.lines().count() == 1, &text)?;
    let event: Value = serde_json::from_str(&text)?;
    let address = &event["network.peer.address"];
    let port = event["network.peer.port"].as_u64().ok_or("the port is a number")?;
    ensure(
        address == "127.0.0.1" && outcome.stdout.contains(&format!(":{port} ")),
        &text,
    )?;
    let numbers = ["pid", "tid", "fd", "rtt_us", "idle_ms", "network.local.port"];
    ensure(numbers.iter().all(|&name| event[name].is_u64()), &text)?;
    for (name, value) in [
        ("message", "peer vanished"),
        ("error.type", "EPIPE"),
        ("network.transport", "tcp"),
        ("cause", "closed"),
        ("call", "write"),
        ("program", "vanished_tcp"),
    ] {
        ensure(event[name] == value, format!("{name}: {text}"))?;
    }
    Ok(ensure(event["delivered"] == 50 && event["undelivered"] == 100, text)?)
}

fn jumps_out() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    succeeds(&mut unlimited("jumps_out", &format!("file:{}", path.display())))?;
    // No line is cut short.
    for line in fs::read_to_string(path)?.lines() {
        Event::parse(line)?;
    }
    Ok(())
}

fn crowd() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    let outcome = succeeds(&mut unlimited("crowd", &format!("file:{}", path.display())))?;
    let Account { peers, lines, .. } = Account::of(&outcome)?;
    ensure(lines == peers, "a line for each")?;
    let text = fs::read_to_string(path)?;
    let cookie = |line| -> Option<String> { Event::parse(line).ok()?.fields.remove("cookie") };
    let cookies: Vec<String> = text.lines().filter_map(cookie).collect();
    let distinct = cookies.iter().collect::<HashSet<_>>().len();
    let found = format!("{} lines about {distinct} of {peers} peers", cookies.len());
    Ok(ensure(cookies.len() == peers && distinct == peers, found)?)
}

/// The counts that `crowd` prints.
struct Account {
    peers: usize,
    lines: usize,
    suppressed: usize,
    dropped: usize,
}

impl Account {
    fn of(outcome: &Outcome) -> Result<Account, Failed> {
        let numbers: Result<Vec<usize>, _> = outcome.stdout.split_whitespace().map(str::parse).collect();
        match *numbers? {
            [peers, lines, suppressed, dropped] if peers == lines + suppressed + dropped => Ok(Account {
                peers,
                lines,
                suppressed,
                dropped,
            }),
            _ => Err(format!("does not add up: {}", outcome.stdout).into()),
        }
    }
}

/// Ten thousand peers at once under the usual rate limit: lines + suppressed + dropped = events, in the counters, in the
/// log as it grows, and in the summary at exit.
fn flood() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    let outcome = succeeds(&mut command("crowd", &format!("file:{}", path.display())))?;
    let account = Account::of(&outcome)?;
    ensure(account.suppressed > 0 && account.dropped == 0, &outcome.stdout)?;
    let events: Vec<Event> = fs::read_to_string(path)?
        .lines()
        .map(Event::parse)
        .collect::<Result<_, _>>()?;
    let number = |event: &Event, key| event.get(key).map_or(Ok(0), str::parse::<usize>);
    let (summary, lines) = events.split_last().ok_or("no line")?;
    // Without a pause in which the bucket fills up it is one flood.
    let floods = lines.iter().filter(|line| line.message == FLOOD).count();
    ensure(floods == 1, format!("{floods} beginnings of a flood"))?;
    ensure(lines.len() - floods == account.lines, "as many lines as counted")?;
    let logged: usize = lines.iter().flat_map(|line| number(line, "suppressed")).sum();
    ensure(
        logged <= account.suppressed,
        "the lines count no more than were suppressed",
    )?;
    Ok(ensure(
        summary.message == SUMMARY
            && number(summary, "connections")? == account.peers
            && number(summary, "lines")? == account.lines
            && number(summary, "suppressed")? == account.suppressed
            && number(summary, "dropped")? == account.dropped,
        format!("{summary:?}"),
    )?)
}

/// The same without a rate limit, and the listener has stopped reading: the lines that its queue does not take are dropped.
fn flood_of_a_stopped_listener() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let listener = UnixDatagram::bind(dev.path().join("log"))?;
    let outcome = succeeds(&mut with_dev(&unlimited("crowd", "syslog"), dev.path()))?;
    let account = Account::of(&outcome)?;
    ensure(
        account.lines > 0 && account.dropped > 0 && account.suppressed == 0,
        &outcome.stdout,
    )?;
    listener.set_nonblocking(true)?;
    let received = iter::from_fn(|| listener.recv(&mut [0; 2048]).ok()).count();
    Ok(ensure(
        received == account.lines,
        format!("{received} received, {}", outcome.stdout),
    )?)
}

fn stderr() -> Result<(), Failed> {
    let outcome = succeeds(&mut command(ONE, "stderr"))?;
    is_the_event(&outcome.stderr, &outcome.stdout)?;
    Ok(ensure(outcome.stdout.lines().count() == 1, outcome.stdout)?)
}

fn dead_stderr() -> Result<(), Failed> {
    succeeds_with_stderr(&mut command("no_trace 100", "stderr"), dead_pipe()?)
}

fn full_stderr() -> Result<(), Failed> {
    let (_reader, writer) = io::pipe()?;
    succeeds_with_stderr(&mut command("no_trace 100", "stderr"), writer.try_clone()?)?;
    // A hundred lines do not fill it. These do.
    let flags = rustix::fs::fcntl_getfl(&writer)?;
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK)?;
    while (&writer).write(&[0; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags)?;
    succeeds_with_stderr(&mut command("no_trace 100", "stderr"), writer)
}

/// A new terminal: the test's end, and the end for programs.
fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    Ok((ours, theirs))
}

/// Everything that was written to the terminal. No program has it open any more.
fn shown(ours: OwnedFd) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let timeout = Timespec::try_from(TIMEOUT).map_err(io::Error::other)?;
    while poll(&mut [PollFd::new(&ours, PollFlags::IN)], Some(&timeout))? > 0 {
        match rustix::io::read(&ours, &mut buffer) {
            // EIO is the terminal's end of file.
            Ok(0) | Err(rustix::io::Errno::IO) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn full_terminal() -> Result<(), Failed> {
    let (_never_read, theirs) = terminal()?;
    succeeds_with_stderr(&mut unlimited("no_trace 600", "stderr"), theirs)
}

/// With `stty tostop` a background job that writes to its terminal is stopped by SIGTTOU. The library's line must not
/// stop a program that writes nothing.
fn background_job() -> Result<(), Failed> {
    const SCRIPT: &str = "stty tostop && set -m && { LD_PRELOAD=$PRELOAD \"$@\" & } && wait $!";
    let (ours, theirs) = terminal()?;
    let mut stdout = tempfile::tempfile()?;
    let mut tools = Command::new("setsid");
    tools.args(["--ctty", "--wait", "sh", "-c", SCRIPT, "sh"]);
    let mut command = started_by(tools, &command(ONE, "auto"));
    command
        .stdin(theirs.try_clone()?)
        .stdout(stdout.try_clone()?)
        .stderr(theirs);
    let end = Process::spawn(&mut command)?.wait(TIMEOUT)?;
    drop(command);
    ensure(end == Some(End::Exit(0)), format!("{end:?}"))?;
    let mut output = String::new();
    stdout.rewind()?;
    stdout.read_to_string(&mut output)?;
    is_the_event(&shown(ours)?, &output)
}

/// The bytes that the library writes to a standard error that is a socket.
fn written_to_socket(journal_stream: impl FnOnce(&File) -> io::Result<String>) -> Result<String, Failed> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = File::from(OwnedFd::from(theirs));
    let mut command = command(ONE, "stderr");
    command.env("JOURNAL_STREAM", journal_stream(&theirs)?);
    succeeds_with_stderr(&mut command, theirs)?;
    drop(command);
    let mut text = String::new();
    (&ours).take(65536).read_to_string(&mut text)?;
    Ok(text)
}

fn stderr_is_a_client() -> Result<(), Failed> {
    let text = written_to_socket(|_| Ok("1:2".to_string()))?;
    Ok(ensure(text.is_empty(), text)?)
}

fn stderr_is_the_journal() -> Result<(), Failed> {
    let text = written_to_socket(|file| {
        let stat = file.metadata()?;
        Ok(format!("{}:{}", stat.dev(), stat.ino()))
    })?;
    Ok(ensure(text.starts_with("peer vanished peer=127.0.0.1:"), text)?)
}

fn syslog_message(message: &str, output: &str) -> Result<(), Failed> {
    // Facility daemon (3), severity notice (5): there are undelivered bytes.
    let rest = message
        .strip_prefix("<29>vanished_tcp[")
        .ok_or_else(|| message.to_string())?;
    let (pid, text) = rest.split_once("]: ").ok_or_else(|| message.to_string())?;
    ensure(Event::parse(text)?.get("pid") == Some(pid), message)?;
    is_the_event(text, output)
}

fn datagram_to(log: &str) -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let socket = UnixDatagram::bind(dev.path().join("log"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let outcome = succeeds(&mut with_dev(&command(ONE, log), dev.path()))?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    syslog_message(std::str::from_utf8(&buffer[..length])?, &outcome.stdout)
}

fn syslog_datagram() -> Result<(), Failed> {
    datagram_to("syslog")
}

fn auto_is_syslog() -> Result<(), Failed> {
    datagram_to("auto")
}

fn syslog_stream() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let listener = UnixListener::bind(dev.path().join("log"))?;
    let outcome = succeeds(&mut with_dev(&command(ONE, "syslog"), dev.path()))?;
    let mut message = String::new();
    listener.accept()?.0.read_to_string(&mut message)?;
    let message = message.strip_suffix('\0').ok_or("a stream's messages end in NUL")?;
    syslog_message(message, &outcome.stdout)
}

fn syslog_full() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let _never_read = UnixDatagram::bind(dev.path().join("log"))?;
    succeeds(&mut with_dev(&command("no_trace 100", "syslog"), dev.path())).map(drop)
}

/// One warning, by the next sink: journald if it runs on this machine.
fn syslog_absent() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let outcome = succeeds(&mut with_dev(&command(ONE, "syslog"), dev.path()))?;
    let lines: Vec<_> = outcome.stderr.lines().collect();
    let is_warning = match *lines {
        [] => Path::new("/run/systemd/journal/socket").exists(),
        [line] => line.starts_with("libnopipe: ") && line.contains("setting=NOPIPE_LOG value=syslog "),
        _ => false,
    };
    Ok(ensure(is_warning, outcome.stderr)?)
}

fn auto_is_stderr() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let outcome = succeeds(&mut with_dev(&command(ONE, "auto"), dev.path()))?;
    is_the_event(&outcome.stderr, &outcome.stdout)
}

/// Standard error is a terminal at first; then the program, like a daemon, makes it `/dev/null`.
fn replaced_terminal() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let socket = UnixDatagram::bind(dev.path().join("log"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let (_ours, theirs) = terminal()?;
    succeeds_with_stderr(&mut with_dev(&command("stderr_replaced", "auto"), dev.path()), theirs)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    let message = std::str::from_utf8(&buffer[..length])?;
    Ok(ensure(message.starts_with("<29>stderr_replaced["), message)?)
}

/// A setuid program has the library from `/etc/ld.so.preload`. Another user starts it with settings, which must have no
/// effect: the line goes to the default sink.
fn secure_process() -> Result<(), Failed> {
    const SCRIPT: &str = "mount --bind $DIR/dev /dev
        mount -t overlay overlay -o lowerdir=/etc,upperdir=$DIR/etc,workdir=$DIR/work /etc
        echo $PRELOAD > /etc/ld.so.preload
        exec setpriv --reuid 65534 --clear-groups $DIR/vanished_tcp write v4";
    let dir = scratch_dir("secure");
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755))?;
    for name in ["dev", "etc", "work"] {
        fs::create_dir(dir.path().join(name))?;
    }
    let program = dir.path().join("vanished_tcp");
    fs::copy(c_program("vanished_tcp"), &program)?;
    fs::set_permissions(&program, PermissionsExt::from_mode(0o4755))?;
    let preload = dir.path().join("libnopipe.so");
    fs::copy(&library(Profile::Release).path, &preload)?;
    let socket = UnixDatagram::bind(dir.path().join("dev/log"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;

    let mut command = own_mounts("sh");
    command
        .args(["-ec", SCRIPT])
        .env("DIR", dir.path())
        .env("PRELOAD", &preload)
        .env("NOPIPE_LOG", format!("file:{}/stolen.log", dir.path().display()))
        .env("NOPIPE_FORMAT", "json");
    let outcome = succeeds(&mut command)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    syslog_message(std::str::from_utf8(&buffer[..length])?, &outcome.stdout)?;
    Ok(ensure(
        !dir.path().join("stolen.log").exists(),
        "a file that the caller named",
    )?)
}
