//! What keeps the library out of a unit, or limits it there.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::placement::Placement;
use super::unit::Unit;
use crate::library::Library;
use crate::program;

/// One option of the unit, or one fact about its files, and the effect. `Display` gives a sentence for the admin.
#[derive(Debug)]
pub struct Hindrance {
    pub effect: Effect,
    what: String,
}

/// What a hindrance does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The library would not be loaded, or the service could be killed or fail to start.
    Stops,
    /// It cannot be seen whether the server loads the library.
    Unproved,
    /// The library can do or report less.
    Limits,
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

fn stops(what: impl Into<String>) -> Hindrance {
    let what = what.into();
    Hindrance {
        effect: Effect::Stops,
        what,
    }
}

fn unproved(what: impl Into<String>) -> Hindrance {
    let what = what.into();
    Hindrance {
        effect: Effect::Unproved,
        what,
    }
}

fn limits(what: impl Into<String>) -> Hindrance {
    let what = what.into();
    Hindrance {
        effect: Effect::Limits,
        what,
    }
}

/// Every hindrance that the unit's properties and the file system show.
pub fn all(unit: &Unit, library: &Library) -> Vec<Hindrance> {
    let mut found = environment(unit, &Placement::in_unit(library, unit).name);
    if !library.is_readable_by_all() {
        found.push(stops(format!(
            "{}: not every user can read this file, so a service with User= or DynamicUser= may run without it",
            library.path.display()
        )));
    }
    if unit.is_set("RootDirectory") || unit.is_set("RootImage") {
        if unit.property("MountAPIVFS") == "no" {
            found.push(stops(
                "MountAPIVFS=no: the unit's own root gets no fresh /run, so there is no place to mount the library",
            ));
        }
    } else {
        found.extend(hidden(unit, &library.path).map(stops));
    }
    for option in ["MountImages", "ExtensionImages", "ExtensionDirectories"] {
        if unit.is_set(option) {
            found.push(unproved(format!("{option}=: what it mounts is not looked at")));
        }
    }
    if unit.is_set("RootImage") {
        found.push(unproved("RootImage=: the programs in the image are not looked at"));
    } else {
        let root = Some(unit.property("RootDirectory")).filter(|root| !root.is_empty());
        found.extend(programs(unit, library, Path::new(root.unwrap_or("/"))));
    }
    found.extend(system_calls(unit));
    found.extend(address_families(unit));
    found
}

/// What the programs that the unit starts do with the library.
fn programs(unit: &Unit, library: &Library, root: &Path) -> Vec<Hindrance> {
    let judge = |command: Vec<String>| {
        let found = match program::look_in_unit(&command, root) {
            Ok(found) => found,
            Err(unknown) => {
                return Some(unproved(format!(
                    "{unknown}: so it is not known whether it loads the library"
                )));
            }
        };
        let path = found.path.display();
        if let Some(obstacle) = found.obstacle {
            return Some(stops(format!("{path} {}", obstacle.says())));
        }
        if let Some(misfit) = library.misfit(&found.elf) {
            return Some(stops(format!("{path} {misfit}")));
        }
        let first = found.through.first().unwrap_or(&found.path).display();
        found.is_shell.then(|| {
            unproved(format!(
                "{first} is run by a shell, which loads the library; it is not known whether the server that it starts does"
            ))
        })
    };
    unit.commands().into_iter().filter_map(judge).collect()
}

/// What overrides the drop-in's `Environment=`.
fn environment(unit: &Unit, library: &str) -> Vec<Hindrance> {
    let mut found = Vec::new();
    if unit
        .words("UnsetEnvironment")
        .iter()
        .any(|word| word == "LD_PRELOAD" || word.starts_with("LD_PRELOAD="))
    {
        found.push(stops(
            "UnsetEnvironment=LD_PRELOAD removes the variable that this drop-in sets",
        ));
    }
    for file in unit.environment_files() {
        match preload_in_file(file, library) {
            FilePreload::None => {}
            FilePreload::Other => found.push(stops(format!(
                "EnvironmentFile={file} sets LD_PRELOAD, which overrides this drop-in: add the library there"
            ))),
            FilePreload::Unknown => found.push(unproved(format!(
                "EnvironmentFile={file} cannot be read here, or is a pattern: it may set LD_PRELOAD"
            ))),
        }
    }
    found
}

