//! `systemd-analyze verify` on a unit together with its drop-in.

use std::path::Path;
use std::process::{Command, Output};

use super::install;
use super::manager::Manager;
use super::unit::Unit;
use crate::error::{Error, Exit, Result};

/// Verifies the unit with the drop-in `text`, which is written to a temporary folder for that.
///
/// Fails with [`Exit::Refused`] if the drop-in makes it worse. A unit that does not pass without the drop-in either is
/// accepted: then the result is what systemd-analyze writes about it.
pub fn verify(manager: &Manager, unit: &Unit, text: &str) -> Result<Option<String>> {
    let with_dropin = tempfile::tempdir().map_err(Error::while_doing("temporary folder"))?;
    install::write(with_dropin.path(), &unit.name, text)?;
    let output = analyze(manager, unit, with_dropin.path())?;
    let messages = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    let names_dropin = messages.contains(&*with_dropin.path().to_string_lossy());
    if !names_dropin {
        if output.status.success() {
            return Ok(None);
        }
        let without = tempfile::tempdir().map_err(Error::while_doing("temporary folder"))?;
        if !analyze(manager, unit, without.path())?.status.success() {
            return Ok(Some(messages));
        }
    }
    let message = format!("{}: not installed: systemd-analyze verify says\n{messages}", unit.name);
    Err(Error::new(Exit::Refused, message))
}

/// Runs systemd-analyze with `folder` in front of the usual folders of units.
fn analyze(manager: &Manager, unit: &Unit, folder: &Path) -> Result<Output> {
    Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(manager.user.then_some("--user"))
        .arg(unit.file())
        // The usual folders stand for the empty entry after the colon.
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()))
        .env("LC_ALL", "C")
        .output()
        .map_err(Error::while_doing("systemd-analyze"))
}
