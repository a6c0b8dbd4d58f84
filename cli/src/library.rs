//! Where the library lies, and under which name a unit finds it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, Result};
use crate::systemd::unit::Unit;

const NAME: &str = "libnopipe.so";

/// Where a unit with a root of its own gets the library: systemd mounts a fresh /run there, so that the place can be
/// made whatever the root holds, and even if it is read-only.
const IN_OTHER_ROOT: &str = "/run/nopipe/libnopipe.so";

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
        None => match named(Path::new(NAME), &folders) {
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
    named(&program.with_file_name(NAME), &[]).map_err(|_| {
        let message =
            format!("{NAME} is neither in a system library folder nor beside this program: name it by --library");
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

/// How one unit gets the library.
#[derive(Debug)]
pub struct Placed {
    /// Its name in LD_PRELOAD.
    pub name: String,
    /// What BindReadOnlyPaths= must bring into the unit's own root.
    pub binds: Vec<String>,
}

impl Placed {
    pub fn in_unit(library: &Library, unit: &Unit) -> Placed {
        if !unit.is_set("RootDirectory") && !unit.is_set("RootImage") {
            return Placed {
                name: library.name.clone(),
                binds: Vec::new(),
            };
        }
        Placed {
            name: IN_OTHER_ROOT.to_owned(),
            binds: vec![
                format!("{}:{IN_OTHER_ROOT}", library.path.display()),
                // "-": a system may be without journald.
                "-/run/systemd/journal/socket".to_owned(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_libraries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(&path, "").unwrap();
        let folders = [PathBuf::from("/nonexistent"), folder.path().to_owned()];
        let bare = named(Path::new(NAME), &folders).unwrap();
        assert_eq!((bare.name.as_str(), &bare.path), (NAME, &path));
        assert_eq!(named(&path, &[]).unwrap().path, path);
        for wrong in ["./libnopipe.so", "/nonexistent/libnopipe.so", "/a b.so", "other.so"] {
            assert!(named(Path::new(wrong), &folders).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_root_of_its_own() {
        let library = Library {
            name: NAME.into(),
            path: "/usr/lib/libnopipe.so".into(),
        };
        let plain = Placed::in_unit(&library, &Unit::parse("Id=a.service\nRootDirectory=\n"));
        assert_eq!((plain.name.as_str(), plain.binds.len()), (NAME, 0));
        let rooted = Placed::in_unit(&library, &Unit::parse("Id=a.service\nRootDirectory=/srv/root\n"));
        assert_eq!(rooted.name, IN_OTHER_ROOT);
        assert_eq!(rooted.binds[0], "/usr/lib/libnopipe.so:/run/nopipe/libnopipe.so");
    }
}
