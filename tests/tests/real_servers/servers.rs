//! The servers: unmodified programs from Debian's packages, and scripts in the documented idiom of their runtime.
//!
//! docs/real-servers.md says how they were found, and how other servers behave.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nopipe_tests::program::program;
use nopipe_tests::suite::Need;

use crate::backend;

/// Which process SIGPIPE kills when a client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The server itself, and with it all other clients.
    Server,
    /// The process that serves this client.
    Worker,
}

/// Where a server runs.
pub struct Site {
    pub address: SocketAddr,
    /// Holds the file `big`.
    pub folder: PathBuf,
    /// A server that never dies, for proxies.
    pub backend: SocketAddr,
}

pub struct Server {
    pub name: &'static str,
    pub language: &'static str,
    pub victim: Victim,
    /// The server, or its interpreter.
    program: &'static str,
    pub needs: &'static [Need],
    /// Whether it goes on answering a client after that client's FIN. A server that stops then serves no half-closing
    /// client, bare or preloaded, and perhaps no write of it fails.
    pub answers_after_fin: bool,
    pub request: &'static [u8],
    arguments: fn(&Site) -> Vec<String>,
}

const STRACE: Need = Need::Program("strace", "strace");
const TCPSERVER: Need = Need::Program("tcpserver", "ucspi-tcp");

const GET_BIG: &[u8] = b"GET /big HTTP/1.0\r\n\r\n";

pub const SERVERS: [Server; 7] = [
    Server {
        name: "game.py",
        language: "Python",
        victim: Victim::Server,
        program: "python3",
        needs: &[Need::Program("python3", "python3")],
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| vec![script("game.py"), site.port()],
    },
    Server {
        name: "oneshot.pl",
        language: "Perl",
        victim: Victim::Server,
        program: "perl",
        needs: &[Need::Program("perl", "perl")],
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| vec![script("oneshot.pl"), site.port()],
    },
    Server {
        name: "HTTP::Daemon",
        language: "Perl",
        victim: Victim::Server,
        program: "perl",
        needs: &[Need::Perl("HTTP/Daemon.pm", "libhttp-daemon-perl")],
        answers_after_fin: true,
        request: GET_BIG,
        arguments: |site| vec![script("httpd.pl"), site.port(), site.folder()],
    },
    Server {
        name: "counter.scm",
        language: "Scheme",
        victim: Victim::Server,
        program: "guile",
        needs: &[Need::Program("guile", "guile-3.0")],
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| {
            let guile = "--no-auto-compile".to_string();
            vec![guile, script("counter.scm"), site.port()]
        },
    },
    Server {
        name: "micro-httpd",
        language: "C",
        victim: Victim::Worker,
        program: "tcpserver",
        needs: &[STRACE, TCPSERVER, Need::Program("micro-httpd", "micro-httpd")],
        answers_after_fin: true,
        request: GET_BIG,
        arguments: |site| tcpserver(site, [path("micro-httpd"), site.folder()]),
    },
    Server {
        name: "simpleproxy",
        language: "C",
        victim: Victim::Worker,
        program: "simpleproxy",
        needs: &[STRACE, Need::Program("simpleproxy", "simpleproxy")],
        answers_after_fin: false,
        request: backend::REQUEST,
        arguments: |site| {
            let [local, remote] = [site.address, site.backend].map(|address| address.to_string());
            vec!["-L".to_string(), local, "-R".to_string(), remote]
        },
    },
    Server {
        name: "ticker.sh",
        language: "shell",
        victim: Victim::Worker,
        program: "tcpserver",
        needs: &[STRACE, TCPSERVER],
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| tcpserver(site, [path("sh"), script("ticker.sh")]),
    },
];

/// The arguments of a tcpserver that looks nothing up and starts `service` for each client.
fn tcpserver(site: &Site, service: [String; 2]) -> Vec<String> {
    let options = ["-HRl0", "-c300"].map(String::from);
    let address = [site.address.ip().to_string(), site.port()];
    [options, address, service].concat()
}

impl Site {
    fn port(&self) -> String {
        self.address.port().to_string()
    }

    fn folder(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Server {
    pub fn command(&self, site: &Site) -> Command {
        let mut command = Command::new(program(self.program));
        command.args((self.arguments)(site)).stdin(Stdio::null());
        command
    }
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers");
    path.join(name).display().to_string()
}

fn path(name: &str) -> String {
    program(name).display().to_string()
}
