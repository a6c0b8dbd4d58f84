//! A legacy server under a real systemd, which journald logs: bare it dies of SIGPIPE; with the drop-in it lives, and the
//! journal says who left. The same under what units are hardened with.
//!
//! Where no container can be booted every test is skipped by name and counted as ignored, not as passed.

mod flood;
mod hardening;
mod journal;
mod machine;
mod unit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};
use nopipe_tests::clients::Departure;
use nopipe_tests::{Profile, library};

use machine::{Machine, wait_for};
use unit::Unit;

/// A test of the machine, and its name.
struct Test {
    name: String,
    run: Box<Run>,
}

type Run = dyn Fn(&Machine) -> Result<(), String> + Send;

fn test(name: impl Into<String>, run: impl Fn(&Machine) -> Result<(), String> + Send + 'static) -> Test {
    Test {
        name: name.into(),
        run: Box::new(run),
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One machine and one port; and in this thread, with which the machine would be killed.
    arguments.test_threads = Some(1);
    let root = match machine::missing() {
        Some(reason) => Err(reason),
        None if arguments.list => Ok(PathBuf::new()),
        None => machine::root(),
    };
    if let Err(reason) = &root {
        eprintln!("SKIP systemd: {reason}");
    } else if !arguments.list {
        println!("testing build-id {}", library(Profile::Release).build_id);
    }
    let machine = Arc::new(OnceLock::new());
    let trials = tests().into_iter().map(|Test { name, run }| match root.clone() {
        Err(reason) => Trial::test(format!("{name} (SKIPPED: {reason})"), || Ok(())).with_ignored_flag(true),
        Ok(root) => {
            let machine = machine.clone();
            Trial::test(name, move || Ok(run(booted(&machine, &root)?)?))
        }
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(Ok(machine)) = Arc::into_inner(machine).and_then(OnceLock::into_inner) {
        machine.halt().expect("the container halts");
    }
    conclusion.exit_code()
}

/// The machine, which the first test boots.
fn booted<'m>(machine: &'m OnceLock<Result<Machine, String>>, root: &Path) -> Result<&'m Machine, String> {
    let boot = || {
        let machine = Machine::boot(root)?;
        unit::install(&machine)?;
        Ok(machine)
    };
    machine.get_or_init(boot).as_ref().map_err(String::clone)
}

fn tests() -> Vec<Test> {
    let mut tests = vec![test("drop-in: a server that dies bare lives", lives)];
    tests.extend(journal::tests());
    tests.extend(flood::tests());
    tests.extend(hardening::tests());
    tests
}

fn lives(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "legacy", "")?;
    dies(&unit)?;
    unit.protect("")?;
    let before = unit.fate()?;
    for how in Departure::ALL {
        unit.client_vanishes(how)?;
    }
    unit.events(Departure::ALL.len(), &[journal::PEER_VANISHED])?;
    unit.answers()?;
    let after = unit.fate()?;
    expect(
        before == after && after.active && (after.code, after.status) == (0, 0),
        after,
    )
}

/// Bare, the server is killed by SIGPIPE as soon as a client vanishes.
fn dies(unit: &Unit) -> Result<(), String> {
    unit.client_vanishes(Departure::Reset)?;
    let fate = wait_for("the bare server's end", || {
        Ok(Some(unit.fate()?).filter(|fate| !fate.active))
    })?;
    expect((fate.code, fate.status) == (libc::CLD_KILLED, libc::SIGPIPE), fate)
}

fn expect(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}
