//! `nopipe check`: is a program, a process or a service protected, or would it be?

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, Exit, Result};
use crate::library::{self, Library};
use crate::output::{print, visible};
use crate::page::Page;
use crate::program;
use crate::server::{Loaded, Signals, Standing};
use crate::systemd::hindrance::{self, Effect};
use crate::systemd::manager::Manager;
use crate::systemd::unit::{self, Unit};

/// See [`Page`].
pub const PAGE: Page = Page {
    examples: &[
        ("nopipe check 4711", "a running process"),
        (
            "nopipe check game.service",
            "a service: its main process, or its next start",
        ),
        ("nopipe check /opt/game/server", "a program: would a preload reach it?"),
        ("nopipe check env -i /opt/game/server", "a command"),
    ],
    exit: &[
        (
            0,
            "protected, or would be: it survives, and the log says which peer vanished",
        ),
        (
            1,
            "degraded: it survives because SIGPIPE is ignored, and nobody is named",
        ),
        (2, "not protected"),
        (3, "no verdict: no such program, process or service"),
        (4, "no verdict: permission denied"),
        (7, "no verdict: systemd is not running, or does not answer"),
        (8, "no verdict: the file named as the library is another"),
        (64, "no verdict: the command line is wrong"),
    ],
    files: &[],
    see_also: "nopipe(1), nopipe-dropin(1), nopipe-status(1), libnopipe(7), ld.so(8)",
};

/// Say whether a program, a process or a service is protected, or would be, and why
///
/// Nothing is changed, and nothing is started. A number is a process; a name with a slash, or one that is found in PATH, is
/// a program, with its arguments; any other name is a systemd service.
#[derive(clap::Args)]
#[command(after_help = PAGE.help())]
pub struct Args {
    /// A process ID, a program or a systemd service
    #[arg(value_name = "PID|PROGRAM|UNIT")]
    what: String,

    /// The program's arguments: for env, nice and others that run another program
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,

    /// Write JSON: one object
    #[arg(long)]
    json: bool,

    /// Ask the calling user's own systemd, like systemctl --user
    #[arg(long)]
    user: bool,

    /// The library that would be preloaded: an absolute path, or a file name that the dynamic linker finds
    ///
    /// Default: libnopipe.so if it is in a system library folder, else the one next to this program.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
}

/// The answer.
struct Verdict {
    /// What was looked at.
    what: String,
    kind: &'static str,
    standing: Protection,
    /// It is not so yet: it would be so if the program were started with the library.
    would_be: bool,
    /// preload, inert, none.
    how: &'static str,
    /// Sentences.
    why: Vec<String>,
    signals: Option<Signals>,
}

