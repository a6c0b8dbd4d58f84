//! The files of `/proc/PID`, as bytes: what a user may choose (names, paths) need not be UTF-8.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};

use nopipe_core::library;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};

/// signal(7), on every CPU that we know.
const SIGPIPE: u32 = 13;
/// The longest file that is read whole, in bytes. `comm` has 16, `status` about 1500.
const LARGEST: u64 = 1 << 16;
/// As much of an environment is read: the kernel's limit for one string is 128 KiB, for all a few MiB.
const LARGEST_ENVIRON: u64 = 8 << 20;
/// The longest line of `maps` that is read: a path of PATH_MAX bytes, each of them escaped, and the numbers before it.
const LONGEST_LINE: u64 = 4 * 4096 + 256;
/// As many copies of the library are looked at in one process.
const COPIES: usize = 8;

/// The folder `/proc/PID`, open: it stays that of the same process when the number is used again.
pub struct Folder {
    folder: OwnedFd,
}

/// What `/proc/PID/status` says, see proc_pid_status(5).
pub struct Status {
    /// Real, effective, saved and file system user.
    pub users: Vec<u32>,
    /// The process's number in its own pid namespace.
    pub own_pid: Option<u32>,
    /// It has ended, and its parent has not waited for it.
    pub is_zombie: bool,
    /// It is a thread of the kernel.
    pub is_kernel_thread: bool,
    pub signals: Signals,
    /// It is under a seccomp filter.
    pub is_filtered: bool,
}

/// What a process does with SIGPIPE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Signals {
    pub ignored: bool,
    pub caught: bool,
    /// By its first thread.
    pub blocked: bool,
}

impl Folder {
    pub fn open(pid: i32) -> io::Result<Folder> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
        Ok(Folder { folder })
    }

    /// One of its files, for reading.
    pub fn file(&self, name: &str) -> io::Result<File> {
        let file = openat(&self.folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(file.into())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(name)?.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The process's name as ps(1) shows it: whatever it has chosen.
    pub fn name(&self) -> io::Result<Vec<u8>> {
        let mut name = self.read("comm")?;
        name.pop_if(|&mut last| last == b'\n');
        Ok(name)
    }

    pub fn status(&self) -> io::Result<Status> {
        Ok(parse_status(&self.read("status")?))
    }

    /// The environment as it was when the program started, or as it has overwritten it since.
    pub fn environment(&self) -> io::Result<Vec<u8>> {
        let mut environ = Vec::new();
        self.file("environ")?.take(LARGEST_ENVIRON).read_to_end(&mut environ)?;
        Ok(environ)
    }

    /// The value of a variable as it was when the program started; the program may have changed it since.
    pub fn variable(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let environ = self.environment()?;
        let mut variables = environ.split(|&b| b == 0);
        let value = variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        Ok(value.map(<[u8]>::to_vec))
    }

    /// The first argument, as the program was started with it, or as it has changed it since.
    pub fn first_argument(&self) -> io::Result<Vec<u8>> {
        let arguments = self.read("cmdline")?;
        Ok(arguments.split(|&b| b == 0).next().unwrap_or(&[]).to_vec())
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.status().map_or(true, |status| status.is_zombie)
    }

    /// The address at which each copy of the library begins, up to eight of them.
    pub fn libraries(&self) -> io::Result<Vec<u64>> {
        libraries(BufReader::new(self.file("maps")?))
    }
}

/// The numbers of all processes.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn running() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    Ok(entries.filter_map(number).collect())
}

fn parse_status(bytes: &[u8]) -> Status {
    // A process's name cannot forge a line: the kernel escapes what is in it.
    let value = |name: &[u8]| bytes.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(name));
    let numbers = |name: &[u8]| -> Vec<u32> {
        let text = value(name).and_then(|text| str::from_utf8(text).ok()).unwrap_or("");
        text.split_ascii_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    let has_sigpipe = |name: &[u8]| {
        let set = value(name).and_then(|text| str::from_utf8(text.trim_ascii()).ok());
        set.and_then(|set| u64::from_str_radix(set, 16).ok())
            .is_some_and(|set| set >> (SIGPIPE - 1) & 1 == 1)
    };
    Status {
        signals: Signals {
            ignored: has_sigpipe(b"SigIgn:"),
            caught: has_sigpipe(b"SigCgt:"),
            blocked: has_sigpipe(b"SigBlk:"),
        },
        is_filtered: numbers(b"Seccomp:").first().is_some_and(|&mode| mode > 0),
        is_kernel_thread: value(b"VmSize:").is_none() && numbers(b"Kthread:").first() != Some(&0),
        users: numbers(b"Uid:"),
        // The last one is the innermost.
        own_pid: numbers(b"NSpid:").last().copied(),
        is_zombie: value(b"State:").is_some_and(|state| matches!(state.trim_ascii().first(), Some(b'Z' | b'X'))),
    }
}

