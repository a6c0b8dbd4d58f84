//! The pure logic of libnopipe, shared by the library, the launcher, tests, benches and fuzzers.
//!
//! Nothing here makes a system call, allocates, locks or contains unsafe code, so all of it can run in a signal
//! handler. The crate `libc` gives layouts and constants only.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@line`] | a text buffer of fixed size |
//! | [`endpoint`] | one end of a connection, from a socket address to text |
//! | [`cause`] | why a call failed; which errors say that the other end is gone |
//! | [`event`] | what is told of one vanished peer |
//! | [`fdinfo`] | `/proc/self/fdinfo/FD` of a pidfd: the number of its process |
//! | [`fields`] | the table of the fields' names and meanings |
//! | [`encode`] | events as logfmt and as JSON |
//! | [`library`] | the library's file name |
//! | [`runaway`] | too many failures on one connection to be an accident |
//! | [`search`] | a plain byte search |
//! | [`settings`] | the `NOPIPE_*` variables, each declared once |
//! | [`stats`] | the counters that another process can read |
//! | [`table`] | which connections were reported; the addresses of failed connects |
//! | [`tcp_info`] | what the kernel reports of a TCP connection |
//! | [`proc_stat`] | `/proc/PID/stat`: a process's parent, and when it was started |
//! | [`proc_field`] | numbers out of `/proc/PID/status` and `/proc/PID/io` |
//! | [`versioned`] | a few words that are written whole or not at all |
//! | [`disposition`] | the SIGPIPE action that the program set and sees |
//! | [`throttle`] | the rate limit of lines |
//! | [`time`] | RFC 3339 |
#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]
// A new variant must be thought of wherever its enum is matched; and nothing here may panic.
#![warn(clippy::wildcard_enum_match_arm)]
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unwrap_used)]

pub mod cause;
pub mod disposition;
pub mod encode;
pub mod endpoint;
pub mod event;
pub mod fdinfo;
pub mod fields;
pub mod library;
pub mod line;
pub mod proc_field;
pub mod proc_stat;
pub mod runaway;
pub mod search;
pub mod settings;
pub mod stats;
mod sync;
pub mod table;
pub mod tcp_info;
mod text;
pub mod throttle;
pub mod time;
pub mod versioned;
