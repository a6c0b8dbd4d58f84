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
        self.fill(case, 0, row);
    }

    /// Fills the cells of a case's row from column `first` on; the others stay as they are, or empty.
    pub fn fill<const CELLS: usize>(&self, case: impl ToString, first: usize, cells: [String; CELLS]) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows
            .entry(case.to_string())
            .or_insert([const { String::new() }; COLUMNS]);
        row.iter_mut()
            .skip(first)
            .zip(cells)
            .for_each(|(cell, new)| *cell = new);
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
