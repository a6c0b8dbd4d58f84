//! The library's own system calls, all inline: no hook of ours or of another preload sees them, `errno` does not move,
//! and none is a cancellation point. No function of libc is called; the crate `libc` is used for constants and layouts
//! only.
//!
//! Every function returns `Err(errno)` as a positive number on failure, and is named after the system call.
//!
//! unsafe: system calls.
#![cfg_attr(not(test), no_std)]
// Nothing here may panic.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unwrap_used)]

use core::ffi::{CStr, c_int, c_long, c_short};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use syscalls::{Sysno, raw_syscall};

/// Declares the calls that this crate may make: their numbers for the functions below, their names for other crates.
macro_rules! calls {
    ($($name:ident)*) => {
        #[allow(non_upper_case_globals, reason = "named as the kernel names its calls")]
        mod number {
            use super::named;
            use syscalls::Sysno;
            $(pub const $name: Sysno = named::$name;)*
        }

        /// Every system call that the library makes, by name. If a seccomp filter forbids one of them, the library can
        /// do less. No function below can make a call that is not listed here.
        pub const CALLS: &[&str] = &[$(stringify!($name)),*];
    };
}

/// The crate's names of the calls. On 64-bit CPUs without a call stat, the kernel's newfstatat is the crate's fstatat.
mod named {
    #[cfg(target_arch = "aarch64")]
    pub use syscalls::Sysno::fstatat as newfstatat;
    pub use syscalls::Sysno::*;
}

calls! {
    clock_gettime
    close
    connect
    fcntl
    fstat
    geteuid
    getpeername
    getpgid
    getpid
    getppid
    getsid
    getsockname
    getsockopt
    gettid
    getuid
    ioctl
    kcmp
    madvise
    mmap
    nanosleep
    newfstatat
    openat
    ppoll
    pread64
    prctl
    process_vm_readv
    pwrite64
    pwritev2
    read
    readlinkat
    rt_sigaction
    rt_sigpending
    rt_sigprocmask
    rt_sigtimedwait
    sendto
    set_tid_address
    sigaltstack
    socket
    tgkill
    times
    waitid
    write
}

/// A result, or the positive errno.
pub type Result<T> = core::result::Result<T, c_int>;

fn check(raw: usize) -> Result<usize> {
    match raw as isize {
        error @ -4095..=-1 => Err(-error as c_int),
        _ => Ok(raw),
    }
}

/// A kernel signal set: signal 1 is bit 0.
pub type Mask = u64;

/// SIGPIPE alone.
pub const SIGPIPE_MASK: Mask = 1 << (libc::SIGPIPE - 1);

/// Bytes of a kernel signal set, the last argument of the rt_sig* calls.
const MASK_SIZE: usize = size_of::<Mask>();

/// The numbers of the library's own descriptors that are open now, each plus one, in the place that the number gives; 0:
/// none. A forked child reads them here ([`close_inherited`]). Of two that share a place the second is not noted.
static OPEN: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

/// An open descriptor of the library's own, closed when dropped. It never lives across a real call.
pub struct Fd(c_int);

impl Fd {
    /// The owner of a descriptor that the kernel has just returned.
    fn new(number: usize) -> Fd {
        let fd = Fd(number as c_int);
        fd.note(0, fd.0 + 1);
        fd
    }

    /// The number.
    pub fn raw(&self) -> c_int {
        self.0
    }

    /// Leaves the number alone: another thread has closed it, and it may be the program's by now.
    pub fn forget(self) {
        self.note(self.0 + 1, 0);
        let _ = core::mem::ManuallyDrop::new(self);
    }

    #[inline(never)]
    fn note(&self, from: c_int, to: c_int) {
        if let Some(place) = OPEN.get(self.0 as usize % OPEN.len()) {
            let _ = place.compare_exchange(from, to, Relaxed, Relaxed);
        }
    }
}

impl Drop for Fd {
    #[inline(never)]
    fn drop(&mut self) {
        // First the note: a child that is forked in between keeps a descriptor. The other way round, it might close one
        // that the program has opened in the meantime.
        self.note(self.0 + 1, 0);
        // SAFETY: we opened it, and no other code knows its number.
        unsafe { raw_syscall!(number::close, self.0) };
    }
}

