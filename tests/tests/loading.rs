//! How the library is loaded: by the loaders of glibc and musl, beside a copy of itself, by a libc that lacks something, in
//! the children of a program that has it. Whoever can be served survives a vanished peer, and whoever cannot starts as if the
//! library were not there.
//!
//! A libc that lacks a name is a copy of this machine's own in which that symbol is undefined.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::c_program::Libc;
use nopipe_tests::event::{self, Event};
use nopipe_tests::library::bare;
use nopipe_tests::program::{program, shared_object};
use nopipe_tests::run::{End, Outcome, run};
use nopipe_tests::suite::{Failed, Suite, ensure};
use nopipe_tests::{Profile, library, scratch_dir};
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection, ObjectSymbol};

const TIMEOUT: Duration = Duration::from_secs(20);
const KILLED: End = End::Signal(libc::SIGPIPE);
const FINE: End = End::Exit(0);

/// Dies of SIGPIPE without the library.
const DIES: &str = "vanished_tcp write v4";

fn main() -> ExitCode {
    let mut suite = Suite::new("loading");
    suite.build(&[Profile::Release]);
    for libc in [Libc::Glibc, Libc::Musl] {
        let mut test = |name: &str, test: fn(Libc) -> Result<(), Failed>| {
            suite.test(format!("{libc:?}: {name}"), &libc.needs(), move || test(libc));
        };
        test("two copies: one does the work", two_copies);
        test("a child of a glibc program that is protected", child);
        test("a child that is a static program", static_child);
        test("libc without a GNU hash table", |libc| with_libc(libc, &Lack::GnuHash));
        for &name in names_to_lack(libc) {
            suite.test(format!("{libc:?} without {name}"), &libc.needs(), move || {
                with_libc(libc, &Lack::Name(name))
            });
        }
    }
    if cfg!(target_arch = "x86_64") {
        suite.test("an object far below the address that it was linked for", &[], far_below);
    }
    suite.run()
}

/// What no hook and no start-up may depend on. (What libc itself, or the program, refers to cannot be taken away.)
fn names_to_lack(libc: Libc) -> &'static [&'static str] {
    match libc {
        Libc::Glibc => &[
            "__register_atfork",
            "getauxval",
            "gnu_get_libc_version",
            "pwritev2",
            "pwritev64v2",
            "pidfd_send_signal",
            "_Fork",
            "sendmmsg",
            "sendmsg",
        ],
        // Its loader binds everything at the start.
        Libc::Musl => &["_Fork"],
    }
}

