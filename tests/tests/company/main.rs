//! The library in company: with other preloaded libraries in both orders, under valgrind, in programs built with sanitizers,
//! and in common runtimes. Clients vanish from a small server, bare and preloaded. Preloaded it lives, one line names each
//! client, and its own output is the same as bare.
//!
//! docs/company.md explains the rows that differ from the rest.

mod cases;
mod clients;
mod server;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nopipe_tests::event::{self, Event};
use nopipe_tests::run::End;
use nopipe_tests::suite::{Failed, Suite, ensure};
use nopipe_tests::table::Table;
use nopipe_tests::wait::wait_for;
use nopipe_tests::{Profile, library, scratch_dir};

use cases::{Bare, Case, cases};
use clients::{AS_CLIENT, DEPARTURES, ask, run_as_client, vanish};
use server::Server;

/// How long a line may take to appear, or a server to die: more than a tick under valgrind on a busy machine.
const SETTLE: Duration = Duration::from_secs(5);

/// The results of the cases, for the table at the end.
static TABLE: Table<4> = Table::new(["bare", "preloaded", "line after FIN", "line after reset"]);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [AS_CLIENT, what, server] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return match run_as_client(what, server) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let mut suite = Suite::new("company");
    suite.build(&[Profile::Release]);
    for case in cases() {
        suite.test(case.name.clone(), &case.needs.clone(), move || run(&case));
    }
    suite.run_then(|| TABLE.print())
}

fn run(case: &Case) -> Result<(), Failed> {
    let folder = scratch_dir("company");
    TABLE.add(&case.name, ["failed", "", "", ""].map(String::from));
    case.build(folder.path())?;
    let bare = run_bare(case, folder.path()).map_err(|error| format!("bare: {error}"))?;
    let fate = match case.bare {
        Bare::Dies => "signal 13",
        Bare::Lives => "lives",
    };
    TABLE.add(&case.name, [fate, "failed", "", ""].map(String::from));
    let lines = run_preloaded(case, folder.path(), &bare).map_err(|error| format!("preloaded: {error}"))?;
    let [fin, reset] = lines;
    TABLE.add(&case.name, [fate.to_string(), "lives".to_string(), fin, reset]);
    Ok(())
}

/// What must be the same with the library.
struct Native {
    answer: String,
    said: String,
}

fn run_bare(case: &Case, folder: &Path) -> Result<Native, Box<dyn Error>> {
    let mut server = Server::start(case, folder, None)?;
    let answer = ask(case, folder, server.address)?;
    for departure in 0..DEPARTURES.len() {
        vanish(case, folder, server.address, departure)?;
        if case.bare == Bare::Dies {
            match server.end(SETTLE)? {
                Some(End::Signal(libc::SIGPIPE)) => break,
                end => return Err(format!("expected death by SIGPIPE, but {end:?}").into()),
            }
        }
        check_alive(case, folder, &mut server, &answer)?;
    }
    let said = server.said()?;
    Ok(Native { answer, said })
}

/// Returns the log's account of each departure.
fn run_preloaded(case: &Case, folder: &Path, native: &Native) -> Result<[String; DEPARTURES.len()], Box<dyn Error>> {
    let logs = scratch_dir("logs");
    let mut server = Server::start(case, folder, Some(logs.path()))?;
    let beside = case.beside.iter().map(|beside| &beside.path);
    for path in beside.chain([&library(Profile::Release).path]) {
        ensure(
            server.has_loaded(path)?,
            format_args!("{} is not loaded", path.display()),
        )?;
    }
    check_alive(case, folder, &mut server, &native.answer)?;

    let mut known = 0;
    let mut lines = [const { String::new() }; DEPARTURES.len()];
    for (departure, line) in lines.iter_mut().enumerate() {
        let client = vanish(case, folder, server.address, departure)?;
        let wanted = case.causes[departure];
        wait_for_events(logs.path(), known + usize::from(wanted.is_some()))?;
        // While this is answered, a line too many has time to appear.
        check_alive(case, folder, &mut server, &native.answer)?;
        let events = event::read_dir(logs.path())?;
        *line = match (&events[known..], wanted) {
            ([], None) => "none".to_string(),
            ([event], Some(cause)) if names(event, &client, cause, case.handler_skipped) => about(event),
            (events, _) => {
                return Err(format!("{client} left; expected cause {wanted:?}, got {}", list(events)).into());
            }
        };
        known = events.len();
    }
    let said = server.said()?;
    ensure(
        said == native.said,
        format_args!("it prints {said:?}, bare {:?}", native.said),
    )?;
    Ok(lines)
}

/// Checks that the server answers as before the first client vanished.
fn check_alive(case: &Case, folder: &Path, server: &mut Server, answer: &str) -> Result<(), Box<dyn Error>> {
    let now = ask(case, folder, server.address)?;
    ensure(now == answer, format_args!("another answer: {now:?}"))?;
    Ok(ensure(server.is_alive(), "it has died")?)
}

/// Returns when the log holds `count` events, or after [`SETTLE`].
fn wait_for_events(logs: &Path, count: usize) -> Result<(), String> {
    let look = || event::read_dir(logs).map(|events| (events.len() >= count).then_some(()));
    wait_for(SETTLE, || look().transpose()).unwrap_or(Ok(()))
}

fn names(event: &Event, client: &str, cause: &str, handler_skipped: bool) -> bool {
    let handler = if handler_skipped && cause == "closed" {
        Some("skipped")
    } else {
        None
    };
    event.message == "peer vanished"
        && event.get("peer") == Some(client)
        && event.get("cause") == Some(cause)
        && event.get("handler") == handler
}

/// The call that failed, and whether a handler would have run natively.
fn about(event: &Event) -> String {
    let call = event.get("call").unwrap_or_default();
    match event.get("handler") {
        Some(handler) => format!("{call}, handler {handler}"),
        None => call.to_string(),
    }
}

fn list(events: &[Event]) -> String {
    events.iter().map(|event| format!("\n  {event}")).collect()
}