impl Verdict {
    /// What does not run yet.
    fn of_the_future(what: String, kind: &'static str, standing: Protection, why: Vec<String>) -> Verdict {
        Verdict {
            what,
            kind,
            standing,
            would_be: true,
            how: match standing {
                Protection::Protected => "preload",
                _ => "none",
            },
            why,
            signals: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    Protected,
    Degraded,
    Not,
}

impl Protection {
    fn word(self) -> &'static str {
        match self {
            Protection::Protected => "protected",
            Protection::Degraded => "degraded",
            Protection::Not => "not protected",
        }
    }
}

pub fn run(args: &Args) -> Result<()> {
    let verdict = verdict(args)?;
    print(&match args.json {
        true => format!("{:#}\n", json(&verdict)),
        false => text(&verdict),
    })?;
    match verdict.standing {
        Protection::Protected => Ok(()),
        Protection::Degraded => Err(Error::silent(Exit::Degraded)),
        Protection::Not => Err(Error::silent(Exit::NotProtected)),
    }
}

fn verdict(args: &Args) -> Result<Verdict> {
    if let Ok(pid) = args.what.parse::<i32>() {
        return match pid {
            1.. => Ok(of_process(&Standing::of(pid)?)),
            _ => Err(Error::new(
                Exit::NotFound,
                format!("{pid}: not the number of a process"),
            )),
        };
    }
    if args.what.ends_with(".service") && !args.what.contains('/') {
        return of_unit(args);
    }
    let command = [vec![args.what.clone()], args.arguments.clone()].concat();
    match program::look(&command, Path::new("/")) {
        Ok(program) => of_program(args, &program),
        // A name that no program has may be a service's.
        Err(_) if !args.what.contains('/') && args.arguments.is_empty() => {
            of_unit(args).map_err(|error| match error.exit {
                Exit::NotFound | Exit::NoSystemd => {
                    Error::new(Exit::NotFound, format!("{}: no such program or service", args.what))
                }
                _ => error,
            })
        }
        Err(unknown @ program::Unknown::Launcher(..)) => {
            let why = vec![unknown.to_string(), "what it starts is not known".to_owned()];
            Ok(Verdict::of_the_future(
                args.what.clone(),
                "program",
                Protection::Not,
                why,
            ))
        }
        Err(unknown) => Err(Error::new(Exit::NotFound, visible(unknown.to_string().as_bytes()))),
    }
}

fn of_process(process: &Standing) -> Verdict {
    let signals = process.signals;
    let mut why = Vec::new();
    let (standing, how) = match &process.library {
        Loaded::Active if signals.caught || signals.ignored => {
            why.push("the library is loaded and works".to_owned());
            if signals.caught {
                why.push("the kernel has a handler for SIGPIPE; whose it is cannot be seen from outside".to_owned());
            }
            if signals.ignored {
                why.push(
                    "the program ignores SIGPIPE: what fails inside libc (a printf to a socket) is not named"
                        .to_owned(),
                );
            }
            (Protection::Protected, "preload")
        }
        Loaded::Active => {
            why.push(
                "the library is loaded, but SIGPIPE has its default action in the kernel: the program has set it by a system call of its own, or another library has".to_owned(),
            );
            (Protection::Not, "preload")
        }
        Loaded::Late => {
            why.push(
                "the program has loaded the library itself, too late: what it calls does not go through the hooks"
                    .to_owned(),
            );
            (without_library(signals, &mut why), "none")
        }
        Loaded::Inert => {
            why.push("the library is loaded and does nothing: NOPIPE_ONLY does not name this program".to_owned());
            (without_library(signals, &mut why), "inert")
        }
        Loaded::Unread(message) => {
            why.push(format!(
                "the library is loaded; whether it works is not known: {message}"
            ));
            (without_library(signals, &mut why), "none")
        }
        Loaded::No => {
            why.push("the library is not loaded".to_owned());
            (without_library(signals, &mut why), "none")
        }
    };
    if signals.blocked {
        why.push("its first thread blocks SIGPIPE: failures in that thread are counted by the hooks alone".to_owned());
    }
    if process.is_filtered && how == "preload" {
        why.push(
            "it is under a seccomp filter: one that the program has set itself makes the library count only, and log nothing".to_owned(),
        );
    }
    Verdict {
        what: format!("process {} ({})", process.pid, process.program),
        kind: "process",
        standing,
        would_be: false,
        how,
        why,
        signals: Some(signals),
    }
}

fn without_library(signals: Signals, why: &mut Vec<String>) -> Protection {
    match (signals.ignored, signals.caught) {
        (true, _) => {
            why.push("SIGPIPE is ignored: it survives, and nobody is named".to_owned());
            Protection::Degraded
        }
        (_, true) => {
            why.push("it has a SIGPIPE handler of its own; what that does is not known".to_owned());
            Protection::Not
        }
        _ => {
            why.push("a write to a peer that has gone ends it".to_owned());
            Protection::Not
        }
    }
}

fn of_program(args: &Args, program: &program::Program) -> Result<Verdict> {
    let library = library::find(args.library.as_deref())?;
    let mut why: Vec<String> = program
        .through
        .iter()
        .map(|path| format!("it is run through {}", path.display()))
        .collect();
    let path = program.path.display();
    let obstacle = program.obstacle.as_ref().map(program::Obstacle::says);
    let standing = match obstacle.or_else(|| library.misfit(&program.elf)) {
        Some(obstacle) => {
            why.push(format!("{path} {obstacle}"));
            Protection::Not
        }
        None => {
            why.push(format!(
                "{path} loads what LD_PRELOAD names: LD_PRELOAD={}",
                library.name
            ));
            let has_script = !program.through.is_empty() || !args.arguments.is_empty();
            match program.is_shell && has_script {
                true => {
                    why.push("it is a shell: whether what its script starts loads the library is not known".to_owned());
                    Protection::Not
                }
                false => Protection::Protected,
            }
        }
    };
    Ok(Verdict::of_the_future(args.what.clone(), "program", standing, why))
}

fn of_unit(args: &Args) -> Result<Verdict> {
    let manager = Manager { user: args.user };
    let unit = Unit::read(&manager, &unit::full_name(&args.what)?)?;
    let main = unit.property("MainPID").parse().unwrap_or(0);
    let what = unit.name.clone();
    let kind = "unit";
    if main > 0 {
        let process = of_process(&Standing::of(main)?);
        let mut why = vec![format!("its main process is {main}")];
        why.extend(process.why);
        return Ok(Verdict {
            what,
            kind,
            why,
            ..process
        });
    }
    let library = library::find(args.library.as_deref())?;
    let (standing, why) = at_next_start(&unit, &library);
    Ok(Verdict::of_the_future(what, kind, standing, why))
}

/// What a unit that does not run will be like.
fn at_next_start(unit: &Unit, library: &Library) -> (Protection, Vec<String>) {
    let mut why = vec!["it does not run; at its next start:".to_owned()];
    let is_ignored = unit.property("IgnoreSIGPIPE") != "no";
    let without = |why: &mut Vec<String>| {
        let signals = Signals {
            ignored: is_ignored,
            ..Signals::default()
        };
        without_library(signals, why)
    };
    if !unit.preloads_library() {
        why.push("LD_PRELOAD does not name the library: nopipe dropin --install sets it".to_owned());
        return (without(&mut why), why);
    }
    let hindrances = hindrance::all(unit, library);
    why.extend(hindrances.iter().map(ToString::to_string));
    let effects = |effect| hindrances.iter().any(|hindrance| hindrance.effect == effect);
    let standing = match (effects(Effect::Stops), effects(Effect::Unproved)) {
        (true, _) => without(&mut why),
        (false, true) if is_ignored => Protection::Degraded,
        (false, true) => Protection::Not,
        (false, false) => {
            why.push("the program loads what LD_PRELOAD names".to_owned());
            Protection::Protected
        }
    };
    (standing, why)
}

fn text(verdict: &Verdict) -> String {
    let would = if verdict.would_be { "would be " } else { "" };
    let mut text = format!(
        "{}: {would}{}\n",
        visible(verdict.what.as_bytes()),
        verdict.standing.word()
    );
    for why in &verdict.why {
        text.push_str(&format!("  {}\n", visible(why.as_bytes())));
    }
    text
}

fn json(verdict: &Verdict) -> Value {
    let mut object = Map::new();
    object.insert("what".into(), json!(verdict.what));
    object.insert("kind".into(), json!(verdict.kind));
    object.insert("verdict".into(), json!(verdict.standing.word()));
    object.insert("would_be".into(), json!(verdict.would_be));
    object.insert("how".into(), json!(verdict.how));
    object.insert("why".into(), json!(verdict.why));
    if let Some(Signals {
        ignored,
        caught,
        blocked,
    }) = verdict.signals
    {
        let signals = json!({"ignored": ignored, "caught": caught, "blocked": blocked});
        object.insert("sigpipe".into(), signals);
    }
    object.into()
}
