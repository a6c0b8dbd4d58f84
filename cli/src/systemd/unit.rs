//! A unit's properties, as `systemctl show` prints them.

use std::collections::HashMap;

use nopipe_core::library::LIBRARY;

use super::install;
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
    "IgnoreSIGPIPE",
    "MainPID",
    "ExecStart",
    "RootDirectory",
    "RootImage",
    "MountAPIVFS",
    "ProtectHome",
    "PrivateTmp",
    "TemporaryFileSystem",
    "InaccessiblePaths",
    "BindPaths",
    "BindReadOnlyPaths",
    "MountImages",
    "ExtensionImages",
    "ExtensionDirectories",
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
    if name.contains(['*', '?', '[', ']']) {
        return Err(Error::new(
            Exit::Usage,
            format!("{name}: a pattern is not accepted: name each unit (systemctl list-units '{name}' shows them)"),
        ));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    if name.is_empty() || name.starts_with('-') || !name.chars().all(is_name) {
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

/// Services of the system itself, which log or start everything else. What goes wrong there takes the machine along.
const SYSTEM: &[&str] = &[
    "dbus",
    "dbus-broker",
    "init",
    "polkit",
    "user@",
    "user-runtime-dir@",
    "getty@",
    "serial-getty@",
    "console-getty",
    "container-getty@",
    "autovt@",
    "rescue",
    "emergency",
];

/// Whether a service belongs to the system itself: `systemd-*`, D-Bus, logins on a terminal.
pub fn is_system(name: &str) -> bool {
    let stem = name.strip_suffix(".service").unwrap_or(name);
    // An instance is its template's.
    let stem = stem.find('@').map_or(stem, |at| &stem[..=at]);
    stem.starts_with("systemd-") || SYSTEM.contains(&stem)
}

/// One service.
pub struct Unit {
    pub name: String,
    properties: HashMap<String, Vec<String>>,
    manager_preload: Option<String>,
    /// What its files set without our drop-in; `None` if they are not known.
    own_preload: Option<Option<String>>,
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
        // What our own drop-in sets now must not be taken for the unit's.
        unit.own_preload = manager
            .systemctl(&["cat", "--", &asked])
            .ok()
            .and_then(|files| own_preload(&files));
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
            own_preload: None,
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

    /// The libraries that the unit preloads without our drop-in, in their order, without any `libnopipe.so`; as a unit file
    /// has them: a percent sign is doubled, and a specifier is there.
    pub fn preloads(&self) -> Vec<String> {
        let in_file = |value: String| value.replace('%', "%%");
        let value = match &self.own_preload {
            Some(own) => own.clone(),
            None => preload_in(&self.words("Environment")).map(in_file),
        };
        let value = value.or_else(|| self.manager_preload.clone().map(in_file));
        let value = value.unwrap_or_default();
        let libraries = value.split([' ', ':']).filter(|name| !name.is_empty());
        libraries
            .filter(|name| name.rsplit('/').next() != Some(LIBRARY))
            .map(String::from)
            .collect()
    }

    /// Whether its LD_PRELOAD, or the manager's, names the library.
    pub fn preloads_library(&self) -> bool {
        let value = preload_in(&self.words("Environment")).or_else(|| self.manager_preload.clone());
        let value = value.unwrap_or_default();
        let mut names = value.split([' ', ':']);
        names.any(|name| name.rsplit('/').next() == Some(LIBRARY))
    }

    /// The files of `EnvironmentFile=`.
    pub fn environment_files(&self) -> Vec<&str> {
        let values = self.properties.get("EnvironmentFiles").into_iter().flatten();
        values
            .map(|value| value.split(" (ignore_errors=").next().unwrap_or(value))
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// The commands that `ExecStart=` runs: the program's path, then its arguments. systemctl separates them by blanks and
    /// does not quote them: an argument with a blank in it comes in pieces.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let commands = self.properties.get("ExecStart").into_iter().flatten();
        let command = |shown: &String| {
            let path = shown.split_once("path=")?.1.split(" ;").next()?;
            let arguments = shown
                .split_once("argv[]=")
                .map_or("", |(_, rest)| rest.split(" ; ").next().unwrap_or(""));
            let arguments = arguments.split(' ').skip(1).filter(|word| !word.is_empty());
            Some([path].into_iter().chain(arguments).map(String::from).collect())
        };
        commands.filter_map(command).collect()
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

/// The last assignment of LD_PRELOAD among these words.
fn preload_in(words: &[String]) -> Option<String> {
    let mut words = words.iter().rev();
    words
        .find_map(|word| word.strip_prefix("LD_PRELOAD="))
        .map(String::from)
}

/// The LD_PRELOAD that the unit's files set, as `systemctl cat` shows them one after the other, without our own; `None` if
/// nothing is shown.
fn own_preload(files: &str) -> Option<Option<String>> {
    let mut words: Vec<String> = Vec::new();
    let (mut is_ours, mut is_shown) = (false, false);
    // A line that ends with a backslash goes on in the next one.
    for line in files.replace("\\\n", " ").lines() {
        if let Some(path) = line.strip_prefix("# /") {
            (is_ours, is_shown) = (path.ends_with(install::FILE_NAME), true);
        }
        let Some(value) = line.trim_start().strip_prefix("Environment=").filter(|_| !is_ours) else {
            continue;
        };
        match value.trim() {
            // An empty assignment takes back what came before, systemd.exec(5).
            "" => words.clear(),
            value => words.extend(shlex::split(value).unwrap_or_default()),
        }
    }
    is_shown.then(|| preload_in(&words))
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
        assert_eq!(unit.commands(), [["/usr/bin/env", "game"]]);
        assert!(!unit.is_set("PrivateTmp") && !unit.is_set("RootDirectory"));
    }

    #[test]
    fn of_the_system() {
        for name in [
            "systemd-journald.service",
            "systemd-udevd.service",
            "systemd-logind.service",
            "dbus.service",
            "user@1000.service",
            "getty@tty1.service",
            "getty@.service",
        ] {
            assert!(is_system(name), "{name}");
        }
        for name in [
            "nginx.service",
            "my-systemd-thing.service",
            "game@1.service",
            "users.service",
        ] {
            assert!(!is_system(name), "{name}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(full_name("nginx").unwrap(), "nginx.service");
        assert_eq!(full_name("foo@1.service").unwrap(), "foo@1.service");
        for wrong in ["a/b", "", "-x", "a.socket"] {
            assert_eq!(full_name(wrong).unwrap_err().exit, Exit::NotFound);
        }
        for pattern in ["ng*", "a?", "[ab].service"] {
            assert_eq!(full_name(pattern).unwrap_err().exit, Exit::Usage);
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

    #[test]
    fn our_own_drop_in_is_left_out() {
        let own = |files: &str| own_preload(files);
        assert_eq!(own(""), None);
        let unit =
            "# /etc/systemd/system/a.service\n[Service]\nEnvironment=A=1 \\\n  \"LD_PRELOAD=/opt/a%%b.so two.so\"\n";
        let ours = "\n# /etc/systemd/system/a.service.d/zz-nopipe.conf\n[Service]\nEnvironment=\"LD_PRELOAD=/x/libnopipe.so:old.so\"\n";
        assert_eq!(own(&[unit, ours].concat()), Some(Some("/opt/a%%b.so two.so".into())));
        assert_eq!(own(ours), Some(None));
        let empty = "# /etc/systemd/system/a.service.d/b.conf\nEnvironment=\n";
        assert_eq!(own(&[unit, empty, ours].concat()), Some(None));
        let mut parsed = Unit::parse("Id=a.service\nEnvironment=LD_PRELOAD=old.so\n");
        parsed.own_preload = Some(None);
        assert_eq!(parsed.preloads(), [""; 0]);
    }
}
