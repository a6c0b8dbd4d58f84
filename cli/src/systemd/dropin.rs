//! The drop-in's text.

use std::fmt::Write;

use nopipe_core::library::LIBRARY;

use super::hindrance::Hindrance;
use super::placement::Placement;
use super::unit::Unit;
use crate::setting::Setting;

/// How much a drop-in sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// LD_PRELOAD, and SIGPIPE as it is outside systemd.
    Full,
    /// LD_PRELOAD alone: SIGPIPE stays ignored, so the service survives without the library as it does now.
    Observe,
}

/// The drop-in for `unit`, with comments for the admin. `user`: for the calling user's systemd.
pub fn text(
    unit: &Unit,
    placement: &Placement,
    hindrances: &[Hindrance],
    form: Form,
    settings: &[Setting],
    user: bool,
) -> String {
    let name = &unit.name;
    let option = if user { " --user" } else { "" };
    let mut text = format!(
        "# {name} with {LIBRARY}: the service survives clients that vanish, and the journal shows which.\n\
         # Written by `nopipe dropin{option} --install {name}`. Before you remove the library, run\n\
         # `nopipe dropin{option} --remove {name}`: otherwise the dynamic linker complains at every start.\n"
    );
    for hindrance in hindrances {
        // Every line of a comment needs its own mark.
        let _ = writeln!(text, "#\n# In the way: {}", hindrance.to_string().replace('\n', " "));
    }
    text.push_str("\n[Service]\n");
    let kept = unit.preloads();
    if !kept.is_empty() {
        let _ = writeln!(
            text,
            "# This replaces an earlier LD_PRELOAD, so it repeats what the unit preloaded before."
        );
    }
    let preload = [vec![placement.name.replace('%', "%%")], kept].concat().join(":");
    let _ = writeln!(text, "Environment=\"LD_PRELOAD={}\"", quote(&preload));
    for (name, value) in settings {
        let _ = writeln!(text, "Environment=\"{name}={}\"", escape(value));
    }
    if !placement.binds.is_empty() {
        text.push_str("\n# The unit has its own root: the library and the journal's socket are mounted there.\n");
        for bind in &placement.binds {
            // Not quoted: inside quotes the colon would not separate the two paths. Neither of them has a space.
            let _ = writeln!(text, "BindReadOnlyPaths={}", escape(bind));
        }
    }
    if form == Form::Observe {
        text.push_str(
            "\n# No IgnoreSIGPIPE=no: SIGPIPE stays ignored, as systemd starts every service. So without the library it lives\n\
             # as before; what fails inside libc (a printf to a socket) is not seen by the library.\n",
        );
        return text;
    }
    text.push_str(
        "\n# With `yes`, the default, the service and all its children would start with SIGPIPE ignored. With `no` the\n\
         # library sees more, and pipelines that the service starts end as they do in a shell.\n\
         IgnoreSIGPIPE=no\n\n",
    );
    let forces = |why: &str| format!("# No RestartForceExitStatus=SIGPIPE: {why}.\n");
    text.push_str(&match (unit.property("Type"), unit.property("Restart")) {
        ("oneshot", _) => forces("systemd refuses it with Type=oneshot"),
        (_, "no" | "") => forces("it would restart a service whose unit says Restart=no"),
        _ => {
            "# If SIGPIPE kills the service after all (one sent on purpose), systemd counts that as a clean exit, and\n\
              # Restart=on-failure does not restart the service. This setting does.\n\
              RestartForceExitStatus=SIGPIPE\n"
                .to_owned()
        }
    });
    text
}

/// Escapes a value for double quotes in a unit file, see systemd.syntax(7).
fn quote(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"")
}

/// The same of a value that is no unit file's yet: it has no specifiers, systemd.unit(5).
fn escape(value: &str) -> String {
    quote(value).replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &str) -> Vec<String> {
        let unit = Unit::parse(&format!("Id=a.service\n{properties}\n"));
        let placement = Placement {
            name: "libnopipe.so".into(),
            binds: Vec::new(),
        };
        let text = text(&unit, &placement, &[], Form::Full, &[], false);
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(String::from)
            .collect()
    }

    #[test]
    fn what_is_set() {
        assert_eq!(
            settings("Type=simple\nRestart=on-failure"),
            [
                "[Service]",
                "Environment=\"LD_PRELOAD=libnopipe.so\"",
                "IgnoreSIGPIPE=no",
                "RestartForceExitStatus=SIGPIPE"
            ]
        );
    }

    #[test]
    fn no_forced_restart() {
        for properties in ["Type=oneshot\nRestart=on-failure", "Type=simple\nRestart=no"] {
            assert_eq!(settings(properties).last().unwrap(), "IgnoreSIGPIPE=no");
        }
    }

    #[test]
    fn the_units_own_preload_is_kept() {
        let properties = "Environment=\"LD_PRELOAD=/opt/a%b.so libnopipe.so libc.so\"";
        assert_eq!(
            settings(properties)[1],
            "Environment=\"LD_PRELOAD=libnopipe.so:/opt/a%%b.so:libc.so\""
        );
    }
}
