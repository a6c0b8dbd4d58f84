//! The legacy server as a service of the container's systemd.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use nopipe_tests::c_program::c_program;
use nopipe_tests::clients::{Departure, half_close, vanish};
use nopipe_tests::library::launcher;
use nopipe_tests::{Profile, library};
use serde_json::Value;

use crate::machine::{Machine, wait_for};

/// The server's address, inside.
pub const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// The request of a player that joins: the server sends until a player leaves.
pub const JOIN: &[u8] = b"JOIN\n";

/// The server's program; its identifier in the journal is the same.
pub const PROGRAM: &str = "server";

/// The library's path, inside, where `LD_PRELOAD=libnopipe.so` finds it.
pub fn library_path() -> String {
    format!("/usr/lib/{}-linux-gnu/libnopipe.so", std::env::consts::ARCH)
}

/// Puts the library, the server and the launcher inside.
pub fn install(machine: &Machine) -> Result<(), String> {
    machine.install(&library(Profile::Release).path, &library_path())?;
    machine.install(launcher(), "/usr/local/bin/nopipe")?;
    machine.install(&c_program(PROGRAM), &format!("/usr/local/bin/{PROGRAM}"))
}

/// The service. It is stopped and disabled when this goes out of scope: the next one needs the port.
pub struct Unit<'m> {
    pub machine: &'m Machine,
    /// With `.service`.
    pub name: String,
}

/// The fate of the server's main process, from `systemctl show`.
#[derive(Debug, PartialEq, Eq)]
pub struct Fate {
    pub active: bool,
    /// `ExecMainCode`, as in `si_code`: 0 runs, 2 was killed.
    pub code: i32,
    /// `ExecMainStatus`: the signal.
    pub status: i32,
    pub restarts: u32,
    pub main_pid: u32,
}

impl<'m> Unit<'m> {
    /// Starts it, with these lines in its `[Service]` section, and waits until it answers.
    ///
    /// systemd starts services with SIGPIPE ignored. `IgnoreSIGPIPE=no` turns that off: a server that dies of SIGPIPE in
    /// production, or its runtime, has set the default action again.
    pub fn start(machine: &'m Machine, name: &str, settings: &str) -> Result<Unit<'m>, String> {
        let unit = Unit {
            machine,
            name: format!("{name}.service"),
        };
        let file = format!(
            "[Service]\nExecStart=/usr/local/bin/{PROGRAM} {}\nIgnoreSIGPIPE=no\n{settings}\n\
             [Install]\nWantedBy=multi-user.target\n",
            SERVER.port()
        );
        machine.write(&format!("/etc/systemd/system/{}", unit.name), file)?;
        machine.run("systemctl daemon-reload")?;
        machine.run(&format!("systemctl --quiet enable --now {}", unit.name))?;
        unit.wait_until_it_answers()?;
        Ok(unit)
    }

    /// Installs the drop-in, adds these lines to the `[Service]` section, and starts the server again.
    pub fn protect(&self, settings: &str) -> Result<(), String> {
        self.machine.write(
            &format!("/etc/systemd/system/{}.d/test.conf", self.name),
            format!("[Service]\n{settings}\n"),
        )?;
        self.machine.run("systemctl daemon-reload")?;
        self.machine.run(&format!("nopipe dropin --install {}", self.name))?;
        self.restart()
    }

    /// Removes the drop-in, and starts the server again.
    pub fn unprotect(&self) -> Result<(), String> {
        self.machine.run(&format!("nopipe dropin --remove {}", self.name))?;
        self.restart()
    }

    fn restart(&self) -> Result<(), String> {
        self.machine.run(&format!("systemctl restart {}", self.name))?;
        self.wait_until_it_answers()
    }

    pub fn wait_until_it_answers(&self) -> Result<(), String> {
        wait_for("the server's answer", || match self.ping() {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => match self.fate()? {
                Fate { active: true, .. } => Ok(None),
                fate => Err(format!("the server does not start: {fate:?}\n{}", self.said())),
            },
            Err(error) => Err(error.to_string()),
        })?;
        Ok(())
    }

    /// The end of its journal, for the message of a failed test.
    fn said(&self) -> String {
        let lines = self
            .machine
            .run(&format!("journalctl --no-pager --lines=20 -o cat -u {}", self.name));
        lines.unwrap_or_default()
    }

    /// Checks that it answers a good request, byte for byte.
    pub fn answers(&self) -> Result<(), String> {
        match self.ping() {
            Ok(answer) if answer == b"PONG\n" => Ok(()),
            other => Err(format!("the server answers {other:?}")),
        }
    }

    fn ping(&self) -> io::Result<Vec<u8>> {
        self.machine.in_network(|| half_close(SERVER, b"PING\n"))
    }

    /// Runs a client that joins and vanishes; returns its address.
    pub fn client_vanishes(&self, how: Departure) -> Result<SocketAddr, String> {
        let client = self.machine.in_network(|| vanish(SERVER, JOIN, how));
        client.map_err(|error| format!("{error}: {how}"))
    }

    /// Its present state.
    pub fn fate(&self) -> Result<Fate, String> {
        let shown = self.machine.run(&format!(
            "systemctl show --property=ActiveState,ExecMainCode,ExecMainStatus,NRestarts,MainPID {}",
            self.name
        ))?;
        let value = |name: &str| {
            let mut lines = shown.lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(key, _)| *key == name).map(|(_, value)| value);
            found.ok_or(format!("no {name} in {shown:?}"))
        };
        let number = |name| value(name)?.parse::<u32>().map_err(|error| format!("{name}: {error}"));
        Ok(Fate {
            active: value("ActiveState")? == "active",
            code: number("ExecMainCode")? as i32,
            status: number("ExecMainStatus")? as i32,
            restarts: number("NRestarts")?,
            main_pid: number("MainPID")?,
        })
    }

    /// Waits for at least `count` events of the library in the journal, and returns them; `also` are further matches.
    pub fn events(&self, count: usize, also: &[&str]) -> Result<Vec<Value>, String> {
        let unit = format!("_SYSTEMD_UNIT={}", self.name);
        let matches = [&[unit.as_str()], also].concat();
        wait_for(&format!("{count} events that match {matches:?}"), || {
            let entries = self.machine.journal(&matches)?;
            Ok((entries.len() >= count).then_some(entries))
        })
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        let _ = self
            .machine
            .run(&format!("systemctl --quiet disable --now {}", self.name));
    }
}