/// In a child that fork(2) has made, before anything else: closes the descriptors that other threads of the parent had
/// open at that moment for the library. A child that shares its parent's memory (vfork) must not call it.
pub fn close_inherited() {
    for place in &OPEN {
        match place.swap(0, Relaxed) {
            0 => {}
            // SAFETY: the library opened it, and the thread that would have closed it is not in this process.
            number => unsafe {
                raw_syscall!(number::close, number - 1);
            },
        }
    }
}

/// In a child that has run code of the program's own since it was made: what [`close_inherited`] would close may be the
/// program's by now.
pub fn forget_inherited() {
    OPEN.iter().for_each(|place| place.store(0, Relaxed));
}

/// getpid(2).
pub fn getpid() -> c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { raw_syscall!(number::getpid) as c_int }
}

/// getppid(2).
pub fn getppid() -> c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { raw_syscall!(number::getppid) as c_int }
}

/// getpgid(2) of the calling process: its process group.
pub fn getpgid() -> c_int {
    // SAFETY: always succeeds for the calling process.
    unsafe { raw_syscall!(number::getpgid, 0) as c_int }
}

/// Whether two processes share their memory, kcmp(2); an error if kcmp is not permitted.
pub fn share_memory(one: c_int, other: c_int) -> Result<bool> {
    const KCMP_VM: c_int = 1;
    // SAFETY: plain numbers.
    check(unsafe { raw_syscall!(number::kcmp, one, other, KCMP_VM, 0, 0) }).map(|order| order == 0)
}

/// The address that the kernel clears when the calling thread ends, prctl(2) with PR_GET_TID_ADDRESS; 0 if there is none.
pub fn tid_address() -> Result<usize> {
    let mut address = 0_usize;
    // SAFETY: `address` is a pointer to fill in.
    check(unsafe { raw_syscall!(number::prctl, libc::PR_GET_TID_ADDRESS, &raw mut address, 0, 0, 0) })?;
    Ok(address)
}

/// set_tid_address(2): the kernel sets `word` to 0 when the calling thread ends or calls exec, if others use the memory
/// then; without `word`, nothing.
pub fn set_tid_address(word: Option<&'static AtomicI32>) {
    let word = word.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: an atomic word that is always there.
    unsafe { raw_syscall!(number::set_tid_address, word) };
}

/// gettid(2).
pub fn gettid() -> c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { raw_syscall!(number::gettid) as c_int }
}

/// getuid(2): the real user id.
pub fn getuid() -> u32 {
    // SAFETY: no arguments, always succeeds.
    unsafe { raw_syscall!(number::getuid) as u32 }
}

/// Whether the calling process has a child, running or ended; waitid(2), which takes nothing away.
pub fn has_child() -> bool {
    const EVERY_KIND: c_int = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: nothing is to be filled in.
    check(unsafe { raw_syscall!(number::waitid, libc::P_ALL, 0, 0, EVERY_KIND, 0) }) != Err(libc::ECHILD)
}

/// times(2): the CPU time of the process and of its reaped children, user and system, in hundredths of a second.
pub fn cpu_ticks() -> u64 {
    let mut times = [0_i64; 4];
    // SAFETY: `times` has the layout of struct tms on 64-bit systems.
    unsafe { raw_syscall!(number::times, &raw mut times) };
    times.iter().fold(0, |sum: u64, &ticks| sum.wrapping_add(ticks as u64))
}

/// Whether `fd` is open for writing, fcntl(2) F_GETFL; false if it is not open.
pub fn is_writable(fd: c_int) -> bool {
    // SAFETY: plain numbers.
    check(unsafe { raw_syscall!(number::fcntl, fd, libc::F_GETFL) })
        .is_ok_and(|flags| flags as c_int & libc::O_ACCMODE != libc::O_RDONLY)
}

/// getsid(2) of the calling process.
pub fn getsid() -> c_int {
    // SAFETY: always succeeds for the calling process.
    unsafe { raw_syscall!(number::getsid, 0) as c_int }
}

/// getsid(2) of another process; -1 if there is none.
pub fn getsid_of(pid: c_int) -> c_int {
    // SAFETY: a plain number.
    check(unsafe { raw_syscall!(number::getsid, pid) }).map_or(-1, |session| session as c_int)
}

