//! A test suite: a list of tests, each declared as (name, needs, test).
//!
//! A test whose need is missing is ignored, never passed. Its line says `ignored`, the reason stands at the end of the
//! suite on standard error, and [`IGNORED_TESTS`] collects the reasons of all suites of a run.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Conclusion, Trial};

pub use crate::need::Need;
use crate::{Profile, library};
pub use libtest_mimic::Failed;

/// An environment variable: the file to which each suite appends its ignored tests, one a line. `scripts/test` sets it.
/// Its name does not begin with `NOPIPE_`: the library would take it for a setting and warn.
pub const IGNORED_TESTS: &str = "IGNORED_TESTS";

/// A line of a suite's table: the test's name, its needs, and the test.
pub type Row<T = fn() -> Result<(), Failed>> = (&'static str, &'static [Need], T);

/// A suite with its own `main`. In `Cargo.toml` it has `harness = false`.
pub struct Suite {
    name: &'static str,
    arguments: Arguments,
    trials: Vec<Trial>,
    /// `suite: test: reason`, in the order of running.
    ignored: Arc<Mutex<Vec<String>>>,
}

impl Suite {
    /// An empty suite that obeys the command line of this process, as `cargo test -- …` gives it.
    pub fn new(name: &'static str) -> Self {
        Self::with(name, Arguments::from_args())
    }

    fn with(name: &'static str, arguments: Arguments) -> Self {
        Suite {
            name,
            arguments,
            trials: Vec::new(),
            ignored: Arc::default(),
        }
    }

    /// The tests run one after another in the thread of `main`.
    pub fn one_at_a_time(&mut self) {
        self.arguments.test_threads = Some(1);
    }

    /// Builds the library now, rather than in the first test, and prints which build is tested.
    ///
    /// # Panics
    /// When it does not build.
    pub fn build(&self, profiles: &[Profile]) {
        if self.arguments.list {
            return;
        }
        for &profile in profiles {
            println!("testing {profile:?}: build-id {}", library(profile).build_id);
        }
    }

    /// Adds a test. Its needs are checked just before it would run.
    pub fn test<E: Into<Failed>>(
        &mut self,
        name: impl Into<String>,
        needs: &[Need],
        test: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) {
        let (name, needs, ignored) = (name.into(), needs.to_vec(), self.ignored.clone());
        let line = format!("{}: {name}", self.name);
        self.trials.push(Trial::ignorable_test(name, move || {
            let Some(reason) = needs.iter().find_map(Need::missing) else {
                return test().map(|()| Completion::Completed).map_err(Into::into);
            };
            let mut ignored = ignored.lock().unwrap_or_else(PoisonError::into_inner);
            ignored.push(format!("{line}: {reason}"));
            Ok(Completion::ignored_with(reason))
        }));
    }

    /// Adds every test of a table.
    pub fn tests(&mut self, table: &[Row]) {
        for &(name, needs, test) in table {
            self.test(name, needs, test);
        }
    }

    /// Adds every test of a table whose tests fail by a panic, as those of `#[test]` do.
    pub fn tests_that_panic(&mut self, table: &[Row<fn()>]) {
        for &(name, needs, test) in table {
            self.test(name, needs, move || {
                test();
                Ok::<_, Failed>(())
            });
        }
    }

    /// Runs the suite.
    pub fn run(self) -> ExitCode {
        self.run_then(|| ())
    }

    /// Runs the suite, then `end`, unless the tests are only to be listed. The ignored tests come last.
    pub fn run_then(self, end: impl FnOnce()) -> ExitCode {
        let list = self.arguments.list;
        let (conclusion, ignored) = self.conclude();
        if !list {
            end();
        }
        for line in &ignored {
            eprintln!("IGNORED {line}");
        }
        if let Some(file) = std::env::var_os(IGNORED_TESTS) {
            append(file.as_ref(), &ignored).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        conclusion.exit_code()
    }

    fn conclude(self) -> (Conclusion, Vec<String>) {
        let conclusion = libtest_mimic::run(&self.arguments, self.trials);
        let mut ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        (conclusion, std::mem::take(&mut ignored))
    }
}

fn append(file: &std::path::Path, lines: &[String]) -> std::io::Result<()> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // One write: suites may run at the same time.
    File::options()
        .append(true)
        .create(true)
        .open(file)?
        .write_all(text.as_bytes())
}

/// An error that says `what`, unless the condition holds.
pub fn ensure(holds: bool, what: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::{Need, Suite};
    use libtest_mimic::Arguments;

    const ABSENT: Need = Need::Other(|| Err("needs what nobody has".to_string()));

    /// A suite of one test that passes and one that lacks something, run with these arguments, in silence.
    fn counts(arguments: Arguments) -> ([u64; 3], Vec<String>) {
        let logfile = Some("/dev/null".to_string());
        let mut suite = Suite::with("suite", Arguments { logfile, ..arguments });
        suite.test("runs", &[Need::Other(|| Ok(()))], || Ok::<_, String>(()));
        suite.test("lacks", &[Need::Other(|| Ok(())), ABSENT], || Ok::<_, String>(()));
        let (conclusion, ignored) = suite.conclude();
        (
            [conclusion.num_passed, conclusion.num_ignored, conclusion.num_failed],
            ignored,
        )
    }

    #[test]
    fn a_test_that_lacks_something_is_ignored_by_name() {
        let lines = vec!["suite: lacks: needs what nobody has".to_string()];
        assert_eq!(counts(Arguments::default()), ([1, 1, 0], lines.clone()));
        // Not even on demand does it pass.
        let include_ignored = true;
        let forced = Arguments {
            include_ignored,
            ..Arguments::default()
        };
        assert_eq!(counts(forced), ([1, 1, 0], lines));
    }

    #[test]
    fn a_test_that_does_not_run_has_no_line() {
        let filter = Some("runs".to_string());
        let filtered = Arguments {
            filter,
            ..Arguments::default()
        };
        assert_eq!(counts(filtered), ([1, 0, 0], vec![]));
    }

    #[test]
    fn a_failure_is_a_failure() {
        let logfile = Some("/dev/null".to_string());
        let arguments = Arguments {
            logfile,
            ..Arguments::default()
        };
        let mut suite = Suite::with("suite", arguments);
        suite.test("fails", &[], || super::ensure(false, "no"));
        suite.test("panics", &[], || -> Result<(), String> { panic!("on purpose") });
        assert_eq!(suite.conclude().0.num_failed, 2);
    }
}
