//! Finds `libnopipe.so`: its file, and its name in LD_PRELOAD.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nopipe_core::library::LIBRARY;
use nopipe_core::stats;

use crate::error::{Error, Exit, Result};
use crate::output::visible;
use crate::program::elf::{Elf, Target};

/// The library's file, and its name in LD_PRELOAD.
#[derive(Debug)]
pub struct Library {
    /// For LD_PRELOAD: an absolute path, which may hold ld.so's `$LIB`; or the plain file name that was asked for. A plain
    /// name is not the default: then ld.so complains at each setuid program that the service starts.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// For which CPU it is.
    pub target: Target,
}

/// The library that was asked for; else the one in a system library folder; else the one next to this program.
///
/// `asked` is an absolute path, which may hold `$LIB`, or a file name that is looked up in the system library folders.
///
/// Fails with [`Exit::Other`] if there is none, with [`Exit::Refused`] if the file is not this library.
pub fn find(asked: Option<&Path>) -> Result<Library> {
    let folders = system_folders();
    match asked {
        Some(path) => named(path, &folders),
        None => match named(Path::new(LIBRARY), &folders) {
            Ok(library) => Ok(library.by_path()),
            Err(error) if error.exit == Exit::Refused => Err(error),
            Err(_) => next_to_this_program(),
        },
    }
}

fn named(asked: &Path, folders: &[PathBuf]) -> Result<Library> {
    let missing = |why: &str| {
        Error::new(
            Exit::Other,
            format!("the library {}: {why}", visible(asked.as_os_str().as_bytes())),
        )
    };
    let Some(name) = asked
        .to_str()
        .filter(|name| !name.contains(|c: char| matches!(c, ' ' | ':') || c.is_control()))
    else {
        return Err(missing(
            "LD_PRELOAD cannot hold this name: spaces and colons separate names there, and control characters have no place in it",
        ));
    };
    let path = match name.contains('/') {
        true if asked.is_relative() => return Err(missing("neither an absolute path nor a plain file name")),
        true => Some(PathBuf::from(expand(name, std::env::consts::ARCH))).filter(|path| path.is_file()),
        false => folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file()),
    };
    let Some(path) = path else {
        return Err(missing("no such file"));
    };
    let foreign = |why: &str| Error::new(Exit::Refused, format!("{}: {why}", path.display()));
    match File::open(&path).map(Elf::read).map_err(Error::of_file(&path))? {
        Some(Elf {
            has_counters, target, ..
        }) if has_counters => Ok(Library {
            name: name.to_owned(),
            path,
            target,
        }),
        Some(_) => Err(foreign(&format!("not {LIBRARY}: it has no symbol {}", stats::SYMBOL))),
        None => Err(foreign(&format!("not {LIBRARY}: no shared library at all"))),
    }
}

/// The name with ld.so's `$LIB` replaced, as Debian's does it.
fn expand(name: &str, arch: &str) -> String {
    let folder = format!("lib/{arch}-linux-gnu");
    name.replace("${LIB}", &folder).replace("$LIB", &folder)
}

fn next_to_this_program() -> Result<Library> {
    let program = std::env::current_exe().map_err(Error::while_doing("this program's own path"))?;
    named(&program.with_file_name(LIBRARY), &[]).map_err(|error| match error.exit {
        Exit::Refused => error,
        _ => {
            let message = format!(
                "{LIBRARY} is neither in a system library folder nor next to this program: pass its path with --library"
            );
            Error::new(Exit::Other, message)
        }
    })
}

/// The folders that the dynamic linker searches by default, see ld.so(8).
fn system_folders() -> Vec<PathBuf> {
    let arch = std::env::consts::ARCH;
    [
        format!("/usr/lib/{arch}-linux-gnu"),
        format!("/lib/{arch}-linux-gnu"),
        "/usr/lib64".into(),
        "/lib64".into(),
        "/usr/lib".into(),
        "/lib".into(),
    ]
    .map(PathBuf::from)
    .into()
}

impl Library {
    /// The same library, named by its path. If one for another CPU is installed as well, by a path with `$LIB`: each program
    /// then gets the one that fits.
    fn by_path(self) -> Library {
        let folder = |target: &str| Path::new("/usr/lib").join(target).join(LIBRARY);
        let own = self.target.folder().map(folder);
        let others = ["x86_64-linux-gnu", "i386-linux-gnu"].map(folder);
        let has_other = others
            .iter()
            .any(|other| Some(other) != own.as_ref() && other.is_file());
        let name = match own == Some(self.path.clone()) && has_other {
            true => format!("/usr/$LIB/{LIBRARY}"),
            false => self.path.display().to_string(),
        };
        Library { name, ..self }
    }

