//! Pipelines that a protected program starts end as without the library: at once, by SIGPIPE, with the same exit statuses.
//! A server whose own standard output is the pipe of a supervisor lives when the supervisor goes away.
//!
//! Each script runs bare and preloaded; a table at the end shows what it wrote to stdout and stderr.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::c_program::c_program;
use nopipe_tests::library::bare;
use nopipe_tests::program::program;
use nopipe_tests::run::{End, Outcome, run, run_with_dead_stdout};
use nopipe_tests::suite::{Failed, Need, Row, Suite};
use nopipe_tests::table::Table;
use nopipe_tests::{Profile, library, scratch_dir};

/// A pipeline that does not end is killed after this time.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The output of each script, for the table at the end.
static TABLE: Table<2> = Table::new(["bare", "preloaded"]);

/// A shell, a script, and its output, which is the same with and without the library.
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
        // Several times: yes is made by the child that becomes head at the same moment.
        "for i in 1 2 3 4 5 6 7 8; do rm -f end; head -1 < <(yes; echo $? > end); until [ -s end ]; do sleep 0.01; done; cat end; done",
        "y 141 y 141 y 141 y 141 y 141 y 141 y 141 y 141",
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

const SHELLS: &[Need] = &[Need::Program("dash", "dash"), Need::Program("bash", "bash")];
const PERL_AS_ROOT: &[Need] = &[Need::Root, Need::Program("perl", "perl")];

const OTHERS: &[Row] = &[
    ("NOPIPE_PIPES=survive: yes looks at its result", SHELLS, survive),
    ("NOPIPE_PIPES=native: the supervisor's pipe too", SHELLS, native),
    (
        "a server that a shell script runs, and the supervisor goes",
        SHELLS,
        supervised,
    ),
    ("a server that a script in a script runs", SHELLS, supervised_deeply),
    ("a server and its logger: a pipeline", SHELLS, logger),
    (
        "a server that dropped its user id starts a pipeline",
        PERL_AS_ROOT,
        dropped,
    ),
    (
        "a server that dropped its user id starts a session leader",
        PERL_AS_ROOT,
        dropped_session,
    ),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("pipelines");
    for &(shell, script, expected) in NATIVE {
        let needs = [Need::Program(shell, shell)];
        suite.test(format!("{shell}: {script}"), &needs, move || {
            check(shell, script, expected, expected, &[])
        });
    }
    suite.tests(OTHERS);
    suite.run_then(|| TABLE.print())
}

fn interpreter(shell: &str, script: &str) -> Command {
    let mut command = Command::new(program(shell));
    let option = if shell == "perl" { "-e" } else { "-c" };
    command.args([option, script]);
    command
}

/// A row's name: the settings, then the script.
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

/// Runs the command bare and preloaded, both times by `start`, and compares its output with `expected`.
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

/// With no log: only the output of the pipeline counts here.
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
    let start = |command: &mut Command| run_with_dead_stdout(command, TIMEOUT);
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

/// A server that pipes its output into a logger counts as a pipeline, as the README says.
fn logger() -> Result<(), Failed> {
    let script = "{ sleep 0.2; $SERVER write 2>/dev/null; echo $? >&2; } | true";
    supervise(script, ["141", "141"], &[])
}

/// A process that has dropped its user id is not dumpable: other processes cannot read its memory map.
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
            // A copy that every user can load.
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

/// A session leader is more probably a server itself.
fn dropped_session() -> Result<(), Failed> {
    after_dropping("exec setsid yes 2>/dev/null", ["y 13 hidden", "y 256 hidden"])
}
