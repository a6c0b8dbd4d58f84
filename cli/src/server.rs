//! A running process, seen from outside: nothing in it runs, waits or changes.
//!
//! It may be anybody's, and hostile: its name, its mappings and its memory say what its user likes, and a read of its memory
//! may never return (a page of a FUSE mount that does not answer; a lock on the mappings that is held meanwhile). So
//! names are bytes until [`crate::output::visible`] has had them, all sizes have bounds, and another process does the
//! reading, which is left alone when its time is up ([`reader`]).

mod access;
mod everyone;
mod image;
mod proc;
mod process;
mod reader;
mod standing;

pub use everyone::{Answer, read_all};
pub use proc::Signals;
pub use process::{Failure, Report};
pub use reader::{Reader, serve};
pub use standing::{Loaded, Standing};
