//! What a command really runs, and whether that loads a preloaded library, see ld.so(8) and execve(2).
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`wrapper`] | programs that run another one: which |
//! | [`elf`] | what a program's file says of itself |

pub mod elf;
mod wrapper;

use std::env;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use elf::Elf;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use wrapper::Behind;

/// The kernel goes through as many scripts; and no sane command has more wrappers than this.
const DEEPEST: usize = 16;
const SHELLS: &[&str] = &[
    "sh", "dash", "bash", "rbash", "ash", "ksh", "ksh93", "rksh", "mksh", "lksh", "zsh", "yash", "posh", "csh", "tcsh",
    "fish", "busybox",
];
/// As much of a script's first line is looked at: BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h.
const FIRST_LINE: usize = 256;

/// What a command runs at the end, by way of scripts and wrappers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The program whose code runs.
    pub path: PathBuf,
    /// Through which programs and scripts it is run, the first one first.
    pub through: Vec<PathBuf>,
    pub elf: Elf,
    /// It is a shell: which programs its script starts is not known.
    pub is_shell: bool,
    /// What keeps a library that LD_PRELOAD names out of it, whatever library that is.
    pub obstacle: Option<Obstacle>,
}

/// Why a program loads nothing that LD_PRELOAD names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// It has no dynamic linker.
    Static {
        /// It was built by Go.
        is_go: bool,
    },
    /// It runs with more rights than its caller: the linker drops LD_PRELOAD (AT_SECURE).
    Privileged(&'static str),
    /// A program on the way to it takes LD_PRELOAD away.
    Cleared {
        by: PathBuf,
        /// How, and what to do instead.
        how: String,
    },
}

impl Obstacle {
    /// A sentence without its subject, the program.
    pub fn says(&self) -> String {
        match self {
            Obstacle::Static { is_go: true } => {
                "is a Go program, linked statically: it loads no shared library".to_owned()
            }
            Obstacle::Static { is_go: false } => "is linked statically: it loads no shared library".to_owned(),
            Obstacle::Privileged(why) => format!("{why}: the dynamic linker ignores LD_PRELOAD"),
            Obstacle::Cleared { by, how } => format!("gets no LD_PRELOAD, because {} runs it: {how}", by.display()),
        }
    }
}

/// Why it is not known what a command runs.
#[derive(Debug)]
pub enum Unknown {
    /// A file cannot be found or read.
    File(PathBuf, io::Error),
    /// It is there, and the kernel would not run it.
    NoProgram(PathBuf, &'static str),
    /// It runs another program, and which is not known: why.
    Launcher(PathBuf, &'static str),
    /// A name that is no absolute path, in a unit: its PATH and its folder are not this program's.
    NotAbsolute(String),
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unknown::File(path, error) if error.kind() == io::ErrorKind::NotFound => {
                write!(f, "{}: no such program", path.display())
            }
            Unknown::File(path, error) => write!(f, "{}: {error}", path.display()),
            Unknown::NoProgram(path, why) | Unknown::Launcher(path, why) => write!(f, "{}: {why}", path.display()),
            Unknown::NotAbsolute(name) => write!(f, "{name}: not looked for in the unit's PATH"),
        }
    }
}

/// What `command` runs below the folder `root`, which is `/` for this program's own root: a program, by its path or by a
/// name that is looked up in `PATH`, and its arguments.
///
/// # Errors
/// [`Unknown`]: it is not known, because a file is not there, or not to be read, or the kernel would not run it.
pub fn look(command: &[String], root: &Path) -> Result<Program, Unknown> {
    follow(command, root, false)
}

/// The same of a unit's command, whose arguments systemctl has not quoted. What depends on the unit's own PATH or folder is
/// not known, and what starts another program that is not followed is not either.
///
/// # Errors
/// As [`look`].
pub fn look_in_unit(command: &[String], root: &Path) -> Result<Program, Unknown> {
    follow(command, root, true)
}

