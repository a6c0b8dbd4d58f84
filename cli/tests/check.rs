//! `nopipe check` on programs, running processes and services (with a stand-in for systemctl).

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::library::bare;
use nopipe_tests::program::program;
use nopipe_tests::run::{End, Outcome, Process, run};
use nopipe_tests::suite::{Need, Row, Suite};
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Profile, library, scratch_dir};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

const TESTS: &[Row<fn()>] = &[
    ("check: programs", &[], programs),
    ("check: running processes", &[], processes),
    (
        "check: loaded by the program itself",
        &[Need::Program("python3", "python3")],
        loaded_late,
    ),
    ("check: services", &[], services),
    ("check: JSON", &[], json),
    ("check: no verdict", &[], no_verdict),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("check");
    suite.tests_that_panic(TESTS);
    suite.run()
}

fn nopipe(args: &[&str]) -> Outcome {
    check(args, None)
}

/// `nopipe check`, with the programs in `folder` before all others.
fn check(args: &[&str], folder: Option<&Path>) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nopipe"));
    command.arg("check").args(args);
    if let Some(folder) = folder {
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path);
    }
    run(&mut command, PATIENCE).unwrap()
}

/// `nopipe check --library …`, with this suite's library.
fn with_library(args: &[&str]) -> Outcome {
    let path = library(Profile::Release).path.to_str().unwrap();
    nopipe(&[&["--library", path], args].concat())
}

/// What it says, and its exit status.
fn expect(outcome: &Outcome, status: i32, words: &[&str]) {
    assert_eq!(outcome.end, End::Exit(status), "{}{}", outcome.stdout, outcome.stderr);
    for word in words {
        assert!(outcome.stdout.contains(word), "{word}: {}", outcome.stdout);
    }
}

