//! A file of the operator's choice: `NOPIPE_LOG=file:/path/%p.log`. Each line is one write to its end.
//!
//! # Which file is written
//!
//! The program may be root, and the path may lead through folders of other users. So the library goes from folder to
//! folder itself, each time, and writes only if nobody else has chosen the file:
//!
//! * The file is regular, has one name, and is new or owned by root or the effective user. It is no symbolic link.
//! * A symbolic link to a folder on the way is followed if root or the effective user owns it, it has one name, and its own
//!   folder is theirs, and not writable by all (or sticky, as `/tmp` is).
//!
//! # Another thread closes all descriptors
//!
//! Then the number may lead to a client before the line is written. The calls that write are those that a pipe or socket
//! refuses ([`sys::append`]).
//!
//! # A torn line
//!
//! A full disk takes part of a line. It is not taken back: another process may have written behind it. Instead the next
//! line begins with a line feed, whichever process of the [`family`](crate::family) writes it.

use super::line::{Outcome, with_line, with_memory};
use crate::config;
use crate::family::family;
use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use log::Record;
use nopipe_core::line::Line;
use nopipe_sys as sys;

/// So many folders and links at most lead to the file; the kernel's own limit for links is 40.
const STEPS: usize = 128;
/// So many links at most lie inside one another.
const NESTED: usize = 6;

const FOLDER: c_int = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
const LINK: c_int = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
const FILE: c_int =
    libc::O_WRONLY | libc::O_APPEND | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Whether the file ends in the middle of a line of ours. If each process has a file of its own, it is known to that alone.
fn torn() -> &'static AtomicBool {
    static OWN: AtomicBool = AtomicBool::new(false);
    match config::settings().file.as_bytes().windows(2).any(|two| two == b"%p") {
        true => &OWN,
        false => &family().log_is_torn,
    }
}

/// Appends the record. The file is opened first: the way to it needs most of the stack, and the line a part of it.
pub fn append(record: &Record) -> Outcome {
    match open() {
        Ok(file) => with_line(record, |line| write(file, line)),
        Err(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN | libc::EINTR) => Outcome::Lost,
        Err(_) => Outcome::Absent,
    }
}

#[inline(never)]
fn write(file: sys::Fd, line: &[u8]) -> Outcome {
    let torn = torn();
    let end_of_torn: &[u8] = if torn.swap(false, Relaxed) { b"\n" } else { b"" };
    let written = sys::write_quietly(|| sys::append(&file, end_of_torn, line));
    match written {
        Ok(n) if n == end_of_torn.len() + line.len() => return Outcome::Written,
        Ok(n) if n > end_of_torn.len() => torn.store(true, Relaxed),
        Ok(n) if n > 0 => {}
        _ => {
            if !end_of_torn.is_empty() {
                torn.store(true, Relaxed);
            }
        }
    }
    match written {
        // The number is not ours any more.
        Err(libc::EBADF | libc::ESPIPE) => {
            file.forget();
            Outcome::Lost
        }
        Ok(_) | Err(libc::EAGAIN | libc::EINTR) => Outcome::Lost,
        // The disk is full, or broken.
        Err(_) => Outcome::Absent,
    }
}

/// Opens the file, or says why not; EPERM: somebody else may have chosen it.
#[inline(never)]
pub fn open() -> sys::Result<sys::Fd> {
    let opened = with_memory(|name| {
        let folder = walk(name)?;
        open_in(&folder, name)
    });
    // No memory: as if there were no descriptor.
    opened.unwrap_or(Err(libc::EAGAIN))
}

fn open_in<const N: usize>(folder: &sys::Fd, name: &Line<N>) -> sys::Result<sys::Fd> {
    // A second time if another process creates or replaces it in the meantime.
    for _ in 0..2 {
        match open_part(folder, name, FILE) {
            Ok(file) => {
                let found = sys::fstat_file(file.raw())?;
                if found.links > 0 {
                    let is_ours = found.stat.is(libc::S_IFREG) && found.links == 1 && is_trusted(found.uid);
                    return if is_ours { Ok(file) } else { Err(libc::EPERM) };
                }
            }
            // A new file is ours, whatever owner the file system gives it.
            Err(libc::ENOENT) => match open_part(folder, name, FILE | libc::O_CREAT | libc::O_EXCL) {
                Err(libc::EEXIST) => {}
                result => return result,
            },
            Err(error) => return Err(error),
        }
    }
    Err(libc::EAGAIN)
}

