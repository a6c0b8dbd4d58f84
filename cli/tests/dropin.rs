//! `nopipe dropin` with a stand-in for systemctl. tests/tests/systemd runs it in a real systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::run::{End, Outcome, run};
use nopipe_tests::scratch_dir;
use nopipe_tests::suite::{Need, Row, Suite};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

const ANALYZE: &[Need] = &[Need::Program("systemd-analyze", "systemd")];

const TESTS: &[Row<fn()>] = &[
    ("dropin: --print is the default", &[], print_is_the_default),
    ("dropin: installed and removed", ANALYZE, installed_and_removed),
    (
        "dropin: a drop-in that systemd would refuse is not installed",
        ANALYZE,
        what_systemd_would_refuse_is_not_installed,
    ),
    (
        "dropin: a hindrance stops --install",
        &[],
        what_stops_the_library_needs_force,
    ),
    (
        "dropin: --force installs despite a hindrance",
        ANALYZE,
        force_installs_despite_a_hindrance,
    ),
    ("dropin: failures", &[], failures),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("dropin");
    suite.tests_that_panic(TESTS);
    suite.run()
}

/// A user's systemd that knows the unit game.service.
struct Systemd(TempDir);

impl Systemd {
    fn with_unit(service: &str, shown: &str) -> Systemd {
        let systemd = Systemd(scratch_dir("dropin"));
        let unit = systemd.path("units/game.service");
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, format!("[Service]\nExecStart=/bin/sleep 60\n{service}")).unwrap();
        let shown = format!(
            "Id=game.service\nLoadState=loaded\nFragmentPath={}\n{shown}",
            unit.display()
        );
        systemd.systemctl(&format!("cat <<'END'\n{shown}\nEND"));
        fs::write(systemd.path("libnopipe.so"), "").unwrap();
        systemd
    }

    /// Sets the commands that systemctl runs for `show`. Every other command succeeds and is logged to `commands`.
    fn systemctl(&self, show: &str) {
        let path = self.path("bin/systemctl");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let log = self.path("commands");
        let script = format!(
            "#!/bin/sh\ncase $2 in\nshow)\n{show}\n;;\n*) echo \"$@\" >>{} ;;\nesac\n",
            log.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn dropin(&self) -> PathBuf {
        self.path("config/systemd/user/game.service.d/zz-nopipe.conf")
    }

    fn nopipe(&self, args: &[&str]) -> Outcome {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_nopipe"));
        command.args(["dropin", "game", "--user"]).args(args);
        command
            .env("PATH", path)
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_RUNTIME_DIR", self.0.path());
        // A scratch folder is closed to other users, and `--install` refuses a library that not every user can read.
        fs::set_permissions(self.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        run(command.arg("--library").arg(self.path("libnopipe.so")), PATIENCE).unwrap()
    }
}

fn print_is_the_default() {
    let systemd = Systemd::with_unit("", "Type=simple\nRestart=on-failure\nEnvironment=LD_PRELOAD=libone.so");
    let outcome = systemd.nopipe(&[]);
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    let library = systemd.path("libnopipe.so");
    let preload = format!("Environment=\"LD_PRELOAD={}:libone.so\"", library.display());
    for line in [&preload, "IgnoreSIGPIPE=no", "RestartForceExitStatus=SIGPIPE"] {
        assert!(
            outcome.stdout.lines().any(|printed| printed == line),
            "{line}\n{}",
            outcome.stdout
        );
    }
    assert_eq!(systemd.nopipe(&["--print"]).stdout, outcome.stdout);
    assert!(!systemd.dropin().exists());
}

fn installed_and_removed() {
    let systemd = Systemd::with_unit("Restart=on-failure", "Type=simple\nRestart=on-failure");
    let outcome = systemd.nopipe(&["--install"]);
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("systemctl --user restart game.service"),
        "{}",
        outcome.stdout
    );
    assert_eq!(
        fs::read_to_string(systemd.dropin()).unwrap(),
        systemd.nopipe(&[]).stdout
    );
    let mode = fs::metadata(systemd.dropin()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);

    assert_eq!(systemd.nopipe(&["--remove"]).end, End::Exit(0));
    assert!(!systemd.dropin().parent().unwrap().exists());
    assert!(systemd.nopipe(&["--remove"]).stdout.contains("nothing to remove"));
    let commands = fs::read_to_string(systemd.path("commands")).unwrap();
    let reloads = commands.lines().filter(|line| line.contains("daemon-reload")).count();
    assert_eq!(reloads, 2, "{commands}");
}

fn what_systemd_would_refuse_is_not_installed() {
    // The unit is a oneshot, for which systemd refuses the drop-in's forced restart, but this systemctl shows another type.
    let systemd = Systemd::with_unit("Type=oneshot", "Type=simple\nRestart=on-failure");
    let outcome = systemd.nopipe(&["--install"]);
    assert_eq!(outcome.end, End::Exit(8), "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        outcome.stderr.contains("systemd-analyze verify says"),
        "{}",
        outcome.stderr
    );
    assert!(!systemd.dropin().exists());
}

/// A unit with an option that stops the library.
fn with_hindrance() -> Systemd {
    Systemd::with_unit("", "Type=simple\nRestart=no\nUnsetEnvironment=LD_PRELOAD")
}

fn what_stops_the_library_needs_force() {
    let systemd = with_hindrance();
    assert!(
        systemd
            .nopipe(&[])
            .stdout
            .contains("# In the way: UnsetEnvironment=LD_PRELOAD")
    );
    let outcome = systemd.nopipe(&["--install"]);
    assert_eq!(outcome.end, End::Exit(8), "{}", outcome.stderr);
    assert!(!systemd.dropin().exists());
}

fn force_installs_despite_a_hindrance() {
    let systemd = with_hindrance();
    assert_eq!(systemd.nopipe(&["--install", "--force"]).end, End::Exit(0));
    assert!(systemd.dropin().exists());
}

fn failures() {
    let systemd = Systemd::with_unit("", "");
    systemd.systemctl("echo Id=game.service; echo LoadState=not-found");
    assert_eq!(systemd.nopipe(&[]).end, End::Exit(3));
    systemd.systemctl("echo Id=game.service; echo LoadState=masked");
    assert_eq!(systemd.nopipe(&[]).end, End::Exit(8));
    systemd.systemctl("echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    assert_eq!(systemd.nopipe(&[]).end, End::Exit(7));
    assert_eq!(systemd.nopipe(&["--print", "--install"]).end, End::Exit(2));
}