/// clock_gettime(2) of CLOCK_REALTIME: seconds and nanoseconds.
pub fn clock_realtime() -> (i64, i64) {
    let mut time = [0_i64; 2];
    // SAFETY: `time` has the layout of struct timespec on 64-bit systems.
    unsafe { raw_syscall!(number::clock_gettime, libc::CLOCK_REALTIME, &raw mut time) };
    (time[0], time[1])
}

/// clock_gettime(2) of CLOCK_MONOTONIC, in nanoseconds.
pub fn clock_monotonic_ns() -> u64 {
    let mut time = [0_i64; 2];
    // SAFETY: `time` has the layout of struct timespec on 64-bit systems.
    unsafe { raw_syscall!(number::clock_gettime, libc::CLOCK_MONOTONIC, &raw mut time) };
    time[0] as u64 * 1_000_000_000 + time[1] as u64
}

/// nanosleep(2): sleeps less if a signal comes.
pub fn sleep_ms(milliseconds: u64) {
    let time = [(milliseconds / 1000) as i64, (milliseconds % 1000 * 1_000_000) as i64];
    // SAFETY: a struct timespec; what remains is not wanted.
    unsafe { raw_syscall!(number::nanosleep, &raw const time, 0) };
}

/// What we need of fstat(2)'s result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// File type and mode, inode(7).
    pub mode: u32,
    /// Device.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

impl Stat {
    /// Whether the file type is `kind`, one of the S_IF* constants.
    pub fn is(&self, kind: u32) -> bool {
        self.mode & libc::S_IFMT == kind
    }
}

/// fstat(2).
pub fn fstat(fd: c_int) -> Result<Stat> {
    fstat_and_written(fd).map(|(stat, _)| stat)
}

/// fstat(2), and when the file was last written to, in nanoseconds since the epoch.
pub fn fstat_and_written(fd: c_int) -> Result<(Stat, u64)> {
    stat_with(|buffer| {
        // SAFETY: `buffer` is a valid struct stat to fill in.
        unsafe { raw_syscall!(number::fstat, fd, buffer) }
    })
}

/// stat(2): follows links.
pub fn stat(path: &CStr) -> Result<Stat> {
    stat_with(|buffer| {
        // SAFETY: `path` ends with NUL, `buffer` is a valid struct stat to fill in.
        unsafe { raw_syscall!(number::newfstatat, libc::AT_FDCWD, path.as_ptr(), buffer, 0) }
    })
    .map(|(stat, _)| stat)
}

#[inline(never)]
fn stat_with(call: impl FnOnce(*mut libc::stat) -> usize) -> Result<(Stat, u64)> {
    let mut buffer = MaybeUninit::<libc::stat>::uninit();
    check(call(buffer.as_mut_ptr()))?;
    // SAFETY: the kernel filled it in.
    let stat = unsafe { buffer.assume_init() };
    let seconds = stat.st_mtime as u64;
    let written = seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(stat.st_mtime_nsec as u64);
    let stat = Stat {
        mode: stat.st_mode,
        dev: stat.st_dev,
        ino: stat.st_ino,
    };
    Ok((stat, written))
}

/// What we need of fstat(2)'s result for a file that is to be written, or a link that is to be followed.
#[derive(Clone, Copy)]
pub struct FileStat {
    /// What it is.
    pub stat: Stat,
    /// The owner's user id.
    pub uid: u32,
    /// The number of names.
    pub links: libc::nlink_t,
    /// Which device it is, if it is one, as makedev(3) makes it.
    pub device: u64,
}

/// fstat(2), with the owner.
#[inline(never)]
pub fn fstat_file(fd: c_int) -> Result<FileStat> {
    let mut buffer = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `buffer` is a valid struct stat to fill in.
    check(unsafe { raw_syscall!(number::fstat, fd, buffer.as_mut_ptr()) })?;
    // SAFETY: the kernel filled it in.
    let stat = unsafe { buffer.assume_init() };
    Ok(FileStat {
        stat: Stat {
            mode: stat.st_mode,
            dev: stat.st_dev,
            ino: stat.st_ino,
        },
        uid: stat.st_uid,
        links: stat.st_nlink,
        device: stat.st_rdev,
    })
}

