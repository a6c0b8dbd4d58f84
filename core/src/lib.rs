//! The pure logic of libnopipe, shared by the library, the launcher, tests, benches and fuzzers.
//!
//! Nothing here makes a system call, allocates, locks or contains unsafe code, so all of it can run in a signal
//! handler.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`line`] | a text buffer of fixed size |
//! | [`endpoint`] | one end of a connection, from a socket address to text |
//! | [`cause`] | why a call failed; which errors say that the other end is gone |
//! | [`event`] | what is told of one vanished peer |
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
//! | [`proc_fields`] | numbers out of `/proc/PID/status` and `/proc/PID/io` |
//! | [`disposition`] | the SIGPIPE action that the program set and sees |
//! | [`throttle`] | the rate limit of lines |
//! | [`time`] | RFC 3339 |
#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]

pub mod cause;
pub mod disposition;
pub mod encode;
pub mod endpoint;
pub mod event;
pub mod fields;
pub mod library;
pub mod line;
pub mod proc_fields;
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
