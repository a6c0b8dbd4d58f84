//! At exit: one line that accounts for every event, if there was any event to log.
//!
//! unsafe: an entry of .fini_array, which the dynamic linker calls.
#![allow(unsafe_code)]

use crate::start;
use nopipe_engine::{process, report, seccomp};

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

extern "C" fn at_exit() {
    if !start::is_active() || seccomp::is_sealed() || process::is_vfork_child() {
        return;
    }
    report::at_exit(0);
}
