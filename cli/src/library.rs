//! Finds `libnopipe.so`: its file, and its name in LD_PRELOAD.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nopipe_core::library::LIBRARY;

use crate::error::{Error, Exit, Result};

/// The library's file, and its name in LD_PRELOAD.
#[derive(Debug)]
pub struct Library {
    /// For LD_PRELOAD: a plain file name if the dynamic linker finds it by that, else an absolute path.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// The library that was asked for; else the one in a system library folder; else the one next to this program.
///
/// `asked` is an absolute path, or a file name that is looked up in the system library folders.
pub fn find(asked: Option<&Path>) -> Result<Library> {
    let folders = system_folders();
    match asked {
        Some(path) => named(path, &folders),
        None => match named(Path::new(LIBRARY), &folders) {
            Ok(library) => Ok(library),
            Err(_) => next_to_this_program(),
        },
    }
}

fn named(asked: &Path, folders: &[PathBuf]) -> Result<Library> {
    let missing = |why: &str| Error::new(Exit::Other, format!("the library {}: {why}", asked.display()));
    let Some(name) = asked.to_str().filter(|name| !name.contains([' ', ':', '\n'])) else {
        return Err(missing(
            "LD_PRELOAD cannot hold this name: spaces and colons separate names there",
        ));
    };
    let path = match name.contains('/') {
        true if asked.is_relative() => return Err(missing("neither an absolute path nor a plain file name")),
        true => Some(asked.to_owned()).filter(|path| path.is_file()),
        false => folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file()),
    };
    match path {
        Some(path) => Ok(Library {
            name: name.to_owned(),
            path,
        }),
        None => Err(missing("no such file")),
    }
}

fn next_to_this_program() -> Result<Library> {
    let program = std::env::current_exe().map_err(Error::while_doing("this program's own path"))?;
    named(&program.with_file_name(LIBRARY), &[]).map_err(|_| {
        let message = format!(
            "{LIBRARY} is neither in a system library folder nor next to this program: pass its path with --library"
        );
        Error::new(Exit::Other, message)
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

    #[test]
    fn named_libraries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LIBRARY);
        fs::write(&path, "").unwrap();
        let folders = [PathBuf::from("/nonexistent"), folder.path().to_owned()];
        let bare = named(Path::new(LIBRARY), &folders).unwrap();
        assert_eq!((bare.name.as_str(), &bare.path), (LIBRARY, &path));
        assert_eq!(named(&path, &[]).unwrap().path, path);
        for wrong in ["./libnopipe.so", "/nonexistent/libnopipe.so", "/a b.so", "other.so"] {
            assert!(named(Path::new(wrong), &folders).is_err(), "{wrong}");
        }
    }
}
