//! What a hostile review has found, second round, part 2, where it needs other sinks than the C programs' own, or real
//! shells: items 9, and 16 to 19. The rest is in `c_programs/cases.rs` and in `cli/tests/hostile.rs`.

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nopipe_tests::c_program::c_program;
use nopipe_tests::event::{self, Event, SUMMARY};
use nopipe_tests::library::bare;
use nopipe_tests::run::{End, Outcome, Process, run};
use nopipe_tests::{Profile, library, scratch_dir};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(20);
/// LOG_DAEMON and LOG_WARNING, syslog(3).
const WARNING: &str = "<28>";

type Test = fn() -> Result<(), Failed>;

const TESTS: &[(&str, Test)] = &[
    ("9: slow blind workers of dash end", || slow_workers("dash")),
    ("9: slow blind workers of bash end", || slow_workers("bash")),
    ("9: a burst of dash is done", || burst("dash", 5000)),
    ("9: a burst of bash is done", || burst("bash", 3500)),
    ("16: /dev/null is no place where lines arrive", null_is_no_place),
    ("18: a torn line does not glue the next one: limit", torn_at_limit),
    ("19: one client is one line", one_line),
    ("19: a summary accounts for what libc flushes at exit", flushed_at_exit),
    ("19: the beginning of a flood is announced at once", flood_is_announced),
];

/// These have a `/dev` and a `/run` of their own, in a mount namespace.
const ROOT_TESTS: &[(&str, Test)] = &[
    ("16: auto, the terminal was hung up", hung_up_terminal),
    ("16: auto, another user's terminal", foreign_terminal),
    ("16: auto, a terminal and no /proc", terminal_without_proc),
    ("16: auto, /dev/null and nothing else", null_and_nothing_else),
    ("17: a folder that is missing: one warning to /dev/log", || {
        one_warning("file:/missing/x.log")
    }),
    ("17: no journald: one warning to /dev/log", || one_warning("journal")),
    ("17: no /dev/log: one warning to stderr", || warning_on_stderr("syslog")),
    ("17: a missing folder, and no /dev/log: one warning to stderr", || {
        warning_on_stderr("file:/missing/x.log")
    }),
    ("17: NOPIPE_LEVEL=error hides it", hidden_warning),
    ("17: one warning for all forked children", one_warning_for_a_family),
    ("17: somebody else's file: the warning says EPERM", foreign_file),
    (
        "18: a line torn by a forked child does not glue its parent's",
        torn_by_child,
    ),
    ("18: a torn line does not glue the next one: disk", torn_by_disk),
    ("18: another thread closes the socket to /dev/log: tcp", || {
        stolen_socket("syslog", "tcp")
    }),
    ("18: another thread closes the socket to /dev/log: unix", || {
        stolen_socket("syslog", "unix")
    }),
    ("18: another thread closes the socket to journald: tcp", || {
        stolen_socket("journal", "tcp")
    }),
    ("18: another thread closes the socket to journald: unix", || {
        stolen_socket("journal", "unix")
    }),
    ("18: another thread forks: /dev/log", || forked_socket("syslog")),
    ("18: another thread forks: journald", || forked_socket("journal")),
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

fn expect(condition: bool, what: impl ToString) -> Result<(), Failed> {
    if condition {
        Ok(())
    } else {
        Err(what.to_string().into())
    }
}

/// `line`, a C program and its arguments, under the library with `NOPIPE_LOG=log`.
fn command(line: &str, log: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(c_program(words.next().expect("a program's name")));
    library(Profile::Release).preload(&mut command, Path::new("/"));
    command.args(words).env("NOPIPE_LOG", log);
    command
}

fn succeeds(command: &mut Command) -> Result<Outcome, Failed> {
    let outcome = run(command, TIMEOUT)?;
    match outcome.end {
        End::Exit(0) => Ok(outcome),
        _ => Err(format!("{outcome:?}").into()),
    }
}

/// Bare, the program dies of SIGPIPE: what it shows preloaded is the library's doing.
fn dies_bare(line: &str) -> Result<(), Failed> {
    let folder = scratch_dir("bare");
    let mut command = command(line, "none");
    bare(&mut command);
    let outcome = run(command.current_dir(&folder), TIMEOUT)?;
    expect(outcome.end == End::Signal(libc::SIGPIPE), format!("bare: {outcome:?}"))
}

/// How `accounts` says its events became lines, were suppressed, were dropped.
fn accounts(outcome: &Outcome) -> Result<[u64; 3], Failed> {
    let line = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("accounts "))
        .ok_or_else(|| format!("{outcome:?}"))?;
    let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
    Ok(numbers?.try_into().map_err(|_| line.to_owned())?)
}

