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
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use nopipe_tests::clients::Departure;
use nopipe_tests::{Profile, library};

use machine::{Machine, wait_for};
use unit::Unit;

/// Two of the server's ticks, and a little: so long it may take until it notices that a client has vanished.
const TICKS: Duration = Duration::from_millis(250);

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
        Err(_) => Trial::test(format!("{name} (SKIPPED)"), || Ok(())).with_ignored_flag(true),
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
    let mut tests = vec![
        test("drop-in: a server that dies bare lives", lives),
        test("drop-in: removed, the server dies as before", dies_again),
        test("drop-in: killed on purpose, the server is started again", starts_again),
        test("drop-in: the unit's own LD_PRELOAD is kept", keeps_preload),
    ];
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

fn dies_again(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "removed", "")?;
    unit.protect("")?;
    unit.client_vanishes(Departure::Reset)?;
    unit.events(1, &[journal::PEER_VANISHED])?;
    unit.answers()?;
    unit.unprotect()?;
    dies(&unit)
}

/// SIGPIPE is a clean end to systemd, after which Restart=on-failure does nothing; with the drop-in it is none.
fn starts_again(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "restarted", "Restart=on-failure\nRestartSec=0")?;
    dies(&unit)?;
    unit.protect("")?;
    machine.run(&format!("systemctl kill --signal=PIPE {}", unit.name))?;
    wait_for("the server's next life", || {
        Ok((unit.fate()?.restarts == 1).then_some(()))
    })?;
    unit.wait_until_it_answers()
}

fn keeps_preload(machine: &Machine) -> Result<(), String> {
    // A part of libc6 that does nothing unasked.
    let unit = Unit::start(machine, "preloads", "Environment=LD_PRELOAD=libpcprofile.so")?;
    unit.protect("")?;
    let maps = machine.run(&format!("cat /proc/{}/maps", unit.fate()?.main_pid))?;
    let loaded = |name| maps.lines().any(|line| line.ends_with(name));
    expect(loaded("/libpcprofile.so") && loaded("/libnopipe.so"), &maps)
}

/// Bare, the server is killed by SIGPIPE when a client vanishes; at the latest when a few have, for one whose reset
/// comes between the two writes of a tick gives an error and no signal.
fn dies(unit: &Unit) -> Result<(), String> {
    let fate = wait_for("the bare server's end", || {
        // An error: it has died meanwhile.
        let _ = unit.client_vanishes(Departure::Reset);
        thread::sleep(TICKS);
        Ok(Some(unit.fate()?).filter(|fate| !fate.active))
    })?;
    expect((fate.code, fate.status) == (libc::CLD_KILLED, libc::SIGPIPE), fate)
}

fn expect(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}
