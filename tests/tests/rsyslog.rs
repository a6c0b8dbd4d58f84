//! Debian's rsyslogd takes the library's lines from `/dev/log` and forwards them to a second one, over TCP. Each must
//! arrive there whole, and its program name, pid and severity must be parsed right. Both daemons run with the
//! configurations in docs/collectors; only addresses and paths differ.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::c_program;
use nopipe_tests::event::Event;
use nopipe_tests::namespace::with_dev;
use nopipe_tests::program::program;
use nopipe_tests::run::{End, Process, run};
use nopipe_tests::suite::{Failed, Need, Suite, ensure};
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Profile, library, scratch_dir, workspace};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(20);

const RSYSLOGD: &str = "rsyslogd";

const NEEDS: &[Need] = &[Need::Root, Need::OwnMounts, Need::Program(RSYSLOGD, "rsyslog")];

/// C programs that lose a peer, and the severity of the line: notice if bytes were lost.
const PROGRAMS: [(&str, &str); 4] = [
    ("vanished_tcp write v4", "notice"),
    ("vanished_tcp send v6", "notice"),
    ("unix_peer awkward", "info"),
    ("unix_peer abstract", "info"),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("rsyslog");
    for (line, severity) in PROGRAMS {
        suite.test(format!("rsyslog: {line}"), NEEDS, move || arrives(line, severity));
    }
    suite.run()
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
    ensure(header.ends_with(&from), &received)?;
    ensure(event.message == "peer vanished", &received)?;
    // The last field: nothing is cut off.
    ensure(message.ends_with(&format!(" time={}", field("time")?)), &received)?;
    let peer = field("peer")?;
    ensure(
        line.starts_with("unix_peer") || announced.contains(&format!("peer={peer} ")),
        &received,
    )?;
    Ok(ensure(line.starts_with(field("program")?), &received)?)
}

/// Two rsyslogds; the first forwards to the second.
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
        wait_for(TIMEOUT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
            .ok_or("the central rsyslogd does not listen")?;

        let listen = format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{}\")\n",
            path(&folder, "dev/log")
        );
        let server = published("rsyslog-server.conf")?
            .replace("port=\"514\"", &local(""))
            .replace("logs.example.org", "127.0.0.1");
        let server = daemon(&folder, "server", &format!("{spool}{listen}{server}"))?;
        let socket = folder.path().join("dev/log");
        wait_for(TIMEOUT, || socket.exists().then_some(())).ok_or("the forwarding rsyslogd does not listen")?;
        Ok(Forwarding {
            folder,
            _daemons: [central, server],
        })
    }

    /// Runs a C program under the library where the forwarding rsyslogd listens on `/dev/log`. Returns its output.
    fn run_program(&self, line: &str) -> Result<String, Failed> {
        let folder = self.folder.path();
        let mut command = c_program::command(line);
        library(Profile::Release).preload(&mut command, folder);
        // At the default level there is no summary after the event's line.
        command.env("NOPIPE_LOG", "syslog").env_remove("NOPIPE_LEVEL");
        let mut command = with_dev(&command, &folder.join("dev"));
        // The programs that run at the same time have sockets of the same name.
        command.current_dir(folder);
        let outcome = run(&mut command, TIMEOUT)?;
        match outcome.end {
            End::Exit(0) => Ok(outcome.stdout),
            _ => Err(format!("{outcome:?}").into()),
        }
    }

    /// The line in the central file, once it has arrived; it must be the only one.
    fn central_line(&self) -> Result<String, Failed> {
        let file = self.folder.path().join("central.log");
        let text = wait_for(TIMEOUT, || {
            fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))
        })
        .ok_or("no line arrives")?;
        match text.lines().count() {
            1 => Ok(text.trim_end().to_string()),
            _ => Err(format!("not one line: {text}").into()),
        }
    }
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// A configuration of docs/collectors.
fn published(name: &str) -> Result<String, Failed> {
    let path: PathBuf = workspace().join("docs/collectors").join(name);
    Ok(fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Checks the configuration, and starts rsyslogd with it, in the foreground.
fn daemon(folder: &TempDir, name: &str, config: &str) -> Result<Process, Failed> {
    let file = path(folder, &format!("{name}.conf"));
    fs::write(&file, config)?;
    let checked = run(Command::new(program(RSYSLOGD)).args(["-N1", "-f", &file]), TIMEOUT)?;
    if checked.end != End::Exit(0) {
        return Err(checked.stderr.into());
    }
    let mut command = Command::new(program(RSYSLOGD));
    command.args(["-n", "-f", &file, "-i", &path(folder, &format!("{name}.pid"))]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Process::spawn(&mut command)?)
}