/// geteuid(2).
pub fn geteuid() -> u32 {
    // SAFETY: no arguments, always succeeds.
    unsafe { raw_syscall!(number::geteuid) as u32 }
}

/// Whether `fd` is a terminal: ioctl TCGETS, as isatty(3) asks.
pub fn isatty(fd: c_int) -> bool {
    let mut termios = MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the kernel's struct termios is smaller than libc's.
    check(unsafe { raw_syscall!(number::ioctl, fd, libc::TCGETS, termios.as_mut_ptr()) }).is_ok()
}

/// ioctl SIOCOUTQ (TIOCOUTQ), tcp(7): bytes not yet acknowledged by the peer's kernel.
pub fn siocoutq(fd: c_int) -> Result<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: `bytes` is the int to fill in.
    check(unsafe { raw_syscall!(number::ioctl, fd, libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(bytes.max(0) as u32)
}

/// getsockopt(2) into `buffer`; the length filled in.
pub fn getsockopt(fd: c_int, level: c_int, option: c_int, buffer: &mut [u8]) -> Result<usize> {
    let mut length = buffer.len() as u32;
    // SAFETY: `buffer` has `length` bytes.
    check(unsafe {
        raw_syscall!(
            number::getsockopt,
            fd,
            level,
            option,
            buffer.as_mut_ptr(),
            &raw mut length
        )
    })?;
    Ok((length as usize).min(buffer.len()))
}

/// getsockopt(2) of SOL_SOCKET for an int.
pub fn getsockopt_int(fd: c_int, option: c_int) -> Result<c_int> {
    let mut bytes = [0; 4];
    getsockopt(fd, libc::SOL_SOCKET, option, &mut bytes)?;
    Ok(c_int::from_ne_bytes(bytes))
}

/// SO_PEERPIDFD, Linux 6.5: a descriptor of the process at the other end of a unix socket, pidfd_open(2). It refers to
/// that process alone, also after its number has become another's. Closed when the result is dropped.
pub fn so_peerpidfd(fd: c_int) -> Result<Fd> {
    const SO_PEERPIDFD: c_int = 77;
    getsockopt_int(fd, SO_PEERPIDFD).map(Fd)
}

/// SO_COOKIE, socket(7): a number unique to the socket for the life of the system.
pub fn so_cookie(fd: c_int) -> Result<u64> {
    let mut bytes = [0; 8];
    getsockopt(fd, libc::SOL_SOCKET, libc::SO_COOKIE, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// getsockname(2) into `buffer`; the part filled in.
pub fn getsockname(fd: c_int, buffer: &mut [u8]) -> Result<&[u8]> {
    name_with(number::getsockname, fd, buffer)
}

/// getpeername(2) into `buffer`; the part filled in.
pub fn getpeername(fd: c_int, buffer: &mut [u8]) -> Result<&[u8]> {
    name_with(number::getpeername, fd, buffer)
}

fn name_with(call: Sysno, fd: c_int, buffer: &mut [u8]) -> Result<&[u8]> {
    let mut length = buffer.len() as u32;
    // SAFETY: `buffer` has `length` bytes.
    check(unsafe { raw_syscall!(call, fd, buffer.as_mut_ptr(), &raw mut length) })?;
    Ok(buffer.get(..length as usize).unwrap_or(buffer))
}

/// poll(2) of one descriptor without waiting; the events that hold.
pub fn poll_now(fd: c_int, events: c_short) -> Result<c_short> {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    let zero = [0_i64; 2];
    // SAFETY: one entry, a zero struct timespec, no signal mask. (ppoll exists on every CPU, poll does not.)
    check(unsafe { raw_syscall!(number::ppoll, &raw mut one, 1, &raw const zero, 0, MASK_SIZE) })?;
    Ok(one.revents)
}

/// open(2). The descriptor is closed when the result is dropped.
pub fn open(path: &CStr, flags: c_int, mode: u32) -> Result<Fd> {
    // SAFETY: `path` ends with NUL.
    check(unsafe { raw_syscall!(number::openat, libc::AT_FDCWD, path.as_ptr(), flags, mode) }).map(Fd::new)
}

/// openat(2): `path` is relative to the folder `folder`. The descriptor is closed when the result is dropped.
pub fn openat(folder: &Fd, path: &CStr, flags: c_int, mode: u32) -> Result<Fd> {
    // SAFETY: `path` ends with NUL.
    check(unsafe { raw_syscall!(number::openat, folder.0, path.as_ptr(), flags, mode) }).map(Fd::new)
}

/// readlinkat(2) of a symbolic link that was opened with O_PATH: the length of the part of `buffer` that was filled in. A
/// longer target is cut.
pub fn readlink(link: &Fd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: an empty path, which ends with NUL, and `buffer` is ours to fill.
    check(unsafe {
        raw_syscall!(
            number::readlinkat,
            link.0,
            c"".as_ptr(),
            buffer.as_mut_ptr(),
            buffer.len()
        )
    })
}

/// read(2).
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: `buffer` is ours to fill.
    check(unsafe { raw_syscall!(number::read, fd.0, buffer.as_mut_ptr(), buffer.len()) })
}

/// pread(2) from the beginning of the file. If another thread has closed the descriptor and its number is a socket or a
/// pipe now, it reads nothing.
pub fn read_beginning(fd: &Fd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: `buffer` is ours to fill.
    check(unsafe { raw_syscall!(number::pread64, fd.0, buffer.as_mut_ptr(), buffer.len(), 0) })
}

/// write(2).
pub fn write(fd: c_int, bytes: &[u8]) -> Result<usize> {
    // SAFETY: `bytes` is valid to read.
    check(unsafe { raw_syscall!(number::write, fd, bytes.as_ptr(), bytes.len()) })
}

/// pwritev2(2) at the current position with RWF_NOWAIT: EAGAIN instead of waiting, EOPNOTSUPP where that is not offered.
pub fn write_nowait(fd: c_int, bytes: &[u8]) -> Result<usize> {
    let vector = [bytes.as_ptr() as usize, bytes.len()];
    // SAFETY: one struct iovec over valid bytes; -1 as both halves of the position.
    check(unsafe {
        raw_syscall!(
            number::pwritev2,
            fd,
            &raw const vector,
            1,
            -1_isize,
            -1_isize,
            libc::RWF_NOWAIT
        )
    })
}

/// Appends `first` and `second`, one after the other, to a file that was opened with O_APPEND; the number of bytes.
///
/// If another thread has closed the descriptor and the program has the number for a pipe or a socket, it fails with
/// ESPIPE: both calls have a position, which a pipe or socket does not take. RWF_APPEND (Linux 4.16) makes sure that a
/// regular file of the program's is not overwritten.
pub fn append(fd: &Fd, first: &[u8], second: &[u8]) -> Result<usize> {
    let vector = [
        [first.as_ptr() as usize, first.len()],
        [second.as_ptr() as usize, second.len()],
    ];
    // SAFETY: two struct iovec over valid bytes; the position 0, in two halves.
    let written = check(unsafe { raw_syscall!(number::pwritev2, fd.0, &raw const vector, 2, 0, 0, libc::RWF_APPEND) });
    match written {
        Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => {
            let written = match first {
                [] => 0,
                _ => pwrite(fd, first)?,
            };
            if written < first.len() {
                return Ok(written);
            }
            pwrite(fd, second).map(|n| written + n)
        }
        written => written,
    }
}

/// pwrite(2). A file that was opened with O_APPEND grows, whatever the position. One that was not, with a number that was
/// ours, would be written far from its content: most file systems refuse the position.
fn pwrite(fd: &Fd, bytes: &[u8]) -> Result<usize> {
    const FAR: i64 = 1 << 62;
    // SAFETY: `bytes` is valid to read.
    check(unsafe { raw_syscall!(number::pwrite64, fd.0, bytes.as_ptr(), bytes.len(), FAR) })
}

/// socket(2). The descriptor is closed when the result is dropped.
pub fn socket(domain: c_int, kind: c_int) -> Result<Fd> {
    // SAFETY: plain numbers.
    check(unsafe { raw_syscall!(number::socket, domain, kind, 0) }).map(Fd::new)
}

/// connect(2).
pub fn connect(fd: &Fd, address: &[u8]) -> Result<()> {
    // SAFETY: `address` is valid to read.
    check(unsafe { raw_syscall!(number::connect, fd.0, address.as_ptr(), address.len()) }).map(drop)
}

/// send(2), never raising a signal and never waiting.
pub fn send_nowait(fd: c_int, bytes: &[u8]) -> Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: `bytes` is valid to read, no address.
    check(unsafe { raw_syscall!(number::sendto, fd, bytes.as_ptr(), bytes.len(), flags, 0, 0) })
}

/// sendto(2) of a datagram to `address`, never raising a signal and never waiting. The socket is not connected, so the
/// kernel refuses the call if another thread has closed the descriptor and the program has the number for a connection:
/// EISCONN, EOPNOTSUPP, EINVAL or EAFNOSUPPORT, or ENOTSOCK. TCP takes no notice of an address, but it refuses
/// MSG_FASTOPEN on a connection, which other families ignore (net/ipv4/tcp.c, tcp_sendmsg_fastopen).
pub fn send_to(fd: &Fd, bytes: &[u8], address: &[u8]) -> Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_FASTOPEN;
    // SAFETY: `bytes` and `address` are valid to read.
    check(unsafe {
        raw_syscall!(
            number::sendto,
            fd.0,
            bytes.as_ptr(),
            bytes.len(),
            flags,
            address.as_ptr(),
            address.len()
        )
    })
}

/// send(2) over a stream of the library's own, never raising a signal and never waiting. TCP refuses it: [`send_to`].
pub fn send_over(fd: &Fd, bytes: &[u8]) -> Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_FASTOPEN;
    // SAFETY: `bytes` is valid to read, no address.
    check(unsafe { raw_syscall!(number::sendto, fd.0, bytes.as_ptr(), bytes.len(), flags, 0, 0) })
}

