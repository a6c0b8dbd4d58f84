//! `nopipe report`: who vanishes, when, why, and how much never arrived, from logs.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::ValueEnum;

use crate::error::{Error, Exit, Result};
use crate::log::{Found, Input, Journal, Visitor, Zone, now, scan, when};
use crate::output::{complain, print, visible};
use crate::page::Page;
use crate::progress::Progress;
use crate::report::text::Look;
use crate::report::{self, Selection, Tally};

/// See [`Page`].
pub const PAGE: Page = Page {
    examples: &[
        ("nopipe report --since yesterday", "from the journal"),
        (
            "nopipe report -u game --since '2 hours ago' --html today.html",
            "one service, as a page",
        ),
        (
            "nopipe report --json /var/log/nopipe/*.log /var/log/nopipe/*.log.gz",
            "from files",
        ),
        (
            "nopipe report /var/log/nginx/access.log*",
            "what nginx saw, before the library is installed",
        ),
        ("journalctl -o json -u haproxy | nopipe report -", "standard input"),
        (
            "TZ=UTC nopipe report --top 100 --csv >peers.csv",
            "the top peers, for a spreadsheet",
        ),
    ],
    exit: &[
        (0, "success"),
        (1, "any other error: see standard error"),
        (2, "the command line is wrong"),
        (3, "no such file, or no line names the unit"),
        (4, "permission denied"),
        (7, "the journal cannot be read"),
    ],
    files: &[],
    see_also: "nopipe(1), nopipe-status(1), libnopipe(7), journalctl(1)",
};

/// Report from logs which peers vanish, when, and why
///
/// It reads what the library logs: text, JSON, the journal. Before the library is installed it reads what other servers
/// log about clients that leave: nginx (status 499, the error log), HAProxy (termination states), Apache (%X), Envoy
/// (response flags). Each line is recognised by itself, so logs of several kinds may come together.
#[derive(clap::Args)]
#[command(after_help = PAGE.help())]
pub struct Args {
    /// Logs to read; - is standard input. Without any: the journal
    ///
    /// Names that end in .gz or .zst are decompressed. The journal's own formats for other programs are read as well:
    /// journalctl -o json, journalctl -o export.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Leave out what is older: a date, a time, "2h ago", "yesterday", RFC 3339, @SECONDS
    #[arg(long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    since: Option<i64>,

    /// Leave out what is younger, or as old
    #[arg(long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    until: Option<i64>,

    /// Only lines of this systemd unit; may be given more than once, and with * and ?
    ///
    /// Only the journal knows units. Without a dot in it, the name stands for a service.
    #[arg(short, long, value_name = "UNIT")]
    unit: Vec<String>,

    /// How many peers and networks to list
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    top: u32,

    /// Write JSON: one object, docs/report.schema.json
    #[arg(long, group = "format")]
    json: bool,

    /// Write CSV: the top peers
    #[arg(long, group = "format")]
    csv: bool,

    /// Write a page for a browser to this file, and no text; - is standard output
    ///
    /// The page needs nothing else: no script, no font, no network.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// If standard output is a terminal, and neither NO_COLOR nor TERM=dumb is set
    Auto,
    Always,
    Never,
}

pub fn run(args: &Args) -> Result<()> {
    check(args);
    let selection = Selection {
        since: args.since,
        until: args.until,
        units: args.unit.iter().map(|unit| full_name(unit)).collect(),
    };
    let inputs = inputs(args, &selection);
    if args.since.is_some_and(|since| since > now()) {
        complain(&"--since is in the future: there will be nothing");
    }

    let sizes: Option<u64> = inputs.iter().map(Input::size).sum();
    let mut reader = Reader {
        tally: Tally::new(selection, Zone::system()),
        progress: Progress::new(sizes),
        errors: Vec::new(),
    };
    for input in &inputs {
        reader.read(input);
    }
    reader.progress.end();
    let Reader {
        mut tally, mut errors, ..
    } = reader;
    tally.close();
    errors.extend(units_not_seen(args, &tally));

    write(args, &mut tally)?;
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for other in errors {
        complain(&other);
    }
    Err(first)
}

/// What clap cannot check. It ends the program with clap's status.
fn check(args: &Args) {
    let message = match (args.since, args.until) {
        (Some(since), Some(until)) if since >= until => "--since must be before --until",
        _ if args.html.as_deref() == Some(Path::new("-")) && (args.json || args.csv) => {
            "--html - and --json or --csv all go to standard output"
        }
        _ if args.files.iter().filter(|file| file.as_os_str() == "-").count() > 1 => "standard input can be read once",
        _ => return,
    };
    let mut command = clap::Command::new("nopipe report").bin_name("nopipe report");
    command.error(clap::error::ErrorKind::ValueValidation, message).exit();
}

