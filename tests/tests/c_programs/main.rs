//! The C programs of `c-tests/`, each bare, preloaded with the release library, and with the dev library; and built for
//! musl, bare and with the release library.
//!
//! A program prints the events that the log must hold (`expect key=value ...`, one line for each event) and the facts that
//! must be the same with and without the library (`same ...`); see `c-tests/check.h`. Bare, most die of SIGPIPE. That is
//! part of the expectation: a test that passes without the library proves nothing.

mod cases;
mod events;
mod musl;

use std::fs;
use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::c_program::{Libc, c_program};
use nopipe_tests::event::{self, Event};
use nopipe_tests::library::bare;
use nopipe_tests::run::{Outcome, ignore_sigpipe, run, run_with_dead_stdout};
use nopipe_tests::suite::{Failed, Suite, ensure};
use nopipe_tests::table::Table;
use nopipe_tests::{Profile, library, scratch_dir, workspace};

use cases::{Case, cases};

/// How many times as long as usual a program may take: `scripts/test-aarch64` emulates a CPU.
const PATIENCE: &str = "TEST_PATIENCE";
const PROFILES: [Profile; 2] = [Profile::Release, Profile::Dev];

/// The results of the cases, for the table at the end.
static TABLE: Table<6> = Table::new(["bare", "preloaded", "events", "musl: bare", "preloaded", "events"]);

fn main() -> ExitCode {
    let mut suite = Suite::new("c_programs");
    suite.build(&PROFILES);
    suite.test("the library just built is the one loaded", &[], loaded_is_built);
    suite.test(
        "docs/differences.md explains every case that differs",
        &[],
        differences_are_explained,
    );
    for case in all_cases() {
        let name = match case.libc {
            Libc::Glibc => case.to_string(),
            Libc::Musl => format!("musl: {case}"),
        };
        let needs = [case.libc.needs(), case.needs.clone()].concat();
        suite.test(name, &needs, move || run_case(&case));
    }
    suite.run_then(|| TABLE.print())
}

fn all_cases() -> impl Iterator<Item = Case> {
    cases().into_iter().chain(musl::cases())
}

fn timeout() -> Duration {
    let patience = std::env::var(PATIENCE).ok().and_then(|times| times.parse().ok());
    Duration::from_secs(30) * patience.unwrap_or(1)
}

/// The program `build_id` looks for the library in its own memory and prints the build-id that it finds there.
fn loaded_is_built() -> Result<(), Failed> {
    let mut command = Command::new(c_program("build_id"));
    bare(&mut command);
    expect_line(&run(&mut command, timeout())?, "none")?;
    for profile in PROFILES {
        let logs = scratch_dir("logs");
        let library = library(profile);
        library.preload(&mut command, logs.path());
        expect_line(&run(&mut command, timeout())?, &library.build_id)?;
    }
    Ok(())
}

/// The page is docs/differences.md: a row begins with the two results, bare and preloaded, and names the program.
fn differences_are_explained() -> Result<(), Failed> {
    let text = fs::read_to_string(workspace().join("docs/differences.md"))?;
    let is_explained = |case: &Case| {
        let (results, program) = (
            format!("| {} | {} |", case.bare, case.preloaded),
            format!("`{}`", case.program()),
        );
        text.lines()
            .any(|line| line.starts_with(&results) && line.contains(&program))
    };
    for (start, reason) in musl::LEFT_OUT {
        let program = format!("`{}`", start.split(' ').next().unwrap_or_default());
        let is_said = |line: &str| line.contains(&program) && line.contains(reason);
        ensure(
            text.lines().any(is_said),
            format!("{start}is left out on musl: {reason}"),
        )?;
    }
    let differs = |case: &Case| case.bare != case.preloaded;
    match all_cases().filter(differs).find(|case| !is_explained(case)) {
        None => Ok(()),
        Some(case) => Err(format!("{case}: bare {}, preloaded {}", case.bare, case.preloaded).into()),
    }
}

fn expect_line(outcome: &Outcome, line: &str) -> Result<(), Failed> {
    match outcome.stdout.trim() == line {
        true => Ok(()),
        false => Err(format!("expected {line}, got {outcome:?}").into()),
    }
}

