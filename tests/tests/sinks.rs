//! Where the lines go (`NOPIPE_LOG`), and in which form: what arrives there, and that nothing waits for a sink that is
//! full, dead, or not what it should be.

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

use libtest_mimic::{Arguments, Failed, Trial};
use nopipe_tests::c_program::c_program;
use nopipe_tests::event::{Event, SUMMARY};
use nopipe_tests::run::{End, Outcome, Process, run};
use nopipe_tests::{Profile, library, scratch_dir};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(20);

type Test = fn() -> Result<(), Failed>;

const TESTS: &[(&str, Test)] = &[
    ("file: one file, appended to, mode 0640", file_is_appended),
    ("file: what is no regular file is not written", only_regular_files),
    ("file: json", json),
    (
        "file: a handler that jumps out of a report leaves nothing open",
        jumps_out,
    ),
    ("file: one line each for more peers than are remembered", crowd),
    ("file: a flood is accounted for to the last event", flood),
    ("stderr: the line, and nothing on stdout", stderr),
    ("stderr: a dead pipe", dead_stderr),
    ("stderr: a full pipe", full_stderr),
    ("stderr: a terminal that nobody reads", full_terminal),
    ("auto: the terminal of a background job, stty tostop", background_job),
    ("stderr: a socket is a client, not a log", stderr_is_a_client),
    (
        "stderr: but for the socket that $JOURNAL_STREAM names",
        stderr_is_the_journal,
    ),
];

/// These put a `log` socket of their own in the place of `/dev/log`, in a mount namespace.
const ROOT_TESTS: &[(&str, Test)] = &[
    ("syslog: a datagram", syslog_datagram),
    ("syslog: a stream", syslog_stream),
    ("syslog: a listener that does not listen", syslog_full),
    (
        "syslog: a flood over a listener that has stopped",
        flood_of_a_stopped_listener,
    ),
    ("syslog: nobody there", syslog_absent),
    ("auto: /dev/log before a stderr that is no terminal", auto_is_syslog),
    ("auto: stderr where there is no /dev/log", auto_is_stderr),
    (
        "auto: /dev/log when stderr is no longer the terminal it was",
        replaced_terminal,
    ),
    ("AT_SECURE: the environment sets nothing", secure_process),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_root = rustix::process::geteuid().is_root();
    let trial = |&(name, test): &(&'static str, Test)| Trial::test(name, test);
    let mut trials: Vec<Trial> = TESTS.iter().map(trial).collect();
    trials.extend(ROOT_TESTS.iter().map(|&(name, test)| match is_root {
        true => Trial::test(name, test),
        false => Trial::test(format!("{name} (SKIPPED: needs root)"), test).with_ignored_flag(true),
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One peer vanishes, and its address is on standard output.
const ONE: &str = "vanished_tcp write v4";

/// `line`, a C program and its arguments, under the library with `NOPIPE_LOG=log`.
fn command(line: &str, log: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(c_program(words.next().expect("a program's name")));
    library(Profile::Release).preload(&mut command, Path::new("/"));
    command.args(words).env("NOPIPE_LOG", log);
    command
}

/// The same for many peers at once: every one is reported.
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

/// Runs it with this standard error.
fn succeeds_with_stderr(command: &mut Command, stderr: impl Into<Stdio>) -> Result<(), Failed> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    match Process::spawn(command)?.wait(TIMEOUT)? {
        Some(End::Exit(0)) => Ok(()),
        end => Err(format!("{end:?}").into()),
    }
}

/// The lines of a text log, but for the one with which a process accounts for the others at its end.
fn events(text: &str) -> Vec<&str> {
    let is_summary = |line: &&str| line.starts_with("libnopipe: summary ");
    text.lines().filter(|line| !is_summary(line)).collect()
}

/// `text` is one event, of the peer that the program has announced on its output.
fn is_the_event(text: &str, output: &str) -> Result<(), Failed> {
    let [line] = *events(text) else {
        return Err(format!("not one line: {text:?}").into());
    };
    let event = Event::parse(line)?;
    let peer = event.get("peer").ok_or("no peer")?;
    expect(
        event.message == "peer vanished" && output.contains(&format!("peer={peer} ")),
        line,
    )
}

fn expect(condition: bool, what: impl ToString) -> Result<(), Failed> {
    if condition {
        Ok(())
    } else {
        Err(what.to_string().into())
    }
}

fn file_is_appended() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("50%.log");
    let log = format!("file:{}/50%%.log", dir.path().display());
    for round in 1..=2 {
        succeeds(&mut command(ONE, &log))?;
        expect(events(&fs::read_to_string(&path)?).len() == round, "one line a run")?;
    }
    let mode = fs::metadata(&path)?.permissions().mode() & 0o7777;
    expect(mode & !0o640 == 0, format!("mode {mode:o}"))
}

fn only_regular_files() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let (target, link, fifo) = ("target.log", "link.log", "fifo.log");
    File::create(dir.path().join(target))?;
    symlink(target, dir.path().join(link))?;
    let made = Command::new("mkfifo").arg(dir.path().join(fifo)).status()?;
    expect(made.success(), "mkfifo")?;
    // With a reader, so that opening it would succeed.
    let mut reader = File::options().read(true).write(true).open(dir.path().join(fifo))?;
    for name in [link, fifo, ".", "missing/x.log"] {
        succeeds(&mut command(ONE, &format!("file:{}/{name}", dir.path().display())))?;
    }
    expect(
        fs::metadata(dir.path().join(target))?.len() == 0,
        "written through a link",
    )?;
    reader.write_all(b"nothing before this")?;
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    expect(&bytes == b"noth", "written to a fifo")
}

fn json() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    let mut command = command(ONE, &format!("file:{}", path.display()));
    let outcome = succeeds(command.env("NOPIPE_FORMAT", "json"))?;
    let text = fs::read_to_string(path)?;
    expect(text.ends_with('\n') && text.lines().count() == 2, &text)?;
    let values: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (event, summary) = (&values[0], &values[1]);
    expect(summary["message"] == "libnopipe: summary", &text)?;
    let address = &event["network.peer.address"];
    let port = event["network.peer.port"].as_u64().ok_or("the port is a number")?;
    expect(
        address == "127.0.0.1" && outcome.stdout.contains(&format!(":{port} ")),
        &text,
    )?;
    let numbers = ["pid", "tid", "fd", "rtt_us", "idle_ms", "network.local.port"];
    expect(numbers.iter().all(|&name| event[name].is_u64()), &text)?;
    for (name, value) in [
        ("message", "peer vanished"),
        ("error.type", "EPIPE"),
        ("network.transport", "tcp"),
        ("cause", "closed"),
        ("call", "write"),
        ("program", "vanished_tcp"),
    ] {
        expect(event[name] == value, format!("{name}: {text}"))?;
    }
    expect(event["delivered"] == 50 && event["undelivered"] == 100, text)
}

fn jumps_out() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    succeeds(&mut unlimited("jumps_out", &format!("file:{}", path.display())))?;
    // Nor is a line cut short.
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
    expect(lines == peers, "a line for each")?;
    let text = fs::read_to_string(path)?;
    let cookie = |line| -> Option<String> { Event::parse(line).ok()?.fields.remove("cookie") };
    let cookies: Vec<String> = text.lines().filter_map(cookie).collect();
    let distinct = cookies.iter().collect::<HashSet<_>>().len();
    let found = format!("{} lines about {distinct} of {peers} peers", cookies.len());
    expect(cookies.len() == peers && distinct == peers, found)
}

