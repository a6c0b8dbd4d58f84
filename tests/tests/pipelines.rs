//! Pipelines that a protected program starts end as they always did: at once, by SIGPIPE, with the same exit statuses. A
//! server whose own standard output is the pipe of a supervisor that goes away lives.
//!
//! Each script runs bare and preloaded; what it says on stdout and stderr is in one table at the end.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use nopipe_tests::c_program::c_program;
use nopipe_tests::library::bare;
use nopipe_tests::run::{End, Outcome, run, run_with_stdout};
use nopipe_tests::table::Table;
use nopipe_tests::{Profile, library, scratch_dir};

/// A pipeline that does not end is stopped by this.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What the scripts came to, for the table at the end.
static TABLE: Table<2> = Table::new(["bare", "preloaded"]);

/// A shell, a script, and what it says with and without the library.
const NATIVE: &[(&str, &str, &str)] = &[
    ("dash", "yes | head -1", "y"),
    ("dash", "(yes; echo $? >&2) | head -1", "y 141"),
    ("dash", "(sh -c 'yes; echo $? >&2') | head -1", "y 141"),
    (
        "dash",
        "{ (while :; do echo x; done); echo $? >&2; } | head -1",
        "x 141",
    ),
    ("dash", "(((yes | cat))) | cat | head -1", "y"),
    ("dash", "f() { while :; do echo x; done; }; f | cat | head -1", "x"),
    ("dash", "{ zcat big.gz; echo $? >&2; } | head -1", "1 141"),
    ("dash", "{ seq 1000000; echo $? >&2; } | tee copy | head -1", "1 141"),
    ("dash", "echo $(yes | head -2)", "y y"),
    ("bash", "yes | head -1; echo ${PIPESTATUS[*]}", "y 141 0"),
    ("bash", "zcat big.gz | head -1; echo ${PIPESTATUS[*]}", "1 141 0"),
    (
        "bash",
        "while :; do echo x; done | head -1; echo ${PIPESTATUS[*]}",
        "x 141 0",
    ),
    (
        "bash",
        "while :; do printf 'x\\n'; done | head -1; echo ${PIPESTATUS[*]}",
        "x 141 0",
    ),
    (
        "bash",
        "(yes | cat; echo ${PIPESTATUS[*]} >&2) | head -1; echo ${PIPESTATUS[*]}",
        "y 0 0 141 141",
    ),
    ("bash", "sh -c yes | head -1; echo ${PIPESTATUS[*]}", "y 141 0"),
    ("bash", "set -o pipefail; yes | head -1; echo $?", "y 141"),
    ("bash", "yes 2>&1 | head -1; echo ${PIPESTATUS[*]}", "y 141 0"),
    (
        "bash",
        "head -1 < <(yes; echo $? > end); until [ -s end ]; do sleep 0.01; done; cat end",
        "y 141",
    ),
    (
        "bash",
        "trap '' PIPE; yes 2>/dev/null | head -1; echo ${PIPESTATUS[*]}",
        "y 1 0",
    ),
    ("perl", "open P, 'yes |'; print scalar <P>; close P; print $?", "y 13"),
    (
        "perl",
        "open P, 'exec yes |'; open Q, 'yes | head -1 |'; print <Q>; close Q; print \"$? \"; close P; print $?",
        "y 0 13",
    ),
    (
        "python3",
        "import subprocess as s; p = s.Popen(['yes'], stdout=s.PIPE); p.stdout.readline(); p.stdout.close(); print(p.wait())",
        "-13",
    ),
];

type Test = fn() -> Result<(), Failed>;

const OTHERS: &[(&str, Test)] = &[
    ("NOPIPE_PIPES=survive: yes looks at its result", survive),
    ("NOPIPE_PIPES=native: the supervisor's pipe too", native),
    ("a server that a shell script runs, and the supervisor goes", supervised),
    ("a server that a script in a script runs", supervised_deeply),
    ("a server and its logger: a pipeline", logger),
];

