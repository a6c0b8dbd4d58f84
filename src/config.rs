//! The settings and the program's name: read once at start-up, then only read.
//!
//! unsafe: the environment is a C array; the cell is written by start-up alone, before anybody else may look.
#![allow(unsafe_code)]

use crate::pipeline;
use crate::report;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicBool, Ordering::*};
use nopipe_core::line::Line;
use nopipe_core::settings::{Problem, Settings, VARIABLES, reduced};

struct Config {
    settings: Settings,
    program: Line<64>,
}

struct Cell(UnsafeCell<Config>);

// SAFETY: written only by `read`, which start-up calls once; others look only behind READY.
unsafe impl Sync for Cell {}

static CONFIG: Cell = Cell(UnsafeCell::new(DEFAULTS));
static READY: AtomicBool = AtomicBool::new(false);
static UNREAD: Config = DEFAULTS;

const DEFAULTS: Config = Config {
    settings: Settings::new(),
    program: Line::new(),
};

fn config() -> &'static Config {
    if READY.load(Acquire) {
        // SAFETY: nobody writes any more.
        unsafe { &*CONFIG.0.get() }
    } else {
        &UNREAD
    }
}

/// The settings; the defaults while start-up has not read them.
pub fn settings() -> &'static Settings {
    &config().settings
}

/// The program's short name as it was at start-up, reduced to `[A-Za-z0-9._-]`.
pub fn program() -> &'static str {
    config().program.as_str()
}

/// Whether `$JOURNAL_STREAM` names this file as the journal's: `device:inode`, systemd.exec(5).
pub fn is_journal_stream(dev: u64, ino: u64) -> bool {
    let mut wanted = Line::<64>::new();
    wanted.push_u64(dev);
    wanted.push(':');
    wanted.push_u64(ino);
    let mut named = false;
    for_each_variable(b"JOURNAL_STREAM", |_, value| named |= value == wanted.as_bytes());
    named
}

/// Reads the environment; whether a variable was not understood. To be called once, by start-up.
pub fn read() -> bool {
    // SAFETY: start-up is the only caller, and READY is not set yet.
    let config = unsafe { &mut *CONFIG.0.get() };
    push_program_name(&mut config.program);
    let mut problems = false;
    for_each_variable(b"NOPIPE_", |name, value| {
        problems |= config.settings.set(name, value).is_err()
    });
    READY.store(true, Release);
    problems
}

/// One warning for each variable that `read` did not understand, unless the parent, which has most probably the same
/// variables, has said so.
pub fn warn_of_problems() {
    if pipeline::parent_is_protected() {
        return;
    }
    let mut scratch = Settings::new();
    for_each_variable(b"NOPIPE_", |name, value| {
        let (message, allowed) = match scratch.set(name, value) {
            Ok(()) => return,
            Err(Problem::Unknown) => ("libnopipe: setting unknown, ignored", VARIABLES),
            Err(Problem::Value { allowed }) => ("libnopipe: setting not understood, default used", allowed),
        };
        let (mut shown_name, mut shown_value) = (Line::<64>::new(), Line::<128>::new());
        shown_name.push_lossy(name);
        shown_value.push_lossy(value);
        report::warn(
            message,
            &[
                ("setting", shown_name.as_str()),
                ("value", shown_value.as_str()),
                ("allowed", allowed),
            ],
        );
    });
}

/// Calls `f` with name and value of each variable whose name begins with `prefix`; with none in a process that gained privileges (AT_SECURE,
/// getauxval(3)): its environment is its caller's.
fn for_each_variable(prefix: &[u8], mut f: impl FnMut(&[u8], &[u8])) {
    // SAFETY: getauxval has no preconditions.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return;
    }
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: libc's environ(7): null, or an array of C strings with a null at its end. We run before main, and
    // threads that other constructors may have started do not change it while we look (setenv is not thread-safe).
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            if has_prefix(*next, prefix) {
                let variable = CStr::from_ptr(*next).to_bytes();
                if let Some(equals) = variable.iter().position(|&b| b == b'=') {
                    let (name, value) = variable.split_at_checked(equals).unwrap_or((variable, b""));
                    f(name, value.get(1..).unwrap_or(b""));
                }
            }
            next = next.add(1);
        }
    }
}

/// # Safety
/// `text` is a C string.
unsafe fn has_prefix(text: *const c_char, prefix: &[u8]) -> bool {
    prefix.iter().enumerate().all(|(i, &b)| {
        // SAFETY: all bytes before this one were equal to a prefix that has no NUL: the string goes on.
        unsafe { *text.add(i) as u8 == b }
    })
}

/// Whether libc has been initialised: it knows the program's name.
pub fn libc_is_ready() -> bool {
    !program_invocation_name().is_empty()
}

/// Appends the program's name, reduced to what may stand in an ident.
fn push_program_name(out: &mut Line<64>) {
    for &b in program_invocation_name() {
        out.push(reduced(b) as char);
    }
    if out.is_empty() {
        out.push_str("unknown");
    }
}

/// The name that glibc keeps for error messages, program_invocation_short_name(3): argv[0] behind the last slash. Empty
/// before libc is initialised.
fn program_invocation_name() -> &'static [u8] {
    unsafe extern "C" {
        static program_invocation_short_name: *const c_char;
    }
    // SAFETY: null, or a C string that lives as long as the process.
    unsafe {
        match program_invocation_short_name.is_null() {
            true => b"",
            false => CStr::from_ptr(program_invocation_short_name).to_bytes(),
        }
    }
}