/// A `/dev`, a folder of journald's socket, both empty, and whatever else a test wants to be in a mount namespace of its own.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> io::Result<Machine> {
        let dir = scratch_dir("machine");
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755))?;
        for name in ["dev", "journal"] {
            fs::create_dir(dir.path().join(name))?;
        }
        Ok(Machine { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A listener that everybody may send to.
    fn listener(&self, name: &str) -> io::Result<UnixDatagram> {
        let path = self.path(name);
        let socket = UnixDatagram::bind(&path)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o666))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// The command there, when the shell's `first` has been done. `$DIR` is the folder, and `$PRELOAD` the library's path.
    fn command(&self, first: &str, command: &Command) -> Command {
        let script = format!(
            "mount --bind $DIR/dev /dev && mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
             mount --bind $DIR/journal /run/systemd/journal && {first} LD_PRELOAD=$PRELOAD exec \"$@\""
        );
        let mut wrapped = Command::new("unshare");
        wrapped.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        wrapped.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match (name.to_str(), value) {
                (Some("LD_PRELOAD"), Some(library)) => wrapped.env("PRELOAD", library),
                (_, Some(value)) => wrapped.env(name, value),
                (_, None) => wrapped.env_remove(name),
            };
        }
        wrapped.env("DIR", self.dir.path());
        wrapped
    }
}

fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let mut messages = Vec::new();
    while let Ok(length) = socket.recv(&mut buffer) {
        messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    messages
}

/// Both ends of a new terminal.
fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    Ok((ours, theirs))
}

// ---- 9: real shells as one-connection workers

/// A shell whose standard input and output are a connection; the client is returned.
fn worker(shell: &str, script: &str, log: Option<&Path>) -> io::Result<(Process, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let connection = OwnedFd::from(listener.accept()?.0);
    let mut command = Command::new(shell);
    match log {
        Some(folder) => library(Profile::Release).preload(&mut command, folder),
        None => bare(&mut command),
    }
    command.args(["-c", script]).stderr(Stdio::null());
    command.stdin(connection.try_clone()?).stdout(connection);
    Ok((Process::spawn(&mut command)?, client))
}

/// Waits for the first bytes, and vanishes.
fn vanish(mut client: TcpStream) -> io::Result<String> {
    client.set_read_timeout(Some(TIMEOUT))?;
    client.read_exact(&mut [0; 2])?;
    Ok(client.local_addr()?.to_string())
}

/// Natively they all die. One is left for each client, where nobody ends them.
fn slow_workers(shell: &str) -> Result<(), Failed> {
    const WORKERS: usize = 3;
    const SCRIPT: &str = "while :; do echo tick 2>/dev/null; sleep 0.02; done";
    let logs = scratch_dir("logs");
    for log in [None, Some(logs.path())] {
        let mut workers = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..WORKERS {
            let (process, client) = worker(shell, SCRIPT, log)?;
            workers.push(process);
            clients.push(vanish(client)?);
        }
        let deadline = Instant::now() + TIMEOUT;
        for worker in &mut workers {
            let end = worker.wait(deadline.saturating_duration_since(Instant::now()))?;
            expect(
                end == Some(End::Signal(libc::SIGPIPE)),
                format!("{log:?}: a worker is left: {end:?}"),
            )?;
        }
        if log.is_some() {
            // One line a client says both: who has gone, and that its worker ends.
            let lines = event::read_lines(logs.path())?;
            let mut named: Vec<_> = lines
                .iter()
                .filter_map(|line| line.get("peer"))
                .map(String::from)
                .collect();
            named.sort();
            clients.sort();
            expect(named == clients && lines.len() == WORKERS, format!("{lines:?}"))?;
        }
    }
    Ok(())
}

