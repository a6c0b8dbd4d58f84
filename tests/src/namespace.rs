//! Commands in a mount namespace of their own: no other process sees their mounts, which go when the commands end.
//!
//! The caller must be allowed to make one: [`crate::suite::Need::OwnMounts`].

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// `program` in a new mount namespace; the caller adds its arguments.
pub fn own_mounts(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]).arg(program);
    command
}

/// `command` in a new mount namespace where `dir` is `/dev`.
pub fn with_dev(command: &Command, dir: &Path) -> Command {
    const SCRIPT: &str = "mount --bind \"$1\" /dev && shift && LD_PRELOAD=$PRELOAD exec \"$@\"";
    let mut tools = own_mounts("sh");
    tools.args(["-c", SCRIPT, "sh"]).arg(dir);
    started_by(tools, command)
}

/// `command`, started by `tools`, which run without the library; the last of them puts `$PRELOAD` into LD_PRELOAD.
pub fn started_by(mut tools: Command, command: &Command) -> Command {
    tools.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match (name.to_str(), value) {
            (Some("LD_PRELOAD"), Some(library)) => tools.env("PRELOAD", library),
            (_, Some(value)) => tools.env(name, value),
            (_, None) => tools.env_remove(name),
        };
    }
    tools
}
