//! `nopipe status` on servers that run under the library.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nopipe_tests::c_program::c_program;
use nopipe_tests::clients::{Departure, vanish};
use nopipe_tests::run::{End, Outcome, Process, run};
use nopipe_tests::{Profile, library, scratch_dir, workspace};
use serde_json::Value;

const NOPIPE: &str = env!("CARGO_BIN_EXE_nopipe");
const PATIENCE: Duration = Duration::from_secs(20);

/// Loses one peer, forks a child that loses none, and says the child's number.
const LOSES_ONE_AND_FORKS: &str = r#"
    use Socket;
    $| = 1;
    socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
    close $b;
    syswrite $a, "x";
    my $child = fork // die;
    print "$child\n" if $child;
    sleep 60;
"#;

/// A running program of which the first line on standard output was read.
struct Running {
    process: Process,
    line: String,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut process = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped())).unwrap();
        let stdout = process.child().stdout.take().unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        Running {
            process,
            line: line.trim().to_owned(),
        }
    }

    fn id(&self) -> String {
        self.process.id().to_string()
    }
}

fn preloaded(program: impl AsRef<std::ffi::OsStr>, library: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", library).env("NOPIPE_LOG", "none");
    command
}

fn perl(script: &str, library: &Path) -> Command {
    let mut command = preloaded("perl", library);
    command.args(["-e", script]);
    command
}

fn release() -> &'static Path {
    &library(Profile::Release).path
}

fn status(args: &[&str]) -> Outcome {
    run(Command::new(NOPIPE).arg("status").args(args), PATIENCE).unwrap()
}

/// What `--json` tells of one process.
fn counters(pid: &str) -> Value {
    let outcome = status(&["--json", pid]);
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    let mut reports: Value = serde_json::from_str(&outcome.stdout).unwrap();
    reports[0].take()
}

fn events(counters: &Value) -> u64 {
    let events = counters["events"].as_object().unwrap();
    events.values().filter_map(Value::as_u64).sum()
}

fn fails(args: &[&str], exit: i32, words: &str) {
    let outcome = status(args);
    assert_eq!(outcome.end, End::Exit(exit), "{args:?}: {}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{args:?}: {}", outcome.stderr);
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: needs root");
    }
    root
}

#[test]
fn a_server_whose_clients_vanish() {
    let server = Running::start(preloaded(c_program("server"), release()).arg("0"));
    let address: SocketAddr = server.line.rsplit(' ').next().unwrap().parse().unwrap();
    let pid = server.id();
    assert_eq!(events(&counters(&pid)), 0);

    let gone: Vec<String> = (0..3)
        .map(|_| vanish(address, b"JOIN\n", Departure::Reset).unwrap().to_string())
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while events(&counters(&pid)) < 3 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let counted = counters(&pid);
    assert_eq!(
        (events(&counted), &counted["connections"]),
        (3, &Value::from(3)),
        "{counted}"
    );
    assert!(counted["failed_writes"].as_u64() >= Some(3), "{counted}");
    assert_eq!(
        (&counted["program"], &counted["unwanted"]),
        (&"server".into(), &Value::from(3))
    );
    let peers = counted["last_peers"].as_array().unwrap();
    for peer in &gone {
        assert!(peers.iter().any(|last| last["peer"] == **peer), "{peer}: {counted}");
    }

    let text = status(&[&pid]).stdout;
    assert!(
        text.contains(&format!("{pid} server, since ")) && text.contains(&gone[0]),
        "{text}"
    );
    promtool_accepts(&status(&["--prometheus", &pid]).stdout);
    promtool_accepts(&status(&["--prometheus", "--all"]).stdout);
}

fn promtool_accepts(metrics: &str) {
    assert!(metrics.contains("nopipe_events_total{"), "{metrics}");
    // Its package would start a server, so it may be unpacked rather than installed.
    let unpacked = workspace().join("target/servers/usr/bin/promtool");
    let promtool = if unpacked.exists() { unpacked } else { "promtool".into() };
    let folder = scratch_dir("metrics");
    let file = folder.path().join("metrics");
    fs::write(&file, metrics).unwrap();
    let script = "exec \"$0\" check metrics < \"$1\"";
    let outcome = run(
        Command::new("sh").args(["-c", script]).arg(promtool).arg(file),
        PATIENCE,
    )
    .unwrap();
    match outcome.end {
        End::Exit(127) => eprintln!("SKIPPED: promtool (Debian package prometheus) is not there"),
        end => assert_eq!((end, outcome.stderr.trim()), (End::Exit(0), ""), "{}", outcome.stdout),
    }
}

