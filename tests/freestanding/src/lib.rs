//! A program without any libc that uses nopipe-engine: `scripts/check-freestanding` links it with `-static -nostdlib`, so
//! a libc function anywhere in the engine leaves an undefined symbol, and runs it.
//!
//! Without an argument it installs the engine's handler, writes to a pair of sockets whose other end is closed, by a raw
//! system call, and exits with 0 if it lives, the call said EPIPE, and one event was counted. With an argument it does
//! not install the handler: then it must die of SIGPIPE.
//!
//! x86-64 only: what starts a program and returns from a handler is assembly.
//!
//! unsafe: a program's start, raw system calls, the functions that the compiler calls.
#![no_std]
#![allow(unsafe_code, reason = "as the head says")]
#![cfg(target_arch = "x86_64")]

mod memory;

use nopipe_core::cause::Cause;
use nopipe_core::disposition::Action;
use nopipe_core::stats::{Counter, Snapshot};
use nopipe_engine::disposition::{self, Restorer};
use nopipe_engine::{config, handler, page, process, report, sink};
use nopipe_sys as sys;
use syscalls::{Sysno, raw_syscall};

core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, [rsp]",
    "and rsp, -16",
    "call freestanding_main",
    "ud2",
    // What a handler returns to: rt_sigreturn, in the bytes that debuggers know.
    ".globl freestanding_restorer",
    "freestanding_restorer:",
    "mov rax, 15",
    "syscall",
    // Nothing here unwinds, but core refers to it.
    ".globl rust_eh_personality",
    "rust_eh_personality:",
    "mov eax, 8",
    "ret",
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(99)
}

unsafe extern "C" {
    fn freestanding_restorer();
}

/// The program. `arguments`: how many the kernel passed, the program's name among them.
#[unsafe(no_mangle)]
pub extern "C" fn freestanding_main(arguments: u64) -> ! {
    if arguments == 1 {
        install();
    }
    let mut ends = [0_i32; 2];
    // SAFETY: room for two descriptors.
    unsafe {
        raw_syscall!(
            Sysno::socketpair,
            libc::AF_UNIX,
            libc::SOCK_STREAM,
            0,
            ends.as_mut_ptr()
        )
    };
    let [ours, theirs] = ends;
    // SAFETY: nobody uses it.
    unsafe { raw_syscall!(Sysno::close, theirs) };
    if sys::write(ours, b"x") != Err(libc::EPIPE) {
        exit(2);
    }
    // The counters, as another process would read them.
    let counters = (
        page::block().get(Counter::Connections),
        page::block().get(Counter::Failures),
    );
    let closed = read_page().events.get(Cause::Closed as usize).copied();
    exit(if counters == (1, 1) && closed == Some(1) { 0 } else { 3 })
}

fn read_page() -> Snapshot {
    // SAFETY: the page is static, and nobody else writes it.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const page::nopipe_stats).cast::<u8>(), page::SIZE) };
    Snapshot::decode(bytes, bytes, sys::getpid() as u32).unwrap_or_default()
}

/// As a user of the engine starts it.
fn install() {
    // SAFETY: the only call, in the only thread.
    unsafe { config::read(b"freestanding", |take| take(b"NOPIPE_LOG", b"stderr")) };
    process::start();
    sink::start();
    report::start();
    let inherited = sys::sigaction_sigpipe(None).unwrap_or_default();
    const SA_RESTORER: u64 = 0x0400_0000;
    let action = Action {
        handler: handler::on_sigpipe as *const () as u64,
        flags: libc::SA_SIGINFO as u64 | SA_RESTORER | disposition::SA_UNSUPPORTED,
        restorer: freestanding_restorer as *const () as u64,
        mask: 0,
    };
    let _ = sys::sigaction_sigpipe(Some(&action));
    let installed = sys::sigaction_sigpipe(None).unwrap_or_default();
    disposition::install(handler::on_sigpipe, Restorer::seen_in(&installed), inherited);
}

fn exit(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { raw_syscall!(Sysno::exit_group, status) };
    loop {
        core::hint::spin_loop();
    }
}
