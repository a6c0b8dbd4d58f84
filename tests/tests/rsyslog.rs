//! Debian's rsyslogd takes the library's lines from `/dev/log` and forwards them to a second one, over TCP: there each
//! arrives whole, with the program's name, its pid and the severity read right. Both run with the configurations that
//! docs/collectors has, but for addresses and paths.
//!
//! Without root or rsyslogd the tests are skipped by name and counted as ignored, not as passed.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nopipe_tests::c_program::c_program;
use nopipe_tests::event::Event;
use nopipe_tests::library::bare;
use nopipe_tests::run::{End, Process, run};
use nopipe_tests::{Profile, library, scratch_dir, workspace};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(20);

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

/// C programs from which a peer vanishes, and the severities of their lines: notice, if bytes were lost.
const PROGRAMS: [(&str, &str); 4] = [
    ("vanished_tcp write v4", "notice"),
    ("vanished_tcp send v6", "notice"),
    ("unix_peer awkward", "info"),
    ("unix_peer abstract", "info"),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing = match () {
        () if !rustix::process::geteuid().is_root() => Some("needs root"),
        () if !Path::new(RSYSLOGD).exists() => Some("no rsyslogd (Debian package rsyslog)"),
        () => None,
    };
    let trials = PROGRAMS.map(|(line, severity)| {
        let name = format!("rsyslog: {line}");
        match missing {
            None => Trial::test(name, || arrives(line, severity)),
            Some(reason) => {
                eprintln!("SKIP {name}: {reason}");
                Trial::test(format!("{name} (SKIPPED: {reason})"), || Ok(())).with_ignored_flag(true)
            }
        }
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn arrives(line: &str, severity: &str) -> Result<(), Failed> {
    let pair = Forwarding::start()?;
    let announced = pair.run_program(line)?;
    let received = pair.central_line()?;

    // timestamp host program[pid] severity: message
    let (header, message) = received.split_once(": ").ok_or_else(|| received.clone())?;
    let event = Event::parse(message)?;
    let field = |name| event.get(name).ok_or_else(|| format!("no {name} in {received}"));
    let from = format!(" {}[{}] {severity}", field("program")?, field("pid")?);
    expect(header.ends_with(&from), &received)?;
    expect(event.message == "peer vanished", &received)?;
    // The last field: nothing is cut off.
    expect(message.ends_with(&format!(" time={}", field("time")?)), &received)?;
    let peer = field("peer")?;
    expect(
        line.starts_with("unix_peer") || announced.contains(&format!("peer={peer} ")),
        &received,
    )?;
    expect(line.starts_with(field("program")?), &received)
}

fn expect(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.to_string().into()) }
}

/// Two rsyslogds, of which the first forwards to the second.
struct Forwarding {
    folder: TempDir,
    /// Killed when this goes out of scope.
    _daemons: [Process; 2],
}

impl Forwarding {
    fn start() -> Result<Self, Failed> {
        let folder = scratch_dir("rsyslog");
        fs::create_dir(folder.path().join("dev"))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let spool = format!("global(workDirectory=\"{}\")\n", folder.path().display());
        let local = |port_setting: &str| format!("port=\"{port}\" {port_setting}");

        let central = published("rsyslog-central.conf")?
            .replace("port=\"514\"", &local("address=\"127.0.0.1\""))
            .replace("/var/log/nopipe.log", &path(&folder, "central.log"));
        let central = daemon(&folder, "central", &format!("{spool}{central}"))?;
        wait_for("the central rsyslogd", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        })?;

        let listen = format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{}\")\n",
            path(&folder, "dev/log")
        );
        let server = published("rsyslog-server.conf")?
            .replace("port=\"514\"", &local(""))
            .replace("logs.example.org", "127.0.0.1");
        let server = daemon(&folder, "server", &format!("{spool}{listen}{server}"))?;
        let socket = folder.path().join("dev/log");
        wait_for("the forwarding rsyslogd", || socket.exists().then_some(()))?;
        Ok(Forwarding {
            folder,
            _daemons: [central, server],
        })
    }

    /// Runs a C program under the library where the forwarding rsyslogd listens on `/dev/log`. Tells its output.
    fn run_program(&self, line: &str) -> Result<String, Failed> {
        let mut words = line.split(' ');
        let mut command = Command::new("unshare");
        bare(&mut command);
        command
            .args(["--mount", "--propagation", "private", "sh", "-ec"])
            .arg("mount --bind dev /dev\nexec env LD_PRELOAD=\"$0\" NOPIPE_LOG=syslog \"$@\"")
            .arg(&library(Profile::Release).path)
            .arg(c_program(words.next().expect("a program's name")))
            .args(words)
            .current_dir(self.folder.path());
        let outcome = run(&mut command, TIMEOUT)?;
        match outcome.end {
            End::Exit(0) => Ok(outcome.stdout),
            _ => Err(format!("{outcome:?}").into()),
        }
    }

    /// The line in the central file, when it has arrived; it must be the only one.
    fn central_line(&self) -> Result<String, Failed> {
        let file = self.folder.path().join("central.log");
        let text = wait_for("the line", || {
            fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))
        })?;
        match text.lines().count() {
            1 => Ok(text.trim_end().to_string()),
            _ => Err(format!("not one line: {text}").into()),
        }
    }
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// A configuration that the documentation gives.
fn published(name: &str) -> Result<String, Failed> {
    let path: PathBuf = workspace().join("docs/collectors").join(name);
    Ok(fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Checks the configuration, and starts rsyslogd with it, in the foreground.
fn daemon(folder: &TempDir, name: &str, config: &str) -> Result<Process, Failed> {
    let file = path(folder, &format!("{name}.conf"));
    fs::write(&file, config)?;
    let checked = run(Command::new(RSYSLOGD).args(["-N1", "-f", &file]), TIMEOUT)?;
    if checked.end != End::Exit(0) {
        return Err(checked.stderr.into());
    }
    let mut command = Command::new(RSYSLOGD);
    command.args(["-n", "-f", &file, "-i", &path(folder, &format!("{name}.pid"))]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Process::spawn(&mut command)?)
}

fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> Result<T, Failed> {
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("waited in vain for {what}").into())
}
