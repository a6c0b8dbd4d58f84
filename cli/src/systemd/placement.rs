//! How one unit gets the library: under which name, and by which mounts.

use nopipe_core::library::LIBRARY;

use super::unit::Unit;
use crate::library::Library;

/// Where a unit with a root of its own gets the library. systemd mounts a fresh /run there, so the mount point can be
/// made whatever the root holds, even if it is read-only.
fn path_in_own_root() -> String {
    format!("/run/nopipe/{LIBRARY}")
}

/// How a unit gets the library.
#[derive(Debug)]
pub struct Placement {
    /// Its name in LD_PRELOAD.
    pub name: String,
    /// Values of `BindReadOnlyPaths=`: what must be mounted in the unit's own root.
    pub binds: Vec<String>,
}

impl Placement {
    /// How `unit` gets `library`: by its own name, or mounted below /run if the unit has a root of its own.
    pub fn in_unit(library: &Library, unit: &Unit) -> Placement {
        if !unit.is_set("RootDirectory") && !unit.is_set("RootImage") {
            return Placement {
                name: library.name.clone(),
                binds: Vec::new(),
            };
        }
        let path = path_in_own_root();
        Placement {
            binds: vec![
                format!("{}:{path}", library.path.display()),
                // "-": some systems have no journald.
                "-/run/systemd/journal/socket".to_owned(),
            ],
            name: path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::elf::Target;

    #[test]
    fn a_root_of_its_own() {
        let library = Library {
            name: LIBRARY.into(),
            path: "/usr/lib/libnopipe.so".into(),
            target: Target { bits: 64, machine: 62 },
        };
        let plain = Placement::in_unit(&library, &Unit::parse("Id=a.service\nRootDirectory=\n"));
        assert_eq!((plain.name.as_str(), plain.binds.len()), (LIBRARY, 0));
        let rooted = Placement::in_unit(&library, &Unit::parse("Id=a.service\nRootDirectory=/srv/root\n"));
        assert_eq!(rooted.name, "/run/nopipe/libnopipe.so");
        assert_eq!(rooted.binds[0], "/usr/lib/libnopipe.so:/run/nopipe/libnopipe.so");
    }
}
