//! `nopipe status`: the counters of running servers, read from outside. The servers do not notice.

use std::time::Duration;

use crate::error::{Error, Exit, Result};
use crate::output::{complain, print};
use crate::page::Page;
use crate::render;
use crate::server::{Answer, Failure, Reader, Report, read_all};

/// See [`Page`].
pub const PAGE: Page = Page {
    examples: &[
        ("nopipe status 4711", "one process"),
        ("nopipe status --all", "every process that has the library loaded"),
        (
            "nopipe status --all --prometheus > /var/lib/node_exporter/nopipe.prom",
            "for the textfile collector",
        ),
    ],
    exit: &[
        (0, "success"),
        (1, "any other error: see standard error"),
        (2, "the command line is wrong"),
        (3, "no such process"),
        (4, "permission denied"),
        (5, "the library is not loaded in that process"),
        (6, "the library in that process has another version of the counters"),
        (9, "the process's memory could not be read in time"),
    ],
    files: &[("/proc/PID/maps, /proc/PID/mem", "where the counters are read")],
    see_also: "nopipe(1), nopipe-check(1), libnopipe(7), ptrace(2)",
};

/// Show the counters of running servers
///
/// The counters are read from the memory of processes that have the library loaded. This needs the same right as a
/// debugger: root has it, and so has the same user where kernel.yama.ptrace_scope allows it. The servers are not
/// disturbed.
#[derive(clap::Args)]
#[command(after_help = PAGE.help())]
pub struct Args {
    /// The process IDs
    ///
    /// Every process that can be read is shown. Standard error says what is wrong with each of the others, and the
    /// first of them decides the exit status.
    #[arg(value_name = "PID", required_unless_present = "all", value_parser = clap::value_parser!(i32).range(1..))]
    pids: Vec<i32>,

    /// Show every process that has the library loaded
    ///
    /// Standard error lists the processes that the calling user has no permission to inspect, and says what is wrong with
    /// those of other users that cannot be read. Neither decides the exit status.
    #[arg(long, conflicts_with = "pids")]
    all: bool,

    /// Write JSON: an array with one object for each process
    #[arg(long, group = "format")]
    json: bool,

    /// Write the Prometheus text format, for the textfile collector of node_exporter
    #[arg(long, group = "format")]
    prometheus: bool,
}

/// How long one process may take that was asked for by its number.
const PATIENCE: Duration = Duration::from_secs(10);
/// With `--all`, as many messages about other users' processes are written, so that a user with thousands of odd ones does
/// not fill a log.
const MESSAGES: usize = 20;

/// What was found.
#[derive(Default)]
struct Found {
    reports: Vec<Report>,
    /// Why processes could not be read. The first decides the exit status.
    errors: Vec<Error>,
    /// The same, of other users' processes: they do not decide.
    others: Vec<Error>,
    /// Processes of which not even the mappings may be read.
    closed: Vec<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let found = match args.all {
        true => all()?,
        false => each(&args.pids),
    };
    if !found.closed.is_empty() {
        complain(&format!(
            "permission denied to inspect these processes: {}",
            found.closed.join(" ")
        ));
    }
    found.others.iter().take(MESSAGES).for_each(complain);
    if found.others.len() > MESSAGES {
        complain(&format!(
            "and {} more processes of other users",
            found.others.len() - MESSAGES
        ));
    }
    let text = match (args.json, args.prometheus) {
        (true, _) => render::json(&found.reports),
        (_, true) => render::prometheus(&found.reports, found.errors.len() + found.others.len()),
        _ => render::text(&found.reports),
    };
    print(&text)?;
    let mut errors = found.errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for other in errors {
        complain(&other);
    }
    Err(first)
}

fn each(pids: &[i32]) -> Found {
    let mut found = Found::default();
    let mut reader = Reader::default();
    for &pid in pids {
        match reader.read(pid, PATIENCE) {
            Ok(report) => found.reports.push(report),
            Err(failure) => found.errors.push(failure.error),
        }
    }
    found
}

fn all() -> Result<Found> {
    let mut found = Found::default();
    for Answer { pid, is_own, report } in read_all()? {
        let (error, is_loaded) = match report {
            Ok(report) => {
                found.reports.push(report);
                continue;
            }
            Err(Failure { error, is_loaded }) => (error, is_loaded),
        };
        match error.exit {
            // It has ended since, or does not have the library loaded.
            Exit::NotFound | Exit::NotLoaded => {}
            Exit::NotPermitted if !is_loaded => found.closed.push(pid.to_string()),
            _ if is_own => found.errors.push(error),
            _ => found.others.push(error),
        }
    }
    Ok(found)
}