const ROOT_TESTS: &[(&str, Test)] = &[
    ("a server that dropped its user id starts a pipeline", dropped),
    ("and a session leader", dropped_session),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let script = |&(shell, script, expected): &(&'static str, &'static str, &'static str)| {
        let missing = !has(shell);
        let skipped = if missing { " (SKIPPED: not installed)" } else { "" };
        let name = format!("{shell}: {script}{skipped}");
        Trial::test(name, move || check(shell, script, expected, expected, &[])).with_ignored_flag(missing)
    };
    let mut trials: Vec<Trial> = NATIVE.iter().map(script).collect();
    trials.extend(OTHERS.iter().map(|&(name, test)| Trial::test(name, test)));
    let is_root = rustix::process::geteuid().is_root();
    trials.extend(ROOT_TESTS.iter().map(|&(name, test)| match is_root {
        true => Trial::test(name, test),
        false => Trial::test(format!("{name} (SKIPPED: needs root)"), test).with_ignored_flag(true),
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        TABLE.print();
    }
    conclusion.exit_code()
}

fn has(shell: &str) -> bool {
    let mut version = Command::new(shell);
    version.args(["-c", ":"]).stdin(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok()
}

fn interpreter(shell: &str, script: &str) -> Command {
    let mut command = Command::new(shell);
    let option = if shell == "perl" { "-e" } else { "-c" };
    command.args([option, script]);
    command
}

/// A row's name: the settings stand before the script.
fn named(script: &str, settings: &[(&str, &str)]) -> String {
    let settings = settings.iter().map(|(name, value)| format!("{name}={value} "));
    settings.chain([script.to_string()]).collect()
}

/// All words on stdout, then all on stderr.
fn words(outcome: &Outcome) -> String {
    let words = outcome
        .stdout
        .split_whitespace()
        .chain(outcome.stderr.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

/// Runs it bare and preloaded, as `start` does that.
fn compare(
    name: &str,
    mut command: Command,
    start: impl Fn(&mut Command) -> io::Result<Outcome>,
    expected: [&str; 2],
    preload: impl Fn(&mut Command, &Path),
) -> Result<(), Failed> {
    let folder = scratch_dir("pipeline");
    let big = "seq 1000000 | gzip -1 > big.gz";
    let prepared = run(Command::new("sh").args(["-c", big]).current_dir(&folder), TIMEOUT)?;
    if prepared.end != End::Exit(0) {
        return Err(format!("{big}: {prepared:?}").into());
    }
    command.current_dir(&folder);
    bare(&mut command);
    let alone = start(&mut command)?;
    preload(&mut command, folder.path());
    let preloaded = start(&mut command)?;
    let said = [words(&alone), words(&preloaded)];
    TABLE.add(name, said.clone());
    let ended = [alone.end, preloaded.end] == [End::Exit(0); 2];
    match ended && said == expected {
        true => Ok(()),
        false => Err(format!("expected {expected:?}, bare {alone:?}, preloaded {preloaded:?}").into()),
    }
}

/// With no log: what a pipeline writes is what counts here.
fn preload(command: &mut Command, folder: &Path) {
    library(Profile::Release).preload(command, folder);
    command.env("NOPIPE_LOG", "none");
}

fn check(shell: &str, script: &str, alone: &str, preloaded: &str, settings: &[(&str, &str)]) -> Result<(), Failed> {
    compare(
        &named(&format!("{shell}: {script}"), settings),
        interpreter(shell, script),
        |command| run(command, TIMEOUT),
        [alone, preloaded],
        |command, folder| {
            preload(command, folder);
            command.envs(settings.iter().copied());
        },
    )
}

fn survive() -> Result<(), Failed> {
    let script = "yes 2>/dev/null | head -1; echo ${PIPESTATUS[*]}";
    check("bash", script, "y 141 0", "y 1 0", &[("NOPIPE_PIPES", "survive")])
}

/// The script runs a server, `$SERVER`, with a standard output whose reader is gone.
fn supervise(script: &str, expected: [&str; 2], settings: &[(&str, &str)]) -> Result<(), Failed> {
    let mut command = interpreter("dash", script);
    command.env("SERVER", c_program("dead_stdout"));
    let start = |command: &mut Command| {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        run_with_stdout(command, Stdio::from(writer), TIMEOUT)
    };
    compare(&named(script, settings), command, start, expected, |command, folder| {
        preload(command, folder);
        command.envs(settings.iter().copied());
    })
}

const SUPERVISED: &str = "$SERVER write 2>/dev/null; echo $? >&2";

fn native() -> Result<(), Failed> {
    supervise(SUPERVISED, ["141", "141"], &[("NOPIPE_PIPES", "native")])
}

fn supervised() -> Result<(), Failed> {
    supervise(&format!("true; {SUPERVISED}"), ["141", "0"], &[])
}

fn supervised_deeply() -> Result<(), Failed> {
    let script = "(sh -c '$SERVER write 2>/dev/null; echo $? >&2'; true); true";
    supervise(script, ["141", "0"], &[])
}

/// As the README says: it is one, with the consequences.
fn logger() -> Result<(), Failed> {
    let script = "{ sleep 0.2; $SERVER write 2>/dev/null; echo $? >&2; } | true";
    supervise(script, ["141", "141"], &[])
}

/// Nobody may look into a process that has dropped its user id.
fn after_dropping(start: &str, expected: [&str; 2]) -> Result<(), Failed> {
    let script = format!(
        "use POSIX; setgid(65534); setuid(65534); open P, '{start} |'; print scalar <P>; close P; print $?;
         print system('cat /proc/'.$$.'/maps >/dev/null 2>&1') ? ' hidden' : ' readable'"
    );
    compare(
        &format!("perl: setuid(65534), then {start}"),
        interpreter("perl", &script),
        |command| run(command, TIMEOUT),
        expected,
        |command, folder| {
            preload(command, folder);
            // Where everybody can load it from.
            let copy = folder.join("libnopipe.so");
            fs::copy(&library(Profile::Release).path, &copy).expect("the library is there");
            for path in [folder, &copy] {
                fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("it is ours");
            }
            command.env("LD_PRELOAD", copy);
        },
    )
}

fn dropped() -> Result<(), Failed> {
    after_dropping("yes", ["y 13 hidden", "y 13 hidden"])
}

/// One of those is more probably a server itself.
fn dropped_session() -> Result<(), Failed> {
    after_dropping("exec setsid yes 2>/dev/null", ["y 13 hidden", "y 256 hidden"])
}
