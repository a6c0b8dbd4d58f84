//! A process that has the library loaded, and its counters.

use std::fs::File;
use std::os::unix::fs::FileExt;

use nopipe_core::library::{self, LIBRARY};
use nopipe_core::stats::{self, Snapshot, Unreadable};
use procfs::ProcError;
use procfs::process::{MMapPath, MemoryMap, Process, all_processes};

use super::access::error_of;
use super::image::{Place, find_symbol};
use crate::error::{Error, Exit, Result};

/// No version of the counters is larger, in bytes.
const LARGEST: usize = 1 << 16;

/// The counters of one process.
#[derive(Debug)]
pub struct Report {
    pub pid: i32,
    /// Its name as ps(1) shows it.
    pub program: String,
    pub counters: Snapshot,
}

/// A process that has the library loaded.
pub struct Server {
    process: Process,
    program: String,
    /// The address at which each copy of the library begins.
    bases: Vec<u64>,
}

impl Server {
    /// The process `pid`.
    ///
    /// Fails with [`Exit::NotFound`], with [`Exit::NotPermitted`] if its mappings may not be read, and with
    /// [`Exit::NotLoaded`].
    pub fn find(pid: i32) -> Result<Server> {
        let in_proc = |error| error_of(pid, error);
        let process = Process::new(pid).map_err(in_proc)?;
        let program = process.stat().map_err(in_proc)?.comm;
        let maps = process.maps().map_err(in_proc)?;
        let bases: Vec<u64> = maps
            .iter()
            .filter(|map| is_library(map))
            .map(|map| map.address.0)
            .collect();
        if bases.is_empty() {
            let message = format!("process {pid} ({program}): {LIBRARY} is not loaded");
            return Err(Error::new(Exit::NotLoaded, message));
        }
        Ok(Server {
            process,
            program,
            bases,
        })
    }

    /// Reads the counters.
    ///
    /// Fails with [`Exit::OtherVersion`] if they cannot be decoded, and with [`Exit::NotFound`] or
    /// [`Exit::NotPermitted`].
    pub fn report(self) -> Result<Report> {
        let Server {
            process,
            program,
            bases,
        } = self;
        let pid = process.pid();
        let in_proc = |error| error_of(pid, error);
        // In a container the process has another number than outside. The last one is the innermost: its own.
        let numbers = process.status().map_err(in_proc)?.nspid;
        let own_pid = numbers.and_then(|pids| pids.last().copied()).unwrap_or(pid);
        let memory = process.mem().map_err(in_proc)?;
        let copies = bases
            .iter()
            .map(|&base| read_copy(&memory, base, own_pid.unsigned_abs()));
        // If several copies are loaded, only one counts. The others have no start time.
        let best = copies.max_by_key(|copy| copy.as_ref().map_or(0, |counters| counters.since + 1));
        match best {
            Some(Ok(counters)) => Ok(Report { pid, program, counters }),
            // The memory of a process that has ended is empty.
            _ if !process.is_alive() => Err(in_proc(ProcError::NotFound(None))),
            Some(Err(why)) => Err(Error::new(
                Exit::OtherVersion,
                format!("process {pid} ({program}): {why}"),
            )),
            None => Err(Error::new(
                Exit::NotLoaded,
                format!("process {pid} ({program}): nothing to read"),
            )),
        }
    }
}

/// The numbers of all processes, in ascending order.
pub fn running() -> Result<Vec<i32>> {
    let processes = all_processes().map_err(Error::while_doing("/proc"))?;
    let mut pids: Vec<i32> = processes.filter_map(|process| Some(process.ok()?.pid())).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Whether this mapping is the beginning of a copy of the library.
fn is_library(map: &MemoryMap) -> bool {
    let MMapPath::Path(path) = &map.pathname else {
        return false;
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    map.offset == 0 && library::is_library(name)
}

/// The counters of the copy of the library at `base`, or why they cannot be read.
fn read_copy(memory: &File, base: u64, own_pid: u32) -> std::result::Result<Snapshot, String> {
    let Place { address, size } =
        find_symbol(memory, base, stats::SYMBOL).ok_or_else(|| format!("its {LIBRARY} has no counters"))?;
    // Twice: the process counts on meanwhile, and a peer that it was writing is left out.
    let copy = || {
        let mut bytes = vec![0; size.min(LARGEST)];
        let read = memory.read_exact_at(&mut bytes, address);
        read.map(|()| bytes).map_err(|error| error.to_string())
    };
    let (first, second) = (copy()?, copy()?);
    Snapshot::decode(&first, &second, own_pid).map_err(|why| match why {
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
    fn mappings() {
        let line = |path: &str, offset: &str| {
            let line = format!("7f0000000000-7f0000001000 r--p {offset} 08:01 42                         {path}\n");
            let mut maps = <procfs::process::MemoryMaps as procfs::FromRead>::from_read(line.as_bytes())
                .unwrap()
                .0;
            is_library(&maps.remove(0))
        };
        for path in [
            "/usr/lib/libnopipe.so",
            "/a b/libnopipe.so (deleted)",
            "/usr/lib/libnopipe.so.old",
        ] {
            assert!(line(path, "00000000"), "{path}");
        }
        assert!(!line("/usr/lib/libnopipe.so", "00001000"));
        assert!(!line("/usr/lib/libnopipes.so", "00000000"));
    }

    #[test]
    fn errors() {
        assert_eq!(Server::find(i32::MAX).err().unwrap().exit, Exit::NotFound);
        let own = std::process::id().cast_signed();
        assert_eq!(Server::find(own).err().unwrap().exit, Exit::NotLoaded);
    }
}
