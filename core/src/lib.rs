//! The pure logic of libnopipe, shared by the library, the launcher, tests, benches and fuzzers.
//!
//! Nothing here makes a system call, allocates, locks or holds unsafe code, so all of it can run in a signal handler.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@line`] | a text buffer of fixed size |
//! | [`endpoint`] | one end of a connection, from a socket address to text |
//! | [`event`] | what is told of one vanished peer; the table of its fields |
//! | [`encode`] | events as logfmt and as JSON |
//! | [`runaway`] | so many failures on one connection that it can be no accident |
//! | [`search`] | a plain byte search |
//! | [`settings`] | the grammar of the `NOPIPE_*` variables |
//! | [`stats`] | the counters that another process can read |
//! | [`table`] | which connections were reported; which targets `connect` was given |
//! | [`disposition`] | the SIGPIPE action that the program believes in |
//! | [`throttle`] | the rate limit of lines |
//! | [`time`] | RFC 3339 |
#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]
// A new variant must be thought of wherever its enum is matched; and nothing here may panic.
#![warn(clippy::wildcard_enum_match_arm)]
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unwrap_used)]

pub mod disposition;
pub mod encode;
pub mod endpoint;
pub mod event;
pub mod line;
pub mod runaway;
pub mod search;
pub mod settings;
pub mod stats;
mod sync;
pub mod table;
pub mod throttle;
pub mod time;
