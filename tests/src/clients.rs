//! Clients of a server under test: those that vanish, those that only half-close, and those that stay to the end.
//!
//! Every wait is bounded. Each client returns its own address: the library's log must name it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

/// The longest that a client waits for one connect, read or write.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that stays gives up after this many bytes.
const RESPONSE_MAX: u64 = 64 << 20;

/// The number of clients of a storm that are connected at the same time.
const AT_A_TIME: usize = 20;

/// How a client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// `SO_LINGER` 0 after the first bytes of the response: the kernel sends RST.
    Reset,
    /// Close with part of the response received and not read: RST.
    CloseUnread,
    /// `shutdown` both ways after the first bytes of the response, and close: FIN, then RST.
    ShutdownBoth,
    /// Close right after the request: FIN, and RST to the response.
    CloseEarly,
}

impl Departure {
    /// Every one.
    pub const ALL: [Departure; 4] = [
        Departure::Reset,
        Departure::CloseUnread,
        Departure::ShutdownBoth,
        Departure::CloseEarly,
    ];

    /// Whether the server sees an orderly end (FIN) first, as from a client that half-closes.
    pub fn sends_fin(self) -> bool {
        matches!(self, Departure::ShutdownBoth | Departure::CloseEarly)
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Departure::Reset => "reset in mid-response",
            Departure::CloseUnread => "close with unread data",
            Departure::ShutdownBoth => "shutdown both ways and close",
            Departure::CloseEarly => "close before the response",
        })
    }
}

/// Sends the request and vanishes; returns the client's address.
pub fn vanish(server: SocketAddr, request: &[u8], how: Departure) -> io::Result<SocketAddr> {
    let mut stream = connect(server, request)?;
    let address = stream.local_addr()?;
    match how {
        Departure::Reset => {
            read_some(&mut stream)?;
            set_socket_linger(&stream, Some(Duration::ZERO))?;
        }
        Departure::CloseUnread => {
            stream.peek(&mut [0])?;
        }
        Departure::ShutdownBoth => {
            read_some(&mut stream)?;
            // The server may have been killed since, by another client's departure.
            let _ = stream.shutdown(Shutdown::Both);
        }
        Departure::CloseEarly => {}
    }
    Ok(address)
}

/// Sends the request and reads the response to its end.
pub fn stay(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    finish(connect(server, request)?)
}

/// Sends the request and a FIN, then reads the response to its end.
pub fn half_close(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let stream = connect(server, request)?;
    stream.shutdown(Shutdown::Write)?;
    finish(stream)
}

/// The fates of the clients of a [`storm`].
#[derive(Debug, Default)]
pub struct Storm {
    /// The addresses of the clients that vanished, as the server saw them.
    pub vanished: Vec<SocketAddr>,
    /// The number of clients that stayed and got the whole response.
    pub served: usize,
    /// The errors of the others.
    pub failed: Vec<io::Error>,
}

/// Runs `clients` clients. Every second one vanishes, in each [`Departure`] by turns; the others must get a response that
/// is `whole`.
pub fn storm(server: SocketAddr, request: &[u8], clients: usize, whole: impl Fn(&[u8]) -> bool + Sync) -> Storm {
    let storm = Mutex::new(Storm::default());
    let next = AtomicUsize::new(0);
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= clients {
                return;
            }
            let fate = if number.is_multiple_of(2) {
                let how = Departure::ALL[number / 2 % Departure::ALL.len()];
                vanish(server, request, how).map(Some)
            } else {
                stay(server, request).and_then(|response| match whole(&response) {
                    true => Ok(None),
                    false => Err(io::Error::other("not the whole response")),
                })
            };
            let mut storm = storm.lock().unwrap_or_else(PoisonError::into_inner);
            match fate {
                Ok(Some(address)) => storm.vanished.push(address),
                Ok(None) => storm.served += 1,
                Err(error) => storm.failed.push(error),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(worker);
        }
    });
    storm.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The response of a server that may still be starting. It makes a real request, not only a connection: a client that
/// connects and leaves could kill the server.
pub fn first_response(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match stay(server, request) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

fn connect(server: SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    Ok(stream)
}

/// Reads the first bytes of the response; an error if it ends before any came.
fn read_some(stream: &mut TcpStream) -> io::Result<()> {
    match stream.read(&mut [0; 1000])? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn finish(stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut response = Vec::new();
    stream.take(RESPONSE_MAX).read_to_end(&mut response)?;
    Ok(response)
}