/// An action in the kernel's form, `struct kernel_sigaction`: nopipe_core's fields, in the order of this CPU's kernel.
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: u64,
    flags: u64,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    restorer: u64,
    mask: Mask,
}

/// The action that the kernel holds for SIGPIPE, and, with `new`, another in its place; rt_sigaction(2).
pub fn sigaction_sigpipe(new: Option<&nopipe_core::disposition::Action>) -> Result<nopipe_core::disposition::Action> {
    let new = new.map(|new| KernelAction {
        handler: new.handler,
        flags: new.flags,
        restorer: new.restorer,
        mask: new.mask,
    });
    let mut old = KernelAction::default();
    let new = new.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: both have the kernel's layout. What runs on a signal is the caller's concern.
    check(unsafe { raw_syscall!(number::rt_sigaction, libc::SIGPIPE, new, &raw mut old, MASK_SIZE) })?;
    Ok(nopipe_core::disposition::Action {
        handler: old.handler,
        flags: old.flags,
        restorer: old.restorer,
        mask: old.mask,
    })
}

/// Changes the calling thread's signal mask, rt_sigprocmask(2); `how` is SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK. Returns the previous mask.
pub fn sigprocmask(how: c_int, mask: Mask) -> Mask {
    let mut old: Mask = 0;
    // SAFETY: both are kernel signal sets.
    unsafe { raw_syscall!(number::rt_sigprocmask, how, &raw const mask, &raw mut old, MASK_SIZE) };
    old
}

