//! Programs that run another one: which, as far as their command line tells, and what becomes of the environment.
//!
//! A table of the usual ones. A shell's script is not read: what it starts is not known.

/// What a command that runs another one does.
#[derive(PartialEq, Eq, Debug)]
pub enum Behind {
    /// It runs the other command.
    Runs {
        command: Vec<String>,
        /// What takes LD_PRELOAD out of the environment, and what to do instead.
        clears: Option<&'static str>,
    },
    /// It runs another command, and more is not known: why.
    Unknown(&'static str),
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

/// Programs that run others in ways that are not followed: in another root, as another user, in an environment of their own, or
/// not as their child at all.
const LAUNCHERS: &[&str] = &[
    "chroot",
    "nsenter",
    "ip",
    "start-stop-daemon",
    "capsh",
    "setarch",
    "linux32",
    "linux64",
    "i386",
    "x86_64",
    "systemd-run",
    "script",
    "xargs",
    "find",
    "parallel",
    "su",
    "runuser",
    "login",
    "machinectl",
    "bwrap",
    "firejail",
    "proot",
    "fakeroot",
    "daemonize",
    "daemon",
    "screen",
    "tmux",
    "watch",
    "strace",
    "gdb",
    "ld.so",
];

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
            "-u", "-U", "-b", "-e", "-C", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c",
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

/// What `command` does if it is one of the usual programs that run others; `None` if it is not, or runs none. `is_split`: its
/// arguments were split at blanks, whatever quotes there were.
pub fn behind(command: &[String], is_split: bool) -> Option<Behind> {
    let name = command.first()?.rsplit('/').next()?;
    if matches!(name, "sh" | "dash" | "bash") {
        return if is_split { None } else { shell(command) };
    }
    if LAUNCHERS.contains(&name) && command.len() > 1 {
        return Some(Behind::Unknown("it starts another program, which is not followed"));
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
            return match behind(&command, is_split)? {
                Behind::Runs { command, clears: inner } => Some(Behind::Runs {
                    command,
                    clears: clears.or(inner),
                }),
                unknown => Some(unknown),
            };
        }
        if first.len() > 1 && first.starts_with('-') || first == "-" {
            match option(name, first, after) {
                Effect::None => {}
                Effect::Clears(why) => clears = Some(why),
                Effect::Unknown(why) => return Some(Behind::Unknown(why)),
            }
            let takes_value = wrapper.with_value.contains(&first.as_str());
            rest = after.get(usize::from(takes_value)..)?;
        } else if wrapper.assigns && first.contains('=') {
            if first.starts_with("LD_PRELOAD=") {
                return Some(Behind::Unknown("it sets LD_PRELOAD itself"));
            }
            if first.starts_with("PATH=") {
                return Some(Behind::Unknown("it sets PATH, so another program may be meant"));
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
    (!command.is_empty()).then_some(Behind::Runs { command, clears })
}

/// What an option of a wrapper does to the environment, or to which program is meant.
enum Effect {
    None,
    Clears(&'static str),
    Unknown(&'static str),
}

fn option(wrapper: &str, option: &str, after: &[String]) -> Effect {
    const ELSEWHERE: Effect = Effect::Unknown("it changes the root, so another file may be meant");
    match (wrapper, option) {
        ("env", "-" | "-i" | "--ignore-environment") => {
            Effect::Clears("it starts with an empty environment: put LD_PRELOAD=… behind it")
        }
        ("env", "-u" | "--unset") if after.first().is_some_and(|name| name == "LD_PRELOAD") => {
            Effect::Clears("it removes LD_PRELOAD")
        }
        ("env", "-uLD_PRELOAD" | "--unset=LD_PRELOAD") => Effect::Clears("it removes LD_PRELOAD"),
        ("env", "-u" | "--unset" | "-C" | "--chdir" | "-0" | "-v" | "--debug") => Effect::None,
        ("env", one) if one.starts_with("--unset=") || one.starts_with("--chdir=") || one.starts_with("-u") => {
            Effect::None
        }
        // Options may be joined and shortened.
        ("env", _) => Effect::Unknown("one of its options is not known here"),
        ("setpriv", one) if one.starts_with("--rese") => {
            Effect::Clears("--reset-env clears the environment: leave it out")
        }
        ("chpst", one) if one.starts_with("-/") => ELSEWHERE,
        _ => Effect::None,
    }
}

/// `sh -c 'exec server …'`: the one command, if there is nothing else in it that a shell would have to do.
fn shell(command: &[String]) -> Option<Behind> {
    let [_, option, script] = command else { return None };
    if option != "-c"
        || script.contains([
            '|', '&', ';', '<', '>', '(', ')', '$', '`', '\n', '*', '?', '[', '{', '#',
        ])
    {
        return None;
    }
    let mut words = shlex::split(script)?;
    let begins = words.iter().position(|word| word != "exec" && !is_assignment(word))?;
    if words
        .iter()
        .take(begins)
        .any(|word| word.starts_with("LD_PRELOAD=") || word.starts_with("PATH="))
    {
        return None;
    }
    let command = words.split_off(begins);
    (!command.is_empty()).then_some(Behind::Runs { command, clears: None })
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

    fn runs(line: &str) -> Option<(Vec<String>, bool)> {
        match behind(&words(line), false) {
            Some(Behind::Runs { command, clears }) => Some((command, clears.is_some())),
            _ => None,
        }
    }

    #[test]
    fn what_runs_what() {
        for (command, other) in [
            ("/usr/bin/env game -p 1", "game -p 1"),
            ("env A=1 -u B -C /tmp game", "game"),
            ("env -S 'A=1 python3 -u' script", "python3 -u script"),
            ("nice -n 5 game", "game"),
            ("nice -5 game", "game"),
            ("/usr/bin/setpriv --reuid joe --clear-groups game", "game"),
            ("setpriv --reuid=joe -- game -x", "game -x"),
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
            assert_eq!(runs(command).unwrap().0, words(other), "{command}");
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
            "sh -c 'PATH=/x a'",
            "sh -c game more",
        ] {
            assert_eq!(behind(&words(command), false), None, "{command}");
        }
        // Split at blanks, a script's first word looks like all of it.
        assert_eq!(behind(&words("sh -c sleep 5; exec game"), true), None);
        assert_eq!(behind(&words("sh -c game"), true), None);
    }

    #[test]
    fn what_clears_the_environment() {
        for command in [
            "sudo game",
            "doas -u joe game",
            "env -i game",
            "env - game",
            "env -u LD_PRELOAD game",
            "env -uLD_PRELOAD game",
            "env --unset=LD_PRELOAD game",
            "setpriv --reset-env game",
            "setpriv --reset game",
        ] {
            assert!(runs(command).unwrap().1, "{command}");
        }
        for command in ["env game", "env -u A game", "env --unset=A game", "nice game"] {
            assert!(!runs(command).unwrap().1, "{command}");
        }
    }

    #[test]
    fn what_is_not_known() {
        for command in [
            "chroot /jail /bin/game",
            "nsenter -t 1 -m game",
            "/sbin/ip netns exec x game",
            "start-stop-daemon --start --exec game",
            "setarch x86_64 game",
            "systemd-run --scope game",
            "script -c game",
            "xargs game",
            "su joe -c game",
            "runuser -u joe -- game",
            "env -iv game",
            "env --ignore-env game",
            "env LD_PRELOAD=/x/libnopipe.so game",
            "env -i LD_PRELOAD=libnopipe.so game",
            "env PATH=/x game",
            "sudo LD_PRELOAD=libnopipe.so game",
            "chpst -/ /jail game",
        ] {
            assert!(
                matches!(behind(&words(command), false), Some(Behind::Unknown(_))),
                "{command}"
            );
        }
    }
}