/// What crowd says.
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
/// log as it goes, and in the account at exit.
fn flood() -> Result<(), Failed> {
    let dir = scratch_dir("sink");
    let path = dir.path().join("x.log");
    let outcome = succeeds(&mut command("crowd", &format!("file:{}", path.display())))?;
    let account = Account::of(&outcome)?;
    expect(account.suppressed > 0 && account.dropped == 0, &outcome.stdout)?;
    let events: Vec<Event> = fs::read_to_string(path)?
        .lines()
        .map(Event::parse)
        .collect::<Result<_, _>>()?;
    let number = |event: &Event, key| event.get(key).map_or(Ok(0), str::parse::<usize>);
    let (summary, lines) = events.split_last().ok_or("no line")?;
    expect(lines.len() == account.lines, "as many lines as counted")?;
    let told: usize = lines.iter().flat_map(|line| number(line, "suppressed")).sum();
    expect(told <= account.suppressed, "no more told than suppressed")?;
    expect(
        summary.message == SUMMARY
            && number(summary, "connections")? == account.peers
            && number(summary, "lines")? == account.lines
            && number(summary, "suppressed")? == account.suppressed
            && number(summary, "dropped")? == account.dropped,
        format!("{summary:?}"),
    )
}

/// The same where every line is wanted and the listener has stopped reading: what its queue does not take is dropped.
fn flood_of_a_stopped_listener() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let listener = UnixDatagram::bind(dev.path().join("log"))?;
    let outcome = succeeds(&mut with_dev(unlimited("crowd", "syslog"), dev.path()))?;
    let account = Account::of(&outcome)?;
    expect(
        account.lines > 0 && account.dropped > 0 && account.suppressed == 0,
        &outcome.stdout,
    )?;
    listener.set_nonblocking(true)?;
    let received = iter::from_fn(|| listener.recv(&mut [0; 2048]).ok()).count();
    expect(
        received == account.lines,
        format!("{received} received, {}", outcome.stdout),
    )
}

fn stderr() -> Result<(), Failed> {
    let outcome = succeeds(&mut command(ONE, "stderr"))?;
    is_the_event(&outcome.stderr, &outcome.stdout)?;
    expect(outcome.stdout.lines().count() == 1, outcome.stdout)
}

fn dead_stderr() -> Result<(), Failed> {
    let (reader, writer) = io::pipe()?;
    drop(reader);
    succeeds_with_stderr(&mut command("no_trace 100", "stderr"), writer)
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

/// A new terminal: our end, and the one for programs.
fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    Ok((ours, theirs))
}

/// All that was written to the terminal, which no program has open any more.
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