    /// Why the dynamic linker of `program` does not load this library by its name; `None` if it does.
    pub fn misfit(&self, program: &Elf) -> Option<String> {
        let own = program.target;
        let is_musl = program.linker.as_ref().is_some_and(|linker| linker.contains("ld-musl"));
        if is_musl && (self.name.contains("$LIB") || self.name.contains("${LIB}") || !self.name.contains('/')) {
            return Some(format!(
                "is a musl program, and its linker does not find {}: name the library by its path, --library {}",
                self.name,
                self.path.display()
            ));
        }
        if own == self.target {
            return None;
        }
        // A name that is not one file's may stand for another library in such a program.
        let is_one_file = self.name.contains('/') && !self.name.contains("$LIB") && !self.name.contains("${LIB}");
        let there = own
            .folder()
            .map(|folder| Path::new("/usr/lib").join(folder).join(LIBRARY));
        let there = there.filter(|path| {
            let elf = File::open(path).ok().and_then(Elf::read);
            elf.is_some_and(|elf| elf.target == own && elf.has_counters)
        });
        match there {
            Some(_) if !is_one_file => None,
            Some(path) => Some(format!(
                "is a program for {}, and the library is for {}: pass --library {}, or one path for both, --library '/usr/$LIB/{LIBRARY}'",
                own.name(),
                self.target.name(),
                path.display()
            )),
            None => Some(format!(
                "is a program for {}, and the library is for {}: install the library for {} as well",
                own.name(),
                self.target.name(),
                own.name()
            )),
        }
    }

    /// Whether every user may read the file. A service that runs as a user who may not starts without the library.
    pub fn is_readable_by_all(&self) -> bool {
        let Ok(path) = self.path.canonicalize() else {
            return false;
        };
        let may = |path: &Path, bit| fs::metadata(path).is_ok_and(|data| data.permissions().mode() & bit != 0);
        may(&path, 0o004) && path.ancestors().skip(1).all(|folder| may(folder, 0o001))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in: this test program has no counters, so it is named by hand.
    fn library(name: &str, bits: u8, machine: u16) -> Library {
        Library {
            name: name.into(),
            path: "/usr/lib/x/libnopipe.so".into(),
            target: Target { bits, machine },
        }
    }

    #[test]
    fn names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LIBRARY);
        let folders = [PathBuf::from("/nonexistent"), folder.path().to_owned()];
        for text in ["", "x", "\x7fELF"] {
            fs::write(&path, text).unwrap();
            let error = named(Path::new(LIBRARY), &folders).unwrap_err();
            assert_eq!(error.exit, Exit::Refused, "{error}");
        }
        fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        assert!(named(&path, &[]).unwrap_err().to_string().contains("nopipe_stats"));
        for wrong in [
            "./libnopipe.so",
            "/nonexistent/libnopipe.so",
            "/a b.so",
            "/a\u{1b}[31m.so",
            "other.so",
        ] {
            assert_eq!(
                named(Path::new(wrong), &folders).unwrap_err().exit,
                Exit::Other,
                "{wrong}"
            );
        }
        assert_eq!(expand("/usr/$LIB/a.so", "x86_64"), "/usr/lib/x86_64-linux-gnu/a.so");
    }

    #[test]
    fn what_does_not_fit() {
        let mut program = Elf::read(File::open(std::env::current_exe().unwrap()).unwrap()).unwrap();
        let own = program.target;
        let misfit = |library: &Library, program: &Elf| library.misfit(program).unwrap_or_default();
        assert_eq!(misfit(&library("/a/libnopipe.so", 64, own.machine), &program), "");
        assert!(misfit(&library("/a/libnopipe.so", 32, 3), &program).contains("and the library is for i386"));
        program.linker = Some("/lib/ld-musl-x86_64.so.1".into());
        assert_eq!(misfit(&library("/a/libnopipe.so", 64, own.machine), &program), "");
        for name in ["libnopipe.so", "/usr/$LIB/libnopipe.so"] {
            assert!(misfit(&library(name, 64, own.machine), &program).contains("musl"));
        }
    }
}
