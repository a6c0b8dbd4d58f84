//! `nopipe dropin` with a stand-in for systemctl. tests/tests/systemd runs it in a real systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::run::{End, Outcome, run};
use nopipe_tests::suite::{Need, Row, Suite};
use nopipe_tests::{Profile, library, scratch_dir};
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
    (
        "dropin: what the library does not fit is refused",
        &[],
        what_does_not_fit_is_refused,
    ),
    (
        "dropin: SIGPIPE stays ignored where nothing is proved",
        &[],
        sigpipe_stays_ignored_where_nothing_is_proved,
    ),
    ("dropin: several units, one reload", ANALYZE, several_units),
    (
        "dropin: --check, --list, --remove --all",
        ANALYZE,
        check_list_remove_all,
    ),
    ("dropin: --set", &[], settings),
    ("dropin: EnvironmentFile= sets LD_PRELOAD", ANALYZE, environment_files),
    (
        "dropin: parts of the system and patterns are refused",
        &[],
        parts_of_the_system,
    ),
    (
        "dropin: a unit's own preload, changed since",
        ANALYZE,
        own_preload_changed_since,
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
            "Id=game.service\nLoadState=loaded\nFragmentPath={}\n{shown}\n{}",
            unit.display(),
            match shown.contains("ExecStart=") {
                true => "",
                false => "ExecStart={ path=/bin/sleep ; argv[]=/bin/sleep 60 ; ignore_errors=no }",
            }
        );
        systemd.systemctl(&format!("cat <<'END'\n{shown}\nEND"));
        fs::copy(&library(Profile::Release).path, systemd.path("libnopipe.so")).unwrap();
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
        let library = self.path("libnopipe.so");
        self.dropin_command(&[&["game", "--library", library.to_str().unwrap()], args].concat())
    }

    /// `nopipe dropin --user` with these arguments.
    fn dropin_command(&self, args: &[&str]) -> Outcome {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_nopipe"));
        command.args(["dropin", "--user"]).args(args);
        command
            .env("PATH", path)
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_RUNTIME_DIR", self.0.path());
        // A scratch folder is closed to other users, and `--install` refuses a library that not every user can read.
        fs::set_permissions(self.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        run(&mut command, PATIENCE).unwrap()
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

/// A unit that runs this command.
fn running(command: &str) -> Systemd {
    let path = command.split(' ').next().unwrap();
    Systemd::with_unit(
        "",
        &format!("Type=simple\nRestart=no\nExecStart={{ path={path} ; argv[]={command} ; ignore_errors=no }}"),
    )
}

/// A copy of /bin/sleep with the byte at `at` changed.
fn sleep_with(name: &str, at: usize, byte: u8) -> (TempDir, String) {
    let folder = scratch_dir("dropin");
    let path = folder.path().join(name);
    let mut data = fs::read("/bin/sleep").unwrap();
    data[at] = byte;
    fs::write(&path, data).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn what_does_not_fit_is_refused() {
    // e_machine, elf(5), of an aarch64 program.
    let (_folder, foreign) = sleep_with("foreign", 18, 183);
    let clearing = format!("/usr/bin/env -i {}", "/bin/sleep");
    for (command, why) in [
        (foreign.as_str(), "a program for aarch64"),
        (clearing.as_str(), "empty environment"),
    ] {
        let systemd = running(command);
        let outcome = systemd.nopipe(&["--install"]);
        assert_eq!(outcome.end, End::Exit(8), "{command}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(why), "{command}: {}", outcome.stderr);
        assert!(!systemd.dropin().exists());
    }
    let systemd = running("/bin/sleep 60");
    for wrong in ["/etc/passwd", "/bin/sleep"] {
        let outcome = systemd.dropin_command(&["game", "--install", "--library", wrong]);
        assert_eq!(outcome.end, End::Exit(8), "{wrong}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("not libnopipe.so"), "{}", outcome.stderr);
        assert!(!systemd.dropin().exists());
    }
}

fn sigpipe_stays_ignored_where_nothing_is_proved() {
    let folder = scratch_dir("dropin");
    let script = folder.path().join("start.sh");
    fs::write(&script, "#!/bin/sh\nexec /opt/game\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let missing = folder.path().join("missing");
    let ignores = |systemd: &Systemd, args: &[&str]| {
        let outcome = systemd.nopipe(args);
        assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("LD_PRELOAD="));
        !outcome.stdout.lines().any(|line| line == "IgnoreSIGPIPE=no")
    };
    for path in [&script, &missing] {
        let systemd = running(path.to_str().unwrap());
        assert!(ignores(&systemd, &[]), "{}", path.display());
        assert!(!ignores(&systemd, &["--force"]));
    }
    // Each of these may run something that loads nothing, or runs it elsewhere.
    for command in [
        "/bin/sh -c sleep 5; exec /opt/game",
        "/usr/sbin/chroot /jail /bin/sleep 60",
        "/usr/bin/setarch x86_64 /bin/sleep 60",
        "/usr/bin/xargs /bin/sleep",
        "/usr/sbin/runuser -l joe -c game",
        "/usr/bin/env -iv /bin/sleep 60",
        "/usr/bin/env LD_PRELOAD=/none/libnopipe.so /bin/sleep 60",
        "/usr/bin/env PATH=/opt sleep 60",
        "/usr/bin/env sleep 60",
        "/usr/bin/timeout 60 /bin/cat /bin/true",
    ] {
        assert!(ignores(&running(command), &[]), "{command}");
    }
    for command in [
        "/bin/sleep 60",
        "/usr/bin/env A=1 /bin/sleep 60",
        "/usr/bin/nice -n 5 /bin/sleep 60",
    ] {
        let systemd = running(command);
        assert!(!ignores(&systemd, &[]), "{command}");
        assert!(ignores(&systemd, &["--observe"]), "{command}");
    }
}

/// Two units, each with its own name.
fn two_units() -> Systemd {
    let systemd = Systemd::with_unit("", "");
    let unit = systemd.path("units/other.service");
    fs::write(&unit, "[Service]\nExecStart=/bin/sleep 60\n").unwrap();
    let (units, start) = (
        systemd.path("units"),
        "ExecStart={ path=/bin/sleep ; argv[]=/bin/sleep 60 ; ignore_errors=no }",
    );
    systemd.systemctl(&format!(
        "for last; do :; done\necho \"Id=$last\"\necho LoadState=loaded\necho \"FragmentPath={}/$last\"\necho Type=simple\n\
         echo Restart=no\necho '{start}'",
        units.display()
    ));
    systemd
}

fn reloads(systemd: &Systemd) -> usize {
    let commands = fs::read_to_string(systemd.path("commands")).unwrap_or_default();
    commands.lines().filter(|line| line.contains("daemon-reload")).count()
}

fn several_units() {
    let systemd = two_units();
    let library = systemd.path("libnopipe.so");
    let library = library.to_str().unwrap();
    let outcome = systemd.dropin_command(&["game", "other", "--install", "--library", library]);
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    assert_eq!(
        outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with("installed "))
            .count(),
        2
    );
    assert_eq!(reloads(&systemd), 1);
    // One of them is not fit: nothing is written.
    assert_eq!(systemd.dropin_command(&["--remove", "--all"]).end, End::Exit(0));
    let outcome = systemd.dropin_command(&["game", "systemd-journald", "--install", "--library", library]);
    assert_eq!(outcome.end, End::Exit(8), "{}", outcome.stderr);
    assert!(!systemd.dropin().exists());
}

fn check_list_remove_all() {
    let systemd = two_units();
    let library = systemd.path("libnopipe.so");
    let with = |args: &[&str]| systemd.dropin_command(&[args, &["--library", library.to_str().unwrap()]].concat());
    assert_eq!(with(&["game", "other", "--check"]).end, End::Exit(9));
    assert_eq!(systemd.dropin_command(&["--list"]).stdout, "");
    assert_eq!(with(&["game", "--install"]).end, End::Exit(0));
    assert_eq!(with(&["game", "--check"]).end, End::Exit(0));
    let outcome = with(&["game", "other", "--check"]);
    assert_eq!(outcome.end, End::Exit(9));
    assert!(
        outcome.stderr.contains("would change: other.service"),
        "{}",
        outcome.stderr
    );
    // Nothing changes: systemd is left alone.
    assert_eq!(reloads(&systemd), 1);
    assert_eq!(with(&["game", "--install"]).stdout, "unchanged game.service\n");
    assert_eq!(reloads(&systemd), 1);
    assert_eq!(with(&["game", "--check", "--set", "rate=5/1"]).end, End::Exit(9));
    let listed = systemd.dropin_command(&["--list"]).stdout;
    assert_eq!(listed, format!("game.service {}\n", systemd.dropin().display()));
    assert_eq!(systemd.dropin_command(&["--remove", "--all"]).end, End::Exit(0));
    assert_eq!(systemd.dropin_command(&["--list"]).stdout, "");
    assert_eq!(
        systemd.dropin_command(&["--remove", "--all"]).stdout,
        "nothing to remove\n"
    );
    assert_eq!(reloads(&systemd), 2);
    assert_eq!(systemd.dropin_command(&["--all"]).end, End::Exit(2));
    assert_eq!(systemd.dropin_command(&[]).end, End::Exit(2));
}

fn settings() {
    let systemd = running("/bin/sleep 60");
    let printed = systemd
        .nopipe(&["--set", "NOPIPE_RATE=5/1", "--set", "NOPIPE_LOG=file:/var/log/%p"])
        .stdout;
    for line in [
        "Environment=\"NOPIPE_RATE=5/1\"",
        "Environment=\"NOPIPE_LOG=file:/var/log/%%p\"",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    for wrong in ["NOPIPE_RATE=x", "PATH=/bin", "NOPIPE_RATE", "NOPIPE_ONLY=a\nUser=root"] {
        let outcome = systemd.nopipe(&["--set", wrong]);
        assert_eq!(outcome.end, End::Exit(2), "{wrong}: {}", outcome.stderr);
    }
}

fn environment_files() {
    for (text, status) in [
        (&b"A=1\n"[..], 0),
        (b"LD_PRELOAD=libnopipe.so\nLD_PRELOAD=\n", 8),
        (b"\xffLD_PRELOAD=other.so\n", 8),
        (b"LD_PRELOAD=/none/libnopipe.so.old\n", 8),
        (b" LD_PRELOAD = other.so\n", 8),
    ] {
        let systemd = Systemd::with_unit("", "Type=simple\nRestart=no");
        let file = systemd.path("environment");
        fs::write(&file, text).unwrap();
        let path = systemd.path("bin/systemctl");
        let script = fs::read_to_string(&path).unwrap();
        let line = format!("EnvironmentFiles={} (ignore_errors=no)\nEND", file.display());
        fs::write(&path, script.replacen("END\n;;", &format!("{line}\n;;"), 1)).unwrap();
        let outcome = systemd.nopipe(&["--install"]);
        assert_eq!(
            outcome.end,
            End::Exit(status),
            "{}: {}",
            text.escape_ascii(),
            outcome.stderr
        );
    }
}

fn parts_of_the_system() {
    let systemd = two_units();
    let library = systemd.path("libnopipe.so");
    let library = library.to_str().unwrap();
    for unit in [
        "systemd-journald",
        "dbus",
        "user@1000",
        "getty@tty1",
        "systemd-logind.service",
    ] {
        let outcome = systemd.dropin_command(&[unit, "--install", "--library", library]);
        assert_eq!(outcome.end, End::Exit(8), "{unit}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("part of the system"),
            "{unit}: {}",
            outcome.stderr
        );
    }
    for pattern in ["ng*", "a?", "[ab]"] {
        let outcome = systemd.dropin_command(&[pattern, "--install", "--library", library]);
        assert_eq!(outcome.end, End::Exit(2), "{pattern}: {}", outcome.stderr);
    }
    assert_eq!(reloads(&systemd), 0);
}

fn own_preload_changed_since() {
    let systemd = Systemd::with_unit(
        "",
        "Type=simple\nRestart=no\nEnvironment=LD_PRELOAD=/x/libnopipe.so:libold.so",
    );
    let ours = systemd.dropin();
    // What systemctl cat shows: the unit preloads another library now, and our drop-in the old one still.
    let path = systemd.path("bin/systemctl");
    let script = fs::read_to_string(&path).unwrap();
    let files = format!(
        "# /units/game.service\n[Service]\nEnvironment=LD_PRELOAD=libnew.so\n\n# {}\n[Service]\nEnvironment=\"LD_PRELOAD=/x/libnopipe.so:libold.so\"",
        ours.display()
    );
    fs::write(
        &path,
        script.replace(
            "case $2 in\n",
            &format!("case $2 in\ncat) cat <<'END'\n{files}\nEND\n;;\n"),
        ),
    )
    .unwrap();
    let printed = systemd.nopipe(&[]).stdout;
    let line = format!(
        "Environment=\"LD_PRELOAD={}:libnew.so\"",
        systemd.path("libnopipe.so").display()
    );
    assert!(printed.lines().any(|printed| printed == line), "{printed}");
    assert!(!printed.contains("libold.so"));
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
