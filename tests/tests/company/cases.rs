//! The cases: a server, and what shares its process with the library.
//!
//! All servers speak alike: a line makes them send, piece by piece or, the C server, for as long as the client asks for
//! it; when a write fails they drop the client and serve the next.

use std::path::{Path, PathBuf};

use nopipe_tests::c_program::c_program;
use nopipe_tests::workspace;

/// What becomes of the server without the library when a client has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// It dies of SIGPIPE.
    Dies,
    /// Its runtime ignores or catches SIGPIPE.
    Lives,
}

/// Another preloaded library.
pub struct Beside {
    pub path: PathBuf,
    /// Whether it stands before ours.
    pub first: bool,
}

pub struct Case {
    pub name: String,
    /// The server's command line; it runs in a folder of its own.
    pub command: Vec<String>,
    /// What builds it, in that folder.
    pub build: Option<Vec<String>>,
    /// Files without which the case is skipped.
    pub needs: Vec<PathBuf>,
    pub env: Vec<(&'static str, &'static str)>,
    pub beside: Option<Beside>,
    /// Fakeroot's daemon runs, too.
    pub faked: bool,
    /// Under socket_wrapper TCP is carried by unix sockets.
    pub wrapped: bool,
    pub bare: Bare,
    /// The cause that the log gives for each of [`crate::DEPARTURES`], if anything of it can be seen.
    pub causes: [Option<&'static str>; 2],
    /// Whether the runtime has a SIGPIPE handler, which the library does not let run.
    pub handler_skipped: bool,
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(both_orders("libeatmydata", "libeatmydata.so", |case| case));
    cases.extend(both_orders("libfaketime", "faketime/libfaketimeMT.so.1", |case| {
        case.env("FAKETIME", "-1d")
    }));
    cases.extend(both_orders("jemalloc", "libjemalloc.so.2", |case| case));
    cases.extend(both_orders("tcmalloc", "libtcmalloc_minimal.so.4", |case| case));
    cases.extend(both_orders("fakeroot", "libfakeroot/libfakeroot-tcp.so", |case| Case {
        faked: true,
        ..case.needs(FAKED)
    }));
    // A unix socket knows no reset: the next write meets a closed connection.
    cases.extend(both_orders("socket_wrapper", "libsocket_wrapper.so", |case| Case {
        wrapped: true,
        causes: [Some("closed"), Some("closed")],
        ..case
    }));
    // Its check would end a program that has any other library before it; said here, it may come second.
    cases.extend(both_orders("ASan", "libasan.so.8", |case| {
        case.sanitized("-fsanitize=address", &[])
            .env("ASAN_OPTIONS", "verify_asan_link_order=0")
    }));
    cases.push(c_server("ASan, linked in").sanitized("-fsanitize=address", &["-static-libasan"]));
    cases.extend(both_orders("TSan", "libtsan.so.2", |case| {
        case.sanitized("-fsanitize=thread", &[])
    }));
    cases.push(c_server("TSan, linked in").sanitized("-fsanitize=thread", &["-static-libtsan"]));
    cases.push(c_server("valgrind").under("/usr/bin/valgrind", "-q"));
    cases.extend(runtimes());
    cases
}

fn runtimes() -> Vec<Case> {
    let go = |name: &str| Case {
        // The net package makes its system calls itself: without a signal there is nothing to see.
        causes: [Some("closed"), None],
        handler_skipped: true,
        ..Case::new(name, &["./ticker"]).built(&["/usr/bin/go", "build", "-o", "ticker", &source("ticker.go")])
    };
    let java = |name: &str, options: &[&str]| Case {
        handler_skipped: true,
        ..Case::new(name, &[&["/usr/bin/java", "-cp", "."], options, &["Ticker"]].concat()).built(&[
            "/usr/bin/javac",
            "-d",
            ".",
            &source("Ticker.java"),
        ])
    };
    vec![
        script("CPython", "/usr/bin/python3", "ticker.py"),
        Case {
            bare: Bare::Dies,
            ..script("Perl", "/usr/bin/perl", "ticker.pl")
        },
        script("PHP", "/usr/bin/php", "ticker.php"),
        Case {
            handler_skipped: true,
            ..script("Ruby", "/usr/bin/ruby", "ticker.rb")
        },
        Case {
            // A read meets the reset, and Node writes no more.
            causes: [Some("closed"), None],
            ..script("Node", "/usr/bin/node", "ticker.js")
        },
        script("Lua", "/usr/bin/lua5.4", "ticker.lua").needs("/usr/share/lua/5.4/socket.lua"),
        script("Tcl", "/usr/bin/tclsh", "ticker.tcl"),
        java("Java", &[]),
        java("Java, checking its handlers", &["-Xcheck:jni"]),
        go("Go with cgo").env("CGO_ENABLED", "1").needs(GCC),
        Case {
            // Its runtime replaces our handler by a system call of its own, and there is no other way to see anything.
            causes: [None, None],
            handler_skipped: false,
            ..go("Go without cgo, position-independent")
        }
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildmode=pie"),
    ]
}

const GCC: &str = "/usr/bin/gcc";
pub const FAKED: &str = "/usr/bin/faked-tcp";

/// The C server beside the preloaded library `file`, which comes before ours and behind it.
fn both_orders(name: &str, file: &str, adapt: impl Fn(Case) -> Case) -> [Case; 2] {
    let path = Path::new(&format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH)).join(file);
    [(true, "first"), (false, "second")].map(|(first, place)| {
        let case = c_server(&format!("{name} {place}")).needs(&path);
        let beside = Some(Beside {
            path: path.clone(),
            first,
        });
        adapt(Case { beside, ..case })
    })
}

fn c_server(name: &str) -> Case {
    let server = c_program("server").display().to_string();
    Case {
        bare: Bare::Dies,
        ..Case::new(name, &[&server])
    }
}

fn script(name: &str, interpreter: &str, file: &str) -> Case {
    Case::new(name, &[interpreter, &source(file)])
}

/// The file of that name in `tests/company`.
fn source(name: &str) -> String {
    workspace().join("tests/company").join(name).display().to_string()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

impl Case {
    /// Lives bare, and both departures are seen: what most runtimes do.
    fn new(name: &str, command: &[&str]) -> Self {
        let case = Case {
            name: name.to_string(),
            command: words(command),
            build: None,
            needs: Vec::new(),
            env: Vec::new(),
            beside: None,
            faked: false,
            wrapped: false,
            bare: Bare::Lives,
            causes: [Some("closed"), Some("reset")],
            handler_skipped: false,
        };
        match command[0].starts_with('/') {
            true => case.needs(command[0]),
            false => case,
        }
    }

    fn needs(mut self, file: impl AsRef<Path>) -> Self {
        self.needs.push(file.as_ref().to_path_buf());
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    fn built(self, command: &[&str]) -> Self {
        let build = Some(words(command));
        Case { build, ..self }.needs(command[0])
    }

    /// The C server, compiled with a sanitizer.
    fn sanitized(self, sanitizer: &str, linkage: &[&str]) -> Self {
        let server = workspace().join("c-tests/server.c").display().to_string();
        let compile = [GCC, "-g", "-O1", "-pthread", "-o", "server", &server, sanitizer];
        let command = words(&["./server"]);
        Case { command, ..self }.built(&[&compile, linkage].concat())
    }

    fn under(mut self, tool: &str, option: &str) -> Self {
        self.command.splice(..0, words(&[tool, option]));
        self.needs(tool)
    }
}
