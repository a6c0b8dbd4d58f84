//! Why a process cannot be read.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::ProcError;
use procfs::process::Process;

use crate::error::{Error, Exit};

/// The error of reading `/proc/PID`, as one of this program's.
pub fn error_of(pid: i32, error: ProcError) -> Error {
    match error {
        ProcError::NotFound(_) => Error::new(Exit::NotFound, format!("process {pid}: no such process")),
        ProcError::PermissionDenied(_) => Error::new(Exit::NotPermitted, permission_denied(pid)),
        other => Error::new(Exit::Other, format!("process {pid}: {other}")),
    }
}

/// A message with all known reasons why a process may not be read, see ptrace(2), "Ptrace access mode checking".
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
        // The files of a process that is not dumpable belong to root, see proc(5).
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
