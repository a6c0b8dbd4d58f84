//! docs/status.md against the counters in the code.

use nopipe_core::stats::Counter;

#[test]
fn documented_counters_are_the_ones_that_are_counted() {
    let page = include_str!("../../docs/status.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("_total` |"));
    let documented: Vec<[String; 4]> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 6, "{line}");
            [cells[1], cells[2], cells[3], cells[4]].map(|cell| cell.replace('`', ""))
        })
        .collect();
    let counted = Counter::ALL.map(|counter| {
        let key = counter.key();
        [
            counter.label().to_owned(),
            key.to_owned(),
            format!("nopipe_{key}_total"),
            as_in_a_table(counter.help()),
        ]
    });
    assert_eq!(documented, counted);
}

/// A sentence without its full stop and its capital letter, if that is not part of a name.
fn as_in_a_table(sentence: &str) -> String {
    let text = sentence.trim_end_matches('.');
    match text.split_at(1) {
        (first, rest) if rest.starts_with(char::is_lowercase) => first.to_lowercase() + rest,
        _ => text.to_owned(),
    }
}
