//! 32-bit programs on a 64-bit machine: where both libraries are in place, where one is, and what `nopipe status` reads.
//!
//! `scripts/test-i386` runs this suite, in a root where i386 is a second architecture: [`PREBUILT_TARGET_DIR`] has the library
//! for i386 and 32-bit C programs, [`NATIVE`] this machine's library. It writes to that root's library folders.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::c_program::c_program;
use nopipe_tests::clients::{Departure, vanish};
use nopipe_tests::event;
use nopipe_tests::library::{PREBUILT_TARGET_DIR, bare, launcher};
use nopipe_tests::run::{End, Process, run};
use nopipe_tests::suite::{Need, Row, Suite};
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Library, Profile, library, scratch_dir};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// An environment variable: cargo's target folder with what was built for this machine.
const NATIVE: &str = "NATIVE_TARGET_DIR";

/// The library folders of the two architectures, as ld.so(8) has them for `$LIB`.
const FOLDERS: [&str; 2] = ["/usr/lib/i386-linux-gnu", "/usr/lib/x86_64-linux-gnu"];

/// How both are named at once: by the bare name, and by a path in which ld.so(8) puts in the folder's name.
const NAMES: [&str; 2] = ["libnopipe.so", "/usr/$LIB/libnopipe.so"];

const IN_ROOT: Need = Need::Other(
    || match std::env::var_os(PREBUILT_TARGET_DIR).and(std::env::var_os(NATIVE)) {
        Some(_) => Ok(()),
        None => Err("needs the root that scripts/test-i386 makes".into()),
    },
);

const TESTS: &[Row<fn()>] = &[
    ("i386: status reads a 32-bit process", &[IN_ROOT], status_reads_it),
    (
        "i386: each program takes its own library",
        &[IN_ROOT],
        each_takes_its_own,
    ),
    ("i386: a server behind a 64-bit shell", &[IN_ROOT], behind_a_shell),
    ("i386: with the 64-bit library alone", &[IN_ROOT], with_one_alone),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("i386");
    // They put libraries in the same place.
    suite.one_at_a_time();
    suite.tests_that_panic(TESTS);
    suite.run()
}

/// This machine's library.
fn native() -> PathBuf {
    Path::new(&std::env::var_os(NATIVE).unwrap()).join("release/libnopipe.so")
}

/// Libraries in the system's folders, while this lives.
struct InPlace(Vec<PathBuf>);

impl InPlace {
    fn of(libraries: &[(&Path, &str)]) -> Self {
        let put = |&(from, folder): &(&Path, &str)| {
            let place = Path::new(folder).join("libnopipe.so");
            fs::copy(from, &place).unwrap();
            place
        };
        InPlace(libraries.iter().map(put).collect())
    }

    fn both() -> Self {
        InPlace::of(&[(release(), FOLDERS[0]), (&native(), FOLDERS[1])])
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        for place in &self.0 {
            fs::remove_file(place).unwrap();
        }
    }
}

fn release() -> &'static Path {
    &library(Profile::Release).path
}

/// The command under a library of this name.
fn preloaded(mut command: Command, name: &str) -> Command {
    bare(&mut command);
    command.env("LD_PRELOAD", name);
    command
}

/// The 32-bit server on a free port.
struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut process = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped())).unwrap();
        let mut line = String::new();
        let stdout = process.child().stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line
            .trim()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .expect("listening on ADDRESS");
        Server { process, address }
    }

    /// A client joins, gets some of its first tick, and is gone.
    fn lose_a_client(&self) -> String {
        vanish(self.address, b"JOIN\n", Departure::Reset).unwrap().to_string()
    }

    fn end(&mut self) -> Option<End> {
        self.process.wait(Duration::from_secs(2)).unwrap()
    }
}

fn server() -> Command {
    let mut command = Command::new(c_program("server"));
    command.arg("0");
    command
}

fn is_32_bit(program: &Path) -> bool {
    fs::read(program).unwrap().get(..5) == Some(b"\x7fELF\x01")
}

fn counters(pid: &str) -> Value {
    let outcome = run(Command::new(launcher()).args(["status", "--json", pid]), PATIENCE).unwrap();
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    let mut reports: Value = serde_json::from_str(&outcome.stdout).unwrap();
    reports[0].take()
}