#[test]
fn a_forked_child_counts_for_itself() {
    let parent = Running::start(&mut perl(LOSES_ONE_AND_FORKS, release()));
    let (of_parent, of_child) = (counters(&parent.id()), counters(&parent.line));
    assert_eq!(
        (&of_parent["events"]["closed"], &of_parent["failed_writes"]),
        (&1.into(), &1.into()),
        "{of_parent}"
    );
    assert_eq!(
        (events(&of_child), &of_child["failed_writes"]),
        (0, &0.into()),
        "{of_child}"
    );

    let all: Value = serde_json::from_str(&status(&["--all", "--json"]).stdout).unwrap();
    for pid in [&parent.id(), &parent.line] {
        assert!(
            all.as_array()
                .unwrap()
                .iter()
                .any(|one| one["pid"].as_u64() == pid.parse().ok()),
            "{pid}: {all}"
        );
    }
}

#[test]
fn the_library_was_replaced_or_removed() {
    let folder = scratch_dir("replaced");
    let path = folder.path().join("libnopipe.so");
    fs::copy(release(), &path).unwrap();
    let server = Running::start(&mut perl(LOSES_ONE_AND_FORKS, &path));
    let new = folder.path().join("new");
    fs::write(&new, "not even a library").unwrap();
    fs::rename(&new, &path).unwrap();
    assert_eq!(events(&counters(&server.id())), 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(events(&counters(&server.id())), 1);
}

#[test]
fn in_a_container() {
    if !is_root() {
        return;
    }
    // The library lies where only the container sees it, and the server is process 1 there.
    let script = format!(
        "mount -t tmpfs none /mnt && cp {} /mnt && LD_PRELOAD=/mnt/libnopipe.so exec perl -e \"$0\"",
        release().display()
    );
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        &script,
        LOSES_ONE_AND_FORKS,
    ]);
    let unshare = Running::start(unshare.env("NOPIPE_LOG", "none").env_remove("LD_PRELOAD"));
    if unshare.line.is_empty() {
        eprintln!("SKIPPED: no namespaces here");
        return;
    }
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let server = fs::read_to_string(children).unwrap().trim().to_owned();
    assert_eq!(counters(&server)["events"]["closed"], 1);
}

#[test]
fn failures() {
    let own = std::process::id().to_string();
    fails(&["2147483647"], 3, "no such process");
    fails(&[&own], 5, "not loaded");
    fails(&[], 2, "PID");
    fails(&["0"], 2, "0");

    // What can be read is shown, whatever is wrong with the others.
    let server = Running::start(&mut perl(LOSES_ONE_AND_FORKS, release()));
    let outcome = status(&["2147483647", &own, &server.id()]);
    assert_eq!(outcome.end, End::Exit(3));
    assert!(
        outcome.stdout.contains("closed 1") && outcome.stderr.contains("not loaded"),
        "{}",
        outcome.stderr
    );
}

/// A libnopipe.so whose counters are the C initializer `words`.
fn other_library(folder: &Path, words: &str) -> PathBuf {
    let (source, path) = (folder.join("other.c"), folder.join("libnopipe.so"));
    fs::write(&source, format!("unsigned long nopipe_stats[512] = {{{words}}};\n")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-o"]).arg(&path).arg(&source);
    assert_eq!(run(&mut cc, PATIENCE).unwrap().end, End::Exit(0));
    path
}

#[test]
fn another_version() {
    let magic = u64::from_le_bytes(*b"nopipe\0\0");
    for (words, told) in [(format!("{magic}, 99"), "version 99"), ("1".into(), "no counters that")] {
        let folder = scratch_dir("version");
        let server = Running::start(&mut perl(
            "$| = 1; print \"up\n\"; sleep 60",
            &other_library(folder.path(), &words),
        ));
        if cfg!(target_endian = "little") {
            fails(&[&server.id()], 6, told);
        }
    }
}

#[test]
fn without_permission() {
    if !is_root() {
        return;
    }
    let folder = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    let nopipe = folder.path().join("nopipe");
    fs::copy(NOPIPE, &nopipe).unwrap();
    let path = folder.path().join("libnopipe.so");
    fs::copy(release(), &path).unwrap();
    let nobody = |command: &mut Command| {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        setpriv.arg(command.get_program()).args(command.get_args());
        setpriv.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        setpriv
    };
    let denied = |pid: &str, words: &str| {
        let outcome = run(&mut nobody(Command::new(&nopipe).args(["status", pid])), PATIENCE).unwrap();
        assert_eq!(outcome.end, End::Exit(4), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    };
    let of_root = Running::start(&mut perl(LOSES_ONE_AND_FORKS, &path));
    denied(&of_root.id(), "runs as user 0, this program as 65534");

    let hides = LOSES_ONE_AND_FORKS.replace(
        "my $child",
        "require 'syscall.ph'; syscall(&SYS_prctl, 4, 0); my $child",
    );
    let hidden = Running::start(&mut nobody(&mut perl(&hides, &path)));
    if hidden.line.is_empty() {
        eprintln!("SKIPPED: perl has no syscall.ph");
        return;
    }
    denied(&hidden.id(), "not dumpable");
    assert_eq!(events(&counters(&hidden.id())), 1);
}
