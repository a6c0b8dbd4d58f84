//! How a running process stands: whether it survives a vanished peer, and whether the log says which.

use std::time::Duration;

use nopipe_core::library::is_library;
use nopipe_core::settings::Settings;

use super::access::error_of;
use super::proc::{Folder, Signals};
use super::reader::Reader;
use crate::error::{Error, Exit, Result};
use crate::output::visible;

/// How long its memory may take to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of one process.
#[derive(Debug)]
pub struct Standing {
    pub pid: i32,
    /// Its name, made visible.
    pub program: String,
    pub library: Loaded,
    pub signals: Signals,
    /// It is under a seccomp filter.
    pub is_filtered: bool,
}

/// What the library does in a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loaded {
    /// It is not mapped.
    No,
    /// It works there.
    Active,
    /// The program has loaded it itself, by dlopen(3), say: what it calls does not go through the hooks.
    Late,
    /// It is mapped and does nothing: NOPIPE_ONLY does not name the program.
    Inert,
    /// It is mapped; the message says why no more is known.
    Unread(String),
}

impl Standing {
    /// Looks at the process `pid`.
    ///
    /// Fails with [`Exit::NotFound`] if there is none, with [`Exit::NotPermitted`] if its mappings cannot be read.
    pub fn of(pid: i32) -> Result<Standing> {
        let in_proc = |error: std::io::Error| error_of(pid, &error);
        let folder = Folder::open(pid).map_err(in_proc)?;
        let program = visible(&folder.name().map_err(in_proc)?);
        let status = folder.status().map_err(in_proc)?;
        if status.is_zombie {
            return Err(Error::new(
                Exit::NotFound,
                format!("process {pid} ({program}): it has ended"),
            ));
        }
        if status.is_kernel_thread {
            return Err(Error::new(
                Exit::NotFound,
                format!("process {pid} ({program}): a thread of the kernel"),
            ));
        }
        let library = match folder.libraries().map_err(in_proc)?.is_empty() {
            true => Loaded::No,
            false => loaded(pid, &folder),
        };
        Ok(Standing {
            pid,
            program,
            library,
            signals: status.signals,
            is_filtered: status.is_filtered,
        })
    }
}

fn loaded(pid: i32, folder: &Folder) -> Loaded {
    match Reader::default().read(pid, PATIENCE) {
        Err(failure) => Loaded::Unread(failure.error.to_string()),
        // A forked child has counted nothing yet, and is served all the same.
        Ok(report) if report.counters.since == 0 && is_left_out(folder) => Loaded::Inert,
        Ok(report) => match is_preloaded(folder) {
            Some(true) => Loaded::Active,
            Some(false) => Loaded::Late,
            // Many servers write their title over their environment. One that has started up has signed its counters.
            None if report.counters.since != 0 => Loaded::Active,
            None => Loaded::Unread("its environment has been overwritten, and it has counted nothing yet".to_owned()),
        },
    }
}

/// Whether LD_PRELOAD, as the program was started with it, or /etc/ld.so.preload names the library; `None` if the program
/// has overwritten its environment.
fn is_preloaded(folder: &Folder) -> Option<bool> {
    let names_it = |text: &[u8]| {
        let mut names = text.split(|b| b" :\n\t".contains(b));
        names.any(|name| {
            let file = name.rsplit(|&b| b == b'/').next().unwrap_or(name);
            is_library(&String::from_utf8_lossy(file))
        })
    };
    if std::fs::read("/etc/ld.so.preload").is_ok_and(|text| names_it(&text)) {
        return Some(true);
    }
    let environment = folder.environment().ok()?;
    let variables: Vec<_> = environment.split(|&b| b == 0).filter(|one| !one.is_empty()).collect();
    if variables.is_empty() || !variables.iter().all(|one| one.contains(&b'=')) {
        return None;
    }
    let preload = variables.iter().find_map(|one| one.strip_prefix(b"LD_PRELOAD="));
    Some(preload.is_some_and(names_it))
}

/// Whether NOPIPE_ONLY, as the program was started with it, leaves it out; the library judges by the first argument.
fn is_left_out(folder: &Folder) -> bool {
    let (Ok(Some(only)), Ok(first)) = (folder.variable("NOPIPE_ONLY"), folder.first_argument()) else {
        return false;
    };
    let mut settings = Settings::new();
    let name = String::from_utf8_lossy(&first);
    let name = name.rsplit('/').next().unwrap_or(&name);
    settings.set(b"NOPIPE_ONLY", &only).is_ok() && !settings.concerns(name)
}
