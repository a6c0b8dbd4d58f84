//! A unit's properties, as `systemctl show` prints them.

use std::collections::HashMap;
use std::path::PathBuf;

use nopipe_core::library::LIBRARY;

use super::manager::Manager;
use crate::error::{Error, Exit, Result};

/// The properties that `systemctl show` is asked for.
const PROPERTIES: &[&str] = &[
    "Id",
    "LoadState",
    "FragmentPath",
    "Type",
    "Restart",
    "Environment",
    "EnvironmentFiles",
    "UnsetEnvironment",
    "ExecStart",
    "RootDirectory",
    "RootImage",
    "MountAPIVFS",
    "ProtectHome",
    "PrivateTmp",
    "TemporaryFileSystem",
    "InaccessiblePaths",
    "NoExecPaths",
    "ExecPaths",
    "RestrictAddressFamilies",
    "SystemCallFilter",
    "SystemCallErrorNumber",
];

/// The full name of a service: `nginx` means `nginx.service`.
///
/// Fails with [`Exit::NotFound`] if `name` is no name of a unit, or the name of another type of unit.
pub fn full_name(name: &str) -> Result<String> {
    let refuse = |why| Err(Error::new(Exit::NotFound, format!("{name}: {why}")));
    if name.is_empty() || name.contains('/') || name.starts_with('-') {
        return refuse("not the name of a unit");
    }
    const OTHER_TYPES: &[&str] = &[
        ".socket",
        ".target",
        ".timer",
        ".mount",
        ".automount",
        ".swap",
        ".path",
        ".slice",
        ".scope",
        ".device",
    ];
    if OTHER_TYPES.iter().any(|suffix| name.ends_with(suffix)) {
        return refuse("not a service");
    }
    Ok(match name.ends_with(".service") {
        true => name.to_owned(),
        false => format!("{name}.service"),
    })
}

/// One service.
pub struct Unit {
    pub name: String,
    properties: HashMap<String, Vec<String>>,
    manager_preload: Option<String>,
}

impl Unit {
    /// Asks systemd for the unit.
    ///
    /// Fails with [`Exit::NotFound`] if there is none, with [`Exit::Refused`] if it is masked or otherwise not loaded.
    pub fn read(manager: &Manager, name: &str) -> Result<Unit> {
        // systemd shows the properties of a template's instances only.
        let template = name.ends_with("@.service");
        let asked = if template {
            name.replace("@.", "@nopipe.")
        } else {
            name.to_owned()
        };
        let property = format!("--property={}", PROPERTIES.join(","));
        let mut unit = Unit::parse(&manager.systemctl(&["show", &property, "--", &asked])?);
        unit.manager_preload = manager.preload();
        // The name may have been an alias.
        unit.name = if template {
            name.to_owned()
        } else {
            unit.property("Id").to_owned()
        };
        match unit.property("LoadState") {
            "loaded" if !unit.name.is_empty() => Ok(unit),
            "not-found" => Err(Error::new(Exit::NotFound, format!("{name}: no such unit"))),
            state => Err(Error::new(
                Exit::Refused,
                format!("{name}: the unit cannot be used, its LoadState is {state}"),
            )),
        }
    }

    /// Reads the output of `systemctl show`: a value may continue in the next line, and a property may occur more than
    /// once.
    pub fn parse(shown: &str) -> Unit {
        let mut properties: HashMap<String, Vec<String>> = HashMap::new();
        let mut current = String::new();
        for line in shown.lines() {
            match line.split_once('=') {
                Some((name, value)) if PROPERTIES.contains(&name) => {
                    current = name.to_owned();
                    properties.entry(current.clone()).or_default().push(value.to_owned());
                }
                _ => {
                    if let Some(value) = properties.get_mut(&current).and_then(|values| values.last_mut()) {
                        value.push('\n');
                        value.push_str(line);
                    }
                }
            }
        }
        Unit {
            name: properties
                .get("Id")
                .and_then(|id| id.first())
                .cloned()
                .unwrap_or_default(),
            properties,
            manager_preload: None,
        }
    }

    /// The first value of a property; empty if it is not set.
    pub fn property(&self, name: &str) -> &str {
        self.properties
            .get(name)
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    }

