//! Logs, read: our own lines in all their forms, and what other servers log about clients that leave.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`input`] | files (plain, gzip, zstd), standard input, journalctl: lines, in bounded memory |
//! | [`reading`] | one input from its beginning to its end: each line, each entry of the journal |
//! | [`mod@line`] | which form a line has, and what it says |
//! | [`haproxy`], [`access`], [`server_error`], [`envoy`] | what others log |
//! | [`glance`] | the usual line of the library, faster
//! | [`ours`] | our fields under all their names |
//! | [`json`], [`logfmt`] | scanners that look at each byte once and copy nothing |
//! | [`time`] | time stamps in all their forms, the local time zone |
//! | [`record`] | what a line says |
//!
//! Anybody may have written a log: a client its request, a peer its path. So a form is recognised from its beginning,
//! never from words in the middle of a line, and names stay bytes until [`crate::output::visible`] has had them.

mod access;
mod envoy;
mod glance;
mod haproxy;
mod input;
mod json;
mod line;
mod logfmt;
mod ours;
mod reading;
mod record;
mod server_error;
mod time;

pub use input::{Input, Journal};
pub use reading::{Visitor, scan};
pub use record::{Found, Kind, Peer, Record, Source};
pub use time::{DAY, SECOND, Zone, now, rfc3339_of, when};
