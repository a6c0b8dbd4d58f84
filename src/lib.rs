//! `libnopipe.so`: loaded by LD_PRELOAD into a server, it lets the server survive SIGPIPE and logs the peer that vanished.
//!
//! # The contract
//!
//! Never kill, never hang; when in doubt, spare; never change a result; async-signal-safe on every path; no trace in
//! the process; the program reads back what it set; children are as they would be without the library. By construction:
//! no_std, no allocator, every system call of the library's own inline (nopipe-sys), so that `errno` cannot move.
//!
//! # The map, in the order in which a failed write flows
//!
//! | module | what it does |
//! | --- | --- |
//! | [`init`] | start-up: resolve, configure, install |
//! | [`real`] | the real functions behind the hooks |
//! | [`hooks`] | the exported symbols |
//! | [`sigpipe`] | our handler, and the disposition that the program believes in |
//! | [`origin`] | what made a SIGPIPE: a failed call, or somebody's purpose |
//! | [`verdict`] | is this a vanished peer, and may the program survive it |
//! | [`pipeline`] | is stdout or stderr a pipeline that a protected program set up |
//! | [`peer`] | who was it |
//! | [`eager`] | `NOPIPE_EAGER`: is the peer gone before the first write |
//! | [`runaway`] | a program that never looks at the result of a write |
//! | [`seal`] | the program has put itself under seccomp: only count |
//! | [`report`] | one event for each connection, to the `log` facade |
//! | [`sink`] | where lines go |
//! | [`stats`] | counters, that another process can read |
//! | [`summary`] | the account at exit |
//! | [`process`] | is this still the process that started up: fork, vfork |
//! | [`errno`] | the program's errno |
#![no_std]
#![deny(unsafe_op_in_unsafe_fn, unsafe_code)]
#![warn(missing_docs)]
#![allow(clippy::allow_attributes_without_reason, clippy::cast_lossless)] // lead: remove
#![allow(clippy::redundant_closure_for_method_calls, clippy::semicolon_if_nothing_returned)] // lead: remove
#![allow(clippy::undocumented_unsafe_blocks, rustdoc::broken_intra_doc_links)] // lead: remove

mod config;
mod eager;
mod errno;
mod hooks;
mod init;
mod origin;
mod peer;
mod pipeline;
mod process;
mod real;
mod report;
mod runaway;
mod runtime;
mod seal;
mod sigpipe;
mod sink;
mod stats;
mod summary;
mod verdict;

use nopipe_sys as sys;
