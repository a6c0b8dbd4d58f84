//! Settings of the library on the command line: judged as the library does it, by the same code.

use nopipe_core::settings::{Problem, SETTINGS, Settings, VARIABLES};

/// A variable and its value.
pub type Setting = (String, String);

/// Takes `NAME=VALUE`; for clap. The name may come without its prefix, in any case: `rate=5/1`.
///
/// # Errors
/// A sentence: there is no such setting, or it does not allow this value.
pub fn parse(text: &str) -> Result<Setting, String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    let wanted = name.to_ascii_uppercase();
    let mut all = SETTINGS.iter();
    let Some(setting) = all.find(|setting| wanted == setting.name || wanted == setting.short_name()) else {
        return Err(format!("no such setting; there are {VARIABLES}"));
    };
    if value.contains(['\n', '\r', '\0']) {
        return Err("a value cannot have a line feed in it".into());
    }
    match Settings::new().set(setting.name.as_bytes(), value.as_bytes()) {
        Ok(()) => Ok((setting.name.to_owned(), value.to_owned())),
        Err(Problem::Value { allowed }) => Err(format!("{} allows {allowed}", setting.name)),
        Err(Problem::Unknown) => Err(format!("no such setting; there are {VARIABLES}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let rate = Ok(("NOPIPE_RATE".to_owned(), "5/1".to_owned()));
        for text in ["NOPIPE_RATE=5/1", "rate=5/1", "nopipe_rate=5/1"] {
            assert_eq!(parse(text), rate, "{text}");
        }
        for (text, why) in [
            ("NOPIPE_RATE", "NAME=VALUE"),
            ("PATH=/bin", "no such setting; there are NOPIPE_LOG"),
            ("NOPIPE_RATE=x", "NOPIPE_RATE allows"),
            ("NOPIPE_ONLY=a\nUser=root", "line feed"),
        ] {
            assert!(parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