/// The calling thread's signal mask.
pub fn signal_mask() -> Mask {
    sigprocmask(libc::SIG_BLOCK, 0)
}

/// The signals pending for the calling thread, rt_sigpending(2).
pub fn sigpending() -> Mask {
    let mut pending: Mask = 0;
    // SAFETY: a kernel signal set to fill in.
    unsafe { raw_syscall!(number::rt_sigpending, &raw mut pending, MASK_SIZE) };
    pending
}

/// The lowest address of the alternate signal stack that the calling thread runs on, sigaltstack(2); `None` if it runs on
/// another stack, or on one that SS_AUTODISARM has taken away from the kernel.
pub fn alternate_stack() -> Option<usize> {
    let mut stack = libc::stack_t {
        ss_sp: core::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    // SAFETY: a struct to fill in; nothing is set.
    check(unsafe { raw_syscall!(number::sigaltstack, 0, &raw mut stack) }).ok()?;
    (stack.ss_flags & libc::SS_ONSTACK != 0).then_some(stack.ss_sp as usize)
}

/// Takes away one pending, blocked signal of `set` without waiting, rt_sigtimedwait(2).
pub fn take_pending(set: Mask) {
    let zero = [0_i64; 2];
    // SAFETY: a signal set, no siginfo wanted, a zero struct timespec.
    unsafe { raw_syscall!(number::rt_sigtimedwait, &raw const set, 0, &raw const zero, MASK_SIZE) };
}

/// Runs `work` with all signals blocked, except those that a faulty instruction raises.
pub fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    const SYNCHRONOUS: [c_int; 6] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    let all_others = SYNCHRONOUS
        .iter()
        .fold(!0, |mask: Mask, signal| mask & !(1 << (signal - 1)));
    let before = sigprocmask(libc::SIG_BLOCK, all_others);
    let result = work();
    sigprocmask(libc::SIG_SETMASK, before);
    result
}

