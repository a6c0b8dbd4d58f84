//! The drop-in itself.

use std::fmt::Write;

use nopipe_core::library::LIBRARY;

use super::hindrance::Hindrance;
use super::placement::Placement;
use super::unit::Unit;

pub fn text(unit: &Unit, placement: &Placement, hindrances: &[Hindrance], user: bool) -> String {
    let name = &unit.name;
    let option = if user { " --user" } else { "" };
    let mut text = format!(
        "# {name} under {LIBRARY}: it survives clients that vanish, and the journal says which.\n\
         # Written by `nopipe dropin{option} --install {name}`. Before the library is removed, remove this:\n\
         # `nopipe dropin{option} --remove {name}`, or the dynamic linker complains at every start.\n"
    );
    for hindrance in hindrances {
        // Of a comment's lines each needs its own mark.
        let _ = writeln!(text, "#\n# In the way: {}", hindrance.to_string().replace('\n', " "));
    }
    text.push_str("\n[Service]\n");
    let kept = unit.preloads();
    if !kept.is_empty() {
        let _ = writeln!(
            text,
            "# Environment= replaces an earlier value, so what the unit preloaded before is kept."
        );
    }
    let preload = [vec![placement.name.clone()], kept].concat().join(":");
    let _ = writeln!(text, "Environment=\"LD_PRELOAD={}\"", escape(&preload));
    if !placement.binds.is_empty() {
        text.push_str(
            "\n# The unit has a root of its own, into which the library and the journal's socket are mounted.\n",
        );
        for bind in &placement.binds {
            // Not in quotes: the colon would not separate the two paths. Neither has a blank.
            let _ = writeln!(text, "BindReadOnlyPaths={}", escape(bind));
        }
    }
    text.push_str(
        "\n# With `yes`, the default, the service and all its children would start with SIGPIPE ignored. The library sees\n\
         # more without that, and pipelines that the service starts end as they do in a shell.\n\
         IgnoreSIGPIPE=no\n\n",
    );
    let forces = |why: &str| format!("# No RestartForceExitStatus=SIGPIPE: {why}.\n");
    text.push_str(&match (unit.property("Type"), unit.property("Restart")) {
        ("oneshot", _) => forces("systemd refuses it with Type=oneshot"),
        (_, "no" | "") => forces("it would restart a service whose unit says Restart=no"),
        _ => "# Should it die of SIGPIPE after all (one sent on purpose), systemd takes that for a clean exit, after which\n\
              # Restart=on-failure does not restart. This does.\n\
              RestartForceExitStatus=SIGPIPE\n"
            .to_owned(),
    });
    text
}

/// As systemd reads it inside double quotes, see systemd.syntax(7) and the specifiers in systemd.unit(5).
fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%")
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
        let text = text(&unit, &placement, &[], false);
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
