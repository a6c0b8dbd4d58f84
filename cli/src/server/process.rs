//! A process that has the library loaded, and its counters.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nopipe_core::library::LIBRARY;
use nopipe_core::stats::{self, Snapshot, Unreadable};

use super::access::{error_of, no_such_process};
use super::image::{Place, find_symbol};
use super::proc::Folder;
use crate::error::{Error, Exit};
use crate::output::visible;

/// No version of the counters is larger, in bytes.
const LARGEST: usize = 1 << 16;

/// The counters of one process.
#[derive(Debug)]
pub struct Report {
    pub pid: i32,
    /// Its name as ps(1) shows it, made visible.
    pub program: String,
    pub counters: Snapshot,
}

/// Why there is no report.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    /// The process is known to have the library loaded.
    pub is_loaded: bool,
}

impl Failure {
    /// Before the library was found there.
    pub fn before(error: Error) -> Failure {
        Failure {
            error,
            is_loaded: false,
        }
    }

    fn after(error: Error) -> Failure {
        Failure { error, is_loaded: true }
    }
}

/// The counters of one process as they were in its memory.
#[derive(Debug)]
pub struct Block {
    pub pid: i32,
    /// Its name, made visible.
    pub program: String,
    /// Its number in its own pid namespace: that of a process in a container is another one outside.
    pub own_pid: u32,
    /// Two copies, one read after the other.
    pub bytes: Vec<u8>,
}

impl Block {
    /// Reads it from the process `pid`.
    ///
    /// This may take for ever: see [`super::reader`].
    ///
    /// Fails with [`Exit::NotFound`], with [`Exit::NotPermitted`], with [`Exit::NotLoaded`], and with
    /// [`Exit::OtherVersion`] if the counters cannot be decoded.
    pub fn read(pid: i32) -> Result<Block, Failure> {
        let (folder, program, bases) = find(pid).map_err(Failure::before)?;
        read(pid, &folder, program, &bases).map_err(Failure::after)
    }

    /// Decodes it. Fails with [`Exit::OtherVersion`].
    pub fn decode(self) -> Result<Report, Failure> {
        let Block {
            pid,
            program,
            own_pid,
            bytes,
        } = self;
        match decode(&bytes, own_pid) {
            Ok(counters) => Ok(Report { pid, program, counters }),
            Err(why) => Err(Failure::after(not_decoded(pid, &program, &why))),
        }
    }
}

/// The process's folder, its name made visible, and where each copy of the library begins.
fn find(pid: i32) -> Result<(Folder, String, Vec<u64>), Error> {
    let in_proc = |error: io::Error| error_of(pid, &error);
    let folder = Folder::open(pid).map_err(in_proc)?;
    let program = visible(&folder.name().map_err(in_proc)?);
    let bases = folder.libraries().map_err(in_proc)?;
    if bases.is_empty() {
        let message = format!("process {pid} ({program}): {LIBRARY} is not loaded");
        return Err(Error::new(Exit::NotLoaded, message));
    }
    Ok((folder, program, bases))
}

fn read(pid: i32, folder: &Folder, program: String, bases: &[u64]) -> Result<Block, Error> {
    let in_proc = |error: io::Error| error_of(pid, &error);
    let own_pid = folder.status().map_err(in_proc)?.own_pid;
    let own_pid = own_pid.unwrap_or(pid.unsigned_abs());
    let memory = folder.file("mem").map_err(in_proc)?;
    let copies = bases.iter().map(|&base| read_copy(&memory, base, own_pid));
    // If several copies are loaded, only one counts. The others have no start time.
    let since = |copy: &Copy| copy.as_ref().map_or(0, |(_, since)| since.saturating_add(1));
    match copies.max_by_key(since) {
        Some(Ok((bytes, _))) => Ok(Block {
            pid,
            program,
            own_pid,
            bytes,
        }),
        // The memory of a process that has ended is empty.
        _ if folder.has_ended() => Err(no_such_process(pid)),
        Some(Err(why)) => Err(not_decoded(pid, &program, &why)),
        None => Err(not_decoded(pid, &program, "nothing to read")),
    }
}

fn not_decoded(pid: i32, program: &str, why: &str) -> Error {
    Error::new(Exit::OtherVersion, format!("process {pid} ({program}): {why}"))
}

/// The block of one copy of the library, and since when it counts; or why it cannot be read.
type Copy = Result<(Vec<u8>, u64), String>;

/// Reads the copy of the library at `base`.
fn read_copy(memory: &File, base: u64, own_pid: u32) -> Copy {
    let Place { address, size } =
        find_symbol(memory, base, stats::SYMBOL).ok_or_else(|| format!("its {LIBRARY} has no counters"))?;
    // Twice: the process counts on meanwhile, and a peer that it was writing is left out.
    let size = size.min(LARGEST);
    let mut bytes = vec![0; 2 * size];
    for copy in bytes.chunks_mut(size.max(1)) {
        memory.read_exact_at(copy, address).map_err(|error| error.to_string())?;
    }
    let since = decode(&bytes, own_pid)?.since;
    Ok((bytes, since))
}

fn decode(bytes: &[u8], own_pid: u32) -> Result<Snapshot, String> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    Snapshot::decode(first, second, own_pid).map_err(|why| match why {
        Unreadable::Version(theirs) => format!(
            "its counters have version {theirs}, but this nopipe reads version {}: use the nopipe that came with that library",
            stats::VERSION
        ),
        Unreadable::Short | Unreadable::NoBlock => "it has no counters that this nopipe can read".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors() {
        assert_eq!(Block::read(i32::MAX).unwrap_err().error.exit, Exit::NotFound);
        let own = std::process::id().cast_signed();
        assert_eq!(Block::read(own).unwrap_err().error.exit, Exit::NotLoaded);
    }
}
