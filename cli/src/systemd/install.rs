//! Puts the drop-in in place and removes it.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::manager::Manager;
use crate::error::{Error, Result};

/// systemd reads drop-ins in the order of their names, and the last one wins.
pub const FILE_NAME: &str = "zz-nopipe.conf";

/// Whether the drop-in of the service `unit` is there with this text.
pub fn is_installed(manager: &Manager, unit: &str, text: &str) -> Result<bool> {
    match fs::read(path(&manager.folder()?, unit)) {
        Ok(there) => Ok(there == text.as_bytes()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::of_file(&path(&manager.folder()?, unit))(error)),
    }
}

/// Writes the drop-in of the service `unit`. systemd must be told to read it. Returns the file's path.
pub fn install(manager: &Manager, unit: &str, text: &str) -> Result<PathBuf> {
    write(&manager.folder()?, unit, text)
}

/// The services that have a drop-in, and its path, in the order of their names.
pub fn installed(manager: &Manager) -> Result<Vec<(String, PathBuf)>> {
    let folder = manager.folder()?;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::of_file(&folder)(error)),
    };
    let unit = |entry: io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name();
        let unit = name.to_str()?.strip_suffix(".d")?.to_owned();
        let path = path(&folder, &unit);
        path.is_file().then_some((unit, path))
    };
    let mut found: Vec<_> = entries.filter_map(unit).collect();
    found.sort();
    Ok(found)
}

/// What [`remove`] found.
pub enum Removal {
    /// It was at this path. systemd must be told.
    Removed(PathBuf),
    /// There is no file at this path.
    NothingThere(PathBuf),
}

/// Removes the drop-in of the service `unit`, and its folder if no other drop-in is in it.
pub fn remove(manager: &Manager, unit: &str) -> Result<Removal> {
    let path = path(&manager.folder()?, unit);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Removal::NothingThere(path)),
        Err(error) => return Err(Error::of_file(&path)(error)),
    }
    if let Some(folder) = path.parent() {
        // This fails if the folder holds other drop-ins.
        let _ = fs::remove_dir(folder);
    }
    Ok(Removal::Removed(path))
}

/// Writes the drop-in below `folder`, a folder of units, by rename: systemd never reads half of it. Returns its path.
pub(super) fn write(folder: &Path, unit: &str, text: &str) -> Result<PathBuf> {
    let path = path(folder, unit);
    match write_by_rename(&path, text) {
        Ok(()) => Ok(path),
        Err(error) => Err(Error::of_file(&path)(error)),
    }
}

fn path(folder: &Path, unit: &str) -> PathBuf {
    folder.join(format!("{unit}.d")).join(FILE_NAME)
}

fn write_by_rename(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".nopipe-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    // The umask may have taken bits away.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
