//! A systemd service and the drop-in that puts it under the library.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`verify`] | `systemd-analyze verify` on the unit together with the drop-in |
//! | [`install`] | writes and removes the drop-in |
//! | [`dropin`] | the drop-in's text |
//! | [`hindrance`] | options of the unit that keep the library out, or limit it |
//! | [`placement`] | under which name, and by which mounts, the unit gets the library |
//! | [`mod@unit`] | the unit's properties |
//! | [`manager`] | systemctl |

pub mod dropin;
pub mod hindrance;
pub mod install;
pub mod manager;
pub mod placement;
pub mod unit;
pub mod verify;