enum Lack {
    Name(&'static str),
    GnuHash,
}

/// A copy of the library, as another file.
fn copy_of_library(folder: &Path) -> Result<PathBuf, Failed> {
    fs::create_dir_all(folder)?;
    let copy = folder.join("libnopipe.so");
    fs::copy(&library(Profile::Release).path, &copy)?;
    Ok(copy)
}

/// Runs `command` bare, which must die of SIGPIPE; then with these libraries preloaded, which it must survive. Returns the
/// lines of the log.
fn survives(command: &mut Command, libraries: &[&Path]) -> Result<Vec<Event>, Failed> {
    bare(command);
    ended(&run(command, TIMEOUT)?, KILLED)?;
    let logs = scratch_dir("logs");
    library(Profile::Release).preload(command, logs.path());
    let paths: Vec<_> = libraries.iter().map(|path| path.display().to_string()).collect();
    command.env("LD_PRELOAD", paths.join(":"));
    ended(&run(command, TIMEOUT)?, FINE)?;
    Ok(event::read_lines(logs.path())?)
}

fn ended(outcome: &Outcome, expected: End) -> Result<(), String> {
    ensure(
        outcome.end == expected,
        format_args!("expected {expected}, got {outcome:?}"),
    )
}

/// The log holds one event, and one line that begins with each of `others`.
fn lines_are(lines: &[Event], others: &[&str]) -> Result<(), String> {
    let count = |start: &str| lines.iter().filter(|line| line.message.starts_with(start)).count();
    let all = ["peer vanished"].iter().chain(others).all(|start| count(start) == 1);
    ensure(
        all && lines.len() == 1 + others.len(),
        format_args!("expected an event and {others:?}, got {lines:?}"),
    )
}

/// On musl half of what the hooks stand before is missing: a copy must not take the one before it for one after it.
fn two_copies(libc: Libc) -> Result<(), Failed> {
    let folder = scratch_dir("copies");
    let [one, other] = ["one", "other"].map(|name| copy_of_library(&folder.path().join(name)));
    let lines = survives(&mut libc.command(DIES), &[&one?, &other?])?;
    Ok(lines_are(&lines, &["libnopipe: loaded twice"])?)
}

/// A protected shell starts the program.
fn child(libc: Libc) -> Result<(), Failed> {
    let mut command = Command::new(program("sh"));
    command
        .args(["-c", "exec \"$0\" write v4"])
        .arg(libc.program("vanished_tcp"));
    let lines = survives(&mut command, &[&library(Profile::Release).path])?;
    Ok(lines_are(&lines, &[])?)
}

/// Nothing can be loaded into it: it starts, and ends as it does natively.
fn static_child(libc: Libc) -> Result<(), Failed> {
    const SOURCE: &str = "#include <unistd.h>
        int main(void) { int ends[2]; return pipe(ends) + close(ends[0]) + (int)write(ends[1], \"x\", 1); }";
    let folder = scratch_dir("static");
    let [source, binary] = ["static.c", "static"].map(|name| folder.path().join(name));
    fs::write(&source, SOURCE)?;
    let compiler = match libc {
        Libc::Glibc => "cc",
        Libc::Musl => "musl-gcc",
    };
    let mut compile = Command::new(compiler);
    ended(
        &run(compile.args(["-static", "-o"]).args([&binary, &source]), TIMEOUT)?,
        FINE,
    )?;
    let mut command = Command::new(program("sh"));
    command.args(["-c", "exec \"$0\""]).arg(&binary);
    bare(&mut command);
    ended(&run(&mut command, TIMEOUT)?, KILLED)?;
    let logs = scratch_dir("logs");
    library(Profile::Release).preload(&mut command, logs.path());
    let preloaded = run(&mut command, TIMEOUT)?;
    ended(&preloaded, KILLED)?;
    ensure(preloaded.stderr.is_empty(), preloaded.stderr)?;
    Ok(())
}

/// Two libraries are linked for one address, so one of them lies elsewhere: its base is near the end of the address space.
fn far_below() -> Result<(), Failed> {
    let folder = scratch_dir("below");
    let path = |name: &str| folder.path().join(name);
    let build = |arguments: &[&str], name: &str, text: &str| -> Result<(), Failed> {
        let source = path(&format!("{name}.c"));
        fs::write(&source, text)?;
        let mut compile = Command::new("cc");
        compile
            .args(["-o"])
            .arg(path(name))
            .arg(&source)
            .args(arguments)
            .current_dir(folder.path());
        Ok(ended(&run(&mut compile, TIMEOUT)?, FINE)?)
    };
    let high = ["-shared", "-fPIC", "-Wl,-Ttext-segment=0x7fffd0000000"];
    build(&high, "libone.so", "int one(void) { return 1; }")?;
    build(&high, "libtwo.so", "int two(void) { return 2; }")?;
    let text = "#include <unistd.h>\nint one(void), two(void);\n
        int main(void) { int ends[2]; (void)!pipe(ends); close(ends[0]); return one() + two() == 3 && write(ends[1], \"x\", 1) == -1 ? 0 : 1; }";
    build(&["-L.", "-lone", "-ltwo", "-Wl,-rpath,$ORIGIN"], "program", text)?;
    let mut command = Command::new(path("program"));
    bare(&mut command);
    ended(&run(&mut command, TIMEOUT)?, KILLED)?;
    let logs = scratch_dir("logs");
    library(Profile::Release).preload(&mut command, logs.path());
    Ok(ended(&run(&mut command, TIMEOUT)?, FINE)?)
}

/// The loader and the libc of programs for this libc.
fn loader_and_libc(libc: Libc) -> [PathBuf; 2] {
    let arch = std::env::consts::ARCH;
    match libc {
        Libc::Glibc => {
            let loader = match arch {
                "x86_64" => "/lib64/ld-linux-x86-64.so.2".to_string(),
                _ => format!("/lib/ld-linux-{arch}.so.1"),
            };
            [loader.into(), shared_object("libc.so.6")]
        }
        Libc::Musl => [(); 2].map(|()| format!("/lib/ld-musl-{arch}.so.1").into()),
    }
}

fn with_libc(libc: Libc, lack: &Lack) -> Result<(), Failed> {
    let folder = scratch_dir("libc");
    let [loader, original] = loader_and_libc(libc);
    let changed = folder.path().join("libc.so.6");
    fs::write(&changed, without(&fs::read(original)?, lack)?)?;
    let mut command = match libc {
        Libc::Glibc => {
            let mut command = Command::new(loader);
            command.arg("--library-path").arg(folder.path());
            command
        }
        Libc::Musl => {
            fs::set_permissions(&changed, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            Command::new(&changed)
        }
    };
    let words: Vec<_> = DIES.split(' ').collect();
    command.arg(libc.program(words[0])).args(&words[1..]);
    let [one, other] = ["one", "other"].map(|name| copy_of_library(&folder.path().join(name)));
    let [one, other] = [one?, other?];

    let needed = matches!(lack, Lack::Name("sendmsg"));
    let missing: &[&str] = match needed {
        true => &["libnopipe: functions not found in libc"],
        false => &[],
    };
    lines_are(&survives(&mut command, &[&one])?, missing)?;
    let twice = [missing, &["libnopipe: loaded twice"]].concat();
    Ok(lines_are(&survives(&mut command, &[&one, &other])?, &twice)?)
}

/// The ELF file without a symbol, or without its GNU hash table.
fn without(file: &[u8], lack: &Lack) -> Result<Vec<u8>, Failed> {
    let elf = ElfFile64::<object::Endianness>::parse(file)?;
    let mut changed = file.to_vec();
    let section = |name: &str| -> Result<(usize, usize), Failed> {
        let section = elf.section_by_name(name).ok_or(format!("no section {name}"))?;
        let (offset, size) = section.file_range().ok_or("it is not in the file")?;
        Ok((offset as usize, size as usize))
    };
    let mut found = 0;
    match lack {
        Lack::Name(name) => {
            let (table, _) = section(".dynsym")?;
            for symbol in elf.dynamic_symbols().filter(|symbol| symbol.name() == Ok(name)) {
                // elf(5), Elf64_Sym: st_shndx and st_value.
                let at = table + symbol.index().0 * 24;
                changed[at + 6..at + 16].fill(0);
                found += 1;
            }
        }
        Lack::GnuHash => {
            const DT_GNU_HASH: u64 = 0x6fff_fef5;
            const NOBODYS: u64 = 0x6fff_fdf4;
            let (start, size) = section(".dynamic")?;
            for at in (start..start + size).step_by(16) {
                if changed[at..at + 8] == DT_GNU_HASH.to_ne_bytes() {
                    changed[at..at + 8].copy_from_slice(&NOBODYS.to_ne_bytes());
                    found += 1;
                }
            }
        }
    }
    ensure(found > 0, "this libc does not have it to begin with")?;
    Ok(changed)
}