/// What an `EnvironmentFile=` makes of LD_PRELOAD.
enum FilePreload {
    /// Nothing, or it names the library.
    None,
    /// Something without the library.
    Other,
    /// It cannot be read.
    Unknown,
}

fn preload_in_file(file: &str, library: &str) -> FilePreload {
    if file.contains(['*', '?', '[']) {
        return FilePreload::Unknown;
    }
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return FilePreload::None,
        Err(_) => return FilePreload::Unknown,
    };
    let mut assigned = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        // A line that cannot be understood, such as one with other bytes before the name, is taken for the worst.
        name.trim().ends_with("LD_PRELOAD").then_some(value)
    });
    let Some(value) = assigned.next_back() else {
        return FilePreload::None;
    };
    let value = value.trim().trim_matches(['"', '\'']);
    match value.split([' ', ':']).any(|one| one == library) {
        true => FilePreload::None,
        false => FilePreload::Other,
    }
}

/// The option that hides the library from the unit or forbids mapping it, and the remedy.
fn hidden(unit: &Unit, library: &Path) -> Option<String> {
    let path = library.display();
    let below = |folders: &[&str]| folders.iter().any(|folder| library.starts_with(folder));
    let listed = |name| {
        let mut folders = unit.words(name).into_iter().map(|word| {
            // TemporaryFileSystem=/path:options; a leading "-" or "+" is a modifier.
            let folder = word.split(':').next().unwrap_or_default();
            PathBuf::from(folder.trim_start_matches(['-', '+']))
        });
        folders.find(|folder| library.starts_with(folder))
    };
    let remedy = "install it in a system library folder";
    if unit.is_set("ProtectHome")
        && unit.property("ProtectHome") != "read-only"
        && below(&["/home", "/root", "/run/user"])
    {
        return Some(format!("ProtectHome= hides {path}: {remedy}"));
    }
    if unit.is_set("PrivateTmp") && below(&["/tmp", "/var/tmp"]) {
        return Some(format!("PrivateTmp= hides {path}: {remedy}"));
    }
    // FROM:TO:options.
    let is_mounted_over = |name| {
        let mut mounts = unit
            .words(name)
            .into_iter()
            .filter_map(|word| word.split(':').nth(1).map(PathBuf::from));
        mounts.any(|folder| library.starts_with(&folder))
    };
    for option in ["BindPaths", "BindReadOnlyPaths"] {
        if is_mounted_over(option) {
            return Some(format!("{option}= mounts something else over {path}: {remedy}"));
        }
    }
    for option in ["TemporaryFileSystem", "InaccessiblePaths"] {
        if listed(option).is_some() {
            return Some(format!("{option}= hides {path}: {remedy}"));
        }
    }
    // The deeper of the two folders wins.
    let depth = |folder: Option<PathBuf>| folder.map_or(0, |folder| folder.components().count());
    (depth(listed("NoExecPaths")) > depth(listed("ExecPaths")))
        .then(|| format!("NoExecPaths= forbids mapping code from {path}: add ExecPaths={path}"))
}

fn address_families(unit: &Unit) -> Option<Hindrance> {
    let words = unit.words("RestrictAddressFamilies");
    let denied = words.first().is_some_and(|word| word.starts_with('~'));
    let unix = words.iter().any(|word| word.trim_start_matches('~') == "AF_UNIX");
    (!words.is_empty() && denied == unix).then(|| {
        limits("RestrictAddressFamilies= does not allow AF_UNIX: the log goes to standard error, so the journal gets plain text")
    })
}

/// System calls without which no program starts: a filter that forbids one of them stops more than the library.
const EVERY_PROGRAM: &[&str] = &["close", "fstat", "openat", "read", "write"];

/// The system calls of the library that a filter may forbid.
fn needed() -> impl Iterator<Item = &'static str> {
    let calls = nopipe_sys::CALLS.iter().copied();
    calls.filter(|call| !EVERY_PROGRAM.contains(call))
}

