//! The results of a suite's cases, side by side.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A table: one row for each case, in the order of their names.
pub struct Table<const COLUMNS: usize> {
    heading: [&'static str; COLUMNS],
    rows: Mutex<BTreeMap<String, [String; COLUMNS]>>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table; `heading` names the columns that follow the case's name.
    pub const fn new(heading: [&'static str; COLUMNS]) -> Self {
        Table {
            heading,
            rows: Mutex::new(BTreeMap::new()),
        }
    }

    /// Adds a row, or replaces the row of the same case.
    pub fn add(&self, case: impl ToString, row: [String; COLUMNS]) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(case.to_string(), row);
    }

    /// Prints the table on standard output, if it has any rows.
    pub fn print(&self) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.is_empty() {
            return;
        }
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
