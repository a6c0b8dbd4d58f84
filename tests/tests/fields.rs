//! docs/fields.md against the table in the code.

use nopipe_core::event::FIELDS;

#[test]
fn documented_fields_are_the_ones_that_are_written() {
    let page = include_str!("../../docs/fields.md");
    let name = |cell: &str| match cell.trim() {
        "–" => None,
        name => Some(name.trim_matches('`').to_owned()),
    };
    let documented: Vec<[Option<String>; 3]> = page
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| –"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            assert_eq!(cells.len(), 7, "{line}");
            assert!(!cells[4].trim().is_empty() && !cells[5].trim().is_empty(), "{line}");
            [name(cells[1]), name(cells[2]), name(cells[3])]
        })
        .collect();
    let written: Vec<[Option<String>; 3]> = FIELDS
        .iter()
        .map(|field| [field.text, field.json, field.journal].map(|name| name.map(str::to_owned)))
        .collect();
    assert_eq!(documented, written);
}
