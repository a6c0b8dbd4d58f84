//! The system calls that the library makes: their numbers.

/// Declares calls: their numbers, and a list of their names for other crates.
macro_rules! calls {
    ($(#[$about:meta])* $list:ident: $($name:ident)*) => {
        $(
            #[allow(non_upper_case_globals, reason = "named as the kernel names its calls")]
            #[allow(dead_code, reason = "i386 makes other calls in the place of some")]
            pub const $name: syscalls::Sysno = named::$name;
        )*

        $(#[$about])*
        pub const $list: &[&str] = &[$(stringify!($name)),*];
    };
}

/// The crate's names of the calls. i386 has a second version of calls whose first had 16 bits for an id, or 32 for a number
/// of a file. On 64-bit CPUs without a call stat, the kernel's newfstatat is the crate's fstatat.
mod named {
    #[cfg(target_arch = "aarch64")]
    pub use syscalls::Sysno::fstatat as newfstatat;
    pub use syscalls::Sysno::*;
    #[cfg(target_arch = "x86")]
    pub use syscalls::Sysno::{
        fstat64 as fstat, fstatat64 as newfstatat, geteuid32 as geteuid, getuid32 as getuid, mmap2 as mmap,
    };
}

calls! {
    /// Every system call that the library makes, by name. If a seccomp filter forbids one of them, the library can do less.
    /// No function of this crate can make a call that is not listed here. (i386 has a few of its own.)
    CALLS:
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

#[cfg(target_arch = "x86")]
calls! {
    /// What i386 makes beside these, or in their place.
    I386_CALLS:
    clock_gettime64
    poll
    rt_sigtimedwait_time64
    socketcall
}