/// Runs the case bare and under each build of the library; the error lists everything that is wrong.
fn run_case(case: &Case) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let scratch = scratch_dir("run");
    let mut command = case.command(scratch.path());
    bare(&mut command);
    let alone = execute(case, &mut command)?;
    if alone.end != case.bare {
        wrong.push(format!(
            "bare: {}, expected {}\n{}",
            alone.end,
            case.bare,
            transcript(&alone)
        ));
    }

    let mut ends = Vec::new();
    let mut counts = Vec::new();
    let release_only = |&profile: &Profile| {
        let is_enough = case.release_only || case.libc == Libc::Musl;
        !is_enough || profile == Profile::Release
    };
    for profile in PROFILES.into_iter().filter(release_only) {
        let logs = scratch_dir("logs");
        library(profile).preload(&mut command, logs.path());
        command.envs(case.env.iter().copied());
        let outcome = execute(case, &mut command)?;
        let mut logged = event::read_lines(logs.path());
        let accounted = logged.as_mut().map_or(Ok(()), events::take_summaries);
        ends.push(outcome.end.to_string());
        counts.push(logged.as_ref().map_or(0, Vec::len).to_string());
        if let Err(what) = accounted.and_then(|()| check_preloaded(case, &alone, &outcome, &logged)) {
            let lines = logged.iter().flatten().map(|event| format!("  log: {event}\n"));
            let lines: String = lines.collect();
            wrong.push(format!("{profile:?}: {what}\n{}{lines}", transcript(&outcome)));
        }
    }
    for column in [&mut ends, &mut counts] {
        column.dedup();
    }
    let first = match case.libc {
        Libc::Glibc => 0,
        Libc::Musl => 3,
    };
    let cells = [alone.end.to_string(), ends.join(" / "), counts.join(" / ")];
    TABLE.fill(case, first, cells);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// A case's standard output is a file, or the pipe of a reader that is gone before the program starts.
fn execute(case: &Case, command: &mut Command) -> io::Result<Outcome> {
    match case.stdout_is_dead {
        true => run_with_dead_stdout(command, timeout()),
        false => run(command, timeout()),
    }
}

fn check_preloaded(
    case: &Case,
    alone: &Outcome,
    outcome: &Outcome,
    logged: &Result<Vec<Event>, String>,
) -> Result<(), String> {
    if outcome.end != case.preloaded {
        return Err(format!("{}, expected {}", outcome.end, case.preloaded));
    }
    let same = |outcome: &Outcome| -> Vec<String> { lines_after("same ", outcome).map(String::from).collect() };
    // A program that dies bare has not printed all its lines.
    let (before, after) = (same(alone), same(outcome));
    let complete = case.bare != case.preloaded || before.len() == after.len();
    let differs = before
        .iter()
        .enumerate()
        .find(|&(at, line)| after.get(at) != Some(line));
    if let Some((at, line)) = differs {
        return Err(format!("`same` line {at} is not:\n  {line}\n  {:?}", after.get(at)));
    }
    if !complete {
        return Err(format!("{} `same` lines, bare {}", after.len(), before.len()));
    }
    let expected: Result<Vec<_>, _> = lines_after("expect ", outcome)
        .map(|mut line| event::parse_fields(&mut line))
        .collect();
    let mut expected = if case.silent { Vec::new() } else { expected? };
    for fields in &mut expected {
        events::make_older(fields, case.kernel.unwrap_or_default());
    }
    events::leave_out_unknown(&mut expected);
    let mut logged = logged.clone()?;
    if let Some((name, value)) = case.warning {
        events::take_warning(&mut logged, name, value)?;
    }
    events::check(&expected, logged, case.program())
}

/// The rest of each line of the program's output that begins with `word`.
fn lines_after<'a>(word: &'static str, outcome: &'a Outcome) -> impl Iterator<Item = &'a str> {
    outcome
        .stdout
        .lines()
        .chain(outcome.stderr.lines())
        .filter_map(move |line| line.strip_prefix(word))
        .map(str::trim_end)
}

fn transcript(outcome: &Outcome) -> String {
    let lines = outcome.stdout.lines().filter(|line| !line.starts_with("same "));
    let out = lines.map(|line| format!("  out: {line}\n"));
    let err = outcome.stderr.lines().map(|line| format!("  err: {line}\n"));
    out.chain(err).collect()
}

impl Case {
    fn program(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    fn command(&self, dir: &std::path::Path) -> Command {
        let mut command = match self.kernel {
            Some(kernel) => self.libc.command(&format!("on_kernel {kernel} {}", self.line)),
            None => self.libc.command(self.line),
        };
        command.current_dir(dir);
        if self.sigpipe_ignored {
            ignore_sigpipe(&mut command);
        }
        command
    }
}
