//! `nopipe status --all`, as root, on a machine where anybody may start processes: item 21 of the second round's review.
//!
//! Each test has a pid namespace of its own, where the processes are the test's alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nopipe_tests::c_program::c_program;
use nopipe_tests::run::{Outcome, run};
use nopipe_tests::suite::{Need, Row, Suite};
use nopipe_tests::{Profile, library, scratch_dir};

const NOPIPE: &str = env!("CARGO_BIN_EXE_nopipe");
/// However hostile the others are, the answer is there within this time, seconds.
const ANSWERS_WITHIN: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(40);
/// How the metric of the processes that cannot be read begins.
const UNREADABLE: &str = "nopipe_unreadable";

const FUSE: Need = Need::Kernel("FUSE (/dev/fuse)", || Path::new("/dev/fuse").exists());

#[rustfmt::skip]
const TESTS: &[Row<fn()>] = &[
    ("hostile: names are made visible in text", ROOT, names_are_made_visible_in_text),
    ("hostile: names are made visible in JSON", ROOT, names_are_made_visible_in_json),
    ("hostile: names are made visible for Prometheus", ROOT, names_are_made_visible_for_prometheus),
    ("hostile: a peer's name is made visible", ROOT, a_peers_name_is_made_visible),
    ("hostile: a name cut in the middle of a character hides nobody", ROOT, a_name_cut_in_the_middle_of_a_character_hides_nobody),
    ("hostile: memory that is never there holds nobody up", &[Need::Root, Need::OwnMounts, FUSE], memory_that_is_never_there_holds_nobody_up),
    ("hostile: crowds of memory that is never there", &[Need::Root, Need::OwnMounts, FUSE], crowds_hold_nobody_up),
    ("hostile: names without an end take no time", ROOT, names_without_an_end_take_no_time),
    ("hostile: other users' oddities do not decide", ROOT, other_users_oddities_do_not_decide),
    ("hostile: one's own oddities decide", ROOT, ones_own_oddities_decide),
    ("hostile: a crowd of oddities fills no log", ROOT, a_crowd_of_oddities_fills_no_log),
];
const ROOT: &[Need] = &[Need::Root, Need::OwnMounts];

fn main() -> ExitCode {
    let mut suite = Suite::new("hostile");
    suite.build(&[Profile::Release]);
    suite.tests_that_panic(TESTS);
    suite.run()
}

/// What `nopipe status --all` says, its exit status and its standard error.
#[derive(Debug)]
struct Said {
    status: String,
    stdout: String,
    stderr: String,
}

/// Whose processes are odd.
const OTHER_USER: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// Runs `others`, a shell's lines that start processes in the background and say "up" in `$DIR/ups` for each, `count` of them;
/// then `nopipe status --all` with these options. `$LIBRARY` is the one under test, `$MAP` the program `hostile_map`.
fn status_among(others: &str, count: usize, options: &str, folder: &Path) -> Said {
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    for (name, from) in [
        ("libnopipe.so", library(Profile::Release).path.clone()),
        ("map", c_program("hostile_map")),
    ] {
        fs::copy(from, folder.join(name)).unwrap();
    }
    let script = format!(
        "cd $DIR; : >ups; {others}
         for i in $(seq 100); do [ $(wc -l <ups) -ge {count} ] && break; sleep 0.05; done; cat ups >&2
         timeout -s KILL {ANSWERS_WITHIN} {NOPIPE} status --all {options} >out 2>err; echo $? >status"
    );
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"])
        .arg(script)
        .env_remove("LD_PRELOAD")
        .env("DIR", folder)
        .env("LIBRARY", folder.join("libnopipe.so"))
        .env("MAP", folder.join("map"));
    let outcome: Outcome = run(&mut unshare, PATIENCE).unwrap();
    assert_eq!(outcome.stderr, "up\n".repeat(count), "all are up: {outcome:?}");
    let text = |name| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap()).into_owned();
    Said {
        status: text("status").trim().to_owned(),
        stdout: text("out"),
        stderr: text("err"),
    }
}

/// A server under the library that has this name, in hex.
fn server(name: &str) -> String {
    format!("LD_PRELOAD=$LIBRARY NOPIPE_LOG=none $MAP plain $MAP {name} >>ups &")
}

/// Nothing that a terminal obeys: C0 but for the line's end, DEL, C1, bidi.
fn is_visible(text: &str) -> bool {
    let obeyed = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !text.chars().any(obeyed)
}

/// ESC [31m, then C1's CSI and the right-to-left override in UTF-8.
const ESCAPES: &str = "1b5b33316dc29be280ae78";
/// Eight times U+00E4: the kernel keeps 15 bytes, and so half a character.
const CUT: &str = "c3a4c3a4c3a4c3a4c3a4c3a4c3a4c3a4";

