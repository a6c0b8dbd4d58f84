//! The pure logic of libnopipe, shared by the library, the launcher, tests, benches and fuzzers.
//!
//! Nothing here makes a system call, allocates, locks or holds unsafe code, so all of it can run in a signal handler. The
//! crate `libc` gives layouts and constants only.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@line`] | a text buffer of fixed size |
//! | [`endpoint`] | one end of a connection, from a socket address to text |
//! | [`cause`] | why a call failed; which errors say that the other end is gone |
//! | [`event`] | what is told of one vanished peer; the table of its fields |
//! | [`encode`] | events as logfmt and as JSON |
//! | [`runaway`] | so many failures on one connection that it can be no accident |
//! | [`search`] | a plain byte search |
//! | [`settings`] | the grammar of the `NOPIPE_*` variables |
//! | [`stats`] | the counters that another process can read |
//! | [`table`] | which connections were reported; which targets `connect` was given |
//! | [`tcp_info`] | what the kernel reports of a TCP connection |
//! | [`proc_stat`] | `/proc/PID/stat`: a process's parent, and when it was started |
//! | [`versioned`] | a few words that are written whole or not at all |
//! | [`disposition`] | the SIGPIPE action that the program believes in |
//! | [`throttle`] | the rate limit of lines |
//! | [`time`] | RFC 3339 |
#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]

pub mod cause;
pub mod disposition;
pub mod encode;
pub mod endpoint;
pub mod event;
pub mod line;
pub mod proc_stat;
pub mod runaway;
pub mod search;
pub mod settings;
pub mod stats;
mod sync;
pub mod table;
pub mod tcp_info;
pub mod throttle;
pub mod time;
pub mod versioned;
