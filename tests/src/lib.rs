//! The test harness of libnopipe: it builds the library, runs programs bare and preloaded, and reads the events.
//!
//! * [`suite`] is a list of tests (name, needs, test), and [`need`] what a test needs from the machine;
//! * [`mod@library`] builds `libnopipe.so` and reports which build it is, so that no test runs a stale one;
//! * [`run`] runs a command that can neither hang the tests nor outlive them;
//! * [`event`] reads the library's log;
//! * [`c_program`] builds the programs of `c-tests/`;
//! * [`clients`] are the clients of a server under test, most of which vanish;
//! * [`table`] shows the results of a suite's cases, side by side;
//! * [`program`], [`namespace`] and [`wait`] find programs, give a command mounts of its own, and wait with a bound.
//!
//! # How to add
//!
//! * **a C case**: write `c-tests/NAME.c`, where `check.h` explains what the program prints for the test. Then add a line
//!   to a group in `tests/tests/c_programs/cases.rs`: `saved("NAME arguments")` dies of SIGPIPE bare and lives preloaded;
//!   `same("NAME arguments", FINE)` ends alike. What the case needs follows: `.needs(Need::Root)`.
//! * **a real server**: add an entry to `SERVERS` in `tests/tests/real_servers/servers.rs`, its Debian package to
//!   `scripts/packages-servers`, and a row to `docs/real-servers.md`. A script goes to `tests/servers/`.
//! * **a suite**: add `tests/tests/NAME.rs` and, in `tests/Cargo.toml`, `[[test]] name = "NAME"` with `harness = false`.
//!   Its `main` makes a [`suite::Suite`], adds tests, and returns `suite.run()`; `tests/tests/sinks.rs` is an example.
//!
//! Run a test bare as well as preloaded: one that passes without the library proves nothing. Declare each thing that
//! may be missing as a need, never return early: a test that cannot run is ignored by name, not passed.

pub mod c_program;
pub mod clients;
pub mod event;
pub mod library;
pub mod namespace;
pub mod need;
mod paths;
pub mod program;
pub mod run;
pub mod suite;
pub mod table;
pub mod wait;

pub use library::{Library, Profile, library};
pub use paths::{scratch_dir, workspace};
