//! Start-up: resolve, configure, install.
//!
//! Usually the dynamic linker calls [`start`] as our constructor. The constructor of another library may call a hook
//! before that: then that call does it ([`first_call`]), on the same path.
//!
//! unsafe: the constructor is declared through a macro that says so.
#![allow(unsafe_code)]

use crate::{config, eager, errno, pipeline, process, real, report, sigpipe, sink};
use core::sync::atomic::{AtomicU8, Ordering::*};

const NEW: u8 = 0;
const STARTING: u8 = 1;
const INERT: u8 = 2;
const ACTIVE: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(NEW);

ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn constructor() {
        start();
    }
}

/// What a hook does that is called while its real function is not known yet.
pub fn first_call() {
    // Code in DT_PREINIT_ARRAY runs before libc knows the program's name and environment: the constructor comes later.
    if config::libc_is_ready() {
        start();
    }
    // Another thread, or the code that a signal has interrupted, may be in the middle of it.
    real::resolve();
}

/// Whether the library does its work in this program: start-up is over, and `NOPIPE_ONLY` does not exclude it.
pub fn is_active() -> bool {
    STATE.load(Acquire) == ACTIVE
}

fn start() {
    if STATE.compare_exchange(NEW, STARTING, AcqRel, Acquire).is_err() {
        return;
    }
    errno::kept(|| {
        real::resolve();
        let problems = config::read();
        if !config::settings().concerns(config::program()) {
            STATE.store(INERT, Release);
            return;
        }
        if real::is_second_copy() {
            STATE.store(INERT, Release);
            sink::start();
            report::start();
            if !pipeline::parent_is_protected() {
                report::warn("libnopipe: loaded twice, this copy does nothing", &[]);
            }
            return;
        }
        process::start();
        sink::start();
        pipeline::start();
        report::start();
        eager::start();
        let net = sigpipe::install();
        STATE.store(ACTIVE, Release);
        if problems {
            config::warn_of_problems();
        }
        real::warn_of_missing();
        if !net {
            report::warn(
                "libnopipe: no SIGPIPE handler installed: only hooked calls are survived",
                &[],
            );
        }
    });
}
