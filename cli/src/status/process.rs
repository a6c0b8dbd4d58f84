//! The counters of one process.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nopipe_core::stats::{self, Snapshot, Unreadable};
use procfs::ProcError;
use procfs::process::{MMapPath, MemoryMap, Process};

use super::image::{Place, find_symbol};
use crate::failure::{Failure, Kind, Result};

/// No version's block is larger.
const LARGEST: usize = 1 << 16;

/// What is shown of a process.
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
    /// Where each copy of the library begins.
    bases: Vec<u64>,
}

impl Server {
    pub fn find(pid: i32) -> Result<Server> {
        let in_proc = |error| failure_of(pid, error);
        let process = Process::new(pid).map_err(in_proc)?;
        let program = process.stat().map_err(in_proc)?.comm;
        let maps = process.maps().map_err(in_proc)?;
        let bases: Vec<u64> = maps
            .iter()
            .filter(|map| is_library(map))
            .map(|map| map.address.0)
            .collect();
        if bases.is_empty() {
            let message = format!("process {pid} ({program}): libnopipe.so is not loaded there");
            return Err(Failure::new(Kind::NotLoaded, message));
        }
        Ok(Server {
            process,
            program,
            bases,
        })
    }

    pub fn report(self) -> Result<Report> {
        let Server {
            process,
            program,
            bases,
        } = self;
        let pid = process.pid();
        let in_proc = |error| failure_of(pid, error);
        // In a container the process numbers itself otherwise than we do; the innermost number is the last.
        let numbers = process.status().map_err(in_proc)?.nspid;
        let own_pid = numbers.and_then(|pids| pids.last().copied()).unwrap_or(pid);
        let memory = process.mem().map_err(in_proc)?;
        let copies = bases
            .iter()
            .map(|&base| read_copy(&memory, base, own_pid.unsigned_abs()));
        // Of several copies one counts; the others have signed nothing.
        let best = copies.max_by_key(|copy| copy.as_ref().map_or(0, |counters| counters.since + 1));
        match best {
            Some(Ok(counters)) => Ok(Report { pid, program, counters }),
            // The memory of a process that has ended is empty.
            _ if !process.is_alive() => Err(in_proc(ProcError::NotFound(None))),
            Some(Err(why)) => Err(Failure::new(
                Kind::OtherVersion,
                format!("process {pid} ({program}): {why}"),
            )),
            None => Err(Failure::new(
                Kind::NotLoaded,
                format!("process {pid} ({program}): nothing to read"),
            )),
        }
    }
}

/// Whether this is the first mapping of a libnopipe.so, be the file renamed (libnopipe.so.old) or deleted since.
fn is_library(map: &MemoryMap) -> bool {
    let MMapPath::Path(path) = &map.pathname else {
        return false;
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.trim_end_matches(" (deleted)");
    map.offset == 0 && (name == "libnopipe.so" || name.starts_with("libnopipe.so."))
}

/// The counters of the copy of the library at `base`, or why they cannot be read.
fn read_copy(memory: &File, base: u64, own_pid: u32) -> std::result::Result<Snapshot, String> {
    let Place { address, size } =
        find_symbol(memory, base, stats::SYMBOL).ok_or("the libnopipe.so that is loaded there has no counters")?;
    // Twice: the process counts on meanwhile, and a peer that it was writing is left out.
    let copy = || {
        let mut bytes = vec![0; size.min(LARGEST)];
        let read = memory.read_exact_at(&mut bytes, address);
        read.map(|()| bytes).map_err(|error| error.to_string())
    };
    let (first, second) = (copy()?, copy()?);
    Snapshot::decode(&first, &second, own_pid).map_err(|why| match why {
        Unreadable::Version(theirs) => format!(
            "its counters have version {theirs}, this program reads version {}: use the one that came with that library",
            stats::VERSION
        ),
        Unreadable::Short | Unreadable::NoBlock => "what is there are no counters that this program knows".to_owned(),
    })
}

fn failure_of(pid: i32, error: ProcError) -> Failure {
    match error {
        ProcError::NotFound(_) => Failure::new(Kind::NotFound, format!("process {pid}: no such process")),
        ProcError::PermissionDenied(_) => Failure::new(Kind::NotPermitted, permission_denied(pid)),
        other => Failure::new(Kind::Other, format!("process {pid}: {other}")),
    }
}

/// What is known of why a process may not be read, see ptrace(2), "Ptrace access mode checking".
fn permission_denied(pid: i32) -> String {
    let mut text = format!("process {pid}: permission denied");
    let own = rustix::process::geteuid().as_raw();
    let folder = Path::new("/proc").join(pid.to_string());
    let user = Process::new(pid)
        .and_then(|process| process.status())
        .map(|status| status.euid);
    match user {
        Ok(user) if user != own => {
            let _ = write!(text, "; it runs as user {user}, this program as {own}");
        }
        // The kernel gives the files of a process that is not dumpable to root.
        Ok(user) if fs::metadata(folder.join("stat")).is_ok_and(|file| file.uid() != user) => {
            text.push_str("; it is not dumpable (it has changed its user, or called prctl(PR_SET_DUMPABLE, 0))");
        }
        _ => {}
    }
    if let Ok(scope) = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope") {
        let meaning = match scope.trim() {
            "0" => "no restriction",
            "1" => "only a process's ancestors and root",
            "2" => "only root",
            _ => "nobody",
        };
        let _ = write!(text, "; kernel.yama.ptrace_scope = {} ({meaning})", scope.trim());
    }
    text
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
    fn failures() {
        assert_eq!(Server::find(i32::MAX).err().unwrap().kind, Kind::NotFound);
        let own = std::process::id().cast_signed();
        assert_eq!(Server::find(own).err().unwrap().kind, Kind::NotLoaded);
    }
}
