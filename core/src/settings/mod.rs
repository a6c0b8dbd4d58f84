//! The `NOPIPE_*` variables: what a setting is, and how one is read.
//!
//! The settings themselves are declared in `defs.rs`, one constant each: name, values, default, meaning, parser, and a
//! test next to it. Whatever else speaks of settings takes it from there: the texts of the warnings, the list of
//! variables, and the pages (`tests/tests/pages.rs` compares them).
//!
//! # How to add a setting
//!
//! 1. In `defs.rs`: a field of [`Settings`] with its default in [`Settings::new`], the constant with its test, and its
//!    entry in [`SETTINGS`].
//! 2. `BLESS=1 cargo test -p nopipe-tests --test pages` writes its section of `docs/settings.md`, its row of
//!    README's table, its entry of `man/libnopipe.7`, and its words for the fuzzer. Read them.
//!
//! # What gets into the library
//!
//! The declarations are constants, not statics: the library keeps only what it looks at, the `Entry` of each. The texts
//! for the pages stay out of it.

mod declaration;
mod defs;
mod value;

pub use declaration::Declaration;
pub use defs::{Handlers, LONGEST, Log, Pipes, Runaway, SETTINGS, Setting, Settings, reduced};

use crate::text::{Piece, Text};

/// Why a setting was rejected; its default holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// There is no such variable.
    Unknown,
    /// The value is not allowed; `allowed` says what is.
    Value {
        /// The values that can be read, for the warning.
        allowed: &'static str,
    },
}

/// What the library keeps of one [`Setting`].
struct Entry {
    name: Piece,
    /// For the warning about a value that is none of these: `auto, ..., file:PATH (PATH is absolute ...)`.
    allowed: Piece,
    parse: fn(&mut Settings, &[u8]) -> Option<()>,
}

/// The names of all variables, separated by commas, then what each allows.
const TEXT: &str = {
    const BUILT: Text<{ build::<0>().0.len() }> = build().0;
    BUILT.as_str()
};

static ENTRIES: [Entry; SETTINGS.len()] = build::<0>().2;

/// The variables there are, separated by commas, for the warning about an unknown one.
pub const VARIABLES: &str = TEXT.split_at(build::<0>().1).0;

/// [`TEXT`], the length of the names in it, and the entries.
const fn build<const N: usize>() -> (Text<N>, usize, [Entry; SETTINGS.len()]) {
    let mut text = Text::new();
    let mut entries = [const {
        Entry {
            name: Piece::EMPTY,
            allowed: Piece::EMPTY,
            parse: |_, _| None,
        }
    }; SETTINGS.len()];
    let mut i = 0;
    while i < SETTINGS.len() {
        if i > 0 {
            text.push(", ");
        }
        let start = text.len();
        text.push(SETTINGS[i].name);
        entries[i].name = text.since(start);
        entries[i].parse = SETTINGS[i].parse;
        i += 1;
    }
    let names = text.len();
    let mut i = 0;
    while i < SETTINGS.len() {
        let start = text.len();
        push_allowed(&mut text, &SETTINGS[i]);
        entries[i].allowed = text.since(start);
        i += 1;
    }
    (text, names, entries)
}

const fn push_allowed<const N: usize>(text: &mut Text<N>, setting: &Setting) {
    let (words, forms) = (setting.words, setting.forms);
    let mut i = 0;
    while i < words.len() + forms.len() {
        if i > 0 {
            text.push(", ");
        }
        text.push(if i < words.len() {
            words[i]
        } else {
            forms[i - words.len()]
        });
        i += 1;
    }
    if !setting.parts.is_empty() {
        text.push(" (");
        text.push(setting.parts);
        text.push(")");
    }
}

impl Settings {
    /// Takes one variable: `name` as in the environment, `value` what stands after the equals sign. An empty value is
    /// the default, as if the variable were not set.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Problem> {
        let entry = ENTRIES.iter().find(|entry| entry.name.is(TEXT, name));
        let entry = entry.ok_or(Problem::Unknown)?;
        if value.is_empty() {
            return Ok(());
        }
        (entry.parse)(self, value).ok_or(Problem::Value {
            allowed: entry.allowed.of(TEXT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::declaration::PREFIX;
    use super::*;

    fn allowed(setting: &Setting) -> &'static str {
        match Settings::new().set(setting.name.as_bytes(), b"/") {
            Err(Problem::Value { allowed }) => allowed,
            result => panic!("{}: {result:?}", setting.name),
        }
    }

    /// The settings after `value` was taken.
    fn with(setting: &Setting, value: &str) -> Settings {
        let mut settings = Settings::new();
        let result = settings.set(setting.name.as_bytes(), value.as_bytes());
        assert_eq!(result, Ok(()), "{}={value}", setting.name);
        settings
    }

    #[test]
    fn declarations_are_true() {
        let unset = format!("{:?}", Settings::new());
        for setting in &SETTINGS {
            let name = setting.name;
            assert_eq!(name, format!("{PREFIX}{}", setting.short_name()));
            assert_eq!(
                format!("{:?}", with(setting, setting.default)),
                unset,
                "{name}: the default"
            );
            assert_ne!(
                format!("{:?}", with(setting, setting.example)),
                unset,
                "{name}: the example"
            );
            assert!(setting.values().next().is_some(), "{name}");
            for word in setting.words {
                with(setting, word);
            }
            for form in setting.forms {
                assert!(
                    form.contains(|c: char| c.is_ascii_uppercase()),
                    "{name}: {form} has no part to fill in"
                );
            }
            let sentences =
                |text: &str| text.ends_with('.') && text.matches('`').count().is_multiple_of(2) && !text.contains('\n');
            assert!(sentences(setting.summary) && !setting.summary.contains(". "), "{name}");
            assert!(sentences(setting.meaning), "{name}");
        }
    }

    #[test]
    fn a_warning_names_what_is_allowed() {
        let settings = &mut Settings::new();
        let allowed_log = "auto, journal, syslog, stderr, none, file:PATH \
            (PATH is absolute, at most 511 bytes; %p is the process id, %% a percent sign)";
        for (name, expected) in [
            ("NOPIPE_LOG", allowed_log),
            ("NOPIPE_FORMAT", "text, json"),
            ("NOPIPE_EAGER", "off, on"),
        ] {
            let result = settings.set(name.as_bytes(), b"/");
            assert_eq!(result, Err(Problem::Value { allowed: expected }));
        }
        for setting in &SETTINGS {
            let values: Vec<_> = setting.values().collect();
            assert!(allowed(setting).starts_with(&values.join(", ")), "{}", setting.name);
            assert!(allowed(setting).contains(setting.parts), "{}", setting.name);
        }
    }

    #[test]
    fn unknown_variables() {
        for name in ["NOPIPE_LEVLE", "NOPIPE_", "NOPIPE_LO", "NOPIPE_LOGS", "nopipe_log", ""] {
            assert_eq!(
                Settings::new().set(name.as_bytes(), b"info"),
                Err(Problem::Unknown),
                "{name}"
            );
        }
        let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(VARIABLES, names.join(", "));
        let mut different = names.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len());
    }
}
