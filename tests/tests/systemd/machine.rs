//! A real systemd, the one of the host's Debian, booted in a container: its own processes, network and journal.
//!
//! debootstrap makes the root file system once. It is kept in cargo's target folder, and no run changes it: the container
//! writes to an overlay in memory. A boot takes half a second.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use nopipe_tests::namespace::own_mounts;
use nopipe_tests::run::{End, Process, run};
use nopipe_tests::scratch_dir;
use nopipe_tests::suite::Need;
use nopipe_tests::wait;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tempfile::TempDir;

/// For a command inside the container, and for its boot.
const TIMEOUT: Duration = Duration::from_secs(30);

/// For debootstrap, which downloads 70 packages and installs them: 50 to 120 seconds.
const DEBOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(400);

/// Needed to boot; the last check makes the root file system, the first time.
pub const NEEDS: &[Need] = &[
    Need::Root,
    Need::OwnMounts,
    Need::Program("systemd-nspawn", "systemd-container"),
    Need::Program("journalctl", "systemd"),
    Need::Program("debootstrap", "debootstrap"),
    Need::Program("apt-get", "apt"),
    Need::Program("nsenter", "util-linux"),
    Need::Other(has_cgroup),
    Need::Other(has_root),
];

/// The first lines of both scripts: a cgroup of version 2 for the container.
const CGROUP: &str = r#"[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
cgroup=/sys/fs/cgroup/nopipe-test-$1
"#;

/// Arguments: a number for the cgroup, the root file system, the folder for the journal.
const BOOT: &str = "mkdir $cgroup
echo $$ >$cgroup/cgroup.procs
mount -t tmpfs tmpfs /run
exec systemd-nspawn --directory=\"$2\" --bind=\"$3\":/var/log/journal --boot --quiet --register=no --keep-unit \\
    --private-network --console=pipe --volatile=overlay --link-journal=no --resolv-conf=off --timezone=off
";

const REMOVE_CGROUP: &str = "find $cgroup -depth -type d -exec rmdir {} +";

fn has_cgroup() -> Result<(), String> {
    static CHECK: OnceLock<Result<(), String>> = OnceLock::new();
    let check = || match output(with_cgroup("").arg("-")) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("needs cgroup version 2: {error}")),
    };
    CHECK.get_or_init(check).clone()
}

fn has_root() -> Result<(), String> {
    match root() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("needs the container's root file system: {error}")),
    }
}

/// The root file system; the first time it is made.
///
/// # Errors
/// The last lines of debootstrap.
pub fn root() -> Result<&'static Path, String> {
    static ROOT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    ROOT.get_or_init(make_root).as_deref().map_err(String::clone)
}

fn make_root() -> Result<PathBuf, String> {
    let codename = host_codename().map_err(|error| error.to_string())?;
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = cache.join(format!("systemd-{codename}"));
    let lock = File::create(cache.join("systemd.lock")).map_err(|error| error.to_string())?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
    if root.is_dir() {
        return Ok(root);
    }
    println!("making {} with debootstrap, once (a minute or two)", root.display());
    let partial = cache.join("systemd-partial");
    match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(format!("{}: {error}", partial.display())),
        _ => {}
    }
    let mut debootstrap = own_mounts("debootstrap");
    debootstrap
        .args(["--variant=minbase", "--include=systemd,systemd-sysv,dbus", &codename])
        .arg(&partial)
        .arg(mirror(&codename)?);
    output_within(&mut debootstrap, DEBOOTSTRAP_TIMEOUT)?;
    fs::rename(&partial, &root).map_err(|error| error.to_string())?;
    Ok(root)
}

/// Such as `bookworm`. Library and server are built outside, so the libc inside must be the same.
fn host_codename() -> io::Result<String> {
    let release = fs::read_to_string("/etc/os-release")?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    codename
        .map(String::from)
        .ok_or_else(|| io::Error::other("/etc/os-release names no VERSION_CODENAME"))
}

/// The archive from which this machine installs its own packages.
fn mirror(codename: &str) -> Result<String, String> {
    let release = format!("Codename: {codename}");
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(REPO_URI)", &release, "Component: main"]);
    let mirrors = output(&mut command)?;
    mirrors
        .lines()
        .next()
        .map(String::from)
        .ok_or_else(|| format!("apt knows no archive of {codename}"))
}

/// A booted container. It ends with this process, but [`Machine::halt`] also removes its cgroup.
pub struct Machine {
    nspawn: Process,
    /// Its pid 1, as the host numbers it.
    leader: u32,
    /// Holds the journal.
    state: TempDir,
}

