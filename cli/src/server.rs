//! A running process, seen from outside: nothing in it runs, waits or changes.

mod access;
mod image;
mod process;

pub use process::{Report, Server, running};
