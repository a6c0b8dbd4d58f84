//! A systemd unit and the drop-in that puts it under the library.

pub mod dropin;
pub mod hindrance;
pub mod unit;