fn libraries(mut maps: impl BufRead) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    while found.len() < COPIES {
        line.clear();
        if maps.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        found.extend(library_in(line.trim_ascii_end()));
    }
    Ok(found)
}

/// The address of the mapping in this line of `maps` if it is the beginning of a copy of the library,
/// see proc_pid_maps(5).
fn library_in(line: &[u8]) -> Option<u64> {
    let mut fields = line.splitn(6, |&b| b == b' ');
    let address = str::from_utf8(fields.next()?).ok()?.split('-').next()?;
    let offset = str::from_utf8(fields.nth(1)?).ok()?;
    let path = fields.nth(2)?.trim_ascii_start();
    let name = &path[path.iter().rposition(|&b| b == b'/')? + 1..];
    let begins = u64::from_str_radix(offset, 16) == Ok(0) && library::is_library(&String::from_utf8_lossy(name));
    begins.then(|| u64::from_str_radix(address, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings() {
        let found = |path: &[u8], offset: &str| {
            let start = format!("7f0000000000-7f0000001000 r--p {offset} 08:01 42                         ");
            libraries(&[start.as_bytes(), path, b"\n"].concat()[..]).unwrap()
        };
        for path in [
            &b"/usr/lib/libnopipe.so"[..],
            b"/a b/libnopipe.so (deleted)",
            b"/usr/lib/libnopipe.so.old",
            b"/\xff/libnopipe.so.\xff",
        ] {
            assert_eq!(found(path, "00000000"), [0x7f00_0000_0000], "{path:?}");
        }
        assert!(found(b"/usr/lib/libnopipe.so", "00001000").is_empty());
        assert!(found(b"/usr/lib/libnopipes.so", "00000000").is_empty());
        assert!(found(b"[stack]", "00000000").is_empty());
    }

    #[test]
    fn many_mappings() {
        let line = b"1000-2000 r--p 00000000 08:01 42   /libnopipe.so\n";
        assert_eq!(libraries(&line.repeat(100)[..]).unwrap().len(), COPIES);
        let endless = b"x".repeat(1 << 20);
        assert!(libraries(&endless[..]).unwrap().is_empty());
    }

    #[test]
    fn status() {
        let text = b"Name:\t\xff\\nUid:\t0\nState:\tZ (zombie)\nUid:\t1\t2\t3\t4\nNSpid:\t42\t7\n";
        let status = parse_status(text);
        assert_eq!(
            (status.users, status.own_pid, status.is_zombie),
            (vec![1, 2, 3, 4], Some(7), true)
        );
        // SIGPIPE is bit 12.
        let text = b"SigBlk:\t0000000000001000\nSigIgn:\t0000000000000fff\nSigCgt:\t000000010000f000\nSeccomp:\t2\n";
        let status = parse_status(text);
        let Signals {
            ignored,
            caught,
            blocked,
        } = status.signals;
        assert_eq!(
            (ignored, caught, blocked, status.is_filtered),
            (false, true, true, true)
        );
        let own = Folder::open(std::process::id().cast_signed()).unwrap();
        assert!(!own.status().unwrap().is_kernel_thread);
        // Rust's programs ignore SIGPIPE.
        assert!(own.status().unwrap().signals.ignored);
        assert_eq!(
            own.variable("PATH").unwrap().is_some(),
            std::env::var_os("PATH").is_some()
        );
        assert_eq!(own.variable("PAT").unwrap(), None);
        assert!(!own.has_ended() && own.status().unwrap().own_pid == Some(std::process::id()));
    }
}