fn full_name(unit: &str) -> String {
    match unit.contains('.') || unit.ends_with('*') {
        true => unit.to_owned(),
        false => format!("{unit}.service"),
    }
}

fn inputs(args: &Args, selection: &Selection) -> Vec<Input> {
    if args.files.is_empty() {
        return vec![Input::Journal(Journal {
            since: selection.since,
            until: selection.until,
            units: selection.units.clone(),
        })];
    }
    args.files.iter().map(|file| Input::named(file)).collect()
}

/// Reads inputs, one after another.
struct Reader {
    tally: Tally,
    progress: Progress,
    /// Why some could not be read, or not to their ends.
    errors: Vec<Error>,
}

impl Reader {
    fn read(&mut self, input: &Input) {
        let count = Rc::new(Cell::new(0));
        let (lines, unknown) = (self.tally.lines, self.tally.unknown);
        // The zone goes along for lines that have a local time and no zone.
        let mut zone = Zone::system();
        let mut seen = Counting {
            tally: &mut self.tally,
            progress: &mut self.progress,
            count: count.clone(),
        };
        let read = input
            .open(count.clone())
            .and_then(|reader| scan(reader, &mut zone, &mut seen));
        self.progress.finished(count.get());
        let name = visible(input.to_string().as_bytes());
        if let Err(error) = read {
            self.errors.push(failure(input, &name, &error));
        }
        let new = self.tally.lines - lines;
        if new > 0 && self.tally.unknown - unknown == new {
            complain(&format!(
                "{name}: none of its lines has a form that is known: see nopipe-report(1)"
            ));
        }
    }
}

fn failure(input: &Input, name: &str, error: &io::Error) -> Error {
    let exit = match (input, error.kind()) {
        (Input::Journal(_), _) => Exit::NoSystemd,
        (_, io::ErrorKind::NotFound) => Exit::NotFound,
        (_, io::ErrorKind::PermissionDenied) => Exit::NotPermitted,
        _ => Exit::Other,
    };
    Error::new(exit, format!("{name}: {error}"))
}

/// Shows how far it is.
struct Counting<'a> {
    tally: &'a mut Tally,
    progress: &'a mut Progress,
    count: Rc<Cell<u64>>,
}

impl Visitor for Counting<'_> {
    fn found(&mut self, found: &Found<'_>) {
        self.tally.found(found);
    }

    fn unit(&mut self, unit: &[u8]) {
        self.tally.unit(unit);
    }

    fn tick(&mut self) {
        self.progress.at(self.count.get());
    }
}

/// A unit that no line names is most likely not the one that was meant.
fn units_not_seen(args: &Args, tally: &Tally) -> Option<Error> {
    if args.unit.is_empty() || tally.unit_seen {
        return None;
    }
    let mut message = format!("no line is of the unit {}", visible(args.unit.join(", ").as_bytes()));
    if tally.unitless > 0 {
        message.push_str(": these lines name no unit, only the journal does");
    }
    Some(Error::new(Exit::NotFound, message))
}

fn write(args: &Args, tally: &mut Tally) -> Result<()> {
    let top = args.top as usize;
    if let Some(path) = &args.html {
        let page = report::html::page(tally, top);
        match path.as_os_str() == "-" {
            true => return print(&page),
            false => {
                // A log that was meant to be read must not be lost.
                let there = std::fs::read(path).unwrap_or_default();
                if !there.is_empty() && !there.to_ascii_lowercase().starts_with(b"<!doctype html") {
                    let message = format!(
                        "{}: it is there and is no page: not overwritten",
                        visible(path.as_os_str().as_bytes())
                    );
                    return Err(Error::new(Exit::Usage, message));
                }
                std::fs::write(path, page).map_err(Error::of_file(path))?;
            }
        }
    }
    match (args.json, args.csv, &args.html) {
        (true, ..) => print(&report::json::object(tally, top)),
        (_, true, _) => print(&report::json::csv(tally, top)),
        (_, _, Some(_)) => Ok(()),
        _ => print(&report::text::screen(tally, top, look(args.color))),
    }
}

fn look(color: Color) -> Look {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_terminal = io::stdout().is_terminal();
    let size = rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col));
    let columns = || variable("COLUMNS")?.parse().ok();
    let locale = variable("LC_ALL")
        .or_else(|| variable("LC_CTYPE"))
        .or_else(|| variable("LANG"))
        .unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    Look {
        width: size.filter(|&columns| columns > 0).or_else(columns).unwrap_or(80),
        colour: match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                is_terminal && variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
            }
        },
        unicode: locale.ends_with("utf-8") || locale.ends_with("utf8"),
    }
}
