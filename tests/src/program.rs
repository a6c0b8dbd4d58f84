//! Finds the programs and the libraries of the system.

use std::path::{Path, PathBuf};

/// The path of a program: the distribution's own before one in PATH, which may be a version manager's shell script, and
/// before what `tests/servers/unpack` unpacked. A user's PATH may lack the folders for servers.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = crate::paths::workspace().join("target/servers/usr");
    ["/usr/bin", "/usr/sbin", "/bin"]
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain([unpacked.join("bin"), unpacked.join("sbin")])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The same for a program that the test has declared as a need.
///
/// # Panics
/// When the program is missing.
pub fn program(name: &str) -> PathBuf {
    find_program(name).unwrap_or_else(|| panic!("{name} is missing; the test does not declare that it needs it"))
}

/// Where Debian keeps the library `file`, such as `libseccomp.so.2`.
pub fn shared_object(file: &str) -> PathBuf {
    Path::new(&format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH)).join(file)
}