fn status_reads_it() {
    assert!(is_32_bit(&c_program("server")) && is_32_bit(release()) && !is_32_bit(launcher()));
    let mut bare_server = Server::start(&mut preloaded(server(), ""));
    let end = (0..10).find_map(|_| {
        let _ = vanish(bare_server.address, b"JOIN\n", Departure::CloseEarly);
        bare_server.end()
    });
    assert_eq!(end, Some(End::Signal(libc::SIGPIPE)), "bare");

    let mut command = preloaded(server(), release().to_str().unwrap());
    let mut server = Server::start(command.env("NOPIPE_LOG", "none"));
    let pid = server.process.id().to_string();
    assert_eq!(counters(&pid)["connections"], 0);
    let gone: Vec<_> = (0..3).map(|_| server.lose_a_client()).collect();
    let counted = wait_for(PATIENCE, || Some(counters(&pid)).filter(|c| c["connections"] == 3)).expect("three");
    assert_eq!(
        (&counted["program"], &counted["unwanted"]),
        (&"server".into(), &3.into())
    );
    let peers = counted["last_peers"].as_array().unwrap();
    for peer in &gone {
        assert!(peers.iter().any(|last| last["peer"] == **peer), "{peer}: {counted}");
    }
    assert_eq!(server.end(), None, "it lives");
}

fn each_takes_its_own() {
    let both = InPlace::both();
    let ids = [release().to_owned(), native()].map(|path| Library::at(path).build_id);
    for name in NAMES {
        // The first is a 32-bit program, which looks into its own memory; the second a 64-bit one, which shows its maps.
        let outcome = run(&mut preloaded(Command::new(c_program("build_id")), name), PATIENCE).unwrap();
        assert_eq!(
            (outcome.stdout.trim(), outcome.stderr.trim()),
            (ids[0].as_str(), ""),
            "{name}"
        );
        let mut cat = Command::new("cat");
        cat.arg("/proc/self/maps");
        let outcome = run(&mut preloaded(cat, name), PATIENCE).unwrap();
        let mapped = outcome
            .stdout
            .lines()
            .find(|line| line.ends_with("/libnopipe.so"))
            .unwrap_or("none");
        assert!(mapped.ends_with(both.0[1].to_str().unwrap()), "{name}: {mapped}");
        assert_eq!(outcome.stderr.trim(), "", "{name}");
    }
    assert_ne!(ids[0], ids[1]);
}

fn behind_a_shell() {
    let _both = InPlace::both();
    let logs = scratch_dir("logs");
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" 0; exit 9"]).arg(c_program("server"));
    let mut command = preloaded(shell, NAMES[0]);
    command.env("NOPIPE_LOG", format!("file:{}/%p.log", logs.path().display()));
    let mut server = Server::start(&mut command);
    let gone = server.lose_a_client();
    let named = || {
        event::read_dir(logs.path())
            .ok()?
            .into_iter()
            .find(|event| event.get("peer") == Some(gone.as_str()))
    };
    let event = wait_for(PATIENCE, named).expect("a line of the 32-bit server");
    assert_eq!(event.get("call"), Some("write"), "{event}");
    assert_eq!(server.end(), None, "it lives");
}

/// ld.so says so at each start, and the program runs as if the library were not there.
fn with_one_alone() {
    let _one = InPlace::of(&[(&native(), FOLDERS[1])]);
    for (name, why) in [
        (NAMES[0].to_owned(), "cannot open shared object file"),
        (NAMES[1].to_owned(), "cannot open shared object file"),
        (native().display().to_string(), "wrong ELF class: ELFCLASS64"),
    ] {
        let outcome = run(&mut preloaded(Command::new(c_program("build_id")), &name), PATIENCE).unwrap();
        assert_eq!((outcome.end, outcome.stdout.trim()), (End::Exit(0), "none"), "{name}");
        let errors: Vec<_> = outcome.stderr.lines().collect();
        let [error] = errors[..] else {
            panic!("{name}: {errors:?}")
        };
        assert!(
            error.starts_with("ERROR: ld.so: object ") && error.contains(why),
            "{error}"
        );
        assert!(error.ends_with(": ignored."), "{error}");
    }
}