fn assert_visible(options: &str) {
    let folder = scratch_dir("names");
    let others = format!(
        "mkdir other; echo no library >other/libnopipe.so; {} $MAP plain other/libnopipe.so {ESCAPES} >>ups &",
        server(ESCAPES)
    );
    let said = status_among(&others, 2, options, folder.path());
    assert!(!said.stdout.is_empty(), "{}", said.stderr);
    assert!(is_visible(&said.stdout), "stdout: {:?}", said.stdout);
    assert!(is_visible(&said.stderr), "stderr: {:?}", said.stderr);
}

fn names_are_made_visible_in_text() {
    assert_visible("");
}

fn names_are_made_visible_in_json() {
    assert_visible("--json");
}

fn names_are_made_visible_for_prometheus() {
    assert_visible("--prometheus");
}

fn a_name_cut_in_the_middle_of_a_character_hides_nobody() {
    for options in ["", "--json", "--prometheus"] {
        let folder = scratch_dir("cut");
        let others = format!("{} {}", server(CUT), server("676f6f64"));
        let said = status_among(&others, 2, options, folder.path());
        assert_eq!(said.status, "0", "{}", said.stderr);
        assert!(
            said.stdout.contains("good") && said.stdout.contains("ää"),
            "{options}: {} {}",
            said.stdout,
            said.stderr
        );
    }
}

fn memory_that_is_never_there_holds_nobody_up() {
    let folder = scratch_dir("hangs");
    let others = format!("mkdir fuse; $MAP hangs fuse >>ups & {}", server("676f6f64"));
    let said = status_among(&others, 2, "", folder.path());
    assert_eq!(said.status, "0", "137 is no answer at all: {}", said.stderr);
    assert!(said.stdout.contains("good"), "{} {}", said.stdout, said.stderr);
}

fn put(image: &mut [u8], at: usize, words: &[u64], size: usize) {
    for (i, word) in words.iter().enumerate() {
        image[at + i * size..][..size].copy_from_slice(&word.to_le_bytes()[..size]);
    }
}

