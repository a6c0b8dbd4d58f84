//! Why a process cannot be read.

use std::fmt::Write;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;

use super::proc::Folder;
use crate::error::{Error, Exit};

/// The error of reading in `/proc/PID`, as one of this program's.
pub fn error_of(pid: i32, error: &io::Error) -> Error {
    let has_ended = Errno::from_io_error(error) == Some(Errno::SRCH);
    match error.kind() {
        ErrorKind::NotFound => no_such_process(pid),
        _ if has_ended => no_such_process(pid),
        ErrorKind::PermissionDenied => Error::new(Exit::NotPermitted, permission_denied(pid)),
        _ => Error::new(Exit::Other, format!("process {pid}: {error}")),
    }
}

pub fn no_such_process(pid: i32) -> Error {
    Error::new(Exit::NotFound, format!("process {pid}: no such process"))
}

/// A message with all known reasons why a process may not be read, see ptrace(2), "Ptrace access mode checking".
fn permission_denied(pid: i32) -> String {
    let mut text = format!("process {pid}: permission denied");
    let own = rustix::process::geteuid().as_raw();
    let folder = Path::new("/proc").join(pid.to_string());
    let status = Folder::open(pid).and_then(|folder| folder.status());
    match status.ok().and_then(|status| status.users.get(1).copied()) {
        Some(user) if user != own => {
            let _ = write!(text, "; it runs as user {user}, this program as {own}");
        }
        // The files of a process that is not dumpable belong to root, see proc(5).
        Some(user) if fs::metadata(folder.join("stat")).is_ok_and(|file| file.uid() != user) => {
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