/// It fails so often at once, cleans up, and is done.
fn burst(shell: &str, failures: u32) -> Result<(), Failed> {
    let folder = scratch_dir("burst");
    let done = folder.path().join("done");
    let script = format!(
        "exec 2>/dev/null; echo x; sleep 0.3; i=0
         while [ $i -lt {failures} ]; do echo x; i=$((i+1)); done; echo $i >{}",
        done.display()
    );
    for (log, expected) in [(None, End::Signal(libc::SIGPIPE)), (Some(folder.path()), End::Exit(0))] {
        let (mut process, client) = worker(shell, &script, log)?;
        vanish(client)?;
        let end = process.wait(Duration::from_secs(5))?;
        expect(end == Some(expected), format!("{log:?}: {end:?}, expected {expected}"))?;
    }
    expect(
        fs::read_to_string(&done)?.trim() == failures.to_string(),
        "the clean-up is done",
    )
}

// ---- 16: NOPIPE_LOG=auto

/// The line about `vanished` is at /dev/log, once.
fn is_at_dev_log(socket: &UnixDatagram, output: &str) -> Result<(), Failed> {
    let mut messages = received(socket);
    messages.retain(|message| !message.contains(SUMMARY));
    let [message] = messages.as_slice() else {
        return Err(format!("not one line at /dev/log: {messages:?}").into());
    };
    let (_, text) = message.split_once("]: ").ok_or_else(|| message.clone())?;
    let event = Event::parse(text)?;
    let peer = event.get("peer").unwrap_or_default();
    expect(output.contains(&format!("peer={peer} ")), format!("{text}\n{output}"))
}

/// With a file as standard error the line is at /dev/log; so it must be with a terminal that does not take it.
fn with_terminal(line: &str, first: &str) -> Result<(), Failed> {
    at_dev_log(
        "accounts peers",
        &first.replace("exec 3<&0", "exec"),
        Stdio::null(),
        tempfile::tempfile()?,
    )?;
    let (ours, theirs) = terminal()?;
    at_dev_log(line, first, ours, theirs)
}

