//! What the hooks of kill(2) and of syscall(2) share: a SIGPIPE that the program sends itself, or takes, is noted
//! ([`nopipe_engine::purpose`]).

use crate::start;
use core::ffi::{c_int, c_long};
use libc::SIGPIPE;
use nopipe_engine::purpose::{self, Sending, Target};

/// The number of pidfd_send_signal(2), the same on every CPU.
pub const SYS_PIDFD_SEND_SIGNAL: c_long = 424;

/// To be called before signal `number` is sent; its result is for [`purpose::sent`].
pub fn sending(number: c_int, target: Target) -> Sending {
    match number == SIGPIPE && start::is_active() {
        true => purpose::sending(target),
        false => Sending::Elsewhere,
    }
}

/// To be called when somebody has taken signal `number`.
pub fn taken(number: c_int) {
    if number == SIGPIPE && start::is_active() {
        purpose::one_less();
    }
}