/// A copy of sleep without a dynamic linker: the type of that program header, elf(5), is changed.
fn without_linker(path: &Path) {
    let mut data = fs::read(program("sleep")).unwrap();
    let word = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
    let (size, count) = (word(54), word(56));
    // e_phoff is 64 for every program that a linker has written.
    let headers: Vec<_> = (0..count).map(|i| 64 + i * size).collect();
    let interp = headers.into_iter().find(|&at| word(at) == 3).unwrap();
    data[interp] = 0;
    fs::write(path, data).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn programs() {
    let folder = scratch_dir("check");
    let stands_alone = folder.path().join("static");
    without_linker(&stands_alone);
    let stands_alone = stands_alone.to_str().unwrap();
    // A shell loads the library; what its script starts is not known.
    let script = folder.path().join("start");
    fs::write(&script, "#!/bin/sh\nexec /opt/game\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    expect(&with_library(&[script.to_str().unwrap()]), 2, &["is not known"]);
    expect(&with_library(&["dash"]), 0, &["would be protected"]);
    expect(
        &with_library(&["sleep"]),
        0,
        &["sleep: would be protected", "LD_PRELOAD=/"],
    );
    expect(&with_library(&["env", "A=1", "sleep", "60"]), 0, &["it is run through"]);
    expect(
        &with_library(&[stands_alone]),
        2,
        &["would be not protected", "linked statically"],
    );
    expect(&with_library(&["env", "-i", "sleep", "60"]), 2, &["empty environment"]);
    expect(
        &with_library(&["nice", "-n", "5", stands_alone]),
        2,
        &["linked statically"],
    );
}

/// A program that waits, in the process group of its own.
fn waiting(shell: &str, setting: Option<(&str, &str)>, is_preloaded: bool) -> Process {
    let folder = scratch_dir("check");
    let mut command = Command::new(program("dash"));
    command.args(["-c", shell]).stdin(Stdio::null());
    match is_preloaded {
        true => library(Profile::Release).preload(&mut command, folder.path()),
        false => bare(&mut command),
    }
    command.envs(setting);
    let process = Process::spawn(&mut command).unwrap();
    let of_process = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", process.id())).unwrap_or_default();
    let sleeps = || {
        // Its libraries have started up when it sleeps: clock_nanosleep(2), on x86-64 and on aarch64.
        let call = of_process("syscall");
        let is_in_call = call.starts_with("230 ") || call.starts_with("115 ");
        (of_process("comm") == "sleep\n" && is_in_call).then_some(())
    };
    wait_for(PATIENCE, sleeps).expect("it sleeps");
    process
}

const SLEEP: &str = "exec sleep 60";
const IGNORING: &str = "trap '' PIPE; exec sleep 60";
const ONLY_ANOTHER: Option<(&str, &str)> = Some(("NOPIPE_ONLY", "another"));

fn processes() {
    for (shell, setting, is_preloaded, status, words) in [
        (SLEEP, None, true, 0, ["protected", "the library is loaded and works"]),
        (IGNORING, None, true, 0, ["protected", "ignores SIGPIPE"]),
        (SLEEP, None, false, 2, ["not protected", "not loaded"]),
        (IGNORING, None, false, 1, ["degraded", "SIGPIPE is ignored"]),
        (
            SLEEP,
            ONLY_ANOTHER,
            true,
            2,
            ["not protected", "NOPIPE_ONLY does not name"],
        ),
        (
            IGNORING,
            ONLY_ANOTHER,
            true,
            1,
            ["degraded", "NOPIPE_ONLY does not name"],
        ),
    ] {
        let process = waiting(shell, setting, is_preloaded);
        let outcome = nopipe(&[&process.id().to_string()]);
        expect(&outcome, status, &words);
        assert!(outcome.stdout.contains("(sleep)"), "{}", outcome.stdout);
    }
}

/// A program that loads the library itself has calls that do not go through it.
fn loaded_late() {
    let path = library(Profile::Release).path.display().to_string();
    let mut command = Command::new(program("python3"));
    let script = format!("import ctypes, time; ctypes.CDLL('{path}'); print('loaded', flush=True); time.sleep(60)");
    command
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    bare(&mut command);
    let mut process = Process::spawn(&mut command).unwrap();
    let mut line = String::new();
    BufReader::new(process.child().stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "loaded\n");
    // Python ignores SIGPIPE.
    expect(&nopipe(&[&process.id().to_string()]), 1, &["degraded", "too late"]);
}

/// A folder with a systemctl that shows this unit.
fn systemctl(shown: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = scratch_dir("check");
    let path = folder.path().join("systemctl");
    fs::write(
        &path,
        format!("#!/bin/sh\ncase $1 in\nshow)\ncat <<'END'\nId=game.service\n{shown}\nEND\n;;\nesac\n"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = folder.path().to_owned();
    (folder, bin)
}

fn services() {
    let path = library(Profile::Release).path.display();
    let start = "ExecStart={ path=/bin/sleep ; argv[]=/bin/sleep 60 ; ignore_errors=no }";
    for (shown, status, word) in [
        (
            format!("LoadState=loaded\nIgnoreSIGPIPE=yes\n{start}"),
            1,
            "nopipe dropin --install",
        ),
        (
            format!("LoadState=loaded\nIgnoreSIGPIPE=no\n{start}"),
            2,
            "nopipe dropin --install",
        ),
        (
            format!(
                "LoadState=loaded\nIgnoreSIGPIPE=no\nUnsetEnvironment=LD_PRELOAD\nEnvironment=LD_PRELOAD={path}\n{start}"
            ),
            2,
            "UnsetEnvironment",
        ),
    ] {
        let (_folder, bin) = systemctl(&shown);
        let outcome = check(&["game", "--library", &path.to_string()], Some(&bin));
        expect(&outcome, status, &["game.service: would be", word]);
    }
    let process = waiting(SLEEP, None, true);
    let (_folder, bin) = systemctl(&format!("LoadState=loaded\nMainPID={}\n{start}", process.id()));
    let outcome = check(&["game.service"], Some(&bin));
    expect(&outcome, 0, &["game.service: protected", "its main process is"]);
}

fn json() {
    let process = waiting(IGNORING, None, false);
    let outcome = nopipe(&["--json", &process.id().to_string()]);
    assert_eq!(outcome.end, End::Exit(1), "{}", outcome.stderr);
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&value["verdict"], &value["how"], &value["kind"]),
        (&"degraded".into(), &"none".into(), &"process".into())
    );
    assert_eq!(value["sigpipe"]["ignored"], true);
    assert!(value["why"].as_array().is_some_and(|why| !why.is_empty()));
    let outcome = with_library(&["--json", "sleep"]);
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&value["verdict"], &value["how"], &value["would_be"]),
        (&"protected".into(), &"preload".into(), &true.into())
    );
}

fn no_verdict() {
    for (args, status, word) in [
        (&["/nonexistent/program"][..], 3, "no such program"),
        (&["999999999"], 3, "no such process"),
        (&["0"], 3, "not the number of a process"),
        (&["-1"], 64, ""),
        (&["--nonsense", "sleep"], 64, "--nonsense"),
        (&[], 64, "PID|PROGRAM|UNIT"),
        (&["--library", "/etc/passwd", "sleep"], 8, "not libnopipe.so"),
    ] {
        let outcome = nopipe(args);
        assert_eq!(
            outcome.end,
            End::Exit(status),
            "{args:?}: {}{}",
            outcome.stdout,
            outcome.stderr
        );
        assert!(outcome.stderr.contains(word), "{args:?}: {}", outcome.stderr);
    }
    let (_folder, bin) = systemctl("LoadState=not-found");
    let outcome = check(&["nopipe-nonexistent"], Some(&bin));
    assert_eq!(outcome.end, End::Exit(3), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("no such program or service"),
        "{}",
        outcome.stderr
    );
}
