//! The servers: unmodified programs from Debian's packages, and scripts in the documented idiom of their runtime.
//!
//! How they were found, and what others do: docs/real-servers.md.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nopipe_tests::workspace;

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
    /// What must be installed; the first one is the server, or what runs it.
    programs: &'static [&'static str],
    perl_module: Option<&'static str>,
    /// Whether it goes on answering a client after that client's FIN. One that stops then serves no half-closing
    /// client, bare or not, and may have no write that fails.
    pub answers_after_fin: bool,
    pub request: &'static [u8],
    arguments: fn(&Site) -> Vec<String>,
}

const GET_BIG: &[u8] = b"GET /big HTTP/1.0\r\n\r\n";

pub const SERVERS: [Server; 7] = [
    Server {
        name: "game.py",
        language: "Python",
        victim: Victim::Server,
        programs: &["python3"],
        perl_module: None,
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| vec![script("game.py"), site.port()],
    },
    Server {
        name: "oneshot.pl",
        language: "Perl",
        victim: Victim::Server,
        programs: &["perl"],
        perl_module: None,
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| vec![script("oneshot.pl"), site.port()],
    },
    Server {
        name: "HTTP::Daemon",
        language: "Perl",
        victim: Victim::Server,
        programs: &["perl"],
        perl_module: Some("HTTP::Daemon"),
        answers_after_fin: true,
        request: GET_BIG,
        arguments: |site| vec![script("httpd.pl"), site.port(), site.folder()],
    },
    Server {
        name: "counter.scm",
        language: "Scheme",
        victim: Victim::Server,
        programs: &["guile"],
        perl_module: None,
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
        programs: &["tcpserver", "micro-httpd"],
        perl_module: None,
        answers_after_fin: true,
        request: GET_BIG,
        arguments: |site| tcpserver(site, [program_path("micro-httpd"), site.folder()]),
    },
    Server {
        name: "simpleproxy",
        language: "C",
        victim: Victim::Worker,
        programs: &["simpleproxy"],
        perl_module: None,
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
        programs: &["tcpserver", "sh"],
        perl_module: None,
        answers_after_fin: true,
        request: b"ann\n",
        arguments: |site| tcpserver(site, [program_path("sh"), script("ticker.sh")]),
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
    /// Why the server cannot be run here.
    pub fn missing(&self) -> Option<String> {
        let tracer = (self.victim == Victim::Worker).then_some("strace");
        let mut programs = self.programs.iter().copied().chain(tracer);
        if let Some(program) = programs.find(|program| find_program(program).is_none()) {
            return Some(format!("{program} is not installed"));
        }
        let module = self.perl_module?;
        let loads = Command::new(program_path("perl"))
            .args([&format!("-M{module}"), "-e", "1"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        (!loads).then(|| format!("perl has no {module}"))
    }

    pub fn command(&self, site: &Site) -> Command {
        let mut command = Command::new(program_path(self.programs[0]));
        command.args((self.arguments)(site)).stdin(Stdio::null());
        command
    }
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers");
    path.join(name).display().to_string()
}

pub fn program_path(name: &str) -> String {
    let path = find_program(name).unwrap_or_else(|| panic!("{name} was there before"));
    path.display().to_string()
}

/// The distribution's program comes first: one in PATH may be a version manager's shell script. A user's PATH may lack
/// the folders for servers. `tests/servers/unpack` fills the last one.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["/usr/bin", "/usr/sbin", "/bin"]
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain([workspace().join("target/servers/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
