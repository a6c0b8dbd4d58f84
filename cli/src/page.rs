//! The parts of a manual page, and of `--help`, that clap knows nothing of.

use std::fmt::Write;

/// They come in this order.
pub struct Page {
    /// A command line, and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// An exit status, and when.
    pub exit: &'static [(u8, &'static str)],
    /// A file, and what is in it.
    pub files: &'static [(&'static str, &'static str)],
    /// Other manual pages: `ld.so(8)`.
    pub see_also: &'static str,
}

impl Page {
    /// For the end of `--help`.
    pub fn help(&self) -> String {
        let mut text = String::from("Examples:\n");
        for (line, what) in self.examples {
            let _ = writeln!(text, "  {line}\n      {what}");
        }
        text.push_str("\nExit status:\n");
        for (status, when) in self.exit {
            let _ = writeln!(text, "  {status:<3} {when}");
        }
        for (i, (file, what)) in self.files.iter().enumerate() {
            text.push_str(if i == 0 { "\nFiles:\n" } else { "" });
            let _ = writeln!(text, "  {file}\n      {what}");
        }
        let _ = write!(text, "\nSee also: {}", self.see_also);
        text
    }

    /// For the end of a manual page, in the language of man(7).
    #[cfg(test)]
    pub fn roff(&self) -> String {
        let mut text = String::new();
        let mut section = |name: &str, entries: &mut dyn Iterator<Item = (String, &str)>| {
            let _ = writeln!(text, ".SH \"{name}\"");
            for (term, what) in entries {
                let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escape(&term), escape(what));
            }
        };
        section(
            "EXAMPLES",
            &mut self.examples.iter().map(|&(line, what)| (line.to_owned(), what)),
        );
        section(
            "EXIT STATUS",
            &mut self.exit.iter().map(|&(status, when)| (status.to_string(), when)),
        );
        if !self.files.is_empty() {
            section(
                "FILES",
                &mut self.files.iter().map(|&(file, what)| (file.to_owned(), what)),
            );
        }
        let _ = writeln!(text, ".SH \"SEE ALSO\"\n{}", escape(self.see_also));
        text
    }
}

/// What man(7) would take for its own.
#[cfg(test)]
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text,
    }
}
