//! Where the library lies, and under which name a unit finds it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nopipe_core::library::LIBRARY;

use crate::error::{Error, Exit, Result};

/// The library as LD_PRELOAD is to name it.
#[derive(Debug)]
pub struct Library {
    /// A bare name, if it lies where the dynamic linker looks.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// The library that was asked for, or the one that is installed, or the one beside this program.
pub fn find(asked: Option<&Path>) -> Result<Library> {
    let folders = system_folders();
    match asked {
        Some(path) => named(path, &folders),
        None => match named(Path::new(LIBRARY), &folders) {
            Ok(library) => Ok(library),
            Err(_) => beside_this_program(),
        },
    }
}

fn named(asked: &Path, folders: &[PathBuf]) -> Result<Library> {
    let missing = |why: &str| Error::new(Exit::Other, format!("the library {}: {why}", asked.display()));
    let Some(name) = asked.to_str().filter(|name| !name.contains([' ', ':', '\n'])) else {
        return Err(missing(
            "LD_PRELOAD cannot hold this name: blanks and colons separate names there",
        ));
    };
    let path = match name.contains('/') {
        true if asked.is_relative() => return Err(missing("neither an absolute path nor a bare name")),
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

fn beside_this_program() -> Result<Library> {
    let program = std::env::current_exe().map_err(Error::while_doing("this program's own path"))?;
    named(&program.with_file_name(LIBRARY), &[]).map_err(|_| {
        let message =
            format!("{LIBRARY} is neither in a system library folder nor beside this program: name it by --library");
        Error::new(Exit::Other, message)
    })
}

/// Where the dynamic linker looks without being told.
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
    /// Whether every user may read it: a service that may not runs without it.
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