/// The file's folder; `name` is the file's name then, with a NUL. On the way it holds the part that is looked at, or a
/// link's target.
#[inline(never)]
fn walk<const N: usize>(name: &mut Line<N>) -> sys::Result<sys::Fd> {
    let settings = config::settings();
    let pid = sys::getpid();
    // Where the next part begins, in the template; in the targets of links, innermost last.
    let mut at = 0;
    let mut links: [Option<(sys::Fd, u16)>; NESTED] = [const { None }; NESTED];
    let mut depth = 0_usize;
    let mut folder = root()?;
    for _ in 0..STEPS {
        let innermost = links.get_mut(depth.wrapping_sub(1));
        if let Some(Some((link, from))) = innermost {
            next_of_target(link, from, name)?;
            if name.is_empty() {
                depth -= 1;
                continue;
            }
        } else {
            name.keep(0, 0);
            at = settings.file_part(at, pid, name.writer()).ok_or(libc::EISDIR)?;
        }
        name.push('\0');
        if name.lost() > 0 {
            return Err(libc::ENAMETOOLONG);
        }
        if depth == 0 && at == settings.file.len() {
            return Ok(folder);
        }
        match open_part(&folder, name, FOLDER) {
            Ok(next) => folder = next,
            Err(libc::ENOTDIR | libc::ELOOP) => {
                let link = open_part(&folder, name, LINK)?;
                check_link(&folder, &link)?;
                read_target(&link, name)?;
                if name.as_bytes().starts_with(b"/") {
                    folder = root()?;
                }
                *links.get_mut(depth).ok_or(libc::ELOOP)? = Some((link, 0));
                depth += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Err(libc::ELOOP)
}

#[inline(never)]
fn root() -> sys::Result<sys::Fd> {
    sys::open(c"/", FOLDER, 0)
}

/// The next part of a link's target, from byte `from` on, which moves behind it; empty if there is none.
#[inline(never)]
fn next_of_target<const N: usize>(link: &sys::Fd, from: &mut u16, name: &mut Line<N>) -> sys::Result<()> {
    read_target(link, name)?;
    let rest = name.as_bytes().get(usize::from(*from)..).unwrap_or(&[]);
    let slashes = rest.iter().take_while(|&&b| b == b'/').count();
    let length = rest.iter().skip(slashes).take_while(|&&b| b != b'/').count();
    let start = usize::from(*from) + slashes;
    *from = (start + length) as u16;
    name.keep(start, length);
    Ok(())
}

#[inline(never)]
fn read_target<const N: usize>(link: &sys::Fd, name: &mut Line<N>) -> sys::Result<()> {
    name.fill(|buffer| match sys::readlink(link, buffer)? {
        // It may be longer.
        length if length == buffer.len() => Err(libc::ENAMETOOLONG),
        length => Ok(length),
    })
}

/// An error if somebody else than root or the effective user can have put this symbolic link there.
#[inline(never)]
fn check_link(folder: &sys::Fd, link: &sys::Fd) -> sys::Result<()> {
    let link = sys::fstat_file(link.raw())?;
    if !link.stat.is(libc::S_IFLNK) {
        return Err(libc::ENOTDIR);
    }
    let folder = sys::fstat_file(folder.raw())?;
    let is_open = folder.stat.mode & libc::S_IWOTH != 0 && folder.stat.mode & libc::S_ISVTX == 0;
    match link.links == 1 && is_trusted(link.uid) && is_trusted(folder.uid) && !is_open {
        true => Ok(()),
        false => Err(libc::EPERM),
    }
}

/// Whether this is root or the effective user.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == sys::geteuid()
}

#[inline(never)]
fn open_part<const N: usize>(folder: &sys::Fd, name: &Line<N>, flags: c_int) -> sys::Result<sys::Fd> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).map_err(|_| libc::EINVAL)?;
    sys::openat(folder, name, flags, 0o640)
}
