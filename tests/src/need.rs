//! What a test needs from the machine, and the reason to give when it is missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::namespace::own_mounts;
use crate::program::{find_program, shared_object};
use crate::run::{End, run};

const TIMEOUT: Duration = Duration::from_secs(20);

/// One thing that a test cannot do without.
#[derive(Clone, Debug)]
pub enum Need {
    /// Effective user id 0.
    Root,
    /// The permission to make a mount namespace and to mount in it.
    OwnMounts,
    /// A program, and the Debian package that has it; see [`find_program`].
    Program(&'static str, &'static str),
    /// A file, and its Debian package.
    File(PathBuf, &'static str),
    /// A library in the system's own folder, such as `libseccomp.so.2`, and its Debian package.
    SharedObject(&'static str, &'static str),
    /// A file that `require` of perl finds, such as `HTTP/Daemon.pm`, and its Debian package.
    Perl(&'static str, &'static str),
    /// A feature of the kernel or a setting of it, and how to look for it.
    Kernel(&'static str, fn() -> bool),
    /// Anything else; the error is the reason, and begins with "needs".
    Other(fn() -> Result<(), String>),
}

impl Need {
    /// The reason why a test with this need cannot run here, such as `needs root`; `None` if it can.
    pub fn missing(&self) -> Option<String> {
        let unless = |met: bool, what: &str| (!met).then(|| format!("needs {what}"));
        let of_package =
            |met: bool, what: &str, package: &str| unless(met, &format!("{what} (Debian package {package})"));
        match self {
            Need::Root => unless(rustix::process::geteuid().is_root(), "root"),
            Need::OwnMounts => mounts().as_ref().err().cloned(),
            Need::Program(name, package) => of_package(find_program(name).is_some(), name, package),
            Need::File(path, package) => of_package(path.exists(), &path.display().to_string(), package),
            Need::SharedObject(name, package) => of_package(shared_object(name).exists(), name, package),
            Need::Perl(file, package) => of_package(perl_requires(file), &format!("{file} for perl"), package),
            Need::Kernel(feature, present) => unless(present(), feature),
            Need::Other(check) => check().err(),
        }
    }
}

/// Whether this process may mount in a namespace of its own; asked once.
fn mounts() -> &'static Result<(), String> {
    static MOUNTS: OnceLock<Result<(), String>> = OnceLock::new();
    MOUNTS.get_or_init(|| {
        let mut command = own_mounts("mount");
        let why = match run(command.args(["-t", "tmpfs", "tmpfs", "/mnt"]), TIMEOUT) {
            Ok(outcome) if outcome.end == End::Exit(0) => return Ok(()),
            Ok(outcome) => outcome.stderr.trim().to_string(),
            Err(error) => error.to_string(),
        };
        Err(format!("needs a mount namespace: {why}"))
    })
}

fn perl_requires(file: &str) -> bool {
    let Some(perl) = find_program("perl") else {
        return false;
    };
    let mut command = Command::new(perl);
    command.args(["-e", "require $ARGV[0]", file]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::Need;

    #[test]
    fn what_is_there_is_not_missing() {
        for need in [
            Need::Program("sh", "dash"),
            Need::File("/proc/self/exe".into(), "none"),
            Need::SharedObject("libc.so.6", "libc6"),
            Need::Kernel("a kernel", || true),
            Need::Other(|| Ok(())),
        ] {
            assert_eq!(need.missing(), None, "{need:?}");
        }
    }

    #[test]
    fn what_is_missing_has_its_reason() {
        for (need, reason) in [
            (
                Need::Program("no-such-tool", "tool"),
                "needs no-such-tool (Debian package tool)",
            ),
            (
                Need::File("/no/file".into(), "tool"),
                "needs /no/file (Debian package tool)",
            ),
            (
                Need::SharedObject("libno.so.9", "libno9"),
                "needs libno.so.9 (Debian package libno9)",
            ),
            (
                Need::Perl("No/Such.pm", "libno-perl"),
                "needs No/Such.pm for perl (Debian package libno-perl)",
            ),
            (Need::Kernel("MPTCP", || false), "needs MPTCP"),
            (Need::Other(|| Err("needs luck".into())), "needs luck"),
        ] {
            assert_eq!(need.missing().as_deref(), Some(reason));
        }
    }
}
