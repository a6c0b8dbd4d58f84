//! The subcommands, one file each.

pub mod dropin;
pub mod status;
