//! systemctl, for the system or for the calling user.

use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Exit, Result};

/// The systemd of the system, or of the calling user.
pub struct Manager {
    /// The calling user's.
    pub user: bool,
}

impl Manager {
    /// The command as an admin types it.
    pub fn command_line(&self) -> &'static str {
        if self.user { "systemctl --user" } else { "systemctl" }
    }

    /// The folder for the admin's own units and drop-ins, see systemd.unit(5), "Unit File Load Path".
    pub fn folder(&self) -> Result<PathBuf> {
        if !self.user {
            return Ok("/etc/systemd/system".into());
        }
        let variable = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        let config = config.ok_or_else(|| Error::new(Exit::Other, "neither XDG_CONFIG_HOME nor HOME is set"))?;
        Ok(config.join("systemd/user"))
    }

    /// Makes systemd read all units again.
    pub fn reload(&self) -> Result<()> {
        self.systemctl(&["daemon-reload"]).map(drop)
    }

    /// The LD_PRELOAD that every service of this manager gets, if it is set.
    pub fn preload(&self) -> Option<String> {
        let environment = self.systemctl(&["show-environment"]).ok()?;
        let value = environment.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="))?;
        shlex::split(value.strip_prefix('$').unwrap_or(value))?.pop()
    }

    /// Runs systemctl and returns its standard output.
    ///
    /// Fails with [`Exit::NoSystemd`] or [`Exit::NotPermitted`] if systemctl says so, else with [`Exit::Other`].
    pub fn systemctl(&self, args: &[&str]) -> Result<String> {
        let output = Command::new("systemctl")
            .args(self.user.then_some("--user"))
            .args(args)
            .env("LC_ALL", "C")
            .output()
            .map_err(|error| Error::new(Exit::NoSystemd, format!("systemctl: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let exit = match &said {
                said if said.contains("not been booted with systemd") || said.contains("connect to bus") => {
                    Exit::NoSystemd
                }
                said if said.contains("denied") || said.contains("authentication required") => Exit::NotPermitted,
                _ => Exit::Other,
            };
            let message = format!("{} {}: {}", self.command_line(), args.join(" "), said.trim());
            return Err(Error::new(exit, message));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
