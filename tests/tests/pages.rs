//! The pages against the declarations in the code: settings and fields.
//!
//! A page has its generated part between two lines, `begin: NAME` and `end: NAME`, in whatever its comments look like.
//! `BLESS=1 cargo test -p nopipe-tests --test pages` writes those parts anew.

use nopipe_core::fields::FIELDS;
use nopipe_core::settings::{SETTINGS, Setting};
use std::fmt::Write;
use std::fs;
use std::path::Path;

#[test]
fn readme_has_the_settings() {
    let mut table = "\n| variable | values | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for setting in &SETTINGS {
        let Setting { name, summary, .. } = setting;
        let row = [
            &format!("[`{name}`](docs/settings.md#{})", name.to_lowercase()),
            &values(setting, code),
            &default(setting, code),
            *summary,
        ];
        push_row(&mut table, &row);
    }
    compare("README.md", "settings", &(table + "\n"));
}

#[test]
fn settings_page_has_the_settings() {
    let mut sections = String::new();
    for setting in &SETTINGS {
        let Setting {
            name,
            summary,
            meaning,
            example,
            ..
        } = setting;
        write!(
            sections,
            "\n## {name}\n\n{summary}\n\n- values: {}\n- default: {}\n- example: `{name}={example}`\n\n{meaning}\n",
            values(setting, code) + &parts(setting),
            default(setting, code),
        )
        .unwrap();
    }
    compare("docs/settings.md", "settings", &(sections + "\n"));
}

#[test]
fn manual_page_has_the_settings() {
    let mut entries = String::new();
    for setting in &SETTINGS {
        let lines = [
            man_text(setting.summary),
            format!("Values: {}{}.", values(setting, man_value), man_text(&parts(setting))),
            format!("Default: {}.", default(setting, man_value)),
            man_text(setting.meaning),
        ];
        write!(entries, ".TP\n.B {}\n{}\n", setting.name, lines.join("\n.br\n")).unwrap();
    }
    compare("man/libnopipe.7", "settings", &entries);
}

#[test]
fn fuzzer_knows_the_words_of_the_settings() {
    // Of a form the fuzzer gets what stands before the first part to fill in.
    let literal = |form: &'static str| form.split(|c: char| c.is_ascii_uppercase()).next().unwrap();
    let names = SETTINGS.iter().map(|setting| format!("{}=", setting.name));
    let values = SETTINGS
        .iter()
        .flat_map(Setting::values)
        .map(|value| literal(value).to_owned());
    let mut words: Vec<String> = names.chain(values).filter(|word| !word.is_empty()).collect();
    words.sort();
    words.dedup();
    let lines: String = words.iter().map(|word| format!("\"{word}\"\n")).collect();
    compare("fuzz/settings.dict", "settings", &lines);
}

#[test]
fn fields_page_has_the_fields() {
    let mut table =
        "\n| text | JSON | journald | meaning, unit | source |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for field in &FIELDS {
        let name = |name: Option<&str>| name.map_or("–".to_owned(), code);
        let row = [
            &name(field.text),
            &name(field.json),
            &name(field.journal),
            field.meaning,
            field.source,
        ];
        push_row(&mut table, &row);
    }
    compare("docs/fields.md", "fields", &(table + "\n"));
}

/// Compares the part `name` of a page with what it has to be, or writes it.
fn compare(page: &str, name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let line_with = |mark: String| {
        let mut lines = text.split_inclusive('\n').scan(0, |end, line| {
            let start = *end;
            *end += line.len();
            Some((start, *end, line))
        });
        let found = lines.find(|(.., line)| line.contains(&mark));
        let (start, end, _) = found.unwrap_or_else(|| panic!("{page}: no line '{mark}'"));
        start..end
    };
    let begin = line_with(format!("begin: {name}")).end;
    let end = line_with(format!("end: {name}")).start;
    let actual = &text[begin..end];
    if actual == expected {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, [&text[..begin], expected, &text[end..]].concat()).unwrap();
        return;
    }
    let (mut actual, mut expected) = (actual.lines(), expected.lines());
    let mut number = text[..begin].lines().count();
    loop {
        number += 1;
        let pair = (actual.next(), expected.next());
        assert!(
            pair.0 == pair.1 && pair.0.is_some(),
            "{page}:{number} differs from the declaration (BLESS=1 writes it anew)\n page: {}\n code: {}",
            pair.0.unwrap_or("(the end)"),
            pair.1.unwrap_or("(the end)"),
        );
    }
}

fn push_row(table: &mut String, cells: &[&str]) {
    for cell in cells {
        assert!(!cell.is_empty() && !cell.contains(['|', '\n']), "{cells:?}");
        write!(table, "| {cell} ").unwrap();
    }
    table.push_str("|\n");
}

fn values(setting: &Setting, shown: fn(&str) -> String) -> String {
    setting.values().map(shown).collect::<Vec<_>>().join(", ")
}

fn default(setting: &Setting, shown: fn(&str) -> String) -> String {
    match setting.default {
        "" => "not set".to_owned(),
        value => shown(value),
    }
}

fn parts(setting: &Setting) -> String {
    match setting.parts {
        "" => String::new(),
        parts => format!(" ({parts})"),
    }
}

/// Markdown.
fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A value in roff: bold, with the parts that are to be filled in (capitals) in italics; man-pages(7).
fn man_value(value: &str) -> String {
    let mut out = String::new();
    let mut font = 'R';
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        let within = |c: char| c.is_ascii_uppercase();
        let hyphen = c == '-' && font == 'I' && rest.peek().copied().is_some_and(within);
        let wanted = if within(c) || hyphen { 'I' } else { 'B' };
        if wanted != font {
            write!(out, "\\f{wanted}").unwrap();
            font = wanted;
        }
        out.push_str(&man_character(c));
    }
    out + "\\fR"
}

/// Markdown's sentences in roff, each on a line of its own: code and names of manual pages in bold.
fn man_text(markdown: &str) -> String {
    let mut out = String::new();
    for (i, piece) in markdown.split('`').enumerate() {
        if i % 2 == 1 {
            out.push_str(&man_bold(piece));
            continue;
        }
        for word in piece.replace(". ", ".\n").split_inclusive([' ', '\n']) {
            match word.split_once('(').filter(|(name, section)| is_page(name, section)) {
                Some((name, section)) => write!(out, "\\fB{}\\fR({section}", man_escaped(name)).unwrap(),
                None => out.push_str(&man_escaped(word)),
            }
        }
    }
    out
}

fn is_page(name: &str, section: &str) -> bool {
    let mut section = section.chars();
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && section.next().is_some_and(|c| c.is_ascii_digit())
        && section.next() == Some(')')
}

fn man_bold(text: &str) -> String {
    format!("\\fB{}\\fR", man_escaped(text))
}

fn man_escaped(text: &str) -> String {
    text.chars().map(man_character).collect()
}

fn man_character(c: char) -> String {
    match c {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        c => c.to_string(),
    }
}
