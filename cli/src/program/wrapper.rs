//! Programs that run another one: which, as far as their command line tells, and what becomes of the environment.
//!
//! A table of the usual ones. A shell's script is not read: what it starts is not known.

/// What a command that runs another one does.
#[derive(PartialEq, Eq, Debug)]
pub struct Behind {
    /// The other command.
    pub command: Vec<String>,
    /// What takes LD_PRELOAD out of the environment, and what to do instead.
    pub clears: Option<&'static str>,
}

/// One such program.
struct Wrapper {
    names: &'static [&'static str],
    /// Options that have their value in the next argument.
    with_value: &'static [&'static str],
    /// Arguments before the other command that are no options.
    before: usize,
    /// Whether it is env(1): assignments come before the command.
    assigns: bool,
    /// As in [`Behind`].
    clears: Option<&'static str>,
}

const SUDO: &str = "it clears the environment: let systemd change the user (User=), or use setpriv or runuser";

const fn plain(names: &'static [&'static str], with_value: &'static [&'static str], before: usize) -> Wrapper {
    Wrapper {
        names,
        with_value,
        before,
        assigns: false,
        clears: None,
    }
}

const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        names: &["env"],
        with_value: &["-u", "--unset", "-C", "--chdir"],
        before: 0,
        assigns: true,
        clears: None,
    },
    Wrapper {
        names: &["sudo"],
        with_value: &[
            "-u", "-g", "-p", "-C", "-D", "-R", "-T", "-U", "-h", "-r", "-t", "--user", "--group", "--chdir",
        ],
        before: 0,
        assigns: true,
        clears: Some(SUDO),
    },
    Wrapper {
        names: &["doas", "pkexec"],
        with_value: &["-u", "-C", "--user"],
        before: 0,
        assigns: false,
        clears: Some(SUDO),
    },
    plain(&["nice"], &["-n", "--adjustment"], 0),
    plain(&["ionice"], &["-c", "-n", "--class", "--classdata"], 0),
    plain(&["nohup", "setsid", "dumb-init", "catatonit"], &[], 0),
    plain(&["stdbuf"], &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    plain(&["taskset", "chrt"], &["-T", "-P", "-D"], 1),
    plain(&["timeout"], &["-k", "-s", "--kill-after", "--signal"], 1),
    plain(&["flock"], &["-w", "-E", "--timeout", "--conflict-exit-code"], 1),
    plain(&["setpriv"], SETPRIV, 0),
    plain(&["runuser"], &["-u", "--user", "-g", "-G", "--group"], 0),
    plain(
        &["prlimit", "unshare", "numactl", "cgexec"],
        &["-g", "-C", "-m", "-N"],
        0,
    ),
    plain(&["tini", "tini-static"], &["-p", "-e"], 0),
    plain(&["gosu", "su-exec", "setuidgid", "s6-setuidgid"], &[], 1),
    plain(
        &["chpst"],
        &[
            "-u", "-U", "-b", "-e", "-/", "-C", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c",
        ],
        0,
    ),
    plain(
        &["softlimit"],
        &["-a", "-c", "-d", "-f", "-l", "-m", "-o", "-p", "-r", "-s", "-t"],
        0,
    ),
    plain(&["catchsegv"], &[], 0),
];

const SETPRIV: &[&str] = &[
    "--reuid",
    "--euid",
    "--ruid",
    "--regid",
    "--egid",
    "--rgid",
    "--groups",
    "--inh-caps",
    "--ambient-caps",
    "--bounding-set",
    "--securebits",
    "--pdeathsig",
    "--selinux-label",
    "--apparmor-profile",
];

