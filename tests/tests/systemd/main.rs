//! A legacy server under a real systemd and journald. Bare it dies of SIGPIPE; with the drop-in it lives, and the journal
//! names the clients that left. The same holds in hardened units.

mod case;
mod flood;
mod hardening;
mod journal;
mod machine;
mod unit;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use nopipe_tests::Profile;
use nopipe_tests::clients::Departure;
use nopipe_tests::suite::{Suite, ensure};

use case::{Test, dies, test};
use machine::{Machine, wait_for};
use unit::Unit;

fn main() -> ExitCode {
    let mut suite = Suite::new("systemd");
    // One machine and one port. The machine is killed with the thread that boots it, so that must be this one.
    suite.one_at_a_time();
    suite.build(&[Profile::Release]);
    let machine = Arc::new(OnceLock::new());
    for Test { name, run } in tests() {
        let machine = machine.clone();
        suite.test(name, machine::NEEDS, move || run(booted(&machine)?));
    }
    suite.run_then(|| {
        if let Some(Ok(machine)) = Arc::into_inner(machine).and_then(OnceLock::into_inner) {
            machine.halt().expect("the container halts");
        }
    })
}

/// The machine. The first test boots it.
fn booted(machine: &OnceLock<Result<Machine, String>>) -> Result<&Machine, String> {
    let boot = || {
        let machine = Machine::boot(machine::root()?)?;
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
    ensure(
        before == after && after.active && (after.code, after.status) == (0, 0),
        format!("{after:?}"),
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

/// To systemd death by SIGPIPE is a clean end, and Restart=on-failure does nothing. With the drop-in it is a failure.
fn starts_again(machine: &Machine) -> Result<(), String> {
    let unit = Unit::start(machine, "restarted", "Restart=on-failure\nRestartSec=0")?;
    dies(&unit)?;
    unit.protect("")?;
    machine.run(&format!("systemctl kill --signal=PIPE {}", unit.name))?;
    wait_for(
        "the server's restart",
        || Ok((unit.fate()?.restarts == 1).then_some(())),
    )?;
    unit.wait_until_it_answers()
}

fn keeps_preload(machine: &Machine) -> Result<(), String> {
    // A part of libc6 that does nothing unless its environment variable is set.
    let unit = Unit::start(machine, "preloads", "Environment=LD_PRELOAD=libpcprofile.so")?;
    unit.protect("")?;
    let maps = machine.run(&format!("cat /proc/{}/maps", unit.fate()?.main_pid))?;
    let loaded = |name| maps.lines().any(|line| line.ends_with(name));
    ensure(loaded("/libpcprofile.so") && loaded("/libnopipe.so"), &maps)
}