/// An x86-64 shared object of 16 MiB: 300,000 symbols, all with one name of 6 MiB that has no NUL at its end.
fn endless_names() -> Vec<u8> {
    const SYMBOLS: usize = 300_000;
    const HASH: usize = 0x1000;
    const SYMTAB: usize = 0x20_0000;
    const STRTAB: usize = 0xa0_0000;
    const SIZE: usize = 0x100_0000;
    let mut image = vec![0; SIZE];
    image[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put(&mut image, 16, &[3, 62], 2); // ET_DYN, EM_X86_64
    put(&mut image, 20, &[1], 4);
    put(&mut image, 32, &[64], 8); // e_phoff
    put(&mut image, 52, &[64, 56, 2], 2); // e_ehsize, e_phentsize, e_phnum
    put(&mut image, 64, &[1, 4], 4); // PT_LOAD
    put(&mut image, 72, &[0, 0, 0, SIZE as u64, SIZE as u64, 0x1000], 8);
    put(&mut image, 120, &[2, 4], 4); // PT_DYNAMIC
    put(&mut image, 128, &[0x200, 0x200, 0x200, 64, 64, 8], 8);
    // DT_GNU_HASH, DT_SYMTAB, DT_STRTAB, DT_STRSZ, DT_NULL.
    let dynamic = [0x6fff_fef5, HASH, 6, SYMTAB, 5, STRTAB, 10, SIZE - STRTAB, 0, 0].map(|n| n as u64);
    put(&mut image, 0x200, &dynamic, 8);
    // One bucket, the first symbol is 1, one bloom word, a chain to the last symbol.
    put(&mut image, HASH, &[1, 1, 1, 0], 4);
    put(&mut image, HASH + 24, &[1], 4);
    put(&mut image, HASH + 28 + (SYMBOLS - 2) * 4, &[1], 4);
    for symbol in 1..SYMBOLS {
        put(&mut image, SYMTAB + symbol * 24 + 4, &[0x11, 1], 2); // a defined object
        put(&mut image, SYMTAB + symbol * 24 + 8, &[0x1000, 64], 8);
    }
    image[STRTAB..].fill(b'n');
    image
}

fn names_without_an_end_take_no_time() {
    let folder = scratch_dir("names");
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::write(folder.path().join("other/libnopipe.so"), endless_names()).unwrap();
    let others = format!(
        "{OTHER_USER} $MAP plain other/libnopipe.so >>ups & {}",
        server("676f6f64")
    );
    let said = status_among(&others, 2, "", folder.path());
    assert_eq!(said.status, "0", "137 is no answer at all: {}", said.stderr);
    assert!(said.stdout.contains("good"), "{} {}", said.stdout, said.stderr);
}

/// What is odd about another user's process is no failure of `--all`: a timer's unit would be failed by anybody.
fn other_users_oddities_do_not_decide() {
    let folder = scratch_dir("odd");
    let others = format!(
        "mkdir other; echo no library >other/libnopipe.so; {OTHER_USER} $MAP plain other/libnopipe.so >>ups & {}",
        server("676f6f64")
    );
    let said = status_among(&others, 2, "--prometheus", folder.path());
    assert_eq!(said.status, "0", "{}", said.stderr);
    assert!(said.stderr.contains("process "), "it is told: {:?}", said.stderr);
    let metric = |line: &str| line.starts_with(UNREADABLE) && line.ends_with(" 1");
    assert!(said.stdout.lines().any(metric), "{}", said.stdout);
}

/// A libnopipe.so that has a block with a peer of this name (in C), and numbers that nobody has counted. It says "up".
fn forged_library(folder: &Path, peer: &str) {
    let source = format!(
        r#"
        #include <string.h>
        #include <unistd.h>
        unsigned long nopipe_stats[512];
        __attribute__((constructor)) static void forge(void)
        {{
            memcpy(nopipe_stats, "nopipe", 7);
            nopipe_stats[1] = 1 | (unsigned long)getpid() << 32;
            for (int i = 2; i < 19; i++)
                nopipe_stats[i] = ~0ul;
            nopipe_stats[18] = 1; /* one peer was entered */
            nopipe_stats[19] = 2; /* it was written once */
            nopipe_stats[20] = ~0ul;
            strcpy((char *)&nopipe_stats[22], "{peer}");
            write(1, "up\n", 3);
        }}"#
    );
    fs::create_dir(folder.join("forged")).unwrap();
    fs::write(folder.join("forged.c"), source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(folder.join("forged/libnopipe.so"))
        .arg(folder.join("forged.c"));
    assert!(cc.status().unwrap().success());
}

fn a_peers_name_is_made_visible() {
    for options in ["", "--json", "--prometheus"] {
        let folder = scratch_dir("forged");
        forged_library(folder.path(), r"left\x1b[31m\xc2\x9b\xe2\x80\xae\xff");
        let others = "LD_PRELOAD=./forged/libnopipe.so sleep 60 >>ups &";
        let said = status_among(others, 1, options, folder.path());
        assert_eq!(said.status, "0", "{}", said.stderr);
        assert!(said.stdout.contains("sleep"), "{said:?}");
        assert!(options == "--prometheus" || said.stdout.contains("left"), "{said:?}");
        assert!(is_visible(&said.stdout), "{:?}", said.stdout);
    }
}

fn crowds_hold_nobody_up() {
    let folder = scratch_dir("crowd");
    let others = format!(
        "for i in $(seq 12); do mkdir fuse$i; $MAP hangs fuse$i >>ups & done; {}",
        server("676f6f64")
    );
    let said = status_among(&others, 13, "--prometheus", folder.path());
    assert_eq!(said.status, "0", "137 is no answer at all: {}", said.stderr);
    assert!(said.stdout.contains("good"), "{} {}", said.stdout, said.stderr);
    assert!(said.stdout.contains(&format!("{UNREADABLE} 12\n")), "{}", said.stdout);
}

/// Another version after an upgrade, for instance: who runs it can mend it.
fn ones_own_oddities_decide() {
    let folder = scratch_dir("own");
    let others = format!(
        "mkdir other; echo no library >other/libnopipe.so; $MAP plain other/libnopipe.so >>ups & {}",
        server("676f6f64")
    );
    let said = status_among(&others, 2, "", folder.path());
    assert_eq!(said.status, "6", "{}", said.stderr);
    assert!(said.stdout.contains("good"), "{} {}", said.stdout, said.stderr);
}

fn a_crowd_of_oddities_fills_no_log() {
    let folder = scratch_dir("odd-crowd");
    let others = format!(
        "mkdir other; echo no library >other/libnopipe.so
         for i in $(seq 40); do {OTHER_USER} $MAP plain other/libnopipe.so >>ups & done"
    );
    let said = status_among(&others, 40, "--prometheus", folder.path());
    assert_eq!(said.status, "0", "{}", said.stderr);
    assert!(said.stderr.lines().count() < 30, "{}", said.stderr);
    assert!(said.stderr.contains("and 20 more"), "{}", said.stderr);
    assert!(said.stdout.contains(&format!("{UNREADABLE} 40\n")), "{}", said.stdout);
}
