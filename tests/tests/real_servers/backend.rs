//! The server that the proxies forward to. It is slow, and never dies of SIGPIPE: Rust's runtime ignores the signal.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// The request of its clients; the answer is always the same.
pub const REQUEST: &[u8] = b"ann\n";

const PIECES: usize = 25;
static PIECE: [u8; 20_000] = [b'.'; 20_000];

/// The backend's address. It starts at the first call and serves until this process ends.
pub fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(|| serve(client));
            }
        });
        address
    })
}

/// An error ends the thread: the client has left.
fn serve(mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    client.set_write_timeout(Some(Duration::from_secs(5)))?;
    // The whole request: closing with part of it unread would reset the connection.
    client.read_exact(&mut [0; REQUEST.len()])?;
    for _ in 0..PIECES {
        client.write_all(&PIECE)?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