fn follow(command: &[String], root: &Path, is_units: bool) -> Result<Program, Unknown> {
    let mut command = command.to_vec();
    let mut through = Vec::new();
    let mut cleared = None;
    for _ in 0..DEEPEST {
        let name = command.first().map_or("", String::as_str);
        if is_units && !name.starts_with('/') {
            return Err(Unknown::NotAbsolute(name.to_owned()));
        }
        let path = find(name, root)?;
        let in_file = |error| Unknown::File(path.clone(), error);
        let file = open(root, &path).map_err(in_file)?;
        let data = file.metadata().map_err(in_file)?;
        if !is_executable(&data) {
            return Err(Unknown::NoProgram(path, "not an executable file"));
        }
        if let Some([interpreter, argument]) = interpreter(&file).map_err(in_file)? {
            // The kernel passes on the script's path, and everything after it.
            let script = path.to_string_lossy().into_owned();
            let rest = command.split_off(1);
            let argument = Some(argument).filter(|argument| !argument.is_empty());
            command = [interpreter]
                .into_iter()
                .chain(argument)
                .chain([script])
                .chain(rest)
                .collect();
            through.push(path);
            continue;
        }
        let privilege = privilege(&file, &data);
        let Some(elf) = Elf::read(file) else {
            return Err(Unknown::NoProgram(path, "neither a program nor a script"));
        };
        match wrapper::behind(&command, is_units) {
            None => {}
            Some(Behind::Unknown(why)) => return Err(Unknown::Launcher(path, why)),
            Some(Behind::Runs { command: other, clears }) => {
                let secure = privilege.map(|why| format!("it {why}, and the dynamic linker takes LD_PRELOAD away"));
                if let Some(how) = clears.map(str::to_owned).or(secure) {
                    cleared = Some(Obstacle::Cleared { by: path.clone(), how });
                }
                command = other;
                through.push(path);
                continue;
            }
        }
        if is_units && runs_another(&command, &through, root) {
            return Err(Unknown::Launcher(
                path,
                "one of its arguments is a program, which it may start",
            ));
        }
        let is_shell = path
            .file_name()
            .is_some_and(|name| SHELLS.iter().any(|shell| name == *shell));
        let obstacle = match (&elf.linker, privilege) {
            (None, _) => Some(Obstacle::Static { is_go: elf.is_go }),
            (_, Some(why)) => Some(Obstacle::Privileged(why)),
            _ => cleared,
        };
        return Ok(Program {
            path,
            through,
            elf,
            is_shell,
            obstacle,
        });
    }
    Err(Unknown::NoProgram(
        command.first().into_iter().collect(),
        "runs itself for ever",
    ))
}

/// Whether an argument is the path of an executable file, other than the scripts that led here.
fn runs_another(command: &[String], through: &[PathBuf], root: &Path) -> bool {
    let mut paths = command.iter().skip(1).map(Path::new).filter(|path| path.is_absolute());
    paths.any(|path| {
        let is_script = through.iter().any(|script| script == path);
        let data = open(root, path).and_then(|file| file.metadata());
        !is_script && data.is_ok_and(|data| is_executable(&data))
    })
}

/// Opens a file as a process whose root is `root` would.
fn open(root: &Path, path: &Path) -> io::Result<File> {
    // Not for a FIFO: that would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    if root == Path::new("/") {
        return Ok(openat(CWD, path, flags, Mode::empty())?.into());
    }
    let root = openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    Ok(openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?.into())
}

fn is_executable(data: &Metadata) -> bool {
    data.is_file() && data.permissions().mode() & 0o111 != 0
}

/// The file of a program's name, as execvp(3) finds it.
fn find(name: &str, root: &Path) -> Result<PathBuf, Unknown> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let folders =
        env::var_os("PATH").unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    let is_program = |path: &PathBuf| {
        let data = open(root, path).and_then(|file| file.metadata());
        data.is_ok_and(|data| is_executable(&data))
    };
    let mut paths = env::split_paths(&folders).map(|folder| folder.join(name));
    let found = paths.find(is_program).filter(|_| !name.is_empty());
    found.ok_or_else(|| Unknown::File(name.into(), io::ErrorKind::NotFound.into()))
}

