//! The library in company: beside other preloaded libraries in both orders, under valgrind, in programs built with
//! sanitizers, and in the runtimes that people run. Clients vanish from a small server, bare and preloaded: preloaded it
//! lives, one line names each client, and it says nothing that it does not say bare.
//!
//! A case that cannot be run here is skipped by name and counted as ignored, not as passed. docs/company.md explains
//! the rows that differ from the rest.

mod cases;
mod clients;
mod server;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nopipe_tests::event::{self, Event};
use nopipe_tests::run::End;
use nopipe_tests::{Profile, library, scratch_dir};

use cases::{Bare, Case, cases};
use clients::{AS_CLIENT, DEPARTURES, ask, run_as_client, vanish};
use server::Server;

/// How long a line may take to appear, or a server to die: more than a tick under valgrind on a busy machine.
const SETTLE: Duration = Duration::from_secs(5);

/// What the cases came to, for the table at the end.
static TABLE: Mutex<BTreeMap<String, [String; 4]>> = Mutex::new(BTreeMap::new());

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
    let arguments = Arguments::from_args();
    if !arguments.list {
        println!("testing build-id {}", library(Profile::Release).build_id);
    }
    let trials = cases().into_iter().map(|case| {
        let missing = case.needs.iter().find(|file| !file.exists());
        if let Some(file) = missing {
            eprintln!("SKIP {}: no {}", case.name, file.display());
            add_row(&case, ["skipped", "", "", ""].map(String::from));
        }
        let skipped = missing.is_some();
        Trial::test(case.name.clone(), move || run(&case)).with_ignored_flag(skipped)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if !arguments.list {
        print_table();
    }
    conclusion.exit_code()
}

fn add_row(case: &Case, row: [String; 4]) {
    TABLE
        .lock()
        .expect("no row was left half written")
        .insert(case.name.clone(), row);
}

fn print_table() {
    let heading = ["bare", "preloaded", "line after FIN", "line after reset"].map(String::from);
    let table = TABLE.lock().expect("no row was left half written");
    for (name, [bare, preloaded, fin, reset]) in std::iter::once((&"company".to_string(), &heading)).chain(table.iter())
    {
        println!("{name:36} | {bare:9} | {preloaded:9} | {fin:24} | {reset}");
    }
}

fn run(case: &Case) -> Result<(), Failed> {
    let folder = scratch_dir("company");
    add_row(case, ["failed", "", "", ""].map(String::from));
    case.build(folder.path())?;
    let bare = run_bare(case, folder.path()).map_err(|error| format!("bare: {error}"))?;
    let fate = match case.bare {
        Bare::Dies => "signal 13",
        Bare::Lives => "lives",
    };
    add_row(case, [fate, "failed", "", ""].map(String::from));
    let lines = run_preloaded(case, folder.path(), &bare).map_err(|error| format!("preloaded: {error}"))?;
    let [fin, reset] = lines;
    add_row(case, [fate.to_string(), "lives".to_string(), fin, reset]);
    Ok(())
}

/// What is to be the same with the library.
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

/// For each departure, what the log has about it.
fn run_preloaded(case: &Case, folder: &Path, native: &Native) -> Result<[String; DEPARTURES.len()], Box<dyn Error>> {
    let logs = scratch_dir("logs");
    let mut server = Server::start(case, folder, Some(logs.path()))?;
    let beside = case.beside.iter().map(|beside| &beside.path);
    for path in beside.chain([&library(Profile::Release).path]) {
        ensure(server.has_loaded(path)?, || format!("{} is not loaded", path.display()))?;
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
    ensure(said == native.said, || {
        format!("it says {said:?}, bare {:?}", native.said)
    })?;
    Ok(lines)
}

/// The server answers as it did when nobody had vanished yet.
fn check_alive(case: &Case, folder: &Path, server: &mut Server, answer: &str) -> Result<(), Box<dyn Error>> {
    let now = ask(case, folder, server.address)?;
    ensure(now == answer, || format!("another answer: {now:?}"))?;
    ensure(server.is_alive(), || "it has died".to_string())
}

/// Returns when the log holds `count` events, or after a while.
fn wait_for_events(logs: &Path, count: usize) -> Result<(), String> {
    let deadline = Instant::now() + SETTLE;
    while event::read_dir(logs)?.len() < count && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
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

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(what().into()) }
}
