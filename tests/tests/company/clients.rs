//! The clients: their requests, and their names in the log.
//!
//! Only a client under socket_wrapper reaches a server under it: there this program runs itself as the client.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nopipe_tests::clients::{self, Departure};
use nopipe_tests::run::{End, run};

use crate::cases::Case;

/// How clients leave: with FIN first, and with a reset alone.
pub const DEPARTURES: [Departure; 2] = [Departure::ShutdownBoth, Departure::Reset];

/// The first argument of this program as a client; "ask" or the number of a departure and the server's address follow.
pub const AS_CLIENT: &str = "client";
const ASK: &str = "ask";

/// The C server answers PING at once, and sends ticks after JOIN; the others take both the same way.
const GOOD: &[u8] = b"PING\n";
const LONG: &[u8] = b"JOIN\n";

/// The answer to a client that stays.
pub fn ask(case: &Case, folder: &Path, server: SocketAddr) -> Result<String, Box<dyn Error>> {
    if case.wrapped {
        return wrapped(case, folder, ASK, server);
    }
    Ok(String::from_utf8(clients::half_close(server, GOOD)?)?)
}

/// Runs a client that leaves in the middle of its answer; returns its name in the log.
pub fn vanish(case: &Case, folder: &Path, server: SocketAddr, departure: usize) -> Result<String, Box<dyn Error>> {
    if !case.wrapped {
        let client = clients::vanish(server, LONG, DEPARTURES[departure])?;
        return Ok(client.to_string());
    }
    let client: SocketAddr = wrapped(case, folder, &departure.to_string(), server)?.parse()?;
    let SocketAddr::V4(client) = client else {
        return Err("socket_wrapper gave an IPv6 address".into());
    };
    // Its unix socket: T for TCP, the interface's number, the port.
    let name = format!("T{:02X}{:04X}", client.ip().octets()[3], client.port());
    Ok(folder.join(name).display().to_string())
}

/// Runs this program as a client under socket_wrapper; returns its output.
fn wrapped(case: &Case, folder: &Path, what: &str, server: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([AS_CLIENT, what, &server.to_string()]);
    case.prepare(&mut command, folder, None);
    let outcome = run(&mut command, Duration::from_secs(30))?;
    match outcome.end {
        End::Exit(0) => Ok(outcome.stdout),
        _ => Err(format!("the client under socket_wrapper: {outcome:?}").into()),
    }
}

/// The main function of this program as a client.
pub fn run_as_client(what: &str, server: &str) -> Result<(), Box<dyn Error>> {
    let server = server.parse()?;
    match what {
        ASK => print!("{}", String::from_utf8(clients::half_close(server, GOOD)?)?),
        departure => print!(
            "{}",
            clients::vanish(server, LONG, DEPARTURES[departure.parse::<usize>()?])?
        ),
    }
    Ok(())
}