fn system_calls(unit: &Unit) -> Option<Hindrance> {
    let words = unit.words("SystemCallFilter");
    let denied = words.first()?.starts_with('~');
    // A name may have its own error number: name:EPERM.
    let named = |call: &str| {
        words
            .iter()
            .any(|word| word.trim_start_matches('~').split(':').next() == Some(call))
    };
    let missing: Vec<_> = needed().filter(|call| named(call) == denied).collect();
    if missing.is_empty() {
        return None;
    }
    let list = missing.join(" ");
    // 2147483646 is systemd's number for "kill".
    match unit.property("SystemCallErrorNumber") {
        "" | "0" | "kill" | "2147483646" => Some(stops(format!(
            "SystemCallFilter= forbids {list}, which would kill the process: allow them, or set SystemCallErrorNumber=EPERM"
        ))),
        _ => Some(limits(format!(
            "SystemCallFilter= forbids {list}: the library can report less"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a unit with these properties and the library in /home/game.
    fn found(properties: &str) -> Vec<String> {
        let unit = Unit::parse(&format!("Id=a.service\n{properties}\n"));
        let library = Path::new("/home/game/libnopipe.so");
        let found = environment(&unit, "/home/game/libnopipe.so")
            .into_iter()
            .chain(system_calls(&unit))
            .chain(address_families(&unit));
        found
            .map(|hindrance| hindrance.what)
            .chain(hidden(&unit, library))
            .collect()
    }

    fn word_of_each(properties: &str, word: &str) {
        let found = found(properties);
        assert!(found.len() == 1 && found[0].contains(word), "{properties}: {found:?}");
    }

    #[test]
    fn nothing_in_the_way() {
        assert_eq!(
            found("ProtectHome=no\nPrivateTmp=yes\nRestrictAddressFamilies=\nSystemCallFilter="),
            [""; 0]
        );
        assert_eq!(
            found("ProtectHome=read-only\nRestrictAddressFamilies=AF_INET AF_UNIX"),
            [""; 0]
        );
        assert_eq!(found("NoExecPaths=/\nExecPaths=/usr /home/game"), [""; 0]);
        assert_eq!(found("SystemCallFilter=~reboot mount"), [""; 0]);
        let needed: Vec<_> = needed().collect();
        assert_eq!(found(&format!("SystemCallFilter={}", needed.join(" "))), [""; 0]);
    }

    #[test]
    fn each_option() {
        word_of_each("UnsetEnvironment=A LD_PRELOAD", "UnsetEnvironment");
        word_of_each("ProtectHome=yes", "ProtectHome");
        word_of_each("ProtectHome=tmpfs", "ProtectHome");
        word_of_each("TemporaryFileSystem=/var:ro /home:ro", "TemporaryFileSystem");
        word_of_each("InaccessiblePaths=-/home/game", "InaccessiblePaths");
        word_of_each("NoExecPaths=/home\nExecPaths=/usr", "NoExecPaths");
        word_of_each("RestrictAddressFamilies=AF_INET AF_INET6", "standard error");
        word_of_each("RestrictAddressFamilies=~AF_UNIX", "standard error");
        word_of_each(
            "SystemCallFilter=~sendto",
            "forbids sendto, which would kill the process",
        );
        word_of_each("SystemCallFilter=~sendto:EPERM\nSystemCallErrorNumber=1", "report less");
    }

    #[test]
    fn an_environment_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let property = format!("EnvironmentFiles={} (ignore_errors=no)", file.path().display());
        assert_eq!(found(&property), [""; 0]);
        fs::write(file.path(), "A=1\nLD_PRELOAD=libone.so\n").unwrap();
        word_of_each(&property, "overrides");
    }

    #[test]
    fn every_other_system_call_of_the_library_is_needed() {
        for call in nopipe_sys::CALLS {
            let found = found(&format!("SystemCallFilter=~{call}"));
            assert_eq!(found.is_empty(), EVERY_PROGRAM.contains(call), "{call}: {found:?}");
        }
        // The list names nothing that the library does not call.
        for call in EVERY_PROGRAM {
            assert!(nopipe_sys::CALLS.contains(call), "{call}");
        }
    }
}
