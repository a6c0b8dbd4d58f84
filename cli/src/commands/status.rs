//! `nopipe status`: the counters of running servers, read from outside. The servers notice nothing of it.

use procfs::process::all_processes;

use crate::error::{EXIT_STATUS, Failure, Kind, Result};
use crate::server::process::Server;
use crate::{complain, print, render};

/// Show the counters of running servers
///
/// They are read from the memory of processes that have the library loaded, which takes the same right as a debugger
/// needs: to be root, or the same user where kernel.yama.ptrace_scope allows it. The servers are not disturbed.
#[derive(clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct Args {
    /// The processes
    ///
    /// Those that can be read are shown; what is wrong with each of the others is told on standard error, and the first
    /// of them decides the exit status.
    #[arg(value_name = "PID", required_unless_present = "all", value_parser = clap::value_parser!(i32).range(1..))]
    pids: Vec<i32>,

    /// Every process that has the library loaded
    ///
    /// Processes of which even that may not be known are listed on standard error.
    #[arg(long, conflicts_with = "pids")]
    all: bool,

    /// Write JSON: an array with one object for each process
    #[arg(long, group = "format")]
    json: bool,

    /// Write Prometheus' text format, for the textfile collector of node_exporter
    #[arg(long, group = "format")]
    prometheus: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let pids = if args.all { running()? } else { args.pids.clone() };
    let mut reports = Vec::new();
    let mut closed = Vec::new();
    let mut failures = Vec::new();
    for pid in pids {
        let server = match Server::find(pid) {
            Ok(server) => server,
            // It ended meanwhile, or has nothing to do with us.
            Err(failure) if args.all && matches!(failure.kind, Kind::NotFound | Kind::NotLoaded) => continue,
            Err(failure) if args.all && failure.kind == Kind::NotPermitted => {
                closed.push(pid.to_string());
                continue;
            }
            Err(failure) => {
                failures.push(failure);
                continue;
            }
        };
        match server.report() {
            Ok(report) => reports.push(report),
            Err(failure) if args.all && failure.kind == Kind::NotFound => {}
            Err(failure) => failures.push(failure),
        }
    }
    if !closed.is_empty() {
        complain(&format!(
            "permission denied to look into these processes: {}",
            closed.join(" ")
        ));
    }
    let text = match (args.json, args.prometheus) {
        (true, _) => render::json(&reports),
        (_, true) => render::prometheus(&reports),
        _ => render::text(&reports),
    };
    print(&text)?;
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    for other in failures {
        complain(&other);
    }
    Err(first)
}

fn running() -> Result<Vec<i32>> {
    let processes = all_processes().map_err(Failure::while_doing("/proc"))?;
    let mut pids: Vec<i32> = processes.filter_map(|process| Some(process.ok()?.pid())).collect();
    pids.sort_unstable();
    Ok(pids)
}
