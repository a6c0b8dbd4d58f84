//! `/proc/PID/…` of another process: a peer on a unix socket, a parent. proc(5).

use core::ffi::{CStr, c_int};
use nopipe_core::fdinfo;
use nopipe_core::library::LIBRARY_BYTES;
use nopipe_core::line::Line;
use nopipe_core::proc_field::{Field, ProcField, TRACER, UID, VM_LIB, WRITE_BYTES};
use nopipe_core::proc_stat::ProcStat;
use nopipe_core::search::Needle;
use nopipe_sys as sys;

static NEEDLE: Needle<{ LIBRARY_BYTES.len() }> = Needle::new(&LIBRARY_BYTES);

/// Bytes read at once. Little, because some callers run in a handler on a small stack.
const PIECE: usize = 256;

/// Whether process `pid` has mapped a file with this library's name; `None` if we cannot look into it, such as a parent
/// in another pid namespace (0).
pub fn maps_library(pid: c_int) -> Option<bool> {
    names_library(pid, "maps").map(|named| named == Named::Yes)
}

/// Whether process `pid` may be in the middle of an exec, and have this library soon: its environment names it, and the
/// program has a loader. While the kernel still sets the new program up, its environment looks empty (fs/exec.c,
/// fs/proc/base.c): that counts where `is_early`.
pub fn may_be_loading_library(pid: c_int, is_early: bool) -> bool {
    match names_library(pid, "environ") {
        // A static program has no library, only the kernel's vDSO: 8 KiB. The dynamic loader alone has over 100.
        Some(Named::Yes) => field(pid, "status", VM_LIB) >= Some(64),
        Some(Named::Empty) => is_early,
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Yes,
    No,
    /// The file is empty.
    Empty,
}

/// Whether `/proc/PID/name` has this library's name in it, in a path or a list; `None` if we cannot look.
#[inline(never)]
fn names_library(pid: c_int, name: &str) -> Option<Named> {
    let before = b"/=: ";
    /// The name, and the byte before it.
    const KEPT: usize = LIBRARY_BYTES.len();
    with_file(pid, name, |file| {
        // The end of each piece is kept in front of the next one, because the name may lie across the two.
        let mut buffer = [0; KEPT + PIECE];
        let mut at_end = Named::Empty;
        loop {
            let (_, piece) = buffer.split_at_mut_checked(KEPT)?;
            let read = match sys::read(file, piece) {
                Ok(0) => return Some(at_end),
                Ok(read) => read,
                Err(_) => return None,
            };
            if NEEDLE.is_in_after(before, buffer.get(..KEPT + read)?) {
                return Some(Named::Yes);
            }
            at_end = Named::No;
            for i in 0..KEPT {
                let moved = *buffer.get(read + i)?;
                *buffer.get_mut(i)? = moved;
            }
        }
    })
}

/// What `/proc/PID/stat` says of a process; everybody may read it.
#[derive(Clone, Copy)]
pub struct Status {
    /// Whether it ignores SIGPIPE.
    pub ignores_sigpipe: bool,
    /// Whether it has a handler for SIGPIPE.
    pub catches_sigpipe: bool,
    /// Its parent; `None` if it has none that we can see.
    pub parent: Option<c_int>,
}

/// The status of process `pid`; `None` if there is no such process, or none that we can see.
pub fn status(pid: c_int) -> Option<Status> {
    let mut stat = ProcStat::new();
    for_each_piece(pid, "stat", |piece| stat.push(piece));
    Some(Status {
        ignores_sigpipe: stat.ignored()? & sys::SIGPIPE_MASK != 0,
        catches_sigpipe: stat.caught()? & sys::SIGPIPE_MASK != 0,
        parent: stat.parent(),
    })
}

/// The real user id of process `pid`; `None` if there is no such process, or none that we can see.
pub fn uid(pid: c_int) -> Option<u64> {
    field(pid, "status", UID)
}

/// Bytes that the calling process, its dead threads and its reaped children have caused to be written to storage; `None`
/// without /proc, or on a kernel that does not count them.
pub fn written_to_storage() -> Option<u64> {
    field(sys::getpid(), "io", WRITE_BYTES)
}

/// Whether a debugger or strace traces the calling process, or that cannot be known.
pub fn may_be_traced() -> bool {
    field(sys::getpid(), "status", TRACER) != Some(0)
}

#[inline(never)]
fn field(pid: c_int, name: &str, field: Field) -> Option<u64> {
    let mut field = ProcField::new(field);
    with_file(pid, name, |file| {
        let mut buffer = [0; PIECE];
        while field.value().is_none() {
            let read = sys::read(file, &mut buffer).ok().filter(|&read| read > 0)?;
            field.push(buffer.get(..read)?);
        }
        Some(())
    });
    field.value()
}

/// Whether stdout or stderr of process `pid` is this pipe.
pub fn has_as_stdio(pid: c_int, pipe: &sys::Stat) -> bool {
    ["fd/1", "fd/2"].into_iter().any(|name| {
        let path = path_of(pid, name);
        let there = CStr::from_bytes_with_nul(path.as_bytes()).map(sys::stat);
        matches!(there, Ok(Ok(stat)) if stat.dev == pipe.dev && stat.ino == pipe.ino)
    })
}

/// Whether process `pid` waits and cannot be interrupted (state D in `/proc/PID/stat`), as the caller of vfork(2) does
/// until its child has called exec or ended. False if we cannot look.
pub fn is_in_deep_sleep(pid: c_int) -> bool {
    // Counted from the last parenthesis, which ends the name.
    let (mut after_name, mut state) = (0_usize, 0);
    for_each_byte(pid, "stat", |byte| {
        after_name = match byte {
            b')' => 0,
            _ => after_name + 1,
        };
        if after_name == 2 {
            state = byte;
        }
    });
    state == b'D'
}

/// The pid namespace of the calling process, by its inode; `None` without /proc. pid_namespaces(7).
pub fn pid_namespace() -> Option<u64> {
    sys::stat(c"/proc/self/ns/pid").ok().map(|stat| stat.ino)
}

/// The name that the kernel keeps, `/proc/PID/comm`, at most 15 bytes; empty if there is no such process.
pub fn comm(pid: c_int) -> Line<16> {
    let mut buffer = [0; 16];
    let read = with_file(pid, "comm", |file| sys::read_beginning(file, &mut buffer).ok());
    let name = buffer.get(..read.unwrap_or(0)).unwrap_or(&[]);
    let mut comm = Line::new();
    comm.push_lossy(name.strip_suffix(b"\n").unwrap_or(name));
    comm
}

/// The same of the process that `pidfd` refers to. Empty if it was reaped, if /proc is that of a pid namespace which does
/// not hold it, or if there is no /proc.
pub fn comm_of(pidfd: &sys::Fd) -> Line<16> {
    let Some(pid) = pid_of_pidfd(pidfd.raw()) else {
        return Line::new();
    };
    let name = comm(pid);
    // If it has the number still, the name was its own.
    match pid_of_pidfd(pidfd.raw()) == Some(pid) {
        true => name,
        false => Line::new(),
    }
}

/// The number, as /proc has it, of the process that the pidfd `fd` of ours refers to; `None` if it is no pidfd, or the
/// process is not of our namespace or has ended, or we cannot look.
pub fn pid_of_pidfd(fd: c_int) -> Option<c_int> {
    let mut path = Line::<40>::new();
    path.push_str("/proc/self/fdinfo/");
    path.push_u64(u64::try_from(fd).ok()?);
    path.push('\0');
    let path = CStr::from_bytes_with_nul(path.as_bytes()).ok()?;
    let file = sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()?;
    // The number is in the first 80 bytes.
    let mut buffer = [0; 160];
    let read = sys::read_beginning(&file, &mut buffer).ok()?;
    fdinfo::pid(buffer.get(..read)?)
}

fn path_of(pid: c_int, name: &str) -> Line<40> {
    let mut path = Line::new();
    path.push_str("/proc/");
    path.push_u64(pid as u64);
    path.push('/');
    path.push_str(name);
    path.push('\0');
    path
}

/// Calls `f` with the first half kilobyte of `/proc/PID/name`, in pieces.
fn for_each_piece(pid: c_int, name: &str, mut f: impl FnMut(&[u8])) {
    with_file(pid, name, |file| {
        let mut buffer = [0; PIECE];
        for _ in 0..512 / PIECE {
            let read = sys::read(file, &mut buffer).ok().filter(|&read| read > 0)?;
            f(buffer.get(..read)?);
        }
        Some(())
    });
}

/// Calls `f` with each byte of the first half kilobyte of `/proc/PID/name`.
pub fn for_each_byte(pid: c_int, name: &str, mut f: impl FnMut(u8)) {
    for_each_piece(pid, name, |piece| piece.iter().for_each(|&byte| f(byte)));
}

/// Opens `/proc/PID/name` for `work`. With signals blocked: a handler that leaves by longjmp would leave it open.
fn with_file<T>(pid: c_int, name: &str, work: impl FnOnce(&sys::Fd) -> Option<T>) -> Option<T> {
    let path = path_of(pid, name);
    let path = CStr::from_bytes_with_nul(path.as_bytes()).ok()?;
    sys::with_signals_blocked(|| work(&sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// A program that waits, with nothing in its environment but `variables`.
    fn waiting(variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new("sleep");
        command.arg("30").env_clear().envs(variables.iter().copied());
        command.spawn().unwrap()
    }

    fn may_be_loading(variables: &[(&str, &str)], is_early: bool) -> bool {
        let mut child = waiting(variables);
        let pid = child.id().cast_signed();
        // The child is this test program until its exec; then it has no arguments for a moment.
        while std::fs::read(format!("/proc/{pid}/cmdline")).unwrap() != *b"sleep\x0030\0" {
            std::thread::yield_now();
        }
        let answer = may_be_loading_library(pid, is_early);
        child.kill().unwrap();
        child.wait().unwrap();
        answer
    }

    #[test]
    fn in_the_middle_of_an_exec() {
        for list in [
            "/none/libnopipe.so",
            "/none/a.so:/none/libnopipe.so",
            "/none/libnopipe.so /none/a.so",
        ] {
            assert!(may_be_loading(&[("LD_PRELOAD", list)], false), "{list}");
        }
        assert!(!may_be_loading(&[("LD_PRELOAD", "/none/xlibnopipe.so")], true));
        assert!(!may_be_loading(&[("A", "b")], true));
        assert!(may_be_loading(&[], true));
        assert!(!may_be_loading(&[], false));
        assert!(!may_be_loading_library(c_int::MAX, true));
    }
}