    /// The words of a property. systemctl quotes words that contain spaces.
    pub fn words(&self, name: &str) -> Vec<String> {
        let values = self.properties.get(name).into_iter().flatten();
        values.filter_map(|value| shlex::split(value)).flatten().collect()
    }

    /// Whether a property is set to anything but `no`.
    pub fn is_set(&self, name: &str) -> bool {
        !matches!(self.property(name), "" | "no" | "[not set]")
    }

    /// The libraries that the unit preloads now, in their order, without any `libnopipe.so`.
    pub fn preloads(&self) -> Vec<String> {
        let own = self.words("Environment").into_iter().rev();
        let value = own
            .filter_map(|word| Some(word.strip_prefix("LD_PRELOAD=")?.to_owned()))
            .next();
        let value = value.or_else(|| self.manager_preload.clone()).unwrap_or_default();
        let libraries = value.split([' ', ':']).filter(|name| !name.is_empty());
        libraries
            .filter(|name| name.rsplit('/').next() != Some(LIBRARY))
            .map(String::from)
            .collect()
    }

    /// The files of `EnvironmentFile=`.
    pub fn environment_files(&self) -> Vec<&str> {
        let values = self.properties.get("EnvironmentFiles").into_iter().flatten();
        values
            .map(|value| value.split(" (ignore_errors=").next().unwrap_or(value))
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// The programs that `ExecStart=` runs.
    pub fn programs(&self) -> Vec<PathBuf> {
        let commands = self.properties.get("ExecStart").into_iter().flatten();
        commands
            .filter_map(|command| Some(command.split_once("path=")?.1.split(" ;").next()?.into()))
            .collect()
    }

    /// The argument for `systemd-analyze verify`. For an instance that is the template's file, a colon and the instance.
    pub fn file(&self) -> String {
        let path = self.property("FragmentPath");
        match self.name.ends_with("@.service") || !path.ends_with("@.service") {
            true => path.to_owned(),
            false => format!("{path}:{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
Id=game.service
LoadState=loaded
Type=simple
Restart=on-failure
Environment=A=1 \"LD_PRELOAD=/usr/lib/libone.so libtwo.so:/opt/libnopipe.so\" \"B=two
lines\"
EnvironmentFiles=/etc/default/game (ignore_errors=yes)
EnvironmentFiles=/etc/game.env (ignore_errors=no)
ExecStart={ path=/usr/bin/env ; argv[]=/usr/bin/env game ; ignore_errors=no ; start_time=[n/a] }
PrivateTmp=no
";

    #[test]
    fn properties() {
        let unit = Unit::parse(SHOWN);
        assert_eq!(unit.name, "game.service");
        assert_eq!(unit.property("Restart"), "on-failure");
        assert_eq!(unit.words("Environment")[2], "B=two\nlines");
        assert_eq!(unit.preloads(), ["/usr/lib/libone.so", "libtwo.so"]);
        assert_eq!(unit.environment_files(), ["/etc/default/game", "/etc/game.env"]);
        assert_eq!(unit.programs(), [PathBuf::from("/usr/bin/env")]);
        assert!(!unit.is_set("PrivateTmp") && !unit.is_set("RootDirectory"));
    }

    #[test]
    fn names() {
        assert_eq!(full_name("nginx").unwrap(), "nginx.service");
        assert_eq!(full_name("foo@1.service").unwrap(), "foo@1.service");
        for wrong in ["a/b", "", "-x", "a.socket"] {
            assert_eq!(full_name(wrong).unwrap_err().exit, Exit::NotFound);
        }
    }

    #[test]
    fn files_for_systemd_analyze() {
        let file = |name: &str, path: &str| Unit::parse(&format!("Id={name}\nFragmentPath={path}\n")).file();
        assert_eq!(file("a.service", "/u/a.service"), "/u/a.service");
        assert_eq!(file("a@.service", "/u/a@.service"), "/u/a@.service");
        assert_eq!(file("a@1.service", "/u/a@.service"), "/u/a@.service:a@1.service");
    }

    #[test]
    fn the_manager_preloads_where_the_unit_does_not() {
        let mut unit = Unit::parse("Id=a.service\nEnvironment=\n");
        unit.manager_preload = Some("libone.so".into());
        assert_eq!(unit.preloads(), ["libone.so"]);
    }
}