/// A job in the background that writes to its terminal is stopped by SIGTTOU, if so set. Our line is not the program's.
fn background_job() -> Result<(), Failed> {
    const SCRIPT: &str = "stty tostop && set -m && { LD_PRELOAD=$PRELOAD \"$@\" & } && wait $!";
    let (ours, theirs) = terminal()?;
    let mut stdout = tempfile::tempfile()?;
    let mut command = started_by(
        &["setsid", "--ctty", "--wait", "sh", "-c", SCRIPT, "sh"],
        &command(ONE, "auto"),
    );
    command
        .stdin(theirs.try_clone()?)
        .stdout(stdout.try_clone()?)
        .stderr(theirs);
    let end = Process::spawn(&mut command)?.wait(TIMEOUT)?;
    drop(command);
    expect(end == Some(End::Exit(0)), format!("{end:?}"))?;
    let mut output = String::new();
    stdout.rewind()?;
    stdout.read_to_string(&mut output)?;
    is_the_event(&shown(ours)?, &output)
}

/// What the library writes to a standard error that is a socket.
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
    expect(text.is_empty(), text)
}

fn stderr_is_the_journal() -> Result<(), Failed> {
    let text = written_to_socket(|file| {
        let stat = file.metadata()?;
        Ok(format!("{}:{}", stat.dev(), stat.ino()))
    })?;
    expect(text.starts_with("peer vanished peer=127.0.0.1:"), text)
}

/// The command in a mount namespace of its own, where `/dev` is `dir`.
fn with_dev(command: Command, dir: &Path) -> Command {
    const SCRIPT: &str = "mount --bind \"$1\" /dev && shift && LD_PRELOAD=$PRELOAD exec \"$@\"";
    let dir = dir.to_str().expect("scratch directories have plain names");
    let tools = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        SCRIPT,
        "sh",
        dir,
    ];
    started_by(&tools, &command)
}

/// The command, started by tools that are not what we test: the last one puts `$PRELOAD` into LD_PRELOAD.
fn started_by(tools: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(tools[0]);
    wrapped
        .args(&tools[1..])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match (name.to_str(), value) {
            (Some("LD_PRELOAD"), Some(library)) => wrapped.env("PRELOAD", library),
            (_, Some(value)) => wrapped.env(name, value),
            (_, None) => wrapped.env_remove(name),
        };
    }
    wrapped
}

fn syslog_message(message: &str, output: &str) -> Result<(), Failed> {
    // Facility daemon (3), severity notice (5), for there are undelivered bytes.
    let rest = message
        .strip_prefix("<29>vanished_tcp[")
        .ok_or_else(|| message.to_string())?;
    let (pid, text) = rest.split_once("]: ").ok_or_else(|| message.to_string())?;
    expect(Event::parse(text)?.get("pid") == Some(pid), message)?;
    is_the_event(text, output)
}

fn datagram_to(log: &str) -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let socket = UnixDatagram::bind(dev.path().join("log"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let outcome = succeeds(&mut with_dev(command(ONE, log), dev.path()))?;
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
    let outcome = succeeds(&mut with_dev(command(ONE, "syslog"), dev.path()))?;
    let mut message = String::new();
    listener.accept()?.0.read_to_string(&mut message)?;
    let message = message.strip_suffix('\0').ok_or("a stream's messages end in NUL")?;
    syslog_message(message, &outcome.stdout)
}

fn syslog_full() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let _never_read = UnixDatagram::bind(dev.path().join("log"))?;
    succeeds(&mut with_dev(command("no_trace 100", "syslog"), dev.path())).map(drop)
}

fn syslog_absent() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let outcome = succeeds(&mut with_dev(command(ONE, "syslog"), dev.path()))?;
    expect(outcome.stderr.is_empty(), outcome.stderr)
}

fn auto_is_stderr() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let outcome = succeeds(&mut with_dev(command(ONE, "auto"), dev.path()))?;
    is_the_event(&outcome.stderr, &outcome.stdout)
}

/// It is a terminal at first, and then what a daemon makes of it: `/dev/null`.
fn replaced_terminal() -> Result<(), Failed> {
    let dev = scratch_dir("dev");
    let socket = UnixDatagram::bind(dev.path().join("log"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let (_ours, theirs) = terminal()?;
    succeeds_with_stderr(&mut with_dev(command("stderr_replaced", "auto"), dev.path()), theirs)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    let message = std::str::from_utf8(&buffer[..length])?;
    expect(message.starts_with("<29>stderr_replaced["), message)
}

/// A setuid program, which has the library from `/etc/ld.so.preload`, is started by somebody else with settings that
/// must not hold: the line goes where it goes by default.
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

    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-ec", SCRIPT])
        .env("DIR", dir.path())
        .env("PRELOAD", &preload)
        .env("NOPIPE_LOG", format!("file:{}/stolen.log", dir.path().display()))
        .env("NOPIPE_FORMAT", "json");
    let outcome = succeeds(&mut command)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    syslog_message(std::str::from_utf8(&buffer[..length])?, &outcome.stdout)?;
    expect(!dir.path().join("stolen.log").exists(), "a file that the caller named")
}
