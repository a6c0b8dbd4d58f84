//! `nopipe status`: the counters of running servers, read from outside. The servers do not notice.

use crate::error::{EXIT_STATUS, Exit, Result};
use crate::output::{complain, print};
use crate::render;
use crate::server::{Server, running};

/// Show the counters of running servers
///
/// The counters are read from the memory of processes that have the library loaded. This needs the same right as a
/// debugger: root has it, and so has the same user where kernel.yama.ptrace_scope allows it. The servers are not
/// disturbed.
#[derive(clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct Args {
    /// The process IDs
    ///
    /// Every process that can be read is shown. Standard error says what is wrong with each of the others, and the
    /// first of them decides the exit status.
    #[arg(value_name = "PID", required_unless_present = "all", value_parser = clap::value_parser!(i32).range(1..))]
    pids: Vec<i32>,

    /// Show every process that has the library loaded
    ///
    /// Standard error lists the processes that the calling user has no permission to inspect.
    #[arg(long, conflicts_with = "pids")]
    all: bool,

    /// Write JSON: an array with one object for each process
    #[arg(long, group = "format")]
    json: bool,

    /// Write the Prometheus text format, for the textfile collector of node_exporter
    #[arg(long, group = "format")]
    prometheus: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let pids = if args.all { running()? } else { args.pids.clone() };
    let mut reports = Vec::new();
    let mut closed = Vec::new();
    let mut errors = Vec::new();
    for pid in pids {
        let server = match Server::find(pid) {
            Ok(server) => server,
            // It has ended since, or does not have the library loaded.
            Err(error) if args.all && matches!(error.exit, Exit::NotFound | Exit::NotLoaded) => continue,
            Err(error) if args.all && error.exit == Exit::NotPermitted => {
                closed.push(pid.to_string());
                continue;
            }
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        match server.report() {
            Ok(report) => reports.push(report),
            Err(error) if args.all && error.exit == Exit::NotFound => {}
            Err(error) => errors.push(error),
        }
    }
    if !closed.is_empty() {
        complain(&format!(
            "permission denied to inspect these processes: {}",
            closed.join(" ")
        ));
    }
    let text = match (args.json, args.prometheus) {
        (true, _) => render::json(&reports),
        (_, true) => render::prometheus(&reports),
        _ => render::text(&reports),
    };
    print(&text)?;
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for other in errors {
        complain(&other);
    }
    Err(first)
}