/// The interpreter of a script and its argument, which may be empty; `None` if the file is no script.
fn interpreter(file: &File) -> io::Result<Option<[String; 2]>> {
    let mut begin = [0; FIRST_LINE];
    let length = file.read_at(&mut begin, 0)?;
    let Some(line) = begin[..length].strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line.split(|&b| b == b'\n').next().unwrap_or(line).trim_ascii();
    let end = line
        .iter()
        .position(|b| matches!(b, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(end);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    Ok((!interpreter.is_empty()).then(|| [text(interpreter), text(argument)]))
}

/// What makes the kernel run the file with more rights than its caller has.
fn privilege(file: &File, data: &Metadata) -> Option<&'static str> {
    let mode = data.permissions().mode();
    // Without the group's execute bit it means something else, inode(7).
    if mode & 0o4000 != 0 || mode & 0o2010 == 0o2010 {
        return Some("is setuid or setgid");
    }
    let has_capabilities = rustix::fs::fgetxattr(file, "security.capability", &mut [0; 64][..]).is_ok();
    has_capabilities.then_some("has file capabilities")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn program(command: &[&str]) -> Program {
        look(
            &command.iter().map(ToString::to_string).collect::<Vec<_>>(),
            Path::new("/"),
        )
        .unwrap()
    }

    fn script(text: &str, mode: u32) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        // Closed: a file that is open for writing cannot be run.
        file.into_temp_path()
    }

    #[test]
    fn a_program() {
        let own = env::current_exe().unwrap();
        let found = program(&[own.to_str().unwrap()]);
        assert_eq!((found.path, found.through.len(), found.obstacle), (own, 0, None));
        assert_eq!(program(&["env", "true"]).path.file_name().unwrap(), "true");
    }

    #[test]
    fn in_another_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("opt")).unwrap();
        fs::copy("/bin/cat", root.path().join("opt/game")).unwrap();
        // In the root, this leads to its own /opt.
        std::os::unix::fs::symlink("/opt/game", root.path().join("game")).unwrap();
        let found = look(&["/game".to_owned()], root.path()).unwrap();
        assert_eq!((found.path.as_path(), found.obstacle), (Path::new("/game"), None));
        assert!(look(&["/bin/cat".to_owned()], root.path()).is_err());
    }

    #[test]
    fn scripts() {
        let inner = script("#!/bin/cat\n", 0o755);
        let outer = script(&format!("#! {} -x\t\n", inner.display()), 0o755);
        let found = program(&[outer.to_str().unwrap(), "a"]);
        assert_eq!(found.path, Path::new("/bin/cat"));
        assert_eq!(found.through, [outer.to_path_buf(), inner.to_path_buf()]);
        let by_env = script("#!/usr/bin/env -S cat -u\n", 0o755);
        assert_eq!(program(&[by_env.to_str().unwrap()]).path.file_name().unwrap(), "cat");
    }

    #[test]
    fn what_keeps_a_library_out() {
        let copy = |mode| {
            let file = script("", 0o755);
            fs::copy("/bin/cat", &file).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        let obstacle = |command: &[&str]| program(command).obstacle.map(|obstacle| obstacle.says());
        for (mode, is_one) in [(0o755, false), (0o4755, true), (0o2755, true), (0o2745, false)] {
            let file = copy(mode);
            let said = obstacle(&[file.to_str().unwrap()]);
            assert_eq!(said.is_some_and(|said| said.contains("setuid")), is_one, "{mode:o}");
        }
        assert!(obstacle(&["env", "-i", "cat"]).unwrap().contains("empty environment"));
        let in_unit = |command: &[&str]| {
            let command: Vec<_> = command.iter().map(ToString::to_string).collect();
            look_in_unit(&command, Path::new("/")).is_ok()
        };
        assert!(in_unit(&["/bin/cat", "/etc/passwd"]) && in_unit(&["/usr/bin/nice", "-n", "5", "/bin/cat"]));
        for command in [
            &["/usr/bin/env", "cat"][..],
            &["/bin/cat", "/bin/true"],
            &["/usr/sbin/chroot", "/jail", "/bin/cat"],
        ] {
            assert!(!in_unit(command), "{command:?}");
        }
        assert_eq!(obstacle(&["env", "A=1", "cat"]), None);
    }

    #[test]
    fn unknown() {
        let said = |command: &str| look(&[command.to_owned()], Path::new("/")).unwrap_err().to_string();
        assert_eq!(said("/nonexistent"), "/nonexistent: no such program");
        assert_eq!(said("nopipe-nonexistent"), "nopipe-nonexistent: no such program");
        assert_eq!(said(""), ": no such program");
        assert_eq!(said("/etc"), "/etc: not an executable file");
        assert!(said(script("x", 0o755).to_str().unwrap()).ends_with("neither a program nor a script"));
        assert!(said(script("#!/bin/sh\n", 0o644).to_str().unwrap()).ends_with("not an executable file"));
        let own = script("", 0o755);
        fs::write(&own, format!("#!{}\n", own.display())).unwrap();
        assert!(said(own.to_str().unwrap()).ends_with("runs itself for ever"));
    }
}
