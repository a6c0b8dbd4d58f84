//! At exit: one line that accounts for every event, if there was any event to log.
//!
//! unsafe: an entry of .fini_array, which the dynamic linker calls.
#![allow(unsafe_code, reason = "as the head says")]

use crate::start;
use nopipe_core::settings::Log;
use nopipe_core::stats::Counter;
use nopipe_engine::{config, page, process, report, seccomp};

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

extern "C" fn at_exit() {
    if !start::is_active() || seccomp::is_sealed() || process::is_vfork_child() {
        return;
    }
    let get = |counter| page::block().get(counter);
    let [lines, suppressed, dropped] = [Counter::Lines, Counter::Suppressed, Counter::Dropped].map(get);
    if lines + suppressed + dropped == 0 || config::settings().log == Log::None {
        return;
    }
    report::summary(&[
        ("undelivered", get(Counter::Undelivered)),
        ("connections", get(Counter::Connections)),
        ("failures", get(Counter::Failures)),
        ("lines", lines),
        ("suppressed", suppressed),
        ("dropped", dropped),
    ]);
}