/// write(2), without the signals that it may raise, which the caller has blocked: SIGPIPE for a dead pipe, SIGXFSZ for a
/// file that may not grow. They are taken back, unless they were pending before.
pub fn write_quietly(write: impl FnOnce() -> Result<usize>) -> Result<usize> {
    const SIGXFSZ_MASK: Mask = 1 << (libc::SIGXFSZ - 1);
    let pending = sigpending();
    let result = write();
    let raised = match result {
        Err(libc::EPIPE) => SIGPIPE_MASK,
        Err(libc::EFBIG) => SIGXFSZ_MASK,
        _ => 0,
    };
    if raised & !pending != 0 {
        take_pending(raised);
    }
    result
}

/// tgkill(2): SIGPIPE to the calling thread.
pub fn raise_sigpipe() {
    // SAFETY: plain numbers.
    unsafe { raw_syscall!(number::tgkill, getpid(), gettid(), libc::SIGPIPE) };
}

/// mmap(2): `length` bytes, all zero, that forked children share.
pub fn shared_memory(length: usize) -> Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: new memory, at an address that the kernel chooses.
    check(unsafe { raw_syscall!(number::mmap, 0, length, protection, flags, -1_isize, 0) })
        .map(core::ptr::with_exposed_provenance_mut)
}

/// madvise(MADV_WIPEONFORK), Linux 4.14.
///
/// # Safety
/// `address` and `length` are whole pages of private anonymous memory whose loss in forked children does no harm.
pub unsafe fn wipe_on_fork(address: *const u8, length: usize) -> Result<()> {
    // SAFETY: as the caller says.
    check(unsafe { raw_syscall!(number::madvise, address, length, libc::MADV_WIPEONFORK) }).map(drop)
}

/// Copies the calling process's own memory at `address` into `buffer`, process_vm_readv(2): `EFAULT` if not all of it can
/// be read, also where another thread unmaps it meanwhile. (A process may always read itself.)
pub fn copy_own_memory(address: usize, buffer: &mut [u8]) -> Result<()> {
    let local = [buffer.as_mut_ptr() as usize, buffer.len()];
    let remote = [address, buffer.len()];
    // SAFETY: one struct iovec each; `buffer` is ours to fill, and the kernel checks the other.
    let copied = check(unsafe {
        raw_syscall!(
            number::process_vm_readv,
            getpid(),
            &raw const local,
            1,
            &raw const remote,
            1,
            0
        )
    })?;
    match copied == buffer.len() {
        true => Ok(()),
        false => Err(libc::EFAULT),
    }
}

/// The 8 bytes before `address`, or `None` if they cannot be read. The kernel looks first: rt_sigprocmask(2) copies the
/// set before it finds that `how` is invalid (`EFAULT` if it cannot, else `EINVAL`).
pub fn bytes_before(address: usize) -> Option<[u8; 8]> {
    let start = address.checked_sub(8)?;
    // SAFETY: nothing changes, because `how` is invalid.
    let looked = check(unsafe { raw_syscall!(number::rt_sigprocmask, -1_isize, start, 0, MASK_SIZE) });
    // SAFETY: the kernel has just read it.
    (looked == Err(libc::EINVAL)).then(|| unsafe { core::ptr::read_unaligned(start as *const [u8; 8]) })
}

/// The number type of timespec and others is 64 bits wide here; where it is not, this does not compile.
const _: () = assert!(size_of::<c_long>() == 8);
