//! What is declared of a setting.

/// What the name of every variable begins with.
pub const PREFIX: &str = "NOPIPE_";

/// The declaration of one setting.
#[derive(Clone, Copy)]
pub struct Declaration<S> {
    /// The environment variable: `NOPIPE_` and the setting's own name.
    pub name: &'static str,
    /// The values that are taken as they are.
    pub words: &'static [&'static str],
    /// The values in which a part is to be filled in. That part is in capitals: `file:PATH`.
    pub forms: &'static [&'static str],
    /// What the parts of [`Declaration::forms`] may be; empty if that says itself.
    pub parts: &'static str,
    /// The value that does the same as no value; empty if no value does.
    pub default: &'static str,
    /// What the setting does: one sentence, Markdown with nothing but `code`.
    pub summary: &'static str,
    /// The rest that an operator should know: a paragraph, Markdown as above.
    pub meaning: &'static str,
    /// A value that is not the default.
    pub example: &'static str,
    /// Takes a value that is not empty. `None`: it is none of the allowed ones, and nothing was changed.
    pub parse: fn(&mut S, &[u8]) -> Option<()>,
}

impl<S> Declaration<S> {
    /// The name without `NOPIPE_`: `LOG`. The launcher's option is this in lower case.
    pub const fn short_name(&self) -> &'static str {
        self.name.split_at(PREFIX.len()).1
    }

    /// All values, words first: `auto`, ..., `file:PATH`.
    pub fn values(&self) -> impl Iterator<Item = &'static str> {
        self.words.iter().chain(self.forms).copied()
    }
}
