//! A running process, seen from outside.

mod image;
pub mod process;
