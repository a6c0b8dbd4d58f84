//! What the cases of a test came to, side by side.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A table: one row for each case, in the order of their names.
pub struct Table<const COLUMNS: usize> {
    heading: [&'static str; COLUMNS],
    rows: Mutex<BTreeMap<String, [String; COLUMNS]>>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty one, whose columns beside the case's name are called so.
    pub const fn new(heading: [&'static str; COLUMNS]) -> Self {
        Table {
            heading,
            rows: Mutex::new(BTreeMap::new()),
        }
    }

    /// Adds a row, or replaces it.
    pub fn add(&self, case: impl ToString, row: [String; COLUMNS]) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(case.to_string(), row);
    }

    /// Prints it on standard output.
    pub fn print(&self) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let heading = ("case".to_string(), self.heading.map(String::from));
        let all = || std::iter::once((&heading.0, &heading.1)).chain(rows.iter());
        let width = |column: usize| all().map(|(_, row)| row[column].chars().count()).max().unwrap_or(0);
        let names = all().map(|(case, _)| case.chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for (case, row) in all() {
            let cells = row.iter().zip(widths);
            let cells: String = cells.map(|(cell, width)| format!(" | {cell:width$}")).collect();
            println!("{}", format!("{case:names$}{cells}").trim_end());
        }
    }
}
