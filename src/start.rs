//! Start-up: resolve, configure, install; and complain, which nothing else does so early.
//!
//! Usually the dynamic linker calls our constructor, which calls [`start`]. The constructor of another library may call a
//! hook before that: then that call does it ([`first_call`]), on the same path.
//!
//! unsafe: the configuration is read once, and here; libc's sigaction is called.
#![allow(unsafe_code, reason = "as the head says")]

use crate::environment::{for_each_variable, remove_settings};
use crate::errno;
use crate::libc::{at_fork_in_child, program_name};
use crate::real;
use core::sync::atomic::{AtomicU8, Ordering::*};
use libc::{SA_ONSTACK, SA_SIGINFO};
use nopipe_core::line::Line;
use nopipe_core::settings::{Problem, Settings, VARIABLES};
use nopipe_engine::config::JOURNAL_STREAM;
use nopipe_engine::disposition::{self, Restorer, SA_UNSUPPORTED};
use nopipe_engine::{config, handler, pipeline, process, report, runaway, sink};
use nopipe_sys as sys;

const NEW: u8 = 0;
const STARTING: u8 = 1;
const INERT: u8 = 2;
const ACTIVE: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(NEW);

/// What a hook does if it is called before its real function is known.
pub fn first_call() {
    // libc's own names as well.
    real::resolve();
    // Code in DT_PREINIT_ARRAY runs before libc knows the program's name and environment. Our constructor runs later.
    if !program_name().is_empty() {
        start();
    }
}

/// Whether the library does its work in this program: start-up is over, and `NOPIPE_ONLY` does not exclude it.
pub fn is_active() -> bool {
    STATE.load(Acquire) == ACTIVE
}

/// Does all that there is to do, once: further calls return at once.
pub fn start() {
    if STATE.compare_exchange(NEW, STARTING, AcqRel, Acquire).is_err() {
        return;
    }
    errno::kept(|| {
        real::resolve();
        // SAFETY: the only call; threads of other constructors find STATE not ACTIVE, and look at no setting.
        let problems = unsafe { config::read(program_name(), |take| for_each_variable(take)) };
        remove_settings();
        if !config::settings().concerns(config::program()) {
            STATE.store(INERT, Release);
            return;
        }
        if real::is_second_copy() {
            STATE.store(INERT, Release);
            sink::start();
            report::start();
            if !pipeline::parent_is_protected() {
                report::warn("libnopipe: loaded twice: this copy does nothing", &[]);
            }
            return;
        }
        at_fork_in_child(process::forked);
        process::start();
        sink::start();
        pipeline::start();
        runaway::start();
        report::start();
        if config::settings().eager {
            real::table().iter().for_each(real::Symbol::let_ask_first);
        }
        let net = install_handler();
        STATE.store(ACTIVE, Release);
        if problems {
            warn_of_settings();
        }
        warn_of_missing();
        if !net {
            report::warn(
                "libnopipe: no SIGPIPE handler installed: the program survives failures of hooked calls only",
                &[],
            );
        }
    });
}

/// Takes the disposition over, by libc's own sigaction the first time: it adds the restorer, which from then on we add
/// ourselves. False if libc has none, or the kernel refuses: then there is no net.
///
/// Without SA_RESTART, which [`disposition::install`] adds: musl lets sem_timedwait(3) and its kin return EINTR only once it
/// has set a handler without the flag, and the program's own handler for SIGPIPE may be one that musl never sees.
fn install_handler() -> bool {
    let (Ok(inherited), Some(libc_sigaction)) = (sys::sigaction_sigpipe(None), real::libc_sigaction()) else {
        return false;
    };
    let address = handler::on_sigpipe as *const () as usize;
    // SAFETY: all zeros is a valid struct sigaction.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = address;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_UNSUPPORTED as core::ffi::c_int;
    // SAFETY: a valid action whose handler is ready for anything.
    let set = unsafe { libc_sigaction(libc::SIGPIPE, &raw const action, core::ptr::null_mut()) };
    match sys::sigaction_sigpipe(None) {
        Ok(installed) if set == 0 && installed.handler == address as u64 => {
            disposition::install(handler::on_sigpipe, Restorer::seen_in(&installed), inherited);
            true
        }
        _ => false,
    }
}

/// Warns of what was not understood, unless the parent, which has most probably the same variables, has said so: once of
/// all variables that are no setting, and once of each setting that has a wrong value. An environment may hold 10,000 of
/// them, and a name more than once.
fn warn_of_settings() {
    if pipeline::parent_is_protected() {
        return;
    }
    let mut scratch = Settings::new();
    let (mut unknown, mut unknown_count) = (Line::<64>::new(), 0);
    // A bit for each of VARIABLES.
    let mut warned = 0_u64;
    for_each_variable(&mut |name, value| {
        if name == JOURNAL_STREAM {
            return;
        }
        match scratch.set(name, value) {
            Ok(()) => {}
            Err(Problem::Unknown) => {
                if unknown_count == 0 {
                    unknown.push_lossy(name);
                }
                unknown_count += 1;
            }
            Err(Problem::Value { allowed }) => {
                let mut names = VARIABLES.as_bytes().split(|&b| b == b',');
                let place = names.position(|other| other.trim_ascii() == name).unwrap_or(0);
                let bit = 1_u64.checked_shl(place as u32).unwrap_or(0);
                if warned & bit == 0 {
                    warned |= bit;
                    warn_of_value(name, value, allowed);
                }
            }
        }
    });
    if unknown_count > 0 {
        // Not their values: what a variable is that we do not know, we do not know either.
        let mut count = Line::<20>::new();
        count.push_u64(unknown_count);
        report::warn(
            "libnopipe: unknown setting, ignored",
            &[
                ("setting", unknown.as_str()),
                ("variables", count.as_str()),
                ("allowed", VARIABLES),
            ],
        );
    }
}

/// One warning of a setting whose value is none of the allowed ones.
#[inline(never)]
fn warn_of_value(name: &[u8], value: &[u8], allowed: &str) {
    let (mut shown_name, mut shown_value) = (Line::<64>::new(), Line::<128>::new());
    shown_name.push_lossy(name);
    shown_value.push_lossy(value);
    report::warn(
        "libnopipe: value not understood, default used",
        &[
            ("setting", shown_name.as_str()),
            ("value", shown_value.as_str()),
            ("allowed", allowed),
        ],
    );
}

/// Logs one line that names the functions that were not found, if one is among them without which the library can do
/// little. Others, such as pidfd_send_signal, came late, and some libcs will never have them.
fn warn_of_missing() {
    const NEEDED: [&[u8]; 4] = [b"write", b"send", b"sendmsg", b"sigaction"];
    let mut names = Line::<256>::new();
    let missing = real::table().iter().filter_map(real::Symbol::missing_name);
    for name in missing.filter(|name| NEEDED.contains(name)) {
        if !names.is_empty() {
            names.push(',');
        }
        names.push_lossy(name);
    }
    if !names.is_empty() {
        report::warn(
            "libnopipe: functions not found in libc, not hooked",
            &[("symbol", names.as_str())],
        );
    }
}