/// The command that `command` runs, if it is one of the usual programs for that; `None` if it is not, or runs none.
pub fn behind(command: &[String]) -> Option<Behind> {
    let name = command.first()?.rsplit('/').next()?;
    if matches!(name, "sh" | "dash" | "bash") {
        return shell(command);
    }
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&name))?;
    let mut clears = wrapper.clears;
    let mut rest = command.get(1..)?;
    let mut before = wrapper.before;
    while let Some((first, after)) = rest.split_first() {
        if first == "--" {
            rest = after.get(before..)?;
            break;
        }
        if let Some(text) = first.strip_prefix("-S").filter(|_| name == "env") {
            // What env(1) splits stands in the place of this option. In a script's first line all is one argument.
            let (text, after) = match text {
                "" => after.split_first().map(|(text, after)| (text.as_str(), after))?,
                text => (text, after),
            };
            let command = [vec![command.first()?.clone()], shlex::split(text)?, after.to_vec()].concat();
            return behind(&command).map(|found| Behind {
                clears: clears.or(found.clears),
                ..found
            });
        }
        let value = |option: &str| match first.strip_prefix(option) {
            Some("") => after.first().map(String::as_str),
            Some(value) => Some(value.trim_start_matches('=')),
            None => None,
        };
        if wrapper.assigns && name == "env" {
            if matches!(first.as_str(), "-" | "-i" | "--ignore-environment") {
                clears = Some("it starts with an empty environment: put LD_PRELOAD=… behind it");
            }
            if value("-u").or_else(|| value("--unset")) == Some("LD_PRELOAD") {
                clears = Some("it removes LD_PRELOAD");
            }
        }
        if first.len() > 1 && first.starts_with('-') || first == "-" {
            let takes_value = wrapper.with_value.contains(&first.as_str());
            rest = after.get(usize::from(takes_value)..)?;
        } else if wrapper.assigns && first.contains('=') {
            if let Some(value) = first.strip_prefix("LD_PRELOAD=") {
                let is_kept = value
                    .split([' ', ':'])
                    .any(|one| one.ends_with(nopipe_core::library::LIBRARY));
                clears = match is_kept {
                    true => None,
                    false => Some("it sets LD_PRELOAD to something else"),
                };
            }
            rest = after;
        } else if before > 0 {
            before -= 1;
            rest = after;
        } else {
            break;
        }
    }
    let command = rest.to_vec();
    (!command.is_empty()).then_some(Behind { command, clears })
}

/// `sh -c 'exec server …'`: the one command, if there is nothing else in it that a shell would have to do.
fn shell(command: &[String]) -> Option<Behind> {
    let [_, option, script, ..] = command else { return None };
    if option != "-c"
        || script.contains([
            '|', '&', ';', '<', '>', '(', ')', '$', '`', '\n', '*', '?', '[', '{', '#',
        ])
    {
        return None;
    }
    let mut words = shlex::split(script)?;
    let begins = words.iter().position(|word| word != "exec" && !is_assignment(word))?;
    let words = words.split_off(begins);
    let command: Vec<_> = words.into_iter().take_while(|word| word != "2>&1").collect();
    (!command.is_empty()).then_some(Behind { command, clears: None })
}

fn is_assignment(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or("");
    word.contains('=') && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        shlex::split(line).unwrap()
    }

    #[test]
    fn what_runs_what() {
        for (command, runs) in [
            ("/usr/bin/env game -p 1", "game -p 1"),
            ("env A=1 -u B -C /tmp game", "game"),
            ("env -S 'A=1 python3 -u' script", "python3 -u script"),
            ("nice -n 5 game", "game"),
            ("nice -5 game", "game"),
            ("/usr/bin/setpriv --reuid joe --clear-groups game", "game"),
            ("setpriv --reuid=joe -- game -x", "game -x"),
            ("runuser -u joe -- game", "game"),
            ("timeout -k 5 10 game", "game"),
            ("taskset 3 game", "game"),
            ("taskset -c 0,1 game", "game"),
            ("chpst -u joe -m 100 ./run", "./run"),
            ("tini -s -- game", "game"),
            ("gosu joe game a", "game a"),
            ("sh -c 'exec game -p 1'", "game -p 1"),
            ("/bin/sh -c 'A=1 exec /usr/bin/game'", "/usr/bin/game"),
            ("sudo -u joe game", "game"),
        ] {
            assert_eq!(behind(&words(command)).unwrap().command, words(runs), "{command}");
        }
        for command in [
            "game",
            "env",
            "env -i",
            "sh script",
            "sh -c 'a | b'",
            "sh -c 'a && b'",
            "nice -n",
            "sh",
        ] {
            assert_eq!(behind(&words(command)), None, "{command}");
        }
    }

    #[test]
    fn what_clears_the_environment() {
        let clears = |command: &str| behind(&words(command)).unwrap().clears.is_some();
        for command in [
            "sudo game",
            "doas -u joe game",
            "env -i game",
            "env - game",
            "env -u LD_PRELOAD game",
            "env -uLD_PRELOAD game",
            "env --unset=LD_PRELOAD game",
            "env LD_PRELOAD=other.so game",
        ] {
            assert!(clears(command), "{command}");
        }
        for command in [
            "env game",
            "env -u A game",
            "env LD_PRELOAD=a.so:/x/libnopipe.so game",
            "env -i LD_PRELOAD=libnopipe.so game",
            "sudo LD_PRELOAD=libnopipe.so game",
            "nice game",
        ] {
            assert!(!clears(command), "{command}");
        }
    }
}
