//! Builds the C programs of `c-tests/`, for glibc and for musl.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::library::PREBUILT_TARGET_DIR;
use crate::need::Need;

/// The libc that a program is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// This system's own.
    Glibc,
    /// musl, by `musl-gcc`.
    Musl,
}

impl Libc {
    /// What a test with programs for this libc needs.
    pub fn needs(self) -> Vec<Need> {
        match self {
            Libc::Glibc => vec![],
            Libc::Musl => vec![Need::Program("musl-gcc", "musl-tools")],
        }
    }

    /// The path of the C program `name`; `make` runs once in this process, unless they were built
    /// for another machine ([`PREBUILT_TARGET_DIR`]).
    ///
    /// # Panics
    /// When they do not build.
    pub fn program(self, name: &str) -> PathBuf {
        static BUILDS: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
        let build = BUILDS[self as usize].get_or_init(|| self.make(&crate::paths::workspace().join("c-tests")));
        build.join(name)
    }

    /// The command `line`: a C program's name, and its arguments, one blank between two of them.
    ///
    /// # Panics
    /// When the C programs do not build.
    pub fn command(self, line: &str) -> Command {
        let mut words = line.split(' ');
        let mut command = Command::new(self.program(words.next().unwrap_or_default()));
        command.args(words);
        command
    }

    fn make(self, dir: &Path) -> PathBuf {
        if let (Libc::Glibc, Some(folder)) = (self, prebuilt()) {
            return folder;
        }
        let (variable, folder) = match self {
            Libc::Glibc => ("LIBC=glibc", "build"),
            Libc::Musl => ("LIBC=musl", "build/musl"),
        };
        let status = Command::new("make")
            .args(["--silent", "--jobs", "2", variable, "-C"])
            .arg(dir)
            .env_remove("LD_PRELOAD")
            .status()
            .expect("make runs");
        assert!(status.success(), "the C programs do not build for {self:?}");
        dir.join(folder)
    }
}

/// The path of the C program `name`, built for this system's libc.
///
/// # Panics
/// When they do not build.
pub fn c_program(name: &str) -> PathBuf {
    Libc::Glibc.program(name)
}

/// Whether a seccomp filter sees the arguments of these programs' `send`. On i386 libc puts them in memory, socketcall(2).
///
/// # Panics
/// When the C programs do not build.
pub fn send_shows_arguments() -> bool {
    // EI_CLASS, elf(5).
    built().get(4) == Some(&2)
}

/// Whether these programs are for x86-64.
///
/// # Panics
/// When the C programs do not build.
pub fn is_for_x86_64() -> bool {
    // e_machine: EM_X86_64.
    built().get(18) == Some(&62)
}

/// One of the programs.
fn built() -> Vec<u8> {
    std::fs::read(c_program("server")).expect("the server is built")
}

/// The command `line` for this system's libc; see [`Libc::command`].
///
/// # Panics
/// When the C programs do not build.
pub fn command(line: &str) -> Command {
    Libc::Glibc.command(line)
}

fn prebuilt() -> Option<PathBuf> {
    let folder = Path::new(&std::env::var_os(PREBUILT_TARGET_DIR)?).join("c-tests");
    folder.is_dir().then_some(folder)
}
