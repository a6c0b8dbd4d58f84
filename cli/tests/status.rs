//! `nopipe status` on servers that run under the library.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::c_program::c_program;
use nopipe_tests::clients::{Departure, vanish};
use nopipe_tests::namespace::own_mounts;
use nopipe_tests::program::program;
use nopipe_tests::run::{End, Outcome, Process, run};
use nopipe_tests::suite::{Need, Row, Suite};
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Profile, library, scratch_dir};
use serde_json::Value;
use tempfile::TempDir;

const NOPIPE: &str = env!("CARGO_BIN_EXE_nopipe");
const PATIENCE: Duration = Duration::from_secs(20);

const PERL: Need = Need::Program("perl", "perl");
const PROMTOOL: Need = Need::Program("promtool", "prometheus");

const TESTS: &[Row<fn()>] = &[
    (
        "status: a server whose clients vanish",
        &[],
        a_server_whose_clients_vanish,
    ),
    ("status: promtool accepts the metrics", &[PROMTOOL], promtool_accepts),
    (
        "status: a forked child counts for itself",
        &[PERL],
        a_forked_child_counts_for_itself,
    ),
    (
        "status: the library was replaced or removed",
        &[PERL],
        the_library_was_replaced_or_removed,
    ),
    (
        "status: in a container",
        &[Need::Root, Need::OwnMounts, PERL],
        in_a_container,
    ),
    ("status: failures", &[PERL], failures),
    ("status: another version of the library", &[PERL], another_version),
    ("status: without permission", &[Need::Root, PERL], another_user),
    (
        "status: a process that is not dumpable",
        &[Need::Root, Need::Perl("syscall.ph", "perl")],
        a_process_that_is_not_dumpable,
    ),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("status");
    suite.build(&[Profile::Release]);
    suite.tests_that_panic(TESTS);
    suite.run()
}

/// Loses one peer, forks a child that loses none, and prints the child's pid.
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

/// A running program, and the first line of its standard output.
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

/// The counters of one process, from `--json`.
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

/// The C server under the library, and its pid, once it has lost three clients; their addresses.
fn server_without_three_clients() -> (Running, String, Vec<String>) {
    let server = Running::start(preloaded(c_program("server"), release()).arg("0"));
    let address: SocketAddr = server.line.rsplit(' ').next().unwrap().parse().unwrap();
    let pid = server.id();
    assert_eq!(events(&counters(&pid)), 0);
    let gone = (0..3)
        .map(|_| vanish(address, b"JOIN\n", Departure::Reset).unwrap().to_string())
        .collect();
    wait_for(PATIENCE, || (events(&counters(&pid)) >= 3).then_some(()));
    (server, pid, gone)
}

fn a_server_whose_clients_vanish() {
    let (_server, pid, gone) = server_without_three_clients();
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
    for metrics in [metrics_of(&pid), metrics_of("--all")] {
        assert!(metrics.contains("nopipe_events_total{"), "{metrics}");
    }
}

/// The output of `--prometheus` for a pid or `--all`.
fn metrics_of(processes: &str) -> String {
    status(&["--prometheus", processes]).stdout
}

fn promtool_accepts() {
    let (_server, pid, _) = server_without_three_clients();
    for metrics in [metrics_of(&pid), metrics_of("--all")] {
        check_metrics(&metrics);
    }
}

fn check_metrics(metrics: &str) {
    let folder = scratch_dir("metrics");
    let file = folder.path().join("metrics");
    fs::write(&file, metrics).unwrap();
    let script = "exec \"$0\" check metrics < \"$1\"";
    let outcome = run(
        Command::new("sh")
            .args(["-c", script])
            .arg(program("promtool"))
            .arg(file),
        PATIENCE,
    )
    .unwrap();
    assert_eq!(
        (outcome.end, outcome.stderr.trim()),
        (End::Exit(0), ""),
        "{}",
        outcome.stdout
    );
}

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

fn in_a_container() {
    // Only the container sees the library's path, and the server is process 1 there.
    let script = format!(
        "mount -t tmpfs none /mnt && cp {} /mnt && LD_PRELOAD=/mnt/libnopipe.so exec perl -e \"$0\"",
        release().display()
    );
    let mut unshare = own_mounts("unshare");
    unshare.args([
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        &script,
        LOSES_ONE_AND_FORKS,
    ]);
    let unshare = Running::start(unshare.env("NOPIPE_LOG", "none").env_remove("LD_PRELOAD"));
    assert!(!unshare.line.is_empty(), "the server does not start");
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let server = fs::read_to_string(children).unwrap().trim().to_owned();
    assert_eq!(counters(&server)["events"]["closed"], 1);
}

fn failures() {
    let own = std::process::id().to_string();
    fails(&["2147483647"], 3, "no such process");
    fails(&[&own], 5, "not loaded");
    fails(&[], 2, "PID");
    fails(&["0"], 2, "0");

    // The process that can be read is shown, despite the errors of the others.
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

fn another_version() {
    let magic = u64::from_le_bytes(*b"nopipe\0\0");
    for (words, reported) in [
        (format!("{magic}, 99"), "version 99"),
        ("1".into(), "no counters that"),
    ] {
        let folder = scratch_dir("version");
        let server = Running::start(&mut perl(
            "$| = 1; print \"up\n\"; sleep 60",
            &other_library(folder.path(), &words),
        ));
        if cfg!(target_endian = "little") {
            fails(&[&server.id()], 6, reported);
        }
    }
}

/// A folder that every user can read, with copies of the launcher and of the library.
struct Shared {
    folder: TempDir,
}

impl Shared {
    fn new() -> Shared {
        let folder = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let shared = Shared { folder };
        fs::copy(NOPIPE, shared.nopipe()).unwrap();
        fs::copy(release(), shared.library()).unwrap();
        shared
    }

    fn nopipe(&self) -> PathBuf {
        self.folder.path().join("nopipe")
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("libnopipe.so")
    }

    /// Checks that the user nobody may not read this process, and that the error has these words.
    fn denied(&self, pid: &str, words: &str) {
        let mut command = nobody(Command::new(self.nopipe()).args(["status", pid]));
        let outcome = run(&mut command, PATIENCE).unwrap();
        assert_eq!(outcome.end, End::Exit(4), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

/// The command, run as the user nobody.
fn nobody(command: &mut Command) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    setpriv.arg(command.get_program()).args(command.get_args());
    setpriv.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    setpriv
}

fn another_user() {
    let shared = Shared::new();
    let of_root = Running::start(&mut perl(LOSES_ONE_AND_FORKS, &shared.library()));
    shared.denied(&of_root.id(), "runs as user 0, this program as 65534");
}

fn a_process_that_is_not_dumpable() {
    let shared = Shared::new();
    let hides = LOSES_ONE_AND_FORKS.replace(
        "my $child",
        "require 'syscall.ph'; syscall(&SYS_prctl, 4, 0); my $child",
    );
    let hidden = Running::start(&mut nobody(&mut perl(&hides, &shared.library())));
    assert!(!hidden.line.is_empty(), "the server does not start");
    shared.denied(&hidden.id(), "not dumpable");
    assert_eq!(events(&counters(&hidden.id())), 1);
}
