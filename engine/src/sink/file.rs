//! A file of the operator's choice: `NOPIPE_LOG=file:/path/%p.log`. It must be a regular file; each line is one write.

use super::line::{Outcome, with_line, with_memory};
use crate::config;
use core::ffi::CStr;
use log::Record;
use nopipe_sys as sys;

const FLAGS: core::ffi::c_int = libc::O_WRONLY
    | libc::O_APPEND
    | libc::O_CREAT
    | libc::O_CLOEXEC
    | libc::O_NOFOLLOW
    | libc::O_NONBLOCK
    | libc::O_NOCTTY;

/// Appends the record.
pub fn append(record: &Record) -> Outcome {
    with_line(record, append_line)
}

fn append_line(line: &[u8]) -> Outcome {
    let Some(file) = open() else {
        return Outcome::Lost;
    };
    match sys::write_quietly(|| sys::write(file.raw(), line)) {
        Ok(n) if n == line.len() => Outcome::Written,
        _ => Outcome::Lost,
    }
}

/// Opens the file. Its path may be long, so it is not put together on the stack.
#[inline(never)]
fn open() -> Option<sys::Fd> {
    with_memory(|path| {
        config::settings().push_file(path.writer(), sys::getpid());
        open_at(path.as_bytes())
    })?
}

fn open_at(path: &[u8]) -> Option<sys::Fd> {
    let path = CStr::from_bytes_with_nul(path).ok()?;
    let file = sys::open(path, FLAGS, 0o640).ok()?;
    sys::fstat(file.raw())
        .is_ok_and(|stat| stat.is(libc::S_IFREG))
        .then_some(file)
}
