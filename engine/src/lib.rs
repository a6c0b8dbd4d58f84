//! What happens after a call has failed: who counts it, who the peer was, what is logged, and which SIGPIPE is spared.
//!
//! No function of libc is called here, so the same code serves the preloaded library and a handler without any libc.
//! Whatever libc alone knows (the program's name, its environment, the code of its functions) is handed in by the user of
//! this crate at start-up. Everything is async-signal-safe: no allocation, no lock, no wait, no descriptor kept.
//!
//! # The map, in the order in which a failed write flows
//!
//! | module | what it does |
//! | --- | --- |
//! | [`failure`] | hook or handler: exactly one of them counts and reports a failed call |
//! | [`handler`] | our SIGPIPE handler |
//! | [`origin`], [`arch`], [`code`] | what made a SIGPIPE: a failed call, or somebody's purpose; by registers of this CPU, and by whose code was interrupted |
//! | [`caller`] | the function of libc that made the call, by the return addresses on the stack |
//! | [`kept`] | the descriptor of a call, on a CPU that loses it |
//! | [`purpose`] | a SIGPIPE that the program has sent itself is on its way |
//! | [`disposition`] | the SIGPIPE action that the program believes in, and what the kernel holds |
//! | [`channel`] | the pipe or socket behind a descriptor |
//! | [`pipeline`] | is stdout or stderr a pipeline that a protected program set up |
//! | [`peer`] | who was at the other end |
//! | [`report`] | hands one event for each connection to the `log` facade |
//! | [`sink`] | where lines go |
//! | [`runaway`] | a program that never looks at the result of a write |
//! | [`eager`] | `NOPIPE_EAGER`: is the peer gone before the first write |
//! | [`process`] | is this still the process that started up: fork, vfork |
//! | [`seccomp`] | the program has put itself under seccomp: only count |
//! | [`proc`] | `/proc/PID/…` of a peer and of a parent |
//! | [`slot`] | memory for what is too large for a small stack |
//! | [`page`] | the counters, which another process can read |
//! | [`family`] | what a process and its forked children know in common |
//! | [`config`] | the settings, read once |
//!
//! Imports run downwards: failure and handler stand on top, page, config and seccomp at the bottom.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_op_in_unsafe_fn, unsafe_code)]
#![warn(missing_docs)]

pub mod arch;
pub mod caller;
pub mod channel;
pub mod code;
pub mod config;
pub mod disposition;
pub mod eager;
pub mod failure;
pub mod family;
pub mod handler;
pub mod kept;
pub mod origin;
pub mod page;
pub mod peer;
pub mod pipeline;
pub mod proc;
pub mod process;
pub mod purpose;
pub mod report;
pub mod runaway;
pub mod seccomp;
pub mod sink;
pub mod slot;
