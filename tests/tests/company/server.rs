//! A running server, bare or with the library, in its company.

use std::error::Error;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nopipe_tests::library::bare;
use nopipe_tests::run::{End, Process, run};
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Profile, library};

use crate::cases::{Case, FAKED};

const STARTS_WITHIN: Duration = Duration::from_secs(20);
const BUILDS_WITHIN: Duration = Duration::from_secs(100);

/// The server prints this, then its port.
const LISTENING: &str = "listening on 127.0.0.1:";

/// A running server; it is killed when this goes out of scope.
pub struct Server {
    pub address: SocketAddr,
    process: Process,
    _faked: Option<Process>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Case {
    /// Builds the server in `folder`.
    pub fn build(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let Some(words) = &self.build else { return Ok(()) };
        let mut command = command(words, folder);
        bare(&mut command);
        let outcome = run(command.envs(self.env.iter().copied()), BUILDS_WITHIN)?;
        match outcome.end {
            End::Exit(0) => Ok(()),
            _ => Err(format!("{words:?}: {outcome:?}").into()),
        }
    }

    /// Makes `command` run in this company, and with the library if there is a folder for its logs.
    pub fn prepare(&self, command: &mut Command, folder: &Path, logs: Option<&Path>) {
        let library = library(Profile::Release);
        bare(command);
        let mut preloads = Vec::new();
        if let Some(logs) = logs {
            library.preload(command, logs);
            preloads.push(library.path.as_os_str());
        }
        if let Some(beside) = &self.beside {
            let place = if beside.first { 0 } else { preloads.len() };
            preloads.insert(place, beside.path.as_os_str());
        }
        if !preloads.is_empty() {
            command.env("LD_PRELOAD", preloads.join(":".as_ref()));
        }
        if self.wrapped {
            command
                .env("SOCKET_WRAPPER_DIR", folder)
                .env("SOCKET_WRAPPER_DEFAULT_IFACE", "10");
        }
        command.envs(self.env.iter().copied());
    }
}

impl Server {
    /// Starts it in `folder`.
    pub fn start(case: &Case, folder: &Path, logs: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let mut command = command(&case.command, folder);
        case.prepare(&mut command, folder, logs);
        let mut faked = None;
        if case.faked {
            let (daemon, key) = start_faked(folder)?;
            command.env("FAKEROOTKEY", key);
            faked = Some(daemon);
        }
        let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let mut process = Process::spawn(&mut command)?;
        let line = first_line(&stdout, &mut process)
            .ok_or_else(|| format!("it does not listen: {:?}", fs::read_to_string(&stderr)))?;
        let port = line
            .strip_prefix(LISTENING)
            .ok_or_else(|| format!("not a port: {line}"))?;
        Ok(Server {
            address: SocketAddr::new([127, 0, 0, 1].into(), port.parse()?),
            process,
            _faked: faked,
            stdout,
            stderr,
        })
    }

    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// How it ended; `None` if it has not within `patience`.
    pub fn end(&mut self, patience: Duration) -> std::io::Result<Option<End>> {
        self.process.wait(patience)
    }

    /// Whether `library` is in its memory map.
    pub fn has_loaded(&self, library: &Path) -> std::io::Result<bool> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.process.id()))?;
        let name = library.canonicalize()?;
        Ok(maps.lines().any(|line| line.ends_with(&*name.to_string_lossy())))
    }

    /// Its output after the line with its port.
    pub fn said(&self) -> std::io::Result<String> {
        let stdout = fs::read_to_string(&self.stdout)?;
        let later: Vec<&str> = stdout.lines().skip(1).collect();
        Ok(later.join("\n") + &fs::read_to_string(&self.stderr)?)
    }
}

fn command(words: &[String], folder: &Path) -> Command {
    // A server that was built lies in the folder.
    let program = match words[0].strip_prefix("./") {
        Some(built) => folder.join(built),
        None => PathBuf::from(&words[0]),
    };
    let mut command = Command::new(program);
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::null());
    command
}

/// Fakeroot's daemon and the key to it. Fakeroot's own script would leave the daemon running if the tests are killed.
fn start_faked(folder: &Path) -> Result<(Process, String), Box<dyn Error>> {
    let output = folder.join("faked");
    let mut command = Command::new(FAKED);
    bare(&mut command);
    command.arg("--foreground").stdin(Stdio::null());
    let mut process = Process::spawn(command.stdout(File::create(&output)?))?;
    let line = first_line(&output, &mut process).ok_or("faked does not start")?;
    let (key, _pid) = line.split_once(':').ok_or("faked has no key")?;
    Ok((process, key.to_string()))
}

/// The first line in `file`, once it is complete; `None` if `process` has not written it in time, or has died.
fn first_line(file: &Path, process: &mut Process) -> Option<String> {
    let line = wait_for(STARTS_WITHIN, || {
        let alive = process.is_alive();
        let text = fs::read_to_string(file).unwrap_or_default();
        match text.split_once('\n') {
            Some((line, _)) => Some(Some(line.to_string())),
            None => (!alive).then_some(None),
        }
    });
    line.flatten()
}