impl Machine {
    /// Boots, and waits until everything has started.
    pub fn boot(root: &Path) -> Result<Machine, String> {
        let state = scratch_dir("systemd");
        let console = state.path().join("console");
        let start = || {
            fs::create_dir(state.path().join("journal"))?;
            let file = File::create(&console)?;
            let mut command = with_cgroup(BOOT);
            command.arg(cgroup_number()).arg(root).arg(state.path().join("journal"));
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
            Process::spawn(&mut command)
        };
        let mut nspawn = start().map_err(|error| error.to_string())?;
        let leader = wait_for("a container's pid 1", || match nspawn.is_alive() {
            true => Ok(child_named(nspawn.id(), "systemd")),
            false => Err(fs::read_to_string(&console).unwrap_or_default()),
        })?;
        let machine = Machine { nspawn, leader, state };
        wait_for("systemd to have started", || {
            let started = machine.run("systemctl is-system-running");
            Ok(started.ok().filter(|state| state.trim() == "running"))
        })?;
        Ok(machine)
    }

    /// Runs the words of `line` inside; returns its standard output.
    pub fn run(&self, line: &str) -> Result<String, String> {
        let leader = self.leader.to_string();
        let mut command = Command::new("nsenter");
        command.args(["-m", "-u", "-i", "-n", "-p", "-C", "-t", &leader]);
        output(command.args(line.split(' ')))
    }

    /// Puts a file inside.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), String> {
        let explain = |error| format!("{path}: {error}");
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(explain)?;
        fs::write(&path, content).map_err(explain)
    }

    /// Puts a program or a library of the host inside.
    pub fn install(&self, from: &Path, to: &str) -> Result<(), String> {
        let content = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
        self.write(to, content)?;
        fs::set_permissions(self.path(to), PermissionsExt::from_mode(0o755)).map_err(|error| error.to_string())
    }

    /// A path inside, as the host sees it.
    fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.leader))
    }

    /// Does `work` in the container's network, in a thread of its own: the thread does not leave that network.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.leader))?;
        let enter = || move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter()?;
                work()
            });
            thread.join().map_err(|_| io::Error::other("panicked"))?
        })
    }

    /// The journal's entries, read from outside, that match `matches`, such as `_SYSTEMD_UNIT=x.service`.
    pub fn journal(&self, matches: &[&str]) -> Result<Vec<Value>, String> {
        self.run("journalctl --sync")?;
        let mut command = Command::new("journalctl");
        command.args(["--output=json", "--all", "--quiet", "--directory"]);
        command.arg(self.state.path().join("journal")).args(matches);
        let lines = output(&mut command)?;
        let parse = |line: &str| serde_json::from_str(line).map_err(|error| format!("{error}: {line}"));
        lines.lines().map(parse).collect()
    }

    /// Shuts the container down and removes its cgroup.
    pub fn halt(mut self) -> Result<(), String> {
        let nspawn = Pid::from_raw(self.nspawn.id() as i32).ok_or("no pid")?;
        kill_process(nspawn, Signal::TERM).map_err(|error| error.to_string())?;
        let end = self.nspawn.wait(TIMEOUT).map_err(|error| error.to_string())?;
        output(with_cgroup(REMOVE_CGROUP).arg(cgroup_number()))?;
        match end {
            Some(_) => Ok(()),
            None => Err("the container did not halt".to_string()),
        }
    }
}

/// Calls `look` until it finds something; at most for [`TIMEOUT`].
///
/// # Errors
/// The error of `look`, or that nothing was found in time.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    wait::wait_for(TIMEOUT, || look().transpose()).unwrap_or_else(|| Err(format!("waited in vain for {what}")))
}

/// Names this run's cgroup: two runs at the same time have two.
fn cgroup_number() -> String {
    std::process::id().to_string()
}

/// A shell script in a mount namespace of its own; its first argument is the number of its cgroup.
fn with_cgroup(script: &str) -> Command {
    let mut command = own_mounts("sh");
    command.arg("-ec").arg([CGROUP, script].concat()).arg("sh");
    command
}

/// The child of `parent` whose name is `name`.
fn child_named(parent: u32, name: &str) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.find(|child| fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|comm| comm.trim_end() == name))
}

fn output(command: &mut Command) -> Result<String, String> {
    output_within(command, TIMEOUT)
}

/// The standard output of a command that succeeds.
fn output_within(command: &mut Command, timeout: Duration) -> Result<String, String> {
    let outcome = run(command, timeout).map_err(|error| format!("{command:?}: {error}"))?;
    match outcome.end {
        End::Exit(0) => Ok(outcome.stdout),
        end => {
            let written = [outcome.stdout, outcome.stderr].concat();
            let last: Vec<&str> = written.lines().rev().take(5).collect();
            Err(format!("{command:?}: {end}: {last:?}"))
        }
    }
}
