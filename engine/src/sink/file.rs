//! A file of the operator's choice: `NOPIPE_LOG=file:/path/%p.log`. It must be a regular file; each line is one write.

use super::line::{Outcome, with_line};
use crate::config;
use core::ffi::CStr;
use log::Record;
use nopipe_core::settings::LONGEST;
use nopipe_sys as sys;

/// Room for the template, a process id and a NUL.
const PATH: usize = LONGEST + 32;
const FLAGS: core::ffi::c_int = libc::O_WRONLY
    | libc::O_APPEND
    | libc::O_CREAT
    | libc::O_CLOEXEC
    | libc::O_NOFOLLOW
    | libc::O_NONBLOCK
    | libc::O_NOCTTY;

/// Appends the record.
pub fn append(record: &Record) -> Outcome {
    let Some(file) = open() else {
        return Outcome::Lost;
    };
    with_line(record, |line| {
        match sys::write_quietly(|| sys::write(file.raw(), line)) {
            Ok(n) if n == line.len() => Outcome::Written,
            _ => Outcome::Lost,
        }
    })
}

/// Opens the file. A function of its own, so that the path leaves the stack before the line needs room there.
#[inline(never)]
fn open() -> Option<sys::Fd> {
    let path = config::settings().file_of::<PATH>(sys::getpid())?;
    let path = CStr::from_bytes_with_nul(path.as_bytes()).ok()?;
    let file = sys::open(path, FLAGS, 0o640).ok()?;
    sys::fstat(file.raw())
        .is_ok_and(|stat| stat.is(libc::S_IFREG))
        .then_some(file)
}
