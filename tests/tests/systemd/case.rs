//! What every test of the machine is made of.

use std::thread;
use std::time::Duration;

use nopipe_tests::clients::Departure;
use nopipe_tests::suite::ensure;

use crate::machine::{Machine, wait_for};
use crate::unit::Unit;

/// A little more than two of the server's ticks: it notices a vanished client within this time.
const TICKS: Duration = Duration::from_millis(250);

/// A test of the machine, and its name.
pub struct Test {
    pub name: String,
    pub run: Box<Run>,
}

/// What it does.
pub type Run = dyn Fn(&Machine) -> Result<(), String> + Send;

/// A test called `name`.
pub fn test(name: impl Into<String>, run: impl Fn(&Machine) -> Result<(), String> + Send + 'static) -> Test {
    Test {
        name: name.into(),
        run: Box::new(run),
    }
}

/// Bare, SIGPIPE kills the server when a client vanishes, at the latest after a few: a reset that comes between the two
/// writes of a tick gives an error and no signal.
pub fn dies(unit: &Unit) -> Result<(), String> {
    let fate = wait_for("the bare server's end", || {
        // An error means that the server has died meanwhile.
        let _ = unit.client_vanishes(Departure::Reset);
        thread::sleep(TICKS);
        Ok(Some(unit.fate()?).filter(|fate| !fate.active))
    })?;
    ensure(
        (fate.code, fate.status) == (libc::CLD_KILLED, libc::SIGPIPE),
        format!("{fate:?}"),
    )
}
