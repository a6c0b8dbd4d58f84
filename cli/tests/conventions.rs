//! What every subcommand does: help, versions, completions, a hint for a misspelt word, a closed standard output.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::program::program;
use nopipe_tests::run::{End, Outcome, run};
use nopipe_tests::scratch_dir;
use nopipe_tests::suite::{Need, Row, Suite};

const NOPIPE: &str = env!("CARGO_BIN_EXE_nopipe");
const PATIENCE: Duration = Duration::from_secs(20);

/// All that `nopipe --help` names, but `help` itself.
const SUBCOMMANDS: &[&str] = &["check", "completions", "dropin", "report", "status"];

const TESTS: &[Row<fn()>] = &[
    ("conventions: help and version", &[], help_and_version),
    (
        "conventions: completions",
        &[Need::Program("bash", "bash")],
        completions,
    ),
    ("conventions: a misspelt word", &[], a_misspelt_word),
    (
        "conventions: a closed standard output",
        &[Need::Program("bash", "bash")],
        a_closed_standard_output,
    ),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("conventions");
    suite.tests_that_panic(TESTS);
    suite.run()
}

fn nopipe(args: &[&str]) -> Outcome {
    run(Command::new(NOPIPE).args(args), PATIENCE).unwrap()
}

fn help_and_version() {
    let listed = nopipe(&["--help"]).stdout;
    for subcommand in SUBCOMMANDS {
        assert!(listed.contains(&format!("\n  {subcommand} ")), "{subcommand}: {listed}");
        let by_option = nopipe(&[subcommand, "--help"]);
        assert_eq!(by_option.end, End::Exit(0));
        assert_eq!(nopipe(&["help", subcommand]).stdout, by_option.stdout);
        for part in ["Usage:", "Examples:\n  nopipe ", "Exit status:\n  0 ", "See also: "] {
            assert!(
                by_option.stdout.contains(part),
                "{subcommand}: {part}\n{}",
                by_option.stdout
            );
        }
        let version = format!("nopipe-{subcommand} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(nopipe(&[subcommand, "--version"]).stdout, version);
    }
    let words = listed.lines().skip_while(|line| *line != "Commands:").skip(1);
    let words: Vec<_> = words.map_while(|line| line.split_whitespace().next()).collect();
    assert_eq!(words.len(), SUBCOMMANDS.len() + 1, "{words:?}");
}

fn completions() {
    let folder = scratch_dir("conventions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = nopipe(&["completions", shell]);
        assert_eq!(script.end, End::Exit(0), "{shell}");
        for subcommand in SUBCOMMANDS {
            assert!(script.stdout.contains(subcommand), "{shell}: {subcommand}");
        }
    }
    let script = folder.path().join("nopipe");
    std::fs::write(&script, nopipe(&["completions", "bash"]).stdout).unwrap();
    // What bash offers after "nopipe dropin --rem".
    let line = format!(
        ". {}; COMP_WORDS=(nopipe dropin --rem); COMP_CWORD=2; _nopipe nopipe --rem dropin; echo ${{COMPREPLY[*]}}",
        script.display()
    );
    let outcome = run(Command::new(program("bash")).args(["-c", &line]), PATIENCE).unwrap();
    assert_eq!(outcome.stdout, "--remove\n", "{}", outcome.stderr);
    assert_eq!(nopipe(&["completions", "cmd"]).end, End::Exit(2));
}

fn a_misspelt_word() {
    for (args, hint) in [
        (&["statsu"][..], "'status'"),
        (&["dropin", "a", "--instal"], "'--install'"),
    ] {
        let outcome = nopipe(args);
        assert_eq!(outcome.end, End::Exit(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(hint), "{}", outcome.stderr);
    }
}

fn a_closed_standard_output() {
    for args in [
        "--help",
        "help dropin",
        "completions bash",
        "status --all",
        "dropin --list",
    ] {
        for redirection in [">&-", "| true"] {
            let line = format!("set -o pipefail; {NOPIPE} {args} {redirection}");
            let mut command = Command::new(program("bash"));
            command.args(["-c", &line]).stdin(Stdio::null());
            let outcome = run(&mut command, PATIENCE).unwrap();
            assert!(!outcome.stderr.contains("panicked"), "{line}: {}", outcome.stderr);
            assert!(matches!(outcome.end, End::Exit(0..=9)), "{line}: {outcome:?}");
        }
    }
}
