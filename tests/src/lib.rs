//! The test harness of libnopipe: it builds the library, runs programs bare and preloaded, and reads the events.
//!
//! * [`mod@library`] builds `libnopipe.so` and says which build it is, so that no test runs against a stale one;
//! * [`run`] runs a command that can neither hang the tests nor outlive them;
//! * [`event`] reads what the library logged;
//! * [`c_program`] builds the programs of `c-tests/`;
//! * [`table`] shows what the cases came to, side by side;
//! * [`clients`] are the clients of a server under test, most of which vanish.

pub mod c_program;
pub mod clients;
pub mod event;
pub mod library;
pub mod run;
pub mod table;

pub use library::{Library, Profile, library};

use std::path::Path;
use tempfile::TempDir;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the test package lies in the workspace")
}

/// A new empty directory, removed when the guard goes; `name` is part of its name.
pub fn scratch_dir(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("nopipe-{name}-"))
        .tempdir()
        .expect("a temporary directory")
}
