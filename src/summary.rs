//! At exit: one line that accounts for every event, if it says more than the events' lines did.
//!
//! The destructors of other libraries, and libc's flush of its streams, may come later than ours. The account waits for
//! the streams that are known to fail ([`crate::streams`]). An event that nobody could foresee gets its line after the
//! account, whatever the rate limit says, so that none is lost without a word.
//!
//! unsafe: an entry of .fini_array, which the dynamic linker calls.
#![allow(unsafe_code, reason = "as the head says")]

use crate::{start, streams};
use nopipe_core::stats::Counter;
use nopipe_engine::{handler, page, process, report, seccomp};
use nopipe_sys as sys;

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

extern "C" fn at_exit() {
    if !start::is_active() || seccomp::is_sealed() || process::is_vfork_child() {
        return;
    }
    let will_be_seen = || {
        let ours = handler::on_sigpipe as *const () as u64;
        sys::sigaction_sigpipe(None).is_ok_and(|action| action.handler == ours)
            && sys::signal_mask() & sys::SIGPIPE_MASK == 0
    };
    // Where nothing has failed so far there is nothing to add up.
    let to_come = match page::block().get(Counter::Connections) > 0 && will_be_seen() {
        true => streams::doomed(),
        false => 0,
    };
    report::at_exit(to_come);
}