fn at_dev_log(line: &str, first: &str, stdin: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Result<(), Failed> {
    let machine = Machine::new()?;
    let socket = machine.listener("dev/log")?;
    let mut stdout = tempfile::tempfile()?;
    let mut command = machine.command(first, &command(line, "auto"));
    command.stdin(stdin).stdout(stdout.try_clone()?).stderr(stderr);
    let mut process = Process::spawn(&mut command)?;
    // With its copies of the terminal's ends.
    drop(command);
    let end = process.wait(TIMEOUT)?;
    let mut output = String::new();
    io::Seek::rewind(&mut stdout)?;
    stdout.read_to_string(&mut output)?;
    expect(end == Some(End::Exit(0)), format!("{end:?}: {output}"))?;
    is_at_dev_log(&socket, &output).map_err(|error| format!("{line}: {}", error.message().unwrap_or("failed")).into())
}

fn hung_up_terminal() -> Result<(), Failed> {
    dies_bare("accounts peers")?;
    with_terminal("accounts hangup", "exec 3<&0 0</proc/self/mounts &&")
}

fn foreign_terminal() -> Result<(), Failed> {
    let first = "cp $PRELOAD $DIR/libnopipe.so && cp $1 $DIR/accounts && shift && PRELOAD=$DIR/libnopipe.so &&
        chmod 755 $DIR/* && set -- setpriv --reuid 65534 --regid 65534 --clear-groups \
        env LD_PRELOAD=$PRELOAD $DIR/accounts \"$@\" && unset PRELOAD &&";
    with_terminal("accounts peers", first)
}

fn terminal_without_proc() -> Result<(), Failed> {
    with_terminal("accounts peers", "umount -l /proc &&")
}

fn with_null(mut command: Command) -> Result<(), Failed> {
    let mut stdout = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(Stdio::null());
    let end = Process::spawn(&mut command)?.wait(TIMEOUT)?;
    let mut output = String::new();
    io::Seek::rewind(&mut stdout)?;
    stdout.read_to_string(&mut output)?;
    expect(
        end == Some(End::Exit(0)) && output.contains("accounts 0 0 2"),
        format!("{end:?}: {output}"),
    )
}

/// Whoever chose it himself has chosen it; the account says that nothing arrived.
fn null_is_no_place() -> Result<(), Failed> {
    with_null(command("accounts peers 2", "stderr"))
}

fn null_and_nothing_else() -> Result<(), Failed> {
    let machine = Machine::new()?;
    with_null(machine.command("", &command("accounts peers 2", "auto")))
}

// ---- 17: a log that takes nothing

/// Three peers vanish, three lines are lost, one warning says that.
fn one_warning(log: &str) -> Result<(), Failed> {
    let machine = Machine::new()?;
    let socket = machine.listener("dev/log")?;
    let outcome = succeeds(&mut machine.command("", &command("accounts peers 3", log)))?;
    expect(accounts(&outcome)? == [0, 0, 3], &outcome.stdout)?;
    let messages = received(&socket);
    let [message] = messages.as_slice() else {
        return Err(format!("not one warning: {messages:?}").into());
    };
    expect(
        message.starts_with(WARNING) && message.contains("libnopipe: ") && message.contains("NOPIPE_LOG"),
        message,
    )
}

/// Workers that were forked before anything was lost, as those of nginx.
fn one_warning_for_a_family() -> Result<(), Failed> {
    dies_bare("accounts peers 1")?;
    let machine = Machine::new()?;
    let socket = machine.listener("dev/log")?;
    succeeds(&mut machine.command("", &command("accounts forks 4", "file:/missing/x.log")))?;
    let messages = received(&socket);
    expect(
        messages.len() == 1 && messages[0].contains("value=/missing/x.log errno=ENOENT "),
        format!("{messages:?}"),
    )
}

fn foreign_file() -> Result<(), Failed> {
    dies_bare("accounts peers 1")?;
    let machine = Machine::new()?;
    let socket = machine.listener("dev/log")?;
    let path = machine.path("x.log");
    fs::write(&path, "")?;
    std::os::unix::fs::chown(&path, Some(65534), None)?;
    let log = format!("file:{}", path.display());
    succeeds(&mut machine.command("", &command("accounts peers 2", &log)))?;
    let messages = received(&socket);
    expect(
        messages.len() == 1 && messages[0].contains(" errno=EPERM ") && fs::read(&path)?.is_empty(),
        format!("{messages:?}"),
    )
}

fn warning_on_stderr(log: &str) -> Result<(), Failed> {
    let machine = Machine::new()?;
    let outcome = succeeds(&mut machine.command("", &command("accounts peers 3", log)))?;
    expect(accounts(&outcome)? == [0, 0, 3], &outcome.stdout)?;
    let lines: Vec<_> = outcome.stderr.lines().collect();
    let [line] = lines.as_slice() else {
        return Err(format!("not one warning: {lines:?}").into());
    };
    expect(line.starts_with("libnopipe: ") && line.contains("NOPIPE_LOG"), line)
}

fn hidden_warning() -> Result<(), Failed> {
    let machine = Machine::new()?;
    let socket = machine.listener("dev/log")?;
    let mut command = machine.command("", &command("accounts peers 3", "file:/missing/x.log"));
    let outcome = succeeds(command.env("NOPIPE_LEVEL", "error"))?;
    let messages = received(&socket);
    expect(
        messages.is_empty() && outcome.stderr.is_empty(),
        format!("{messages:?} {}", outcome.stderr),
    )
}

// ---- 18: torn lines, and descriptors of ours

/// The second peer's line is whole, and on a line of its own.
fn second_line_is_whole(text: &str, output: &str) -> Result<(), Failed> {
    let peers: Vec<_> = output
        .lines()
        .filter_map(|line| line.split("peer=").nth(1)?.split(' ').next())
        .collect();
    let [_, second] = peers.as_slice() else {
        return Err(format!("not two peers: {output}").into());
    };
    let is_whole = |line: &str| Event::parse(line).is_ok_and(|event| event.get("peer") == Some(second));
    expect(text.lines().any(is_whole), text)?;
    let glued = text.lines().any(|line| line.matches("peer vanished").count() > 1);
    expect(!glued, text)
}

fn torn_at_limit() -> Result<(), Failed> {
    dies_bare("torn_line limit")?;
    let dir = scratch_dir("torn");
    let path = dir.path().join("x.log");
    let outcome = succeeds(&mut command("torn_line limit", &format!("file:{}", path.display())))?;
    second_line_is_whole(&fs::read_to_string(path)?, &outcome.stdout)
}

fn torn_by_child() -> Result<(), Failed> {
    dies_bare("torn_line limit")?;
    let dir = scratch_dir("torn");
    let path = dir.path().join("x.log");
    let outcome = succeeds(&mut command("torn_line child", &format!("file:{}", path.display())))?;
    second_line_is_whole(&fs::read_to_string(path)?, &outcome.stdout)
}

fn torn_by_disk() -> Result<(), Failed> {
    dies_bare("torn_line disk")?;
    let dir = scratch_dir("torn");
    let log = format!("file:{}/x.log", dir.path().display());
    let outcome = succeeds(&mut command("torn_line disk", &log))?;
    let (output, text) = outcome
        .stdout
        .split_once("the log:\n")
        .ok_or_else(|| outcome.stdout.clone())?;
    second_line_is_whole(text, output)
}

fn with_listeners(line: &str, log: &str) -> Result<(), Failed> {
    let machine = Machine::new()?;
    let _listeners = [machine.listener("dev/log")?, machine.listener("journal/socket")?];
    succeeds(&mut machine.command("", &command(line, log))).map(drop)
}

/// The program itself looks at what its client has received.
fn stolen_socket(log: &str, kind: &str) -> Result<(), Failed> {
    dies_bare(&format!("stolen_number closed {kind}"))?;
    with_listeners(&format!("stolen_number closed {kind}"), log)
}

fn forked_socket(log: &str) -> Result<(), Failed> {
    with_listeners("stolen_number forked", log)
}

// ---- 19: summaries, and floods

/// All lines that it writes to a file.
fn log_of(line: &str, rate: &str, end: End) -> Result<(Vec<Event>, Outcome), Failed> {
    dies_bare(line)?;
    let dir = scratch_dir("log");
    let path = dir.path().join("x.log");
    let mut command = command(line, &format!("file:{}", path.display()));
    let outcome = run(command.env("NOPIPE_RATE", rate), TIMEOUT)?;
    expect(outcome.end == end, format!("{outcome:?}"))?;
    let text = fs::read_to_string(path)?;
    let events: Result<Vec<_>, String> = text.lines().map(Event::parse).collect();
    Ok((events?, outcome))
}

/// As under inetd: a summary would say the same again.
fn one_line() -> Result<(), Failed> {
    let (events, _) = log_of("accounts peers 1", "20/5", End::Exit(0))?;
    expect(
        events.len() == 1 && events[0].message == "peer vanished",
        format!("{events:?}"),
    )
}

/// Two peers, and the third one at exit: one line, and two that are suppressed.
fn flushed_at_exit() -> Result<(), Failed> {
    let (events, _) = log_of("accounts flush 2", "1/1", End::Exit(0))?;
    let summaries = events.iter().filter(|event| event.message == SUMMARY).count();
    let last = events.last().ok_or("no line")?;
    let number = |key| last.get(key).and_then(|value| value.parse().ok()).unwrap_or(0);
    let accounted: u64 = ["lines", "suppressed", "dropped"].into_iter().map(number).sum();
    expect(
        summaries == 1 && last.message == SUMMARY && number("connections") == 3 && accounted == 3,
        format!("{events:?}"),
    )
}

/// SIGTERM ends the program: there is no summary.
fn flood_is_announced() -> Result<(), Failed> {
    let (events, _) = log_of("accounts flood 30", "5/1", End::Signal(libc::SIGTERM))?;
    let announced = events
        .iter()
        .filter(|event| event.message.contains("rate limit reached"))
        .count();
    let lines = events.iter().filter(|event| event.get("peer").is_some()).count();
    expect(announced == 1 && lines >= 5, format!("{events:?}"))
}
